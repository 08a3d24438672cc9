//! So many clients that call a tool without a pause, for a while.

use std::io;
use std::time::{Duration, Instant};

use crate::client::{HttpClient, StdioClient, Tool};
use crate::servers::Way;

/// What every call runs.
const STATEMENT: &str = "select 1";

/// What clients need to begin.
pub(crate) struct Entrance<'a> {
    pub(crate) way: &'a Way,
    /// The one connection of a program that is spoken to over its streams.
    pub(crate) streams: Option<StdioClient>,
    pub(crate) tool: Tool,
}

/// How it went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Load {
    pub(crate) calls_a_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Calls that failed, and the first reason.
    pub(crate) failed: usize,
    pub(crate) problem: Option<String>,
}

/// Somebody who calls.
enum Caller {
    Http(HttpClient),
    Stdio(StdioClient),
}

impl Entrance<'_> {
    async fn enter(&self) -> io::Result<Caller> {
        match (self.way, &self.streams) {
            (Way::Http { address, path }, _) => {
                Ok(Caller::Http(HttpClient::connect(*address, path).await?))
            }
            (Way::Account { address }, _) => {
                Ok(Caller::Http(HttpClient::of_account(*address).await?))
            }
            (Way::Stdio, Some(streams)) => Ok(Caller::Stdio(streams.clone())),
            (Way::Stdio, None) => Err(io::Error::other("the program was not started")),
        }
    }

    /// One call of a new client.
    pub(crate) async fn first(&self) -> io::Result<()> {
        self.enter().await?.call(self.tool, 1).await
    }

    /// The load of so many clients. Their sessions begin before the clock does.
    pub(crate) async fn load(&self, clients: usize, lasts: Duration) -> io::Result<Load> {
        let mut callers = Vec::new();
        for _ in 0..clients {
            callers.push(self.enter().await?);
        }
        let (began, tool) = (Instant::now(), self.tool);
        let tasks: Vec<_> = callers
            .into_iter()
            .map(|caller| tokio::spawn(call_on(caller, tool, began, lasts)))
            .collect();
        let (mut times, mut failed, mut problem) = (Vec::new(), 0, None);
        for task in tasks {
            let (some, why) = task.await.map_err(io::Error::other)?;
            times.extend(some);
            failed += usize::from(why.is_some());
            problem = problem.or(why);
        }
        let took = began.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        let calls_a_second = times.len() as f64 / took;
        Ok(Load { calls_a_second, p50: at(50), p99: at(99), failed, problem })
    }
}

/// The times of a client's calls, until its time is over or one fails.
async fn call_on(
    mut caller: Caller,
    tool: Tool,
    began: Instant,
    lasts: Duration,
) -> (Vec<Duration>, Option<String>) {
    let mut times = Vec::new();
    while began.elapsed() < lasts {
        let called = Instant::now();
        if let Err(error) = caller.call(tool, times.len() as u64 + 2).await {
            return (times, Some(error.to_string()));
        }
        times.push(called.elapsed());
    }
    (times, None)
}

impl Caller {
    async fn call(&mut self, tool: Tool, id: u64) -> io::Result<()> {
        match self {
            Caller::Http(client) => client.call(tool, id, STATEMENT).await,
            Caller::Stdio(client) => client.call(tool, STATEMENT).await,
        }
    }
}
