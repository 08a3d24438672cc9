//! `[program:NAME]`: every option read into what is meant.

use super::expand::{expand, variables};
use super::ini::Section;
use super::keys::{Fate, PROGRAM, Whole};
use crate::roads::document::variable;
use crate::roads::notes::Notes;

/// What a program's options mean; `None` where supervisord's default holds.
#[derive(Debug, Default, Clone)]
pub(super) struct Program {
    pub(super) name: String,
    here: String,
    pub(super) command: Option<String>,
    process_name: Option<String>,
    pub(super) numprocs: Option<u32>,
    numprocs_start: Option<u32>,
    pub(super) directory: Option<String>,
    pub(super) user: Option<String>,
    pub(super) umask: Option<String>,
    environment: Option<String>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) autorestart: Option<String>,
    pub(super) exitcodes: Option<Vec<i64>>,
    pub(super) startsecs: Option<u64>,
    pub(super) startretries: Option<i64>,
    pub(super) stopsignal: Option<String>,
    pub(super) stopwaitsecs: Option<u64>,
    pub(super) bytes_max: Option<u64>,
    pub(super) backups: Option<i64>,
    /// Names of variables that are to be read from the environment.
    pub(super) borrowed: Vec<String>,
    /// Options and the keys that they became, below the app's table.
    pub(super) became: Vec<(String, &'static [&'static str])>,
}

/// Reads one option: the keys that it becomes, or why it becomes none.
pub(super) type Take = fn(&mut Program, &str) -> Result<&'static [&'static str], String>;

impl Program {
    pub(super) fn read(section: &Section, name: &str, here: &str, notes: &mut Notes) -> Program {
        let mut program =
            Program { name: name.to_owned(), here: here.to_owned(), ..Program::default() };
        for (key, value) in &section.entries {
            let full = format!("{}.{key}", section.name);
            let fate = PROGRAM.iter().find(|(names, _)| names.contains(&key.as_str()));
            match fate.map(|(_, fate)| fate) {
                Some(Fate::Taken(take)) => match take(&mut program, value) {
                    Ok(into) => program.became.push((key.clone(), into)),
                    Err(reason) => notes.dropped(full, reason),
                },
                Some(Fate::Dropped(reason)) => notes.dropped(full, *reason),
                Some(Fate::Asked(reason)) => {
                    notes.dropped(&full, *reason);
                    notes.question(full, *reason);
                }
                Some(Fate::Missed(reason)) => {
                    notes.dropped(&full, *reason);
                    if value.eq_ignore_ascii_case("false") {
                        notes.question(full, *reason);
                    }
                }
                None => notes.unknown(full, "supervisord does not know it either"),
            }
        }
        if program.command.is_none() {
            let words = "no command is named; write the program behind `exec`";
            notes.question(format!("{}.command", section.name), words);
        }
        program
    }

    /// The program once, with its instances; or one for each number where the number shows.
    pub(super) fn parted(&self, whole: &Whole, notes: &mut Notes) -> Vec<Program> {
        let texts = [&self.command, &self.directory, &self.environment];
        let shows = texts.into_iter().flatten().any(|text| text.contains("%(process_num)"));
        let count = self.numprocs.unwrap_or(1);
        if !shows {
            return vec![self.expanded(0, whole, notes)];
        }
        let start = self.numprocs_start.unwrap_or(0);
        let number = |number| {
            let mut one = self.expanded(number, whole, notes);
            let default = if count > 1 { "%(program_name)s-%(process_num)d" } else { "" };
            let name = self.process_name.as_deref().filter(|_| count > 1).unwrap_or(default);
            if let Ok(name) = expand(name, &|name| self.lookup(name, number))
                && !name.is_empty()
            {
                one.name = name;
            }
            one.numprocs = None;
            one
        };
        (start..start.saturating_add(count.min(256))).map(number).collect()
    }

    fn lookup(&self, name: &str, number: u32) -> Option<String> {
        match name {
            "here" => Some(self.here.clone()),
            "program_name" | "group_name" => Some(self.name.clone()),
            "process_num" => Some(number.to_string()),
            "numprocs" => Some(self.numprocs.unwrap_or(1).to_string()),
            name => name.strip_prefix("ENV_").map(variable),
        }
    }

    /// The program with every `%(name)s` replaced.
    fn expanded(&self, number: u32, whole: &Whole, notes: &mut Notes) -> Program {
        let mut one = self.clone();
        let mut replace = |text: &mut Option<String>, what: &str| {
            let Some(written) = text.as_mut() else { return };
            match expand(written, &|name| self.lookup(name, number)) {
                Ok(expanded) => *written = expanded,
                Err(why) => notes.question(format!("program:{}.{what}", self.name), why),
            }
        };
        replace(&mut one.command, "command");
        replace(&mut one.directory, "directory");
        replace(&mut one.user, "user");
        replace(&mut one.environment, "environment");
        one.borrowed = self.borrowed();
        one.variables.clone_from(&whole.environment);
        match variables(one.environment.as_deref().unwrap_or_default()) {
            Ok(own) => {
                one.variables.retain(|(name, _)| !own.iter().any(|(known, _)| known == name));
                one.variables.extend(own);
            }
            Err(why) => notes.question(format!("program:{}.environment", self.name), why),
        }
        one
    }

    fn borrowed(&self) -> Vec<String> {
        let texts = [&self.command, &self.directory, &self.user, &self.environment];
        let parts = texts.into_iter().flatten().flat_map(|text| text.split("%(ENV_").skip(1));
        let names = parts.filter_map(|rest| rest.split_once(')')).map(|(name, _)| name.to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.dedup();
        names
    }
}

/// One function for each option that is read.
pub(super) mod take {
    use super::Program;
    use crate::config::ranges;
    use crate::roads::units::{count, with_unit};

    type Into = Result<&'static [&'static str], String>;

    fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
        value.trim().parse().map_err(|_| "it is no number".to_owned())
    }

    fn some(value: &str) -> Result<Option<String>, String> {
        let text = Some(value.trim().to_owned()).filter(|text| !text.is_empty());
        if text.is_some() { Ok(text) } else { Err("it is empty".to_owned()) }
    }

    pub(in super::super) fn command(program: &mut Program, value: &str) -> Into {
        program.command = some(value)?;
        Ok(&["exec"])
    }

    pub(in super::super) fn process_name(program: &mut Program, value: &str) -> Into {
        program.process_name = some(value)?;
        Ok(&[""])
    }

    pub(in super::super) fn numprocs(program: &mut Program, value: &str) -> Into {
        program.numprocs = Some(number(value)?);
        Ok(&["instances"])
    }

    pub(in super::super) fn numprocs_start(program: &mut Program, value: &str) -> Into {
        program.numprocs_start = Some(number(value)?);
        Ok(&[""])
    }

    pub(in super::super) fn directory(program: &mut Program, value: &str) -> Into {
        program.directory = some(value)?;
        Ok(&["cwd"])
    }

    pub(in super::super) fn user(program: &mut Program, value: &str) -> Into {
        program.user = some(value)?;
        Ok(&["user"])
    }

    pub(in super::super) fn umask(program: &mut Program, value: &str) -> Into {
        program.umask = some(value)?;
        Ok(&["umask"])
    }

    pub(in super::super) fn environment(program: &mut Program, value: &str) -> Into {
        program.environment = some(value)?;
        Ok(&["env"])
    }

    pub(in super::super) fn autorestart(program: &mut Program, value: &str) -> Into {
        program.autorestart = some(value)?.map(|word| word.to_lowercase());
        Ok(&["restart.policy"])
    }

    pub(in super::super) fn exitcodes(program: &mut Program, value: &str) -> Into {
        let codes = value.split(',').map(number::<i64>).collect::<Result<Vec<_>, _>>()?;
        program.exitcodes = Some(codes);
        Ok(&["restart.stop_exit_codes"])
    }

    pub(in super::super) fn startsecs(program: &mut Program, value: &str) -> Into {
        program.startsecs = Some(number(value)?);
        Ok(&["ready"])
    }

    pub(in super::super) fn startretries(program: &mut Program, value: &str) -> Into {
        program.startretries = Some(count("restart.max_restarts", number(value)?));
        Ok(&["restart.max_restarts"])
    }

    pub(in super::super) fn stopsignal(program: &mut Program, value: &str) -> Into {
        let name = value.trim().to_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name).to_owned();
        const KNOWN: [&str; 8] = ["TERM", "HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "WINCH"];
        if !KNOWN.contains(&name.as_str()) {
            return Err(format!("a program is asked to leave by one of {}", KNOWN.join(", ")));
        }
        program.stopsignal = Some(format!("SIG{name}"));
        Ok(&["stop_signal"])
    }

    pub(in super::super) fn stopwaitsecs(program: &mut Program, value: &str) -> Into {
        program.stopwaitsecs = Some(number(value)?);
        Ok(&["health.drain_timeout"])
    }

    pub(in super::super) fn maxbytes(program: &mut Program, value: &str) -> Into {
        const UNITS: [(&str, u64); 4] =
            [("", 1), ("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)];
        let bytes = with_unit(value, &UNITS).ok_or_else(|| "it is no size".to_owned())?;
        let accepted = ranges::sizes("logs.max_size");
        if bytes < *accepted.bytes.start() {
            return Err(format!(
                "log files are always rotated; \"{}\" is the largest",
                accepted.max
            ));
        }
        // Both of a program's files have the same bound: the larger one.
        program.bytes_max = program.bytes_max.max(Some(bytes));
        Ok(&["logs.max_size"])
    }

    pub(in super::super) fn backups(program: &mut Program, value: &str) -> Into {
        let count = count("logs.max_files", number(value)?);
        program.backups = program.backups.max(Some(count));
        Ok(&["logs.max_files"])
    }
}
