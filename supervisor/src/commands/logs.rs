//! `logs`: what was written, and what is written from now on, to standard output; and what else is
//! done to log files.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mcp_protocol::control::{Request, Target};
use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::config;
use mcp_supervisor::logs::{Audience, Entry, FollowError, Kind, Past, ShowError, Source, Wanted};
use mcp_supervisor::report::{self, LogForm, LogLines, Surface};
use mcp_supervisor::runtime::{self, SUPERVISOR_LOG, log_files};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::change::{change, changes};
use super::look::picture;
use super::targets::whom;
use super::{CommandError, load, page, surroundings};

pub(super) fn logs(cli: &Cli, typed: &cli::Logs) -> Result<(), CommandError> {
    let (directory, apps) = log_places(cli)?;
    let target = typed.target.clone().unwrap_or(Target::All);
    if let Some(app) = target.app().filter(|app| !apps.contains(*app)) {
        if !logged_apps(&directory).contains(app) {
            let known = apps.iter().map(String::as_str);
            return Err(CommandError::Usage(report::unknown_app(app, known)));
        }
        say!("there is no app {app} any more; this is what it left");
    }
    let wanted = wanted(typed, target)?;
    let mut past = Past::open(&directory, &wanted).map_err(cannot_show(&directory))?;
    say_what_is_not_as_meant(&past, &wanted, &directory);
    let mut screen = Screen::new(typed, &wanted, &past);
    let follower = typed.follow.then(|| past.follower(&directory)).transpose();
    let follower = follower.map_err(cannot_show(&directory))?;
    let shown = past.show(&mut |entry| screen.show(entry)).map_err(cannot_show(&directory))?;
    screen.pause().map_err(CommandError::Output)?;
    for note in &past.notes {
        say!("{note}");
    }
    if shown == 0 && !typed.follow && past.sources().next().is_some() {
        say!("no line of {} is as wanted", names(past.sources()));
    }
    drop(past);
    match follower.map(|follower| follower.run(&mut screen)) {
        None | Some(Ok(())) => Ok(()),
        Some(Err(FollowError::Show(error))) => Err(CommandError::Output(error)),
        Some(Err(FollowError::Read(source))) => Err(cannot_read(&directory, source)),
    }
}

pub(super) fn rotate(cli: &Cli, wanted: &cli::MaybeTargets) -> Result<(), CommandError> {
    let request = |target| Request::RotateLogs { target: Some(target) };
    changes(cli, &whom(&wanted.targets), "rotated the logs of", request)
}

pub(super) fn flush(cli: &Cli, wanted: &cli::MaybeTargets) -> Result<(), CommandError> {
    let request = |target| Request::FlushLogs { target: Some(target) };
    changes(cli, &whom(&wanted.targets), "emptied the logs of", request)
}

pub(super) fn reopen(cli: &Cli) -> Result<(), CommandError> {
    change(cli, &Request::ReopenLogs, &[Target::All], "opened the logs anew of")
}

fn wanted(typed: &cli::Logs, target: Target) -> Result<Wanted, CommandError> {
    let zone = TimeZone::system();
    let now = Timestamp::try_from(UNIX_EPOCH + runtime::since_epoch()).unwrap_or_default();
    let moment = |when: Option<cli::When>| when.map(|when| when.moment(now, &zone));
    let (since, until) = (moment(typed.since), moment(typed.until));
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        let words = format!("nothing is between --since ({since}) and --until ({until})");
        return Err(CommandError::Usage(words));
    }
    Ok(Wanted {
        target,
        channels: typed.channels(),
        since,
        until,
        lines: typed.count(),
        level: typed.level,
        grep: typed.grep.clone(),
        zone,
    })
}

/// That there is nothing to read, and where it was looked for; that lines of other slots are among
/// them.
fn say_what_is_not_as_meant(past: &Past, wanted: &Wanted, directory: &Path) {
    if past.sources().next().is_none() {
        let looked_for = match wanted.target.app() {
            Some(app) => log_files(app).join(", "),
            None => format!("{SUPERVISOR_LOG}, APP.out.log, APP.err.log and others"),
        };
        say!("no logs in {} yet (looked for {looked_for})", directory.display());
    }
    if let Target::Slot { app, .. } = &wanted.target {
        let is_shared = |source: &&Source| matches!(source.kind, Kind::Output { slot: None, .. });
        let shared = past.sources().filter(is_shared);
        let names = names(shared);
        if !names.is_empty() {
            say!("{names}: printed by any slot of {app}; who printed a line is not known");
        }
    }
}

fn names<'a>(sources: impl Iterator<Item = &'a Source>) -> String {
    sources.map(|source| source.file.as_str()).collect::<Vec<_>>().join(", ")
}

fn cannot_show(directory: &Path) -> impl Fn(ShowError) -> CommandError {
    move |error| match error {
        ShowError::Show(error) => CommandError::Output(error),
        ShowError::Read(source) => cannot_read(directory, source),
    }
}

fn cannot_read(directory: &Path, source: io::Error) -> CommandError {
    let operation = format!("read the logs in `{}`", directory.display());
    CommandError::System { operation, source }
}

/// Standard output, and how lines look there.
struct Screen {
    out: BufWriter<StdoutLock<'static>>,
    lines: LogLines,
}

impl Screen {
    fn new(typed: &cli::Logs, wanted: &Wanted, past: &Past) -> Screen {
        let form = match (typed.json, typed.raw) {
            (true, _) => LogForm::Json,
            (_, true) => LogForm::Raw,
            (false, false) => LogForm::Words,
        };
        let out = io::stdout();
        let surface = if out.is_terminal() { Surface::Terminal } else { Surface::Bytes };
        let mut lines = LogLines::new(form, surface, page(), wanted.zone.clone());
        past.sources().for_each(|source| lines.make_room_for(source));
        Screen { out: BufWriter::with_capacity(64 * 1024, out.lock()), lines }
    }
}

impl Audience for Screen {
    fn show(&mut self, entry: &Entry) -> io::Result<()> {
        self.out.write_all(&self.lines.line(entry))
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A pipe tells when its other end is closed, a terminal when it is; a file never does.
    fn is_gone(&mut self, within: Duration) -> bool {
        let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(self.out.get_ref().as_fd(), PollFlags::empty())];
        let _ = poll(&mut fds, timeout);
        let told = fds[0].revents().unwrap_or(PollFlags::empty());
        told.intersects(PollFlags::POLLERR | PollFlags::POLLHUP)
    }
}

/// The directory of the logs and the apps: of the running supervisor, else of the file, else what
/// can be found.
fn log_places(cli: &Cli) -> Result<(PathBuf, BTreeSet<String>), CommandError> {
    let asked = picture(cli);
    if let Err(error @ CommandError::Config { .. }) = asked {
        return Err(error);
    }
    if let Ok(status) = asked {
        let apps = status.apps.into_iter().map(|app| app.name).collect();
        return Ok((status.log_directory, apps));
    }
    match load(cli) {
        Ok(config) => {
            let apps = config.apps.keys().map(ToString::to_string).collect();
            Ok((config.supervisor.log_directory, apps))
        }
        Err(unusable @ CommandError::Config { .. }) => {
            let directory = config::logs_of(&cli.config, cli.env.as_deref(), &surroundings(cli)?);
            let apps = logged_apps(&directory);
            if apps.is_empty() && !directory.join(SUPERVISOR_LOG).exists() {
                return Err(unusable);
            }
            let (file, logs) = (cli.config.display(), directory.display());
            say!("{file} cannot be used (`check` says why); this is what lies in {logs}");
            Ok((directory, apps))
        }
        Err(error) => Err(error),
    }
}

/// The apps of which log files lie in a directory.
fn logged_apps(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| Source::of(&name)?.app().map(str::to_owned)).collect()
}
