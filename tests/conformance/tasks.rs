//! The suite's scenarios of the extension for tasks: its tools become statements, and the tasks are
//! the worker's own, before an account that the test plays.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{SnowflakeLogin, SnowflakeSettings};
use mcp_worker::bus::Bus;
use mcp_worker::clock::Clock;
use mcp_worker::warehouse::Warehouse;
use mcp_worker::warehouse::snowflake::platform::Variables;
use mcp_worker::warehouse::snowflake::{House as Surroundings, SnowflakeWarehouse};
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use crate::account::Server;
use crate::fixtures::Fixtures;
use crate::support::{Colleagues, Counts, house_before, listener};
use crate::{Outcome, content, install, outcomes, settings, skipping};

/// The scenarios. Those of tasks that ask the client for something, or that nobody without tasks may
/// begin, need tools of another kind than there are here.
const SCENARIOS: [&str; 7] = [
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-status-notifications",
];

/// The one of its tools that is never a task.
const GREET: &str = "greet";

/// How the suite's tools present themselves.
pub(crate) fn tools() -> Vec<Value> {
    let tool = |(name, description): (&str, &str)| json!({ "name": name, "description": description, "inputSchema": { "type": "object" } });
    let tools = [
        (GREET, "Greets."),
        ("slow_compute", "Runs for so many seconds."),
        ("failing_job", "Fails after a while."),
    ];
    tools.map(tool).to_vec()
}

/// What the tool says that is never a task.
pub(crate) fn greeting(tool: &str, arguments: Option<&JsonObject>) -> Option<Value> {
    let name = arguments.and_then(|arguments| arguments.get("name")?.as_str()).unwrap_or_default();
    (tool == GREET).then(|| content::said(&format!("Hello, {name}!")))
}

/// The arguments of `execute_query` that do what a tool of the suite does.
pub(crate) fn statement(tool: &str, arguments: Option<&JsonObject>) -> Option<JsonObject> {
    let given = |name: &str| arguments.and_then(|arguments| arguments.get(name)).cloned();
    let arguments = match tool {
        "slow_compute" => {
            let seconds = given("seconds").unwrap_or_default();
            json!({ "query": format!("SELECT SLEEP({seconds})") })
        }
        "failing_job" => json!({ "query": "SELECT SLEEP(600)", "timeout": 2 }),
        _ => return None,
    };
    arguments.as_object().cloned()
}

fn account(server: &Server) -> Arc<dyn Warehouse> {
    let settings = SnowflakeSettings {
        account: "TESTORG-TEST".to_owned(),
        user: Some("MCP".to_owned()),
        role: None,
        warehouse: None,
        database: None,
        schema: None,
        host: Some(server.url()),
        login: SnowflakeLogin::Password { password: Secret::new("canary".to_owned()) },
    };
    let (worker, variables) = ("query[0]".to_owned(), Variables::new());
    let (refusals, kept_logins) = (None, None);
    let clock = Clock::start();
    let house = Surroundings { worker, refusals, kept_logins, clock, variables };
    Arc::new(SnowflakeWarehouse::open(&settings, &house).unwrap())
}

#[test]
#[expect(clippy::print_stdout, reason = "a test says what it saw")]
fn the_suites_tasks_pass_but_for_what_no_task_here_does() {
    let suite = match install::suite() {
        Ok(suite) => suite,
        Err(why) => {
            let name = "the_suites_tasks_pass_but_for_what_no_task_here_does";
            return skipping::skip(name, &why);
        }
    };
    let server = Server::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let account = (account(&server), Arc::<Counts>::default());
    let nobody = Colleagues { bus: Bus::alone(), office: None };
    let (settings, place) = (settings(), (listener(), nobody));
    let house = runtime.block_on(house_before(account, place, &settings, Fixtures::new));
    let results = tempfile::tempdir().unwrap();
    let url = format!("http://{}/mcp", house.address);
    for scenario in SCENARIOS {
        #[expect(clippy::disallowed_methods, reason = "the suite is a program of its own")]
        let output = Command::new(&suite.node)
            .arg(&suite.program)
            .args(["server", "--url", &url, "--scenario", scenario, "--output-dir"])
            .arg(results.path())
            .output()
            .unwrap();
        let ran = outcomes(results.path()).contains_key(scenario);
        assert!(ran, "{scenario}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let outcomes: BTreeMap<String, Outcome> = outcomes(results.path());
    let succeeded: usize = outcomes.values().map(|outcome| outcome.succeeded).sum();
    println!("tasks: {} scenarios, {succeeded} checks succeeded", outcomes.len());
    let listed: Vec<&str> = include_str!("expected-tasks.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    let failed: Vec<&String> = outcomes.values().flat_map(|outcome| &outcome.failed).collect();
    for check in &listed {
        let is_there = failed.iter().any(|failure| failure.contains(check));
        assert!(is_there, "{check} passes now; take it off the list");
    }
    let is_listed = |failure: &String| listed.iter().any(|check| failure.contains(check));
    let unexpected: Vec<_> = failed.iter().filter(|failure| !is_listed(failure)).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}
