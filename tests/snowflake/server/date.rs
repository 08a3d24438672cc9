//! The `Date` header, off by as many hours as a test wants.

/// Now, as HTTP writes it.
pub(crate) fn http_date(hours_off: i64) -> String {
    #[expect(clippy::disallowed_methods, reason = "the server tells its own time of day")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    written(i64::try_from(since.as_secs()).unwrap_or(0) + hours_off * 3600)
}

/// Days are counted in years that begin in March, so that the leap day comes last.
fn written(seconds: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    let name = |names: &[&'static str], index: i64| names[usize::try_from(index).unwrap_or(0)];
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        name(&DAYS, days.rem_euclid(7)),
        name(&MONTHS, month),
        time / 3600,
        time / 60 % 60,
        time % 60,
    )
}

#[test]
fn dates_are_written_as_http_writes_them() {
    assert_eq!(written(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(written(951_827_696), "Tue, 29 Feb 2000 12:34:56 GMT");
    assert_eq!(written(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
}
