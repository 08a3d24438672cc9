//! Where each number stands, and how its place is found.
//!
//! A head, then the addresses, then one record for all clients together and one for each client.
//! Records are claimed by the first who needs them, with one compare-and-swap, and stay: there are
//! as many as clients were configured since the file was made. An address has no record to keep:
//! its one number holds a part of its hash and its bucket, and a bucket that is full again says
//! nothing, so its place is free.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use std::time::Duration;

use super::rate::Rate;

/// The most clients that the workers of an app can tell apart.
pub(super) const CLIENTS_MAX: usize = 256;
/// The most that one limit on how many at once can be.
pub(super) const HOLDERS_MAX: usize = 1024;

/// Numbers that are there once.
pub(super) mod head {
    pub(in super::super) const MAGIC: usize = 0;
    pub(in super::super) const BOOT: usize = 1;
    pub(in super::super) const SEED: usize = 2;
    pub(super) const CROWD: usize = 3;
    pub(super) const WORDS: usize = 8;
}

const ADDRESSES: Range<usize> = head::WORDS..head::WORDS + 4096;
/// So many neighbouring numbers may hold the same address.
const WAYS: usize = 8;

const RECORD_HEAD: usize = 8;
const RECORD: usize = RECORD_HEAD + HOLDERS_MAX;
const TOTAL: usize = ADDRESSES.end;
const CLIENTS: usize = TOTAL + RECORD;
/// All of them.
pub(super) const WORDS: usize = CLIENTS + CLIENTS_MAX * RECORD;

/// What is known of one client, or of all of them together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    at: usize,
    words: &'a [AtomicU64],
}

impl<'a> Record<'a> {
    /// That of all clients together.
    pub(super) fn total(words: &'a [AtomicU64]) -> Record<'a> {
        Record { at: TOTAL, words: &words[TOTAL..TOTAL + RECORD] }
    }

    /// That of the client with this name, or of those who showed nothing; `None` when there is no
    /// room for another.
    pub(super) fn of(client: Option<&str>, words: &'a [AtomicU64]) -> Option<Record<'a>> {
        let wanted = key(client);
        let records = CLIENTS_MAX as u64;
        (0..records).find_map(|step| {
            let index = usize::try_from((wanted.wrapping_add(step)) % records).ok()?;
            let at = CLIENTS + index * RECORD;
            let record = Record { at, words: &words[at..at + RECORD] };
            let found = match record.words[0].compare_exchange(0, wanted, AcqRel, Acquire) {
                Ok(_) => wanted,
                Err(found) => found,
            };
            (found == wanted).then_some(record)
        })
    }

    pub(super) fn requests(&self) -> &'a AtomicU64 {
        &self.words[1]
    }

    pub(super) fn statements(&self) -> &'a AtomicU64 {
        &self.words[2]
    }

    pub(super) fn statements_of_day(&self) -> &'a AtomicU64 {
        &self.words[3]
    }

    pub(super) fn bytes_of_day(&self) -> &'a AtomicU64 {
        &self.words[4]
    }

    pub(super) fn microcredits_of_day(&self) -> &'a AtomicU64 {
        &self.words[5]
    }

    /// The places of those who are at work.
    pub(super) fn holders(&self) -> &'a [AtomicU64] {
        &self.words[RECORD_HEAD..]
    }

    /// Where a place of this record stands among all the numbers.
    pub(super) fn place(&self, holder: usize) -> usize {
        self.at + RECORD_HEAD + holder
    }
}

/// What a client is known by: FNV-1a, for operators choose the names, and it never changes.
fn key(client: Option<&str>) -> u64 {
    let bytes = match client {
        Some(name) => [b"n", name.as_bytes()].concat(),
        None => b"anonymous".to_vec(),
    };
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.max(1)
}

/// Forgets what hangs on this boot: buckets and who is at work. Counts of days stay.
pub(super) fn forget_moments(words: &[AtomicU64]) {
    let clear = |words: &[AtomicU64]| words.iter().for_each(|word| word.store(0, Relaxed));
    clear(&words[head::CROWD..=head::CROWD]);
    clear(&words[ADDRESSES]);
    for record in words[TOTAL..].chunks(RECORD) {
        clear(&record[1..3]);
        clear(&record[RECORD_HEAD..]);
    }
}

/// An address's number: the upper 28 bits are of its hash, the lower 36 the moment at which its
/// bucket is full, in milliseconds; those last two years.
const MOMENT_BITS: u32 = 36;
const MOMENT_MAX: u64 = (1 << MOMENT_BITS) - 1;

/// Takes one permit of an address; `false` in the second place when no number was free for it and
/// it shares one with all others of that kind.
pub(super) fn take_for(
    address: IpAddr,
    rate: Rate,
    (now, words): (u64, &[AtomicU64]),
) -> (Result<(), Duration>, bool) {
    let hash = hash(address, words[head::SEED].load(Relaxed));
    let tag = hash & !MOMENT_MAX;
    let sets = (ADDRESSES.len() / WAYS) as u64;
    let set = usize::try_from(hash % sets).unwrap_or(0) * WAYS;
    let ways = &words[ADDRESSES][set..set + WAYS];
    loop {
        let numbers: Vec<u64> = ways.iter().map(|word| word.load(Relaxed)).collect();
        let own = numbers.iter().position(|number| number & !MOMENT_MAX == tag && *number != 0);
        let free = || numbers.iter().position(|number| number & MOMENT_MAX <= now);
        let Some(way) = own.or_else(free) else {
            return (super::rate::take(&words[head::CROWD], rate, now).map(drop), false);
        };
        let full_at = if own.is_some() { numbers[way] & MOMENT_MAX } else { 0 };
        let next = match rate.step(full_at, now) {
            Ok(next) => tag | next & MOMENT_MAX,
            Err(wait) => return (Err(wait), true),
        };
        if ways[way].compare_exchange(numbers[way], next, AcqRel, Relaxed).is_ok() {
            return (Ok(()), true);
        }
    }
}

/// What counts as one remote address: of IPv6 the first half, which is what one household has.
#[must_use]
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// With a seed, so that nobody can choose addresses that share a place with a victim's.
fn hash(address: IpAddr, seed: u64) -> u64 {
    let mut bytes = seed.to_le_bytes().to_vec();
    match household(address) {
        IpAddr::V4(address) => bytes.extend(address.octets()),
        IpAddr::V6(address) => bytes.extend(address.octets()),
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    digest.as_ref().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::memory::Memory;
    use super::*;

    fn failures(memory: &Memory, address: IpAddr, now: u64) -> u32 {
        let rate = Rate::per_minute(5);
        let take = || take_for(address, rate, (now, memory.words())).0.is_ok();
        (0..50).map(|_| u32::from(take())).sum()
    }

    #[test]
    fn every_client_has_a_record_until_there_is_no_room() {
        let memory = Memory::own();
        let names: Vec<String> = (0..CLIENTS_MAX - 1).map(|n| format!("client{n}")).collect();
        let mut seen: Vec<usize> = names
            .iter()
            .map(|name| Record::of(Some(name), memory.words()).expect("room").place(0))
            .collect();
        seen.push(Record::of(None, memory.words()).expect("room").place(0));
        let again = Record::of(Some("client7"), memory.words()).expect("its own").place(0);
        assert_eq!(again, seen[7]);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), CLIENTS_MAX);
        assert!(Record::of(Some("one more"), memory.words()).is_none());
        assert!(Record::of(Some("client200"), memory.words()).is_some());
    }

    #[test]
    fn an_address_has_its_failures_and_half_of_an_ipv6_address_counts() {
        let memory = Memory::own();
        let (one, other) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(failures(&memory, one.into(), 1_000), 5);
        assert_eq!(failures(&memory, one.to_ipv6_mapped().into(), 1_000), 0);
        assert_eq!(failures(&memory, other.into(), 1_000), 5);
        assert_eq!(failures(&memory, one.into(), 61_001), 5);
        let house = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, last));
        assert_eq!(failures(&memory, house(1), 1_000), 5);
        assert_eq!(failures(&memory, house(2), 1_000), 0);
    }

    #[test]
    fn a_crowd_of_addresses_shares_what_is_left() {
        let memory = Memory::own();
        let rate = Rate::per_minute(5);
        let take = |n: u32, now| {
            let address = IpAddr::V4(Ipv4Addr::from_bits(n));
            take_for(address, rate, (now, memory.words()))
        };
        let crowded: Vec<bool> = (0..40_000)
            .map(|n| take(n, 1_000))
            .filter(|(_, own)| !own)
            .map(|(got, _)| got.is_ok())
            .collect();
        assert!(crowded.len() > 30_000, "{}", crowded.len());
        assert_eq!(crowded.iter().filter(|passed| **passed).count(), 5);
        // A minute later nothing of it is left.
        let (passed, own) = take(1_000_000, 70_000);
        assert!(passed.is_ok() && own);
    }
}
