//! Sends spans to the collector: many at once, now and then, and never in anybody's way.
//!
//! Spans wait in a bounded queue; what does not fit, and what the collector does not take, is
//! dropped and counted. A collector that is away costs a warning, not one for each try.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::TraceSettings;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::{Finished, Sampling, proto};
use crate::clock::Clock;
use crate::settings::Identity;

/// Spans that may wait.
const QUEUE_MAX: usize = 4096;
/// Spans that are sent at once.
const BATCH_MAX: usize = 512;
/// How long a span waits for others at most.
const SEND_EVERY: Duration = Duration::from_secs(2);
/// How long the collector may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How often a batch is sent before it is dropped, and the wait in between.
const TRIES_MAX: u32 = 3;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The way to the collector.
#[derive(Debug)]
pub(crate) struct Traces {
    queue: mpsc::Sender<News>,
    dropped: Arc<AtomicU64>,
    sampling: Sampling,
}

/// Takes spans and never waits.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    queue: mpsc::WeakSender<News>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum News {
    Ended(Box<Finished>),
    /// Send what there is, then say so.
    Flush(oneshot::Sender<()>),
}

impl Sender {
    pub(super) fn send(&self, span: Finished) {
        let queue = self.queue.upgrade();
        let sent = queue.map(|queue| queue.try_send(News::Ended(Box::new(span))));
        if !matches!(sent, Some(Ok(()))) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Traces {
    /// Begins to send spans of this worker to a collector, whose address is without a path. To be
    /// called inside the runtime.
    pub(crate) fn begin(settings: &TraceSettings, identity: &Identity) -> Traces {
        let TraceSettings { to, sample, headers } = settings;
        let (queue, news) = mpsc::channel(QUEUE_MAX);
        let dropped = Arc::<AtomicU64>::default();
        let exporter = Exporter {
            http: reqwest::Client::new(),
            url: format!("{}/v1/traces", to.trim_end_matches('/')),
            headers: headers.iter().filter_map(header).collect(),
            resource: resource(identity),
            dropped: Arc::clone(&dropped),
            is_away: false,
            clock: Clock::start(),
        };
        tokio::spawn(exporter.run(news));
        Traces { queue, dropped, sampling: Sampling { share: *sample } }
    }

    pub(super) fn sender(&self) -> Sender {
        Sender { queue: self.queue.downgrade(), dropped: Arc::clone(&self.dropped) }
    }

    pub(super) fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Sends what waits; gives up after this.
    pub(crate) async fn flush(&self, limit: Duration, clock: Clock) {
        let flushed = async {
            let (done, told) = oneshot::channel();
            if self.queue.send(News::Flush(done)).await.is_ok() {
                // An error means that the exporter is gone, and with it what it had.
                let _ = told.await;
            }
        };
        clock.within(limit, flushed).await;
    }

    /// Spans that were dropped.
    pub(crate) fn dropped_total(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// A header that is in no log. What is none was refused when the configuration was read.
fn header((name, value): (&String, &Secret)) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(value.expose()).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
}

/// Who we are to a collector.
fn resource(identity: &Identity) -> Vec<(&'static str, Value)> {
    let Identity { app, slot, run, pid } = identity;
    vec![
        ("service.name", app.as_str().into()),
        ("service.version", env!("CARGO_PKG_VERSION").into()),
        ("service.instance.id", format!("{app}[{slot}]").into()),
        ("process.pid", (*pid).into()),
        ("mcp.worker.run", (*run).into()),
    ]
}

struct Exporter {
    http: reqwest::Client,
    url: String,
    headers: HeaderMap,
    resource: Vec<(&'static str, Value)>,
    dropped: Arc<AtomicU64>,
    is_away: bool,
    clock: Clock,
}

impl Exporter {
    async fn run(mut self, mut news: mpsc::Receiver<News>) {
        let mut batch = Vec::new();
        let mut send_at = None;
        loop {
            let next = tokio::select! {
                next = news.recv() => next,
                () = self.clock.until_some(send_at) => {
                    self.send(&mut batch).await;
                    send_at = None;
                    continue;
                }
            };
            match next {
                Some(News::Ended(span)) => {
                    batch.push(*span);
                    send_at = send_at.or(Some(self.clock.now() + SEND_EVERY));
                    if batch.len() < BATCH_MAX {
                        continue;
                    }
                    self.send(&mut batch).await;
                }
                Some(News::Flush(done)) => {
                    self.send(&mut batch).await;
                    // Whoever asked may have given up.
                    let _ = done.send(());
                }
                None => return self.send(&mut batch).await,
            }
            send_at = None;
        }
    }

    /// Sends a batch, again where that may help; it is gone afterwards.
    async fn send(&mut self, batch: &mut Vec<Finished>) {
        if batch.is_empty() {
            return;
        }
        let body = proto::request(&self.resource, batch);
        let count = batch.len() as u64;
        batch.clear();
        for tried in 1..=TRIES_MAX {
            let why = match self.post(body.clone()).await {
                Ok(()) => {
                    if std::mem::take(&mut self.is_away) {
                        tracing::info!("the collector of traces is there again");
                    }
                    return;
                }
                Err(Refused { why, is_final }) if is_final || tried == TRIES_MAX => why,
                Err(_) => {
                    self.clock.until(self.clock.now() + TRY_AGAIN_AFTER).await;
                    continue;
                }
            };
            let dropped_total = self.dropped.fetch_add(count, Ordering::Relaxed) + count;
            if !std::mem::replace(&mut self.is_away, true) {
                tracing::warn!(url = self.url, why, dropped_total, "traces are lost");
            }
            return;
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<(), Refused> {
        let request = self.http.post(&self.url).headers(self.headers.clone());
        let request = request.header("content-type", "application/x-protobuf");
        let request = request.timeout(ANSWER_LIMIT).body(body).send().await;
        let response = request.map_err(|error| {
            let why = crate::words::chain(&error.without_url());
            Refused { why, is_final: false }
        })?;
        let status = response.status();
        match status.is_success() {
            true => Ok(()),
            false => {
                let is_final = !matches!(status.as_u16(), 429 | 502..=504);
                Err(Refused { why: format!("it answers {status}"), is_final })
            }
        }
    }
}

/// Why a batch was not taken.
struct Refused {
    why: String,
    /// Whether to try again cannot help.
    is_final: bool,
}
