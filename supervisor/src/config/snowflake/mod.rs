//! `[apps.NAME.snowflake]`, and each of `[apps.NAME.connections]`: an account at Snowflake, and what
//! to log in to it with.
//!
//! What is written here is stronger than what `connection` brings from Snowflake's own files.
//! Credentials that are half there are a problem in every environment, for a service that quietly
//! did something else with them would be worse. A secret is read here, once, into a
//! [`Secret`](mcp_protocol::secret::Secret), and is named in words by its key alone.

mod authenticator;
mod changed;
mod connections;
mod host;
mod login;
mod private_key;
mod secret_file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{DEFAULT_CONNECTION, SnowflakeSettings};

use authenticator::Authenticator;
pub(super) use authenticator::{authenticator, authenticators};
pub(super) use changed::changed_secrets;
use connections::Connection;
pub(super) use secret_file::exposed;

use super::check::Around;
use super::file::{Node, child_key};
use super::origin::Origin;
use super::problem::Report;
use super::program::absolute;
use super::section::Section;
use super::{policy, variables};

/// The table of the file.
pub(super) const TABLE: &str = "snowflake";
/// The table of further accounts, each below its name.
pub(super) const CONNECTIONS: &str = "connections";

/// Keys that do not say who logs in: alone they mean no account.
const SURROUNDING: [&str; 5] = ["role", "warehouse", "database", "schema", "host"];

/// Whether a table says, if only half, who logs in where.
pub(super) fn is_meant(section: Section<'_>) -> bool {
    section.values().iter().any(|(key, _)| !SURROUNDING.contains(&key.as_str()))
}

/// The account that an app's table means; `None` when a problem was noted.
pub(super) fn read(
    app: Section<'_>,
    around: &Around<'_>,
    report: &mut Report,
    remarks: &mut Vec<String>,
) -> Option<SnowflakeSettings> {
    account(app.section(TABLE), Whose::Default, around, report, remarks)
}

/// The further accounts of an app by their names, without those of which a problem was noted.
pub(super) fn connections(
    app: Section<'_>,
    around: &Around<'_>,
    report: &mut Report,
    remarks: &mut Vec<String>,
) -> BTreeMap<String, SnowflakeSettings> {
    let mut accounts = BTreeMap::new();
    for (name, section) in app.section(CONNECTIONS).members() {
        if name == DEFAULT_CONNECTION {
            let node = section.nearest;
            let words = "means the account that is used where none is named; write it below \
                         [apps.NAME.snowflake], or give this one another name";
            report.add(&node.key, node.place, words);
            continue;
        }
        let found = account(section, Whose::Named(name), around, report, remarks);
        accounts.extend(found.map(|account| (name.to_owned(), account)));
    }
    accounts
}

/// Which account of an app is read.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Default,
    Named(&'a str),
}

impl Whose<'_> {
    /// The key of its table as seen from the app.
    fn table(self) -> String {
        match self {
            Whose::Default => TABLE.to_owned(),
            Whose::Named(name) => child_key(CONNECTIONS, name),
        }
    }
}

fn account(
    section: Section<'_>,
    whose: Whose<'_>,
    around: &Around<'_>,
    report: &mut Report,
    remarks: &mut Vec<String>,
) -> Option<SnowflakeSettings> {
    let table = format!("{}.{}", child_key("apps", around.app), whose.table());
    if report.blames_within(&table) {
        return None;
    }
    let connection = match section.node("connection") {
        Some(node) => Some(connection(node, around, report, remarks)?),
        None => None,
    };
    Account { section, whose, connection, table, around, report, remarks }.read()
}

fn connection(
    node: &Node,
    around: &Around<'_>,
    report: &mut Report,
    remarks: &mut Vec<String>,
) -> Option<Connection> {
    let name = super::value::text(node).ok()?;
    let directory = connections::directory(around.surroundings);
    for file in directory.iter().flat_map(|at| connections::FILES.map(|file| at.join(file))) {
        report.reads(&file);
    }
    match Connection::find(name, around.surroundings) {
        Ok((connection, exposed)) => {
            let holds_secret = connection.holds_secret();
            match exposed {
                Some(words) if holds_secret && around.in_production() => {
                    report.add(&node.key, node.place, words);
                }
                Some(words) => remarks.push(words),
                None => {}
            }
            Some(connection)
        }
        Err(words) => {
            report.add(&node.key, node.place, words);
            None
        }
    }
}

/// An account while it is read.
struct Account<'a, 'r> {
    section: Section<'a>,
    whose: Whose<'a>,
    connection: Option<Connection>,
    /// The table's full key.
    table: String,
    around: &'a Around<'a>,
    report: &'r mut Report,
    remarks: &'r mut Vec<String>,
}

/// Which side says it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Written,
    Connection,
}

/// Which data an app serves, told as that of the sample account is.
fn served(whose: Whose<'_>, account: &str, user: Option<&str>) -> String {
    let user = user.map_or(String::new(), |user| format!(" as {user}"));
    let to_whom = match whose {
        Whose::Default => String::new(),
        Whose::Named(name) => format!(" to calls that name the connection {name}"),
    };
    format!("serves the Snowflake account {account}{user}{to_whom}")
}

impl Account<'_, '_> {
    fn read(mut self) -> Option<SnowflakeSettings> {
        let account = self.needed("account").and_then(|text| self.account(&text));
        let authenticator = self.authenticator();
        let login = authenticator.and_then(|way| self.login(way));
        let user = match authenticator.is_some_and(Authenticator::names_user) {
            true => self.text("user"),
            false => self.needed("user"),
        };
        let host = match self.text("host") {
            Some(text) => self.host(text),
            None => self.text("account").and_then(|account| host::of_china(&account)),
        };
        if self.report.blames_within(&self.table) {
            return None;
        }
        let account = account?;
        self.remarks.push(served(self.whose, &account, user.as_deref()));
        Some(SnowflakeSettings {
            account,
            user,
            role: self.text("role"),
            warehouse: self.text("warehouse"),
            database: self.text("database"),
            schema: self.text("schema"),
            host,
            login: login?,
        })
    }

    fn found(&self, name: &str) -> Option<(&str, Side)> {
        let written = self.section.text(name).map(|text| (text, Side::Written));
        let named = || Some((self.connection.as_ref()?.text(name)?, Side::Connection));
        written.or_else(named)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.found(name).map(|(text, _)| text.to_owned())
    }

    /// A value without which there is no account.
    fn needed(&mut self, name: &str) -> Option<String> {
        let text = self.text(name);
        if text.is_none() {
            let example = super::keys::snowflake_example(name);
            self.missing(name, &format!("is missing; write {name} = {example}"));
        }
        text
    }

    /// Notes that a key is absent, and which variable would do as well.
    fn missing(&mut self, name: &str, words: &str) {
        let variable = variables::name_of(&format!("{}.{name}", self.whose.table()));
        let or_set = variable.map_or(String::new(), |variable| format!(", or set {variable}"));
        self.blame(name, format!("{words}{or_set}"));
    }

    /// Notes a problem where the key was written, else where it would be.
    fn blame(&mut self, name: &str, words: String) {
        let written = self.section.node(name);
        let brought = || self.connection.as_ref().and(self.section.node("connection"));
        let place = written.or_else(brought).unwrap_or(self.section.nearest).place;
        self.report.add(&child_key(&self.table, name), place, words);
    }

    /// The identifier; people paste the address that they see, which holds it.
    fn account(&mut self, text: &str) -> Option<String> {
        let name = text.split("://").last().unwrap_or_default();
        let name = name.split([':', '/']).next().unwrap_or_default();
        let account = name.split(".snowflakecomputing.").next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !account.is_empty() && account.chars().all(plain) {
            return Some(account.to_owned());
        }
        let words = "is no account identifier; write it as in \"ORG-ACCOUNT\"";
        self.blame("account", words.to_owned());
        None
    }

    fn host(&mut self, text: String) -> Option<String> {
        match host::check(&text) {
            Ok(()) => Some(text),
            Err(words) => {
                self.blame("host", words);
                None
            }
        }
    }

    /// The secret of a key or of the file that the key with `_file` names; `Some(None)`: neither.
    fn secret(&mut self, key: &str) -> Option<Option<Secret>> {
        let file_key = format!("{key}_file");
        let both = self.section.node(key).is_some() && self.section.node(&file_key).is_some();
        if both {
            self.blame(key, format!("is written twice; remove it, or {file_key}"));
            return None;
        }
        let literal = self.found(key).map(|(text, from)| (Secret::new(text.to_owned()), from));
        let file = self.found(&file_key).map(|(text, from)| (text.to_owned(), from));
        match (literal, file) {
            (_, Some((name, Side::Written))) => self.secret_of(&file_key, &name, Side::Written),
            (Some((secret, from)), _) => {
                self.remark_on_literal(key, from);
                Some(Some(secret))
            }
            (None, Some((name, from))) => self.secret_of(&file_key, &name, from),
            (None, None) => Some(None),
        }
    }

    fn secret_of(&mut self, key: &str, name: &str, from: Side) -> Option<Option<Secret>> {
        let (path, trust) = self.place(name, from);
        self.report.reads(&path);
        match secret_file::read(&path, trust) {
            Ok((secret, exposed)) => {
                match exposed {
                    Some(words) if self.around.in_production() => self.blame(key, words),
                    Some(words) => self.remarks.push(format!("{}.{key}: {words}", self.table)),
                    None => {}
                }
                Some(Some(secret))
            }
            Err(words) => {
                self.blame(key, words);
                None
            }
        }
    }

    /// Where a file of a secret lies, and whether its mode says who may read it.
    fn place(&self, name: &str, from: Side) -> (PathBuf, secret_file::Trust) {
        let surroundings = self.around.surroundings;
        if let Some(directory) = surroundings.variable(policy::CREDENTIALS_DIRECTORY)
            && !name.contains('/')
        {
            let path = Path::new(directory).join(name);
            if path.is_file() {
                return (path, secret_file::Trust::ServiceManager);
            }
        }
        if let (Some(rest), Some(home)) = (name.strip_prefix("~/"), surroundings.variable("HOME")) {
            return (Path::new(home).join(rest), secret_file::Trust::Mode);
        }
        let base = match (from, &self.connection) {
            (Side::Connection, Some(connection)) => connection.directory(),
            (Side::Connection, None) | (Side::Written, _) => self.around.directory,
        };
        (absolute(base, Path::new(name)), secret_file::Trust::Mode)
    }

    fn remark_on_literal(&mut self, key: &str, from: Side) {
        let file = self.report.file();
        let in_file = self.section.node(key).is_some_and(|node| node.origin == Origin::File);
        if from == Side::Written
            && in_file
            && let Some(words) = secret_file::exposed(file)
        {
            let key = child_key(&self.table, key);
            self.remarks.push(format!("{key} is a secret, and {words}, or write {key}_file"));
        }
    }
}
