//! The recent past of a slot or an app, for the sparklines. Time is the supervisor's uptime in
//! each picture, so that no clock is read here.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mcp_protocol::control::{SlotStatus, Status};

/// How many pictures are remembered; more than the widest terminal shows.
const PICTURES_MAX: usize = 300;

/// One number, picture by picture; the newest comes last.
pub(super) type Series = VecDeque<u64>;

/// The recent past of one row.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Resident bytes.
    pub(super) memory: Series,
    /// Tenths of a per cent of one processor.
    pub(super) cpu: Series,
    /// Tenths of a request a second.
    pub(super) requests: Series,
    /// The last count of requests, and the run that counted.
    counted: Option<(Option<u64>, u64)>,
}

/// What is known of one row in one picture.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    memory: Option<u64>,
    cpu: Option<u64>,
    requests: Option<u64>,
}

/// The recent past of everything, by the names of rows.
#[derive(Debug, Default)]
pub(super) struct Past {
    rows: BTreeMap<String, History>,
    seen_at: Option<Duration>,
}

/// The name of a slot's row.
pub(super) fn slot_name(app: &str, index: u32) -> String {
    format!("{app}[{index}]")
}

impl Past {
    pub(super) fn of(&self, row: &str) -> Option<&History> {
        self.rows.get(row)
    }

    /// Takes a picture in; rows that are not in it are forgotten.
    pub(super) fn take(&mut self, status: &Status) {
        // An uptime that went back is another supervisor, whose counts say nothing about ours.
        let wall = self.seen_at.and_then(|seen| status.uptime.checked_sub(seen));
        self.seen_at = Some(status.uptime);
        let mut earlier = std::mem::take(&mut self.rows);
        for app in &status.apps {
            let mut sum = Sample::default();
            for slot in &app.slots {
                let name = slot_name(&app.name, slot.index);
                let mut history = earlier.remove(&name).unwrap_or_default();
                let sample = Sample {
                    memory: slot.rss_bytes,
                    cpu: slot.cpu_percent.map(|share| tenths(f64::from(share))),
                    requests: history.requests_since(slot, wall),
                };
                sum = sum.and(sample);
                history.push(sample);
                self.rows.insert(name, history);
            }
            let mut history = earlier.remove(&app.name).unwrap_or_default();
            history.push(sum);
            self.rows.insert(app.name.clone(), history);
        }
    }
}

impl Sample {
    fn and(self, other: Sample) -> Sample {
        let sum = |one: Option<u64>, two: Option<u64>| match (one, two) {
            (None, None) => None,
            (one, two) => Some(one.unwrap_or(0) + two.unwrap_or(0)),
        };
        Sample {
            memory: sum(self.memory, other.memory),
            cpu: sum(self.cpu, other.cpu),
            requests: sum(self.requests, other.requests),
        }
    }
}

impl History {
    /// Tenths of a request a second since the last picture.
    fn requests_since(&mut self, slot: &SlotStatus, wall: Option<Duration>) -> Option<u64> {
        let total = slot.requests_total?;
        let last = self.counted.replace((slot.run, total));
        let (run, before) = last?;
        // A new run counts from nothing.
        let before = if run == slot.run { before } else { 0 };
        let wall = wall?.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "requests of a second or so")]
        let answered = total.checked_sub(before)? as f64;
        (wall > 0.1).then(|| tenths(answered / wall))
    }

    fn push(&mut self, sample: Sample) {
        let series = [
            (&mut self.memory, sample.memory),
            (&mut self.cpu, sample.cpu),
            (&mut self.requests, sample.requests),
        ];
        for (series, value) in series {
            // What was never known has no line; what is not known now is shown as nothing.
            if value.is_some() || !series.is_empty() {
                series.push_back(value.unwrap_or(0));
            }
            if series.len() > PICTURES_MAX {
                series.pop_front();
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and what is too large for 64 bits may well be cut"
)]
fn tenths(number: f64) -> u64 {
    (number * 10.0).round() as u64
}
