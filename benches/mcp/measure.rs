//! One server from its start to its end, with everything that is measured of it in between.

use std::io;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::account::{Account, ENDLESS};
use crate::client::{HttpClient, StdioClient, Tool};
use crate::load::{Entrance, Load};
use crate::processes::{self, Process};
use crate::servers::{Kind, Places, Plan, Way};

/// Latency of a statement in milliseconds, and clients.
pub(crate) const LOADS: [(u64, usize); 6] =
    [(0, 1), (0, 16), (0, 64), (100, 1), (100, 16), (100, 64)];
/// Each load goes on for so long before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// A start takes no longer.
const START_MAX: Duration = Duration::from_secs(90);
/// An end takes no longer; then it is a kill.
const END_MAX: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A server is left alone for so long before its memory is idle.
const REST: Duration = Duration::from_secs(2);
/// How often a client goes away in the middle of a call.
const CANCELS: usize = 9;
/// Whoever has ended none by then ends none.
const CANCELS_IN_VAIN: usize = 2;
/// Whoever has not ended the statement by then does not end it.
const CANCEL_MAX: Duration = Duration::from_secs(3);

/// What was measured of a server in one round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// From the start of the program to the first answer.
    pub(crate) start: Duration,
    /// From the kill of the only worker to the next answer; ours alone has one.
    pub(crate) again: Option<Duration>,
    pub(crate) idle_bytes: u64,
    pub(crate) loaded_bytes: u64,
    /// The supervisor, where there is one.
    pub(crate) supervisor_bytes: Option<u64>,
    /// Each of [`LOADS`], with the logins meanwhile and the most statements in flight.
    pub(crate) loads: Vec<(Load, u64, u64)>,
    /// From the end of a client to the abort of its statement: the median, and how many of
    /// [`CANCELS`] came.
    pub(crate) cancel: Option<(Duration, usize)>,
}

/// A server that runs. Ends with it.
struct Running {
    child: Child,
}

/// Starts a server, measures it and ends it.
pub(crate) async fn measure(
    kind: Kind,
    places: &Places,
    account: &Account,
    lasts: Duration,
) -> Result<Measured, String> {
    if kind == Kind::Account {
        let way = Way::Account { address: account.address };
        let tool = Tool { name: "", argument: "" };
        let entrance = Entrance { way: &way, streams: None, tool };
        let loads = loads(&entrance, account, lasts).await.map_err(|error| error.to_string())?;
        return Ok(Measured { loads, ..Measured::default() });
    }
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    let plan =
        kind.plan(places, account.address, home.path()).map_err(|error| error.to_string())?;
    let measured = of_plan(kind, plan, (account, lasts)).await;
    measured.map_err(|error| {
        let said = std::fs::read_to_string(home.path().join("output.log")).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        format!("{error}; it said last: {last}")
    })
}

async fn of_plan(
    kind: Kind,
    plan: Plan,
    (account, lasts): (&Account, Duration),
) -> io::Result<Measured> {
    let Plan { mut command, way, tool } = plan;
    let began = Instant::now();
    let (child, streams) = match &way {
        Way::Http { .. } | Way::Account { .. } => (command.spawn()?, None),
        Way::Stdio => {
            let (client, child) = StdioClient::start(command).await?;
            (child, Some(client))
        }
    };
    let mut running = Running { child };
    let entrance = Entrance { way: &way, streams, tool };
    let mut measured =
        Measured { start: running.answers(&entrance, began).await?, ..Measured::default() };
    sleep(REST).await;
    measured.idle_bytes = running.resident(kind).0;
    measured.loads = loads(&entrance, account, lasts).await?;
    (measured.loaded_bytes, measured.supervisor_bytes) = running.resident(kind);
    account.set_latency(Duration::ZERO);
    if let Way::Http { address, path } = way {
        let connect = || HttpClient::connect(address, path);
        let mut times = Vec::new();
        for number in 0..CANCELS {
            let mut client = connect().await?;
            client.send(tool, &format!("select {ENDLESS}, {number}")).await?;
            times.extend(cancelled(client, account).await);
            // Each statement that nobody ends keeps such a server busy to its own end.
            if times.is_empty() && number + 1 == CANCELS_IN_VAIN {
                break;
            }
        }
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        measured.cancel = Some((median, times.len()));
    }
    if kind == Kind::Ours(1) {
        measured.again = Some(running.killed_and_back(&entrance).await?);
    }
    Ok(measured)
}

/// Each of [`LOADS`], one after the other.
async fn loads(
    entrance: &Entrance<'_>,
    account: &Account,
    lasts: Duration,
) -> io::Result<Vec<(Load, u64, u64)>> {
    let mut loads = Vec::new();
    for (latency, clients) in LOADS {
        account.set_latency(Duration::from_millis(latency));
        let warm = entrance.load(clients, WARM_UP).await?;
        if let Some(problem) = warm.problem {
            eprintln!("  {clients} clients, {latency} ms: {} failed: {problem}", warm.failed);
        }
        let logins = account.logins();
        let load = entrance.load(clients, lasts).await?;
        let logins = account.logins() - logins;
        eprintln!("  {clients} clients, {latency} ms: {:.0} a second", load.calls_a_second);
        loads.push((load, logins, account.most_running()));
    }
    Ok(loads)
}

/// How long it takes from the end of a client, whose statement runs, to the statement's end.
async fn cancelled(client: HttpClient, account: &Account) -> Option<Duration> {
    let begins_by = Instant::now() + CANCEL_MAX;
    while account.endless() == 0 && Instant::now() < begins_by {
        sleep(LOOK_EVERY).await;
    }
    let left = Instant::now();
    drop(client);
    while left.elapsed() < CANCEL_MAX {
        if let Some(at) = account.aborted_after(left) {
            return Some(at - left);
        }
        sleep(LOOK_EVERY).await;
    }
    None
}

impl Running {
    /// Waits for the first answer: how long it took.
    async fn answers(&mut self, entrance: &Entrance<'_>, began: Instant) -> io::Result<Duration> {
        loop {
            let problem = match entrance.first().await {
                Ok(()) => return Ok(began.elapsed()),
                Err(problem) => problem,
            };
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if began.elapsed() > START_MAX {
                return Err(io::Error::other(format!("no answer in {START_MAX:?}: {problem}")));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// What a worker of ours takes, the largest of them, and the supervisor; of others everything.
    fn resident(&self, kind: Kind) -> (u64, Option<u64>) {
        let tree = processes::tree(self.child.id());
        let bytes = |one: &Process| one.resident_bytes;
        match kind {
            Kind::Ours(_) => {
                let largest = workers(&tree).map(bytes).max().unwrap_or_default();
                (largest, tree.first().map(bytes))
            }
            Kind::Account | Kind::Toolbox | Kind::Labs | Kind::Isaac => {
                (tree.iter().map(bytes).sum(), None)
            }
        }
    }

    /// Kills the only worker: how long it takes until another one answers.
    async fn killed_and_back(&mut self, entrance: &Entrance<'_>) -> io::Result<Duration> {
        let tree = processes::tree(self.child.id());
        let worker = workers(&tree).next().ok_or_else(|| io::Error::other("there is no worker"))?;
        let began = Instant::now();
        kill(Pid::from_raw(worker.pid.cast_signed()), Signal::SIGKILL)?;
        self.answers(entrance, began).await
    }
}

fn workers(tree: &[Process]) -> impl Iterator<Item = &Process> {
    tree.iter().filter(|one| one.name == "mcp-worker")
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let deadline = Instant::now() + END_MAX;
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
