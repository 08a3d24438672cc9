//! Who holds a place: a process, told apart from a later one with the same number.
//!
//! A place is one number, the process and when it was born, so that it is taken with one
//! compare-and-swap and says by itself whose it is. There is no lease to renew: a worker that is
//! stopped for a minute keeps its places, and one that died loses them when somebody needs them.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};

/// A place that nobody holds.
const FREE: u64 = 0;

/// This process, as the places that it holds name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder(u64);

impl Holder {
    /// Ourselves.
    pub(super) fn own() -> Holder {
        let pid = std::process::id();
        Holder(word(pid, born(pid).ok().flatten().unwrap_or(0)))
    }

    /// Takes a free place.
    pub(super) fn take(self, place: &AtomicU64) -> bool {
        place.load(Relaxed) == FREE && place.compare_exchange(FREE, self.0, AcqRel, Relaxed).is_ok()
    }

    /// Gives a place back, if it is still ours.
    pub(super) fn give_back(self, place: &AtomicU64) {
        let _ = place.compare_exchange(self.0, FREE, AcqRel, Relaxed);
    }

    /// Frees the places of those who died; whether there were any.
    pub(super) fn free_places_of_the_dead(self, places: &[AtomicU64]) -> bool {
        let mut alive = vec![self.0, FREE];
        let mut freed = false;
        for place in places {
            let found = place.load(Acquire);
            if alive.contains(&found) {
                continue;
            }
            if is_dead(found) {
                freed |= place.compare_exchange(found, FREE, AcqRel, Relaxed).is_ok();
            } else {
                alive.push(found);
            }
        }
        freed
    }
}

/// A process and the lower half of its birth, in the kernel's ticks since the machine's start.
fn word(pid: u32, born: u64) -> u64 {
    u64::from(pid) << 32 | born & 0xFFFF_FFFF
}

/// Whether nobody is left who could give this place back. Who cannot be looked at is alive.
fn is_dead(found: u64) -> bool {
    let Ok(pid) = u32::try_from(found >> 32) else { return false };
    match born(pid) {
        Ok(Some(born)) => word(pid, born) != found,
        Ok(None) => true,
        Err(_) => false,
    }
}

/// When a process was born; `None` when there is none, or only what its parent has not buried.
fn born(pid: u32) -> std::io::Result<Option<u64>> {
    let stat = match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        // Between the two steps of its end a process can be opened and not read.
        Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => return Ok(None),
        Err(error) => return Err(error),
    };
    // Behind the name, which may hold anything: the state is the first field, the birth the 20th.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    if matches!(fields.first(), Some(&"Z" | &"X")) {
        return Ok(None);
    }
    let born = fields.get(19).and_then(|field| field.parse().ok());
    born.map(Some).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_held_by_one_and_given_back_by_the_same() {
        let place = AtomicU64::new(FREE);
        let (own, other) = (Holder::own(), Holder(word(1, 7)));
        assert!(own.take(&place));
        assert!(!other.take(&place));
        other.give_back(&place);
        assert!(!own.take(&place));
        own.give_back(&place);
        assert!(other.take(&place));
    }

    #[test]
    fn only_the_dead_lose_their_places() {
        let own = Holder::own();
        let pid = std::process::id();
        let earlier = word(pid, 1);
        let init = word(1, born(1).unwrap().unwrap());
        let nobody = word(u32::MAX >> 1, 1);
        let places = [own.0, earlier, init, nobody, FREE].map(AtomicU64::new);
        assert!(own.free_places_of_the_dead(&places));
        let left = places.map(|place| place.load(Relaxed));
        assert_eq!(left, [own.0, FREE, init, FREE, FREE]);
    }
}
