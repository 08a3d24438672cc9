//! MCP servers side by side: calls a second and how long they take, logins, statements in flight,
//! memory, starts and cancellation, each against a canned account of its own in this process.
//!
//! `run.sh` builds ours, installs the peers and runs this. Figures are ratios within one run; a
//! server that is not there is named and left out, never guessed.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a benchmark starts programs and reads the clock")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints its tables")]

mod account;
mod client;
mod load;
mod measure;
mod processes;
mod servers;
mod tables;

use std::path::PathBuf;
use std::time::Duration;

use measure::{Measured, measure};
use servers::{Kind, Places};

/// What was asked for.
struct Options {
    places: Places,
    rounds: usize,
    /// How long each load lasts.
    lasts: Duration,
    /// Names of servers begin so; all of them without one.
    only: Vec<String>,
}

fn options() -> Options {
    let mut options = Options {
        places: Places {
            supervisor: PathBuf::new(),
            worker: PathBuf::new(),
            peers: PathBuf::new(),
            sources: PathBuf::from("benches/mcp"),
        },
        rounds: 3,
        lasts: Duration::from_secs(5),
        only: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().expect("this option takes a value");
        match name.as_str() {
            "--supervisor" => options.places.supervisor = value().into(),
            "--worker" => options.places.worker = value().into(),
            "--peers" => options.places.peers = value().into(),
            "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
            "--seconds" => {
                options.lasts = Duration::from_secs(value().parse().expect("a number of seconds"));
            }
            "--only" => options.only = value().split(',').map(str::to_owned).collect(),
            other => panic!("unknown option {other}"),
        }
    }
    for place in
        [&mut options.places.supervisor, &mut options.places.worker, &mut options.places.peers]
    {
        *place = std::path::absolute(&place).unwrap();
    }
    options.places.sources = std::path::absolute(&options.places.sources).unwrap();
    options
}

fn main() {
    let options = options();
    let wanted = |kind: &Kind| {
        let name = kind.name().to_lowercase();
        options.only.is_empty() || options.only.iter().any(|only| name.contains(only))
    };
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(wanted).collect();
    let mut rounds: Vec<(Kind, Vec<Measured>, Vec<String>)> =
        kinds.into_iter().map(|kind| (kind, Vec::new(), Vec::new())).collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for round in 1..=options.rounds {
        for (kind, measured, problems) in &mut rounds {
            let program = kind.program(&options.places);
            if !program.exists() {
                *problems = vec!["not installed".to_owned()];
                continue;
            }
            eprintln!("round {round} of {}: {}", options.rounds, kind.name());
            match runtime.block_on(measure(*kind, &options.places, options.lasts)) {
                Ok(one) => measured.push(one),
                Err(problem) => {
                    eprintln!("  {problem}");
                    problems.push(problem);
                }
            }
        }
    }
    tables::print(&rounds, options.lasts);
}
