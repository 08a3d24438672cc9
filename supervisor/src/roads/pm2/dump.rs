//! `dump.pm2`: one entry for each process, with every option resolved and PM2's own notes mixed in.

use super::Entries;
use crate::roads::written::Written;

/// Names of the dump for options that the ecosystem file calls otherwise.
const RENAMED: [(&str, &str); 2] = [("pm_exec_path", "script"), ("pm_cwd", "cwd")];

/// One app for all entries of a name; how many there were is the number of its instances.
pub(super) fn apps(root: &Written) -> Vec<Entries> {
    let mut apps: Vec<(Option<String>, Entries, i64)> = Vec::new();
    for entry in super::tables(root) {
        let name = entry.iter().find(|(key, _)| key == "name").and_then(|(_, name)| name.as_text());
        match apps.iter_mut().find(|(known, ..)| name.is_some() && *known == name) {
            Some((_, _, count)) => *count += 1,
            None => apps.push((name, options(entry), 1)),
        }
    }
    let with_count = |(_, mut entries, count): (_, Entries, i64)| {
        entries.retain(|(key, _)| key != "instances");
        if count > 1 {
            entries.push(("instances".to_owned(), Written::Integer(count)));
        }
        entries
    };
    apps.into_iter().map(with_count).collect()
}

/// The options of an entry. Variables stand in it twice: in `env`, and beside it.
fn options(entry: Entries) -> Entries {
    let root = Written::Table(entry.clone());
    let variable = |key: &str, value: &Written| {
        let twin = root.get("env").and_then(|env| env.get(key));
        twin.is_some_and(|twin| twin.as_text() == value.as_text())
    };
    let renamed = |key: String| {
        let known = RENAMED.iter().find(|(name, _)| *name == key);
        known.map_or(key, |(_, name)| (*name).to_owned())
    };
    entry
        .into_iter()
        .filter(|(key, value)| !variable(key, value))
        .map(|(key, value)| (renamed(key), value))
        .collect()
}

/// Variables that a shell has anyway, and those by which PM2 and node talk: PM2 copied all that it
/// found when `pm2 start` was typed.
pub(super) fn is_of_the_shell(name: &str) -> bool {
    const NAMES: [&str; 29] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "TERM",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "MAIL",
        "EDITOR",
        "PAGER",
        "DISPLAY",
        "HOSTNAME",
        "LS_COLORS",
        "COLORTERM",
        "TERM_PROGRAM",
        "_",
        "NODE_APP_INSTANCE",
        "INIT_CWD",
        "unique_id",
        "name",
        "windowsHide",
        "MOTD_SHOWN",
        "WINDOWID",
    ];
    const BEGINNINGS: [&str; 13] = [
        "LC_", "SSH_", "XDG_", "DBUS_", "PM2_", "npm_", "SUDO_", "GPG_", "LESS", "TMUX", "VSCODE_",
        "NVM_", "WSL",
    ];
    NAMES.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}
