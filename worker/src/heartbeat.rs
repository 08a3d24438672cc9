//! What a worker tells the supervisor of itself every so often, and once more before it leaves.
//!
//! What is told only once is taken out where it was counted, and put back when it could not be
//! told: the next heartbeat carries it.

use mcp_protocol::measure::Series;
use mcp_protocol::message::{FromWorker, PoolVitals, SERIES_MAX, Vitals};

use crate::clock::Moment;
use crate::link::Link;
use crate::metrics::Metrics;
use crate::warehouse::connections::Connections;

/// What a heartbeat is made from.
pub(crate) struct Heartbeat<'a> {
    pub(crate) metrics: &'a Metrics,
    /// The sessions with warehouses, once there are some.
    pub(crate) connections: Option<&'a Connections>,
    /// How many sessions there may be with the default one.
    pub(crate) pool_max: u32,
    /// Lines of logs that could not be kept.
    pub(crate) lines_dropped: u64,
    /// When it is said.
    pub(crate) now: Moment,
}

impl Heartbeat<'_> {
    /// Tells the supervisor.
    pub(crate) fn say(&self, link: &Link) {
        let vitals = self.vitals();
        let (series, sessions) = (vitals.series.clone(), vitals.sessions.clone());
        if !link.say(&FromWorker::Heartbeat(vitals)) {
            self.metrics.take_back(series, sessions);
        }
    }

    fn vitals(&self) -> Vitals {
        let (pool, named_pools) = match self.connections {
            Some(connections) => (connections.default_pool().vitals(), connections.vitals()),
            None => (PoolVitals { max: self.pool_max, ..PoolVitals::default() }, Vec::new()),
        };
        for (about, pool) in self.connections.into_iter().flat_map(Connections::each) {
            self.metrics.pool_looked_at(&about.name, &pool.vitals(), self.now);
        }
        self.metrics.lines_lost(self.lines_dropped, self.now);
        Vitals {
            named_pools,
            sessions: self.metrics.take_sessions(),
            series: self.series(),
            ..self.metrics.vitals(pool)
        }
    }

    fn series(&self) -> Vec<Series> {
        let mut series = self.metrics.tallies.take(SERIES_MAX);
        if let Some(connections) = self.connections {
            series.extend(connections.take_series(SERIES_MAX - series.len()));
        }
        series
    }
}
