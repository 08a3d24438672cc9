//! Time tables: tells the loop when an app's workers are due to be replaced by the clock.
//!
//! People set clocks, and machines sleep. So the timer is one on the wall clock, which the kernel
//! ends when somebody sets that clock; then everything is reckoned again. What was slept through
//! comes once, and no time comes twice. Nobody is woken when no app has a time table.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

use crate::config::{Config, TimeTable};
use crate::machine::{AppName, DrainCause};
use crate::runtime::clock;
use crate::runtime::news::News;
use crate::runtime::spawn::watchable;

/// A clock that was set by more than this was wrong before: nothing in between was missed, and
/// what lies ahead may come again. A smaller step is a correction of time that really passed.
const STEP_MAX: Duration = Duration::from_secs(3 * 3600);
/// How often we look where the kernel has no timer for us.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The time tables by app.
type Tables = BTreeMap<AppName, TimeTable>;

/// The way to the task that waits for the times.
#[derive(Debug)]
pub(crate) struct Schedule(watch::Sender<Tables>);

impl Schedule {
    pub(crate) fn start(inbox: mpsc::Sender<News>) -> Schedule {
        let (tables, changed) = watch::channel(Tables::new());
        tokio::spawn(tell(changed, inbox));
        Schedule(tables)
    }

    /// Takes the time tables of a configuration into use.
    pub(crate) fn apply(&self, config: &Config) {
        let table = |(name, app): (&AppName, &crate::config::AppConfig)| {
            Some((name.clone(), app.time_table.clone()?))
        };
        let tables: Tables = config.apps.iter().filter_map(table).collect();
        self.0.send_if_modified(|known| {
            let changed = *known != tables;
            *known = tables;
            changed
        });
    }
}

async fn tell(mut tables: watch::Receiver<Tables>, inbox: mpsc::Sender<News>) {
    let mut calendar = Calendar::new(Look::now());
    let timer = Timer::new().ok();
    loop {
        calendar.adopt(&tables.borrow_and_update(), Look::now());
        tokio::select! {
            changed = tables.changed() => if changed.is_err() {
                return;
            },
            () = reached(calendar.next(), timer.as_ref()) => {}
        }
        for (app, why) in calendar.due(Look::now()) {
            let cause = DrainCause::Schedule;
            let _ = inbox.send(News::Refresh { app, cause, why }).await;
        }
    }
}

/// Waits until the wall clock shows this time, or was set.
async fn reached(time: Option<Duration>, timer: Option<&Timer>) {
    let Some(time) = time else { return std::future::pending().await };
    match timer.filter(|timer| timer.set(time).is_ok()) {
        Some(timer) => timer.rings().await,
        None => clock::pause(time.saturating_sub(clock::since_epoch()).min(LOOK_EVERY)).await,
    }
}

/// A timer on the wall clock.
#[derive(Debug)]
struct Timer {
    timer: TimerFd,
    /// The same timer once more, to be waited for.
    ready: AsyncFd<OwnedFd>,
}

impl Timer {
    fn new() -> io::Result<Timer> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
        let ready = watchable(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Timer { timer, ready })
    }

    fn set(&self, time: Duration) -> nix::Result<()> {
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        self.timer.set(Expiration::OneShot(TimeSpec::from_duration(time)), flags)
    }

    async fn rings(&self) {
        if let Ok(mut ready) = self.ready.readable().await {
            // Ended by time or by a clock that was set: who looks sees which.
            let _ = self.timer.wait();
            ready.clear_ready();
        }
    }
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// What people's clocks show, since 1970.
    wall: Duration,
    /// What really passed since the machine was started, sleep included.
    lived: Duration,
}

impl Look {
    fn now() -> Look {
        Look { wall: clock::since_epoch(), lived: clock::since_boot() }
    }
}

/// Which app is due when.
#[derive(Debug)]
struct Calendar {
    entries: BTreeMap<AppName, (TimeTable, Option<Duration>)>,
    last: Look,
}

impl Calendar {
    fn new(now: Look) -> Calendar {
        Calendar { entries: BTreeMap::new(), last: now }
    }

    /// Takes time tables in; one that is known keeps what it waits for.
    fn adopt(&mut self, tables: &Tables, now: Look) {
        self.entries.retain(|app, (known, _)| tables.get(app) == Some(known));
        for (app, table) in tables {
            let entry = || (table.clone(), table.next_after(now.wall));
            self.entries.entry(app.clone()).or_insert_with(entry);
        }
    }

    fn next(&self) -> Option<Duration> {
        self.entries.values().filter_map(|(_, next)| *next).min()
    }

    /// The apps that are due, each once, and why.
    fn due(&mut self, now: Look) -> Vec<(AppName, String)> {
        let expected = self.last.wall + now.lived.saturating_sub(self.last.lived);
        self.last = now;
        let was_set = now.wall.abs_diff(expected) > STEP_MAX;
        let mut due = Vec::new();
        for (app, (table, next)) in &mut self.entries {
            if was_set {
                *next = table.next_after(now.wall);
            } else if next.is_some_and(|next| next <= now.wall) {
                *next = table.next_after(now.wall);
                due.push((app.clone(), format!("time table `{}`", table.expression())));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn hours(count: u32) -> Duration {
        HOUR * count
    }

    /// A calendar at a wall time, with one app that is due at four in the morning.
    fn at_four(wall: Duration) -> Calendar {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ecosystem.toml");
        std::fs::write(&file, "[apps.a]\nexec = \"/bin/true\"\nrestart.at = \"0 4 * * *\"\n")
            .unwrap();
        let config = crate::config::load(&file, None, &crate::config::Surroundings::default());
        let table = config.unwrap().apps.into_values().next().unwrap().time_table.unwrap();
        let now = Look { wall, lived: HOUR };
        let mut calendar = Calendar::new(now);
        calendar.adopt(&Tables::from([(AppName::new("a"), table)]), now);
        calendar
    }

    /// Time passes, and the clock is set besides; whether the app is due then.
    fn looks(calendar: &mut Calendar, lived: Duration, wall: Duration) -> bool {
        let now = Look { wall, lived: calendar.last.lived + lived };
        !calendar.due(now).is_empty()
    }

    #[test]
    fn a_time_comes_once_and_then_on_the_next_day() {
        let mut calendar = at_four(hours(24 + 3));
        assert_eq!(calendar.next(), Some(hours(24 + 4)));
        assert!(!looks(&mut calendar, HOUR / 2, hours(24 + 3) + HOUR / 2));
        assert!(looks(&mut calendar, HOUR / 2, hours(24 + 4)));
        assert!(!looks(&mut calendar, Duration::ZERO, hours(24 + 4)));
        assert_eq!(calendar.next(), Some(hours(48 + 4)));
    }

    #[test]
    fn what_was_slept_through_comes_once() {
        let mut calendar = at_four(hours(24));
        assert!(looks(&mut calendar, hours(72), hours(96)));
        assert_eq!(calendar.next(), Some(hours(96 + 4)));
    }

    #[test]
    fn a_clock_that_is_put_back_a_little_does_not_bring_a_time_back() {
        let mut calendar = at_four(hours(24 + 3));
        assert!(looks(&mut calendar, HOUR, hours(24 + 4)));
        assert!(!looks(&mut calendar, Duration::ZERO, hours(24 + 3)));
        assert_eq!(calendar.next(), Some(hours(48 + 4)));
    }

    #[test]
    fn a_clock_that_is_put_forward_a_little_leaves_no_time_out() {
        let mut calendar = at_four(hours(24 + 3));
        assert!(looks(&mut calendar, Duration::ZERO, hours(24 + 5)));
    }

    #[test]
    fn a_clock_that_was_wrong_begins_anew() {
        let mut calendar = at_four(hours(24));
        assert!(
            !looks(&mut calendar, Duration::ZERO, hours(24 * 365)),
            "a machine without a battery"
        );
        assert_eq!(calendar.next(), Some(hours(24 * 365 + 4)));
        assert!(!looks(&mut calendar, Duration::ZERO, hours(24)));
        assert_eq!(calendar.next(), Some(hours(24 + 4)));
    }

    #[test]
    fn a_time_table_that_stays_keeps_what_it_waits_for() {
        let mut calendar = at_four(hours(24 + 3));
        let tables: Tables =
            calendar.entries.iter().map(|(app, (table, _))| (app.clone(), table.clone())).collect();
        // The loop reloads in the very moment that is due.
        calendar.adopt(&tables, Look { wall: hours(24 + 4), lived: hours(2) });
        assert!(looks(&mut calendar, HOUR, hours(24 + 4)));
        calendar.adopt(&Tables::new(), Look::now());
        assert_eq!(calendar.next(), None);
    }

    #[tokio::test]
    async fn the_timer_rings_at_a_time_of_the_wall_clock() {
        let timer = Timer::new().unwrap();
        let time = clock::since_epoch() + Duration::from_millis(50);
        reached(Some(time), Some(&timer)).await;
        assert!(clock::since_epoch() >= time);
        // What has passed rings at once, and a ring is heard once.
        reached(Some(time), Some(&timer)).await;
        timer.set(clock::since_epoch() + HOUR).unwrap();
        let rings = tokio::time::timeout(Duration::from_millis(20), timer.rings()).await;
        assert!(rings.is_err(), "it rang for nothing");
    }
}
