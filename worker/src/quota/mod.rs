//! How much clients may ask of all workers of an app together.
//!
//! Every limit is decided here, by numbers in memory that the workers share (`memory`): a request
//! costs a few compare-and-swaps and never waits for another process. The numbers outlive workers
//! and the supervisor. Where they cannot be shared, each worker keeps its own: a limit is then one
//! of each worker, which is counted and said, and nobody is turned away for it.

mod day;
mod holder;
mod memory;
mod rate;
mod refusal;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mcp_protocol::access::Quota;
use mcp_protocol::measure::Measure;
use mcp_protocol::message::Limit;

use day::Today;
use holder::Holder;
use memory::Memory;
use rate::Rate;
pub use rate::Standing;
pub use refusal::{Refusal, in_credits, tell};
pub use table::household;
use table::{HOLDERS_MAX, Record};

use crate::clock;
use crate::metrics::Metrics;

/// The directory beside the supervisor's socket where the numbers are.
const DIRECTORY: &str = "quotas";
/// How often it is looked whether those who hold places still live.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// When to come back to a limit on how many at once: nobody knows when one ends.
const AT_ONCE_WAIT: Duration = Duration::from_secs(1);

/// The limits of an app, as one of its workers sees them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Quotas {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Option<Arc<Memory>>,
    own: OnceLock<Arc<Memory>>,
    holder: Holder,
    looked_at: AtomicU64,
    metrics: Arc<Metrics>,
}

/// What time it is: for buckets since the machine's start, for days since 1970.
#[derive(Debug, Clone, Copy)]
struct Now {
    since_boot: Duration,
    unix_seconds: u64,
}

impl Now {
    fn read() -> Now {
        Now { since_boot: clock::since_boot(), unix_seconds: clock::unix_seconds() }
    }

    fn nanoseconds(&self) -> u64 {
        u64::try_from(self.since_boot.as_nanos()).unwrap_or(u64::MAX)
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.since_boot.as_millis()).unwrap_or(u64::MAX)
    }
}

/// One of a limited number at once, until it is dropped.
#[derive(Debug)]
pub struct Place {
    memory: Arc<Memory>,
    word: usize,
    holder: Holder,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.holder.give_back(&self.memory.words()[self.word]);
    }
}

impl Quotas {
    /// Limits of this worker alone.
    #[must_use]
    pub fn own(metrics: Arc<Metrics>) -> Quotas {
        Quotas::new(None, metrics)
    }

    /// Limits that all workers of the app share whose supervisor has this socket. Blocks while
    /// another worker makes them ready.
    #[must_use]
    pub fn shared(socket: &Path, app: &str, metrics: Arc<Metrics>) -> Quotas {
        let memory = Memory::shared(&socket.with_file_name(DIRECTORY), app);
        if let Err(error) = &memory {
            tracing::error!(%error, "limits of clients hold for each worker by itself");
        }
        Quotas::new(memory.ok().map(Arc::new), metrics)
    }

    fn new(shared: Option<Arc<Memory>>, metrics: Arc<Metrics>) -> Quotas {
        let looked_at = AtomicU64::new(0);
        let inner =
            Inner { shared, own: OnceLock::new(), holder: Holder::own(), looked_at, metrics };
        Quotas { inner: Arc::new(inner) }
    }

    /// Lets one request of a client pass; how its rate stands then, where it has one.
    ///
    /// # Errors
    /// When the client asked too much.
    pub fn request(
        &self,
        client: Option<&str>,
        quota: &Quota,
    ) -> Result<Option<Standing>, Refusal> {
        let Some(permits) = quota.requests_per_second else { return Ok(None) };
        let memory = self.memory_of(client);
        let Some(record) = Record::of(client, memory.words()) else { return Ok(None) };
        self.at_rate((Limit::Requests, permits), record.requests(), client).map(Some)
    }

    /// Lets one request of anybody pass; its place among those that are answered at once, where
    /// that is limited.
    ///
    /// # Errors
    /// When all clients together ask too much.
    pub fn entrance(
        &self,
        client: Option<&str>,
        (per_second, at_once): (Option<u32>, Option<u32>),
    ) -> Result<Option<Place>, Refusal> {
        if per_second.is_none() && at_once.is_none() {
            return Ok(None);
        }
        let memory = self.memory();
        let record = Record::total(memory.words());
        let limit = Limit::ConcurrentRequests;
        let place =
            at_once.map(|most| self.place(&memory, record, (limit, most), client)).transpose()?;
        if let Some(permits) = per_second {
            self.at_rate((Limit::TotalRequests, permits), record.requests(), client)?;
        }
        Ok(place)
    }

    /// Lets one statement of a client pass; its place is to be kept until it ends.
    ///
    /// # Errors
    /// When the client asked too much.
    pub fn statement(&self, client: Option<&str>, quota: &Quota) -> Result<Option<Place>, Refusal> {
        let limited = quota.statements_per_second.is_some()
            || quota.concurrent_statements.is_some()
            || quota.statements_per_day.is_some()
            || quota.bytes_per_day.is_some()
            || quota.microcredits_per_day.is_some();
        if !limited {
            return Ok(None);
        }
        let memory = self.memory_of(client);
        let Some(record) = Record::of(client, memory.words()) else { return Ok(None) };
        let today = Today::at(Now::read().unix_seconds);
        if let Some(most) = quota.bytes_per_day
            && day::counted(record.bytes_of_day(), today) >= most
        {
            return Err(self.refuse(client, (Limit::BytesOfDay, most), today.left()));
        }
        if let Some(most) = quota.microcredits_per_day
            && day::counted(record.microcredits_of_day(), today) >= most
        {
            return Err(self.refuse(client, (Limit::CreditsOfDay, most), today.left()));
        }
        let limit = Limit::ConcurrentStatements;
        let at_once = quota.concurrent_statements;
        let place =
            at_once.map(|most| self.place(&memory, record, (limit, most), client)).transpose()?;
        if let Some(permits) = quota.statements_per_second {
            self.at_rate((Limit::Statements, permits), record.statements(), client)?;
        }
        if let Some(most) = quota.statements_per_day
            && day::add(record.statements_of_day(), 1, most, today).is_err()
        {
            return Err(self.refuse(client, (Limit::StatementsOfDay, most), today.left()));
        }
        Ok(place)
    }

    /// Counts the bytes of a client's answer. The last answer of a day may go over the limit, for
    /// nobody knows before how long it is.
    pub fn answered(&self, client: Option<&str>, quota: &Quota, bytes: u64) {
        if quota.bytes_per_day.is_none() {
            return;
        }
        let memory = self.memory_of(client);
        if let Some(record) = Record::of(client, memory.words()) {
            let today = Today::at(Now::read().unix_seconds);
            let _ = day::add(record.bytes_of_day(), bytes, u64::MAX, today);
        }
    }

    /// Counts what a client's statement cost, in millionths of a credit. The last statements of a
    /// day may go over the limit, for nobody knows before how long they take.
    pub fn cost(&self, client: Option<&str>, quota: &Quota, microcredits: u64) {
        if quota.microcredits_per_day.is_none() {
            return;
        }
        let labels = &[client.unwrap_or_default()];
        self.inner.metrics.tallies.count(Measure::Microcredits, labels, microcredits);
        let memory = self.memory_of(client);
        if let Some(record) = Record::of(client, memory.words()) {
            let today = Today::at(Now::read().unix_seconds);
            let _ = day::add(record.microcredits_of_day(), microcredits, u64::MAX, today);
        }
    }

    /// What is left of a client's credits today, in millionths; nothing where it has no budget.
    #[must_use]
    pub fn credits_left(&self, client: Option<&str>, quota: &Quota) -> Option<u64> {
        let most = quota.microcredits_per_day?;
        let memory = self.memory_of(client);
        let record = Record::of(client, memory.words())?;
        let today = Today::at(Now::read().unix_seconds);
        Some(most.saturating_sub(day::counted(record.microcredits_of_day(), today)))
    }

    /// Notes that a request from this address was not let in.
    ///
    /// # Errors
    /// When there were too many of them.
    pub fn failed_login(&self, address: IpAddr, per_minute: u32) -> Result<(), Refusal> {
        let memory = self.memory();
        let now = Now::read().milliseconds();
        let rate = Rate::per_minute(per_minute);
        let (taken, own) = table::take_for(address, rate, (now, memory.words()));
        if !own {
            self.inner.metrics.limit_unshared();
        }
        taken.map_err(|wait| self.refuse(None, (Limit::FailedLogins, u64::from(per_minute)), wait))
    }

    fn at_rate(
        &self,
        (limit, permits): (Limit, u32),
        bucket: &AtomicU64,
        client: Option<&str>,
    ) -> Result<Standing, Refusal> {
        let taken = rate::take(bucket, Rate::per_second(permits), Now::read().nanoseconds());
        taken.map_err(|wait| self.refuse(client, (limit, u64::from(permits)), wait))
    }

    fn place(
        &self,
        memory: &Arc<Memory>,
        record: Record<'_>,
        (limit, most): (Limit, u32),
        client: Option<&str>,
    ) -> Result<Place, Refusal> {
        let holder = self.inner.holder;
        let count = (most as usize).min(HOLDERS_MAX);
        let places = &record.holders()[..count];
        let free = || places.iter().position(|place| holder.take(place));
        let found = free().or_else(|| {
            (self.may_look() && holder.free_places_of_the_dead(places)).then(free).flatten()
        });
        match found {
            Some(index) => {
                Ok(Place { memory: Arc::clone(memory), word: record.place(index), holder })
            }
            None => Err(self.refuse(client, (limit, u64::from(most)), AT_ONCE_WAIT)),
        }
    }

    /// Whether it is time to look who died; reading that for each refusal would be work that a
    /// client could make us do.
    fn may_look(&self) -> bool {
        let now = Now::read().milliseconds();
        let every = u64::try_from(LOOK_EVERY.as_millis()).unwrap_or(u64::MAX);
        let due = |at: u64| (at == 0 || now.saturating_sub(at) >= every).then_some(now.max(1));
        self.inner.looked_at.fetch_update(Relaxed, Relaxed, due).is_ok()
    }

    fn refuse(
        &self,
        client: Option<&str>,
        (limit, most): (Limit, u64),
        retry_in: Duration,
    ) -> Refusal {
        self.inner.metrics.refused(client, limit);
        Refusal { limit, most, retry_in }
    }

    /// The numbers that all workers share, or our own.
    fn memory(&self) -> Arc<Memory> {
        match &self.inner.shared {
            Some(memory) => Arc::clone(memory),
            None => self.own_memory(),
        }
    }

    /// The same, where there is room for this client.
    fn memory_of(&self, client: Option<&str>) -> Arc<Memory> {
        match &self.inner.shared {
            Some(memory) if Record::of(client, memory.words()).is_some() => Arc::clone(memory),
            Some(_) | None => self.own_memory(),
        }
    }

    fn own_memory(&self) -> Arc<Memory> {
        self.inner.metrics.limit_unshared();
        Arc::clone(self.inner.own.get_or_init(|| Arc::new(Memory::own())))
    }
}
