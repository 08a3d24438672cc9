//! What a worker measures, under which name, and how it travels.
//!
//! One table holds every family of numbers that workers fill: its name, its unit, its labels. The
//! worker counts by it and the supervisor exports by it, so neither can know a number that the
//! other does not. On the wire a family is its number: an older peer drops what it does not know.
//! Labels are bounded: tools by their own static names, clients and connections by the operator's.

use serde::{Deserialize, Serialize};

/// Upper ends of buckets for what a client waits for, in seconds.
const WAITS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Upper ends of buckets for what should take no time, in seconds.
const MOMENTS: &[f64] =
    &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];
/// Upper ends of buckets for messages, in bytes.
const SIZES: &[f64] = &[
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];

/// A family of numbers: what is exported under one name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Family {
    /// Its name; of a counter with `_total`, of what has a unit with the unit.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// How its numbers behave.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

/// How the numbers of a family behave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// They go up and down.
    Gauge,
    /// They go up, and start from zero with the supervisor.
    Counter,
    /// Counts by size: the upper ends of the buckets, without the last one, which has none.
    Histogram(&'static [f64]),
}

macro_rules! measures {
    ($($measure:ident: $kind:expr, $name:literal, [$($label:literal),*], $help:literal;)*) => {
        /// What a worker measures. New ones go to the end: the place is the number on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Measure {
            $(#[doc = $help] $measure,)*
        }

        impl Measure {
            /// All of them, each at the place of its number.
            pub const ALL: [Measure; FAMILIES.len()] = [$(Measure::$measure),*];
        }

        /// What is exported of each measure, at the place of its number. The first label is always
        /// `app`, which the supervisor knows; the worker says the others.
        const FAMILIES: &[Family] = &[$(Family {
            name: $name,
            help: $help,
            kind: $kind,
            labels: &["app", $($label),*],
        }),*];
    };
}

measures! {
    Calls: Kind::Counter, "mcp_requests_total", ["tool", "client", "outcome", "status"],
        "Tool calls that came to their end.";
    CallSeconds: Kind::Histogram(WAITS), "mcp_request_duration_seconds", ["tool", "outcome"],
        "How long tool calls took.";
    CallErrors: Kind::Counter, "mcp_errors_total", ["kind"],
        "Tool calls that gave no answer, by what was wrong.";
    Statements: Kind::Counter, "mcp_queries_total", ["connection", "kind", "outcome"],
        "Statements that the warehouse was asked.";
    StatementSeconds: Kind::Histogram(WAITS), "query_duration_seconds", ["connection", "kind"],
        "How long statements took, the wait for a session not included.";
    StatementRows: Kind::Counter, "mcp_query_rows_total", ["connection"],
        "Rows that statements gave.";
    StatementBytes: Kind::Counter, "mcp_query_bytes_total", ["connection"],
        "Bytes of the rows that statements gave.";
    AcquireSeconds: Kind::Histogram(MOMENTS), "pool_acquire_seconds", ["connection"],
        "How long callers waited for a warehouse session.";
    Responses: Kind::Counter, "mcp_http_responses_total", ["path", "status"],
        "HTTP requests answered, by path and class of status.";
    ResponseSeconds: Kind::Histogram(WAITS), "mcp_http_request_duration_seconds", ["path"],
        "How long an HTTP request waited for the head of its answer.";
    RequestBytes: Kind::Histogram(SIZES), "mcp_request_size_bytes", [],
        "Bodies of requests to /mcp.";
    ResponseBytes: Kind::Histogram(SIZES), "mcp_response_size_bytes", [],
        "Bodies of answers of /mcp, as far as they were written.";
    SeriesDropped: Kind::Counter, "mcp_series_dropped_total", [],
        "Numbers that a worker did not count, for it had too many series.";
    Microcredits: Kind::Counter, "mcp_estimated_microcredits_total", ["client"],
        "Millionths of a credit that statements of clients with a budget cost, by estimate.";
}

impl Measure {
    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The measure of this number, if this side knows it.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Measure> {
        Measure::ALL.get(usize::from(number)).copied()
    }

    /// What is exported.
    #[must_use]
    pub const fn family(self) -> Family {
        FAMILIES[self as usize]
    }
}

/// What was counted under one set of labels since it was told last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The number of its [`Measure`].
    pub measure: u16,
    /// The values of its labels but `app`, in the family's order.
    pub labels: Vec<String>,
    /// How much came to it.
    pub more: More,
}

/// How much came to a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum More {
    /// So many.
    Count(u64),
    /// Things of sizes.
    Sizes(Sizes),
}

/// Things counted by size.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sizes {
    /// How many fell into each bucket; buckets with none are left out. The one after the last end
    /// is for what is larger.
    pub buckets: Vec<(u8, u64)>,
    /// All sizes together.
    pub sum: f64,
    /// The latest thing of a bucket that somebody may look up.
    pub exemplars: Vec<(u8, Exemplar)>,
}

/// One thing that was counted, and where more is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Exemplar {
    /// The trace that it is part of.
    pub trace: TraceId,
    /// Its size.
    pub size: f64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// The name of a trace, as W3C's trace context has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceId(pub [u8; 16]);

impl TraceId {
    /// The trace that a `traceparent` names; none when it is malformed or names none.
    #[must_use]
    pub fn of_traceparent(value: &str) -> Option<TraceId> {
        let mut parts = value.trim().split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, len: usize| {
            text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let whole = is_hex(version, 2) && is_hex(parent, 16) && is_hex(flags, 2);
        if !whole || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        if !is_hex(trace, 32) {
            return None;
        }
        let bytes = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
        Some(TraceId(bytes.to_be_bytes()))
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Sizes {
    /// Counts one more thing in buckets with these upper ends.
    pub fn count(&mut self, ends: &[f64], size: f64, exemplar: Option<Exemplar>) {
        let place = ends.iter().position(|end| size <= *end).unwrap_or(ends.len());
        let place = u8::try_from(place).unwrap_or(u8::MAX);
        put(&mut self.buckets, place, |count| *count += 1);
        self.sum += size;
        if let Some(exemplar) = exemplar {
            self.keep(place, exemplar);
        }
    }

    /// Takes in what was counted elsewhere.
    pub fn add(&mut self, more: &Sizes) {
        for (place, many) in &more.buckets {
            put(&mut self.buckets, *place, |count| *count += many);
        }
        if more.sum.is_finite() {
            self.sum += more.sum.max(0.0);
        }
        for (place, exemplar) in &more.exemplars {
            self.keep(*place, *exemplar);
        }
    }

    /// How many there are in the bucket of this place.
    #[must_use]
    pub fn of_bucket(&self, place: usize) -> u64 {
        let of_place = self.buckets.iter().find(|(at, _)| usize::from(*at) == place);
        of_place.map_or(0, |(_, count)| *count)
    }

    /// The exemplar of the bucket of this place.
    #[must_use]
    pub fn exemplar(&self, place: usize) -> Option<&Exemplar> {
        let of_place = self.exemplars.iter().find(|(at, _)| usize::from(*at) == place);
        of_place.map(|(_, exemplar)| exemplar)
    }

    fn keep(&mut self, place: u8, exemplar: Exemplar) {
        match self.exemplars.iter_mut().find(|(at, _)| *at == place) {
            Some((_, kept)) if kept.at_ms <= exemplar.at_ms => *kept = exemplar,
            Some(_) => {}
            None => self.exemplars.push((place, exemplar)),
        }
    }
}

/// Changes the count of a bucket, which begins at nothing.
fn put(buckets: &mut Vec<(u8, u64)>, place: u8, change: impl FnOnce(&mut u64)) {
    match buckets.iter_mut().find(|(at, _)| *at == place) {
        Some((_, count)) => change(count),
        None => {
            let mut count = 0;
            change(&mut count);
            buckets.push((place, count));
        }
    }
}

impl More {
    /// Takes in what came since. What is of another kind is left out: a peer of another version
    /// may think otherwise of a measure.
    pub fn add(&mut self, more: &More) {
        match (self, more) {
            (More::Count(count), More::Count(many)) => *count = count.saturating_add(*many),
            (More::Sizes(sizes), More::Sizes(others)) => sizes.add(others),
            (More::Count(_), More::Sizes(_)) | (More::Sizes(_), More::Count(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measure_stands_at_the_place_of_its_number() {
        for (place, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(measure.number()), place);
            assert_eq!(Measure::of_number(measure.number()), Some(measure));
            assert_eq!(measure.family().labels.first(), Some(&"app"));
        }
        for measure in Measure::ALL {
            let named = measure.family().kind == Kind::Counter;
            assert_eq!(named, measure.family().name.ends_with("_total"), "{measure:?}");
        }
        assert_eq!(Measure::of_number(999), None);
    }

    #[test]
    fn things_are_counted_in_the_first_bucket_that_holds_them() {
        let ends = [1.0, 10.0];
        let mut sizes = Sizes::default();
        for size in [0.5, 1.0, 1.5, 11.0] {
            sizes.count(&ends, size, None);
        }
        let counts: Vec<u64> = (0..3).map(|place| sizes.of_bucket(place)).collect();
        assert_eq!((counts, sizes.sum), (vec![2, 1, 1], 14.0));
        let mut sum = sizes.clone();
        sum.add(&sizes);
        assert_eq!((sum.of_bucket(0), sum.sum), (4, 28.0));
    }

    #[test]
    fn the_latest_exemplar_of_a_bucket_stays() {
        let exemplar = |at_ms| Exemplar { trace: TraceId([1; 16]), size: 0.5, at_ms };
        let mut sizes = Sizes::default();
        sizes.count(&[1.0], 0.5, Some(exemplar(5)));
        sizes.count(&[1.0], 0.5, Some(exemplar(7)));
        sizes.count(&[1.0], 0.5, None);
        let mut older = Sizes::default();
        older.count(&[1.0], 0.5, Some(exemplar(6)));
        sizes.add(&older);
        assert_eq!(sizes.exemplar(0).map(|kept| kept.at_ms), Some(7));
        assert_eq!(sizes.exemplars.len(), 1);
    }

    #[test]
    fn a_heartbeat_is_short_when_little_happens_and_fits_a_frame_when_much_does() {
        use crate::frame::{FRAME_BYTES_MAX, encode};
        use crate::message::{FromWorker, SERIES_MAX, SESSIONS_MAX, Vitals};

        let version = "0.1.0".to_owned();
        let idle = Vitals { version, ..Vitals::default() };
        let bytes = |vitals: &Vitals| encode(&FromWorker::Heartbeat(vitals.clone())).unwrap().len();
        assert!(bytes(&idle) <= 64, "{}", bytes(&idle));
        let Kind::Histogram(ends) = Measure::CallSeconds.family().kind else { panic!() };
        let exemplar = Exemplar { trace: TraceId([0xAB; 16]), size: 1.0, at_ms: u64::MAX };
        let count = |labels: &[&str], sizes: Sizes| Series {
            measure: Measure::CallSeconds.number(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            more: More::Sizes(sizes),
        };
        let mut one = Sizes::default();
        one.count(ends, 0.02, Some(exemplar));
        let busy = Vitals { series: vec![count(&["execute_query", "ok"], one)], ..idle.clone() };
        assert!(bytes(&busy) <= bytes(&idle) + 100, "{}", bytes(&busy));
        let mut all = Sizes::default();
        ends.iter().chain(&[f64::MAX]).for_each(|end| all.count(ends, *end, Some(exemplar)));
        all.buckets.iter_mut().for_each(|(_, many)| *many = u64::MAX);
        let longest = count(&[&"x".repeat(64), "cancelled"], all);
        let series = vec![longest; SERIES_MAX];
        let full = Vitals { series, sessions: vec![u64::MAX; SESSIONS_MAX], ..idle };
        assert!(bytes(&full) < FRAME_BYTES_MAX, "{}", bytes(&full));
    }

    #[test]
    fn a_trace_is_read_from_a_good_traceparent_alone() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceId::of_traceparent(good).unwrap();
        assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceId::of_traceparent(bad), None, "{bad}");
        }
    }
}
