//! An app of PM2 as tables of the new file, with a remark wherever a person must look.

use super::app::{App, Instances};
use crate::roads::document::{Document, Table, Value, path};
use crate::roads::notes::Notes;
use crate::roads::units::{duration, size};
use crate::roads::words::{needs_a_shell, shell_words};
use crate::roads::written::Written;
use crate::roads::{INSTANCES_MAX, Place, lexical, looks_secret};

/// PM2's interpreters by the script's extension.
const INTERPRETERS: [(&str, &str); 12] = [
    ("js", "node"),
    ("cjs", "node"),
    ("mjs", "node"),
    ("py", "python3"),
    ("sh", "bash"),
    ("rb", "ruby"),
    ("php", "php"),
    ("pl", "perl"),
    ("coffee", "coffee"),
    ("ls", "lsc"),
    ("ts", "bun"),
    ("tsx", "bun"),
];
/// PM2's longest wait with exponential backoff, which is our default too, in milliseconds.
const BACKOFF_MAX_MS: u64 = 15_000;
/// Our window in which deaths are counted, in milliseconds.
const WINDOW_MS: u64 = 60_000;

/// The full key of one below an app, or of an environment.
pub(super) fn full(name: &str, below: Vec<String>) -> Vec<String> {
    match below.first().map(String::as_str) {
        Some("environments") => [below, path(&["apps", name, "env"])].concat(),
        Some(_) | None => {
            let below = below.into_iter().filter(|part| !part.is_empty());
            path(&["apps", name]).into_iter().chain(below).collect()
        }
    }
}

pub(super) fn app(
    app: &App,
    name: &str,
    place: &Place,
    document: &mut Document,
    notes: &mut Notes,
) {
    let program = program(app, place);
    program_keys(app, (name, &program), place, document.table(&["apps", name]), notes);
    let table = document.table(&["apps", name]);
    instances(app, (name, &program), place, table, notes);
    if app.wait_ready {
        table.remark("It said process.send('ready'); let it print a line, and name it here.");
        table.suggest("ready", "output");
        table.suggest("ready_line", "listening on");
    }
    table.remark("PM2 sends SIGINT; the default here is SIGTERM.");
    table.set("stop_signal", "SIGINT");
    table.set_some("user", app.user.as_ref().and_then(account));
    table.set_some("group", app.group.as_ref().and_then(account));
    watch(app, name, table, notes);
    let env = document.table(&["apps", name, "env"]);
    variables(&app.env, &format!("apps.{name}.env"), env, notes);
    restart(app, document.table(&["apps", name, "restart"]));
    if let Some(ms) = app.kill_timeout_ms {
        document.table(&["apps", name, "health"]).set("drain_timeout", duration(ms));
    }
    for (environment, values) in &app.environments {
        let env = document.table(&["environments", environment, "apps", name, "env"]);
        let key = format!("environments.{environment}.apps.{name}.env");
        variables(values, &key, env, notes);
    }
}

/// What is executed: a program, and what stands before the app's own arguments.
struct Program {
    exec: Vec<String>,
    /// Why a person must look.
    question: Option<String>,
}

impl Program {
    fn is_node(&self) -> bool {
        let name = self.exec.first().and_then(|program| program.rsplit('/').next());
        name == Some("node")
    }
}

fn program(app: &App, place: &Place) -> Program {
    let script = app.script.clone().unwrap_or_else(|| "./program".to_owned());
    let fine = |exec| Program { exec, question: None };
    if app.interpreter.is_none() && script.contains(char::is_whitespace) {
        return match shell_words(&script).ok().filter(|_| !needs_a_shell(&script)) {
            Some(words) => fine(words),
            None => fine(vec!["bash".to_owned(), "-c".to_owned(), script]),
        };
    }
    let extension = script.rsplit('/').next().and_then(|file| file.rsplit_once('.'));
    let known = extension.and_then(|(_, extension)| {
        INTERPRETERS.iter().find(|(known, _)| *known == extension).map(|(_, program)| *program)
    });
    let interpreter = app.interpreter.as_deref().or(known).filter(|name| *name != "none");
    let Some(interpreter) = interpreter else {
        let question = extension.is_none() && script.contains('/') && app.interpreter.is_none();
        let words = "PM2 runs a text file without a known ending by node; if this is one, write \
                     \"node\" before it";
        return Program {
            exec: [vec![own_program(&script, app, place)], app.interpreter_args.clone()].concat(),
            question: question.then(|| words.to_owned()),
        };
    };
    let versioned = interpreter.strip_prefix("node@");
    let interpreter = if versioned.is_some() { "node" } else { interpreter };
    let mut exec = vec![match interpreter.contains('/') {
        true => own_program(interpreter, app, place),
        false => interpreter.to_owned(),
    }];
    exec.extend(app.interpreter_args.iter().cloned());
    if app.source_maps {
        exec.push("--enable-source-maps".to_owned());
    }
    exec.push(script);
    let question = versioned.map(|version| {
        format!("PM2 took node {version} from nvm; write that program's path in place of \"node\"")
    });
    Program { exec, question }
}

/// A program's path, which starts at the file here and at the app's directory in PM2.
fn own_program(written: &str, app: &App, place: &Place) -> String {
    if !written.contains('/') || written.starts_with('/') {
        return written.to_owned();
    }
    let below = match &app.cwd {
        Some(cwd) => lexical(&std::path::Path::new(cwd).join(written)).display().to_string(),
        None => written.to_owned(),
    };
    let path = place.path(&below);
    if path.contains('/') { path } else { format!("./{path}") }
}

fn program_keys(
    app: &App,
    (name, program): (&str, &Program),
    place: &Place,
    table: &mut Table,
    notes: &mut Notes,
) {
    if let Some(question) = &program.question {
        table.remark(question);
        notes.question(format!("apps.{name}.exec"), question);
    }
    table.set("exec", program.exec.clone());
    if !app.args.is_empty() {
        table.set("args", app.args.clone());
    }
    table.set_some("cwd", place.cwd(app.cwd.as_deref()));
}

fn instances(
    app: &App,
    (name, program): (&str, &Program),
    place: &Place,
    table: &mut Table,
    notes: &mut Notes,
) {
    let key = format!("apps.{name}.instances");
    let wanted = match app.instances {
        None => return,
        Some(Instances::Count(count)) => count,
        Some(Instances::Processors { less }) => {
            let words = "PM2 counted the processors at each start; this is what it would have \
                         counted here";
            notes.question(&key, words);
            place.processors.saturating_sub(less).max(1)
        }
    };
    let count = wanted.clamp(1, INSTANCES_MAX);
    if count != wanted {
        notes.question(&key, format!("{wanted} were wanted; {INSTANCES_MAX} are the most"));
    }
    let shared = app.cluster.unwrap_or(program.is_node()) && program.is_node();
    if !shared || count == 1 {
        if count > 1 {
            let words = "if it serves a port, each worker binds one of its own; for one port of \
                         all write `listen`, and let the program take descriptor 3 \
                         (docs/any-program.md)";
            notes.question(&key, words);
        }
        table.set("instances", i64::from(count));
        return;
    }
    let words = "in PM2's cluster mode all workers shared one port inside node. Here the \
                 supervisor binds it: let the program listen on descriptor 3 \
                 (docs/any-program.md), then take `listen` and the number below into use; until \
                 then one worker runs";
    table.remark(&format!("In{}.", &words[2..]));
    let port = app.env.iter().find(|(name, _)| name == "PORT").map(|(_, port)| port.as_str());
    table.suggest("listen", format!("127.0.0.1:{}", port.unwrap_or("3000")));
    table.suggest("instances", i64::from(count));
    table.set("instances", 1);
    notes.question(&key, words);
}

fn account(written: &Written) -> Option<Value> {
    match written.as_integer() {
        Some(number) => Some(Value::Number(number)),
        None => written.as_text().map(Value::Text),
    }
}

fn watch(app: &App, name: &str, table: &mut Table, notes: &mut Notes) {
    let key = format!("apps.{name}.watch");
    let mut paths: Vec<String> = Vec::new();
    for written in &app.watch {
        let fixed = fixed_part(written);
        if fixed != *written {
            notes.question(&key, format!("`{written}` is a pattern; all of `{fixed}` is watched"));
        }
        if !paths.contains(&fixed) {
            paths.push(fixed);
        }
    }
    if !paths.is_empty() {
        table.set("watch", paths);
    }
    let mut patterns = Vec::new();
    for written in &app.watch_ignore {
        if written.contains(['\\', '^', '$', '(', '|']) {
            let words = format!("`{written}` is a regular expression; write a pattern: \"*.tmp\"");
            notes.question(format!("apps.{name}.watch_ignore"), words);
        } else {
            patterns.extend(without_braces(written));
        }
    }
    if !patterns.is_empty() {
        table.set("watch_ignore", patterns);
    }
    table.set_some("watch_delay", app.watch_delay_ms.map(duration));
}

/// The directory above the first part of a path that is a pattern.
fn fixed_part(path: &str) -> String {
    let plain = |part: &&str| !part.contains(['*', '?', '[', '{']);
    let parts: Vec<&str> = path.split('/').take_while(plain).collect();
    let fixed = parts.join("/");
    if fixed.is_empty() { ".".to_owned() } else { fixed }
}

/// A pattern for each of the words in the first braces.
fn without_braces(pattern: &str) -> Vec<String> {
    let parts = pattern.split_once('{').and_then(|(before, rest)| {
        let (words, after) = rest.split_once('}')?;
        Some((before, words, after))
    });
    match parts {
        None => vec![pattern.to_owned()],
        Some((before, words, after)) => {
            let one = |word| without_braces(&format!("{before}{word}{after}"));
            words.split(',').flat_map(one).collect()
        }
    }
}

fn variables(values: &[(String, String)], key: &str, table: &mut Table, notes: &mut Notes) {
    for (name, value) in values {
        if looks_secret(name) && !value.is_empty() {
            table.remark("A secret? Every process of the same user can read it.");
            let words = "looks like a secret, and stands in the new file as it did in the old one";
            notes.question(format!("{key}.{name}"), words);
        }
        table.set(name, value.as_str());
    }
}

fn restart(app: &App, table: &mut Table) {
    if app.autorestart == Some(false) {
        table.set("policy", "never");
    }
    if let Some(ms) = app.backoff_ms {
        table.set("backoff_min", duration(ms));
        table.set_some("backoff_max", (ms > BACKOFF_MAX_MS).then(|| duration(ms)));
    } else if let Some(ms) = app.restart_delay_ms {
        table.set("backoff_min", duration(ms));
        table.set("backoff_max", duration(ms));
    }
    table.set_some("stable_after", app.min_uptime_ms.map(duration));
    table.set_some("max_restarts", app.max_restarts);
    if let (Some(count), Some(ms)) = (app.max_restarts, app.min_uptime_ms) {
        let window = ms.saturating_mul(u64::try_from(count).unwrap_or(0));
        // As long as so many deaths may take, else they would never be counted together.
        table.set_some("window", (window > WINDOW_MS).then(|| duration(window)));
    }
    if !app.stop_exit_codes.is_empty() {
        table.set("stop_exit_codes", app.stop_exit_codes.clone());
    }
    table.set_some("max_memory", app.memory_bytes_max.map(size));
    table.set_some("at", app.cron.clone());
}
