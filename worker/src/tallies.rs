//! Numbers under labels, kept until the supervisor is told.
//!
//! What was told is forgotten here: the supervisor adds it up, so a busy day costs a worker no more
//! memory than a busy moment. Labels come from few words and from the configuration, never from
//! what a client sent; should there be too many all the same, the rest is counted as dropped.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mcp_protocol::measure::{Exemplar, Kind, Measure, More, Series, Sizes, TraceId};
use mcp_protocol::message::SERIES_MAX;

use crate::clock::unix_millis;

/// The most series that wait to be told.
const KEPT_MAX: usize = 10 * SERIES_MAX;

/// What was counted since it was told last.
#[derive(Debug, Default)]
pub struct Tallies {
    series: Mutex<BTreeMap<(Measure, Vec<String>), More>>,
}

impl Tallies {
    /// Counts something; the labels are the measure's but `app`.
    pub fn count(&self, measure: Measure, labels: &[&str], many: u64) {
        self.add(measure, owned(labels), &More::Count(many));
    }

    /// Counts a thing by its size; of what trace it is part, where that is known.
    pub fn size(&self, measure: Measure, labels: &[&str], size: f64, trace: Option<TraceId>) {
        let Kind::Histogram(ends) = measure.family().kind else { return };
        let exemplar = trace.map(|trace| Exemplar { trace, size, at_ms: unix_millis() });
        let mut sizes = Sizes::default();
        sizes.count(ends, size, exemplar);
        self.add(measure, owned(labels), &More::Sizes(sizes));
    }

    /// Takes out what is to be told now, at most so many series.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<Series> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(((measure, labels), more)) = series.pop_first()
        {
            taken.push(Series { measure: measure.number(), labels, more });
        }
        taken
    }

    /// Takes back what could not be told.
    pub fn take_back(&self, series: Vec<Series>) {
        for Series { measure, labels, more } in series {
            if let Some(measure) = Measure::of_number(measure) {
                self.add(measure, labels, &more);
            }
        }
    }

    /// What would be told now.
    #[must_use]
    pub fn untold(&self) -> BTreeMap<(Measure, Vec<String>), More> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, measure: Measure, labels: Vec<String>, more: &More) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = series.len() < KEPT_MAX;
        let key = (measure, labels);
        if let Some(sum) = series.get_mut(&key) {
            sum.add(more);
        } else if has_room {
            series.insert(key, more.clone());
        } else {
            let dropped = series.entry((Measure::SeriesDropped, Vec::new()));
            dropped.or_insert(More::Count(0)).add(&More::Count(1));
        }
    }
}

fn owned(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_gone_and_what_was_not_comes_back() {
        let tallies = Tallies::default();
        tallies.count(Measure::StatementRows, &["default"], 2);
        tallies.size(Measure::AcquireSeconds, &["default"], 0.002, None);
        tallies.count(Measure::StatementRows, &["default"], 3);
        let told = tallies.take(10);
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].more, More::Count(5));
        assert!(tallies.untold().is_empty());
        tallies.count(Measure::StatementRows, &["default"], 1);
        tallies.take_back(told);
        let untold = tallies.untold();
        let key = (Measure::StatementRows, vec!["default".to_owned()]);
        assert_eq!(untold[&key], More::Count(6));
        assert_eq!((tallies.take(1).len(), tallies.untold().len()), (1, 1));
    }

    #[test]
    fn too_many_series_are_dropped_and_that_is_counted() {
        let tallies = Tallies::default();
        for number in 0..KEPT_MAX + 5 {
            tallies.count(Measure::StatementRows, &[&number.to_string()], 1);
        }
        let dropped = tallies.untold()[&(Measure::SeriesDropped, Vec::new())].clone();
        assert_eq!(dropped, More::Count(5));
        assert_eq!(tallies.untold().len(), KEPT_MAX + 1);
    }
}
