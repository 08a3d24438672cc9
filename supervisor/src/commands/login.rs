//! `login`: a person logs in at a browser, for all workers of the machine.
//!
//! The worker's program speaks with Snowflake; here it is only found out for whom. `start` does the
//! same before it starts anything, when somebody sits before it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use mcp_protocol::settings::{
    DEFAULT_CONNECTION, SnowflakeLogin, SnowflakeSettings, WarehouseSettings,
};
use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::config::{AppConfig, Config};
use mcp_supervisor::report;
use mcp_supervisor::runtime::{self, LoginOf};

use super::{CommandError, Exit, load, system};

/// One account that a person logs in to.
struct Place<'a> {
    /// The program of its app's workers.
    program: &'a Path,
    account: &'a SnowflakeSettings,
}

pub(super) fn login(cli: &Cli, wanted: &cli::Login) -> Result<(), CommandError> {
    let config = load(cli)?;
    if let Some(app) = &wanted.app
        && !config.apps.keys().any(|name| name.as_str() == app)
    {
        let known = config.apps.keys().map(|name| name.as_str());
        return Err(CommandError::Usage(report::unknown_app(app, known)));
    }
    let places = places(&config, wanted);
    if places.is_empty() {
        return Err(CommandError::Usage(
            "there is nobody to log in: no such account has authenticator = \"external_browser\""
                .to_owned(),
        ));
    }
    let all =
        places.iter().map(|place| at(&config, place, wanted)).collect::<Result<Vec<_>, _>>()?;
    match all.into_iter().all(|is_in| is_in) {
        true => Ok(()),
        false => Err(CommandError::Told { exit: Exit::Failed }),
    }
}

/// Before workers are started: who sits before the command is asked at once. What comes of it
/// keeps nobody from starting, for the workers can wait.
pub(super) fn before_start(config: &Config) -> Result<(), CommandError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    for place in places(config, &cli::Login::default()) {
        if !at(config, &place, &cli::Login::default())? {
            say!("the workers are started all the same; `mcp-supervisor login` lets them in");
        }
    }
    Ok(())
}

/// Each account once, whoever uses it.
fn places<'a>(config: &'a Config, wanted: &cli::Login) -> Vec<Place<'a>> {
    let meant = |name: &str| wanted.app.as_deref().is_none_or(|app| app == name);
    let apps = config.apps.iter().filter(|(name, _)| meant(name.as_str()));
    let mut places: Vec<Place<'a>> = Vec::new();
    for place in apps.flat_map(|(_, app)| of_app(app, wanted)) {
        let who = |account: &'a SnowflakeSettings| (&account.account, &account.user, &account.host);
        if !places.iter().any(|known| who(known.account) == who(place.account)) {
            places.push(place);
        }
    }
    places
}

fn of_app<'a>(app: &'a AppConfig, wanted: &cli::Login) -> Vec<Place<'a>> {
    let Some(settings) = &app.settings else { return Vec::new() };
    let default = match &settings.warehouse {
        WarehouseSettings::Embedded { .. } => None,
        WarehouseSettings::Snowflake(account) => Some((DEFAULT_CONNECTION, &**account)),
    };
    let named = settings.connections.iter().map(|(name, account)| (name.as_str(), account));
    let meant = |name: &str| wanted.connection.as_deref().is_none_or(|wanted| wanted == name);
    let all = default.into_iter().chain(named).filter(|(name, account)| {
        meant(name) && matches!(account.login, SnowflakeLogin::ExternalBrowser)
    });
    all.map(|(_, account)| Place { program: &app.program, account }).collect()
}

/// True when the person is logged in by the end.
fn at(config: &Config, place: &Place<'_>, wanted: &cli::Login) -> Result<bool, CommandError> {
    let Place { program, account } = place;
    let login = LoginOf {
        account: &account.account,
        user: account.user.as_deref().unwrap_or_default(),
        host: account.host.as_deref(),
        run_directory: &config.supervisor.run_directory,
        again: wanted.again,
        no_browser: wanted.no_browser,
    };
    let program_name = program.display().to_string();
    runtime::log_in(program, &login).map_err(system(&format!("start {program_name}")))
}
