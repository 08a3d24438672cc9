//! A worker under a supervisor, from its settings to its last word.
//!
//! One task reads the news (link, signals, the door, time), asks the lifecycle what to do, does
//! it. Opening the warehouse runs beside it, so that a worker that boots can be told to leave.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::access::AccessSettings;
use mcp_protocol::message::{FromWorker, ToWorker};
use mcp_protocol::relay::SealingKeys;
use mcp_protocol::settings::{Adjustable, Settings, StatementLimits};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::{Caller, Reception};
use crate::admin::Office;
use crate::audit::{Audit, AuditFile};
use crate::bus::Bus;
use crate::clock::{Clock, Moment};
pub use crate::ending::ServeError;
use crate::heartbeat::Heartbeat;
use crate::http::{self, Door, Health, Serving, Stage};
use crate::lifecycle::{Action, Lifecycle, News, Phase};
use crate::link::Link;
use crate::logs::{self, Logs};
use crate::mcp::configured;
use crate::mcp::edge::Edge;
use crate::mcp::server::Server;
use crate::mcp::tools::Desk;
use crate::mcp::tools::shelf::Configured;
use crate::metrics::Metrics;
use crate::quota::Quotas;
use crate::settings::{Identity, Inherited, of_platform};
use crate::signals::{self, Signals};
use crate::warehouse::connections::{Connections, OpenWarehouse, Opened};
use crate::warehouse::pool::PoolError;
use crate::warehouse::snowflake::House;
use crate::warehouse::snowflake::browser::KEPT_LOGINS;
use crate::warehouse::snowflake::gate::REFUSALS;
use crate::words::chain;

/// The grace of a drain that nobody gave one: a signal, or a supervisor that is gone.
const GRACE_DEFAULT: Duration = Duration::from_secs(30);
/// How long goodbyes to the warehouse may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// Serves until the supervisor, a signal or the loss of the supervisor ends it.
///
/// # Errors
/// When the worker cannot begin to serve; the supervisor has been told by then.
pub async fn serve(
    inherited: Inherited,
    open: OpenWarehouse,
    clock: Clock,
) -> Result<(), ServeError> {
    let Inherited { socket, identity, listener } = inherited;
    let house = House {
        worker: format!("{}[{}]", identity.app, identity.slot),
        refusals: socket.parent().map(|directory| directory.join(REFUSALS)),
        kept_logins: socket.parent().map(|directory| directory.join(KEPT_LOGINS)),
        clock,
        variables: of_platform(),
    };
    let (link, settings) = Link::open(&socket, &identity, clock).await?;
    let access = watch::channel(Arc::new(settings.access.clone())).0;
    let (logs, audit, signals) = match begin(&settings, &identity, &access) {
        Ok(begun) => begun,
        Err(error) => return Err(fail(link, error, clock).await),
    };
    tracing::info!(phase = "booting", generation = settings.generation, "worker");
    let boot = tokio::spawn(boot(open, settings.clone(), house));
    let metrics = Arc::new(Metrics::default());
    let quotas = Quotas::shared(&socket, &identity.app, Arc::clone(&metrics));
    let identity = Arc::new(identity);
    let office = Office::linked(link.speaker(), Arc::clone(&identity), access.subscribe(), clock);
    office.maintain(settings.maintenance.clone());
    let worker = Worker {
        lifecycle: Lifecycle::new(settings.idle_grace),
        metrics,
        quotas,
        limits: watch::channel(settings.limits.clone()).0,
        access,
        sessions: watch::channel(settings.sessions.clone()).0,
        configured: watch::channel(configured::ready(&settings.offered)).0,
        bus: Bus::linked(link.speaker(), clock),
        office,
        identity,
        listener: Some(listener),
        service: None,
        settings,
        serving: watch::channel(Serving::Booting).0,
        logs,
        audit,
        clock,
    };
    worker.run(link, boot, signals).await
}

/// What writes down who calls what, and what steers its file.
type Audited = (Audit, AuditFile);

fn begin(
    settings: &Settings,
    identity: &Identity,
    access: &watch::Sender<Arc<AccessSettings>>,
) -> Result<(Logs, Audited, Signals), ServeError> {
    let logs = logs::start(&settings.logs, identity)?;
    let audited = Audit::open(&settings.logs, identity, access.subscribe())?;
    let signals = signals::listen().map_err(ServeError::Signals)?;
    Ok((logs, audited, signals))
}

/// Opens the warehouse and the pool's first sessions.
///
/// A warehouse that cannot be reached now is no reason to leave: the worker serves, says so to
/// whoever asks, and finds it again by itself. One that does not let us in is.
async fn boot(
    open: OpenWarehouse,
    settings: Settings,
    house: House,
) -> Result<Connections, ServeError> {
    let wanted = settings.clone();
    let clock = house.clock;
    let opening = tokio::task::spawn_blocking(move || Opened::open(&wanted, &house, open));
    let opened = opening.await.map_err(|_| ServeError::Boot)??;
    tracing::info!(
        warehouse = opened.name(),
        further = settings.connections.len(),
        "the warehouse is open"
    );
    let connections = Connections::new(opened, &settings, clock);
    match connections.default_pool().open_min().await {
        Ok(()) => {}
        Err(PoolError::Open { reason }) => tracing::error!(%reason, "serving without a session"),
        Err(PoolError::Refused { reason }) => return Err(ServeError::Refused(reason)),
        Err(error) => return Err(error.into()),
    }
    Ok(connections)
}

/// Tells the supervisor why, and gives the error back.
async fn fail(link: Link, error: ServeError, clock: Clock) -> ServeError {
    let reason = chain(&error);
    tracing::error!(%reason, "cannot serve");
    link.farewell(&FromWorker::Failed { reason }, clock).await;
    error
}

/// The worker and what it holds.
struct Worker {
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    quotas: Quotas,
    identity: Arc<Identity>,
    listener: Option<TcpListener>,
    service: Option<Service>,
    settings: Settings,
    serving: watch::Sender<Serving>,
    limits: watch::Sender<StatementLimits>,
    access: watch::Sender<Arc<AccessSettings>>,
    sessions: watch::Sender<SealingKeys>,
    configured: watch::Sender<Configured>,
    bus: Bus,
    office: Office,
    logs: Logs,
    audit: Audited,
    clock: Clock,
}

/// What there is once the worker is ready.
struct Service {
    door: Door,
    connections: Connections,
}

/// What woke the worker up.
enum Wake {
    Booted(Result<Connections, ServeError>),
    Said(Option<ToWorker>),
    Signalled,
    Emptied,
    Deadline,
    Heartbeat,
}

impl Worker {
    async fn run(
        mut self,
        link: Link,
        boot: JoinHandle<Result<Connections, ServeError>>,
        signals: Signals,
    ) -> Result<(), ServeError> {
        let (mut link, mut boot) = (Some(link), Some(boot));
        let mut heartbeat_at = self.clock.now();
        while self.lifecycle.phase() != Phase::Done {
            let news = match self.wake(&mut link, &mut boot, &signals, heartbeat_at).await {
                Wake::Booted(Ok(connections)) => match self.open(connections) {
                    Ok(()) => News::Booted,
                    Err(error) => return Err(self.give_up(link, error).await),
                },
                Wake::Booted(Err(error)) => return Err(self.give_up(link, error).await),
                Wake::Said(Some(message)) => match self.said(message) {
                    Some(news) => news,
                    None => continue,
                },
                Wake::Said(None) => {
                    link = None;
                    self.orphaned()
                }
                Wake::Signalled => News::Drain { grace: GRACE_DEFAULT },
                Wake::Emptied => News::Emptied,
                Wake::Deadline => News::Tick,
                Wake::Heartbeat => {
                    heartbeat_at = self.clock.now() + self.settings.heartbeat_every;
                    self.heartbeat(link.as_ref());
                    continue;
                }
            };
            for action in self.lifecycle.handle(self.clock.now(), news) {
                self.act(action, link.as_ref()).await;
            }
        }
        if let Some(boot) = boot {
            boot.abort();
        }
        if let Some(link) = link {
            link.farewell(&FromWorker::Drained, self.clock).await;
        }
        Ok(())
    }

    /// The next thing that happens. Nothing is lost of the things that do not come first.
    async fn wake(
        &self,
        link: &mut Option<Link>,
        boot: &mut Option<JoinHandle<Result<Connections, ServeError>>>,
        signals: &Signals,
        heartbeat_at: Moment,
    ) -> Wake {
        let draining = matches!(self.lifecycle.phase(), Phase::Draining(_));
        let linked = link.is_some();
        tokio::select! {
            biased;
            said = async { match link { Some(link) => link.next().await, None => std::future::pending().await } } => Wake::Said(said),
            () = signals::asked_to_leave(signals) => Wake::Signalled,
            booted = async { match boot { Some(boot) => boot.await, None => std::future::pending().await } } => {
                *boot = None;
                Wake::Booted(booted.unwrap_or(Err(ServeError::Boot)))
            }
            () = self.clock.until_some(self.lifecycle.next_deadline()) => Wake::Deadline,
            () = self.emptied(), if draining => Wake::Emptied,
            () = self.clock.until(heartbeat_at), if linked => Wake::Heartbeat,
        }
    }

    /// What a message of the supervisor's means to the lifecycle; most mean nothing to it.
    fn said(&mut self, message: ToWorker) -> Option<News> {
        match message {
            ToWorker::Drain { grace } => return Some(News::Drain { grace }),
            ToWorker::ReopenLogs => {
                self.logs.reopen();
                self.audit.1.reopen();
            }
            ToWorker::Adjust(to) => self.adjust(*to),
            ToWorker::Told(circular) => self.bus.heard(circular),
            ToWorker::Sought { ticket, statement } => {
                self.bus.sought(ticket, statement.map(|one| *one));
            }
            ToWorker::Revoked(sessions) => self.bus.revoked(sessions),
            ToWorker::Do { ticket, wish } => self.office.begin(ticket, *wish),
            ToWorker::Gathered { ticket, parts } => self.office.gathered(ticket, parts),
            // Settings are handed over once; a second set is for a run to come.
            ToWorker::Settings(_) => {}
        }
        None
    }

    async fn emptied(&self) {
        if let Some(service) = &self.service {
            service.door.emptied().await;
        }
    }

    /// The supervisor is gone: nobody would replace this worker, so it leaves in good order.
    fn orphaned(&self) -> News {
        tracing::warn!(grace = ?GRACE_DEFAULT, "the supervisor is gone; leaving");
        News::Drain { grace: GRACE_DEFAULT }
    }

    fn open(&mut self, connections: Connections) -> Result<(), ServeError> {
        let settings = &self.settings;
        let desk = Desk::new(connections.clone(), self.limits.subscribe());
        let desk = desk
            .with_quotas(self.quotas.clone())
            .with_sealing_keys(self.sessions.subscribe())
            .with_configured(self.configured.subscribe());
        let counted = (Arc::clone(&self.metrics), self.clock);
        let audit = &self.audit.0;
        let server = Server::new(desk, Caller::nobody(), counted.clone()).with_audit(audit.clone());
        let health = Health {
            identity: Arc::clone(&self.identity),
            environment: settings.environment.clone(),
            connections: connections.clone(),
            serving: self.serving.subscribe(),
            metrics: Arc::clone(&self.metrics),
            office: self.office.clone(),
        };
        self.office.opens(&connections);
        let (stage, watched) = Door::stage();
        let reception = Reception::new(self.access.subscribe()).with_audit(audit.clone());
        let edge = Edge::new(self.sessions.subscribe(), self.bus.clone(), self.clock);
        let entrance = (server, reception, edge);
        let router = http::router(settings, entrance, health, watched, self.clock);
        let Some(listener) = self.listener.take() else { return Err(ServeError::Boot) };
        let door = Door::open(listener, settings, router, stage, counted)?;
        self.service = Some(Service { door, connections });
        Ok(())
    }

    /// Takes on what changed in the configuration, without a drain.
    fn adjust(&mut self, to: Adjustable) {
        let Adjustable { limits, log_level, access, sessions, offered, .. } = to.clone();
        self.office.maintain(to.maintenance.clone());
        let is_new = self.settings.offered != offered;
        self.settings.adjust(to);
        self.logs.adjust(&self.settings.logs);
        tracing::info!(?limits, ?log_level, clients = access.clients.len(), "adjusted");
        self.limits.send_replace(limits);
        self.access.send_replace(Arc::new(access));
        self.sessions.send_replace(sessions);
        if is_new {
            self.configured.send_replace(configured::ready(&offered));
        }
    }

    async fn give_up(self, link: Option<Link>, error: ServeError) -> ServeError {
        match link {
            Some(link) => fail(link, error, self.clock).await,
            None => error,
        }
    }

    fn heartbeat(&self, link: Option<&Link>) {
        let Some(link) = link else { return };
        let heartbeat = Heartbeat {
            metrics: &self.metrics,
            connections: self.service.as_ref().map(|service| &service.connections),
            pool_max: self.settings.pool.max,
            lines_dropped: self.logs.dropped_total() + self.audit.1.dropped_total(),
            now: self.clock.now(),
        };
        heartbeat.say(link);
    }

    async fn act(&self, action: Action, link: Option<&Link>) {
        match action {
            Action::Open => {
                self.serving.send_replace(Serving::Ready);
                tracing::info!(phase = "ready", "worker");
                if let Some(link) = link {
                    link.say(&FromWorker::Ready);
                }
            }
            Action::StopAccepting => {
                self.serving.send_replace(Serving::Draining);
                tracing::info!(phase = "draining", "worker");
                self.advance(Stage::LastRequests);
            }
            Action::CloseIdle => self.advance(Stage::ClosingIdle),
            Action::AnswerRest => {
                tracing::warn!("the grace is over; answering what still runs with an error");
                self.advance(Stage::AnsweringRest);
            }
            Action::Leave => {
                self.advance(Stage::Closed);
                self.heartbeat(link);
                if let Some(service) = &self.service {
                    service.connections.close(CLOSE_LIMIT).await;
                }
                self.logs.flush_traces(CLOSE_LIMIT, self.clock).await;
                let logs_dropped = self.logs.dropped_total();
                let audit_dropped = self.audit.1.dropped_total();
                tracing::info!(phase = "done", logs_dropped, audit_dropped, "worker");
            }
        }
    }

    fn advance(&self, stage: Stage) {
        if let Some(service) = &self.service {
            service.door.advance(stage);
        }
    }
}
