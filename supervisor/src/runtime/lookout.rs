//! Everything that may have workers replaced without anybody asking: time tables, files that
//! changed, and memory. What is then done, and whether, is the machine's to decide.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::config::Config;
use crate::machine::AppName;
use crate::runtime::memory::Scale;
use crate::runtime::news::News;
use crate::runtime::schedule::Schedule;
use crate::runtime::watch::Watching;

/// Whoever looks out.
#[derive(Debug)]
pub(crate) struct Lookout {
    schedule: Schedule,
    scale: Scale,
    watching: Watching,
    /// Apps whose files cannot be watched, and why.
    troubles: BTreeMap<AppName, String>,
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
        lookout.watching.armed().await;
        lookout
    }

    /// Looks out for another configuration.
    pub(crate) fn apply(&mut self, config: &Config) {
        self.schedule.apply(config);
        self.scale.apply(config);
        self.watching.apply(config);
        self.troubles.retain(|app, _| config.apps.contains_key(app));
    }

    /// Remembers whether an app's files can be watched.
    pub(crate) fn note_trouble(&mut self, app: AppName, trouble: Option<String>) {
        match trouble {
            Some(why) => {
                tracing::warn!(%app, "{why}");
                self.troubles.insert(app, why);
            }
            None => drop(self.troubles.remove(&app)),
        }
    }

    /// Why an app's files cannot be watched.
    pub(crate) fn trouble(&self, app: &AppName) -> Option<&String> {
        self.troubles.get(app)
    }
}
