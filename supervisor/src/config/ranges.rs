//! What keys take at least and at most, for those who write a file: in the numbers that they have,
//! and from the table that everything written is held against.

use std::ops::RangeInclusive;

use super::keys::{Kind, WAIT_MAX, WAIT_MIN};
use super::{tree, units};

/// The sizes that a key takes.
pub(crate) struct Sizes {
    pub(crate) bytes: RangeInclusive<u64>,
    /// Both as one writes them.
    pub(crate) min: &'static str,
    pub(crate) max: &'static str,
}

/// The sizes that a key of an app takes, as in `restart.max_memory`.
pub(crate) fn sizes(key: &str) -> Sizes {
    let (Kind::Size { min, max } | Kind::SizeOrOff { min, max }) = kind(key) else {
        panic!("`{key}` takes no size");
    };
    let bound = |text| units::size(text).expect("the table of keys has valid sizes");
    Sizes { bytes: bound(min)..=bound(max), min, max }
}

/// The counts that a key of an app takes, as in `restart.max_restarts`.
pub(crate) fn counts(key: &str) -> RangeInclusive<i64> {
    let Kind::Count { min, max, .. } = kind(key) else { panic!("`{key}` takes no count") };
    i64::from(*min)..=i64::from(*max)
}

/// The waits that most keys take, in milliseconds.
pub(crate) fn waits_ms() -> RangeInclusive<u64> {
    let bound = |text| units::milliseconds(text).expect("the table of keys has valid durations");
    bound(WAIT_MIN)..=bound(WAIT_MAX)
}

fn kind(key: &str) -> &'static Kind {
    let path: Vec<String> =
        ["apps", "NAME"].into_iter().chain(key.split('.')).map(str::to_owned).collect();
    tree::kind(&path).expect("the key is in the table of keys")
}
