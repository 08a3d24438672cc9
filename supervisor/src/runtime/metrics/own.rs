//! What the supervisor tells of itself: its process, its loop, its configuration, its operators.

use mcp_protocol::control::Status;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Pid;

use super::families::{
    ACCEPTED_AT, CONTROL, GENERATION, INBOX, INFO, LAG, LOG_DROPPED, PROCESS_CPU, PROCESS_FDS,
    PROCESS_FDS_MAX, PROCESS_MEMORY, PROCESS_START, READINGS, REJECTED, UPTIME,
};
use super::sheet::Sheet;
use super::{number, size};
use crate::runtime::configuration::Counts;
use crate::runtime::hands::Hands;
use crate::runtime::vitals;

pub(super) fn draw(sheet: &mut Sheet, status: &Status, (hands, waiting): (&Hands, usize)) {
    sheet.set(INFO, &[&status.version], 1.0);
    sheet.set(UPTIME, &[], number(status.uptime.as_secs()));
    sheet.set(LOG_DROPPED, &[], number(status.dropped_total));
    sheet.set(GENERATION, &[], number(status.generation));
    sheet.set(REJECTED, &[], f64::from(u8::from(status.config_problem.is_some())));
    let ledger = &hands.ledger;
    sheet.set(ACCEPTED_AT, &[], number(ledger.accepted_at.as_secs()));
    let Counts { accepted, unchanged, refused } = ledger.counts;
    for (result, count) in [("accepted", accepted), ("unchanged", unchanged), ("refused", refused)]
    {
        sheet.set(READINGS, &[result], number(count));
    }
    let meter = &hands.meter;
    for (request, count) in &meter.asked {
        sheet.set(CONTROL, &[request], number(*count));
    }
    sheet.sizes(LAG, &[], &meter.turns);
    sheet.set(INBOX, &[], size(waiting));
    sheet.set(PROCESS_START, &[], meter.began_at.as_secs_f64());
    draw_process(sheet);
}

/// The supervisor's process, under the names that every exporter uses.
fn draw_process(sheet: &mut Sheet) {
    let own = Pid::this();
    if let Some(sample) = vitals::sample(own) {
        sheet.set(PROCESS_CPU, &[], sample.cpu.as_secs_f64());
        sheet.set(PROCESS_MEMORY, &[], number(sample.rss_bytes));
    }
    if let Some(count) = vitals::descriptors(own) {
        sheet.set(PROCESS_FDS, &[], number(count));
    }
    if let Ok((most, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        sheet.set(PROCESS_FDS_MAX, &[], number(most));
    }
}
