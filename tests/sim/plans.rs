//! A plan that was shown before a reload is what the reload then does first.

use std::collections::BTreeSet;

use mcp_supervisor::machine::{
    Action, AppPlan, Command, Desired, Event, Moment, RequestId, RunId, Scope, SlotId,
};

use crate::properties::slots;
use crate::stage::{Broken, Stage, holds};

/// Compares the plan for this configuration with the first steps towards it.
pub(crate) fn come_true(
    stage: &Stage,
    now: Moment,
    desired: &Desired,
    scope: &Scope,
) -> Result<(), Broken> {
    const RULE: &str = "a plan comes true";
    let plan = stage.machine.preview(now, desired, scope);
    let unchanged = stage.machine.snapshot() == stage.picture;
    holds("a plan changes nothing", unchanged, || format!("{:?}", stage.machine.snapshot()))?;
    let mut machine = stage.machine.clone();
    let seated = |id: &SlotId, run: RunId| {
        slots(&stage.picture).any(|(other, view)| other == *id && view.run == Some(run))
    };
    let place = |run: RunId| {
        let holds = |id: &SlotId| seated(id, run);
        slots(&stage.picture).map(|(id, _)| id).find(holds)
    };
    let command = Command::Reload(scope.clone());
    let mut actions = machine.handle(now, Event::Configured(desired.clone()));
    actions.extend(machine.handle(now, Event::Asked { request: RequestId(u64::MAX), command }));
    let after = machine.snapshot();
    for action in &actions {
        let (id, planned) = match action {
            Action::Spawn { run, slot, .. } => {
                let succeeds = slots(&after).any(|(_, view)| view.successor == Some(*run));
                let list: fn(&AppPlan) -> &Vec<u32> =
                    if succeeds { |plan| &plan.replace } else { |plan| &plan.start };
                (slot.clone(), named(&plan, slot, list))
            }
            Action::Drain { run, .. } => {
                let Some(id) = place(*run) else { continue };
                let replaced = named(&plan, &id, |plan| &plan.replace);
                let stopped = named(&plan, &id, |plan| &plan.stop);
                (id, replaced || stopped)
            }
            _ => continue,
        };
        holds(RULE, planned, || format!("{id}: {action:?} was not in {plan:?}"))?;
    }
    for (id, view) in slots(&after) {
        let of_app = plan.iter().filter(|plan| plan.app == id.app);
        let lists = of_app.flat_map(|plan| [&plan.start, &plan.replace, &plan.stop, &plan.keep]);
        let times = lists.flatten().filter(|index| **index == id.index).count();
        let there = view.run.is_some();
        holds(RULE, times <= 1 && (times == 1 || !there), || {
            format!("{id} is named {times} times in {plan:?}")
        })?;
    }
    let known: BTreeSet<_> = plan.iter().map(|plan| &plan.app).collect();
    holds(RULE, known.len() == plan.len(), || format!("an app is named twice: {plan:?}"))
}

fn named(plan: &[AppPlan], id: &SlotId, list: impl Fn(&AppPlan) -> &Vec<u32>) -> bool {
    plan.iter().any(|plan| plan.app == id.app && list(plan).contains(&id.index))
}
