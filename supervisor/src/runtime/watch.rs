//! Tells the loop when files changed that an app watches.
//!
//! In a thread of its own, which exists while somebody watches: walking through directories may
//! take a while. Directories are listened to one by one, not recursively, so that an ignored one
//! costs nothing. When the kernel listens to no more, the app runs on without being watched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, INotifyWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, oneshot};

use crate::config::{Config, WatchConfig};
use crate::machine::AppName;
use crate::runtime::clock;
use crate::runtime::news::News;
use crate::runtime::watched::Watched;

/// So many changes are told one by one; after that everything may have changed.
const CHANGES_MAX: usize = 4096;
/// A file whose time of change is this near was written, not only opened.
const JUST_NOW: Duration = Duration::from_secs(10);

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

    /// Watches what this configuration names.
    pub(crate) fn apply(&mut self, config: &Config) {
        let part = |(name, app): (&AppName, &crate::config::AppConfig)| {
            Some((name.clone(), app.watch.clone()?))
        };
        let apps: BTreeMap<_, _> = config.apps.iter().filter_map(part).collect();
        let supervisor = &config.supervisor;
        let own =
            [&supervisor.log_directory, &supervisor.run_directory, &supervisor.state_directory];
        // Made already, or not yet watched.
        let never = own.map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())).to_vec();
        if apps.is_empty() && self.board.is_none() {
            return;
        }
        let over = apps.is_empty();
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
        board.change(|wish| wish.wanted = Some(Wanted { apps, never, told }));
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

/// What the loop and the kernel put up for the thread.
#[derive(Debug, Default)]
struct Board {
    news: Mutex<Notes>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Notes {
    wanted: Option<Wanted>,
    changes: Vec<Change>,
    /// More changed than could be told.
    overflow: bool,
}

#[derive(Debug)]
struct Wanted {
    apps: BTreeMap<AppName, WatchConfig>,
    never: Vec<PathBuf>,
    told: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Change {
    path: PathBuf,
    /// Something appeared, went or was renamed: other directories may have to be listened to.
    moved: bool,
}

impl Board {
    fn change(&self, write: impl FnOnce(&mut Notes)) {
        write(&mut self.lock());
        self.bell.notify_one();
    }

    /// A thread that panicked has ended the process, or is a test's.
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes everything down, when there is something or the wait is over.
    fn take(&self, wait: Option<Duration>) -> Notes {
        let notes = self.lock();
        let empty = |notes: &mut Notes| {
            notes.wanted.is_none() && notes.changes.is_empty() && !notes.overflow
        };
        let mut notes = match wait {
            Some(wait) => {
                let woken = self.bell.wait_timeout_while(notes, wait, empty);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.bell.wait_while(notes, empty).unwrap_or_else(PoisonError::into_inner),
        };
        std::mem::take(&mut *notes)
    }

    fn hear(&self, event: notify::Result<Event>) {
        let Ok(event) = event else { return };
        let moved = match event.kind {
            EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(_)) => true,
            // Opened for writing, or another time: it counts if it was really written.
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Metadata(_)) => {
                if !event.paths.iter().any(|path| was_just_written(path)) {
                    return;
                }
                false
            }
            EventKind::Modify(ModifyKind::Any | ModifyKind::Data(_) | ModifyKind::Other) => false,
            EventKind::Access(_) => return,
            EventKind::Any | EventKind::Other => {
                if event.need_rescan() {
                    self.change(|notes| notes.overflow = true);
                }
                return;
            }
        };
        self.change(|notes| {
            for path in event.paths {
                if notes.changes.len() < CHANGES_MAX {
                    notes.changes.push(Change { path, moved });
                } else {
                    notes.overflow = true;
                }
            }
        });
    }
}

fn was_just_written(path: &Path) -> bool {
    let written = std::fs::metadata(path).and_then(|about| about.modified()).ok();
    let since = written.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.is_some_and(|time| time.abs_diff(clock::since_epoch()) < JUST_NOW)
}

fn start(inbox: mpsc::Sender<News>) -> std::io::Result<Arc<Board>> {
    let board = Arc::new(Board::default());
    let mut watch = Watch {
        inbox,
        board: Arc::clone(&board),
        watcher: None,
        apps: BTreeMap::new(),
        never: Vec::new(),
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
    never: Vec<PathBuf>,
    /// Directories that are listened to.
    armed: BTreeSet<PathBuf>,
    troubles: BTreeMap<AppName, String>,
}

impl Watch {
    /// Until nothing is wanted any more, or the loop has ended.
    fn run(&mut self) {
        loop {
            let due = self.apps.values().filter_map(Watched::due_at).min();
            let wait = due.map(|due| due.saturating_sub(clock::since_boot()));
            let notes = self.board.take(wait);
            let told = match notes.wanted {
                Some(wanted) if wanted.apps.is_empty() => return,
                Some(wanted) => {
                    self.adopt(wanted.apps);
                    self.never = wanted.never;
                    Some(wanted.told)
                }
                None => None,
            };
            let turned = self.take_in(&notes.changes, notes.overflow);
            if (told.is_some() || turned) && !self.arm() {
                return;
            }
            if let Some(told) = told {
                let _ = told.send(());
            }
            for (app, watched) in &mut self.apps {
                let Some(what) = watched.take_due(clock::since_boot()) else { continue };
                let news = News::Refresh { app: app.clone(), why: format!("{what} changed") };
                if self.inbox.blocking_send(news).is_err() {
                    return;
                }
            }
        }
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
        }
        for Change { path, moved } in changes {
            if *moved {
                self.disarm(path);
            }
            for watched in self.apps.values_mut() {
                if let Some(what) = watched.counts(path, &self.never) {
                    turned |= *moved && (watched.names(path) || !path.is_file());
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
        let parts: Vec<_> = self
            .apps
            .iter_mut()
            .map(|(app, watched)| (app.clone(), watched.directories(&self.never)))
            .collect();
        for (app, directories) in parts {
            match self.listen(&directories) {
                Ok(()) => wanted.extend(directories),
                Err(why) => {
                    troubles.insert(app, format!("changes of its files are not noticed: {why}"));
                }
            }
        }
        for gone in self.armed.difference(&wanted).cloned().collect::<Vec<_>>() {
            self.armed.remove(&gone);
            if let Some(watcher) = &mut self.watcher {
                let _ = watcher.unwatch(&gone);
            }
        }
        let told = |app: &AppName| (app.clone(), troubles.get(app).cloned());
        let news: Vec<_> = self
            .apps
            .keys()
            .filter(|app| self.troubles.get(app) != troubles.get(app))
            .map(told)
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
