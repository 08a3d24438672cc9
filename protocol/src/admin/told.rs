//! What is told to a person in the end: the answers of all workers of an app put together.
//!
//! A worker's door and the supervisor's commands tell the same, so that a script can use either.
//! These types are only ever printed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    ActiveQuery, CircuitState, ConnectionTest, Gathered, Maintenance, Outcome, Part, PoolReset,
    SessionSeen, WorkerState,
};

/// A worker by its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worker {
    /// Its slot.
    pub slot: u32,
    /// Its run.
    pub run: u64,
    /// Its process.
    pub pid: u32,
}

/// What one worker answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Of<T> {
    /// Who.
    #[serde(flatten)]
    pub worker: Worker,
    /// What.
    #[serde(flatten)]
    pub told: T,
}

/// A worker that gave no answer, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Who.
    #[serde(flatten)]
    pub worker: Worker,
    /// Why.
    pub why: String,
}

/// The answers of an app.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The app.
    pub app: String,
    /// What they come to.
    #[serde(flatten)]
    pub body: Body,
    /// Workers of which nothing is in it.
    pub missing: Vec<Missing>,
}

/// What the answers of an app come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// The pools.
    Reset {
        /// Worker by worker.
        workers: Vec<Of<Pools>>,
        /// Sessions of before that are gone.
        closed: u64,
        /// Sessions of before in which a statement still runs.
        still_busy: u64,
    },
    /// The sessions of clients.
    Sessions {
        /// How many.
        active_sessions: usize,
        /// The latest first.
        sessions: Vec<SessionTold>,
    },
    /// The statements.
    Queries {
        /// How many.
        active_queries: usize,
        /// The oldest first.
        queries: Vec<Of<ActiveQuery>>,
    },
    /// The statement that was ended; none where nobody runs it.
    Cancelled {
        /// Which.
        cancelled: Option<Of<ActiveQuery>>,
    },
    /// The connections.
    Tested {
        /// `healthy` when every worker has an answer of each.
        status: &'static str,
        /// Worker by worker.
        workers: Vec<Of<Tests>>,
    },
    /// How opening sessions goes.
    Circuits {
        /// Worker by worker.
        workers: Vec<Of<Circuits>>,
    },
    /// Whether calls are taken.
    Maintained {
        /// Whether not.
        enabled: bool,
        /// Since when, why, until when about, and by whom.
        maintenance: Option<Maintenance>,
        /// Statements that still run.
        running: u32,
    },
    /// It was taken in.
    Done {
        /// By whom.
        workers: Vec<Worker>,
    },
    /// Everything.
    State {
        /// Worker by worker.
        workers: Vec<Of<WorkerState>>,
    },
}

/// The pools of a worker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pools {
    /// By connection.
    pub pools: Vec<PoolReset>,
}

/// The connections of a worker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tests {
    /// How each answered.
    pub connections: Vec<ConnectionTest>,
}

/// How opening sessions goes at a worker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Circuits {
    /// By connection.
    pub circuits: Vec<CircuitState>,
}

/// A session of a client, as all workers together saw it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionTold {
    /// What is known of it.
    #[serde(flatten)]
    pub seen: SessionSeen,
    /// The slots of the workers that saw it.
    pub slots: Vec<u32>,
}

impl Told {
    /// Puts answers together.
    ///
    /// # Errors
    /// When nobody gave one; the reasons are all there is then.
    pub fn of(gathered: Gathered) -> Result<Told, Vec<Missing>> {
        let (mut told, mut missing) = (Vec::new(), Vec::new());
        for Part { slot, run, pid, outcome } in gathered.parts {
            let worker = Worker { slot, run, pid };
            match outcome {
                None => {
                    missing.push(Missing { worker, why: "it did not answer in time".to_owned() })
                }
                Some(Outcome::Refused(why)) => missing.push(Missing { worker, why }),
                Some(outcome) => told.push((worker, outcome)),
            }
        }
        match body(told) {
            Some(body) => Ok(Told { app: gathered.app, body, missing }),
            None => Err(missing),
        }
    }

    /// Whether something did not go as it was wished.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        let troubled = match &self.body {
            Body::Tested { status, .. } => *status != HEALTHY,
            Body::Cancelled { cancelled } => cancelled.is_none(),
            Body::Reset { .. }
            | Body::Sessions { .. }
            | Body::Queries { .. }
            | Body::Circuits { .. }
            | Body::Maintained { .. }
            | Body::Done { .. }
            | Body::State { .. } => false,
        };
        troubled || !self.missing.is_empty()
    }
}

const HEALTHY: &str = "healthy";
const UNHEALTHY: &str = "unhealthy";

/// What these answers come to; all of them answer the same wish, so the first one tells which.
fn body(answers: Vec<(Worker, Outcome)>) -> Option<Body> {
    let (_, first) = answers.first()?;
    Some(match first {
        Outcome::Refused(_) => return None,
        Outcome::Reset(_) => reset(answers),
        Outcome::Sessions(_) => sessions(answers),
        Outcome::Queries(_) => {
            let mut queries: Vec<Of<ActiveQuery>> = each(answers, |outcome| {
                if let Outcome::Queries(queries) = outcome { queries } else { Vec::new() }
            });
            queries.sort_by_key(|query| std::cmp::Reverse(query.told.elapsed_ms));
            Body::Queries { active_queries: queries.len(), queries }
        }
        Outcome::Cancelled(_) => {
            let cancelled: Vec<Of<ActiveQuery>> = each(answers, |outcome| {
                if let Outcome::Cancelled(cancelled) = outcome {
                    cancelled.into_iter().collect()
                } else {
                    Vec::new()
                }
            });
            Body::Cancelled { cancelled: cancelled.into_iter().next() }
        }
        Outcome::Tested(_) => {
            let workers: Vec<Of<Tests>> = each(answers, |outcome| {
                if let Outcome::Tested(connections) = outcome {
                    vec![Tests { connections }]
                } else {
                    Vec::new()
                }
            });
            let mut tests = workers.iter().flat_map(|worker| &worker.told.connections);
            let is_healthy = tests.all(|test| test.error.is_none());
            Body::Tested { status: if is_healthy { HEALTHY } else { UNHEALTHY }, workers }
        }
        Outcome::Circuits(_) => Body::Circuits {
            workers: each(answers, |outcome| {
                if let Outcome::Circuits(circuits) = outcome {
                    vec![Circuits { circuits }]
                } else {
                    Vec::new()
                }
            }),
        },
        Outcome::Maintained { .. } => maintained(answers),
        Outcome::Done => {
            Body::Done { workers: answers.into_iter().map(|(worker, _)| worker).collect() }
        }
        Outcome::State(_) => Body::State {
            workers: each(answers, |outcome| {
                if let Outcome::State(state) = outcome { vec![*state] } else { Vec::new() }
            }),
        },
    })
}

fn each<T>(answers: Vec<(Worker, Outcome)>, told: impl Fn(Outcome) -> Vec<T>) -> Vec<Of<T>> {
    let of = |(worker, outcome): (Worker, Outcome)| {
        told(outcome).into_iter().map(move |told| Of { worker: worker.clone(), told })
    };
    answers.into_iter().flat_map(of).collect()
}

fn reset(answers: Vec<(Worker, Outcome)>) -> Body {
    let workers: Vec<Of<Pools>> = each(answers, |outcome| {
        if let Outcome::Reset(pools) = outcome { vec![Pools { pools }] } else { Vec::new() }
    });
    let pools = || workers.iter().flat_map(|worker| &worker.told.pools);
    let (closed, still_busy) =
        (pools().map(|pool| pool.closed).sum(), pools().map(|pool| pool.still_busy).sum());
    Body::Reset { workers, closed, still_busy }
}

/// What several workers saw of one session is told once.
fn sessions(answers: Vec<(Worker, Outcome)>) -> Body {
    let mut all: BTreeMap<_, SessionTold> = BTreeMap::new();
    let seen: Vec<Of<SessionSeen>> = each(answers, |outcome| {
        if let Outcome::Sessions(sessions) = outcome { sessions } else { Vec::new() }
    });
    for Of { worker, told: seen } in seen {
        let key = match &seen.tag {
            Some(tag) => (Some(tag.clone()), None, None, String::new()),
            None => (None, seen.client.clone(), seen.program.clone(), seen.protocol.clone()),
        };
        match all.get_mut(&key) {
            None => drop(all.insert(key, SessionTold { seen, slots: vec![worker.slot] })),
            Some(known) => {
                known.seen.first_seen = known.seen.first_seen.min(seen.first_seen);
                known.seen.last_seen = known.seen.last_seen.max(seen.last_seen);
                known.seen.messages += seen.messages;
                known.slots.push(worker.slot);
            }
        }
    }
    let mut sessions: Vec<SessionTold> = all.into_values().collect();
    sessions.sort_by_key(|session| std::cmp::Reverse(session.seen.last_seen));
    Body::Sessions { active_sessions: sessions.len(), sessions }
}

fn maintained(answers: Vec<(Worker, Outcome)>) -> Body {
    let (mut known, mut all_running) = (None, 0);
    for (_, outcome) in answers {
        if let Outcome::Maintained { maintenance, running } = outcome {
            known = known.or(maintenance);
            all_running += running;
        }
    }
    Body::Maintained { enabled: known.is_some(), maintenance: known, running: all_running }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(slot: u32, outcome: Option<Outcome>) -> Part {
        Part { slot, run: u64::from(slot) + 10, pid: slot + 100, outcome }
    }

    fn seen(tag: &str, first_seen: u64, last_seen: u64, messages: u64) -> SessionSeen {
        let (client, program) = (None, Some("desk 1".to_owned()));
        let (tag, protocol) = (Some(tag.to_owned()), "2025-11-25".to_owned());
        SessionSeen { tag, client, program, protocol, first_seen, last_seen, messages }
    }

    fn told(parts: Vec<Part>) -> Result<Told, Vec<Missing>> {
        Told::of(Gathered { app: "query".to_owned(), parts })
    }

    #[test]
    fn a_session_that_several_workers_saw_is_told_once() {
        let told = told(vec![
            part(0, Some(Outcome::Sessions(vec![seen("a", 5, 9, 2), seen("b", 1, 20, 1)]))),
            part(1, Some(Outcome::Sessions(vec![seen("a", 3, 12, 4)]))),
        ]);
        let Ok(Told { body: Body::Sessions { active_sessions, sessions }, .. }) = told else {
            panic!("{told:?}")
        };
        assert_eq!(active_sessions, 2);
        assert_eq!(sessions[0].seen, seen("b", 1, 20, 1));
        assert_eq!(
            (sessions[1].seen.clone(), &sessions[1].slots[..]),
            (seen("a", 3, 12, 6), &[0, 1][..])
        );
    }

    #[test]
    fn whoever_does_not_answer_is_named_and_is_trouble() {
        let refused = Some(Outcome::Refused("it starts".to_owned()));
        let answers = vec![part(0, Some(Outcome::Done)), part(1, None), part(2, refused)];
        let told = told(answers).ok();
        assert!(told.as_ref().is_some_and(Told::is_troubled), "{told:?}");
        let why: Vec<_> =
            told.iter().flat_map(|told| &told.missing).map(|one| one.why.as_str()).collect();
        assert_eq!(why, ["it did not answer in time", "it starts"]);
    }

    #[test]
    fn where_nobody_answers_there_are_only_reasons() {
        assert_eq!(told(vec![part(3, None)]).map_err(|missing| missing.len()), Err(1));
        assert_eq!(told(Vec::new()), Err(Vec::new()));
    }
}
