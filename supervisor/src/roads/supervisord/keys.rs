//! supervisord's options in tables: what becomes of each.

use super::expand::{expand, variables};
use super::ini::Section;
use super::program::{Take, take};
use crate::roads::document::{Document, path, variable};
use crate::roads::notes::Notes;

/// What becomes of an option.
pub(super) enum Fate {
    /// It is read.
    Taken(Take),
    /// It has no counterpart, or needs none, for this reason.
    Dropped(&'static str),
    /// Dropped for this reason, and a person must look at it.
    Asked(&'static str),
    /// The same when it is `false`.
    Missed(&'static str),
}

use Fate::{Asked, Dropped, Missed, Taken};

const OUTPUT: &str = "logs are NAME.out.log and NAME.err.log in supervisor.log_directory";
const EVENTS: &str = "no program is told of events";

/// The options of `[program:NAME]`.
pub(super) const PROGRAM: &[(&[&str], Fate)] = &[
    (&["command"], Taken(take::command)),
    (&["process_name"], Taken(take::process_name)),
    (&["numprocs"], Taken(take::numprocs)),
    (&["numprocs_start"], Taken(take::numprocs_start)),
    (&["directory"], Taken(take::directory)),
    (&["user"], Taken(take::user)),
    (&["umask"], Taken(take::umask)),
    (&["environment"], Taken(take::environment)),
    (&["autorestart"], Taken(take::autorestart)),
    (&["exitcodes"], Taken(take::exitcodes)),
    (&["startsecs"], Taken(take::startsecs)),
    (&["startretries"], Taken(take::startretries)),
    (&["stopsignal"], Taken(take::stopsignal)),
    (&["stopwaitsecs"], Taken(take::stopwaitsecs)),
    (
        &["stdout_logfile_maxbytes", "logfile_maxbytes", "stderr_logfile_maxbytes"],
        Taken(take::maxbytes),
    ),
    (
        &["stdout_logfile_backups", "logfile_backups", "stderr_logfile_backups"],
        Taken(take::backups),
    ),
    (
        &["autostart"],
        Missed("every app is started; `mcp-supervisor stop NAME` stops one, and it stays stopped"),
    ),
    (
        &["priority"],
        Asked("programs start together; name in `depends_on` those that must serve before"),
    ),
    (&["stopasgroup", "killasgroup"], Dropped("the whole tree is ended anyway")),
    (&["redirect_stderr"], Dropped("output and errors have a file each")),
    (&["stdout_logfile", "stderr_logfile", "logfile"], Dropped(OUTPUT)),
    (&["stdout_syslog", "stderr_syslog"], Dropped(OUTPUT)),
    (
        &[
            "stdout_capture_maxbytes",
            "stderr_capture_maxbytes",
            "stdout_events_enabled",
            "stderr_events_enabled",
        ],
        Dropped(EVENTS),
    ),
    (&["serverurl"], Dropped("programs are not told how to reach the supervisor")),
];

/// What `[supervisord]` says for all programs.
#[derive(Debug, Default)]
pub(super) struct Whole {
    pub(super) directory: Option<String>,
    pub(super) environment: Vec<(String, String)>,
}

/// Reads `[supervisord]`.
pub(super) fn whole(
    section: &Section,
    here: &str,
    document: &mut Document,
    notes: &mut Notes,
) -> Whole {
    let mut whole = Whole::default();
    let lookup = |name: &str| match name.strip_prefix("ENV_") {
        Some(name) => Some(variable(name)),
        None => (name == "here").then(|| here.to_owned()),
    };
    for (key, value) in &section.entries {
        let full = format!("supervisord.{key}");
        match (key.as_str(), expand(value, &lookup)) {
            ("directory", Ok(value)) => {
                notes.holds(full, "apps.NAME.cwd of programs without one");
                whole.directory = Some(value);
            }
            ("environment", Ok(value)) => match variables(&value) {
                Ok(found) => {
                    notes.holds(full, "apps.NAME.env of every program");
                    whole.environment = found;
                }
                Err(why) => notes.dropped(full, why),
            },
            ("loglevel", Ok(value)) => {
                let level = match value.as_str() {
                    "critical" | "error" => "error",
                    "warn" => "warn",
                    "debug" => "debug",
                    "trace" | "blather" => "trace",
                    _ => "info",
                };
                document.table(&["supervisor"]).set("log_level", level);
                notes.translated(full, vec![path(&["supervisor", "log_level"])]);
            }
            (other, _) => match reason(other) {
                Some(reason) => notes.dropped(full, reason),
                None => notes.unknown(full, "supervisord does not know it either"),
            },
        }
    }
    whole
}

fn reason(key: &str) -> Option<&'static str> {
    Some(match key {
        "logfile" | "logfile_maxbytes" | "logfile_backups" | "childlogdir" | "strip_ansi" => {
            "logs are in supervisor.log_directory, and rotated"
        }
        "pidfile" => "`mcp-supervisor ping` prints the process id; a lock keeps a second one away",
        "nodaemon" | "silent" => "`mcp-supervisor start --foreground` stays in the foreground",
        "user" => "start mcp-supervisor as that user",
        "umask" => "write apps.NAME.umask",
        "minfds" => "write apps.NAME.resources.open_files where a program needs more",
        "minprocs" => "write apps.NAME.resources.processes where a program needs more",
        "nocleanup" | "identifier" => "it has no meaning here",
        "directory" | "environment" | "loglevel" => "it cannot be read",
        _ => return None,
    })
}
