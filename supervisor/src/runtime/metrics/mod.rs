//! The metrics of the whole fleet, in Prometheus' text form or OpenMetrics'.
//!
//! They are drawn in the loop, from the one picture that it has, and written outside of it, where
//! also the disk is asked: a slow disk or scraper holds up nobody but itself. Nothing is counted
//! twice. Labels are bounded: app, slot, phase, tool, outcome, configured client, limit; never a
//! run or a process id.

mod apps;
mod families;
mod logs;
mod meter;
mod open_metrics;
mod own;
mod plain_text;
mod room;
mod sheet;
mod slots;

use std::path::PathBuf;

use mcp_protocol::control::Status;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::meter::Meter;
pub(crate) use self::room::{Disk, disk};
pub(crate) use self::sheet::Sheet;
use crate::runtime::hands::Hands;
use crate::runtime::news::News;

/// What the loop knows, and where the rest is to be looked up.
#[derive(Debug)]
pub(crate) struct Drawn {
    sheet: Sheet,
    log_directory: PathBuf,
}

/// The metrics, written down.
#[derive(Debug)]
pub(crate) struct Written {
    /// The name of the form, for the head of an answer.
    pub(crate) content_type: &'static str,
    /// The text.
    pub(crate) text: String,
}

/// The metrics in the form that fits best what a client accepts; none when the loop has ended.
pub(crate) async fn scraped(inbox: &mpsc::Sender<News>, accept: Option<&str>) -> Option<Written> {
    let (answer, drawn) = oneshot::channel();
    inbox.send(News::Scrape { answer }).await.ok()?;
    let Drawn { mut sheet, log_directory } = drawn.await.ok()?;
    room::look(&mut sheet, log_directory).await;
    Some(if wants_open_metrics(accept) {
        Written { content_type: open_metrics::NAME, text: open_metrics::written(&sheet) }
    } else {
        Written { content_type: plain_text::NAME, text: plain_text::written(&sheet) }
    })
}

/// Draws all that the loop knows; `waiting` pieces of news wait for it.
pub(crate) fn drawn(status: &Status, hands: &Hands, waiting: usize) -> Drawn {
    let mut sheet = Sheet::default();
    own::draw(&mut sheet, status, (hands, waiting));
    slots::draw(&mut sheet, status, hands);
    apps::draw(&mut sheet, status, hands);
    logs::draw(&mut sheet, status, hands.keeper.counts());
    Drawn { sheet, log_directory: status.log_directory.clone() }
}

/// Whether a client likes OpenMetrics at least as much as Prometheus' own form.
fn wants_open_metrics(accept: Option<&str>) -> bool {
    let liking = |form: &str| {
        let mut ranges = accept.unwrap_or_default().split(',').map(str::trim);
        ranges.find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            if !parts.next()?.eq_ignore_ascii_case(form) {
                return None;
            }
            let mut versions = parts.clone().filter_map(|part| part.strip_prefix("version="));
            if form.starts_with("application") && versions.any(|version| version != "1.0.0") {
                return None;
            }
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            Some(weight.map_or(Some(1.0), |weight| weight.parse::<f64>().ok()).unwrap_or(0.0))
        })
    };
    let open = liking("application/openmetrics-text").unwrap_or(0.0);
    open > 0.0 && open >= liking("text/plain").unwrap_or(0.0)
}

/// A count as a number of a sheet: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no fleet counts so far")]
fn number(count: u64) -> f64 {
    count as f64
}

fn size(count: usize) -> f64 {
    number(count as u64)
}

#[cfg(test)]
mod tests;
