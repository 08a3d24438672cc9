//! Connections of Snowflake's own files: `connections.toml`, else `config.toml`.
//!
//! They are looked for where Snowflake's command line and its Python connector look, and refused
//! for what those refuse: a file that others can write. Keys that mean nothing to us are left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcp_protocol::secret::Secret;
use toml::de::{DeTable, DeValue};

use super::secret_file;
use crate::config::keys::{self, nearest};
use crate::config::{Surroundings, file};

/// The files, the one that counts first.
pub(super) const FILES: [&str; 2] = ["connections.toml", "config.toml"];
/// The name of each key in Snowflake's files, and in ours.
const NAMES: [(&str, &str); 24] = [
    ("account", "account"),
    ("user", "user"),
    ("username", "user"),
    ("role", "role"),
    ("warehouse", "warehouse"),
    ("database", "database"),
    ("schema", "schema"),
    ("host", "host"),
    ("authenticator", "authenticator"),
    ("password", "password"),
    ("token", "token"),
    ("token_file_path", "token_file"),
    ("private_key_raw", "private_key"),
    ("private_key_file", "private_key_file"),
    ("private_key_path", "private_key_file"),
    ("private_key_file_pwd", "private_key_passphrase"),
    ("private_key_passphrase", "private_key_passphrase"),
    ("oauth_client_id", "oauth_client_id"),
    ("oauth_client_secret", "oauth_client_secret"),
    ("oauth_token_request_url", "oauth_token_url"),
    ("oauth_scope", "oauth_scope"),
    ("passcode", "passcode"),
    ("workload_identity_provider", super::login::PROVIDER),
    ("workload_identity_entra_resource", super::login::RESOURCE),
];

/// One connection.
pub(super) struct Connection {
    file: PathBuf,
    /// By our keys.
    values: BTreeMap<&'static str, Secret>,
}

impl Connection {
    /// The connection of this name, and in which way others may read its file.
    pub(super) fn find(
        name: &str,
        surroundings: &Surroundings,
    ) -> Result<(Connection, Option<String>), String> {
        let directory = directory(surroundings).ok_or_else(|| {
            "cannot be looked for, for HOME is not set; write account, user and private_key_file \
             instead"
                .to_owned()
        })?;
        let [own, general] = FILES.map(|file| directory.join(file));
        // As Snowflake's tools do it: the one file replaces what the other says of connections.
        let (file, inside) =
            if own.is_file() { (own, None) } else { (general, Some("connections")) };
        if !file.is_file() {
            return Err(format!(
                "is not there: neither connections.toml nor config.toml is in {}; write account, \
                 user and private_key_file instead",
                directory.display()
            ));
        }
        if let Some(words) = secret_file::writable_by_others(&file) {
            return Err(words);
        }
        let values = values(&file, inside, name)?;
        let exposed = secret_file::exposed(&file);
        Ok((Connection { file, values }, exposed))
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(Secret::expose)
    }

    pub(super) fn holds_secret(&self) -> bool {
        self.values.keys().any(|key| keys::is_secret(&format!("{}.{key}", super::TABLE)))
    }

    /// Where its file lies: relative paths in it start there.
    pub(super) fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }
}

/// `SNOWFLAKE_HOME` or `~/.snowflake` when that is there, else the system's place for settings.
pub(super) fn directory(surroundings: &Surroundings) -> Option<PathBuf> {
    let home = surroundings.variable("HOME").map(Path::new);
    let named = match (surroundings.variable("SNOWFLAKE_HOME"), home) {
        (Some(named), home) => match (named.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            (Some(_) | None, _) => PathBuf::from(named),
        },
        (None, home) => home?.join(".snowflake"),
    };
    if named.is_dir() {
        return Some(named);
    }
    let system = match surroundings.variable("XDG_CONFIG_HOME") {
        Some(settings) => PathBuf::from(settings),
        None if cfg!(target_os = "macos") => home?.join("Library/Application Support"),
        None => home?.join(".config"),
    };
    Some(system.join("snowflake"))
}

fn values(
    file: &Path,
    inside: Option<&str>,
    name: &str,
) -> Result<BTreeMap<&'static str, Secret>, String> {
    let shown = file.display();
    let text = file::text(file).map_err(|problems| {
        let words: Vec<&str> = problems.list().iter().map(|one| one.message.as_str()).collect();
        format!("{shown}: {}", words.join(", "))
    })?;
    // The parser's own words could hold a piece of the file.
    let table = DeTable::parse(&text).map_err(|fault| {
        let offset = fault.span().map_or(0, |span| span.start);
        let line = 1 + text[..text.floor_char_boundary(offset)].matches('\n').count();
        format!("{shown} is not TOML (line {line}); mend it")
    })?;
    let all = match inside {
        Some(inside) => member(table.get_ref(), inside),
        None => Some(table.get_ref()),
    };
    let Some(found) = all.and_then(|all| member(all, name)) else {
        let known = all.into_iter().flat_map(|all| all.keys().map(|key| key.get_ref().as_ref()));
        let known: Vec<&str> = known.collect();
        return Err(match nearest(name, known.iter().copied()) {
            Some(near) => format!("is not in {shown}; did you mean \"{near}\"?"),
            None => format!("is not in {shown}; there are {}", listed(&known)),
        });
    };
    let mut values = BTreeMap::new();
    for (theirs, ours) in NAMES {
        if let Some(value) = found.get(theirs)
            && let DeValue::String(text) = value.get_ref()
            && !text.is_empty()
        {
            values.entry(ours).or_insert_with(|| Secret::new(text.clone().into_owned()));
        }
    }
    if let (Some(host), Some(port)) = (values.get("host"), found.get("port")) {
        let port = match port.get_ref() {
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::String(text) => text.clone().into_owned(),
            _other => String::new(),
        };
        let whole = format!("{}:{port}", host.expose());
        values.insert("host", Secret::new(whole));
    }
    Ok(values)
}

fn member<'t, 'a>(table: &'t DeTable<'a>, name: &str) -> Option<&'t DeTable<'a>> {
    match table.get(name)?.get_ref() {
        DeValue::Table(inner) => Some(inner),
        _other => None,
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "no connections".to_owned() } else { names.join(", ") }
}
