//! What operators want done with files: rotated at once, or emptied.
//!
//! Files of programs that do not run are there as well, with nobody who has them open; they are
//! found by their names.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;

use mcp_protocol::control::Target;

use super::key::{app_of_log, owner_of_log};
use super::pump::Pump;
use super::{Key, Waiting};
use crate::config::OutputConfig;
use crate::runtime::rotation::open_plain;

impl Pump {
    /// Rotates files, and tells those that wait for the end of a line. One that cannot be rotated
    /// holds up none of the others.
    pub(super) fn rotate(&mut self, target: &Target) -> io::Result<Vec<Waiting>> {
        let (mut waiting, mut outcome) = (Vec::new(), Ok(()));
        for (key, file) in self.files.iter_mut().filter(|(key, _)| key.is_meant(target)) {
            match file.rotate_when_asked() {
                Ok(true) => {}
                Ok(false) => waiting.push(Waiting::of(key)),
                Err(error) => {
                    let words = format!("{}: {error}", key.log_file());
                    outcome = outcome.and(Err(io::Error::new(error.kind(), words)));
                }
            }
        }
        for file in self.left_alone(target)? {
            if fs::metadata(&file)?.len() > 0 {
                // Whose policy it was is not known any more: nothing is given up for it.
                let policy = OutputConfig { files_max: u32::MAX, ..OutputConfig::default() };
                self.tidy.rotate(&file, policy)?;
            }
        }
        outcome.map(|()| waiting)
    }

    /// Empties files; what was rotated stays.
    pub(super) fn empty(&mut self, target: &Target) -> io::Result<()> {
        let open = self.files.iter_mut().filter(|(key, _)| key.is_meant(target));
        for (_, file) in open {
            file.empty()?;
        }
        for file in self.left_alone(target)? {
            open_plain(OpenOptions::new().write(true), &file)?.set_len(0)?;
        }
        Ok(())
    }

    /// The files of programs that do not run.
    fn left_alone(&self, target: &Target) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.log_directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_meant = match target {
                Target::All => app_of_log(name).is_some(),
                Target::App(app) => app_of_log(name) == Some(app),
                Target::Slot { app, .. } => owner_of_log(name)
                    .is_some_and(|owner| owner == app || owner == target.to_string()),
            };
            let is_open = self.files.values().any(|file| file.path() == path);
            if is_meant && !is_open && fs::symlink_metadata(&path)?.is_file() {
                found.push(path);
            }
        }
        Ok(found)
    }
}

impl Key {
    /// Whether an operator means this file.
    fn is_meant(&self, target: &Target) -> bool {
        match target {
            Target::All => true,
            Target::App(app) => self.app.as_str() == app,
            Target::Slot { app, slot } => {
                self.app.as_str() == app && self.slot.is_none_or(|own| own == *slot)
            }
        }
    }
}
