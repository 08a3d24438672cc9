//! What administrators wish of the workers of an app: asked of every one of them, gathered, told.
//!
//! A wish comes from an operator at the control socket or from a client at a worker's door; that
//! worker has looked who may. Every worker of the app is told, and whoever does not answer in time
//! is named in the answer. What is to hold for workers that come later (a maintenance, a log level)
//! is kept here and handed to each with its settings. Nothing here waits; nothing here decides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use mcp_protocol::admin::{Gathered, Maintenance, Outcome, Part, Wish};
use mcp_protocol::control::{FailureCause, Response};
use mcp_protocol::frame;
use mcp_protocol::message::ToWorker;
use mcp_protocol::settings::{Adjustable, LogLevel};
use tokio::sync::mpsc;

use crate::machine::{AppName, RunId};
use crate::report::unknown_app;
use crate::runtime::admin_note::{self, By};
use crate::runtime::clock::{in_time, pause};
use crate::runtime::hands::Hands;
use crate::runtime::maintenance::Kept;
use crate::runtime::news::News;

/// How much longer than a worker itself we wait for its answer.
const SLACK: Duration = Duration::from_secs(1);
/// All answers together fit into one message; what is beyond this is left out, and said so.
const GATHERED_BYTES_MAX: usize = frame::FRAME_BYTES_MAX - 64 * 1024;
/// The most wishes that are gathered for at once.
const GATHERINGS_MAX: usize = 256;
/// How long the disk may take to remember a maintenance.
const KEEPING_TIME: Duration = Duration::from_secs(5);

/// What is gathered, and what holds until it is said otherwise.
#[derive(Debug)]
pub(crate) struct Admin {
    gatherings: BTreeMap<u64, Gathering>,
    numbers: u64,
    pub(crate) maintenance: Kept,
    /// Levels that were asked for at run time.
    levels: BTreeMap<AppName, LogLevel>,
}

/// Who has a wish.
#[derive(Debug)]
enum Asker {
    /// A client at this worker's door, who is known there.
    Worker { run: RunId, ticket: u64 },
    /// An operator.
    Operator { answers: mpsc::Sender<Response>, by: By },
}

/// What the loop hears of wishes.
#[derive(Debug)]
pub(crate) enum AdminNews {
    /// A client at a worker's door wishes something of all workers of its app.
    Wished { run: RunId, ticket: u64, wish: Box<Wish> },
    /// A worker did what was wished, or tells it.
    Did { run: RunId, number: u64, outcome: Box<Outcome> },
    /// The time is over in which workers can answer.
    Over { number: u64 },
}

/// A wish on its way.
#[derive(Debug)]
struct Gathering {
    wish: Wish,
    asker: Asker,
    /// Those who have not answered yet.
    awaited: BTreeSet<RunId>,
    /// What is known of each worker that was asked, by app.
    parts: BTreeMap<AppName, BTreeMap<RunId, Part>>,
}

impl Admin {
    /// With what an earlier supervisor kept in the state directory.
    pub(crate) fn open(state_directory: &Path) -> Admin {
        let maintenance = Kept::open(state_directory);
        let (gatherings, levels) = (BTreeMap::new(), BTreeMap::new());
        Admin { gatherings, numbers: 0, maintenance, levels }
    }

    /// Lays what was asked for at run time over what the file says.
    pub(crate) fn lay_over(&self, app: &AppName, settings: &mut Adjustable) {
        settings.maintenance = self.maintenance.of(app).cloned();
        if let Some(level) = self.levels.get(app) {
            settings.log_level = *level;
        }
    }

    /// The level that was asked for at run time.
    pub(crate) fn level(&self, app: &AppName) -> Option<LogLevel> {
        self.levels.get(app).copied()
    }

    /// From now on the file says what is logged: of this app, or of all.
    pub(crate) fn forget_levels(&mut self, app: Option<&AppName>) {
        self.levels.retain(|known, _| app.is_some_and(|app| app != known));
    }
}

impl Hands {
    /// Takes in what is new of wishes.
    pub(crate) fn heed_administrators(&mut self, news: AdminNews) {
        match news {
            AdminNews::Wished { run, ticket, wish } => self.asked_by_worker(run, ticket, *wish),
            AdminNews::Did { run, number, outcome } => self.did(run, number, *outcome),
            AdminNews::Over { number } => self.gathering_over(number),
        }
    }

    /// A worker's connection is gone.
    pub(crate) fn link_lost(&mut self, run: RunId) {
        self.answers_no_more(run);
        self.processes.get_mut(run).into_iter().for_each(|one| one.link = None);
    }

    /// A client at a worker's door has a wish, for the workers of that worker's app.
    fn asked_by_worker(&mut self, run: RunId, ticket: u64, wish: Wish) {
        let Some(process) = self.processes.get(run) else { return };
        let app = process.slot.app.clone();
        self.gather(vec![app], wish, Asker::Worker { run, ticket });
    }

    /// An operator has a wish, for the workers of this app, or of all that are ours.
    pub(crate) fn asked_by_operator(
        &mut self,
        app: Option<String>,
        wish: Wish,
        (answers, by): (mpsc::Sender<Response>, By),
    ) {
        let ours = self.config.apps.iter().filter(|(_, app)| app.settings.is_some());
        let ours: Vec<AppName> = ours.map(|(name, _)| name.clone()).collect();
        let meant = match app {
            None if ours.is_empty() => Err("there is no app of mcp-worker".to_owned()),
            None => Ok(ours),
            Some(app) => {
                let name = AppName::new(&app);
                match self.config.apps.get(&name) {
                    Some(_) if ours.contains(&name) => Ok(vec![name]),
                    Some(_) => Err(format!("`{app}` is not run by mcp-worker")),
                    None => Err(unknown_app(&app, ours.iter().map(AppName::as_str))),
                }
            }
        };
        match meant {
            Ok(apps) => self.gather(apps, signed(wish, by), Asker::Operator { answers, by }),
            Err(reason) => {
                let (cause, last_output) = (FailureCause::Usage, Vec::new());
                let _ = answers.try_send(Response::Failed { reason, cause, last_output });
            }
        }
    }

    /// Keeps what is to hold, and asks every worker of these apps.
    fn gather(&mut self, apps: Vec<AppName>, wish: Wish, asker: Asker) {
        self.keep(&apps, &wish);
        self.admin.numbers += 1;
        let number = self.admin.numbers;
        let mut gathering =
            Gathering { wish, asker, awaited: BTreeSet::new(), parts: BTreeMap::new() };
        let is_crowded = self.admin.gatherings.len() >= GATHERINGS_MAX;
        for app in apps {
            let parts = gathering.parts.entry(app.clone()).or_default();
            for (run, process) in self.processes.iter().filter(|(_, one)| one.slot.app == app) {
                let pid = process.pid.as_raw().unsigned_abs();
                let mut part = Part { slot: process.slot.index, run: run.0, pid, outcome: None };
                let wish = Box::new(gathering.wish.clone());
                let message = ToWorker::Do { ticket: number, wish };
                let refused = match &process.link {
                    _ if is_crowded => Some("too much is asked at once; try again"),
                    None => Some("it is still starting"),
                    Some(link) if link.try_send(message).is_err() => Some("it takes no messages"),
                    Some(_) => None,
                };
                match refused {
                    Some(why) => part.outcome = Some(Outcome::Refused(why.to_owned())),
                    None => drop(gathering.awaited.insert(run)),
                }
                parts.insert(run, part);
            }
        }
        let patience = gathering.wish.patience() + SLACK;
        let is_over = gathering.awaited.is_empty();
        self.admin.gatherings.insert(number, gathering);
        if is_over {
            return self.gathering_over(number);
        }
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            pause(patience).await;
            let _ = inbox.send(News::Admin(AdminNews::Over { number })).await;
        });
    }

    /// What a wish leaves for workers that come later, and tells those that are there.
    fn keep(&mut self, apps: &[AppName], wish: &Wish) {
        match wish {
            Wish::Maintain(maintenance) => {
                self.admin.maintenance.set(apps, maintenance.as_ref());
            }
            Wish::LogLevel(Some(level)) => {
                self.admin.levels.extend(apps.iter().map(|app| (app.clone(), *level)));
            }
            Wish::LogLevel(None) => {
                apps.iter().for_each(|app| self.admin.forget_levels(Some(app)));
            }
            Wish::ResetPools { .. }
            | Wish::Sessions
            | Wish::Queries
            | Wish::CancelQuery { .. }
            | Wish::TestConnections { .. }
            | Wish::Circuits
            | Wish::ResetCircuits { .. }
            | Wish::Maintained
            | Wish::State => return,
        }
        self.adjust_workers();
    }

    /// From now on the file says what is logged: of this app, or of all.
    pub(crate) fn let_file_say_levels(&mut self, app: Option<&str>) {
        self.admin.forget_levels(app.map(AppName::new).as_ref());
        self.adjust_workers();
    }

    /// A worker answered.
    fn did(&mut self, run: RunId, number: u64, outcome: Outcome) {
        let Some(gathering) = self.admin.gatherings.get_mut(&number) else { return };
        if !gathering.awaited.remove(&run) {
            return;
        }
        for parts in gathering.parts.values_mut() {
            if let Some(part) = parts.get_mut(&run) {
                part.outcome = Some(outcome);
                break;
            }
        }
        if gathering.awaited.is_empty() {
            self.gathering_over(number);
        }
    }

    /// A worker is gone, or cannot be reached any more: nobody waits for its answers.
    pub(crate) fn answers_no_more(&mut self, run: RunId) {
        let awaited = self.admin.gatherings.iter().filter(|(_, one)| one.awaited.contains(&run));
        let numbers: Vec<u64> = awaited.map(|(number, _)| *number).collect();
        let gone = || Outcome::Refused("it ended before it answered".to_owned());
        numbers.into_iter().for_each(|number| self.did(run, number, gone()));
    }

    /// All have answered, or their time is over.
    fn gathering_over(&mut self, number: u64) {
        let Some(gathering) = self.admin.gatherings.remove(&number) else { return };
        let Gathering { wish, asker, parts, .. } = gathering;
        let all = bounded(parts);
        match asker {
            Asker::Worker { run, ticket } => {
                let parts = all.into_iter().flat_map(|gathered| gathered.parts).collect();
                let link = self.processes.get(run).and_then(|process| process.link.as_ref());
                if let Some(link) = link {
                    let _ = link.try_send(ToWorker::Gathered { ticket, parts });
                }
            }
            Asker::Operator { answers, by } => {
                let logs = self.config.supervisor.log_directory.clone();
                let kept = self.admin.maintenance.kept();
                tokio::spawn(async move {
                    let kept = tokio::time::timeout_at(in_time(KEEPING_TIME), kept).await;
                    let kept = kept.unwrap_or_else(|_| Err("the disk is slow".to_owned()));
                    let note = admin_note::Note::of(&wish, &by, &all);
                    let _ = tokio::task::spawn_blocking(move || note.write(&logs)).await;
                    let _ = answers.try_send(match (&wish, kept) {
                        (Wish::Maintain(_), Err(why)) => failed(&why),
                        (_, _) => Response::Gathered(all),
                    });
                });
            }
        }
    }
}

/// A wish with the name of whoever has it, where that is kept.
fn signed(wish: Wish, by: By) -> Wish {
    match wish {
        Wish::Maintain(Some(maintenance)) => {
            let by = format!("user {}", by.uid);
            Wish::Maintain(Some(Maintenance { by, ..maintenance }))
        }
        wish => wish,
    }
}

fn failed(why: &str) -> Response {
    crate::runtime::answer::failed(
        format!("it was done, but it is not sure to hold after a restart of the supervisor: {why}"),
        Vec::new(),
    )
}

/// The answers by app and slot, as far as they fit into one message.
fn bounded(parts: BTreeMap<AppName, BTreeMap<RunId, Part>>) -> Vec<Gathered> {
    let mut room = GATHERED_BYTES_MAX;
    let mut all = Vec::new();
    for (app, parts) in parts {
        let mut parts: Vec<Part> = parts.into_values().collect();
        parts.sort_by_key(|part| (part.slot, part.run));
        for part in &mut parts {
            let length = frame::encode(part).map_or(usize::MAX, |bytes| bytes.len());
            match room.checked_sub(length) {
                Some(left) => room = left,
                None => {
                    let words = "all answers together are too long for one message";
                    part.outcome = Some(Outcome::Refused(words.to_owned()));
                }
            }
        }
        all.push(Gathered { app: app.to_string(), parts });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::admin::SessionSeen;

    #[test]
    fn answers_that_are_too_long_together_are_left_out_by_name() {
        let seen = SessionSeen {
            tag: None,
            client: None,
            program: Some("x".repeat(130)),
            protocol: "2025-11-25".to_owned(),
            first_seen: 1,
            last_seen: 2,
            messages: 3,
        };
        let part = |run: u64| Part {
            slot: 0,
            run,
            pid: 1,
            outcome: Some(Outcome::Sessions(vec![seen.clone(); 200])),
        };
        let parts = (0..100).map(|run| (RunId(run), part(run))).collect();
        let all = bounded(BTreeMap::from([(AppName::new("query"), parts)]));
        let told = all[0]
            .parts
            .iter()
            .filter(|part| part.outcome == Some(Outcome::Sessions(vec![seen.clone(); 200])));
        let told = told.count();
        assert!((10..100).contains(&told), "{told}");
        assert_eq!(all[0].parts.len(), 100, "nobody is forgotten");
        frame::encode(&Response::Gathered(all)).unwrap();
    }
}
