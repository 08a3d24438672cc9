//! Commands about the workers themselves: what their clients do, their pools, maintenance.
//!
//! Each asks the running supervisor, which asks every worker of the app. A worker that does not
//! answer is named, and the command fails: what it was to do is not sure.

use std::io::{self, Write};

use mcp_protocol::admin::told::{Missing, Told};
use mcp_protocol::admin::{Maintenance, WAIT_MAX, Wish};
use mcp_supervisor::cli::{
    CancelQuery, Circuit, CircuitCommand, Cli, MaintenanceCommand, MaintenanceOn, OfApp,
    OfConnection, PoolCommand, PoolReset, Queries, QueriesCommand, SetLevel, WantedLevel,
    WorkerCommand,
};
use mcp_supervisor::report;
use mcp_supervisor::runtime::{self, since_epoch};
use serde_json::json;

use super::{CommandError, Exit, page, print, print_json, socket};

/// How an answer is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

impl Form {
    fn of(json: bool) -> Form {
        if json { Form::Json } else { Form::Text }
    }
}

pub(super) fn run(cli: &Cli, wanted: &WorkerCommand) -> Result<(), CommandError> {
    match wanted {
        WorkerCommand::Sessions(of) => of_app(cli, of, Wish::Sessions),
        WorkerCommand::Queries(wanted) => queries(cli, wanted),
        WorkerCommand::TestConnection(wanted) => test_connection(cli, wanted),
        WorkerCommand::Pool(PoolCommand::Reset(wanted)) => reset_pool(cli, wanted),
        WorkerCommand::Maintenance(wanted) => maintenance(cli, wanted),
        WorkerCommand::LogLevel(wanted) => log_level(cli, wanted),
        WorkerCommand::Circuit(wanted) => circuit(cli, wanted),
        WorkerCommand::ExportState(of) => ask(cli, of.app.as_deref(), Wish::State, Form::Json),
    }
}

fn reset_pool(cli: &Cli, wanted: &PoolReset) -> Result<(), CommandError> {
    if wanted.wait > WAIT_MAX {
        let words = format!("--wait may be {} minutes at most", WAIT_MAX.as_secs() / 60);
        return Err(CommandError::Usage(words));
    }
    let wish = Wish::ResetPools { wait_seconds: wanted.wait.as_secs() };
    ask(cli, wanted.app.as_deref(), wish, Form::of(wanted.json))
}

fn maintenance(cli: &Cli, wanted: &MaintenanceCommand) -> Result<(), CommandError> {
    match wanted {
        MaintenanceCommand::On(MaintenanceOn { app, reason, retry_after, json }) => {
            let maintenance = Maintenance {
                since: since_epoch().as_secs(),
                reason: reason.clone(),
                retry_after_seconds: retry_after.as_secs(),
                // The supervisor knows who asks.
                by: String::new(),
            };
            let wish = Wish::Maintain(Some(maintenance));
            ask(cli, app.as_deref(), wish, Form::of(*json))
        }
        MaintenanceCommand::Off(of) => of_app(cli, of, Wish::Maintain(None)),
        MaintenanceCommand::Status(of) => of_app(cli, of, Wish::Maintained),
    }
}

fn queries(cli: &Cli, wanted: &Queries) -> Result<(), CommandError> {
    match &wanted.command {
        None => of_app(cli, &wanted.of, Wish::Queries),
        Some(QueriesCommand::Cancel(CancelQuery { id, json })) => {
            ask(cli, None, Wish::CancelQuery { id: id.clone() }, Form::of(*json))
        }
    }
}

fn test_connection(cli: &Cli, wanted: &OfConnection) -> Result<(), CommandError> {
    let wish = Wish::TestConnections { connection: wanted.connection.clone() };
    ask(cli, wanted.app.as_deref(), wish, Form::of(wanted.json))
}

fn log_level(cli: &Cli, wanted: &SetLevel) -> Result<(), CommandError> {
    let level = match wanted.level {
        WantedLevel::Level(level) => Some(level),
        WantedLevel::File => None,
    };
    ask(cli, wanted.app.as_deref(), Wish::LogLevel(level), Form::of(wanted.json))
}

fn circuit(cli: &Cli, wanted: &Circuit) -> Result<(), CommandError> {
    match &wanted.command {
        None => of_app(cli, &wanted.of, Wish::Circuits),
        Some(CircuitCommand::Reset(OfConnection { app, connection, json })) => {
            let wish = Wish::ResetCircuits { connection: connection.clone() };
            ask(cli, app.as_deref(), wish, Form::of(*json))
        }
    }
}

fn of_app(cli: &Cli, OfApp { app, json }: &OfApp, wish: Wish) -> Result<(), CommandError> {
    ask(cli, app.as_deref(), wish, Form::of(*json))
}

/// Asks, prints what is told, and fails where something did not go as it was wished.
fn ask(cli: &Cli, app: Option<&str>, wish: Wish, form: Form) -> Result<(), CommandError> {
    // One statement runs at one worker of one app.
    let one_of_all = matches!(wish, Wish::CancelQuery { .. });
    let gathered = runtime::wish(&socket(cli)?, app.map(str::to_owned), wish)?;
    let (mut all, mut silent) = (Vec::new(), Vec::new());
    for gathered in gathered {
        let app = gathered.app.clone();
        match Told::of(gathered) {
            Ok(told) => all.push(told),
            Err(missing) => silent.push((app, missing)),
        }
    }
    let found = all.iter().any(|told| !told.is_troubled());
    if one_of_all && found {
        all.retain(|told| !told.is_troubled());
        silent.clear();
    }
    match form {
        Form::Json => print_json(&json!({
            "apps": all,
            "silent": silent.iter().map(|(app, missing)| json!({ "app": app, "missing": missing }))
                .collect::<Vec<_>>(),
        }))?,
        Form::Text => print(&report::told(&all, since_epoch(), page()))?,
    }
    let missing = all.iter().map(|told| (&told.app, &told.missing));
    let silences = silent.iter().map(|(app, missing)| (app, missing));
    for (app, missing) in missing.chain(silences) {
        say_missing(app, missing);
    }
    let troubled = all.iter().any(Told::is_troubled) || !silent.is_empty();
    if troubled { Err(CommandError::Told { exit: Exit::Failed }) } else { Ok(()) }
}

fn say_missing(app: &str, missing: &[Missing]) {
    for Missing { worker, why } in missing {
        say!("warning: {app}[{}] (pid {}): {why}", worker.slot, worker.pid);
    }
    if missing.is_empty() {
        return;
    }
    let _ = io::stderr().flush();
}
