//! Every option of PM2 in one table: what becomes of it.

use super::app::Take;
use super::take;

/// What becomes of an option.
pub(super) enum Fate {
    /// It is read; what it became is known when the app is written.
    Taken(Take),
    /// It has no counterpart, or needs none, for this reason.
    Dropped(&'static str),
    /// Dropped for this reason, and a person must look at it when it is switched on.
    Asked(&'static str),
    /// The same when it is switched off.
    Missed(&'static str),
}

use Fate::{Asked, Dropped, Missed, Taken};

/// An option with all its spellings, and what becomes of it.
pub(super) const KEYS: &[(&[&str], Fate)] = &[
    (&["name"], Taken(take::name)),
    (&["script", "exec"], Taken(take::script)),
    (&["args"], Taken(take::args)),
    (&["interpreter", "exec_interpreter"], Taken(take::interpreter)),
    (
        &["node_args", "interpreter_args", "interpreterArgs", "nodeArgs", "node-args"],
        Taken(take::interpreter_args),
    ),
    (&["source_map_support"], Taken(take::source_maps)),
    (&["cwd"], Taken(take::cwd)),
    (&["instances"], Taken(take::instances)),
    (&["exec_mode"], Taken(take::exec_mode)),
    (&["port"], Taken(take::port)),
    (&["watch"], Taken(take::watch)),
    (&["ignore_watch", "watch_ignore"], Taken(take::ignore_watch)),
    (&["watch_delay"], Taken(take::watch_delay)),
    (&["max_memory_restart"], Taken(take::max_memory)),
    (&["cron_restart", "cron"], Taken(take::cron)),
    (&["autorestart"], Taken(take::autorestart)),
    (&["stop_exit_codes"], Taken(take::stop_exit_codes)),
    (&["max_restarts"], Taken(take::max_restarts)),
    (&["min_uptime"], Taken(take::min_uptime)),
    (&["restart_delay"], Taken(take::restart_delay)),
    (&["exp_backoff_restart_delay"], Taken(take::backoff)),
    (&["kill_timeout"], Taken(take::kill_timeout)),
    (&["user", "uid", "username"], Taken(take::user)),
    (&["gid"], Taken(take::group)),
    (&["wait_ready"], Taken(take::wait_ready)),
    (
        &["listen_timeout"],
        Dropped(
            "PM2 took a program for ready after so long; here `ready` says when it is, and \
             health.start_timeout (60s) ends one that never is",
        ),
    ),
    (
        &["shutdown_with_message"],
        Asked("programs are asked to leave by a signal, not by process.send: let it act on SIGINT"),
    ),
    (
        &["autostart"],
        Missed("every app is started; `mcp-supervisor stop NAME` stops one, and it stays stopped"),
    ),
    (&["treekill"], Missed("whoever a program started is always ended with it")),
    (&["instance_var"], Dropped("the number of a worker is in MCP_SUPERVISOR_SLOT")),
    (
        &["increment_var"],
        Asked(
            "variables are the same for all workers; a program adds MCP_SUPERVISOR_SLOT to its \
             port itself, or shares one port by `listen`",
        ),
    ),
    (&["namespace"], Dropped("there are no groups; commands take an app, one slot of it, or all")),
    (&["name_prefix", "append_env_to_name"], Dropped("names are written out")),
    (
        &[
            "out_file",
            "error_file",
            "log_file",
            "output",
            "error",
            "log",
            "out",
            "err",
            "pm_out_log_path",
            "pm_err_log_path",
            "pm_log_path",
        ],
        Dropped("logs are NAME.out.log and NAME.err.log in supervisor.log_directory, rotated"),
    ),
    (
        &["merge_logs", "combine_logs"],
        Dropped("all workers of an app share its two logs; logs.merge = false gives each its own"),
    ),
    (&["log_date_format", "time", "log_type"], Dropped("lines are kept as the program wrote them")),
    (&["disable_logs"], Asked("output is always kept; logs.max_size and logs.max_files bound it")),
    (&["pid_file", "pid", "pm_pid_path"], Dropped("`mcp-supervisor pid NAME` prints process ids")),
    (
        &["kill_retry_time"],
        Dropped("nothing is tried again: after health.drain_timeout the whole tree is killed"),
    ),
    (&["watch_options"], Dropped("files are watched by the kernel's own means, without options")),
    (
        &["filter_env"],
        Dropped("programs get none of the caller's environment but PATH and the like"),
    ),
    (
        &["health_check_url", "health_check_grace_period"],
        Asked(
            "PM2 ignored it; here [apps.NAME.health.probe] with http = \"http://127.0.0.1:…\" asks \
             a page of the worker's own",
        ),
    ),
    (
        &[
            "vizion",
            "vizion_running",
            "versioning",
            "post_update",
            "install_url",
            "trace",
            "v8",
            "event_loop_inspector",
            "deep_monitoring",
            "pmx",
            "automation",
            "io",
            "km_link",
            "disable_trace",
            "instrument",
        ],
        Dropped("nothing is put into programs, and no service elsewhere is told about them"),
    ),
    (
        &["force", "execute_command", "write", "windowsHide", "disable_source_map_support"],
        Dropped("it has no meaning here"),
    ),
];
