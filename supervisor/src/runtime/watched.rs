//! One app's watched files: which directories must be listened to, and which changes count.
//!
//! A file is replaced as often as it is written, a symbolic link is turned to another directory
//! (releases, Kubernetes' ConfigMaps), and what it led to then changes without a sound. So every
//! link on the way is listened to in its directory, and the way is walked anew when one moves.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::config::{WatchConfig, WatchedPath};

/// So many links lead into each other; after that they lead nowhere, as in the kernel.
const LINKS_MAX: usize = 40;
/// Constant change is waited out for so many delays.
const DELAYS_MAX: u32 = 10;

/// One app's part.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) config: WatchConfig,
    places: Vec<Place>,
    burst: Option<Burst>,
}

/// A watched path, and where it leads today.
#[derive(Debug)]
struct Place {
    watched: WatchedPath,
    way: Way,
}

/// Where a path leads today.
#[derive(Debug)]
pub(crate) struct Way {
    /// Links on the way, and the end of it: a change of one is a change of the whole.
    pub(crate) names: BTreeSet<PathBuf>,
    /// The directory at its end, if it is one.
    tree: Option<PathBuf>,
}

/// Changes that are too close to be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Burst {
    first: Duration,
    last: Duration,
    what: String,
}

impl Watched {
    pub(crate) fn new(config: WatchConfig) -> Watched {
        Watched { config, places: Vec::new(), burst: None }
    }

    /// Finds where everything leads now; the directories that must be listened to.
    pub(crate) fn directories(&mut self, never: &[PathBuf]) -> BTreeSet<PathBuf> {
        self.places = self.config.paths.iter().map(Place::find).collect();
        let mut directories = BTreeSet::new();
        for place in &self.places {
            directories.extend(place.way.parents());
            if let Some(tree) = &place.way.tree {
                self.walk(place, tree, never, &mut directories);
            }
        }
        directories
    }

    /// Directories below this one that are not ignored, itself included. Links are not followed.
    fn walk(&self, place: &Place, tree: &Path, never: &[PathBuf], into: &mut BTreeSet<PathBuf>) {
        let mut open = vec![tree.to_owned()];
        while let Some(directory) = open.pop() {
            let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
            let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let inner = inner.map(|entry| entry.path());
            open.extend(inner.filter(|path| self.counts_below(place, path, never).is_some()));
            into.insert(directory);
        }
    }

    /// What changed in the operator's words, if a change at this path counts.
    pub(crate) fn counts(&self, path: &Path, never: &[PathBuf]) -> Option<String> {
        self.places.iter().find_map(|place| match place.way.names.contains(path) {
            true => Some(place.watched.written.clone()),
            false => self.counts_below(place, path, never),
        })
    }

    /// Whether this is a link on the way, or the end of it.
    pub(crate) fn names(&self, path: &Path) -> bool {
        self.places.iter().any(|place| place.way.names.contains(path))
    }

    fn counts_below(&self, place: &Place, path: &Path, never: &[PathBuf]) -> Option<String> {
        let below = path.strip_prefix(place.way.tree.as_ref()?).ok()?;
        let ours = never.iter().any(|never| path.starts_with(never));
        if ours || self.config.ignores(&place.watched, below) {
            return None;
        }
        Some(Path::new(&place.watched.written).join(below).display().to_string())
    }

    /// Notes a change; the first of a burst gives it its name.
    pub(crate) fn changed(&mut self, what: String, now: Duration) {
        match &mut self.burst {
            Some(burst) => burst.last = now,
            None => self.burst = Some(Burst { first: now, last: now, what }),
        }
    }

    /// When the burst is over.
    pub(crate) fn due_at(&self) -> Option<Duration> {
        let burst = self.burst.as_ref()?;
        let calm = burst.last + self.config.delay;
        Some(calm.min(burst.first + self.config.delay * DELAYS_MAX))
    }

    /// What changed, once the burst is over.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<String> {
        let over = self.due_at().is_some_and(|due_at| due_at <= now);
        self.burst.take_if(|_| over).map(|burst| burst.what)
    }
}

impl Place {
    fn find(watched: &WatchedPath) -> Place {
        Place { watched: watched.clone(), way: Way::to(&watched.path) }
    }
}

impl Way {
    pub(crate) fn to(path: &Path) -> Way {
        let (mut names, mut at, mut links) = (BTreeSet::new(), PathBuf::from("/"), 0);
        let mut rest: VecDeque<OsString> = parts(path).collect();
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                at.pop();
                continue;
            }
            let here = at.join(&part);
            match std::fs::symlink_metadata(&here) {
                Ok(about) if about.is_symlink() && links < LINKS_MAX => {
                    links += 1;
                    let target = std::fs::read_link(&here).unwrap_or_default();
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(part);
                    }
                    names.insert(here);
                }
                Ok(_) if rest.is_empty() => {
                    names.insert(here.clone());
                    at = here;
                }
                Ok(_) => at = here,
                // What is missing may come back.
                Err(_) => {
                    names.insert(here);
                    return Way { names, tree: None };
                }
            }
        }
        let tree = at.is_dir().then_some(at);
        Way { names, tree }
    }

    /// The directories in which a change of the way is heard.
    pub(crate) fn parents(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.names.iter().filter_map(|name| name.parent()).map(Path::to_owned)
    }
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An app that watches `written` in a directory.
    fn watched(directory: &Path, written: &str) -> Watched {
        let file = directory.join("ecosystem.toml");
        let text = format!("[apps.a]\nexec = \"/bin/true\"\nwatch = [\"{written}\"]\n");
        std::fs::write(&file, text).unwrap();
        let config = crate::config::load(&file, None, &crate::config::Surroundings::default());
        let config = config.unwrap_or_else(|why| panic!("{why}"));
        Watched::new(config.apps.into_values().next().unwrap().watch.unwrap())
    }

    #[test]
    fn every_link_on_the_way_is_listened_to() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("releases/1/src/deep")).unwrap();
        std::fs::create_dir_all(root.join("releases/1/src/.git")).unwrap();
        std::os::unix::fs::symlink("releases/1", root.join("current")).unwrap();
        let mut watched = watched(&root, "current/src");
        let logs = root.join("releases/1/src/logs");
        std::fs::create_dir(&logs).unwrap();
        let never = [logs.clone()];
        let expected = ["", "releases/1", "releases/1/src", "releases/1/src/deep"];
        let expected: BTreeSet<_> = expected.iter().map(|path| root.join(path)).collect();
        let found = watched.directories(&never);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(expected.iter().all(|path| found.iter().any(|found| same(found, path))));
        let counts = |path: &str| watched.counts(&root.join(path), &never);
        assert_eq!(counts("current").as_deref(), Some("current/src"));
        assert_eq!(counts("releases/1/src/deep/a.py").as_deref(), Some("current/src/deep/a.py"));
        assert_eq!(counts("releases/1/src/.git/index"), None);
        assert_eq!(counts("releases/1/src/logs/a.log"), None);
        assert_eq!(counts("releases/1/other"), None);
    }

    fn same(one: &Path, other: &Path) -> bool {
        one.components().eq(other.components())
    }

    #[test]
    fn a_burst_is_over_when_it_is_calm_or_has_lasted_too_long() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), "").unwrap();
        let mut watched = watched(directory.path(), "a");
        let moment = Duration::from_millis;
        assert_eq!(watched.due_at(), None);
        watched.changed("a".to_owned(), moment(1000));
        watched.changed("b".to_owned(), moment(1400));
        assert_eq!(watched.due_at(), Some(moment(1900)));
        assert_eq!(watched.take_due(moment(1899)), None);
        assert_eq!(watched.take_due(moment(1900)).as_deref(), Some("a"));
        assert_eq!(watched.take_due(moment(9999)), None);
        for now in (10_000..=15_000).step_by(100) {
            watched.changed("c".to_owned(), moment(now));
        }
        assert_eq!(watched.due_at(), Some(moment(15_000)));
    }
}
