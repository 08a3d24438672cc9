//! Whoever connects to the socket: who they are, and then a worker's or an operator's talk.
//!
//! What a worker says of itself is compared with the kernel's credentials of its process; an
//! operator must be root or run as the same user as we do. Everyone has a time limit, so that a
//! thousand silent clients cost nothing but their sockets.

use std::sync::Arc;
use std::time::Duration;

use interprocess::local_socket::tokio::{Listener, Stream, prelude::*};
use mcp_protocol::control::{FailureCause, Request, Response};
use mcp_protocol::frame::FrameError;
use mcp_protocol::handshake::{self, Hello, Peer, Welcome};
use mcp_protocol::message::FromWorker;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::machine::RunId;
use crate::runtime::admin::AdminNews;
use crate::runtime::admin_note::By;
use crate::runtime::clock::pause;
use crate::runtime::news::{News, OUTBOX_MAX, WORKER_OUTBOX_MAX};
use crate::runtime::relay::Errand;
use crate::runtime::wire::{Inbound, WireError, send};

/// How long a peer may take to say who it is and what it wants.
const INTRODUCTION_TIME: Duration = Duration::from_secs(5);
/// The most connections at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1024;
/// The most operators at once, so that they never keep a worker out.
const OPERATORS_MAX: usize = 64;
/// How much of a worker's words is kept: they stand in every status.
const REASON_CHARS_MAX: usize = 2_000;
/// How long to wait after the kernel had no descriptor for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections in, for ever.
pub(crate) async fn accept(listener: Listener, inbox: mpsc::Sender<News>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let operators = Arc::new(Semaphore::new(OPERATORS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let (inbox, operators) = (inbox.clone(), Arc::clone(&operators));
                tokio::spawn(async move {
                    converse(stream, inbox, &operators).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the control socket");
                pause(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: Stream, inbox: mpsc::Sender<News>, operators: &Semaphore) {
    let Some(peer) = credentials(&stream) else {
        tracing::warn!("a peer without credentials was refused");
        return;
    };
    let mut inbound = Inbound::default();
    let hello: Hello = match inbound.receive_within(&stream, INTRODUCTION_TIME).await {
        Ok(hello) => hello,
        Err(error) => {
            tracing::debug!(pid = peer.pid, uid = peer.uid, %error, "a peer did not introduce itself");
            return;
        }
    };
    let welcome = handshake::negotiate(&hello);
    if let Welcome::Refused { reason } = &welcome {
        tracing::warn!(pid = peer.pid, uid = peer.uid, %reason, "a peer was refused");
        let _ = send(&stream, &welcome).await;
        return;
    }
    let outcome = match hello.peer {
        Peer::Worker { run, .. } => worker(&stream, inbound, &inbox, (RunId(run), peer)).await,
        Peer::Operator => match operators.try_acquire() {
            Ok(_place) => operator(&stream, inbound, &inbox, peer, welcome).await,
            Err(_) => {
                let reason = format!("{OPERATORS_MAX} operators are connected; try again");
                send(&stream, &Welcome::Refused { reason }).await
            }
        },
    };
    if let Err(error) = outcome {
        tracing::debug!(pid = peer.pid, %error, "a conversation ended");
    }
}

fn credentials(stream: &Stream) -> Option<By> {
    let credentials = stream.peer_creds().ok()?;
    Some(By { pid: credentials.pid()?, uid: credentials.euid()? })
}

/// A worker's link: from the loop's verdict to the end of the connection.
async fn worker(
    stream: &Stream,
    mut inbound: Inbound,
    inbox: &mpsc::Sender<News>,
    (run, peer): (RunId, By),
) -> Result<(), WireError> {
    let (outbox, mut messages) = mpsc::channel(WORKER_OUTBOX_MAX);
    let (verdict, judged) = oneshot::channel();
    let news = News::WorkerConnected { run, pid: peer.pid, outbox, verdict };
    inbox.send(news).await.map_err(|_| WireError::Closed)?;
    match judged.await {
        Ok(Ok(())) => send(stream, &Welcome::Speak { version: handshake::NEWEST }).await?,
        Ok(Err(reason)) => {
            tracing::warn!(pid = peer.pid, uid = peer.uid, %reason, "a worker was refused");
            return send(stream, &Welcome::Refused { reason }).await;
        }
        Err(_) => return Err(WireError::Closed),
    }
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(message) => send(stream, &message).await?,
                None => return Ok(()),
            },
            heard = inbound.receive::<FromWorker>(stream) => {
                let news = match heard {
                    Ok(message) => news_of(run, message),
                    // A newer worker's message: it can live without our understanding it.
                    Err(WireError::Frame(FrameError::Body(_))) => continue,
                    Err(error) => {
                        let _ = inbox.send(News::LinkLost { run }).await;
                        return Err(error);
                    }
                };
                if let Some(news) = news {
                    inbox.send(news).await.map_err(|_| WireError::Closed)?;
                }
            }
        }
    }
}

/// What a worker's message means to the loop; its last word means nothing, for its end follows.
fn news_of(run: RunId, message: FromWorker) -> Option<News> {
    Some(match message {
        FromWorker::Ready => News::Ready { run },
        FromWorker::Failed { reason } => {
            News::BootFailed { run, why: reason.chars().take(REASON_CHARS_MAX).collect() }
        }
        FromWorker::Heartbeat(vitals) => News::Heartbeat { run, vitals: Box::new(vitals) },
        FromWorker::Drained => return None,
        FromWorker::Tell(circular) => News::Errand { run, errand: Errand::Tell(circular) },
        FromWorker::StatementBegan(statement) => {
            News::Errand { run, errand: Errand::Began(statement) }
        }
        FromWorker::StatementEnded { session, request } => {
            News::Errand { run, errand: Errand::Ended { session, request } }
        }
        FromWorker::Seek { ticket, session, request } => {
            News::Errand { run, errand: Errand::Seek { ticket, session, request } }
        }
        FromWorker::Ask { ticket, wish } => News::Admin(AdminNews::Wished { run, ticket, wish }),
        FromWorker::Did { ticket, outcome } => {
            News::Admin(AdminNews::Did { run, number: ticket, outcome })
        }
    })
}

/// True for wishes that change nothing, and so leave no line in the log.
fn only_looks(request: &Request) -> bool {
    match request {
        Request::Status | Request::Plan { .. } | Request::Describe { .. } | Request::Changes => {
            true
        }
        Request::Admin { wish, .. } => wish.only_looks(),
        Request::Settle
        | Request::Shutdown
        | Request::Restart { .. }
        | Request::Reload { .. }
        | Request::Roll { .. }
        | Request::Rollback { .. }
        | Request::Start { .. }
        | Request::Stop { .. }
        | Request::Delete { .. }
        | Request::Reset { .. }
        | Request::Forget { .. }
        | Request::Scale { .. }
        | Request::Signal { .. }
        | Request::RotateLogs { .. }
        | Request::FlushLogs { .. }
        | Request::ReopenLogs => false,
    }
}

/// An operator's wish: one request, then answers until the last one.
async fn operator(
    stream: &Stream,
    mut inbound: Inbound,
    inbox: &mpsc::Sender<News>,
    peer: By,
    welcome: Welcome,
) -> Result<(), WireError> {
    let own = nix::unistd::geteuid().as_raw();
    if peer.uid != 0 && peer.uid != own {
        tracing::warn!(pid = peer.pid, uid = peer.uid, "an operator was refused");
        let reason = format!(
            "user {} may not command this supervisor; only user {own} and root may",
            peer.uid
        );
        return send(stream, &Welcome::Refused { reason }).await;
    }
    send(stream, &welcome).await?;
    let request: Request = inbound.receive_within(stream, INTRODUCTION_TIME).await?;
    if !only_looks(&request) {
        tracing::info!(pid = peer.pid, uid = peer.uid, ?request, "an operator asked");
    }
    let (answers, mut answered) = mpsc::channel::<Response>(OUTBOX_MAX);
    inbox.send(News::Asked { request, answers, by: peer }).await.map_err(|_| WireError::Closed)?;
    while let Some(response) = answered.recv().await {
        match send(stream, &response).await {
            Err(WireError::Frame(error)) => {
                tracing::warn!(%error, "an answer to an operator was too long");
                let reason = format!("the answer is too long for one message: {error}");
                let cause = FailureCause::Operation;
                let failed = Response::Failed { reason, cause, last_output: Vec::new() };
                return send(stream, &failed).await;
            }
            sent => sent?,
        }
        match response {
            Response::Progress(_) => {}
            Response::Status(_)
            | Response::Done(_)
            | Response::Failed { .. }
            | Response::Plan(_)
            | Response::Description(_)
            | Response::Changes(_)
            | Response::Gathered(_) => break,
        }
    }
    Ok(())
}
