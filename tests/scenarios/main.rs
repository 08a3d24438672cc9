//! Plays every story in this directory: events in, actions out, in text.
//!
//! A story pins one decision of the machine, so that an operator can read it. Lines that begin at
//! the margin are written by hand: a time and an event. Indented lines are what the machine does;
//! `UPDATE=1` writes them anew. A time on an indented line means that no event came: a deadline
//! passed. The line `status` shows the picture that an operator would see.

mod play;
mod script;
mod words;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use play::play;

#[test]
fn stories_end_as_they_are_told() {
    let update = update_wanted();
    let mut told = 0;
    let mut wrong = String::new();
    for path in stories() {
        told += 1;
        let written = std::fs::read_to_string(&path).unwrap();
        let played = play(&written).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        if played == written {
            continue;
        }
        if update {
            std::fs::write(&path, played).unwrap();
        } else {
            let _ = write!(wrong, "\n{}\n{}", path.display(), difference(&written, &played));
        }
    }
    assert!(told >= 16, "only {told} stories were found");
    assert!(wrong.is_empty(), "stories went another way (UPDATE=1 rewrites them):{wrong}");
}

#[expect(clippy::disallowed_methods, reason = "a switch for the person who runs the tests")]
fn update_wanted() -> bool {
    std::env::var_os("UPDATE").is_some()
}

fn stories() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let entries =
        std::fs::read_dir(directory).expect("stories").map(|entry| entry.expect("a story").path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "story")).collect();
    paths.sort();
    paths
}

fn difference(written: &str, played: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (written.lines().collect(), played.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let mut text = String::new();
    for line in &old[same.saturating_sub(3)..same] {
        let _ = writeln!(text, "  {line}");
    }
    for (mark, lines) in [('-', &old), ('+', &new)] {
        for line in lines.iter().skip(same).take(6) {
            let _ = writeln!(text, "{mark} {line}");
        }
    }
    text
}
