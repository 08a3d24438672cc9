//! Snowflake's format models: `YYYY-MM-DD HH24:MI:SS` for moments, `$999,990.00` for numbers.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use datafusion::common::{Result, exec_err};

/// The elements of a format for moments, longest first, so that `MMMM` is not two `MM`.
const ELEMENTS: &[(&str, Element)] = &[
    ("YYYY", Element::Year),
    ("YY", Element::YearShort),
    ("MMMM", Element::MonthName),
    ("MON", Element::MonthShort),
    ("MM", Element::Month),
    ("MI", Element::Minute),
    ("DD", Element::Day),
    ("DY", Element::DayShort),
    ("HH24", Element::Hour),
    ("HH12", Element::HourOfTwelve),
    ("HH", Element::Hour),
    ("AM", Element::Meridian),
    ("PM", Element::Meridian),
    ("SS", Element::Second),
    ("FF", Element::Fraction(9)),
    ("TZHTZM", Element::Offset),
    ("TZH:TZM", Element::OffsetColon),
    ("TZH", Element::OffsetHours),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// One piece of a format.
#[derive(Debug, Clone, PartialEq)]
enum Element {
    Year,
    YearShort,
    Month,
    MonthShort,
    MonthName,
    Day,
    DayShort,
    Hour,
    HourOfTwelve,
    Meridian,
    Minute,
    Second,
    Fraction(usize),
    Offset,
    OffsetColon,
    OffsetHours,
    Literal(char),
}

fn elements(format: &str) -> Vec<Element> {
    let mut found = Vec::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let inside = &rest[1..];
            let end = inside.find('"').unwrap_or(inside.len());
            found.extend(inside[..end].chars().map(Element::Literal));
            rest = inside.get(end + 1..).unwrap_or("");
            continue;
        }
        let known = ELEMENTS.iter().find(|(word, _)| {
            rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        });
        match known {
            Some((word, Element::Fraction(_))) => {
                rest = &rest[word.len()..];
                let digits = rest.chars().next().and_then(|digit| digit.to_digit(10));
                found.push(Element::Fraction(digits.map_or(9, |digits| digits.min(9) as usize)));
                rest = if digits.is_some() { &rest[1..] } else { rest };
            }
            Some((word, element)) => {
                found.push(element.clone());
                rest = &rest[word.len()..];
            }
            None => {
                found.push(Element::Literal(first));
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    found
}

/// A moment in a format. The sample account knows one time zone, UTC.
pub(crate) fn write_moment(at: NaiveDateTime, format: &str) -> Result<String> {
    let mut text = String::new();
    for element in elements(format) {
        let piece = match element {
            Element::Year => format!("{:04}", at.year()),
            Element::YearShort => format!("{:02}", at.year().rem_euclid(100)),
            Element::Month => format!("{:02}", at.month()),
            Element::MonthShort => MONTHS[at.month0() as usize][..3].to_owned(),
            Element::MonthName => MONTHS[at.month0() as usize].to_owned(),
            Element::Day => format!("{:02}", at.day()),
            Element::DayShort => at.weekday().to_string(),
            Element::Hour => format!("{:02}", at.hour()),
            Element::HourOfTwelve => format!("{:02}", at.hour12().1),
            Element::Meridian => if at.hour() < 12 { "AM" } else { "PM" }.to_owned(),
            Element::Minute => format!("{:02}", at.minute()),
            Element::Second => format!("{:02}", at.second()),
            Element::Fraction(digits) => format!("{:09}", at.nanosecond())[..digits].to_owned(),
            Element::Offset => "+0000".to_owned(),
            Element::OffsetColon => "+00:00".to_owned(),
            Element::OffsetHours => "+00".to_owned(),
            Element::Literal(character) => character.to_string(),
        };
        text.push_str(&piece);
    }
    Ok(text)
}

/// What has been read of a moment so far.
#[derive(Debug, Default)]
struct Read {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    afternoon: Option<bool>,
}

/// A moment out of a text in a format.
pub(crate) fn parse_moment(text: &str, format: &str) -> Result<NaiveDateTime> {
    let wrong = || format!("Can't parse '{text}' as date with format '{format}'");
    let mut read = Read::default();
    let mut rest = text.trim();
    for element in elements(format) {
        match take(&mut read, rest, &element) {
            Some(after) => rest = after,
            None => return exec_err!("{}", wrong()),
        }
    }
    let hour = match read.afternoon {
        Some(true) => read.hour % 12 + 12,
        Some(false) => read.hour % 12,
        None => read.hour,
    };
    let day = NaiveDate::from_ymd_opt(
        read.year.unwrap_or(1970),
        read.month.unwrap_or(1),
        read.day.unwrap_or(1),
    );
    let clock = NaiveTime::from_hms_nano_opt(hour, read.minute, read.second, read.nanos);
    match (day, clock) {
        (Some(day), Some(clock)) if rest.is_empty() => Ok(day.and_time(clock)),
        _ => exec_err!("{}", wrong()),
    }
}

/// Reads one element off the front; what is left behind it.
fn take<'a>(read: &mut Read, text: &'a str, element: &Element) -> Option<&'a str> {
    let number = |most: usize| -> Option<(u32, &'a str)> {
        let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
        Some((text.get(..digits)?.parse().ok()?, &text[digits..]))
    };
    let (rest, ()) = match element {
        Element::Year => number(4).map(|(n, rest)| (rest, read.year = i32::try_from(n).ok()))?,
        Element::YearShort => number(2).map(|(n, rest)| {
            let century = if n < 70 { 2000 } else { 1900 };
            (rest, read.year = i32::try_from(n).ok().map(|n| century + n))
        })?,
        Element::Month => number(2).map(|(n, rest)| (rest, read.month = Some(n)))?,
        Element::Day => number(2).map(|(n, rest)| (rest, read.day = Some(n)))?,
        Element::Hour | Element::HourOfTwelve => {
            number(2).map(|(n, rest)| (rest, read.hour = n))?
        }
        Element::Minute => number(2).map(|(n, rest)| (rest, read.minute = n))?,
        Element::Second => number(2).map(|(n, rest)| (rest, read.second = n))?,
        Element::Fraction(_) => {
            let digits = text.bytes().take(9).take_while(u8::is_ascii_digit).count();
            let padded = format!("{:0<9}", text.get(..digits)?);
            (&text[digits..], read.nanos = padded.parse().ok()?)
        }
        Element::MonthShort | Element::MonthName => {
            let full = *element == Element::MonthName;
            let (at, length) = MONTHS.iter().enumerate().find_map(|(at, name)| {
                let name = if full { name } else { &name[..3] };
                let start = text.get(..name.len())?;
                start.eq_ignore_ascii_case(name).then_some((at, name.len()))
            })?;
            (&text[length..], read.month = u32::try_from(at + 1).ok())
        }
        Element::DayShort => (text.get(3..)?, ()),
        Element::Meridian => {
            let afternoon = text.get(..2)?.eq_ignore_ascii_case("PM");
            (&text[2..], read.afternoon = Some(afternoon))
        }
        Element::Offset => (text.get(5..)?, ()),
        Element::OffsetColon => (text.get(6..)?, ()),
        Element::OffsetHours => (text.get(3..)?, ()),
        Element::Literal(character) => (text.strip_prefix(*character)?, ()),
    };
    Some(rest)
}

/// A number in a format of `9`, `0`, `,`, `.`, `$`, `FM`, `MI` and `S`.
pub(crate) fn write_number(plain: &str, format: &str) -> Result<String> {
    let upper = format.to_ascii_uppercase();
    if matches!(upper.as_str(), "TM" | "TM9") {
        return Ok(plain.to_owned());
    }
    let (fill, model) = match upper.strip_prefix("FM") {
        Some(model) => (false, model),
        None => (true, upper.as_str()),
    };
    let signs: String =
        model.chars().filter(|c| !matches!(c, '9' | '0' | ',' | '.' | '$')).collect();
    if !matches!(signs.as_str(), "" | "S" | "MI") {
        return exec_err!("the embedded sample account does not know the number format '{format}'");
    }
    let digits_model: String =
        model.chars().filter(|c| matches!(c, '9' | '0' | ',' | '.')).collect();
    let (whole_model, fraction_model) =
        digits_model.split_once('.').unwrap_or((digits_model.as_str(), ""));
    let (negative, whole, fraction) = rounded(plain, fraction_model.len());
    let places = whole_model.chars().filter(|c| *c != ',').count();
    if whole.len() > places {
        return Ok("#".repeat(model.len() + usize::from(fill)));
    }
    let mut body = fill_whole(&whole, whole_model, places);
    if digits_model.contains('.') {
        body.push('.');
        body.push_str(&fraction);
    }
    let blank = body.len() - body.trim_start().len();
    let (pad, digits) = body.split_at(blank);
    let money = if model.contains('$') { "$" } else { "" };
    let sign = match (negative, signs.as_str()) {
        (true, "" | "S") => "-",
        (false, "S") => "+",
        (false, "") if fill => " ",
        _ => "",
    };
    let behind = match (negative, signs.as_str()) {
        (true, "MI") => "-",
        (false, "MI") if fill => " ",
        _ => "",
    };
    let pad = if fill { pad } else { "" };
    Ok(format!("{pad}{sign}{money}{digits}{behind}"))
}

/// Sign, whole digits without leading zeros, and exactly that many digits behind the point.
fn rounded(plain: &str, places: usize) -> (bool, String, String) {
    let negative = plain.starts_with('-');
    let unsigned = plain.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let wanted = whole.len() + places;
    let up = digits.get(wanted).is_some_and(|digit| *digit >= b'5');
    digits.resize(wanted, b'0');
    let mut carry = up;
    for digit in digits.iter_mut().rev() {
        match (carry, *digit) {
            (false, _) => break,
            (true, b'9') => *digit = b'0',
            (true, _) => {
                *digit += 1;
                carry = false;
            }
        }
    }
    let mut text: String = digits.into_iter().map(char::from).collect();
    if carry {
        text.insert(0, '1');
    }
    let (whole, fraction) = text.split_at(text.len() - places);
    (negative, whole.trim_start_matches('0').to_owned(), fraction.to_owned())
}

/// Digits from the right into a model of `9`, `0` and `,`; blanks where nothing is.
fn fill_whole(whole: &str, model: &str, places: usize) -> String {
    let padded = format!("{whole:>places$}");
    let mut digits = padded.chars();
    let mut text = String::new();
    let mut started = false;
    for place in model.chars() {
        if place == ',' {
            text.push(if started { ',' } else { ' ' });
            continue;
        }
        let digit = digits.next().unwrap_or(' ');
        started = started || digit != ' ' || place == '0';
        text.push(match digit {
            ' ' if started => '0',
            digit => digit,
        });
    }
    if whole.is_empty() && !started && model.ends_with('9') {
        text.pop();
        text.push('0');
    }
    text
}

/// The digits of a NUMBER(precision, scale) out of a text.
pub(crate) fn number_of_text(text: &str, precision: u8, scale: i8) -> Result<i128> {
    let wrong = || format!("Numeric value '{text}' is not recognized");
    let trimmed = text.trim();
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) if exponent.abs() <= 76 => (mantissa, exponent),
            Ok(_) | Err(_) => return exec_err!("{}", wrong()),
        },
        None => (trimmed, 0),
    };
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 76 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return exec_err!("{}", wrong());
    }
    let point = i32::try_from(whole.len()).unwrap_or(0) + exponent + i32::from(scale);
    let kept = usize::try_from(point).unwrap_or(0);
    let padded = format!("{digits:0<kept$}");
    let up = point >= 0 && padded.as_bytes().get(kept).is_some_and(|digit| *digit >= b'5');
    let start = padded[..kept].trim_start_matches('0');
    let number = if start.is_empty() { Ok(0) } else { start.parse::<i128>() };
    match number.map(|number| number + i128::from(up)) {
        Ok(number) if number < 10i128.pow(precision.into()) => Ok(sign * number),
        Ok(_) | Err(_) => exec_err!(
            "Number out of representable range: type NUMBER({precision},{scale}), value {text}"
        ),
    }
}

/// A float as Snowflake writes it: no `.0` behind a whole number.
pub(crate) fn number_text(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if number != 0.0 && (number.abs() >= 1e15 || number.abs() < 1e-5) {
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text.as_str(), "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{number}")
}
