//! Which apps take no calls for now, kept over the supervisor's end: `maintenance.json`.
//!
//! The file is replaced as a whole, by a task of its own: the loop never waits for a disk. One that
//! cannot be read is put aside and said aloud; calls are taken then, for that is what an app is for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mcp_protocol::admin::Maintenance;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::machine::AppName;
use crate::runtime::state;

/// The name of the file in the state directory.
const FILE_NAME: &str = "maintenance.json";
/// The form of the file that is written and understood.
const VERSION: u32 = 1;

/// The apps that take no calls.
#[derive(Debug)]
pub(crate) struct Kept {
    apps: Apps,
    number: u64,
    orders: watch::Sender<(u64, Apps)>,
    written: watch::Receiver<(u64, Option<String>)>,
}

type Apps = BTreeMap<String, Maintenance>;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    apps: Apps,
}

impl Kept {
    /// Reads what an earlier supervisor kept.
    pub(crate) fn open(directory: &Path) -> Kept {
        let file = directory.join(FILE_NAME);
        let apps = read(&file).unwrap_or_else(|why| {
            let (place, file) = (state::put_aside(&file), file.display());
            tracing::warn!("cannot use `{file}`: {why}; {place}, and every app takes calls");
            Apps::new()
        });
        let (orders, ordered) = watch::channel((0, apps.clone()));
        let (report, written) = watch::channel((0, None));
        tokio::spawn(write_on(file, ordered, report));
        Kept { apps, number: 0, orders, written }
    }

    /// Why an app takes no calls, if it takes none.
    pub(crate) fn of(&self, app: &AppName) -> Option<&Maintenance> {
        self.apps.get(app.as_str())
    }

    /// These apps take no calls from now on, or take them again.
    pub(crate) fn set(&mut self, apps: &[AppName], maintenance: Option<&Maintenance>) {
        for app in apps {
            match maintenance {
                Some(maintenance) => {
                    self.apps.insert(app.to_string(), maintenance.clone());
                }
                None => drop(self.apps.remove(app.as_str())),
            }
        }
        self.number += 1;
        self.orders.send_replace((self.number, self.apps.clone()));
    }

    /// Waits until everything is in the file, or says why it is not.
    pub(crate) fn kept(&self) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let (number, mut written) = (self.number, self.written.clone());
        async move {
            match written.wait_for(|(written, _)| *written >= number).await {
                Ok(written) => written.1.clone().map_or(Ok(()), Err),
                Err(_) => Err("the supervisor is ending".to_owned()),
            }
        }
    }
}

async fn write_on(
    file: PathBuf,
    mut ordered: watch::Receiver<(u64, Apps)>,
    report: watch::Sender<(u64, Option<String>)>,
) {
    while ordered.changed().await.is_ok() {
        let (number, apps) = ordered.borrow_and_update().clone();
        let path = file.clone();
        let outcome = tokio::task::spawn_blocking(move || write(&path, apps)).await;
        let outcome = outcome.unwrap_or_else(|error| Err(io::Error::other(error)));
        let problem =
            outcome.err().map(|error| format!("cannot write `{}`: {error}", file.display()));
        if let Some(problem) = &problem {
            tracing::error!(problem, "a maintenance will not outlive the supervisor");
        }
        report.send_replace((number, problem));
    }
}

fn read(file: &Path) -> Result<Apps, String> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Apps::new()),
        Err(error) => return Err(error.to_string()),
    };
    let document: Document = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    match document.version {
        VERSION => Ok(document.apps),
        other => Err(format!("its version is {other}, and {VERSION} is understood")),
    }
}

fn write(file: &Path, apps: Apps) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(&Document { version: VERSION, apps })?;
    text.push(b'\n');
    state::keep(file, &text, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maintenance() -> Maintenance {
        let (reason, by) = (Some("an upgrade".to_owned()), "operator 0".to_owned());
        Maintenance { since: 1, reason, retry_after_seconds: 60, by }
    }

    #[tokio::test]
    async fn a_maintenance_is_there_after_a_restart_until_it_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let (query, other) = (AppName::new("query"), AppName::new("other"));
        let mut kept = Kept::open(directory.path());
        kept.set(std::slice::from_ref(&query), Some(&maintenance()));
        kept.kept().await.unwrap();
        let mut again = Kept::open(directory.path());
        assert_eq!((again.of(&query), again.of(&other)), (Some(&maintenance()), None));
        again.set(&[query.clone(), other], None);
        again.kept().await.unwrap();
        assert_eq!(Kept::open(directory.path()).of(&query), None);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_put_aside_and_calls_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        for text in
            ["{", "{\"version\": 2, \"apps\": {}}", "{\"version\": 1, \"apps\": {}, \"x\": 1}"]
        {
            fs::write(&file, text).unwrap();
            assert_eq!(Kept::open(directory.path()).of(&AppName::new("query")), None);
            assert!(!file.exists(), "{text}");
        }
        assert!(directory.path().join("maintenance.json.broken").exists());
    }
}
