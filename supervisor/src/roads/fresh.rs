//! A configuration from nothing, for `init`: the sample account, a Snowflake account, or a program
//! of one's own.

use super::document::{Document, Table};
use super::words::shell_words;

/// What an app of `mcp-worker` is called when nobody says otherwise.
pub const APP: &str = "query";
/// Where it serves then.
pub const LISTEN: &str = "127.0.0.1:8000";

/// What a new file is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The app's name.
    pub app: String,
    /// What it runs.
    pub choice: Choice,
    /// Where it serves; a program without one binds its own port, if any.
    pub listen: Option<String>,
    /// How many workers.
    pub instances: u32,
    /// An environment that is to have a part of its own.
    pub environment: Option<String>,
}

/// What an app runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// `mcp-worker`, with the sample account inside it.
    Sample,
    /// `mcp-worker`, with the Snowflake account of this name.
    Snowflake(String),
    /// A program and its arguments.
    Program(Vec<String>),
}

/// A name that an app may have.
///
/// # Errors
/// In words, when it may not.
pub fn app_name(name: &str) -> Result<String, String> {
    match crate::config::is_name(name) {
        true => Ok(name.to_owned()),
        false => Err("a name has letters, digits, `.`, `_`, `-`, and begins with none of `.` \
                      and `-`"
            .to_owned()),
    }
}

/// A program and its arguments, from one line.
///
/// # Errors
/// In words, when nothing is named or a quote is open.
pub fn command(line: &str) -> Result<Vec<String>, String> {
    match shell_words(line) {
        Ok(words) if words.first().is_some_and(|program| !program.is_empty()) => Ok(words),
        Ok(_) => Err("write a program and its arguments".to_owned()),
        Err(why) => Err(format!("this line cannot be taken apart: {why}")),
    }
}

/// That a program would be given what only a shell understands, and how to have a shell read it;
/// `None` when nothing of the line is meant for one.
#[must_use]
pub fn unread(line: &str, words: &[String]) -> Option<String> {
    // What was in quotes is a word of its own, and meant as it is.
    let bare: Vec<&str> = line.split_whitespace().collect();
    let of_a_shell =
        words.iter().filter(|word| bare.contains(&word.as_str()) && is_of_a_shell(word));
    let mut shown: Vec<String> = of_a_shell.map(|word| format!("`{word}`")).collect();
    shown.dedup();
    let quoted = line.trim().replace('\'', r"'\''");
    (!shown.is_empty()).then(|| {
        let shown = shown.join(", ");
        format!("no shell reads this: the program is given {shown} as it is; for a shell write sh -c '{quoted}'")
    })
}

/// Whether a word that was not in quotes joins commands, redirects, or is replaced by a shell.
fn is_of_a_shell(word: &str) -> bool {
    ["&", "&&", "|", "||", ";"].contains(&word)
        || word.ends_with(';')
        || ["<", ">", "1>", "2>", "&>", "~/"].iter().any(|start| word.starts_with(start))
        || word.contains(['$', '`', '*'])
}

/// The text of the new file.
#[must_use]
pub fn fresh(wanted: &Fresh) -> String {
    let mut document = Document::default();
    document.head(
        "What mcp-supervisor keeps running: `mcp-supervisor check` says what is wrong with this \
         file,\n`mcp-supervisor start` starts it. Lines that begin with `#` and a key show \
         defaults and examples.\nEvery key is in docs/config.md. Relative paths start at this file.",
    );
    let supervisor = document.table(&["supervisor"]);
    supervisor.remark("Where /metrics is served, or \"off\".");
    supervisor.suggest("metrics", "127.0.0.1:8001");
    match &wanted.choice {
        Choice::Sample => {
            let listen = wanted.listen.as_deref().unwrap_or(LISTEN);
            worker(&mut document, &wanted.app, listen, wanted.instances);
            sample(&mut document, &wanted.app);
        }
        Choice::Snowflake(account) => {
            let listen = wanted.listen.as_deref().unwrap_or(LISTEN);
            worker(&mut document, &wanted.app, listen, wanted.instances);
            snowflake(&mut document, &wanted.app, account);
            limits(&mut document, &wanted.app);
        }
        Choice::Program(words) => program(&mut document, wanted, words),
    }
    if let Some(name) = &wanted.environment {
        environment(&mut document, wanted, name);
    }
    document.text()
}

/// An app of `mcp-worker`.
pub(super) fn worker(document: &mut Document, app: &str, listen: &str, instances: u32) {
    let table = document.table(&["apps", app]);
    table.remark("The MCP worker: beside mcp-supervisor, then in PATH.");
    table.set("exec", vec!["mcp-worker".to_owned()]);
    table.remark("Bound by the supervisor, shared by all workers; clients use http://…/mcp there.");
    table.set("listen", listen);
    table.set("instances", i64::from(instances));
}

/// The sample account, and how to come from it to one's own.
pub(super) fn sample(document: &mut Document, app: &str) {
    let warehouse = document.table(&["apps", app, "warehouse"]);
    warehouse.remark("The sample account inside the worker: TPC-H data, no credentials.");
    warehouse.set("kind", "embedded");
    limits(document, app);
    let table = document.table(&["apps", app, "snowflake"]);
    table.remark("For your own account, in place of the sample; see docs/config.md.");
    table.suggest("account", "ORGANISATION-ACCOUNT");
    credentials(table);
    let table = document.table(&["environments", "production", "apps", app, "warehouse"]);
    table.remark(
        "Production refuses to serve sample data without this; remove it with your own account.",
    );
    table.suggest("sample_account_in_production", true);
}

/// A Snowflake account. Who logs in is for a person to fill in: until then `check` refuses the file
/// and names what is missing, and no sample data takes the account's place.
fn snowflake(document: &mut Document, app: &str, account: &str) {
    let table = document.table(&["apps", app, "snowflake"]);
    table.remark(
        "Fill in who logs in, and how; `mcp-supervisor check` names what is missing. See Snowflake \
         in docs/config.md.",
    );
    table.set("account", account);
    credentials(table);
}

fn limits(document: &mut Document, app: &str) {
    let limits = document.table(&["apps", app, "limits"]);
    limits.remark("The most rows of an answer, and how long a statement may run.");
    limits.suggest("max_rows", 10_000);
    limits.suggest("statement_timeout", "60s");
}

/// Who logs in, for a person to take into use.
fn credentials(table: &mut Table) {
    table.suggest("user", "MCP_SERVICE");
    table.suggest("role", "MCP_READER");
    table.suggest("warehouse", "COMPUTE_WH");
    table.suggest("private_key_file", "rsa_key.p8");
}

fn program(document: &mut Document, wanted: &Fresh, words: &[String]) {
    let table = document.table(&["apps", &wanted.app]);
    table.remark("No shell reads this: a program, looked for in PATH, and its arguments.");
    table.set("exec", words.to_vec());
    table.remark("Where it runs.");
    table.suggest("cwd", ".");
    match &wanted.listen {
        Some(listen) => {
            table.remark(
                "Bound by the supervisor; the program takes descriptor 3 (docs/any-program.md).",
            );
            table.set("listen", listen.as_str());
        }
        None => {
            table.remark(
                "With this the supervisor binds the port, and all workers share it \
                 (docs/any-program.md).",
            );
            table.suggest("listen", "127.0.0.1:8080");
        }
    }
    table.set("instances", i64::from(wanted.instances));
    table.remark(
        "Ready when it has been alive so long; \"notify\", \"output\" and \"probe\" know better.",
    );
    table.set("ready", "2s");
    let env = document.table(&["apps", &wanted.app, "env"]);
    env.remark("Variables for the program; no secrets, every process of the same user reads them.");
    env.suggest("TZ", "UTC");
    let restart = document.table(&["apps", &wanted.app, "restart"]);
    restart.remark("Or \"on_failure\" (not after a clean exit), or \"never\".");
    restart.suggest("policy", "always");
    restart.remark("A worker that takes more is replaced.");
    restart.suggest("max_memory", "500MB");
    let health = document.table(&["apps", &wanted.app, "health"]);
    health.remark("How long running requests may take to finish when it is asked to leave.");
    health.suggest("drain_timeout", "30s");
}

fn environment(document: &mut Document, wanted: &Fresh, name: &str) {
    let table = document.table(&["environments", name, "apps", &wanted.app]);
    table.remark(&format!("Laid over the above by `mcp-supervisor --env {name} start`."));
    table.set("instances", i64::from(wanted.instances));
    if name == "production" && wanted.choice == Choice::Sample {
        let table = document.table(&["environments", name, "apps", &wanted.app, "warehouse"]);
        table.set("sample_account_in_production", true);
    }
}
