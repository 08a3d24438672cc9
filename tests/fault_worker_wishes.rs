//! What the worker that misbehaves says to what administrators wish.

use mcp_protocol::admin::{ActiveQuery, Outcome, SessionSeen, Wish};

/// What it says to an administrator's wish: it has one session and one statement.
pub(crate) fn answered(wish: Wish) -> Outcome {
    let own = std::process::id();
    let query = |id: String| ActiveQuery {
        id,
        query_id: None,
        waits: false,
        client: Some("team".to_owned()),
        session: None,
        tool: Some("execute_query".to_owned()),
        connection: "default".to_owned(),
        started: 1,
        elapsed_ms: 1_500,
        class: "select".to_owned(),
        statement_sha256: "0123456789abcdef".to_owned(),
        statement: None,
    };
    match wish {
        Wish::Queries => Outcome::Queries(vec![query(format!("{own}.1"))]),
        Wish::CancelQuery { id } => {
            let is_ours = id == format!("{own}.1");
            Outcome::Cancelled(is_ours.then(|| query(id)))
        }
        Wish::Sessions => Outcome::Sessions(vec![SessionSeen {
            tag: Some("00112233445566778899aabbccddeeff".to_owned()),
            client: None,
            program: Some("desk 1".to_owned()),
            protocol: "2025-11-25".to_owned(),
            first_seen: 1,
            last_seen: 2,
            messages: 3,
        }]),
        Wish::Maintain(maintenance) => Outcome::Maintained { maintenance, running: 1 },
        Wish::ResetPools { .. }
        | Wish::TestConnections { .. }
        | Wish::Circuits
        | Wish::ResetCircuits { .. }
        | Wish::Maintained
        | Wish::LogLevel(_)
        | Wish::State => Outcome::Done,
    }
}
