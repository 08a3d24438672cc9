//! A login by a person at a browser, for a developer's desk.
//!
//! Snowflake names a page, the person says there who it is, and the page leads the browser back to
//! a port of this machine with what proves it. For that Snowflake gives a token, which is `kept` for
//! all workers of the machine: they log in with it until it ends. Workers never open a browser:
//! they have no screen, what they start ends with them, and nobody may sit there. Whoever types
//! `mcp-supervisor login` does, once for all of them. Follows Snowflake's own drivers for Python
//! and Go.

mod kept;
mod opener;
mod sitting;
mod visitor;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{SnowflakeLogin, SnowflakeSettings};
use nix::fcntl::Flock;
use tokio::sync::mpsc;

pub(super) use self::kept::Kept;
use self::kept::Turn;
pub use self::opener::Screen;
pub use self::sitting::NotLoggedIn;
use self::sitting::{Sitting, tried};
use super::account::Endpoint;
use super::gate;
use super::login::Login;
use super::platform::Variables;
use super::wire::Wire;
use crate::clock::Clock;

/// The directory beside the supervisor's socket where the tokens of those who logged in are kept.
pub const KEPT_LOGINS: &str = "browser-logins";
/// How often it is looked whether somebody else's login is over.
const TURN_SLICE: Duration = Duration::from_millis(200);

/// Who is to log in where.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The account, as it is written in the configuration.
    pub account: String,
    /// The user.
    pub user: String,
    /// The name to connect to, where it is not made from the account.
    pub host: Option<String>,
    /// The supervisor's run directory.
    pub run_directory: PathBuf,
    /// Also when the login that is kept is still good.
    pub again: bool,
    /// How long the person may take.
    pub patience: Duration,
}

/// What the person sees and says meanwhile.
pub struct Terminal<'a> {
    /// Shows a line.
    pub say: &'a mut (dyn FnMut(&str) + Send),
    /// Lines that were typed or pasted.
    pub lines: mpsc::Receiver<String>,
    /// What opens a page.
    pub screen: &'a Screen,
}

/// Lets a person log in, unless the login that is kept is good, and keeps it for the workers.
///
/// # Errors
/// When nobody logged in, Snowflake says no, or what it gives cannot be kept.
pub async fn log_in(
    wanted: &Wanted,
    clock: Clock,
    mut terminal: Terminal<'_>,
) -> Result<(), NotLoggedIn> {
    let settings = settings(wanted);
    let endpoint = Endpoint::of(&settings).map_err(NotLoggedIn::Settings)?;
    let kept = Kept::new(&wanted.run_directory.join(KEPT_LOGINS), &endpoint, &wanted.user);
    let login = Login::new(&settings, &endpoint, &Variables::new());
    let login = login.map_err(NotLoggedIn::Settings)?.with_kept(Some(kept.clone()));
    let account = endpoint.account.clone();
    let wire = Wire::new(endpoint, clock).map_err(NotLoggedIn::Settings)?;
    let until = clock.now() + wanted.patience;
    let mut shown = false;
    let lock = loop {
        match kept.turn()? {
            Turn::Ours(lock) => break lock,
            Turn::Theirs(address) if !shown => {
                shown = true;
                (terminal.say)(&format!("somebody is logging in already, at\n  {address}"));
            }
            Turn::Theirs(_) if clock.now() > until => return Err(NotLoggedIn::Nobody),
            Turn::Theirs(_) => clock.until(clock.now() + TURN_SLICE).await,
        }
    };
    let user = &wanted.user;
    if (!wanted.again || shown) && tried(&wire, &login, &kept).await? {
        (terminal.say)(&format!("{user} is logged in at the Snowflake account {account}"));
        return Ok(());
    }
    let token = attended(wanted, (&wire, &login), (&kept, lock), &mut terminal).await?;
    kept.keep(&token)?;
    // Whatever was refused before: a person has just been let in.
    gate::forgive(&wanted.run_directory.join(gate::REFUSALS), &login.credential_version());
    (terminal.say)(&format!(
        "{user} is logged in at the Snowflake account {account}; the workers are let in"
    ));
    Ok(())
}

/// Shows the page and waits for the person.
async fn attended(
    wanted: &Wanted,
    (wire, login): (&Wire, &Login),
    (kept, mut lock): (&Kept, Flock<std::fs::File>),
    terminal: &mut Terminal<'_>,
) -> Result<Secret, NotLoggedIn> {
    let sitting = Sitting::open(wire, login).await?;
    kept.tell(&mut lock, sitting.address());
    let opened = terminal.screen.open(sitting.address());
    let how = match &opened {
        Some(program) => format!("this page was opened with {program}"),
        None => "open this page in a browser".to_owned(),
    };
    let (user, account, port) = (&wanted.user, &wanted.account, sitting.port());
    (terminal.say)(&format!(
        "to log in as {user} at the Snowflake account {account}, {how}:\n  {}\nIf the browser is \
         on another machine, it ends at an address that begins with http://localhost:{port}/ and \
         shows nothing: paste that address here.",
        sitting.address()
    ));
    sitting.token(wanted.patience, &mut terminal.lines).await
}

fn settings(wanted: &Wanted) -> SnowflakeSettings {
    SnowflakeSettings {
        account: wanted.account.clone(),
        user: Some(wanted.user.clone()),
        role: None,
        warehouse: None,
        database: None,
        schema: None,
        host: wanted.host.clone(),
        login: SnowflakeLogin::ExternalBrowser,
    }
}

/// Where a worker finds what a person's login left, if it has a place for it.
pub(super) fn kept_for(
    directory: Option<&Path>,
    endpoint: &Endpoint,
    settings: &SnowflakeSettings,
) -> Option<Kept> {
    let user = settings.user.as_deref()?;
    Some(Kept::new(directory?, endpoint, user))
}
