//! One app: its goal, its slots, and how its roll stands.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::action::DrainCause;
use crate::machine::desired::{AppGoal, AppName, Presence, SlotId};
use crate::machine::moment::Moment;
use crate::machine::order::{Gate, RollTurn};
use crate::machine::rollout::Roll;
use crate::machine::slot::{Seat, Slot, Wanted};
use crate::machine::snapshot::AppView;
use crate::machine::turn::Turn;
use crate::machine::worker::{Kind, Worker};

/// One app.
#[derive(Debug, Clone)]
pub(super) struct App {
    /// Its name.
    pub(super) name: AppName,
    /// What is wanted of it, run-time changes included. The limits stay known until the last
    /// worker has left.
    pub(super) goal: AppGoal,
    /// Whether it is to run.
    pub(super) presence: Presence,
    /// Slots that are to stay empty.
    pub(super) stopped_slots: BTreeSet<u32>,
    /// Whether workers may be started now.
    pub(super) gate: Gate,
    /// Whether its roll may go on now.
    pub(super) turn_in_roll: RollTurn,
    /// How many reloads it has seen.
    epoch: u64,
    /// How its roll stands.
    pub(super) roll: Roll,
    /// Its slots, by number.
    pub(super) slots: BTreeMap<u32, Slot>,
}

/// Whether those who are not wanted leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// They leave.
    No,
    /// Others that depend on them leave first.
    Needed,
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
        App {
            name,
            goal,
            presence: Presence::Wanted,
            stopped_slots: BTreeSet::new(),
            gate: Gate::Open,
            turn_in_roll: RollTurn::Now,
            epoch: 0,
            roll: Roll::Idle,
            slots: BTreeMap::new(),
        }
    }

    /// The kind of worker that is wanted.
    pub(super) fn kind(&self) -> Kind {
        Kind { fingerprint: self.goal.fingerprint, epoch: self.epoch }
    }

    /// True unless it was removed.
    pub(super) fn is_wanted(&self) -> bool {
        self.presence != Presence::Deleted
    }

    /// Whether the slot with this number is wanted.
    pub(super) fn wants(&self, index: u32) -> Wanted {
        let stopped = self.presence != Presence::Wanted || self.stopped_slots.contains(&index);
        if index < self.goal.instances && !stopped { Wanted::Yes } else { Wanted::No }
    }

    /// The slots that are wanted.
    pub(super) fn wanted_slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().filter(|slot| self.wants(slot.id.index) == Wanted::Yes)
    }

    /// True when this worker is not of the wanted kind.
    pub(super) fn is_outdated(&self, worker: &Worker) -> bool {
        worker.kind != self.kind() || worker.retired.is_some()
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
        if other_kind && !self.slots.is_empty() {
            self.begin_roll(turn, None);
        }
    }

    /// Tries a roll again that was stopped.
    pub(super) fn resume_roll(&mut self, turn: &mut Turn) {
        if matches!(self.roll, Roll::Stopped { .. }) {
            self.begin_roll(turn, None);
        }
    }

    /// Wants nothing of it any more.
    pub(super) fn remove(&mut self) {
        self.presence = Presence::Deleted;
        self.roll = Roll::Idle;
    }

    /// Makes every worker outdated, but for those that were started at this very moment: a
    /// configuration and the wish to reload often come together, and one new worker is enough.
    pub(super) fn reload(&mut self, turn: &mut Turn, why: Option<(DrainCause, String)>) {
        let before = self.kind();
        self.epoch = self.epoch.saturating_add(1);
        let kind = self.kind();
        for slot in self.slots.values_mut() {
            slot.forgive(turn.now);
            for worker in slot.workers_mut() {
                if worker.kind == before && worker.spawned_at == turn.now {
                    worker.kind = kind;
                } else {
                    worker.cause = why.as_ref().map_or(DrainCause::Reload, |(cause, _)| *cause);
                    worker.unasked = why.as_ref().map(|(_, why)| why.clone());
                }
            }
        }
        self.begin_roll(turn, why.map(|(_, why)| why));
    }

    /// Makes the worker in one slot outdated.
    pub(super) fn reload_slot(&mut self, turn: &mut Turn, index: u32) {
        if let Some(slot) = self.slots.get_mut(&index) {
            slot.forgive(turn.now);
            slot.retire("reload");
            self.begin_roll(turn, None);
        }
    }

    /// Acts on every deadline that has passed.
    pub(super) fn expire(&mut self, turn: &mut Turn) {
        for slot in self.slots.values_mut() {
            slot.expire(turn, &self.goal);
        }
        self.expire_roll(turn);
    }

    /// Moves every slot one step towards the goal. Who is not wanted leaves, unless `stay` says
    /// that others must leave first.
    pub(super) fn reconcile(&mut self, turn: &mut Turn, unwanted: &str, stay: Stay) -> Progress {
        let before = turn.actions.len();
        let shown = if self.is_wanted() { self.goal.instances } else { 0 };
        for index in 0..shown {
            if !self.slots.contains_key(&index) {
                let id = SlotId { app: self.name.clone(), index };
                self.slots.insert(index, Slot::new(id, turn.now));
            }
        }
        self.step_roll(turn);
        let (kind, rolling, open) = (self.kind(), self.is_rolling(), self.gate == Gate::Open);
        let wanted: BTreeSet<u32> = self.wanted_slots().map(|slot| slot.id.index).collect();
        for (index, slot) in &mut self.slots {
            if !wanted.contains(index) {
                let why = if *index < shown { "stopped by an operator" } else { unwanted };
                match stay {
                    Stay::Needed if !slot.is_empty() => slot.forget_past(),
                    Stay::Needed | Stay::No => slot.empty(turn, &self.goal, why),
                }
                continue;
            }
            let beside = self.goal.rollout.max_surge > 0;
            let keeps = |successor: &Worker| rolling && beside && successor.kind == kind;
            if slot.successor.as_ref().is_some_and(|successor| !keeps(successor)) {
                slot.dismiss_successor(turn, &self.goal, "its roll is over");
            }
            if matches!(slot.seat, Seat::Vacant) && open && (beside || slot.leaving.is_empty()) {
                slot.fill(turn, kind, &self.goal);
            }
        }
        self.slots.retain(|index, slot| *index < shown || !slot.is_empty());
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
        self.slots.values().filter_map(Slot::deadline).chain(self.roll_deadline()).min()
    }

    /// Its picture.
    pub(super) fn view(&self) -> AppView {
        let slots = self.slots.values().map(|slot| {
            let mut view = slot.view(&self.goal);
            if matches!(slot.seat, Seat::Vacant) {
                view.why = self.waits(slot.id.index).or(view.why);
            }
            view
        });
        let (change, instances_in_file) = (None, None);
        let (name, roll) = (self.name.clone(), self.roll_view());
        AppView { name, roll, change, instances_in_file, slots: slots.collect() }
    }
}
