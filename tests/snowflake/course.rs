//! How far a statement has come, as whoever follows it learns: also its name at the server.

use std::time::Duration;

use mcp_worker::warehouse::Context;
use mcp_worker::warehouse::course::{Course, Stage};
use tokio_util::sync::CancellationToken;

use crate::house::{House, PATIENCE, TIMEOUT, limits};
use crate::server::Config;

#[tokio::test]
async fn a_long_statement_is_named_while_it_runs() {
    let config = Config { long_after: Duration::from_millis(50), ..Config::default() };
    let house = House::with(config, 1);
    let (course, mut stage) = Course::followed();
    let context = Context { course, ..Context::default() };
    let (limits, cancel) = (limits(TIMEOUT), CancellationToken::new());
    let statement = house.pool.query("SELECT SLEEP(0.4)", &context, &limits, &cancel);
    let named = async {
        let is_named = |stage: &Stage| matches!(stage, Stage::Running { query_id: Some(_) });
        let named = house.clock.within(PATIENCE, stage.wait_for(is_named)).await;
        named.expect("it is named in time").expect("it is followed").clone()
    };
    let (answer, named) = futures::join!(statement, named);
    let query_id = answer.expect("an answer").query_id;
    assert_eq!(named, Stage::Running { query_id: Some(query_id) });
    assert_eq!(*stage.borrow(), Stage::Ended);
}
