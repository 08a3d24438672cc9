//! How much room there is: on the disk of the logs, and in memory.
//!
//! A disk that hangs is asked outside of the loop and not waited for; then its numbers are missing,
//! which is what an alert can see.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::families::{DISK_FREE, DISK_SIZE};
use super::number;
use super::sheet::Sheet;
use crate::runtime::cgroup::own_cgroup;
use crate::runtime::clock::in_time;

/// How long a disk may take to say how full it is.
const LOOK_MAX: Duration = Duration::from_secs(1);

/// How much room a disk has, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disk {
    pub(crate) free: u64,
    pub(crate) size: u64,
}

/// How full the disk of a directory is; none when it does not say so in time.
pub(crate) async fn disk(directory: PathBuf) -> Option<Disk> {
    let looked = tokio::task::spawn_blocking(move || statvfs(&directory));
    let disk = tokio::time::timeout_at(in_time(LOOK_MAX), looked).await.ok()?.ok()?.ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
    Some(Disk { free: bytes(disk.blocks_available()), size: bytes(disk.blocks()) })
}

/// Looks how full the disk of the logs is.
pub(super) async fn look(sheet: &mut Sheet, directory: PathBuf) {
    if let Some(Disk { free, size }) = disk(directory).await {
        sheet.set(DISK_FREE, &[], number(free));
        sheet.set(DISK_SIZE, &[], number(size));
    }
}

/// What the machine has of memory, or what of it we may use, if that is less.
pub(super) fn of_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    let line = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)?;
    let own = own_cgroup().ok();
    let limits = own.iter().flat_map(|own| own.ancestors()).filter_map(|cgroup| {
        fs::read_to_string(cgroup.join("memory.max")).ok()?.trim().parse().ok()
    });
    Some(limits.fold(machine, u64::min))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_a_size() {
        let bytes = of_memory().unwrap();
        assert!(bytes > 1 << 26 && bytes < 1 << 50, "{bytes}");
    }
}
