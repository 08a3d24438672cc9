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

/// Looks how full the disk of the logs is.
pub(super) async fn look(sheet: &mut Sheet, directory: PathBuf) {
    let looked = tokio::task::spawn_blocking(move || statvfs(&directory));
    let Ok(Ok(Ok(disk))) = tokio::time::timeout_at(in_time(LOOK_MAX), looked).await else {
        return;
    };
    let block = disk.fragment_size();
    sheet.set(DISK_FREE, &[], number(disk.blocks_available().saturating_mul(block)));
    sheet.set(DISK_SIZE, &[], number(disk.blocks().saturating_mul(block)));
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
