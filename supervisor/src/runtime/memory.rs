//! How much memory a worker takes with all its descendants, for apps that limit it.
//!
//! Resident memory, added up over the tree: what several processes share counts for each of them.
//! The share of each (PSS) would be truer, but the kernel walks every page for it. One pass over
//! `/proc` serves all workers; nobody is looked at when no app has a limit.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Config;
use crate::machine::RunId;
use crate::runtime::clock;
use crate::runtime::news::News;
use crate::runtime::proc::{self, Stat};

/// How often we look.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Workers that are looked at, by process id.
pub(crate) type Roots = BTreeMap<i32, RunId>;

/// The way to the task that looks.
#[derive(Debug)]
pub(crate) struct Scale(watch::Sender<bool>);

impl Scale {
    pub(crate) fn start(inbox: mpsc::Sender<News>) -> Scale {
        let (wanted, changed) = watch::channel(false);
        tokio::spawn(look(changed, inbox));
        Scale(wanted)
    }

    /// Looks if an app of this configuration has a limit.
    pub(crate) fn apply(&self, config: &Config) {
        let wanted = config.apps.values().any(|app| app.goal.memory_bytes_max.is_some());
        self.0.send_if_modified(|known| std::mem::replace(known, wanted) != wanted);
    }
}

async fn look(mut wanted: watch::Receiver<bool>, inbox: mpsc::Sender<News>) {
    while wanted.wait_for(|wanted| *wanted).await.is_ok() {
        clock::pause(LOOK_EVERY).await;
        let (answer, roots) = oneshot::channel();
        let _ = inbox.send(News::WhoIsLimited { answer }).await;
        let Ok(roots) = roots.await else { return };
        if roots.is_empty() {
            continue;
        }
        // Thousands of processes are thousands of files: not in the thread that keeps workers.
        let Ok(taken) = tokio::task::spawn_blocking(move || of_trees(&roots)).await else { return };
        for (run, memory_bytes) in taken {
            let _ = inbox.send(News::Measured { run, memory_bytes }).await;
        }
    }
}

/// What each tree takes, in bytes. In it is who descends from its root, and who is in the process
/// group that the root was started with.
fn of_trees(roots: &Roots) -> BTreeMap<RunId, u64> {
    let everyone = proc::everyone();
    let mut bytes = BTreeMap::new();
    for (pid, stat) in &everyone {
        if let Some(run) = owner(*pid, &everyone, roots) {
            *bytes.entry(run).or_default() += stat.rss_bytes();
        }
    }
    bytes
}

fn owner(pid: i32, everyone: &BTreeMap<i32, Stat>, roots: &Roots) -> Option<RunId> {
    let mut at = pid;
    // The picture is not of one moment, so that parents could go round in a circle.
    for _ in 0..=everyone.len() {
        let stat = everyone.get(&at)?;
        if let Some(run) = roots.get(&at).or_else(|| roots.get(&stat.group)) {
            return Some(*run);
        }
        at = stat.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_and_the_group_belong_to_the_worker() {
        let own = Stat::of(std::process::id().cast_signed()).unwrap();
        let entry = |parent, group| Stat { parent, group, ..own };
        let everyone = BTreeMap::from([
            (10, entry(1, 10)),
            (11, entry(10, 10)),
            (12, entry(11, 12)),
            (13, entry(1, 10)),
            (14, entry(1, 14)),
            (20, entry(1, 20)),
            (30, entry(31, 30)),
            (31, entry(30, 31)),
        ]);
        let roots = Roots::from([(10, RunId(1)), (20, RunId(2))]);
        let of = |pid| owner(pid, &everyone, &roots);
        assert_eq!([of(10), of(11), of(12), of(13)], [Some(RunId(1)); 4]);
        assert_eq!((of(14), of(20), of(30)), (None, Some(RunId(2)), None));
    }

    #[test]
    fn our_own_memory_is_found() {
        let own = i32::try_from(std::process::id()).unwrap();
        let taken = of_trees(&Roots::from([(own, RunId(1))]));
        assert!(taken[&RunId(1)] > 1_000_000, "{taken:?}");
    }
}
