//! What a server's processes take, as `/proc` shows it.

use std::fs;

/// A process and what it takes.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) resident_bytes: u64,
}

/// A process and everybody below it.
pub(crate) fn tree(root: u32) -> Vec<Process> {
    let everyone: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut found = vec![root];
    let mut looked = 0;
    while let Some(one) = found.get(looked).copied() {
        found.extend(everyone.iter().filter(|(_, parent)| *parent == one).map(|(pid, _)| *pid));
        looked += 1;
    }
    found.into_iter().filter_map(process).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets and may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn process(pid: u32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes: u64 = line("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    let name = line("Name:")?.trim().to_owned();
    Some(Process { pid, name, resident_bytes: kilobytes * 1024 })
}
