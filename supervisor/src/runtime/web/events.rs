//! The stream of events behind the dashboard: how everything is, each second, and what is logged.
//!
//! Drawn by one task for all who look. While nobody does, the task waits for somebody, and for
//! nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::mpsc;

use super::feed::Feed;
use super::tail::{Batch, Tail};
use super::{Ended, House, figures, health, is_shown, look};
use crate::report::status_json;
use crate::runtime::clock::{pause, since_epoch};
use crate::runtime::hands::WORKER_LOG;
use crate::runtime::logging::FILE_NAME;
use crate::runtime::look::Look;
use crate::runtime::metrics;
use crate::runtime::news::News;
use crate::runtime::output::log_files;

/// How often the logs are looked at.
const LOGS_EVERY: Duration = Duration::from_millis(250);
/// Everything else is drawn at every so many looks at the logs.
const STATE_EVERY: u32 = 4;

/// The stream for one who looks.
pub(super) async fn stream(State(house): State<Arc<House>>) -> Response {
    let Some(messages) = house.feed.join() else {
        let words = "too many dashboards are open; close one\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "10")], words)
            .into_response();
    };
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::new(messages)).into_response()
}

/// Draws for whoever looks, for ever.
pub(super) async fn draw(feed: Arc<Feed>, inbox: mpsc::Sender<News>, address: SocketAddr) {
    loop {
        feed.watched().await;
        if draw_while_watched(&feed, &inbox, address).await.is_err() {
            return;
        }
        feed.forget();
    }
}

async fn draw_while_watched(
    feed: &Feed,
    inbox: &mpsc::Sender<News>,
    address: SocketAddr,
) -> Result<(), Ended> {
    let mut tail = Tail::default();
    let mut places = None;
    let mut turn = 0u32;
    while feed.is_watched() {
        if turn.is_multiple_of(STATE_EVERY) {
            let look = look(inbox).await?;
            // It may have been switched off while somebody looks.
            let shown = is_shown(look.dashboard, address);
            feed.send_state(match shown {
                true => state(&look, &metrics::scraped(inbox, None).await.ok_or(Ended)?.text),
                false => "event: off\ndata: off\n\n".to_owned(),
            });
            places = shown.then(|| logs(&look));
        }
        turn = turn.wrapping_add(1);
        if let Some((directory, names)) = places.clone() {
            // A disk may take its time; the loop must not.
            let read = tokio::task::spawn_blocking(move || {
                let batch = tail.read(&directory, &names);
                (tail, batch)
            });
            let batch;
            (tail, batch) = read.await.map_err(|_| Ended)?;
            if !batch.is_empty() {
                feed.send_logs(lines(&batch));
            }
        }
        pause(LOGS_EVERY).await;
    }
    Ok(())
}

fn state(look: &Look, metrics: &str) -> String {
    let milliseconds = u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX);
    let data = json!({
        "at_milliseconds": milliseconds, "status": status_json(&look.status),
        "health": health::fleet_json(look), "figures": figures::of(metrics),
    });
    format!("event: state\ndata: {data}\n\n")
}

fn lines(batch: &Batch) -> String {
    format!("event: logs\ndata: {}\n\n", batch.json())
}

/// The files that are shown: what the supervisor, the workers and the programs say. Not who called
/// and what was asked, which are for who may read those files.
fn logs(look: &Look) -> (PathBuf, Vec<String>) {
    let mut names = vec![FILE_NAME.to_owned(), WORKER_LOG.to_owned()];
    for app in &look.status.apps {
        names.extend(log_files(&app.name));
        // Slots may have files of their own; where they have not, there is no file of that name.
        let slots = app.slots.iter().map(|slot| format!("{}[{}]", app.name, slot.index));
        names.extend(slots.flat_map(|slot| log_files(&slot)));
    }
    (look.status.log_directory.clone(), names)
}
