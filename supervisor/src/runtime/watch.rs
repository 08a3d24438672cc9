//! Tells the loop when files changed that an app watches, or that the configuration was read from.
//!
//! In a thread of its own, which exists while somebody watches: walking through directories may
//! take a while. Directories are listened to one by one, not recursively, so that an ignored one
//! costs nothing. When the kernel listens to no more, the app runs on without being watched, and the
//! configuration's files are looked at from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{ErrorKind, INotifyWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, oneshot};

use crate::config::{Config, WatchConfig};
use crate::machine::{AppName, DrainCause};
use crate::runtime::board::{Board, Change, Kind, Since};
use crate::runtime::clock;
use crate::runtime::news::News;
use crate::runtime::sources::{Sources, Standing};
use crate::runtime::watched::Watched;

/// The way to the thread that watches.
#[derive(Debug)]
pub(crate) struct Watching {
    inbox: mpsc::Sender<News>,
    board: Option<Arc<Board>>,
    armed: Option<oneshot::Receiver<()>>,
}

impl Watching {
    pub(crate) fn new(inbox: mpsc::Sender<News>) -> Watching {
        Watching { inbox, board: None, armed: None }
    }

    /// Watches what this configuration names, and the files of it and of the one that was read
    /// last, which stands so.
    pub(crate) fn apply(
        &mut self,
        config: &Config,
        sources: BTreeSet<PathBuf>,
        standing: Standing,
    ) {
        let part = |(name, app): (&AppName, &crate::config::AppConfig)| {
            Some((name.clone(), app.watch.clone()?))
        };
        let apps: BTreeMap<_, _> = config.apps.iter().filter_map(part).collect();
        let supervisor = &config.supervisor;
        let own =
            [&supervisor.log_directory, &supervisor.run_directory, &supervisor.state_directory];
        // Made already, or not yet watched.
        let never = own.map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())).to_vec();
        let over = apps.is_empty() && sources.is_empty();
        if over && self.board.is_none() {
            return;
        }
        let (told, armed) = oneshot::channel();
        let board = match &self.board {
            Some(board) => Arc::clone(board),
            None => match start(self.inbox.clone()) {
                Ok(board) => Arc::clone(self.board.insert(board)),
                Err(why) => {
                    tracing::error!(%why, "files are not watched: a thread cannot be started");
                    return;
                }
            },
        };
        board.change(|wish| wish.wanted = Some(Wanted { apps, sources, standing, never, told }));
        self.armed = Some(armed);
        if over {
            self.board = None;
        }
    }

    /// Waits until everything that was asked for is watched.
    pub(crate) async fn armed(&mut self) {
        if let Some(armed) = self.armed.take() {
            let _ = armed.await;
        }
    }
}

/// What the thread is to watch.
#[derive(Debug)]
pub(crate) struct Wanted {
    apps: BTreeMap<AppName, WatchConfig>,
    sources: BTreeSet<PathBuf>,
    standing: Standing,
    never: Vec<PathBuf>,
    told: oneshot::Sender<()>,
}

fn start(inbox: mpsc::Sender<News>) -> std::io::Result<Arc<Board>> {
    let board = Arc::new(Board::default());
    let mut watch = Watch {
        inbox,
        board: Arc::clone(&board),
        watcher: None,
        apps: BTreeMap::new(),
        never: Vec::new(),
        sources: Sources::default(),
        armed: BTreeSet::new(),
        troubles: BTreeMap::new(),
    };
    let thread = std::thread::Builder::new().name("watch".to_owned());
    thread.spawn(move || watch.run())?;
    Ok(board)
}

/// The thread's own.
struct Watch {
    inbox: mpsc::Sender<News>,
    board: Arc<Board>,
    watcher: Option<INotifyWatcher>,
    apps: BTreeMap<AppName, Watched>,
    /// The configuration's own files.
    sources: Sources,
    never: Vec<PathBuf>,
    /// Directories that are listened to.
    armed: BTreeSet<PathBuf>,
    /// Whose files cannot be watched, and why; the configuration's have no app.
    troubles: BTreeMap<Option<AppName>, String>,
}

impl Watch {
    /// Until nothing is wanted any more, or the loop has ended.
    fn run(&mut self) {
        loop {
            let dues = self.apps.values().filter_map(Watched::due_at);
            let due = dues.chain(self.sources.due_at()).min();
            let wait = due.map(|due| due.saturating_sub(clock::since_boot()));
            let notes = self.board.take(wait);
            let told = match notes.wanted {
                Some(wanted) if wanted.apps.is_empty() && wanted.sources.is_empty() => return,
                Some(wanted) => {
                    self.adopt(wanted.apps);
                    self.sources.adopt(wanted.sources, clock::since_boot());
                    self.sources.standing = wanted.standing;
                    self.never = wanted.never;
                    Some(wanted.told)
                }
                None => None,
            };
            let turned = self.take_in(&notes.changes, notes.overflow);
            let differs = self.sources.poll(clock::since_boot());
            if (told.is_some() || turned || differs) && !self.arm() {
                return;
            }
            if let Some(told) = told {
                let _ = told.send(());
            }
            if !self.tell() {
                return;
            }
        }
    }

    /// Tells the loop what is due; false when it has ended.
    fn tell(&mut self) -> bool {
        let now = clock::since_boot();
        let due = |(app, watched): (&AppName, &mut Watched)| {
            let why = format!("{} changed", watched.take_due(now)?);
            Some(News::Refresh { app: app.clone(), cause: DrainCause::Watch, why })
        };
        let refreshed = self.apps.iter_mut().filter_map(due);
        let changed = self.sources.take_due(now).map(News::SourcesChanged);
        let again = self.sources.take_again().then_some(News::LookAgain);
        let news: Vec<News> = refreshed.chain(changed).chain(again).collect();
        news.into_iter().all(|news| self.inbox.blocking_send(news).is_ok())
    }

    /// An app whose part is the same keeps its burst.
    fn adopt(&mut self, wanted: BTreeMap<AppName, WatchConfig>) {
        self.apps.retain(|app, watched| wanted.get(app) == Some(&watched.config));
        for (app, config) in wanted {
            self.apps.entry(app).or_insert_with(|| Watched::new(config));
        }
    }

    /// Notes changes that count; true when other directories may have to be listened to.
    fn take_in(&mut self, changes: &[Change], overflow: bool) -> bool {
        let now = clock::since_boot();
        let mut turned = overflow;
        if overflow {
            self.disarm(Path::new("/"));
            for watched in self.apps.values_mut() {
                watched.changed("more than can be told".to_owned(), now);
            }
            self.sources.may_differ(now);
        }
        for Change { path, kind } in changes {
            let moved = matches!(kind, Kind::Made | Kind::Moved);
            if moved {
                self.disarm(path);
            }
            turned |= self.sources.heard(path, *kind, now) && moved;
            if matches!(kind, Kind::Closed(Since::LongAgo) | Kind::Touched(Since::LongAgo)) {
                continue;
            }
            for watched in self.apps.values_mut() {
                if let Some(what) = watched.counts(path, &self.never) {
                    turned |= moved && (watched.names(path) || !path.is_file());
                    watched.changed(what, now);
                }
            }
        }
        turned
    }

    /// Whatever is at this path or below now, it is not what was listened to.
    fn disarm(&mut self, path: &Path) {
        let gone = self.armed.range(path.to_owned()..).take_while(|armed| armed.starts_with(path));
        for directory in gone.cloned().collect::<Vec<_>>() {
            self.armed.remove(&directory);
            if let Some(watcher) = &mut self.watcher {
                // The kernel may have noticed before.
                let _ = watcher.unwatch(&directory);
            }
        }
    }

    /// Listens where it has to, and nowhere else; false when the loop has ended.
    fn arm(&mut self) -> bool {
        let mut wanted = BTreeSet::new();
        let mut troubles = BTreeMap::new();
        let apps = self.apps.iter_mut();
        let mut parts: Vec<_> = apps
            .map(|(app, watched)| (Some(app.clone()), watched.directories(&self.never)))
            .collect();
        parts.push((None, self.sources.directories()));
        for (whose, directories) in parts {
            match self.listen(&directories) {
                Ok(()) => wanted.extend(directories),
                Err(why) => {
                    let words = match whose {
                        Some(_) => format!("changes of its files are not noticed: {why}"),
                        None => format!("the configuration is looked at every 5s: {why}"),
                    };
                    troubles.insert(whose, words);
                }
            }
        }
        for gone in self.armed.difference(&wanted).cloned().collect::<Vec<_>>() {
            self.armed.remove(&gone);
            if let Some(watcher) = &mut self.watcher {
                let _ = watcher.unwatch(&gone);
            }
        }
        let news: Vec<_> = (self.apps.keys().cloned().map(Some))
            .chain([None])
            .filter(|app| self.troubles.get(app) != troubles.get(app))
            .map(|app| (app.clone(), troubles.get(&app).cloned()))
            .collect();
        self.troubles = troubles;
        news.into_iter().all(|(app, trouble)| {
            self.inbox.blocking_send(News::WatchTrouble { app, trouble }).is_ok()
        })
    }

    fn listen(&mut self, directories: &BTreeSet<PathBuf>) -> Result<(), String> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => none.insert(ear(&self.board).map_err(|error| refused(&error, "instances"))?),
        };
        for directory in directories {
            if self.armed.contains(directory) {
                continue;
            }
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.armed.insert(directory.clone());
                }
                Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => {
                    return Err(refused(&error, "watches"));
                }
                // It went meanwhile, which is a change that we are told.
                Err(_) if !directory.exists() => {}
                Err(error) => {
                    return Err(format!("cannot listen to `{}`: {error}", directory.display()));
                }
            }
        }
        Ok(())
    }
}

fn ear(board: &Arc<Board>) -> notify::Result<INotifyWatcher> {
    let board = Arc::clone(board);
    INotifyWatcher::new(move |event| board.hear(event), notify::Config::default())
}

fn refused(error: &notify::Error, limit: &str) -> String {
    format!("{error}; raise the sysctl fs.inotify.max_user_{limit}, then `reload`")
}
