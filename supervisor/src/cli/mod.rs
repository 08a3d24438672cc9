//! What a person may type, and nothing about how it is done. This file opens no file.

mod admin;
mod client;
mod config;
mod help;
mod import;
mod login;
mod logs;
mod when;
mod words;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use mcp_protocol::control::{Scale, Target};

pub use admin::{
    CancelQuery, Circuit, CircuitCommand, MaintenanceCommand, MaintenanceOn, OfApp, OfConnection,
    PoolCommand, PoolReset, Queries, QueriesCommand, SetLevel, WantedLevel, WorkerCommand,
};
pub use client::{ClientCommand, CreateKey, KeyCommand, ListKeys, RevokeKey, RotateKey};
pub use config::{ConfigCommand, Diff, Rollback, ShowConfig};
pub use import::{From, Import, Init};
pub use login::Login;
pub use logs::{LINES, LogChannel, Logs};
pub use when::When;

/// The configuration file when none is named.
pub const DEFAULT_CONFIG: &str = "ecosystem.toml";

/// Keeps a fleet of MCP workers (or any other programs) alive behind one port.
///
/// Everything is described in one file, ecosystem.toml. A first session:
/// `start`, `status`, `logs`, `reload`, `stop`.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-supervisor", version, arg_required_else_help = true, max_term_width = 100,
    help_template = help::OVERVIEW
)]
pub struct Cli {
    /// The configuration file
    #[arg(long, short, global = true, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// The environment whose part of the file is laid over the rest: development, staging,
    /// production, or any name that the file defines [default: MCP_ENV, else ENVIRONMENT, else
    /// development]
    #[arg(long, global = true, value_name = "NAME")]
    pub env: Option<String>,
    /// A value of the configuration, over everything else: apps.query.instances=2 (repeatable)
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = words::setting)]
    pub set: Vec<String>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the supervisor and all workers, or what was stopped
    ///
    /// Without TARGET, starts the supervisor in the background and returns when every worker is
    /// ready; changes that were made at run time hold again. With TARGET, tells the running
    /// supervisor to start what was stopped or deleted, what gave up and what finished.
    #[command(visible_alias = "resurrect")]
    Start(Start),
    /// Show every worker: its state, process, uptime, restarts, processor, memory
    #[command(visible_aliases = ["ls", "list"])]
    Status(Output),
    /// Stop the whole service, or workers
    ///
    /// Without TARGET, what runs is finished, every worker ends, then the supervisor itself. With
    /// TARGET, workers are stopped until they are started again, even if the supervisor ends
    /// meanwhile; `stop all` stops every app and leaves the supervisor.
    Stop(MaybeTargets),
    /// Stop workers and start them again, all at once; clients notice (`reload` avoids that)
    Restart(MaybeTargets),
    /// Read the configuration again and replace workers one by one, without one failed request
    ///
    /// The whole file takes effect; with TARGET, only workers of that app or slot are replaced
    /// without need.
    Reload(Reload),
    /// Stop workers and take their apps out of the picture, until they are started again
    #[command(visible_alias = "del")]
    Delete(Targets),
    /// Forget deaths and counts; whoever waits or gave up is started at once
    Reset(Targets),
    /// Change how many workers an app has, until it is changed again or forgotten
    Scale(ScaleTo),
    /// Send a signal to the processes of workers, not to their children
    #[command(visible_alias = "sendSignal")]
    Signal(Signal),
    /// Drop what was changed at run time (stop, delete, scale): the file holds again
    Forget(MaybeTargets),
    /// Show what was changed at run time, where it is kept, and how to put it into the file
    ///
    /// Nothing needs to be saved: every change is kept at once and holds again after a restart.
    Save(Output),
    /// Show everything about an app and its processes
    #[command(visible_aliases = ["show", "info", "desc"])]
    Describe(Describe),
    /// Print process ids, one a line; fails when there is none
    Pid(MaybeTargets),
    /// Print the environment of a running process; of an app, that of its first one
    Env(OneTarget),
    /// Say whether the supervisor runs, since when, and as which process
    Ping,
    /// Show the last lines of all logs, in the order in which they were written
    ///
    /// Rotated and compressed files are read too. Works without a supervisor. docs/logs.md says how
    /// lines without a time are put in order.
    #[command(visible_alias = "log")]
    Logs(Logs),
    /// Begin new log files now, whatever the size of those there are
    ///
    /// Without TARGET, all of them: those of the supervisor and the workers as well.
    RotateLogs(MaybeTargets),
    /// Empty log files; those that were rotated stay, and so does the audit log
    ///
    /// Without TARGET, all of them: those of the supervisor and the workers as well.
    Flush(MaybeTargets),
    /// Open all log files anew, after a tool of your own has renamed them
    #[command(visible_alias = "reloadLogs")]
    ReloadLogs,
    /// Watch apps and workers on a live screen, with their logs and keys to reload, restart, stop
    #[command(visible_alias = "dash")]
    Monit,
    /// Write a configuration to begin with: asks on a terminal, else takes what flags say
    ///
    /// Without flags and without a terminal it is the sample account, which works without
    /// credentials. An existing file is never replaced without --force.
    Init(Init),
    /// Translate the configuration of PM2, supervisord or the former Labs server, or a .env file
    ///
    /// The new file goes to standard output or to --output; standard error says what became of each
    /// key, what was left out and why, and what to look at.
    #[command(subcommand)]
    Import(Import),
    /// Check the configuration file and say what it would start, without touching anything
    ///
    /// All problems of the file are shown, and what this machine lacks for it: ports that are
    /// taken, programs, users, directories. Where a supervisor runs, also what a reload would do.
    /// Exit code 78 when something is wrong.
    Check(Output),
    /// Look at the configuration in force and at earlier ones, compare them, and go back to one
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List those who may call, and make, revoke and rotate their API keys
    #[command(subcommand)]
    Client(ClientCommand),
    /// Log in to Snowflake at a browser, for workers whose account says external_browser
    ///
    /// Opens one page for each account that nobody is logged in to, and keeps what the login gives
    /// for all workers; without a browser on this machine, prints the address and takes the one at
    /// which the browser ended. Works whether the supervisor runs or not.
    Login(Login),
    /// Something of the workers themselves
    #[command(flatten)]
    Workers(WorkerCommand),
    /// Print a JSON Schema of the configuration file, for editors
    ///
    /// `mcp-supervisor schema > ecosystem.schema.json`, then `#:schema ./ecosystem.schema.json` as
    /// the first line of ecosystem.toml: editors with a TOML plugin complete and check its keys.
    Schema,
    /// Print the configuration that connects an MCP client to this service
    ClientConfig(ClientConfig),
    /// Print what completes these commands in a shell
    ///
    /// For bash: `mcp-supervisor completion bash > ~/.local/share/bash-completion/completions/mcp-supervisor`.
    Completion(Completion),
}

/// Arguments of `start`.
#[derive(Debug, Args)]
pub struct Start {
    /// What to start under the running supervisor: apps, slots such as `query[2]` (or `query:2`),
    /// or all
    #[arg(value_name = "TARGET", value_parser = words::target, conflicts_with = "foreground")]
    pub targets: Vec<Target>,
    /// Stay in the foreground: for systemd, containers, and to watch
    #[arg(long)]
    pub foreground: bool,
    /// The supervisor itself, started by `start`
    #[arg(long, hide = true)]
    pub background_child: bool,
}

/// Arguments of commands with a table.
#[derive(Debug, Args)]
pub struct Output {
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of commands for targets, or for everything.
#[derive(Debug, Args)]
pub struct MaybeTargets {
    /// Apps, slots of them such as `query[2]` (or `query:2`), or all; one after the other
    #[arg(value_name = "TARGET", value_parser = words::target)]
    pub targets: Vec<Target>,
}

/// Arguments of commands for targets that must be named.
#[derive(Debug, Args)]
pub struct Targets {
    /// Apps, slots of them such as `query[2]` (or `query:2`), or all; one after the other
    #[arg(value_name = "TARGET", value_parser = words::target, required = true)]
    pub targets: Vec<Target>,
}

/// Arguments of commands for one target that must be named.
#[derive(Debug, Args)]
pub struct OneTarget {
    /// An app, one slot of it such as `query[2]` (or `query:2`), or all
    #[arg(value_name = "TARGET", value_parser = words::target)]
    pub target: Target,
}

/// Arguments of `reload`.
#[derive(Debug, Args)]
pub struct Reload {
    /// Apps, slots of them such as `query[2]` (or `query:2`), or all; one after the other
    #[arg(value_name = "TARGET", value_parser = words::target)]
    pub targets: Vec<Target>,
    /// Only say what would happen, and why
    #[arg(long)]
    pub dry_run: bool,
    /// Print the plan as JSON
    #[arg(long, requires = "dry_run")]
    pub json: bool,
}

/// Arguments of `describe`.
#[derive(Debug, Args)]
pub struct Describe {
    /// Apps, slots of them such as `query[2]` (or `query:2`), or all
    #[arg(value_name = "TARGET", value_parser = words::target, required = true)]
    pub targets: Vec<Target>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `scale`.
#[derive(Debug, Args)]
pub struct ScaleTo {
    /// The app
    #[arg(value_name = "APP")]
    pub app: String,
    /// How many workers: 4, or more or fewer than now: +2, -2
    #[arg(value_name = "N", value_parser = words::scale, allow_hyphen_values = true)]
    pub to: Scale,
}

/// Arguments of `signal`.
#[derive(Debug, Args)]
pub struct Signal {
    /// The signal: HUP, SIGHUP or 1
    #[arg(value_name = "SIG", value_parser = words::signal)]
    pub number: i32,
    /// An app, one slot of it such as `query[2]` (or `query:2`), or all
    #[arg(value_name = "TARGET", value_parser = words::target)]
    pub target: Target,
}

/// Arguments of `client-config`.
#[derive(Debug, Args)]
pub struct ClientConfig {
    /// The client; all of them without one
    #[arg(value_enum)]
    pub client: Option<Client>,
    /// The app that the client is to use [default: the first one that listens]
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// Arguments of `completion`.
#[derive(Debug, Args)]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// What completes the commands of this program in a shell.
#[must_use]
pub fn completion(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mcp-supervisor", &mut script);
    match shell {
        // For bash the generator writes the dash of our name in two ways: one where it notes which
        // command was typed, another where it looks that up.
        Shell::Bash => String::from_utf8_lossy(&script)
            .replace("mcp__subcmd__supervisor", "mcp__supervisor")
            .into_bytes(),
        _other => script,
    }
}

/// MCP clients whose configuration we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// Claude Desktop: claude_desktop_config.json
    ClaudeDesktop,
    /// Claude Code: .mcp.json, or one command
    ClaudeCode,
    /// Cursor: .cursor/mcp.json
    Cursor,
    /// Visual Studio Code: .vscode/mcp.json
    Vscode,
    /// Windsurf: mcp_config.json
    Windsurf,
    /// Zed: settings.json
    Zed,
    /// Codex: ~/.codex/config.toml
    Codex,
    /// Gemini CLI: ~/.gemini/settings.json
    GeminiCli,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = std::iter::once("mcp-supervisor").chain(line.split(' '));
        Cli::try_parse_from(words).map(|cli| cli.command)
    }

    type Meant = fn(&Command) -> bool;

    const CASES: [(&str, Meant); 74] = [
        ("ls", |c| matches!(c, Command::Status(_))),
        ("list", |c| matches!(c, Command::Status(_))),
        ("status --json", |c| matches!(c, Command::Status(Output { json: true }))),
        ("start", |c| matches!(c, Command::Start(Start { foreground: false, .. }))),
        ("resurrect", |c| matches!(c, Command::Start(Start { foreground: false, .. }))),
        (
            "start query",
            |c| matches!(c, Command::Start(Start { targets, .. }) if matches!(targets[..], [Target::App(_)])),
        ),
        (
            "start all",
            |c| matches!(c, Command::Start(Start { targets, .. }) if targets == &[Target::All]),
        ),
        ("stop", |c| matches!(c, Command::Stop(MaybeTargets { targets }) if targets.is_empty())),
        (
            "stop all",
            |c| matches!(c, Command::Stop(MaybeTargets { targets }) if targets == &[Target::All]),
        ),
        (
            "stop query[1]",
            |c| matches!(c, Command::Stop(MaybeTargets { targets }) if matches!(targets[..], [Target::Slot { .. }])),
        ),
        (
            "restart",
            |c| matches!(c, Command::Restart(MaybeTargets { targets }) if targets.is_empty()),
        ),
        ("restart query:3", |c| {
            let wanted = [Target::Slot { app: "query".to_owned(), slot: 3 }];
            matches!(c, Command::Restart(MaybeTargets { targets }) if *targets == wanted)
        }),
        ("reload", |c| matches!(c, Command::Reload(Reload { dry_run: false, .. }))),
        ("reload all", |c| matches!(c, Command::Reload(_))),
        (
            "reload --dry-run query",
            |c| matches!(c, Command::Reload(Reload { dry_run: true, targets, .. }) if targets.len() == 1),
        ),
        ("reload --dry-run --json", |c| matches!(c, Command::Reload(Reload { json: true, .. }))),
        ("delete query", |c| matches!(c, Command::Delete(_))),
        (
            "del all",
            |c| matches!(c, Command::Delete(Targets { targets }) if targets == &[Target::All]),
        ),
        ("reset all", |c| matches!(c, Command::Reset(_))),
        ("scale query 4", |c| matches!(c, Command::Scale(ScaleTo { to: Scale::To(4), .. }))),
        ("scale query +2", |c| matches!(c, Command::Scale(ScaleTo { to: Scale::More(2), .. }))),
        ("scale query -2", |c| matches!(c, Command::Scale(ScaleTo { to: Scale::Fewer(2), .. }))),
        ("signal HUP query", |c| matches!(c, Command::Signal(Signal { number: 1, .. }))),
        ("sendSignal SIGUSR2 all", |c| {
            matches!(c, Command::Signal(Signal { number: libc::SIGUSR2, .. }))
        }),
        ("signal 15 query[0]", |c| matches!(c, Command::Signal(Signal { number: 15, .. }))),
        (
            "forget",
            |c| matches!(c, Command::Forget(MaybeTargets { targets }) if targets.is_empty()),
        ),
        (
            "forget query",
            |c| matches!(c, Command::Forget(MaybeTargets { targets }) if targets.len() == 1),
        ),
        ("save", |c| matches!(c, Command::Save(_))),
        ("describe query", |c| matches!(c, Command::Describe(_))),
        ("show query", |c| matches!(c, Command::Describe(_))),
        ("info query --json", |c| matches!(c, Command::Describe(Describe { json: true, .. }))),
        ("desc query[1]", |c| matches!(c, Command::Describe(_))),
        ("pid", |c| matches!(c, Command::Pid(_))),
        ("pid query", |c| matches!(c, Command::Pid(_))),
        ("env query[0]", |c| matches!(c, Command::Env(_))),
        ("ping", |c| matches!(c, Command::Ping)),
        ("logs query --lines 3", |c| matches!(c, Command::Logs(Logs { lines: Some(3), .. }))),
        ("check", |c| matches!(c, Command::Check(_))),
        ("config history --json", |c| matches!(c, Command::Config(ConfigCommand::History(_)))),
        ("config diff", |c| {
            matches!(c, Command::Config(ConfigCommand::Diff(Diff { from: None, .. })))
        }),
        ("config diff 3 4", |c| {
            matches!(c, Command::Config(ConfigCommand::Diff(Diff { from: Some(3), to: Some(4) })))
        }),
        ("config rollback 3", |c| {
            matches!(c, Command::Config(ConfigCommand::Rollback(Rollback { to: Some(3) })))
        }),
        ("stop web api[1]", |c| {
            matches!(c, Command::Stop(MaybeTargets { targets })
                if matches!(&targets[..], [Target::App(web), Target::Slot { slot: 1, .. }] if web == "web"))
        }),
        ("delete a b", |c| matches!(c, Command::Delete(Targets { targets }) if targets.len() == 2)),
        (
            "describe a b",
            |c| matches!(c, Command::Describe(Describe { targets, .. }) if targets.len() == 2),
        ),
        ("logs all", |c| matches!(c, Command::Logs(Logs { target: Some(Target::All), .. }))),
        ("logs query[1]", |c| {
            matches!(c, Command::Logs(Logs { target: Some(Target::Slot { .. }), .. }))
        }),
        (
            "logs --since 10m --channel access,err --level warning",
            |c| matches!(c, Command::Logs(logs) if logs.channels().len() == 2 && logs.count().is_none()),
        ),
        ("logs -f -n 5 --grep a.c --json", |c| {
            matches!(c, Command::Logs(Logs { follow: true, json: true, lines: Some(5), .. }))
        }),
        ("flush", |c| matches!(c, Command::Flush(_))),
        ("flush web", |c| matches!(c, Command::Flush(_))),
        ("rotate-logs", |c| matches!(c, Command::RotateLogs(_))),
        ("reload-logs", |c| matches!(c, Command::ReloadLogs)),
        ("reloadLogs", |c| matches!(c, Command::ReloadLogs)),
        ("completion zsh", |c| matches!(c, Command::Completion(Completion { shell: Shell::Zsh }))),
        ("config show --origin", |c| {
            matches!(c, Command::Config(ConfigCommand::Show(ShowConfig { origin: true, .. })))
        }),
        ("init --yes", |c| matches!(c, Command::Init(Init { yes: true, .. }))),
        ("init --app web --listen 127.0.0.1:80", |c| {
            matches!(c, Command::Init(Init { listen: Some(_), exec: None, .. }))
        }),
        ("client list --json", |c| matches!(c, Command::Client(ClientCommand::List(_)))),
        ("client key create assistant --expires 90d", |c| {
            let days = std::time::Duration::from_secs(90 * 24 * 3600);
            matches!(c, Command::Client(ClientCommand::Key(KeyCommand::Create(CreateKey { expires, .. })))
                if *expires == Some(days))
        }),
        ("client key revoke k7x2m4qf3a", |c| {
            matches!(c, Command::Client(ClientCommand::Key(KeyCommand::Revoke(_))))
        }),
        ("client key rotate k7x2m4qf3a --grace 0s", |c| {
            matches!(c, Command::Client(ClientCommand::Key(KeyCommand::Rotate(RotateKey { grace, .. })))
                if grace.is_zero())
        }),
        ("sessions query --json", |c| {
            matches!(c, Command::Workers(WorkerCommand::Sessions(OfApp { json: true, .. })))
        }),
        ("queries", |c| {
            matches!(c, Command::Workers(WorkerCommand::Queries(Queries { command: None, .. })))
        }),
        ("queries query", |c| {
            matches!(
                c,
                Command::Workers(WorkerCommand::Queries(Queries {
                    command: None,
                    of: OfApp { app: Some(_), .. }
                }))
            )
        }),
        ("queries cancel 57.3", |c| {
            matches!(c, Command::Workers(WorkerCommand::Queries(Queries { command: Some(QueriesCommand::Cancel(CancelQuery { id, .. })), .. }))
                if id == "57.3")
        }),
        ("test-connection --connection finance", |c| {
            matches!(
                c,
                Command::Workers(WorkerCommand::TestConnection(OfConnection {
                    connection: Some(_),
                    app: None,
                    ..
                }))
            )
        }),
        (
            "pool reset query --wait 0s",
            |c| matches!(c, Command::Workers(WorkerCommand::Pool(PoolCommand::Reset(PoolReset { wait, .. }))) if wait.is_zero()),
        ),
        ("maintenance on query --reason upgrade --retry-after 5m", |c| {
            matches!(c, Command::Workers(WorkerCommand::Maintenance(MaintenanceCommand::On(MaintenanceOn { retry_after, .. })))
                if retry_after.as_secs() == 300)
        }),
        ("log-level debug query", |c| {
            let debug = WantedLevel::Level(mcp_protocol::settings::LogLevel::Debug);
            matches!(c, Command::Workers(WorkerCommand::LogLevel(SetLevel { level, .. })) if *level == debug)
        }),
        ("circuit reset --connection finance", |c| {
            matches!(
                c,
                Command::Workers(WorkerCommand::Circuit(Circuit {
                    command: Some(CircuitCommand::Reset(_)),
                    ..
                }))
            )
        }),
        ("export-state query", |c| {
            matches!(c, Command::Workers(WorkerCommand::ExportState(OfApp { app: Some(_), .. })))
        }),
        ("import pm2 dump.pm2", |c| matches!(c, Command::Import(Import::Pm2(_)))),
        ("import labs-yaml a.yaml -o b.toml", |c| {
            matches!(c, Command::Import(Import::LabsYaml(From { output: Some(_), .. })))
        }),
    ];

    #[test]
    fn every_shell_is_told_the_commands() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(completion(*shell)).unwrap();
            for word in ["reload", "client-config", "completion", "--env"] {
                let bare = word.trim_start_matches('-');
                assert!(script.contains(bare), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn bash_finds_each_command_that_it_noted() {
        let script = String::from_utf8(completion(Shell::Bash)).unwrap();
        let lines = || script.lines().map(str::trim);
        let noted: Vec<&str> = lines()
            .filter_map(|line| line.strip_prefix("cmd=\"")?.strip_suffix('"'))
            .filter(|name| !name.is_empty())
            .collect();
        assert!(noted.len() > 20, "{noted:?}");
        for name in noted {
            assert!(lines().any(|line| line.strip_suffix(')') == Some(name)), "{name}");
        }
    }

    #[test]
    fn what_pm2_users_type_is_understood() {
        for (line, meant) in CASES {
            let command = parse(line).unwrap_or_else(|why| panic!("{line}: {why}"));
            assert!(meant(&command), "{line}: {command:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_way_out() {
        for (line, words) in [
            ("delete", "TARGET"),
            ("reset", "TARGET"),
            ("env", "TARGET"),
            ("describe", "TARGET"),
            ("scale query", "<N>"),
            ("scale query many", "+N or -N"),
            ("scale query 0", "stop APP"),
            ("stop query[x]", "not the number of a slot"),
            ("stop a/b", "query[2]"),
            ("signal HUP", "TARGET"),
            ("signal HUB query", "did you mean HUP?"),
            ("start query --foreground", "cannot be used with"),
            ("reload --json", "--dry-run"),
            ("reolad", "reload"),
            ("import pm2", "<FILE>"),
            ("import pm2 a.json --force", "--output"),
            ("logs --json --raw", "cannot be used with"),
            ("logs --follow --until 10m", "cannot be used with"),
            ("logs --since soon", "2026-11-21T10:00"),
            ("logs --grep (", "behind a"),
            ("logs --level loud", "warn"),
            ("logs --channel acess", "access"),
            ("client key create", "<CLIENT>"),
            ("client key create a --expires 0d", "90d"),
            ("client key create a --expires soon", "90d"),
            ("queries cancel", "<ID>"),
            ("log-level loud", "debug"),
            ("maintenance", "Usage"),
            ("maintenance on --retry-after 0s", "90d"),
            ("pool reset --wait soon", "90d"),
            ("init --instances 0", "1..=256"),
            ("init --app a/b", "letters"),
            ("init --sample --exec run", "cannot be used with"),
            ("init --sample --snowflake-account A-B", "cannot be used with"),
        ] {
            let said = parse(line).unwrap_err().to_string();
            assert!(said.contains(words), "{line}: {said}");
        }
    }

    #[test]
    fn values_are_set_before_and_after_the_command() {
        let words = ["mcp-supervisor", "--set", "a.b=1", "check"];
        assert_eq!(Cli::try_parse_from(words).unwrap().set, ["a.b=1"]);
        let words = ["mcp-supervisor", "check", "--set", "a=1", "--set", "b=x = y"];
        assert_eq!(Cli::try_parse_from(words).unwrap().set, ["a=1", "b=x = y"]);
        let said = Cli::try_parse_from(["mcp-supervisor", "check", "--set", "a"]).unwrap_err();
        assert!(said.to_string().contains("KEY=VALUE"), "{said}");
    }

    #[test]
    fn the_environment_has_two_meanings_that_do_not_meet() {
        let words = ["mcp-supervisor", "--env", "production", "env", "query"];
        let cli = Cli::try_parse_from(words).unwrap();
        assert_eq!(cli.env.as_deref(), Some("production"));
        assert!(matches!(cli.command, Command::Env(_)));
    }

    #[test]
    fn the_overview_names_every_command_and_no_other() {
        let mut cli = Cli::command();
        let page = cli.render_help().to_string();
        let listed: std::collections::BTreeSet<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
            .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect();
        let known: std::collections::BTreeSet<&str> = cli
            .get_subcommands()
            .filter(|one| one.get_name() != "help")
            .map(|one| one.get_name())
            .collect();
        assert_eq!(listed, known, "{page}");
        for command in cli.get_subcommands() {
            for alias in command.get_visible_aliases().filter(|alias| *alias != "resurrect") {
                assert!(page.contains(alias), "{alias}");
            }
        }
        assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    }
}
