//! `import`: reads what others have, has it translated, and writes or prints the new file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use mcp_supervisor::cli::{Cli, Import};
use mcp_supervisor::config;
use mcp_supervisor::report;
use mcp_supervisor::roads::{self, Draft, Note, Part, Place, Syntax, Untranslatable};
use mcp_supervisor::runtime::{self, Existing};

use super::{CommandError, print, surroundings, system, with_time_zone};

/// The longest file that is translated, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The file that a printed configuration is checked as, in the directory where it was asked for.
const PRINTED: &str = "ecosystem.toml";

pub(super) fn import(cli: &Cli, wanted: &Import) -> Result<(), CommandError> {
    let (Import::Pm2(from)
    | Import::Supervisord(from)
    | Import::LabsYaml(from)
    | Import::Env(from)) = wanted;
    if let Some(output) = &from.output {
        refuse_existing(output, from.force)?;
    }
    let file = absolute(&from.file)?;
    let target = absolute(from.output.as_deref().unwrap_or(Path::new(PRINTED)))?;
    let place =
        Place { base: directory_of(&file), home: directory_of(&target), processors: processors() };
    let origin = from.file.display().to_string();
    let told = |draft: Draft| (report::draft(&draft, &origin), draft.toml);
    let (words, toml) = match wanted {
        Import::Pm2(_) => told(pm2(&file, &place)?),
        Import::Supervisord(_) => told(supervisord(&file, &place)?),
        Import::LabsYaml(_) => told(roads::labs(&read(&file)?).map_err(untranslatable(&file))?),
        Import::Env(_) => told(roads::env(&read(&file)?).map_err(untranslatable(&file))?),
    };
    deliver(&toml, from.output.as_deref(), from.force)?;
    say!("{}", words.trim_end());
    tell_what_to_mend(cli, &toml, &target)?;
    let config = match &from.output {
        Some(output) => format!(" --config {}", output.display()),
        None => String::new(),
    };
    say!("\nnext: mcp-supervisor{config} check");
    Ok(())
}

fn pm2(file: &Path, place: &Place) -> Result<Draft, CommandError> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let syntax = roads::syntax(&name.unwrap_or_default()).ok_or_else(|| {
        let reason =
            "PM2 files end in .js, .cjs, .mjs, .json, .yaml or .yml, or are called dump.pm2";
        CommandError::Untranslatable { file: file.to_owned(), reason: reason.to_owned() }
    })?;
    let text = match syntax {
        Syntax::JavaScript => {
            // A file that is not there is told as such, not by node.
            read(file)?;
            runtime::evaluate(file)
                .map_err(|source| CommandError::JavaScript { file: file.to_owned(), source })?
        }
        Syntax::Data | Syntax::Dump => read(file)?,
    };
    roads::pm2(&text, syntax, place).map_err(untranslatable(file))
}

fn supervisord(file: &Path, place: &Place) -> Result<Draft, CommandError> {
    let main = Part { path: file.to_owned(), text: read(file)? };
    let patterns = roads::includes(&main).map_err(untranslatable(file))?;
    let mut parts = vec![main];
    let mut missed = Vec::new();
    for pattern in patterns {
        let whole = place.base.join(&pattern).display().to_string();
        let found = glob::glob(&whole).map_err(|error| CommandError::Untranslatable {
            file: file.to_owned(),
            reason: format!("`{pattern}` in include.files is no pattern: {error}"),
        })?;
        let before = parts.len();
        for path in found {
            let path = path.map_err(|error| CommandError::System {
                operation: format!("read `{}`", error.path().display()),
                source: error.into(),
            })?;
            if path.is_file() {
                parts.push(Part { text: read(&path)?, path });
            }
        }
        if parts.len() == before {
            let words = format!("`{pattern}` is no file here; what it holds is not in the new one");
            missed.push(Note { key: "include.files".to_owned(), words });
        }
    }
    let mut draft = roads::supervisord(&parts, place).map_err(untranslatable(file))?;
    draft.questions.extend(missed);
    Ok(draft)
}

/// The text of a file, read up to a limit; a FIFO would keep us waiting.
fn read(file: &Path) -> Result<String, CommandError> {
    let operation = format!("read `{}`", file.display());
    let text = || {
        if !std::fs::metadata(file)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut text = String::new();
        File::open(file)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    text().map_err(system(&operation))
}

fn untranslatable(file: &Path) -> impl Fn(Untranslatable) -> CommandError + '_ {
    |Untranslatable(reason)| CommandError::Untranslatable { file: file.to_owned(), reason }
}

fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    std::path::absolute(path).map_err(system(&format!("find `{}`", path.display())))
}

fn directory_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("/")).components().collect()
}

fn processors() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Before anybody is asked anything: what is there stays.
pub(super) fn refuse_existing(file: &Path, force: bool) -> Result<(), CommandError> {
    match !force && file.symlink_metadata().is_ok() {
        true => Err(CommandError::Usage(format!(
            "`{}` is there already; --force replaces it, --output names another",
            file.display()
        ))),
        false => Ok(()),
    }
}

/// Writes the new file, whole or not at all; without one, prints it.
pub(super) fn deliver(text: &str, file: Option<&Path>, force: bool) -> Result<(), CommandError> {
    let Some(file) = file else { return print(text) };
    refuse_existing(file, force)?;
    let existing = if force { Existing::Replaced } else { Existing::Kept };
    // It may hold what the old one held.
    runtime::make_file(file, text.as_bytes(), 0o640, existing)
        .map_err(system(&format!("write `{}`", file.display())))
}

/// Reads the new file as `check` would, and says what is wrong with it on this machine.
pub(super) fn tell_what_to_mend(cli: &Cli, text: &str, file: &Path) -> Result<(), CommandError> {
    let surroundings = with_time_zone(surroundings(cli)?);
    if let Err(problems) = config::load_text(text, file, cli.env.as_deref(), &surroundings) {
        say!("\nto be mended\n{problems}");
    }
    Ok(())
}
