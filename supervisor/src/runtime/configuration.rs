//! Where a configuration comes from while the supervisor runs: a file that changed, a reload, a
//! signal, a rollback. All go the same way: read, judged by the machine's rules, then refused,
//! confirmed or taken into use, and remembered.
//!
//! The rules are the machine's; here they are carried out, and what became of each is counted.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mcp_protocol::control::Target;

use super::{Supervisor, footprint};
use crate::config::{self, Config};
use crate::machine::{Command, Event, Reading, Trust, Verdict, judge};
use crate::runtime::clock;
use crate::runtime::history::{Accepted, History};
use crate::runtime::reading::{Contents, contents, read_anew, read_file};

/// So many differences are kept of a configuration.
const CHANGES_MAX: usize = 20;

/// Who or what has the configuration read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The supervisor started.
    Start,
    /// A file changed.
    FileChanged,
    /// It was refused, and nothing but the rest of the machine may have changed since.
    TriedAgain,
    /// An operator.
    Reload,
    /// A signal.
    Hangup,
    /// An operator, who had the file put back to what this generation was.
    Rollback(u64),
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Start => out.write_str("start"),
            Cause::FileChanged => out.write_str("file changed"),
            Cause::TriedAgain => out.write_str("tried again"),
            Cause::Reload => out.write_str("reload"),
            Cause::Hangup => out.write_str("SIGHUP"),
            Cause::Rollback(number) => write!(out, "rollback to {number}"),
        }
    }
}

/// What became of a configuration that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Considered {
    /// It is looked at again when it is surer.
    Waits,
    /// It cannot be used.
    Refused(String),
    /// It does not name whom the operator meant; nothing is wrong with it.
    Unknown(String),
    /// It means what is in force.
    Unchanged,
    /// It is in force.
    Taken,
}

impl Considered {
    /// What the machine is told of a file that cannot be used.
    pub(crate) fn refusal(self) -> Option<Event> {
        match self {
            Considered::Refused(problem) => Some(Event::ConfigRejected { problem }),
            Considered::Waits
            | Considered::Unknown(_)
            | Considered::Unchanged
            | Considered::Taken => None,
        }
    }
}

/// What was read last, and what became of it.
#[derive(Debug)]
pub(crate) struct Ledger {
    history: History,
    /// What the files held that were considered last.
    considered: Contents,
    /// What the configuration file in force holds.
    text: u64,
    /// The last refusal, until it is over.
    refused: Option<Refusal>,
    /// When the configuration in force was accepted, since 1970.
    pub(crate) accepted_at: Duration,
    pub(crate) counts: Counts,
}

/// A configuration that was refused.
#[derive(Debug)]
struct Refusal {
    /// When, since 1970.
    at: Duration,
    problem: String,
    /// The files that had a part in it.
    files: BTreeSet<PathBuf>,
    /// How far they were trusted.
    trust: Trust,
}

/// How often a changed configuration was considered, by what became of it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) unchanged: u64,
    pub(crate) refused: u64,
}

impl Ledger {
    /// Opens the history for a supervisor that starts with this configuration; its number.
    pub(crate) fn open(config: &Config) -> (Ledger, u64) {
        let text = read_file(&config.file).unwrap_or_default();
        let environment = &config.environment;
        let state = &config.supervisor.state_directory;
        let (mut history, again) = History::open(state, &text, &config.file, environment);
        let accepted_at = clock::since_epoch();
        let number = again.unwrap_or_else(|| {
            let number = history.next_number();
            history.keep(Accepted {
                number,
                at: accepted_at,
                why: Cause::Start.to_string(),
                environment: environment.clone(),
                file: config.file.clone(),
                changes: Vec::new(),
                text: text.clone(),
            });
            number
        });
        let ledger = Ledger {
            history,
            // Read before the files were watched, so the first look at them counts.
            considered: Contents::new(),
            text: config::fnv_1a(&text),
            refused: None,
            accepted_at,
            counts: Counts::default(),
        };
        (ledger, number)
    }

    /// When the file was last refused, since 1970.
    pub(crate) fn refused_at(&self) -> Option<Duration> {
        self.refused.as_ref().map(|refusal| refusal.at)
    }

    /// Waits until every accepted configuration is kept.
    pub(crate) fn kept(&self) -> impl Future<Output = ()> + Send + use<> {
        self.history.kept()
    }

    /// Files that had a part in the last refusal, beside those that are in force; none when it is
    /// over.
    fn suspects(&self) -> Option<&BTreeSet<PathBuf>> {
        self.refused.as_ref().map(|refusal| &refusal.files)
    }
}

impl Supervisor {
    /// Files of the configuration changed.
    pub(super) fn sources_changed(&mut self, trust: Trust) -> Vec<Event> {
        if self.machine.is_ending() {
            return Vec::new();
        }
        if contents(&self.sources()) == self.hands.ledger.considered {
            self.hands.ledger.refused.iter_mut().for_each(|refusal| refusal.trust = trust);
            return Vec::new();
        }
        let considered = self.consider(Cause::FileChanged, trust, None);
        footprint::let_go_of_program();
        self.told(considered)
    }

    /// What a refused configuration lacked may be there now: a port, a program, a directory, a
    /// user. Files that changed are none of this: they are read when they are calm.
    pub(super) fn try_again(&mut self) -> Vec<Event> {
        let ledger = &self.hands.ledger;
        let Some(trust) = ledger.refused.as_ref().map(|refusal| refusal.trust) else {
            return Vec::new();
        };
        if self.machine.is_ending() || contents(&self.sources()) != ledger.considered {
            return Vec::new();
        }
        let considered = self.consider(Cause::TriedAgain, trust, None);
        footprint::let_go_of_program();
        self.told(considered)
    }

    /// A file was put back to what it was; it is taken in as one that changed.
    pub(super) fn rolled_back(&mut self, to: u64) -> (Considered, Vec<Event>) {
        let considered = self.consider(Cause::Rollback(to), Trust::Whole, None);
        (considered.clone(), self.told(considered))
    }

    fn told(&mut self, considered: Considered) -> Vec<Event> {
        match considered {
            Considered::Waits | Considered::Unknown(_) => Vec::new(),
            Considered::Refused(problem) => vec![Event::ConfigRejected { problem }],
            Considered::Unchanged => {
                vec![Event::ConfigUnchanged { generation: self.hands.generation }]
            }
            Considered::Taken => {
                self.systemd.reloading();
                vec![self.configured(), self.own(Command::Settle)]
            }
        }
    }

    /// Reads the file anew for somebody who wants workers replaced, or says in words why not.
    pub(super) fn reload(
        &mut self,
        cause: Cause,
        target: Option<&Target>,
    ) -> Result<Event, Considered> {
        match self.consider(cause, Trust::Whole, target) {
            Considered::Unchanged | Considered::Taken => {
                self.hands.let_file_say_levels(None);
                self.systemd.reloading();
                Ok(self.configured())
            }
            other @ (Considered::Refused(_) | Considered::Unknown(_) | Considered::Waits) => {
                Err(other)
            }
        }
    }

    fn configured(&self) -> Event {
        Event::Configured(self.hands.config.desired(self.hands.generation))
    }

    /// Every file of the configuration in force, and of the one that was refused.
    fn sources(&self) -> BTreeSet<PathBuf> {
        let files = self.hands.config.sources.iter().cloned();
        files.chain(self.hands.ledger.suspects().into_iter().flatten().cloned()).collect()
    }

    /// Reads the configuration, and does with it what the machine's rules say. Keys are taken in
    /// whatever becomes of it: that one was revoked does not wait for a file to be mended.
    fn consider(&mut self, cause: Cause, trust: Trust, target: Option<&Target>) -> Considered {
        let considered = self.judged(cause, trust, target);
        match considered {
            Considered::Taken | Considered::Unchanged => {}
            Considered::Waits | Considered::Refused(_) | Considered::Unknown(_) => {
                self.hands.take_keys_in(cause);
            }
        }
        considered
    }

    fn judged(&mut self, cause: Cause, trust: Trust, target: Option<&Target>) -> Considered {
        let fresh = read_anew(self.sources(), &self.hands.config.file, &self.load);
        let usable = fresh.loaded.map_err(|problems| problems.to_string()).and_then(|config| {
            self.hands.allows(&config)?;
            Ok(config)
        });
        if let (Ok(config), Some(target)) = (&usable, target)
            && let Some(why) = self.not_in_file(config, target)
        {
            return Considered::Unknown(why);
        }
        let reading = reading(&self.hands.config, usable.as_ref().ok());
        let verdict = judge(trust, reading);
        let outcome = match (verdict, usable) {
            (Verdict::Wait, _) => {
                tracing::debug!(?trust, ?reading, "the configuration may not be whole yet");
                return Considered::Waits;
            }
            (Verdict::Confirm | Verdict::Take, Ok(config)) => {
                self.accept(config, &fresh.text, cause, verdict)
            }
            (Verdict::Refuse | Verdict::Confirm | Verdict::Take, Err(why)) => Err(why),
            (Verdict::Refuse, Ok(_)) => Err("it was refused".to_owned()),
        };
        if let (Cause::TriedAgain, Err(problem)) = (cause, &outcome)
            && self.hands.ledger.refused.as_ref().is_some_and(|last| last.problem == *problem)
        {
            return Considered::Refused(problem.clone());
        }
        self.note(outcome, fresh.contents, (fresh.files, trust))
    }

    /// Writes down what became of a reading of these files that were trusted so far.
    fn note(
        &mut self,
        outcome: Result<Considered, String>,
        contents: Contents,
        (files, trust): (BTreeSet<PathBuf>, Trust),
    ) -> Considered {
        let ledger = &mut self.hands.ledger;
        ledger.considered = contents;
        let considered = match outcome {
            Ok(considered) => {
                ledger.refused = None;
                considered
            }
            Err(problem) => {
                ledger.counts.refused += 1;
                let (at, problem_now) = (clock::since_epoch(), problem.clone());
                ledger.refused = Some(Refusal { at, problem: problem_now, files, trust });
                Considered::Refused(problem)
            }
        };
        self.hands.lookout.watch(&self.hands.config, self.hands.ledger.suspects());
        let watched = self.sources();
        self.hands.ledger.considered.retain(|file, _| watched.contains(file));
        considered
    }

    /// Takes a configuration into use, or says why that cannot be.
    fn accept(
        &mut self,
        config: Config,
        text: &[u8],
        cause: Cause,
        verdict: Verdict,
    ) -> Result<Considered, String> {
        let sum = config::fnv_1a(text);
        let rewritten = sum != self.hands.ledger.text;
        let changes = changes(&self.hands.config, &config);
        self.hands.apply(config)?;
        let ledger = &mut self.hands.ledger;
        if rewritten || verdict == Verdict::Take {
            ledger.text = sum;
            ledger.accepted_at = clock::since_epoch();
            self.hands.generation = ledger.history.next_number();
            ledger.history.keep(Accepted {
                number: self.hands.generation,
                at: ledger.accepted_at,
                why: cause.to_string(),
                environment: self.hands.config.environment.clone(),
                file: self.hands.config.file.clone(),
                changes,
                text: text.to_vec(),
            });
        }
        let generation = self.hands.generation;
        if verdict == Verdict::Take {
            ledger.counts.accepted += 1;
            tracing::info!(generation, %cause, "the configuration changed");
            return Ok(Considered::Taken);
        }
        if rewritten {
            ledger.counts.unchanged += 1;
            tracing::info!(
                generation, %cause,
                "the configuration is written otherwise and means the same, nobody is replaced"
            );
        }
        Ok(Considered::Unchanged)
    }
}

/// What a configuration says, beside the one in force; `None` cannot be used.
fn reading(now: &Config, then: Option<&Config>) -> Reading {
    let Some(then) = then else { return Reading::Refused };
    if config::means_the_same(now, then) {
        return Reading::Same;
    }
    let fewer = now.apps.iter().any(|(name, app)| {
        then.apps.get(name).is_none_or(|other| other.goal.instances < app.goal.instances)
    });
    if fewer { Reading::Fewer } else { Reading::Different }
}

/// What differs, in the words of the file.
pub(crate) fn changes(now: &Config, then: &Config) -> Vec<String> {
    let mut changes = config::changes(now, then);
    let surplus = changes.len().saturating_sub(CHANGES_MAX);
    if surplus > 0 {
        changes.truncate(CHANGES_MAX);
        changes.push(format!("and {surplus} more"));
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Problems, Surroundings};
    use crate::machine::{Action, Machine, Moment, Rng, RunId};

    const TEXT: &str = "[supervisor]\nmetrics = \"off\"\n\n[apps.query]\n\
        exec = [\"/bin/true\"]\ninstances = 3\nready = \"2s\"\n\n[apps.query.restart]\n\
        max_restarts = 3\nwindow = \"30s\"\n\n[apps.mail]\nexec = [\"/bin/true\", \"-v\"]\n\
        stop_signal = \"SIGINT\"\nenv = { TZ = \"UTC\" }\n\n[apps.mail.rollout]\n\
        max_unavailable = 1\n";

    fn read(text: &str) -> Result<Config, Problems> {
        let file = Path::new("/srv/ecosystem.toml");
        config::load_text(text, file, None, &Surroundings::default())
    }

    fn damaged(rng: &mut Rng) -> String {
        let mut bytes = TEXT.as_bytes().to_vec();
        for _ in 0..=rng.below(2) {
            let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
            match rng.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => drop(bytes.drain(at..(at + 9).min(bytes.len()))),
                2 => bytes[at] = b"\n\"'[]{}=.,#-0x"[usize::try_from(rng.below(14)).unwrap()],
                _ => bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(1)),
            }
            if bytes.is_empty() {
                bytes.push(b'\n');
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A machine in which everybody of this configuration is ready.
    fn serving(config: &Config) -> (Machine, Moment) {
        let mut machine = Machine::new(1);
        machine.handle(Moment::ZERO, Event::Configured(config.desired(1)));
        for run in 1..=4 {
            machine.handle(Moment::ZERO, Event::Ready { run: RunId(run) });
        }
        let now = Moment::after_start(Duration::from_secs(3600));
        machine.handle(now, Event::Tick);
        (machine, now)
    }

    #[test]
    fn no_damaged_file_touches_anybody_and_no_unsure_one_takes_an_app_away() {
        let now_in_force = read(TEXT).unwrap_or_else(|why| panic!("{why}"));
        let (serving, now) = serving(&now_in_force);
        let (mut refused, mut fewer, mut taken) = (0, 0, 0);
        for seed in 0..10_000 {
            let text = damaged(&mut Rng::new(seed));
            let then = read(&text);
            let reading = reading(&now_in_force, then.as_ref().ok());
            for trust in [Trust::Settling, Trust::Unsure, Trust::Whole] {
                let verdict = judge(trust, reading);
                let mut machine = serving.clone();
                let actions = match (verdict, &then) {
                    (Verdict::Wait, _) => Vec::new(),
                    (Verdict::Refuse, Err(problems)) => {
                        refused += 1;
                        let problem = problems.to_string();
                        machine.handle(now, Event::ConfigRejected { problem })
                    }
                    (Verdict::Confirm, Ok(_)) => {
                        machine.handle(now, Event::ConfigUnchanged { generation: 2 })
                    }
                    (Verdict::Take, Ok(config)) => {
                        taken += 1;
                        fewer += u32::from(reading == Reading::Fewer);
                        let kept = config.apps.len() == 2 || trust == Trust::Whole;
                        assert!(kept, "seed {seed}, {trust:?}: an app is gone\n{text}");
                        continue;
                    }
                    (verdict, then) => panic!("seed {seed}: {verdict:?} of {then:?}"),
                };
                let told = |action: &Action| matches!(action, Action::Announce(_));
                assert!(actions.iter().all(told), "seed {seed}, {trust:?}: {actions:?}\n{text}");
            }
        }
        // All kinds must occur, or the damage shows nothing.
        assert!(refused > 5_000 && fewer > 100 && taken > 300, "{refused} {fewer} {taken}");
    }
}
