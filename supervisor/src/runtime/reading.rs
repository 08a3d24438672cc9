//! A configuration and what its files held: read together, until they stay the same meanwhile.
//!
//! What is then done with it is `configuration`'s business; nothing here judges or remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::{self, Config, Problems};
use crate::runtime::start::Loader;

/// No configuration is longer.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// A file that changes while it is read is read again, so many times.
const READS_MAX: usize = 3;

/// What files held; nothing for a file that is not there.
pub(crate) type Contents = BTreeMap<PathBuf, Option<Held>>;

/// What a file held, and what says who may read and write it: a secret that is open is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// A number for its content; none when it cannot be read.
    sum: Option<u64>,
    mode: u32,
    owner: u32,
}

/// A configuration as it was just read.
pub(crate) struct Fresh {
    pub(crate) loaded: Result<Config, Problems>,
    /// The files that had a part in it.
    pub(crate) files: BTreeSet<PathBuf>,
    /// What they held before; one that was not known then, or did not stay the same, is missing
    /// or differs.
    pub(crate) contents: Contents,
    pub(crate) text: Vec<u8>,
}

/// Reads the configuration until the files that have a part in it stay the same meanwhile.
pub(crate) fn read_anew(known: BTreeSet<PathBuf>, file: &Path, load: &Loader) -> Fresh {
    let (mut known, mut reads) = (known, 0);
    loop {
        let (before, text) = (contents(&known), read_file(file));
        let loaded = load();
        let files = match &loaded {
            Ok(config) => &config.sources,
            Err(problems) => problems.files(),
        };
        let files: BTreeSet<PathBuf> = files.iter().cloned().collect();
        known.extend(files.iter().cloned());
        reads += 1;
        if reads == READS_MAX || contents(&known) == before {
            return Fresh { loaded, files, contents: before, text: text.unwrap_or_default() };
        }
    }
}

/// What these files hold now.
pub(crate) fn contents(files: &BTreeSet<PathBuf>) -> Contents {
    let held = |file: &PathBuf| {
        let about = std::fs::metadata(file).ok()?;
        let sum = read_file(file).map(|content| config::fnv_1a(&content));
        Some(Held { sum, mode: about.mode(), owner: about.uid() })
    };
    files.iter().map(|file| (file.clone(), held(file))).collect()
}

/// What a file holds; nothing when it is not there, or is no file.
pub(crate) fn read_file(file: &Path) -> Option<Vec<u8>> {
    // Opening a FIFO would wait for a writer.
    if !std::fs::metadata(file).is_ok_and(|about| about.is_file()) {
        return None;
    }
    let mut content = Vec::new();
    let opened = std::fs::File::open(file).ok()?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    #[test]
    fn a_file_that_is_new_and_changes_while_it_is_read_was_not_considered() {
        let directory = tempfile::tempdir().unwrap();
        let [main, secret] = ["ecosystem.toml", "password"].map(|name| directory.path().join(name));
        for (writes, reads) in [(0, 2), (1, 3), (9, READS_MAX)] {
            std::fs::write(&secret, "0").unwrap();
            let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
            let (files, own) = (vec![main.clone(), secret.clone()], std::rc::Rc::clone(&seen));
            let load: Loader = Box::new(move || {
                let mut seen = own.borrow_mut();
                seen.push(contents(&BTreeSet::from([files[1].clone()])));
                if seen.len() > 1 && seen.len() <= 1 + writes {
                    std::fs::write(&files[1], seen.len().to_string()).unwrap();
                }
                let text = "[apps.query]\nexec = [\"/bin/true\"]\n";
                let config = config::load_text(text, &files[0], None, &Surroundings::default());
                Ok(Config { sources: files.clone(), ..config.unwrap() })
            });
            let fresh = read_anew(BTreeSet::from([main.clone()]), &main, &load);
            let seen = seen.borrow();
            assert_eq!(seen.len(), reads, "{writes} writes");
            assert_eq!(fresh.contents[&secret], seen[reads - 1][&secret], "{writes} writes");
            assert_eq!(fresh.files, BTreeSet::from([main.clone(), secret.clone()]));
        }
    }
}
