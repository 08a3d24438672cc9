//! One app: its goal, its slots, and how its roll stands.

use std::collections::BTreeMap;

use crate::machine::desired::{AppGoal, AppName, SlotId};
use crate::machine::moment::Moment;
use crate::machine::rollout::Roll;
use crate::machine::slot::{Seat, Slot, Wanted};
use crate::machine::snapshot::AppView;
use crate::machine::turn::Turn;
use crate::machine::worker::{Kind, Worker};

/// One app.
#[derive(Debug)]
pub(super) struct App {
    /// Its name.
    pub(super) name: AppName,
    /// What is wanted of it. Not wanted at all is the wish for no instances: the limits stay
    /// known until the last worker has left.
    pub(super) goal: AppGoal,
    /// How many reloads it has seen.
    epoch: u64,
    /// How its roll stands.
    pub(super) roll: Roll,
    /// Its slots, by number.
    pub(super) slots: BTreeMap<u32, Slot>,
}

/// Whether anything was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It was; there may be more to do.
    Made,
    /// Nothing is left to do.
    None,
}

impl App {
    /// An app without workers yet.
    pub(super) fn new(name: AppName, goal: AppGoal) -> App {
        App { name, goal, epoch: 0, roll: Roll::Idle, slots: BTreeMap::new() }
    }

    /// The kind of worker that is wanted.
    pub(super) fn kind(&self) -> Kind {
        Kind { fingerprint: self.goal.fingerprint, epoch: self.epoch }
    }

    /// True unless it was removed.
    pub(super) fn is_wanted(&self) -> bool {
        self.goal.instances > 0
    }

    /// Whether the slot with this number is wanted.
    pub(super) fn wants(&self, index: u32) -> Wanted {
        if index < self.goal.instances { Wanted::Yes } else { Wanted::No }
    }

    /// The slots that are wanted.
    pub(super) fn wanted_slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.range(..self.goal.instances).map(|(_, slot)| slot)
    }

    /// True when this worker is not of the wanted kind.
    pub(super) fn is_outdated(&self, worker: &Worker) -> bool {
        worker.kind != self.kind()
    }

    /// Puts a new goal in force.
    pub(super) fn configure(&mut self, turn: &mut Turn, goal: AppGoal) {
        let before = std::mem::replace(&mut self.goal, goal);
        let other_kind = before.fingerprint != self.goal.fingerprint;
        for slot in self.slots.values_mut() {
            slot.rearm(turn, &before, &self.goal);
            if other_kind {
                slot.forgive(turn.now);
            }
        }
        let stopped = matches!(self.roll, Roll::Stopped { .. });
        if other_kind && !self.slots.is_empty() || stopped {
            self.begin_roll(turn);
        }
    }

    /// Wants nothing of it any more.
    pub(super) fn remove(&mut self) {
        self.goal.instances = 0;
        self.roll = Roll::Idle;
    }

    /// Makes every worker outdated, but for those that were started at this very moment: a
    /// configuration and the wish to reload often come together, and one new worker is enough.
    pub(super) fn reload(&mut self, turn: &mut Turn) {
        let before = self.kind();
        self.epoch = self.epoch.saturating_add(1);
        let kind = self.kind();
        for slot in self.slots.values_mut() {
            slot.forgive(turn.now);
            for worker in slot.workers_mut() {
                if worker.kind == before && worker.spawned_at == turn.now {
                    worker.kind = kind;
                }
            }
        }
        self.begin_roll(turn);
    }

    /// Stops every worker, to start it again.
    pub(super) fn restart(&mut self, turn: &mut Turn) {
        for slot in self.slots.values_mut() {
            slot.restart(turn, &self.goal);
        }
    }

    /// Acts on every deadline that has passed.
    pub(super) fn expire(&mut self, turn: &mut Turn) {
        for slot in self.slots.values_mut() {
            slot.expire(turn, &self.goal);
        }
    }

    /// Moves every slot one step towards the goal.
    pub(super) fn reconcile(&mut self, turn: &mut Turn, unwanted: &str) -> Progress {
        let before = turn.actions.len();
        for index in 0..self.goal.instances {
            if !self.slots.contains_key(&index) {
                let id = SlotId { app: self.name.clone(), index };
                self.slots.insert(index, Slot::new(id, turn.now));
            }
        }
        self.step_roll(turn);
        let (kind, rolling) = (self.kind(), matches!(self.roll, Roll::Rolling));
        for (index, slot) in &mut self.slots {
            if *index >= self.goal.instances {
                slot.empty(turn, &self.goal, unwanted);
                continue;
            }
            let beside = self.goal.rollout.max_surge > 0;
            let keeps = |successor: &Worker| rolling && beside && successor.kind == kind;
            if slot.successor.as_ref().is_some_and(|successor| !keeps(successor)) {
                slot.dismiss_successor(turn, &self.goal, "its roll is over");
            }
            if matches!(slot.seat, Seat::Vacant) && (beside || slot.leaving.is_empty()) {
                slot.fill(turn, kind, &self.goal);
            }
        }
        self.slots.retain(|index, slot| *index < self.goal.instances || !slot.is_empty());
        if turn.actions.len() == before { Progress::None } else { Progress::Made }
    }

    /// Kills everybody.
    pub(super) fn kill_all(&mut self, turn: &mut Turn) {
        for slot in self.slots.values_mut() {
            slot.kill_all(turn, &self.goal);
        }
    }

    /// When its next deadline comes.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.slots.values().filter_map(Slot::deadline).min()
    }

    /// Its picture.
    pub(super) fn view(&self) -> AppView {
        AppView {
            name: self.name.clone(),
            roll: self.roll_view(),
            change: None,
            instances_in_file: Some(self.goal.instances),
            slots: self.slots.values().map(Slot::view).collect(),
        }
    }
}
