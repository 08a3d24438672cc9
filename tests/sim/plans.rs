//! A plan that was shown before a reload is what the reload then does first.

use std::collections::BTreeSet;

use mcp_supervisor::machine::{
    Action, AppPlan, Command, Desired, Event, Moment, PhaseName, RequestId, RunId, Scope, SlotId,
};

use crate::model::{Model, covers};
use crate::properties::slots;
use crate::stage::{Broken, Stage, holds};

const RULE: &str = "a plan comes true";

/// Compares the plan for this configuration with the first steps towards it.
pub(crate) fn come_true(
    stage: &Stage,
    now: Moment,
    desired: &Desired,
    scope: &Scope,
) -> Result<(), Broken> {
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
                // One that was sent away again was a successor as well: what its app needs begins
                // anew, so the roll waits for that.
                let succeeds = !slots(&after).any(|(_, view)| view.run == Some(*run));
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
    is_right(stage, now, (desired, scope), &plan)?;
    let known: BTreeSet<_> = plan.iter().map(|plan| &plan.app).collect();
    holds(RULE, known.len() == plan.len(), || format!("an app is named twice: {plan:?}"))
}

/// Compares the plan with what is known from outside.
fn is_right(
    stage: &Stage,
    now: Moment,
    (desired, scope): (&Desired, &Scope),
    plan: &[AppPlan],
) -> Result<(), Broken> {
    let mut model = stage.watch.model.clone();
    let count = |model: &Model, app| model.shows(app).then(|| model.instances(app));
    let before: Vec<_> = plan.iter().map(|plan| count(&model, &plan.app)).collect();
    model.configure(&desired.apps);
    let reloads = model.clone().order(&Command::Reload(scope.clone())).is_ok();
    for (plan, before) in plan.iter().zip(before) {
        let instances = (before, count(&model, &plan.app));
        holds(RULE, plan.instances == instances, || format!("{instances:?}, not {plan:?}"))?;
        let rollout = model.goals.get(&plan.app).map(|goal| goal.rollout);
        holds(RULE, rollout == Some(plan.rollout), || format!("{rollout:?}, not {plan:?}"))?;
    }
    for (id, view) in slots(&stage.picture) {
        let run = view.run.and_then(|run| stage.watch.runs.get(&run));
        let list: fn(&AppPlan) -> &Vec<u32> = match run {
            None if !model.wants(&id) && view.leaving.is_empty() => {
                let named =
                    plan.iter().any(|plan| plan.app == id.app && plan.stop.contains(&id.index));
                holds(RULE, !named, || format!("nobody is in {id}: {plan:?}"))?;
                continue;
            }
            None => continue,
            Some(_) if !model.wants(&id) => |plan| &plan.stop,
            Some(run) if run.aged => continue,
            Some(run) => {
                let other = model.goals[&id.app].fingerprint != run.fingerprint;
                let reloaded = reloads
                    && covers(scope, &id)
                    && match scope {
                        Scope::Slot(_) => run.phase() == PhaseName::Ready,
                        Scope::All | Scope::App(_) => run.spawned != now,
                    };
                let outdated = other || reloaded || stage.watch.is_due(run);
                if outdated { |plan| &plan.replace } else { |plan| &plan.keep }
            }
        };
        holds(RULE, named(plan, &id, list), || format!("{id} with {run:?}: {plan:?}"))?;
    }
    Ok(())
}

fn named(plan: &[AppPlan], id: &SlotId, list: impl Fn(&AppPlan) -> &Vec<u32>) -> bool {
    plan.iter().any(|plan| plan.app == id.app && list(plan).contains(&id.index))
}
