//! What is told of log files: how much came to each, was lost, rotated and compressed.
//!
//! By app and channel, as `logs --channel` names it; slots with files of their own are added up. Of
//! files that workers write themselves only what the supervisor does with them is known.

use mcp_protocol::control::Status;

use super::families::{LOG_BYTES, LOG_LOST, LOG_PACKED_FROM, LOG_PACKED_TO, LOG_ROTATIONS};
use super::number;
use super::sheet::Sheet;
use crate::logs::{Kind, Source};
use crate::runtime::rotation::Counts;

pub(super) fn draw(sheet: &mut Sheet, status: &Status, counts: &Counts) {
    for (file, count) in counts.all() {
        let Some(source) = Source::of(&file) else { continue };
        let app = source.app().unwrap_or_default();
        // What an app that is gone left is told no more.
        if !app.is_empty() && !status.apps.iter().any(|one| one.name == app) {
            continue;
        }
        let labels = [app, source.channel()];
        let mut told = vec![
            (LOG_ROTATIONS, &count.rotations),
            (LOG_PACKED_FROM, &count.packed_from_bytes),
            (LOG_PACKED_TO, &count.packed_to_bytes),
        ];
        match source.kind {
            Kind::Output { .. } => {
                told.extend([(LOG_BYTES, &count.written_bytes), (LOG_LOST, &count.dropped_bytes)]);
            }
            Kind::Supervisor => told.push((LOG_BYTES, &count.written_bytes)),
            Kind::Worker(_) => {}
        }
        for (family, tally) in told {
            sheet.add(family, &labels, number(tally.get()));
        }
    }
}
