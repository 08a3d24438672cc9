//! What is told of each app: what its workers counted, added up, and what they share.

use std::collections::BTreeMap;

use mcp_protocol::control::Status;
use mcp_protocol::measure::More;
use mcp_protocol::message::CertificateVitals;

use super::families::{
    CERTIFICATE_EXPIRY, CERTIFICATE_FAILING, CLIENT_CRL_DUE, DRAIN, FORGOTTEN, LINKS,
    POOL_OPEN_FAILURES, POOL_OPENED, POOL_TIMEOUTS, RATE, REFUSALS, RELAY_DROPPED, RELAYED, RELOAD,
    REQUEST_ERRORS, REQUESTS, REVOKED, SERVER_INFO, SESSIONS, STATEMENTS, UNSHARED,
    WORKER_LOG_DROPPED,
};
use super::sheet::Sheet;
use super::{number, size};
use crate::machine::AppName;
use crate::runtime::clock;
use crate::runtime::hands::Hands;
use crate::runtime::totals::AppTotals;

pub(super) fn draw(sheet: &mut Sheet, status: &Status, hands: &Hands) {
    for (name, totals) in hands.totals.iter() {
        draw_totals(sheet, name.as_str(), totals);
        draw_series(sheet, name.as_str(), totals);
    }
    for ((app, result), times) in &hands.meter.drains {
        sheet.sizes(DRAIN, &[app.as_str(), result], times);
    }
    for ((app, result), times) in &hands.meter.reloads {
        sheet.sizes(RELOAD, &[app.as_str(), result], times);
    }
    for (_, process) in hands.processes.iter().filter(|(_, one)| one.settings.is_some()) {
        let app = process.slot.app.as_str();
        sheet.add(LINKS, &[app], f64::from(u8::from(process.link.is_some())));
        if !process.vitals.version.is_empty() {
            sheet.add(SERVER_INFO, &[app, &process.vitals.version], 1.0);
        }
    }
    draw_certificates(sheet, hands);
    draw_relay(sheet, status, hands);
}

fn draw_totals(sheet: &mut Sheet, app: &str, totals: &AppTotals) {
    let now = clock::since_boot();
    sheet.set(REQUESTS, &[app], number(totals.requests));
    sheet.set(REQUEST_ERRORS, &[app], number(totals.request_errors));
    sheet.set(SESSIONS, &[app], size(totals.sessions(now)));
    sheet.set(RATE, &[app], totals.calls_per_second(now));
    sheet.set(UNSHARED, &[app], number(totals.unshared_limits));
    sheet.set(WORKER_LOG_DROPPED, &[app], number(totals.log_lines_dropped.total()));
    for ((client, limit), count) in &totals.refusals {
        // Names of clients are not empty.
        let client = client.as_deref().unwrap_or_default();
        sheet.set(REFUSALS, &[app, client, limit.name()], number(*count));
    }
    for (connection, pool) in &totals.pools {
        let labels = &[app, connection.as_str()];
        sheet.set(POOL_TIMEOUTS, labels, number(pool.timeouts.total()));
        sheet.set(POOL_OPENED, labels, number(pool.opened));
        sheet.set(POOL_OPEN_FAILURES, labels, number(pool.open_failures));
    }
}

/// What workers measured.
fn draw_series(sheet: &mut Sheet, app: &str, totals: &AppTotals) {
    for ((measure, values), sum) in &totals.series {
        let mut labels = vec![app];
        labels.extend(values.iter().map(String::as_str));
        match sum {
            More::Count(count) => sheet.set(measure.family(), &labels, number(*count)),
            More::Sizes(sizes) => sheet.sizes(measure.family(), &labels, sizes),
        }
    }
}

/// The certificates at the doors, and the lists of those that were revoked; of several workers
/// what ends first.
fn draw_certificates(sheet: &mut Sheet, hands: &Hands) {
    let mut first: BTreeMap<&str, CertificateVitals> = BTreeMap::new();
    for (_, process) in hands.processes.iter() {
        let Some(shown) = process.vitals.certificate else { continue };
        let one = first.entry(process.slot.app.as_str()).or_insert(shown);
        one.expires_at = one.expires_at.min(shown.expires_at);
        one.renewal_fails |= shown.renewal_fails;
    }
    for (app, CertificateVitals { expires_at, renewal_fails }) in first {
        sheet.set(CERTIFICATE_EXPIRY, &[app], number(expires_at));
        sheet.set(CERTIFICATE_FAILING, &[app], f64::from(u8::from(renewal_fails)));
    }
    let mut due: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, process) in hands.processes.iter() {
        let Some(lists) = process.vitals.revocation_lists else { continue };
        let first = due.entry(process.slot.app.as_str()).or_insert(lists.due_at);
        *first = lists.due_at.min(*first);
    }
    due.into_iter().for_each(|(app, at)| sheet.set(CLIENT_CRL_DUE, &[app], number(at)));
}

/// What workers tell each other, and what is kept of it.
fn draw_relay(sheet: &mut Sheet, status: &Status, hands: &Hands) {
    let relay = &hands.relay;
    for app in &status.apps {
        let (name, labels) = (AppName::new(&app.name), &[app.name.as_str()]);
        let counts = relay.counts(&name);
        sheet.set(RELAYED, labels, number(counts.relayed));
        sheet.set(RELAY_DROPPED, labels, number(counts.dropped));
        sheet.set(REVOKED, labels, size(relay.tombstones.count(&name)));
        sheet.set(FORGOTTEN, labels, number(relay.tombstones.forgotten(&name)));
        sheet.set(STATEMENTS, labels, size(relay.statements(&name)));
    }
}
