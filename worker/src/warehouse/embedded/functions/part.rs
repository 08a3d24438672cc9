//! The date and time parts: their words, and what each takes out of a moment.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, Timelike};

/// A unit of the calendar or the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The year.
    Year,
    /// Three months.
    Quarter,
    /// The month.
    Month,
    /// Monday to Sunday; the number is ISO's.
    Week,
    /// The day of the month.
    Day,
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1, Sunday 7.
    DayOfWeekIso,
    /// January 1st is 1.
    DayOfYear,
    /// The year that ISO's week belongs to.
    YearOfWeek,
    /// The hour.
    Hour,
    /// The minute.
    Minute,
    /// The second.
    Second,
    /// A thousandth of a second.
    Millisecond,
    /// A millionth of a second.
    Microsecond,
    /// A billionth of a second.
    Nanosecond,
    /// Seconds since 1970.
    EpochSecond,
    /// Milliseconds since 1970.
    EpochMillisecond,
    /// Microseconds since 1970.
    EpochMicrosecond,
    /// Nanoseconds since 1970.
    EpochNanosecond,
}

impl Part {
    /// The part that a word names, in any of Snowflake's spellings.
    pub(crate) fn from_word(word: &str) -> Option<Part> {
        Some(match word.to_ascii_lowercase().as_str() {
            "year" | "y" | "yy" | "yyy" | "yyyy" | "yr" | "years" | "yrs" => Part::Year,
            "quarter" | "q" | "qtr" | "qtrs" | "quarters" => Part::Quarter,
            "month" | "mm" | "mon" | "mons" | "months" => Part::Month,
            "week" | "w" | "wk" | "weekofyear" | "woy" | "wy" | "weeks" | "weekiso"
            | "week_iso" | "weekofyeariso" | "weekofyear_iso" => Part::Week,
            "day" | "d" | "dd" | "days" | "dayofmonth" => Part::Day,
            "dayofweek" | "weekday" | "dow" | "dw" => Part::DayOfWeek,
            "dayofweekiso" | "weekday_iso" | "dow_iso" | "dw_iso" | "dayofweek_iso" => {
                Part::DayOfWeekIso
            }
            "dayofyear" | "yearday" | "doy" | "dy" => Part::DayOfYear,
            "yearofweek" | "yearofweekiso" => Part::YearOfWeek,
            "hour" | "h" | "hh" | "hr" | "hours" | "hrs" => Part::Hour,
            "minute" | "m" | "mi" | "min" | "minutes" | "mins" => Part::Minute,
            "second" | "s" | "sec" | "seconds" | "secs" => Part::Second,
            "millisecond" | "ms" | "msec" | "milliseconds" => Part::Millisecond,
            "microsecond" | "us" | "usec" | "microseconds" => Part::Microsecond,
            "nanosecond" | "ns" | "nsec" | "nanosec" | "nsecond" | "nanoseconds" | "nanosecs"
            | "nseconds" => Part::Nanosecond,
            "epoch_second" | "epoch" | "epoch_seconds" => Part::EpochSecond,
            "epoch_millisecond" | "epoch_milliseconds" => Part::EpochMillisecond,
            "epoch_microsecond" | "epoch_microseconds" => Part::EpochMicrosecond,
            "epoch_nanosecond" | "epoch_nanoseconds" => Part::EpochNanosecond,
            _ => return None,
        })
    }

    /// True when it is smaller than a day.
    pub(crate) fn is_time(self) -> bool {
        self.nanos().is_some()
    }

    /// Its length in months, if it has one.
    pub(crate) fn months(self) -> Option<u64> {
        match self {
            Part::Year => Some(12),
            Part::Quarter => Some(3),
            Part::Month => Some(1),
            Part::Week
            | Part::Day
            | Part::DayOfWeek
            | Part::DayOfWeekIso
            | Part::DayOfYear
            | Part::YearOfWeek
            | Part::Hour
            | Part::Minute
            | Part::Second
            | Part::Millisecond
            | Part::Microsecond
            | Part::Nanosecond
            | Part::EpochSecond
            | Part::EpochMillisecond
            | Part::EpochMicrosecond
            | Part::EpochNanosecond => None,
        }
    }

    /// Its length in days, if it has one.
    pub(crate) fn days(self) -> Option<u64> {
        match self {
            Part::Week => Some(7),
            Part::Day | Part::DayOfWeek | Part::DayOfWeekIso | Part::DayOfYear => Some(1),
            Part::Year
            | Part::Quarter
            | Part::Month
            | Part::YearOfWeek
            | Part::Hour
            | Part::Minute
            | Part::Second
            | Part::Millisecond
            | Part::Microsecond
            | Part::Nanosecond
            | Part::EpochSecond
            | Part::EpochMillisecond
            | Part::EpochMicrosecond
            | Part::EpochNanosecond => None,
        }
    }

    /// Its length in nanoseconds, for a part of the clock.
    pub(crate) fn nanos(self) -> Option<i64> {
        match self {
            Part::Hour => Some(3_600_000_000_000),
            Part::Minute => Some(60_000_000_000),
            Part::Second | Part::EpochSecond => Some(1_000_000_000),
            Part::Millisecond | Part::EpochMillisecond => Some(1_000_000),
            Part::Microsecond | Part::EpochMicrosecond => Some(1_000),
            Part::Nanosecond | Part::EpochNanosecond => Some(1),
            Part::Year
            | Part::Quarter
            | Part::Month
            | Part::Week
            | Part::Day
            | Part::DayOfWeek
            | Part::DayOfWeekIso
            | Part::DayOfYear
            | Part::YearOfWeek => None,
        }
    }

    /// Its number in a moment.
    pub(crate) fn of(self, at: NaiveDateTime) -> i64 {
        match self {
            Part::Year => at.year().into(),
            Part::Quarter => (at.month0() / 3 + 1).into(),
            Part::Month => at.month().into(),
            Part::Week => at.iso_week().week().into(),
            Part::Day => at.day().into(),
            Part::DayOfWeek => at.weekday().num_days_from_sunday().into(),
            Part::DayOfWeekIso => at.weekday().number_from_monday().into(),
            Part::DayOfYear => at.ordinal().into(),
            Part::YearOfWeek => at.iso_week().year().into(),
            Part::Hour => at.hour().into(),
            Part::Minute => at.minute().into(),
            Part::Second => at.second().into(),
            Part::Millisecond => (at.nanosecond() / 1_000_000).into(),
            Part::Microsecond => (at.nanosecond() / 1_000).into(),
            Part::Nanosecond => at.nanosecond().into(),
            Part::EpochSecond => at.and_utc().timestamp(),
            Part::EpochMillisecond => at.and_utc().timestamp_millis(),
            Part::EpochMicrosecond => at.and_utc().timestamp_micros(),
            Part::EpochNanosecond => at.and_utc().timestamp_nanos_opt().unwrap_or(i64::MAX),
        }
    }

    /// The first moment of the part that a moment is in.
    pub(crate) fn start(self, at: NaiveDateTime) -> Option<NaiveDateTime> {
        let date = at.date();
        if let Some(months) = self.months() {
            let months = u32::try_from(months).ok()?;
            let month = date.month0() / months * months + 1;
            return NaiveDate::from_ymd_opt(date.year(), month, 1)?.and_hms_opt(0, 0, 0);
        }
        if self.days().is_some() {
            let back = if self == Part::Week { date.weekday().num_days_from_monday() } else { 0 };
            return date.checked_sub_days(Days::new(back.into()))?.and_hms_opt(0, 0, 0);
        }
        let unit = self.nanos()?;
        let of_day =
            i64::from(at.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(at.nanosecond());
        let start = of_day / unit * unit;
        let seconds = u32::try_from(start / 1_000_000_000).ok()?;
        let nanos = u32::try_from(start % 1_000_000_000).ok()?;
        date.and_time(chrono::NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)?).into()
    }
}
