//! What must hold when an operator is answered: once, and with done only when it is so.

use std::collections::{BTreeMap, BTreeSet};

use mcp_supervisor::machine::{
    AppName, Command, Event, Moment, Outcome, PhaseName, RequestId, RunId, Scope, SlotId, Snapshot,
};

use crate::model::{Meant, covers, touches};
use crate::properties::{Run, Watch, slot, slots};
use crate::sights::see_outcome;
use crate::stage::{Broken, holds};

/// What an operator awaits an answer to.
#[derive(Debug)]
pub(crate) struct Wish {
    asked: Moment,
    command: Command,
    /// Why it must be refused, if it must.
    meant: Meant,
    /// The apps that were in the picture when it was asked; of a wish to forget, those of which
    /// there was something to forget.
    apps: Vec<AppName>,
    /// The app that is scaled.
    scaled: Option<Scope>,
    /// The runs that were there when it was asked and must be replaced.
    old: BTreeSet<RunId>,
}

impl Wish {
    /// A wish of this moment.
    pub(crate) fn new(
        asked: Moment,
        command: &Command,
        (meant, apps): (Meant, Vec<AppName>),
        runs: &BTreeMap<RunId, Run>,
    ) -> Wish {
        let mut old = BTreeSet::new();
        if let Command::Reload(scope) = command {
            // A single slot's worker that only starts is not replaced.
            let one = matches!(scope, Scope::Slot(_));
            let meant = runs.iter().filter(|(_, run)| {
                let serves = run.phase() == PhaseName::Ready;
                // Of an app that was deleted nobody is replaced.
                let within = apps.contains(&run.slot.app) && covers(scope, &run.slot);
                within && run.spawned < asked && (serves || !one)
            });
            old.extend(meant.map(|(id, _)| *id));
        }
        let scaled = match command {
            Command::Scale { app, .. } => Some(Scope::App(app.clone())),
            _ => None,
        };
        Wish { asked, command: command.clone(), meant, apps, scaled, old }
    }
}

impl Watch {
    /// Every wish has been answered.
    pub(crate) fn nothing_pending(&self, when: &str) -> Result<(), Broken> {
        let pending = self.asked.iter().next();
        holds("every wish is answered", pending.is_none(), || format!("{when}: {pending:?}"))
    }

    /// An operator is answered.
    pub(crate) fn replied(
        &mut self,
        request: RequestId,
        outcome: &Outcome,
        event: &Event,
        after: &Snapshot,
    ) -> Result<(), Broken> {
        let wish = self.asked.remove(&request);
        let twice = || Broken { rule: "a wish is answered once", why: format!("{request:?}") };
        let wish = wish.ok_or_else(twice)?;
        see_outcome(&mut self.sights, &wish.command, outcome);
        match (outcome, wish.meant) {
            (Outcome::Done, Err(why)) => holds("what cannot be is refused", false, || {
                format!("{:?} is done, but {why}", wish.command)
            }),
            (Outcome::Failed { why, .. }, Err(expected)) => {
                let now = matches!(event, Event::Asked { request: asked, .. } if *asked == request);
                let right = now && why.contains(expected);
                holds("what cannot be is refused", right, || format!("{why}, not {expected}"))
            }
            (Outcome::Failed { why, slot }, Ok(())) => {
                let within = |slot: &SlotId| {
                    wish.scope().is_none_or(|scope| touches(scope, &slot.app))
                        && wish.is_about(&slot.app)
                };
                let right = slot.as_ref().is_none_or(within) && !why.starts_with("there is no");
                holds("a failure is within reach", right, || format!("{:?}: {why}", wish.command))
            }
            (Outcome::Done, Ok(())) => self.is_done(&wish, after),
        }
    }

    fn is_done(&self, wish: &Wish, after: &Snapshot) -> Result<(), Broken> {
        const RULE: &str = "done means done";
        if wish.scope().is_none() {
            return holds(RULE, self.runs.is_empty(), || "stopped too early".to_owned());
        }
        let at_once = match &wish.command {
            Command::Reset(_) | Command::Signal { .. } => true,
            Command::Settle
            | Command::SettleApps(_)
            | Command::Reload(_)
            | Command::Restart(_)
            | Command::Start(_)
            | Command::Stop(_)
            | Command::Delete(_)
            | Command::Forget(_)
            | Command::Scale { .. }
            | Command::Shutdown => false,
        };
        if at_once {
            return Ok(());
        }
        if let Command::Reload(_) = wish.command {
            let stays = |id: &&RunId| {
                let run = self.runs.get(id);
                run.is_some_and(|run| {
                    slot(after, &run.slot).is_some_and(|view| view.run == Some(**id))
                        && self.model.wants(&run.slot)
                        && run.phase() == PhaseName::Ready
                })
            };
            let stays = wish.old.iter().find(stays);
            return holds(RULE, stays.is_none(), || format!("{:?}: {stays:?} stays", wish.command));
        }
        let settles = matches!(wish.command, Command::Settle | Command::SettleApps(_));
        for (id, view) in slots(after).filter(|(id, _)| wish.means(id)) {
            let wrong = || format!("{:?} is done, but {id} is {:?}", wish.command, view.phase);
            if !self.model.wants(&id) {
                let gone = view.run.is_none() && view.leaving.is_empty();
                holds(RULE, settles || gone, wrong)?;
                continue;
            }
            let run = view.run.and_then(|run| self.runs.get(&run));
            let fresh = match wish.command {
                Command::Restart(_) => run.is_some_and(|run| run.spawned >= wish.asked),
                _ => true,
            };
            let serves = view.phase == PhaseName::Ready && fresh;
            holds(RULE, serves || self.finished.contains_key(&id), wrong)?;
        }
        Ok(())
    }
}

impl Wish {
    /// Whether a slot must be as it is wanted when this is done.
    fn means(&self, slot: &SlotId) -> bool {
        let all = matches!(self.scope(), Some(Scope::All));
        let settles = matches!(self.command, Command::Settle | Command::SettleApps(_));
        let there = settles || !all || self.apps.contains(&slot.app);
        there && self.is_about(&slot.app) && self.scope().is_some_and(|one| covers(one, slot))
    }

    /// Whether it concerns an app, however the scope was written.
    fn is_about(&self, app: &AppName) -> bool {
        match &self.command {
            Command::SettleApps(apps) => apps.contains(app),
            Command::Forget(_) => self.apps.contains(app),
            _ => true,
        }
    }

    /// Whom it is about; nobody where it is about the end.
    fn scope(&self) -> Option<&Scope> {
        const ALL: &Scope = &Scope::All;
        match &self.command {
            Command::Shutdown => None,
            Command::Settle | Command::SettleApps(_) => Some(ALL),
            Command::Scale { .. } => self.scaled.as_ref(),
            Command::Reload(scope)
            | Command::Restart(scope)
            | Command::Start(scope)
            | Command::Stop(scope)
            | Command::Delete(scope)
            | Command::Reset(scope)
            | Command::Forget(scope)
            | Command::Signal { scope, .. } => Some(scope),
        }
    }
}
