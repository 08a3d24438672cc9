//! From a PM2 ecosystem file, or the list that `pm2 save` keeps, to a draft.
//!
//! JavaScript is not read here: `runtime` has it evaluated, and what comes in is its JSON.

mod app;
mod dump;
mod keys;
mod take;
mod write;

use super::document::Document;
use super::notes::Notes;
use super::written::Written;
use super::{Draft, Place, Untranslatable, free_name, plain_name};
use app::{App, Dialect};

/// How a PM2 file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// A program that exports the configuration.
    JavaScript,
    /// JSON, or YAML, of which JSON is a part.
    Data,
    /// `dump.pm2`: the processes that ran when `pm2 save` was typed, as JSON.
    Dump,
}

/// Told by the file's name, as PM2 does.
#[must_use]
pub fn syntax(name: &str) -> Option<Syntax> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        _ if name.starts_with("dump.pm2") => Some(Syntax::Dump),
        "js" | "cjs" | "mjs" => Some(Syntax::JavaScript),
        "json" | "json5" | "yaml" | "yml" => Some(Syntax::Data),
        _ => None,
    }
}

const HEAD: &str = "Translated from a PM2 file. `mcp-supervisor check` says what is still wrong with it. \
    Remarks below say where a person must look; docs/migrate.md explains each.";

/// Translates a PM2 file, or the JSON of one.
///
/// # Errors
/// When the text is no data, or no app is in it.
pub fn pm2(text: &str, syntax: Syntax, place: &Place) -> Result<Draft, Untranslatable> {
    let root = match syntax {
        // What comes from an evaluated file is JSON too.
        Syntax::JavaScript | Syntax::Dump => Written::from_json(text),
        Syntax::Data => Written::from_json(text).or_else(|_| Written::from_yaml(text)),
    };
    let root = root.map_err(|why| Untranslatable(format!("it cannot be read: {why}")))?;
    let mut notes = Notes::default();
    let (apps, dialect) = match syntax {
        Syntax::Dump => (dump::apps(&root), Dialect::Dump),
        Syntax::JavaScript | Syntax::Data => (ecosystem(&root, &mut notes), Dialect::Ecosystem),
    };
    let mut document = Document::default();
    document.head(HEAD);
    let mut taken = Vec::new();
    for (index, entries) in apps.iter().enumerate() {
        let app = App::read(entries, index, dialect, &mut notes);
        let (wanted, label) = (app.wanted_name(), app.label.clone());
        let name = free_name(&wanted, &taken);
        if name != wanted {
            let words = match name == plain_name(&wanted) {
                true => format!("was called `{wanted}`; names have letters, digits, `.`, `_`, `-`"),
                false => format!("was called `{wanted}`, as another app is"),
            };
            notes.question(format!("apps.{name}"), words);
        }
        taken.push(name.clone());
        write::app(&app, &name, place, &mut document, &mut notes);
        for (key, into) in app.became {
            let under = |path: Vec<String>| write::full(&name, path);
            notes.translated(format!("{label}.{key}"), into.into_iter().map(under).collect());
        }
    }
    if taken.is_empty() {
        let words = "there is no app in it; PM2 writes { apps: [ { name, script } ] }";
        return Err(Untranslatable(words.to_owned()));
    }
    Ok(notes.finish(&document))
}

type Entries = Vec<(String, Written)>;

/// The apps of an ecosystem file: `{ apps: [...] }`, a list, or a single app.
fn ecosystem(root: &Written, notes: &mut Notes) -> Vec<Entries> {
    let Written::Table(entries) = root else { return tables(root) };
    if root.get("apps").is_none() && root.get("script").or(root.get("exec")).is_some() {
        return tables(root);
    }
    let mut apps = Vec::new();
    for (key, value) in entries {
        match (key.as_str(), value) {
            ("apps" | "pm2", value) => apps.extend(tables(value)),
            ("deploy", Written::Table(targets)) => {
                for (target, _) in targets {
                    notes.dropped(format!("deploy.{target}"), DEPLOY);
                }
            }
            (other, _) => notes.unknown(other, "PM2 does not know it either"),
        }
    }
    apps
}

const DEPLOY: &str = "files are not copied to other machines here; let what does it run \
                      `mcp-supervisor reload` there at its end, as post-deploy did";

fn tables(value: &Written) -> Vec<Entries> {
    value.items().iter().filter_map(Written::as_table).map(<[_]>::to_vec).collect()
}
