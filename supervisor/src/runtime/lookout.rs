//! Everything that may have workers replaced without anybody asking: time tables, files that
//! changed, and memory. What is then done, and whether, is the machine's to decide.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::config::Config;
use crate::machine::AppName;
use crate::runtime::memory::Scale;
use crate::runtime::news::News;
use crate::runtime::schedule::Schedule;
use crate::runtime::sources::Standing;
use crate::runtime::watch::Watching;

/// Whoever looks out.
#[derive(Debug)]
pub(crate) struct Lookout {
    schedule: Schedule,
    scale: Scale,
    watching: Watching,
    /// Whose files cannot be watched, and why; the configuration's have no app.
    troubles: BTreeMap<Option<AppName>, String>,
}

impl Lookout {
    /// Looks out for this configuration. Changes of files count from when this returns.
    pub(crate) async fn start(config: &Config, inbox: &mpsc::Sender<News>) -> Lookout {
        let mut lookout = Lookout {
            schedule: Schedule::start(inbox.clone()),
            scale: Scale::start(inbox.clone()),
            watching: Watching::new(inbox.clone()),
            troubles: BTreeMap::new(),
        };
        lookout.apply(config);
        lookout.watch(config, None);
        lookout.watching.armed().await;
        lookout
    }

    /// Looks out for another configuration.
    pub(crate) fn apply(&mut self, config: &Config) {
        self.schedule.apply(config);
        self.scale.apply(config);
        self.troubles.retain(|app, _| app.as_ref().is_none_or(|app| config.apps.contains_key(app)));
    }

    /// Watches the files that this configuration names, those that it was read from, and those
    /// of another one that was refused.
    pub(crate) fn watch(&mut self, config: &Config, refused: Option<&BTreeSet<PathBuf>>) {
        let sources = match config.supervisor.watch {
            true => config.sources.iter().chain(refused.into_iter().flatten()).cloned().collect(),
            false => BTreeSet::new(),
        };
        let standing = if refused.is_some() { Standing::Refused } else { Standing::InForce };
        self.watching.apply(config, sources, standing);
    }

    /// Remembers whether files can be watched.
    pub(crate) fn note_trouble(&mut self, app: Option<AppName>, trouble: Option<String>) {
        match trouble {
            Some(why) => {
                match &app {
                    Some(app) => tracing::warn!(%app, "{why}"),
                    None => tracing::warn!("{why}"),
                }
                self.troubles.insert(app, why);
            }
            None => drop(self.troubles.remove(&app)),
        }
    }

    /// Why an app's files, or the configuration's, cannot be watched.
    pub(crate) fn trouble(&self, app: Option<&AppName>) -> Option<&String> {
        self.troubles.get(&app.cloned())
    }
}
