//! What a process takes: processor time, memory, threads, descriptors. Read from /proc, cheaply.
//!
//! One read of `stat` serves a whole line of `status`. What costs the kernel a walk through the
//! process's memory is read only when somebody asks for that one process.

use std::fs;
use std::time::Duration;

use nix::unistd::Pid;

use crate::config::Resource;
use crate::machine::{Exit, RunId};
use crate::runtime::hands::Hands;
use crate::runtime::proc::Stat;
use crate::runtime::processes::Process;

/// Two samples that are closer together than this say nothing about a share of a processor: the
/// kernel counts in hundredths of a second.
const SHARE_OVER_MIN: Duration = Duration::from_millis(200);

/// By this share of the limit, and by so much besides, the processor time that the kernel tells may
/// lie below what it holds against the limit: that is counted in ticks, and a tick counts whole,
/// however little of it was used.
const COUNTING_SLIP: (f64, Duration) = (0.1, Duration::from_millis(500));

/// What one read of `stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Processor time since the process began.
    pub(crate) cpu: Duration,
    pub(crate) threads: u32,
    pub(crate) rss_bytes: u64,
}

/// What is known of a process's use of the machine.
#[derive(Debug, Default, Clone)]
pub(crate) struct Usage {
    pub(crate) last: Option<Sample>,
    /// Share of one processor between the last two samples that were far enough apart.
    pub(crate) cpu_percent: Option<f32>,
    /// The sample that the next share is counted from.
    base: Option<(Duration, Duration)>,
}

impl Usage {
    /// Takes a sample in; tells how much processor time was used since the one before.
    pub(crate) fn note(&mut self, at: Duration, sample: Sample) -> Duration {
        let before = self.last.map_or(Duration::ZERO, |last| last.cpu);
        self.last = Some(sample);
        match self.base {
            None => self.base = Some((at, sample.cpu)),
            Some((since, cpu)) => {
                let time = at.saturating_sub(since);
                if time >= SHARE_OVER_MIN {
                    let share = sample.cpu.saturating_sub(cpu).as_secs_f32() / time.as_secs_f32();
                    self.cpu_percent = Some(share * 100.0);
                    self.base = Some((at, sample.cpu));
                }
            }
        }
        sample.cpu.saturating_sub(before)
    }
}

impl Hands {
    /// Looks at every process: what it takes now, and how much processor time went by.
    pub(crate) fn sample_all(&mut self, at: Duration) {
        for process in self.processes.iter_mut() {
            if let Some(sample) = sample(process.pid) {
                let used = process.usage.note(at, sample);
                self.totals.add_cpu(&process.slot, used);
            }
        }
    }

    /// Counts the processor time of a process that ended and is not reaped yet.
    pub(crate) fn sample_last(&mut self, run: RunId, at: Duration) {
        if let Some(process) = self.processes.get_mut(run)
            && let Some(sample) = sample(process.pid)
        {
            let used = process.usage.note(at, sample);
            self.totals.add_cpu(&process.slot, used);
        }
    }
}

impl Hands {
    /// Says of an end that looks as if the kernel had stopped a process at its `cpu_time` limit
    /// that it may have been that: the time was used up, and the signal is one of those.
    pub(crate) fn out_of_cpu_time(&self, process: &Process, exit: Exit) -> Exit {
        let app = self.config.apps.get(&process.slot.app);
        let limits = app.into_iter().flat_map(|app| &app.process.limits);
        let seconds = limits.filter(|limit| limit.resource == Resource::CpuTime).map(|it| it.max);
        let used = process.usage.last.map_or(Duration::ZERO, |last| last.cpu);
        match (seconds.min(), exit) {
            (Some(seconds), Exit::Signal(signal)) => judged(signal, used, seconds),
            (_, exit) => exit,
        }
    }
}

/// What this signal means for a process that used so much of so many seconds.
fn judged(signal: i32, used: Duration, seconds: u64) -> Exit {
    let (share, more) = COUNTING_SLIP;
    let used_up = used + more >= Duration::from_secs(seconds).mul_f64(1.0 - share);
    match signal {
        libc::SIGXCPU => Exit::CpuTime(signal),
        libc::SIGKILL if used_up => Exit::CpuTime(signal),
        _ => Exit::Signal(signal),
    }
}

/// What the process takes now; nothing when it has gone. Of a zombie, its processor time.
pub(crate) fn sample(pid: Pid) -> Option<Sample> {
    let stat = Stat::of(pid.as_raw())?;
    Some(Sample { cpu: stat.cpu(), threads: stat.threads, rss_bytes: stat.rss_bytes() })
}

/// How many descriptors the process has open.
pub(crate) fn descriptors(pid: impl std::fmt::Display) -> Option<u64> {
    let directory = format!("/proc/{pid}/fd");
    // Newer kernels tell the number as the directory's size; older ones must be counted.
    match fs::metadata(&directory).ok()?.len() {
        0 => Some(fs::read_dir(&directory).ok()?.count() as u64),
        count => Some(count),
    }
}

/// The process's share of memory: what it shares with others is divided among them. The kernel
/// walks through all of its memory for this.
pub(crate) fn pss_bytes(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_fits_a_limit_of_processor_time_or_it_does_not() {
        let minute = Duration::from_secs(60);
        assert_eq!(judged(libc::SIGXCPU, Duration::ZERO, 60), Exit::CpuTime(libc::SIGXCPU));
        assert_eq!(judged(libc::SIGKILL, minute, 60), Exit::CpuTime(libc::SIGKILL));
        assert_eq!(judged(libc::SIGKILL, minute.mul_f64(0.95), 60), Exit::CpuTime(libc::SIGKILL));
        assert_eq!(judged(libc::SIGKILL, minute / 2, 60), Exit::Signal(libc::SIGKILL));
        assert_eq!(judged(libc::SIGTERM, minute, 60), Exit::Signal(libc::SIGTERM));
        assert_eq!(judged(libc::SIGKILL, minute, u64::MAX), Exit::Signal(libc::SIGKILL));
    }

    #[test]
    fn our_own_process_is_read() {
        let own = Pid::this();
        let sample = sample(own).unwrap();
        assert!(sample.threads >= 1 && sample.rss_bytes > 100_000, "{sample:?}");
        let before = descriptors(own).unwrap();
        let files: Vec<_> = (0..9).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        // Other tests open and close files meanwhile.
        assert!(descriptors(own).unwrap() + 5 > before, "{} files", files.len());
        let pss = pss_bytes(std::process::id()).unwrap();
        assert!(pss > 10_000 && pss < 100_000_000_000, "{pss}");
    }

    #[test]
    fn a_share_needs_two_samples_that_are_apart() {
        let at = Duration::from_millis;
        let sample = |cpu: u64| Sample { cpu: at(cpu), threads: 1, rss_bytes: 1 };
        let mut usage = Usage::default();
        assert_eq!(usage.note(at(1_000), sample(500)), at(500));
        assert_eq!(usage.cpu_percent, None);
        assert_eq!(usage.note(at(1_100), sample(600)), at(100));
        assert_eq!(usage.cpu_percent, None, "too close");
        assert_eq!(usage.note(at(2_000), sample(700)), at(100));
        assert_eq!(usage.cpu_percent, Some(20.0));
        assert_eq!(usage.note(at(2_010), sample(700)), Duration::ZERO);
        assert_eq!(usage.cpu_percent, Some(20.0), "kept until there is a better one");
    }
}
