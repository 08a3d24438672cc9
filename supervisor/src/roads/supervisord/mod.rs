//! From supervisord's configuration to a draft.
//!
//! Included files are read by the caller: [`includes`] names them, [`supervisord`] takes the texts.

mod expand;
mod ini;
mod keys;
mod program;
mod write;

use std::path::{Path, PathBuf};

use super::document::{Document, path};
use super::notes::Notes;
use super::{Draft, Place, Untranslatable, free_name, plain_name};
use ini::Section;
use program::Program;

/// One file of supervisord's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it is, absolute: `%(here)s` is its directory.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

impl Part {
    fn here(&self) -> String {
        self.path.parent().unwrap_or(Path::new("/")).display().to_string()
    }

    fn sections(&self) -> Result<Vec<Section>, Untranslatable> {
        ini::parse(&self.text)
            .map_err(|why| Untranslatable(format!("{} cannot be read: {why}", self.path.display())))
    }
}

const HEAD: &str = "Translated from supervisord's configuration. `mcp-supervisor check` says what is still wrong with it. \
    Remarks below say where a person must look; docs/migrate.md explains each.";

/// The patterns of the files that a file includes, from that file's directory.
///
/// # Errors
/// When the text has not supervisord's form.
pub fn includes(main: &Part) -> Result<Vec<String>, Untranslatable> {
    let sections = main.sections()?;
    let include = sections.iter().find(|section| section.name == "include");
    let here = main.here();
    let lookup = |name: &str| (name == "here").then(|| here.clone());
    let files = include.and_then(|section| section.get("files")).unwrap_or_default();
    let patterns = files.split_whitespace().map(|pattern| {
        expand::expand(pattern, &lookup)
            .map_err(|why| Untranslatable(format!("include.files cannot be followed: {why}")))
    });
    patterns.collect()
}

/// Translates the main file and those that it includes.
///
/// # Errors
/// When a text has not supervisord's form, or no program is in any.
pub fn supervisord(parts: &[Part], place: &Place) -> Result<Draft, Untranslatable> {
    let mut notes = Notes::default();
    let mut document = Document::default();
    document.head(HEAD);
    let mut all = Vec::new();
    for part in parts {
        let sections = part.sections()?.into_iter();
        all.extend(sections.map(|section| (section, part.here())));
    }
    let whole = all.iter().find(|(section, _)| section.name == "supervisord");
    let whole = whole.map(|(section, here)| keys::whole(section, here, &mut document, &mut notes));
    let whole = whole.unwrap_or_default();
    let mut taken = Vec::new();
    for (section, here) in &all {
        match section.name.split_once(':').unwrap_or((&section.name, "")) {
            ("program", name) => {
                let program = Program::read(section, name, here, &mut notes);
                let mut apps = Vec::new();
                for one in program.parted(&whole, &mut notes) {
                    let app = free_name(&one.name, &taken);
                    if app != plain_name(&one.name) || app != one.name {
                        let words = format!("was called `{}`", one.name);
                        notes.question(format!("apps.{app}"), words);
                    }
                    taken.push(app.clone());
                    apps.push(app.clone());
                    write::app(&one, &whole, &app, place, (&mut document, &mut notes));
                }
                for (key, into) in &program.became {
                    let into = full_keys(into, &apps);
                    notes.translated(format!("{}.{key}", section.name), into);
                }
            }
            ("supervisord", _) => {}
            (kind, _) => drop_section(section, kind, &mut notes),
        }
    }
    if taken.is_empty() {
        return Err(Untranslatable("there is no [program:NAME] in it".to_owned()));
    }
    Ok(notes.finish(&document))
}

/// Keys below the first of the apps that a program became. What became their number, or their
/// name, is all of them.
fn full_keys(below: &[&str], apps: &[String]) -> Vec<Vec<String>> {
    let number = |key: &&str| key.is_empty() || (*key == "instances" && apps.len() > 1);
    if below.iter().any(number) {
        return apps.iter().map(|app| path(&["apps", app])).collect();
    }
    let first = apps.first().map_or("", String::as_str);
    let full = |key: &&str| {
        let below: Vec<&str> = key.split('.').collect();
        [path(&["apps", first]), path(&below)].concat()
    };
    below.iter().map(full).collect()
}

/// A section that has no counterpart, key by key.
fn drop_section(section: &Section, kind: &str, notes: &mut Notes) {
    let reason = match kind {
        "include" => "included files were read; there is one file here",
        "group" => "there are no groups; commands take an app, one slot of it, or all",
        "eventlistener" => {
            "no program is told of events; metrics, logs and `status --json` tell them"
        }
        "fcgi-program" => {
            "the socket is descriptor 0 there and descriptor 3 here (docs/any-program.md); write \
             an app with `listen`"
        }
        "unix_http_server" | "inet_http_server" | "supervisorctl" | "rpcinterface" => {
            "commands go over a socket in supervisor.run_directory, open to its own user alone"
        }
        _ => {
            for (key, _) in &section.entries {
                let words = "supervisord has no such section";
                notes.unknown(format!("{}.{key}", section.name), words);
            }
            return;
        }
    };
    for (key, _) in &section.entries {
        notes.dropped(format!("{}.{key}", section.name), reason);
    }
    if kind == "fcgi-program" || kind == "eventlistener" {
        notes.question(section.name.clone(), format!("is not in the new file: {reason}"));
    }
}
