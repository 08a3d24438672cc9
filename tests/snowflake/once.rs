//! What is not read-only is carried out at most once, and nobody is told otherwise.

use std::time::Duration;

use crate::house::{ENDED_WITHIN, House};
use crate::server::Config;
use crate::server::faults::{Endpoint, Fault};

const INSERT: &str = "INSERT INTO t VALUES (1)";
const LIMIT: Duration = Duration::from_millis(1500);

/// Every fault that leaves open whether the statement was carried out, or does not.
fn faults() -> Vec<Fault> {
    vec![
        Fault::TokenExpired,
        Fault::TokenExpiredMeanwhile,
        Fault::MasterExpired,
        Fault::SessionGone("390111"),
        Fault::SessionGone("390114"),
        Fault::Status { status: 429, retry_after: None },
        Fault::Status { status: 503, retry_after: None },
        Fault::Status { status: 403, retry_after: None },
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::ResetHalfway,
        Fault::Truncated,
        Fault::CutShort,
        Fault::Hang,
        Fault::HangAfter,
        Fault::Garbage,
        Fault::Empty,
        Fault::Nothing,
        Fault::WrongType,
        Fault::Sparse,
        Fault::UnknownColumnType,
        Fault::Drip { bytes: 1, every: Duration::from_millis(20) },
    ]
}

/// What was wrong with one fault.
async fn tried(fault: Fault) -> Option<String> {
    let house = House::warm(Config::default(), 1).await;
    house.server.fail_statement("INSERT", 0, 1, fault.clone());
    let result = house.query_within(INSERT, LIMIT).await;
    house.server.heal();
    house.assert_no_leaks().await;
    let runs = house.seen().executions_of("INSERT").len();
    let problem = match &result {
        _ if runs > 1 => Some(format!("{runs} executions")),
        Ok(_) if runs == 0 => Some("success without an execution".to_owned()),
        Err(error) if runs == 1 && !error.to_string().contains("may have been carried out") => {
            Some(format!("it was carried out, and the error does not say so: {error}"))
        }
        Ok(_) | Err(_) => None,
    };
    house.pool.close(ENDED_WITHIN).await;
    problem.map(|problem| format!("{fault:?}: {problem}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_insert_is_carried_out_at_most_once_whatever_happens() {
    let mut wrong = Vec::new();
    for group in faults().chunks(12) {
        let tried = group.iter().map(|fault| tried(fault.clone()));
        wrong.extend(futures::future::join_all(tried).await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{} faults went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The answer of a change that takes long is asked for again, the change itself is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_insert_survives_lost_polls() {
    let config = Config { long_after: Duration::from_millis(50), ..Config::default() };
    for fault in [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::TokenExpired,
        Fault::Status { status: 503, retry_after: None },
    ] {
        let house = House::warm(config.clone(), 1).await;
        house.server.fail(Endpoint::Result, 1, fault.clone());
        let answer = house.query("INSERT INTO t SELECT SLEEP(0.3)").await;
        assert!(answer.is_ok(), "{fault:?}: {answer:?}");
        assert_eq!(house.seen().executions_of("INSERT").len(), 1, "{fault:?}");
    }
    let house = House::warm(config, 1).await;
    house.server.fail(Endpoint::Result, 1, Fault::SessionGone("390111"));
    let error = house.query("INSERT INTO t SELECT SLEEP(0.3)").await.expect_err("it is lost");
    assert!(error.to_string().contains("may have been carried out"), "{error}");
    assert_eq!(house.seen().executions_of("INSERT").len(), 1);
}

/// A change whose answer has parts that cannot be had was carried out all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_answer_is_incomplete_is_told_as_done() {
    let house = House::warm(Config::default(), 1).await;
    let refused = Fault::Status { status: 403, retry_after: None };
    house.server.fail(Endpoint::Chunk, usize::MAX, refused);
    let error = house.query("CALL ROWS(100, 3)").await.expect_err("parts are missing");
    assert!(error.to_string().contains("may have been carried out"), "{error}");
    assert_eq!(house.seen().executions_of("CALL").len(), 1);
}

/// A read that is sent again keeps its request id, so that it runs once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_sent_again_says_so() {
    let house = House::warm(Config::default(), 1).await;
    house.server.fail_statement("SELECT 7", 0, 2, Fault::ResetAfter);
    house.query("SELECT 7").await.expect("it is sent again");
    let seen = house.seen();
    let sent = seen.sent_of("SELECT 7");
    assert_eq!((sent.len(), seen.executions_of("SELECT 7").len()), (3, 1));
    assert!(sent.iter().all(|one| one.request_id == sent[0].request_id));
    let counts: Vec<Option<&str>> = sent.iter().map(|one| one.retry_count.as_deref()).collect();
    assert!(matches!(counts[..], [None | Some("0"), Some("1"), Some("2")]), "{counts:?}");
}
