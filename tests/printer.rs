//! A program that prints numbered lines of 100 bytes as fast as it can, for the tests and the
//! benchmark of the logs: it knows what it wrote and how long it was kept waiting.
//!
//! `printer COUNT` prints so many lines and stays. `printer COUNT REPORT` says then in this file
//! how many milliseconds its longest write took, and prints COUNT lines more as soon as that file
//! is gone.
#![expect(clippy::disallowed_methods, reason = "how long a write takes is what it is asked")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// The length of a line, its end included.
const LINE_BYTES: usize = 100;
/// How many lines are written at once: as much as a pipe takes as a whole.
const LINES: usize = 640;
/// The digits of a number.
const DIGITS: usize = 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().and_then(|text| text.parse().ok()).expect("a count");
    let report = arguments.next().map(PathBuf::from);
    let waited = print(0, count);
    let (_never, pause) = channel::<()>();
    if let Some(report) = report {
        tell(&report, waited);
        while report.exists() {
            let _ = pause.recv_timeout(Duration::from_millis(5));
        }
        print(count, count);
    }
    let _ = pause.recv_timeout(Duration::from_secs(3600));
}

/// Prints so many lines, and tells how long the longest write took.
fn print(first: usize, count: usize) -> Duration {
    let mut out = std::io::stdout().lock();
    let mut block = vec![b'x'; LINES * LINE_BYTES];
    let mut longest = Duration::ZERO;
    let mut number = first;
    while number < first + count {
        let lines = LINES.min(first + count - number);
        for line in block.chunks_exact_mut(LINE_BYTES).take(lines) {
            let mut rest = number;
            for digit in line[..DIGITS].iter_mut().rev() {
                *digit = b"0123456789"[rest % 10];
                rest /= 10;
            }
            line[DIGITS] = b' ';
            line[LINE_BYTES - 1] = b'\n';
            number += 1;
        }
        let begun = Instant::now();
        out.write_all(&block[..lines * LINE_BYTES]).expect("somebody reads");
        out.flush().expect("somebody reads");
        longest = longest.max(begun.elapsed());
    }
    longest
}

/// Others see the file as a whole.
fn tell(report: &Path, waited: Duration) {
    let unfinished = report.with_extension("part");
    std::fs::write(&unfinished, waited.as_millis().to_string()).expect("the report can be written");
    std::fs::rename(unfinished, report).expect("the report can be named");
}
