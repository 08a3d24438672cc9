//! What was measured, as tables in Markdown.

use std::time::Duration;

use crate::measure::{LOADS, Measured};
use crate::servers::Kind;

/// The rounds of a server, and why some of them failed.
type Rounds = (Kind, Vec<Measured>, Vec<String>);

/// Prints everything; each figure is the median of the rounds.
pub(crate) fn print(rounds: &[Rounds], lasts: Duration) {
    let count = rounds.iter().map(|(_, measured, _)| measured.len()).max().unwrap_or(0);
    println!("\nMedian of {count} rounds, {lasts:?} a load; load of the machine {}\n", busy());
    calls(rounds);
    logins(rounds);
    rest(rounds);
    for (kind, _, problems) in rounds.iter().filter(|(_, _, problems)| !problems.is_empty()) {
        println!("{}: {}\n", kind.name(), problems.join("; "));
    }
}

fn present(rounds: &[Rounds]) -> impl Iterator<Item = (String, &[Measured])> {
    let there = rounds.iter().filter(|(_, measured, _)| !measured.is_empty());
    there.map(|(kind, measured, _)| (kind.name(), measured.as_slice()))
}

fn titles(first: &str) {
    let of = |(latency, clients): &(u64, usize)| format!("{clients} at once, {latency} ms");
    let names: Vec<String> = LOADS.iter().map(of).collect();
    println!("| {first} | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
}

fn calls(rounds: &[Rounds]) {
    titles("calls a second / p50 ms / p99 ms");
    for (name, measured) in present(rounds) {
        let cells: Vec<String> = (0..LOADS.len())
            .map(|load| {
                let of = |take: fn(&Measured, usize) -> f64| {
                    median(measured.iter().map(|one| take(one, load)).collect())
                };
                let rate = of(|one, load| one.loads[load].0.calls_a_second);
                let p50 = of(|one, load| one.loads[load].0.p50.as_secs_f64() * 1e3);
                let p99 = of(|one, load| one.loads[load].0.p99.as_secs_f64() * 1e3);
                let failed: usize = measured.iter().map(|one| one.loads[load].0.failed).sum();
                let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
                format!("{rate:.0} / {p50:.1} / {p99:.1}{failed}")
            })
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!();
}

fn logins(rounds: &[Rounds]) {
    titles("logins meanwhile / most statements in flight");
    for (name, measured) in present(rounds) {
        let cells: Vec<String> = (0..LOADS.len())
            .map(|load| {
                let logins = median(measured.iter().map(|one| one.loads[load].1 as f64).collect());
                let flying = median(measured.iter().map(|one| one.loads[load].2 as f64).collect());
                format!("{logins:.0} / {flying:.0}")
            })
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!();
}

fn rest(rounds: &[Rounds]) {
    println!("| | first answer, s | resident idle / loaded, MB | abort after a client left, ms |");
    println!("|---|---|---|---|");
    let of_servers = rounds.iter().filter(|(kind, ..)| *kind != Kind::Account);
    let servers: Vec<Rounds> = of_servers.cloned().collect();
    let rounds = &servers[..];
    for (name, measured) in present(rounds) {
        let of = |take: fn(&Measured) -> f64| median(measured.iter().map(take).collect());
        let start = of(|one| one.start.as_secs_f64());
        let idle = of(|one| one.idle_bytes as f64 / 1e6);
        let loaded = of(|one| one.loaded_bytes as f64 / 1e6);
        let aborts: Vec<(Duration, usize)> = measured.iter().filter_map(|one| one.cancel).collect();
        let came: usize = aborts.iter().map(|(_, came)| came).sum();
        let cancel = match median(aborts.iter().map(|(time, _)| time.as_secs_f64() * 1e3).collect())
        {
            _ if aborts.is_empty() => "–".to_owned(),
            _ if came == 0 => "none".to_owned(),
            time => format!("{time:.1} ({came} came)"),
        };
        println!("| {name} | {start:.2} | {idle:.0} / {loaded:.0} | {cancel} |");
    }
    println!();
    for (name, measured) in present(rounds) {
        let again: Vec<f64> =
            measured.iter().filter_map(|one| Some(one.again?.as_secs_f64() * 1e3)).collect();
        if !again.is_empty() {
            println!(
                "{name}: {:.0} ms from the kill of its worker to the next answer.",
                median(again)
            );
        }
        let supervisor: Vec<f64> =
            measured.iter().filter_map(|one| Some(one.supervisor_bytes? as f64 / 1e6)).collect();
        if !supervisor.is_empty() {
            println!(
                "{name}: the memory is a worker's; its supervisor has {:.1} MB.",
                median(supervisor)
            );
        }
    }
    println!();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The machine's load averages, which say how quiet it was.
fn busy() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(", ")
}
