//! How much of a processor each worker uses, from `/proc` on this machine: the protocol does not
//! say it. Once a picture carries it, this file goes away.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_protocol::control::Status;
use nix::unistd::{SysconfVar, sysconf};

/// Per cent of one processor, by process id.
pub(super) type Usage = BTreeMap<u32, f64>;

/// The processor time that every worker had used at the last look.
#[derive(Debug, Default)]
pub(super) struct Processor {
    last: BTreeMap<u32, u64>,
    looked_at: Duration,
}

impl Processor {
    /// The usage since the last picture of the same supervisor.
    pub(super) fn look(&mut self, status: &Status) -> Usage {
        let slots = status.apps.iter().flat_map(|app| &app.slots);
        let now: BTreeMap<u32, u64> =
            slots.filter_map(|slot| slot.pid).filter_map(|pid| Some((pid, ticks(pid)?))).collect();
        let wall = status.uptime.saturating_sub(self.looked_at).as_secs_f64();
        let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        let usage = now
            .iter()
            .filter(|_| wall > 0.1)
            .filter_map(|(pid, ticks)| {
                let used = ticks.checked_sub(*self.last.get(pid)?)?;
                #[expect(clippy::cast_precision_loss, reason = "ticks of a second or so")]
                Some((*pid, used as f64 / a_second as f64 / wall * 100.0))
            })
            .collect();
        self.last = now;
        self.looked_at = status.uptime;
        usage
    }
}

/// User and system time of a process, in ticks of the kernel's clock.
fn ticks(pid: u32) -> Option<u64> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in brackets may hold anything, brackets too; what counts comes after the last one.
fn parse(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_name_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 321 45 0 0 20 0 1 0 100 0 0";
        assert_eq!(parse(stat), Some(366));
        assert_eq!(parse("7 (a"), None);
        assert!(ticks(std::process::id()).is_some());
    }
}
