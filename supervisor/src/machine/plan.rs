//! What would happen if: a reload, tried on a copy of the machine and thrown away.

use crate::machine::Machine;
use crate::machine::app::App;
use crate::machine::desired::{AppName, Desired, Rollout};
use crate::machine::event::{Command, RequestId, Scope};
use crate::machine::moment::Moment;
use crate::machine::slot::{Seat, Slot, Wanted};
use crate::machine::turn::Turn;

/// What would happen to one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPlan {
    /// The app.
    pub app: AppName,
    /// How many workers it has now and would have then; none where it is not there.
    pub instances: (Option<u32>, Option<u32>),
    /// Slots where a worker would be started.
    pub start: Vec<u32>,
    /// Slots whose worker would be replaced, in this order.
    pub replace: Vec<u32>,
    /// Slots whose worker would be stopped.
    pub stop: Vec<u32>,
    /// Slots that nobody would touch.
    pub keep: Vec<u32>,
    /// How workers would be replaced.
    pub rollout: Rollout,
}

impl Machine {
    /// What this configuration and a reload of those in scope would do; nothing is changed.
    #[must_use]
    pub fn preview(&self, now: Moment, desired: &Desired, scope: &Scope) -> Vec<AppPlan> {
        let mut then = self.clone();
        let mut turn = Turn::new(now, self.rng.clone(), self.next_run);
        then.configure(&mut turn, desired.clone());
        then.order(&mut turn, RequestId(0), Command::Reload(scope.clone()));
        let instances = |machine: &Machine, name: &AppName| {
            let app = machine.apps.get(name).filter(|app| app.is_wanted())?;
            Some(app.goal.instances)
        };
        let plan = |app: &App| AppPlan {
            instances: (instances(self, &app.name), instances(&then, &app.name)),
            ..app.plan()
        };
        then.apps.values().map(plan).collect()
    }
}

impl App {
    fn plan(&self) -> AppPlan {
        let mut plan = AppPlan {
            app: self.name.clone(),
            instances: (None, None),
            start: Vec::new(),
            replace: Vec::new(),
            stop: Vec::new(),
            keep: Vec::new(),
            rollout: self.goal.rollout,
        };
        let fresh = (0..self.goal.instances).filter(|index| !self.slots.contains_key(index));
        plan.start.extend(fresh.filter(|index| self.wants(*index) == Wanted::Yes));
        for (index, slot) in &self.slots {
            self.sort(*index, slot, &mut plan);
        }
        plan.start.sort_unstable();
        plan
    }

    fn sort(&self, index: u32, slot: &Slot, plan: &mut AppPlan) {
        match (self.wants(index), &slot.seat) {
            (Wanted::No, _) if slot.is_empty() => {}
            (Wanted::No, _) => plan.stop.push(index),
            (Wanted::Yes, Seat::Taken(worker)) if self.is_outdated(worker) => {
                plan.replace.push(index);
            }
            (Wanted::Yes, Seat::Vacant) => plan.start.push(index),
            (
                Wanted::Yes,
                Seat::Taken(_) | Seat::Finished { .. } | Seat::Backoff { .. } | Seat::Failed,
            ) => plan.keep.push(index),
        }
    }
}
