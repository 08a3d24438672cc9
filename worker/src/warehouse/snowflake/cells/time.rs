//! Dates, times and intervals as Snowflake's default output formats write them.
//!
//! All of them are whole numbers on the wire (days, months, parts of a second) and stay so until
//! they are written. A fraction has three digits as by default, and all that the column has where
//! three would lose some; a time of day without one has none.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Flaw;

pub(super) const NANOS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_DAY: i128 = SECONDS_PER_DAY as i128 * NANOS_PER_SECOND;
/// An offset is sent as minutes plus this, so that it is never negative.
const OFFSET_BIAS: i64 = 1_440;

/// How many digits of a second a column has: 0 to 9.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places(usize);

impl Places {
    /// All of them.
    pub(super) const NANOS: Places = Places(9);

    /// As the column's scale says; nine without one.
    pub(super) fn of(scale: Option<i64>) -> Result<Places, Flaw> {
        let scale = scale.unwrap_or(9);
        match usize::try_from(scale) {
            Ok(places) if places <= 9 => Ok(Places(places)),
            Ok(_) | Err(_) => Err(format!("a second with {scale} digits after the point")),
        }
    }

    /// Nanoseconds out of units of the last place.
    pub(super) fn nanos(self, units: i128) -> Result<i128, Flaw> {
        let unit = 10i128.pow(u32::try_from(9 - self.0).unwrap_or_default());
        units.checked_mul(unit).ok_or_else(|| "a moment out of all bounds".to_owned())
    }

    /// The fraction of a second, with its point: `least` digits, three, or all of the column's;
    /// the first that say it exactly.
    fn fraction(self, nanos: i128, least: usize) -> String {
        let digits = format!("{nanos:09}");
        let exact = |places: &usize| digits[*places..].bytes().all(|byte| byte == b'0');
        let candidates = [least, self.0.clamp(least, 3), self.0.max(least)];
        match candidates.into_iter().find(exact).unwrap_or(9) {
            0 => String::new(),
            places => format!(".{}", &digits[..places]),
        }
    }
}

/// A DATE out of days since 1970: `2024-02-29`.
pub(super) fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    let sign = if year < 0 { "-" } else { "" };
    format!("{sign}{:04}-{month:02}-{day:02}", year.unsigned_abs())
}

/// A TIME out of nanoseconds since midnight: `13:04:05`, `13:04:05.250`, `13:04:05.000000001`.
pub(super) fn time(nanos: i128, places: Places) -> Result<String, Flaw> {
    if !(0..NANOS_PER_DAY).contains(&nanos) {
        return Err("a time that no day has".to_owned());
    }
    Ok(format!("{}{}", clock(nanos), places.fraction(nanos % NANOS_PER_SECOND, 0)))
}

/// A TIMESTAMP_NTZ out of nanoseconds since 1970: `2024-02-29 13:04:05.250`.
pub(super) fn timestamp(nanos: i128, places: Places) -> Result<String, Flaw> {
    let days = i64::try_from(nanos.div_euclid(NANOS_PER_DAY))
        .map_err(|_| "a moment out of all bounds".to_owned())?;
    let of_day = nanos.rem_euclid(NANOS_PER_DAY);
    let fraction = places.fraction(of_day % NANOS_PER_SECOND, 3);
    Ok(format!("{} {}{fraction}", date(days), clock(of_day)))
}

/// A TIMESTAMP_TZ: as its own offset shows it, which follows: `2024-02-29 13:04:05.250 +0100`.
pub(super) fn timestamp_at(nanos: i128, places: Places, minutes: i64) -> Result<String, Flaw> {
    let local = i128::from(minutes)
        .checked_mul(60 * NANOS_PER_SECOND)
        .and_then(|offset| nanos.checked_add(offset))
        .ok_or_else(|| "a moment out of all bounds".to_owned())?;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    Ok(format!("{} {sign}{:02}{:02}", timestamp(local, places)?, minutes / 60, minutes % 60))
}

/// A TIMESTAMP_LTZ: as a zone shows it.
///
/// Before standard time zones were off by odd seconds; the offset is rounded to the minutes that
/// can be written, and the time shown goes with it, so that both together name the exact moment.
pub(super) fn timestamp_in(nanos: i128, places: Places, zone: &TimeZone) -> Result<String, Flaw> {
    let seconds = nanos.div_euclid(NANOS_PER_SECOND);
    let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    let seconds = i64::try_from(seconds.clamp(first.into(), last.into())).unwrap_or_default();
    let moment = Timestamp::from_second(seconds).unwrap_or_default();
    let offset = i64::from(zone.to_offset(moment).seconds());
    timestamp_at(nanos, places, (offset + 30).div_euclid(60))
}

/// The minutes in an offset as it is sent.
pub(super) fn offset_minutes(sent: i64) -> Result<i64, Flaw> {
    let minutes = sent.saturating_sub(OFFSET_BIAS);
    if minutes.abs() > OFFSET_BIAS {
        return Err(format!("an offset of {minutes} minutes"));
    }
    Ok(minutes)
}

/// Nanoseconds out of `-12.345`, seconds with a fraction.
pub(super) fn seconds(text: &str) -> Result<i128, Flaw> {
    let flaw = || "not a number of seconds".to_owned();
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !digits || whole.is_empty() || whole.len() > 20 || fraction.len() > 9 {
        return Err(flaw());
    }
    let whole: i128 = whole.parse().map_err(|_| flaw())?;
    let fraction: i128 = format!("{fraction:0<9}").parse().map_err(|_| flaw())?;
    let nanos = whole * NANOS_PER_SECOND + fraction;
    Ok(if negative { -nanos } else { nanos })
}

/// An interval of months: `+1-02`, and the years or the months alone where it has only those.
pub(super) fn year_month(months: i128, scale: Option<i64>) -> String {
    let sign = if months < 0 { '-' } else { '+' };
    let months = months.unsigned_abs();
    match scale {
        Some(1) => format!("{sign}{}", months / 12),
        Some(2) => format!("{sign}{months}"),
        Some(_) | None => format!("{sign}{}-{:02}", months / 12, months % 12),
    }
}

/// An interval of nanoseconds: `+12 03:04:05`, `+12 03:04:05.250`.
pub(super) fn day_time(nanos: i128) -> String {
    let sign = if nanos < 0 { '-' } else { '+' };
    let nanos = i128::try_from(nanos.unsigned_abs()).unwrap_or(i128::MAX);
    let fraction = Places::NANOS.fraction(nanos % NANOS_PER_SECOND, 0);
    format!("{sign}{} {}{fraction}", nanos / NANOS_PER_DAY, clock(nanos % NANOS_PER_DAY))
}

fn clock(nanos_of_day: i128) -> String {
    let seconds = nanos_of_day / NANOS_PER_SECOND;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Year, month and day out of days since 1970, in the calendar of today carried back for ever.
///
/// Counted in eras of 400 years that begin in March, so that the leap day is the last of a year.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    const MARCH_OF_YEAR_0: i64 = 719_468;
    let era = days.div_euclid(DAYS_PER_ERA);
    let (era, day) = {
        let shifted = days.rem_euclid(DAYS_PER_ERA) + MARCH_OF_YEAR_0;
        (era + shifted.div_euclid(DAYS_PER_ERA), shifted.rem_euclid(DAYS_PER_ERA))
    };
    let leaps = day / 1_460 - day / 36_524 + day / (DAYS_PER_ERA - 1);
    let year_of_era = (day - leaps) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_month)
}
