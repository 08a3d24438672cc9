//! What was done with each log since the supervisor began: bytes that were written and dropped,
//! rotations, compression. For the metrics alone: nothing is decided by it, and no line is here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What was done with one log.
#[derive(Debug, Default)]
pub(crate) struct Count {
    /// Bytes that the supervisor wrote to its file.
    pub(crate) written_bytes: Tally,
    /// Bytes that the disk refused, and that are lost.
    pub(crate) dropped_bytes: Tally,
    /// How often its file was begun anew.
    pub(crate) rotations: Tally,
    /// Bytes of rotated files that were compressed.
    pub(crate) packed_from_bytes: Tally,
    /// Bytes that the compressed files took in their place.
    pub(crate) packed_to_bytes: Tally,
}

/// A number that only grows, whoever adds to it.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

/// What was done with all of them; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(Arc<Mutex<BTreeMap<String, Arc<Count>>>>);

impl Tally {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    /// Of the log with this file; where it lies does not count.
    pub(crate) fn of(&self, file: &Path) -> Arc<Count> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(name).or_default())
    }

    /// All of them, by the names of their files.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Count>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, count)| (name.clone(), Arc::clone(count))).collect()
    }
}
