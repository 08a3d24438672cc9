//! The workshop: everything with a side effect, around one loop that owns the machine.
//!
//! News comes in through one bounded inbox; the loop turns it into the machine's events and
//! carries out the actions that come back. Nothing here decides, nothing in the loop waits.
//! Signs of life come before deadlines: the inbox is emptied before time is allowed to pass.

mod admin;
mod admin_note;
mod answer;
mod api_keys;
mod asked;
mod at_the_desk;
mod background;
mod birth;
mod birth_failure;
mod board;
mod cgroup;
mod clock;
mod configuration;
mod doorway;
mod footprint;
mod hands;
mod history;
mod in_flight;
mod javascript;
mod journal;
mod keys_in_force;
mod last_output;
mod link;
mod listeners;
mod logging;
mod logs;
mod look;
mod lookout;
mod maintenance;
mod memory;
mod metrics;
mod news;
mod notification;
mod operator;
mod orphans;
mod output;
mod own_log;
mod picture;
mod port_owner;
mod preflight;
mod probe;
mod proc;
mod processes;
mod readiness;
mod reading;
mod relay;
mod replace;
mod rotation;
mod run_lock;
mod schedule;
mod session_keys;
mod signals;
mod socket;
mod sources;
mod spawn;
mod start;
mod state;
mod systemd;
mod tombstones;
mod totals;
mod tree;
mod vitals;
mod watch;
mod watched;
mod web;
mod wellbeing;
mod wire;

use std::collections::{BTreeSet, VecDeque};

use mcp_protocol::control::{Response, Status};
use tokio::sync::{mpsc, oneshot};

use crate::machine::{Action, Command, Event, Machine, Outcome, RequestId, RunId, Scope, Urgency};
use clock::Clock;
use configuration::Cause;
use hands::Hands;
use news::{News, Signal};
use systemd::Systemd;

pub use api_keys::{
    AUDIT_LOG, KeyError, Wanted, create_key, note_key_event, revoke_key, rotate_key, stored_keys,
    taken_in,
};
pub use at_the_desk::{LoginOf, log_in};
pub use background::{Background, leave_terminal, let_go, start_background};
pub use clock::since_epoch;
pub use hands::WORKER_LOG;
pub use history::{Generation, Kept, is_same_file, keep_replaced, kept, text_of};
pub use javascript::{JavaScriptError, evaluate};
pub use listeners::BindError;
use logging::LANDMARK;
pub use logging::{Console, FILE_NAME as SUPERVISOR_LOG};
pub use operator::{AskError, ask, changes, describe, end_survivors, glance, plan, stop, wish};
pub use orphans::Survivors;
pub use output::{app_of_log, log_files};
pub use preflight::missing;
pub use replace::{Existing, make_file, replace_in_kind};
pub use socket::SocketError;
pub use start::{Loader, Options, StartError, run};
pub use wire::WireError;

/// The loop and what it owns.
struct Supervisor {
    machine: Machine,
    hands: Hands,
    clock: Clock,
    systemd: Systemd,
    inbox: mpsc::Receiver<News>,
    load: Loader,
    /// Requests that are our own: systemd is told when they are done.
    own_requests: BTreeSet<RequestId>,
    requests: u64,
    stop_signals: u32,
    /// Answers that are still on their way.
    parting: Vec<mpsc::Sender<Response>>,
    ended: bool,
}

impl Supervisor {
    async fn serve(mut self) {
        for remark in &self.hands.config.remarks {
            tracing::warn!("{remark}");
        }
        for (name, app) in &self.hands.config.apps {
            for remark in &app.remarks {
                tracing::warn!(app = %name, "{remark}");
            }
        }
        self.hands.tidy_channels();
        let desired = self.hands.config.desired(self.hands.generation);
        let settle = self.own(Command::Settle);
        let remembered = Event::Remembered(self.hands.memory.changes.clone());
        self.handle(vec![remembered, Event::Configured(desired), settle]);
        let mut watchdog = self.systemd.watchdog_every.map(tokio::time::interval);
        while !self.ended {
            let deadline = self.machine.next_deadline();
            let news = tokio::select! {
                biased;
                news = self.inbox.recv() => news,
                () = next_tick(&mut watchdog) => {
                    self.systemd.alive();
                    continue;
                }
                () = self.clock.until(deadline) => None,
            };
            let late = self.clock.forgive(deadline);
            if let Some(late) = late {
                tracing::warn!(?late, "the supervisor was held up; its deadlines wait for it");
            }
            let began = self.clock.elapsed();
            let events = match news {
                Some(news) => self.take_in(news),
                None => vec![Event::Tick],
            };
            self.handle(events);
            let took = self.clock.elapsed().saturating_sub(began);
            self.hands.meter.turned(late.unwrap_or_default() + took);
        }
        self.part().await;
    }

    /// The last answers go out; the last output and the last change are written.
    async fn part(self) {
        let deadline = clock::in_time(std::time::Duration::from_secs(1));
        let _ = tokio::time::timeout_at(deadline, self.hands.memory.kept()).await;
        let _ = tokio::time::timeout_at(deadline, self.hands.ledger.kept()).await;
        for answer in self.parting {
            let _ = tokio::time::timeout_at(deadline, answer.closed()).await;
        }
        self.hands.processes.close().await;
        self.hands.outputs.finish();
        tracing::info!(target: LANDMARK, "ended");
    }

    /// Lets the machine decide, and carries out what it says.
    ///
    /// All of these events are of one moment: a configuration and the reload that comes with it
    /// are one wish.
    fn handle(&mut self, events: Vec<Event>) {
        let now = self.clock.now();
        let mut events = VecDeque::from(events);
        let mut replies = Vec::new();
        let mut moved = false;
        while let Some(event) = events.pop_front() {
            // Words come after deeds: to write them down takes time, and a successor has none.
            let (words, deeds): (Vec<Action>, Vec<Action>) = (self.machine.handle(now, event))
                .into_iter()
                .partition(|action| matches!(action, Action::Announce(_)));
            for action in deeds.into_iter().chain(words) {
                match &action {
                    Action::Reply { request, outcome } => {
                        replies.push((*request, outcome.clone()));
                    }
                    Action::Announce(notice) => {
                        moved = true;
                        if *notice == crate::machine::Notice::ShuttingDown {
                            self.systemd.stopping();
                        }
                    }
                    Action::Exit => self.ended = true,
                    Action::Spawn { .. }
                    | Action::Drain { .. }
                    | Action::Kill { .. }
                    | Action::Signal { .. }
                    | Action::Remember(_) => {}
                }
                self.hands.measure(&action, self.clock.elapsed());
                events.extend(self.hands.carry_out(action));
            }
        }
        // Whoever died has its successor by now, so nobody waits for this.
        self.hands.processes.put_away();
        if moved && !self.hands.waiting.is_empty() {
            self.hands.show_progress(&self.picture());
        }
        for (request, outcome) in replies {
            self.reply(request, outcome);
        }
    }

    fn reply(&mut self, request: RequestId, outcome: Outcome) {
        if self.own_requests.remove(&request) {
            // A failed start or roll leaves whoever can serve serving; the status line says it.
            match outcome {
                Outcome::Done => {
                    tracing::info!(target: LANDMARK, "every worker is ready");
                    self.systemd.ready("every worker is ready");
                }
                Outcome::Failed { why, slot: _ } => self.systemd.ready(&why),
            }
            footprint::let_go_of_program();
            return;
        }
        let status = self.status();
        self.parting.extend(self.hands.answer(request, outcome, status));
        self.parting.retain(|answer| !answer.is_closed());
    }

    /// How everything stands, with what every process takes.
    fn status(&mut self) -> Status {
        self.hands.sample_all(self.clock.elapsed());
        self.picture()
    }

    /// How everything stands; what processes take is what the last look showed.
    fn picture(&self) -> Status {
        let snapshot = self.machine.snapshot();
        picture::status(&snapshot, &self.hands, self.clock.now(), self.clock.elapsed())
    }

    /// All that is measured, to be written down elsewhere.
    fn drawn(&mut self) -> metrics::Drawn {
        let status = self.status();
        metrics::drawn(&status, &self.hands, self.inbox.len())
    }

    /// What news means to the machine.
    fn take_in(&mut self, news: News) -> Vec<Event> {
        match news {
            News::ExecFailed { run, why } => {
                if let Some(process) = self.hands.processes.get_mut(run) {
                    process.exec_failed = true;
                    self.hands.meter.spawn_failed(&process.slot);
                }
                vec![Event::SpawnFailed { run, why }]
            }
            News::Ended { run } => self.ended(run).into_iter().collect(),
            News::WorkerConnected { run, pid, outbox, verdict } => {
                told(verdict, self.hands.welcome(run, pid, outbox))
            }
            News::Vacated { run, grace } => {
                self.hands.vacated(run, grace);
                Vec::new()
            }
            News::Ready { run } => vec![Event::Ready { run }],
            News::BootFailed { run, why } => vec![self.hands.boot_failed(run, why)],
            News::Heartbeat { run, vitals } => {
                self.hands.note_vitals(run, *vitals);
                vec![Event::Heartbeat { run }]
            }
            News::Said { run, said } => self.hands.heed(run, said),
            News::Hindered { run, why } => self.hands.note_hindrance(run, why),
            News::ProbePassed { run } => vec![Event::Heartbeat { run }],
            News::ProbeFailed { run, why } => vec![Event::ProbeFailed { run, why }],
            News::Errand { run, errand } => {
                self.hands.run_errand(run, errand);
                Vec::new()
            }
            News::KeysRenewed(keys) => {
                self.hands.take_keys(keys);
                Vec::new()
            }
            News::Admin(news) => {
                self.hands.heed_administrators(news);
                Vec::new()
            }
            News::LinkLost { run } => {
                self.hands.link_lost(run);
                Vec::new()
            }
            News::Asked { request, answers, by } => self.asked(request, answers, by),
            News::Refresh { app, cause, why } => vec![Event::Refresh { app, cause, why }],
            News::Measured { run, memory_bytes } => vec![Event::Measured { run, memory_bytes }],
            News::SourcesChanged(trust) => self.sources_changed(trust),
            News::LookAgain => self.try_again(),
            News::WatchTrouble { app, trouble } => {
                self.hands.lookout.note_trouble(app, trouble);
                Vec::new()
            }
            News::WhoIsLimited { answer } => told(answer, self.hands.limited()),
            News::Look { answer } => told(answer, self.look()),
            News::Scrape { answer } => told(answer, self.drawn()),
            News::Signal(signal) => self.signalled(signal),
        }
    }

    /// Reaps a child, and lets go of what was there for it.
    fn ended(&mut self, run: RunId) -> Option<Event> {
        self.hands.sample_last(run, self.clock.elapsed());
        self.hands.answers_no_more(run);
        let ended = self.hands.processes.reap(run);
        let ended = ended.map(|(process, exit)| {
            self.hands.relay.left(&process.slot.app, run);
            let exit = self.hands.out_of_cpu_time(&process, exit);
            if !process.exec_failed {
                self.hands.meter.ended(run, &process.slot, exit, self.clock.elapsed());
            }
            (process, exit)
        });
        self.hands.outputs.release(run);
        self.hands.forget_outputs();
        self.hands.let_go_of_addresses();
        let (_, exit) = ended.filter(|(process, _)| !process.exec_failed)?;
        Some(Event::Exited { run, exit })
    }

    fn signalled(&mut self, signal: Signal) -> Vec<Event> {
        match signal {
            Signal::Stop => {
                self.stop_signals += 1;
                let urgency = if self.stop_signals == 1 { Urgency::Drain } else { Urgency::Now };
                vec![Event::Shutdown(urgency)]
            }
            Signal::Reload => match self.reload(Cause::Hangup, None) {
                Ok(configured) => vec![configured, self.own(Command::Reload(Scope::All))],
                Err(considered) => considered.refusal().into_iter().collect(),
            },
            Signal::ReopenLogs => {
                self.hands.reopen_logs();
                Vec::new()
            }
            Signal::ChildEnded => {
                self.hands.processes.reap_strangers();
                Vec::new()
            }
        }
    }

    /// A wish of our own: systemd is told when it is done.
    fn own(&mut self, command: Command) -> Event {
        let request = self.next_request();
        self.own_requests.insert(request);
        Event::Asked { request, command }
    }

    fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }
}

/// Answers whoever waits; one who has gone meanwhile is told nothing.
fn told<T>(answer: oneshot::Sender<T>, news: T) -> Vec<Event> {
    let _ = answer.send(news);
    Vec::new()
}

async fn next_tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(watchdog) => {
            watchdog.tick().await;
        }
        None => std::future::pending().await,
    }
}
