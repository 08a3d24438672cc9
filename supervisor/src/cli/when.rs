//! Moments as people type them: `10m`, `today`, `14:30`, `2026-11-21T10:00`. No clock is read here.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// A moment, as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long ago.
    Ago(Duration),
    /// The beginning of the day that was so many days ago.
    Day(i64),
    /// At this time of today.
    Today(Time),
    /// On the clock of whoever typed it.
    Local(DateTime),
    /// Exactly then.
    Exactly(Timestamp),
}

const WORDS: &str = "write how long ago (10m, 2h, 3d), today, yesterday, a time of today (14:30), a \
                     day (2026-11-21), or both (2026-11-21T10:00, with Z or +01:00 if it is not local)";

impl When {
    /// What was typed.
    ///
    /// # Errors
    /// When it is no moment: what can be written.
    pub fn parse(text: &str) -> Result<When, String> {
        let text = text.trim();
        let bare = text.strip_suffix(" ago").unwrap_or(text);
        let day = match text {
            "now" => Some(When::Ago(Duration::ZERO)),
            "today" => Some(When::Day(0)),
            "yesterday" => Some(When::Day(1)),
            _ => None,
        };
        day.or_else(|| ago(bare).map(When::Ago))
            .or_else(|| text.parse().ok().map(When::Exactly))
            .or_else(|| text.parse::<Date>().ok().filter(|_| text.len() == 10).map(local))
            .or_else(|| date_time(text).map(When::Local))
            .or_else(|| time(text).map(When::Today))
            .ok_or_else(|| WORDS.to_owned())
    }

    /// The moment, where it is now so late, on a clock of this zone.
    #[must_use]
    pub fn moment(self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let here = now.to_zoned(zone.clone()).datetime();
        let on = |local: DateTime| zone.to_timestamp(local).unwrap_or(now);
        match self {
            When::Ago(time) => {
                let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
                now.checked_sub(time).unwrap_or(Timestamp::MIN)
            }
            When::Day(days) => {
                let day = here.date().checked_sub(days.days()).unwrap_or(Date::MIN);
                on(day.to_datetime(Time::midnight()))
            }
            When::Today(time) => on(here.date().to_datetime(time)),
            When::Local(local) => on(local),
            When::Exactly(time) => time,
        }
    }
}

fn local(day: Date) -> When {
    When::Local(day.to_datetime(Time::midnight()))
}

/// `2026-11-21T10:00`, `2026-11-21 10:00:30`; a zone in it is for [`When::Exactly`].
fn date_time(text: &str) -> Option<DateTime> {
    let (day, clock) = text.split_once(['T', 't', ' '])?;
    Some(day.parse::<Date>().ok()?.to_datetime(time(clock)?))
}

/// `14:30`, `14:30:05.5`.
fn time(text: &str) -> Option<Time> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    let is_clock = text.as_bytes().get(2) == Some(&b':');
    text.parse().ok().filter(|_| plain && is_clock)
}

/// `10m`, `1h30m`, `90s`, `3d`, `2w`.
fn ago(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at(letters);
        let unit = match unit {
            "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = behind;
    }
    (!text.is_empty()).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_understood_as_people_type_them() {
        let zone = TimeZone::fixed(jiff::tz::Offset::constant(1));
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        for (typed, meant) in [
            ("10m", "2026-11-21T09:50:00Z"),
            ("1h30m", "2026-11-21T08:30:00Z"),
            ("2h ago", "2026-11-21T08:00:00Z"),
            ("3d", "2026-11-18T10:00:00Z"),
            ("now", "2026-11-21T10:00:00Z"),
            ("today", "2026-11-20T23:00:00Z"),
            ("yesterday", "2026-11-19T23:00:00Z"),
            ("08:15", "2026-11-21T07:15:00Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-11-20T10:00", "2026-11-20T09:00:00Z"),
            ("2026-11-20 10:00:30", "2026-11-20T09:00:30Z"),
            ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
            ("2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00Z"),
        ] {
            let when = When::parse(typed).unwrap_or_else(|why| panic!("{typed}: {why}"));
            assert_eq!(when.moment(now, &zone), meant.parse().unwrap(), "{typed}");
        }
    }

    #[test]
    fn what_is_no_moment_is_answered_with_what_is_one() {
        for wrong in ["", "10", "m", "10x", "noon", "25:00", "2026-13-01", "2026", "-5m", "1.5h"] {
            let why = When::parse(wrong).expect_err(wrong);
            assert!(why.contains("10m") && why.contains("today"), "{wrong}: {why}");
        }
    }
}
