//! What the workers of an app answered to an administrator, for people: a table for each app.
//!
//! For programs the same is printed as it is: see `mcp_protocol::admin::told`.

use std::time::Duration;

use mcp_protocol::admin::told::{Body, Of, SessionTold, Told};
use mcp_protocol::admin::{
    ActiveQuery, CircuitState, CircuitWord, ConnectionTest, Maintenance, PoolReset, PoolState,
    SessionSeen,
};

use super::Page;
use super::client_keys::columns;
use super::words::{duration, moment, printable};

/// So many characters of a statement are shown.
const STATEMENT_CHARS: usize = 60;

/// What was told, app by app.
#[must_use]
pub fn told(all: &[Told], now: Duration, page: Page) -> String {
    let texts = all.iter().map(|told| page.wrapped(&one(told, now), 2));
    texts.collect::<Vec<_>>().join("\n")
}

fn one(told: &Told, now: Duration) -> String {
    let app = &told.app;
    match &told.body {
        Body::Reset { workers, closed, still_busy } => {
            let pools = workers.iter().flat_map(|worker| {
                worker.told.pools.iter().map(|pool| reset(worker.worker.slot, pool))
            });
            let heading = ["app", "slot", "connection", "before", "after", "closed", "still busy"];
            let mut text = table(heading, pools.map(|row| [vec![app.clone()], row].concat()));
            text.push_str(&format!("{app}: {}", closed_in_words(*closed, *still_busy)));
            text
        }
        Body::Sessions { sessions, .. } if sessions.is_empty() => {
            format!("{app}: no session was seen lately\n")
        }
        Body::Sessions { sessions, .. } => {
            let heading = [
                "app", "session", "client", "program", "protocol", "first", "last", "messages",
                "slots",
            ];
            table(heading, sessions.iter().map(|session| session_row(app, session, now)))
        }
        Body::Queries { queries, .. } if queries.is_empty() => {
            format!("{app}: no statement runs\n")
        }
        Body::Queries { queries, .. } => {
            let heading =
                ["app", "id", "slot", "client", "tool", "class", "state", "for", "statement"];
            table(heading, queries.iter().map(|query| query_row(app, query)))
        }
        Body::Cancelled { cancelled: None } => format!("{app}: no such statement runs\n"),
        Body::Cancelled { cancelled: Some(Of { worker, told: query }) } => {
            format!("{app}[{}]: ended {} ({})\n", worker.slot, query.id, query.class)
        }
        Body::Tested { workers, .. } => {
            let tests = workers.iter().flat_map(|worker| {
                let slot = worker.worker.slot;
                worker.told.connections.iter().map(move |test| test_row(app, slot, test))
            });
            let heading = ["app", "slot", "connection", "took", "role", "warehouse", "answer"];
            table(heading, tests)
        }
        Body::Circuits { workers } => {
            let circuits = workers.iter().flat_map(|worker| {
                let slot = worker.worker.slot;
                worker.told.circuits.iter().map(move |one| circuit_row(app, slot, one))
            });
            let heading = ["app", "slot", "connection", "circuit", "failures", "next try", "why"];
            table(heading, circuits)
        }
        Body::Maintained { maintenance, running, .. } => {
            maintained(app, maintenance.as_ref(), *running)
        }
        Body::Done { workers } => format!("{app}: taken in by {} workers\n", workers.len()),
        Body::State { workers } => format!("{app}: {} workers told their state\n", workers.len()),
    }
}

fn table<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = Vec<String>>) -> String {
    let heading = heading.map(str::to_owned).to_vec();
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

fn closed_in_words(closed: u64, still_busy: u64) -> String {
    let busy = match still_busy {
        0 => String::new(),
        count => format!("; {count} still have a statement, and go when it has ended"),
    };
    format!("{closed} sessions of before are closed{busy}\n")
}

fn reset(slot: u32, pool: &PoolReset) -> Vec<String> {
    let PoolReset { connection, before, after, closed, still_busy } = pool;
    let state = |state: &PoolState| format!("{} busy, {} idle", state.active, state.idle);
    vec![
        slot.to_string(),
        connection.clone(),
        state(before),
        state(after),
        closed.to_string(),
        still_busy.to_string(),
    ]
}

fn session_row(app: &str, session: &SessionTold, now: Duration) -> Vec<String> {
    let SessionSeen { tag, client, program, protocol, first_seen, last_seen, messages } =
        &session.seen;
    let ago = |at: u64| duration(now.saturating_sub(Duration::from_secs(at)));
    let slots: Vec<String> = session.slots.iter().map(u32::to_string).collect();
    vec![
        app.to_owned(),
        tag.as_ref().map_or("-".to_owned(), |tag| tag.chars().take(12).collect()),
        shown(client.as_ref()),
        shown(program.as_ref()),
        shown(Some(protocol)),
        ago(*first_seen),
        ago(*last_seen),
        messages.to_string(),
        slots.join(","),
    ]
}

fn query_row(app: &str, Of { worker, told: query }: &Of<ActiveQuery>) -> Vec<String> {
    let state = match (query.waits, &query.query_id) {
        (true, _) => "waits".to_owned(),
        (false, None) => "runs".to_owned(),
        (false, Some(id)) => format!("runs as {id}"),
    };
    let statement = match &query.statement {
        Some(text) => {
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            printable(flat.chars().take(STATEMENT_CHARS).collect::<String>().as_bytes())
        }
        None => query.statement_sha256.chars().take(12).collect(),
    };
    vec![
        app.to_owned(),
        query.id.clone(),
        worker.slot.to_string(),
        shown(query.client.as_ref()),
        shown(query.tool.as_ref()),
        query.class.clone(),
        state,
        duration(Duration::from_millis(query.elapsed_ms)),
        statement,
    ]
}

fn test_row(app: &str, slot: u32, test: &ConnectionTest) -> Vec<String> {
    let answer = test.error.as_ref().map_or("fine".to_owned(), |why| printable(why.as_bytes()));
    vec![
        app.to_owned(),
        slot.to_string(),
        test.connection.clone(),
        duration(Duration::from_millis(test.latency_ms)),
        shown(test.role.as_ref()),
        shown(test.warehouse.as_ref()),
        answer,
    ]
}

fn circuit_row(app: &str, slot: u32, circuit: &CircuitState) -> Vec<String> {
    let state = match circuit.state {
        CircuitWord::Closed => "closed: sessions are opened",
        CircuitWord::Open => "open: cannot be reached",
        CircuitWord::Refused => "open: credentials are refused",
        CircuitWord::Shut => "shut: the worker leaves",
        CircuitWord::LoggedOut => "open: nobody is logged in",
    };
    let retry = circuit.retry_in_ms.map(|time| duration(Duration::from_millis(time)));
    vec![
        app.to_owned(),
        slot.to_string(),
        circuit.connection.clone(),
        state.to_owned(),
        circuit.failures.to_string(),
        retry.unwrap_or_else(|| "-".to_owned()),
        shown(circuit.reason.as_ref()),
    ]
}

fn maintained(app: &str, maintenance: Option<&Maintenance>, running: u32) -> String {
    let running = match running {
        0 => "no statement runs".to_owned(),
        1 => "1 statement still runs".to_owned(),
        count => format!("{count} statements still run"),
    };
    match maintenance {
        None => format!("{app}: calls are taken; {running}\n"),
        Some(Maintenance { since, reason, retry_after_seconds, by }) => {
            let why = reason.as_ref().map(|why| format!(" ({})", printable(why.as_bytes())));
            let since = moment(Duration::from_secs(*since));
            let (why, by) = (why.unwrap_or_default(), printable(by.as_bytes()));
            format!(
                "{app}: in maintenance{why} since {since}, by {by}; new calls are told to come \
                 back after {retry_after_seconds} s; {running}\n"
            )
        }
    }
}

fn shown(text: Option<&String>) -> String {
    text.filter(|text| !text.is_empty()).map_or("-".to_owned(), |text| printable(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Colour;
    use mcp_protocol::admin::{Gathered, Outcome, Part};

    fn shown_as(outcome: Outcome) -> String {
        let part = Part { slot: 1, run: 9, pid: 99, outcome: Some(outcome) };
        let gathered = Gathered { app: "query".to_owned(), parts: vec![part] };
        let told_of = Told::of(gathered).ok().into_iter().collect::<Vec<_>>();
        told(&told_of, Duration::from_secs(100), Page { colour: Colour::Plain, width: None })
    }

    #[test]
    fn a_statement_is_a_line_with_its_text_or_its_hash_and_no_control_bytes() {
        let query = |statement: Option<&str>| ActiveQuery {
            id: "9.4".to_owned(),
            query_id: None,
            waits: false,
            client: Some("team\u{1b}[31m".to_owned()),
            session: None,
            tool: Some("execute_query".to_owned()),
            connection: "default".to_owned(),
            started: 40,
            elapsed_ms: 61_000,
            class: "select".to_owned(),
            statement_sha256: "0123456789abcdef".to_owned(),
            statement: statement.map(str::to_owned),
        };
        let text = shown_as(Outcome::Queries(vec![query(None)]));
        assert!(text.contains("9.4") && text.contains("1m01s") && text.contains("0123456789ab"));
        assert!(!text.contains('\u{1b}'), "{text:?}");
        let text = shown_as(Outcome::Queries(vec![query(Some("select\n  1"))]));
        assert!(text.contains("select 1") && text.lines().count() == 2, "{text}");
    }

    #[test]
    fn a_reset_tells_before_after_and_what_is_left() {
        let state = |active, idle| PoolState { active, idle, ..PoolState::default() };
        let pool = PoolReset {
            connection: "default".to_owned(),
            before: state(1, 2),
            after: state(1, 1),
            closed: 2,
            still_busy: 1,
        };
        let text = shown_as(Outcome::Reset(vec![pool]));
        for words in
            ["1 busy, 2 idle", "1 busy, 1 idle", "2 sessions of before are closed; 1 still"]
        {
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_maintenance_says_who_why_and_what_runs() {
        let maintenance = Maintenance {
            since: 1,
            reason: Some("an upgrade".to_owned()),
            retry_after_seconds: 60,
            by: "user 0".to_owned(),
        };
        let text = shown_as(Outcome::Maintained { maintenance: Some(maintenance), running: 2 });
        for words in ["query: in maintenance (an upgrade)", "by user 0", "60 s", "2 statements"] {
            assert!(text.contains(words), "{text}");
        }
        let text = shown_as(Outcome::Maintained { maintenance: None, running: 0 });
        assert_eq!(text, "query: calls are taken; no statement runs\n");
    }
}
