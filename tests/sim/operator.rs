//! What a simulated operator wants, and what they do at bad moments.

use std::collections::BTreeSet;

use mcp_supervisor::machine::DrainCause;
use mcp_supervisor::machine::{
    AppName, Change, Changes, Command, Desired, Event, Presence, RequestId, Rng, Scale, Scope,
    SlotId,
};

use crate::goals::{self, NAMES};
use crate::weather::one_of;

/// An operator, and what they wrote last.
#[derive(Debug)]
pub(crate) struct Operator {
    desired: Desired,
    next_request: u64,
}

impl Operator {
    /// An operator who wants something.
    pub(crate) fn new(rng: &mut Rng) -> Operator {
        Operator { desired: goals::desired(rng), next_request: 1 }
    }

    /// The configuration as it is written now.
    pub(crate) fn configuration(&self) -> Event {
        Event::Configured(self.desired.clone())
    }

    /// A file that they think about, but have not put in force.
    pub(crate) fn draft(&self, rng: &mut Rng) -> Desired {
        let mut draft = self.desired.clone();
        for _ in 0..rng.below(3) {
            goals::edit(rng, &mut draft);
        }
        draft
    }

    /// Something an operator may do at any moment.
    pub(crate) fn act(&mut self, rng: &mut Rng) -> Event {
        let command = match rng.below(30) {
            0..=7 => {
                goals::edit(rng, &mut self.desired);
                return self.configuration();
            }
            8 => return Event::ConfigRejected { problem: "line 1".to_owned() },
            9..=12 => Command::Reload(scope(rng)),
            13..=15 => Command::Restart(scope(rng)),
            16..=18 => Command::Start(scope(rng)),
            19 | 20 => Command::Stop(scope(rng)),
            21 => Command::Delete(scope(rng)),
            22 => Command::Reset(scope(rng)),
            23 | 24 => Command::Forget(scope(rng)),
            25 | 26 => Command::Scale { app: name(rng), to: scale(rng) },
            27 => Command::Signal { scope: scope(rng), number: one_of(rng, &[1, 10]) },
            28 => return Event::ConfigUnchanged { generation: self.desired.generation },
            _ => self.settle(),
        };
        self.ask(command)
    }

    /// To wait for all apps and for one of them, by turns.
    fn settle(&self) -> Command {
        let turn = usize::try_from(self.next_request).unwrap_or(0);
        match turn % 2 {
            0 => Command::Settle,
            _ => Command::SettleApps(BTreeSet::from([AppName::new(NAMES[turn % NAMES.len()])])),
        }
    }

    /// In good weather they want to have again what they stopped.
    pub(crate) fn start_all(&mut self) -> Event {
        self.ask(Command::Start(Scope::All))
    }

    /// A wish under a number of its own.
    pub(crate) fn ask(&mut self, command: Command) -> Event {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        Event::Asked { request, command }
    }
}

/// Files or a time table ask for new workers.
pub(crate) fn refresh(rng: &mut Rng) -> Event {
    let cause = DrainCause::Watch;
    Event::Refresh { app: name(rng), cause, why: "src changed".to_owned() }
}

/// What an earlier supervisor remembered.
pub(crate) fn remembered(rng: &mut Rng) -> Changes {
    let mut changes = Changes::new();
    for name in NAMES.iter().chain(&["nobody"]) {
        if rng.below(3) == 0 {
            let change = Change {
                instances: one_of(rng, &[None, Some(2), Some(4)]),
                presence: one_of(
                    rng,
                    &[Presence::Wanted, Presence::Wanted, Presence::Stopped, Presence::Deleted],
                ),
                stopped_slots: one_of(rng, &[None, Some(0), Some(7)]).into_iter().collect(),
            };
            if change != Change::default() {
                changes.insert(AppName::new(name), change);
            }
        }
    }
    changes
}

fn name(rng: &mut Rng) -> AppName {
    AppName::new(if rng.below(16) == 0 { "nobody" } else { one_of(rng, &NAMES) })
}

/// Who is meant; now and then nobody that there is.
pub(crate) fn scope(rng: &mut Rng) -> Scope {
    match rng.below(8) {
        0 => Scope::All,
        1..=4 => Scope::App(name(rng)),
        _ => Scope::Slot(SlotId { app: name(rng), index: one_of(rng, &[0, 0, 0, 1, 1, 1, 2, 3]) }),
    }
}

fn scale(rng: &mut Rng) -> Scale {
    match rng.below(8) {
        0..=3 => Scale::To(one_of(rng, &[0, 1, 2, 3, 4])),
        4 => Scale::To(300),
        5 => Scale::More(1),
        _ => Scale::Fewer(1),
    }
}
