//! `client`: who may call, and the keys by which they are known.
//!
//! It works without a running supervisor, on what the state directory holds; where one runs, it
//! waits until that one has taken a change in. A key can be revoked though the file cannot be used.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use mcp_protocol::control::{Request, Status};
use mcp_protocol::secret::Secret;
use mcp_supervisor::cli::{self, Cli, ClientCommand, KeyCommand};
use mcp_supervisor::config::{self, Config, StoredKey};
use mcp_supervisor::report::{self, ClientOf};
use mcp_supervisor::runtime::{self, Wanted, since_epoch};

use super::config::state_of_running;
use super::{
    CommandError, Exit, absolute, load, print, print_json, socket, surroundings, with_time_zone,
};

pub(super) fn run(cli: &Cli, wanted: &ClientCommand) -> Result<(), CommandError> {
    let place = Place::find(cli)?;
    match wanted {
        ClientCommand::List(output) => list(cli, &place, output),
        ClientCommand::Key(KeyCommand::Create(wanted)) => create(cli, &place, wanted),
        ClientCommand::Key(KeyCommand::List(wanted)) => keys(cli, &place, wanted),
        ClientCommand::Key(KeyCommand::Revoke(wanted)) => revoke(&place, wanted),
        ClientCommand::Key(KeyCommand::Rotate(wanted)) => rotate(&place, wanted),
    }
}

/// Where keys are kept, and who must hear of a change.
struct Place {
    state: PathBuf,
    logs: PathBuf,
    /// Where the supervisor listens that runs this file.
    running: Option<PathBuf>,
}

impl Place {
    fn find(cli: &Cli) -> Result<Place, CommandError> {
        let socket = socket(cli)?;
        let status = runtime::ask(&socket, &Request::Status, &mut |_| {}).ok();
        let is_ours =
            |status: &Status| runtime::is_same_file(&status.config_file, &absolute(&cli.config));
        let surroundings = with_time_zone(surroundings(cli)?);
        let environment = cli.env.as_deref();
        match status.filter(is_ours) {
            Some(status) => {
                let usual = || {
                    let environment = Some(status.environment.as_str());
                    config::state_directory_of(&cli.config, environment, &surroundings)
                };
                let state = state_of_running(&socket).unwrap_or_else(usual);
                Ok(Place { state, logs: status.log_directory.clone(), running: Some(socket) })
            }
            None => Ok(Place {
                state: config::state_directory_of(&cli.config, environment, &surroundings),
                logs: config::logs_of(&cli.config, environment, &surroundings),
                running: None,
            }),
        }
    }

    fn keys(&self) -> Result<Vec<StoredKey>, CommandError> {
        Ok(runtime::stored_keys(&self.state)?)
    }

    /// Writes down what was done; that it cannot be is said, for the key is made by then.
    fn note(&self, event: &str, key: &StoredKey) {
        if let Err(error) = runtime::note_key_event(&self.logs, event, key) {
            say!("warning: {}", report::with_causes(&error));
        }
    }

    /// Waits until the supervisor that runs has taken a change of a key in, and says so.
    fn settle(&self, id: &str, wanted: Wanted) -> Result<(), CommandError> {
        let Some(socket) = &self.running else {
            say!("no supervisor runs this file; the next one to start takes it in");
            return Ok(());
        };
        if runtime::taken_in(socket, id, wanted)? {
            say!("the running supervisor has taken it in and told its workers");
            return Ok(());
        }
        say!(
            "warning: the running supervisor has not taken it in; `mcp-supervisor status` may say \
             why, and with supervisor.watch = false `mcp-supervisor reload` has it read"
        );
        Err(CommandError::Told { exit: Exit::Failed })
    }
}

fn clients(config: &Config) -> Vec<ClientOf<'_>> {
    let apps = config.apps.iter();
    apps.filter_map(|(name, app)| Some((name, app.settings.as_ref()?)))
        .flat_map(|(name, settings)| {
            let app = name.as_str();
            settings.access.clients.iter().map(move |client| ClientOf { app, client })
        })
        .collect()
}

fn list(cli: &Cli, place: &Place, output: &cli::Output) -> Result<(), CommandError> {
    let config = load(cli)?;
    let (clients, keys) = (clients(&config), place.keys()?);
    match output.json {
        true => print_json(&report::clients_json(&clients, &keys, since_epoch())),
        false => print(&report::clients(&clients, &keys, since_epoch())),
    }
}

fn create(cli: &Cli, place: &Place, wanted: &cli::CreateKey) -> Result<(), CommandError> {
    let config = load(cli)?;
    let names: BTreeSet<&str> =
        clients(&config).iter().map(|one| one.client.name.as_str()).collect();
    if !names.contains(wanted.client.as_str()) {
        return Err(CommandError::Usage(report::unknown_client(
            &wanted.client,
            names.iter().copied(),
        )));
    }
    let about = (wanted.name.clone(), wanted.expires);
    let (key, secret) = runtime::create_key(&place.state, &wanted.client, about)?;
    place.note("key_created", &key);
    show(&key, &secret, wanted.json)?;
    say!("the key of {} (id {}); it is shown this once", key.client, key.id);
    place.settle(&key.id, Wanted::Known)
}

/// The key, alone on standard output.
fn show(key: &StoredKey, secret: &Secret, json: bool) -> Result<(), CommandError> {
    if !json {
        return print(&format!("{}\n", secret.expose()));
    }
    let mut about = report::key_json(key, "good");
    about["key"] = secret.expose().into();
    print_json(&about)
}

fn keys(cli: &Cli, place: &Place, wanted: &cli::ListKeys) -> Result<(), CommandError> {
    let mut keys = place.keys()?;
    keys.retain(|key| wanted.client.as_ref().is_none_or(|client| *client == key.client));
    // The list is wanted most when something is wrong.
    let config = load(cli).ok();
    let clients = config.as_ref().map(clients);
    match wanted.json {
        true => print_json(&report::keys_json(&keys, clients.as_deref(), since_epoch())),
        false => print(&report::keys(&keys, clients.as_deref(), since_epoch())),
    }
}

fn revoke(place: &Place, wanted: &cli::RevokeKey) -> Result<(), CommandError> {
    let key = runtime::revoke_key(&place.state, &wanted.id)?;
    place.note("key_revoked", &key);
    if wanted.json {
        print_json(&report::key_json(&key, "revoked"))?;
    }
    say!("key {} of {} is revoked", key.id, key.client);
    place.settle(&key.id, Wanted::Unknown)
}

fn rotate(place: &Place, wanted: &cli::RotateKey) -> Result<(), CommandError> {
    let times = (wanted.grace, wanted.expires);
    let (old, key, secret) = runtime::rotate_key(&place.state, &wanted.id, times)?;
    place.note("key_created", &key);
    place.note("key_rotated", &old);
    show(&key, &secret, wanted.json)?;
    say!("the key of {} (id {}); it is shown this once", key.client, key.id);
    let end = old.expires_at.unwrap_or_default();
    say!("key {} is good until {}", old.id, report::moment(std::time::Duration::from_secs(end)));
    place.settle(&key.id, Wanted::Known)
}
