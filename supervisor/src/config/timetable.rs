//! When workers are to be replaced by the clock: a cron expression in a time zone.
//!
//! Pure: moments come in and go out as the time since 1970, so that every turn of summer time can
//! be tested. The crate does the calendar; here are the words for what it refuses, because it does
//! not say which field is wrong, and takes the name of a month for the day of a week.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::keys::nearest;
use super::value::quoted;

/// The word for the time zone of the machine.
pub(super) const LOCAL: &str = "local";
/// Shorthands, and what they stand for.
const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];
/// The fields: what each is called, what may stand in it, and the words that it knows.
const FIELDS: [(&str, &str, &str); 6] = [
    ("second", "0 to 59", ""),
    ("minute", "0 to 59", ""),
    ("hour", "0 to 23", ""),
    ("day of the month", "1 to 31", "L W LW"),
    ("month", "1 to 12 or jan to dec", "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
    ("day of the week", "0 to 7 or sun to sat", "SUN MON TUE WED THU FRI SAT L"),
];
const EXAMPLE: &str = "write minute, hour, day of the month, month and day of the week, such as \
                       \"0 4 * * *\" for every day at four";

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct TimeTable {
    expression: String,
    zone: TimeZone,
    cron: Box<Cron>,
}

impl PartialEq for TimeTable {
    fn eq(&self, other: &TimeTable) -> bool {
        self.expression == other.expression && self.zone == other.zone
    }
}

impl TimeTable {
    /// A checked expression, or what is wrong with it.
    pub(super) fn parse(expression: &str, zone: TimeZone) -> Result<TimeTable, String> {
        let whole = match NICKNAMES.iter().find(|(nickname, _)| *nickname == expression) {
            Some((_, meaning)) => meaning,
            None if expression.starts_with('@') => return Err(unknown_nickname(expression)),
            None => expression,
        };
        let fields: Vec<&str> = whole.split_whitespace().collect();
        if !(5..=6).contains(&fields.len()) {
            let (count, quoted) = (fields.len(), quoted(expression));
            let are = if count == 1 { "field" } else { "fields" };
            return Err(format!("{quoted} has {count} {are}, not five; {EXAMPLE}"));
        }
        if let Some(words) = wrong_field(&fields) {
            return Err(words);
        }
        let cron = parser()
            .parse(whole)
            .map_err(|_| format!("{} is not a cron expression; {EXAMPLE}", quoted(expression)))?;
        let table = TimeTable { expression: expression.to_owned(), zone, cron: Box::new(cron) };
        match table.next_after(Duration::ZERO) {
            Some(_) => Ok(table),
            None => Err(format!("{} never comes; no month has that day", quoted(expression))),
        }
    }

    /// The expression, as it was written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The time zone's name.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or(LOCAL)
    }

    /// The first time after this one, both since 1970.
    ///
    /// A time of day that summer time leaves out is the first moment after the gap; one that comes
    /// twice is the first of the two, unless the expression means every hour or minute.
    #[must_use]
    pub fn next_after(&self, moment: Duration) -> Option<Duration> {
        let next = self.cron.find_next_occurrence(&self.zoned(moment)?, false).ok()?;
        Duration::try_from(next.timestamp().as_duration()).ok()
    }

    /// A moment, as people in that time zone write it.
    #[must_use]
    pub fn in_words(&self, moment: Duration) -> String {
        let words = |zoned: Zoned| zoned.strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
        self.zoned(moment).map(words).unwrap_or_default()
    }

    fn zoned(&self, moment: Duration) -> Option<Zoned> {
        let seconds = i64::try_from(moment.as_secs()).ok()?;
        let moment = Timestamp::new(seconds, i32::try_from(moment.subsec_nanos()).ok()?).ok()?;
        Some(moment.to_zoned(self.zone.clone()))
    }
}

/// A time zone by its name, or what is wrong with it; `None` for the machine's own.
pub(super) fn zone(name: &str) -> Result<Option<TimeZone>, String> {
    if name == LOCAL {
        return Ok(None);
    }
    TimeZone::get(name).map(Some).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
        match nearest(name, known.iter().map(String::as_str)) {
            Some(known) => format!("{} is no time zone; did you mean \"{known}\"?", quoted(name)),
            None => format!(
                "{} is no time zone; write a name such as \"Europe/Berlin\", \"UTC\" or \"{LOCAL}\"",
                quoted(name)
            ),
        }
    })
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

fn unknown_nickname(expression: &str) -> String {
    let known = NICKNAMES.iter().map(|(nickname, _)| *nickname);
    match nearest(expression, known.clone()) {
        Some(nickname) => {
            format!("{} is unknown; did you mean \"{nickname}\"?", quoted(expression))
        }
        None => {
            let known: Vec<_> = known.collect();
            format!("{} is unknown; known are {}", quoted(expression), known.join(", "))
        }
    }
}

/// The first field that is wrong even when all others are stars.
fn wrong_field(fields: &[&str]) -> Option<String> {
    let names = &FIELDS[FIELDS.len() - fields.len()..];
    fields.iter().zip(names).enumerate().find_map(|(index, (field, (name, range, words)))| {
        let mut alone = vec!["*"; fields.len()];
        alone[index] = field;
        let known = |word: &str| {
            let word = word.to_uppercase();
            word.is_empty() || words.split(' ').any(|known| known == word)
        };
        let named = field.split(|c: char| !c.is_alphabetic()).all(known);
        let fine = named && parser().parse(&alone.join(" ")).is_ok();
        (!fine)
            .then(|| format!("{} is no {name}; use {range}, or * for every {name}", quoted(field)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times after a moment, as people write them.
    fn times(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let table = TimeTable::parse(expression, zone).unwrap();
        let after: Timestamp = after.parse().unwrap();
        let mut moment = Duration::try_from(after.as_duration()).unwrap();
        let mut times = Vec::new();
        for _ in 0..count {
            moment = table.next_after(moment).unwrap();
            times.push(table.in_words(moment));
        }
        times
    }

    #[test]
    fn a_time_that_summer_time_leaves_out_comes_at_the_end_of_the_gap() {
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["2026-03-28 02:30:00 CET", "2026-03-29 03:00:00 CEST", "2026-03-30 02:30:00 CEST"]
        );
        assert_eq!(
            times("30 2 * * *", "America/New_York", "2026-03-07T06:00:00Z", 3),
            ["2026-03-07 02:30:00 EST", "2026-03-08 03:00:00 EDT", "2026-03-09 02:30:00 EDT"]
        );
    }

    #[test]
    fn a_time_that_comes_twice_is_taken_once() {
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25 02:30:00 CEST", "2026-10-26 02:30:00 CET"]
        );
        assert_eq!(
            times("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2),
            ["2026-11-01 01:30:00 EDT", "2026-11-02 01:30:00 EST"]
        );
    }

    #[test]
    fn every_hour_is_every_hour_when_the_clock_is_put_back() {
        assert_eq!(
            times("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4),
            [
                "2026-10-25 02:00:00 CEST",
                "2026-10-25 02:00:00 CET",
                "2026-10-25 03:00:00 CET",
                "2026-10-25 04:00:00 CET"
            ]
        );
        assert_eq!(
            times("0 * * * *", "America/New_York", "2026-03-08T05:30:00Z", 3),
            ["2026-03-08 01:00:00 EST", "2026-03-08 03:00:00 EDT", "2026-03-08 04:00:00 EDT"]
        );
    }

    #[test]
    fn names_lists_steps_and_shorthands_are_read_as_cron_reads_them() {
        let first = |expression| times(expression, "UTC", "2026-01-01T00:00:00Z", 1).remove(0);
        assert_eq!(first("*/20 8-10 * * *"), "2026-01-01 08:00:00 UTC");
        assert_eq!(first("0 4 * * mon-fri"), "2026-01-01 04:00:00 UTC");
        assert_eq!(first("0 4 * * 7"), "2026-01-04 04:00:00 UTC");
        assert_eq!(first("0 4 1,15 feb *"), "2026-02-01 04:00:00 UTC");
        assert_eq!(first("0 4 29 2 *"), "2028-02-29 04:00:00 UTC");
        assert_eq!(first("0 4 L * *"), "2026-01-31 04:00:00 UTC");
        assert_eq!(first("0 4 13 * fri"), "2026-01-02 04:00:00 UTC", "either day, as cron has it");
        assert_eq!(
            first("*/7 * * * * *"),
            "2026-01-01 00:00:07 UTC",
            "six fields begin with seconds"
        );
        assert_eq!(first("@midnight"), "2026-01-02 00:00:00 UTC");
        assert_eq!(first("@weekly"), "2026-01-04 00:00:00 UTC");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |expression: &str| {
            TimeTable::parse(expression, TimeZone::UTC).map(|table| table.expression).unwrap_err()
        };
        assert!(refused("0 24 * * *").starts_with("\"24\" is no hour; use 0 to 23"));
        assert!(refused("61 * * * *").starts_with("\"61\" is no minute"));
        assert!(refused("0 4 * mon *").starts_with("\"mon\" is no month"));
        assert!(refused("0 4 * * jan").starts_with("\"jan\" is no day of the week"));
        assert!(refused("0 4 0 * *").starts_with("\"0\" is no day of the month"));
        assert!(refused("0 4-2-1 * * *").starts_with("\"4-2-1\" is no hour"));
        assert!(refused("*/0 4 * * *").starts_with("\"*/0\" is no minute"));
        assert!(refused("0 4 * *").starts_with("\"0 4 * *\" has 4 fields, not five; write minute"));
        assert!(refused("0 0 4 * * * 2030").contains("has 7 fields"));
        assert!(refused("0 4 30 2 *").contains("never comes; no month has that day"));
        assert_eq!(refused("@dayly"), "\"@dayly\" is unknown; did you mean \"@daily\"?");
        assert!(refused("@reboot").contains("known are @hourly"));
        assert_eq!(
            zone("Europe/Berlim").unwrap_err(),
            "\"Europe/Berlim\" is no time zone; did you mean \"Europe/Berlin\"?"
        );
        assert!(zone("Moon").unwrap_err().contains("write a name such as \"Europe/Berlin\""));
    }
}
