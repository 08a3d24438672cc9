//! Decimal numbers as text, without ever passing through binary floating point.

use super::Flaw;

/// The most digits after the point that are believed; Snowflake has 38.
const SCALE_MAX: usize = 127;
/// Beyond this many digits before the point a DECFLOAT is written with an exponent.
const PLAIN_DIGITS_MAX: i64 = 38;
/// With more zeros than this after the point a DECFLOAT is written with an exponent.
const PLAIN_ZEROS_MAX: i64 = 6;

/// An integer of `10^-scale` units, with all its digits: 1.50 for 150 and 2.
pub(super) fn scaled(units: i128, scale: i64) -> Result<String, Flaw> {
    let scale = usize::try_from(scale)
        .ok()
        .filter(|scale| *scale <= SCALE_MAX)
        .ok_or_else(|| format!("a number with {scale} digits after the point"))?;
    if scale == 0 {
        return Ok(units.to_string());
    }
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if units < 0 { "-" } else { "" };
    Ok(format!("{sign}{whole}.{fraction}"))
}

/// A decimal taken apart: `digits` without zeros around them, times `10^exponent`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Of an integer times a power of ten.
    pub(super) fn of(significand: i128, exponent: i64) -> Decimal {
        Decimal::trimmed(significand < 0, &significand.unsigned_abs().to_string(), exponent)
    }

    /// Of `-12.5e3` and the like; nothing when it is no number.
    pub(super) fn parse(text: &str) -> Option<Decimal> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
                (mantissa, i64::from(exponent))
            }
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let places = i64::try_from(fraction.len()).ok()?;
        Some(Decimal::trimmed(negative, &digits, exponent - places))
    }

    fn trimmed(negative: bool, digits: &str, exponent: i64) -> Decimal {
        let digits = digits.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        if kept.is_empty() {
            return Decimal { negative: false, digits: "0".to_owned(), exponent: 0 };
        }
        let zeros = i64::try_from(digits.len() - kept.len()).unwrap_or(i64::MAX);
        Decimal { negative, digits: kept.to_owned(), exponent: exponent.saturating_add(zeros) }
    }

    /// Written out: plain where that is short, else as `1.5e100`.
    pub(super) fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let count = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        // How many digits stand before the point; negative for zeros after it.
        let before = count.saturating_add(self.exponent);
        let written = if (-PLAIN_ZEROS_MAX..=0).contains(&before) {
            let zeros = usize::try_from(-before).unwrap_or_default();
            format!("0.{}{}", "0".repeat(zeros), self.digits)
        } else if (1..=PLAIN_DIGITS_MAX).contains(&before) {
            let before = usize::try_from(before).unwrap_or_default();
            match self.digits.split_at_checked(before) {
                Some((whole, fraction)) if !fraction.is_empty() => format!("{whole}.{fraction}"),
                _ => format!("{:0<before$}", self.digits),
            }
        } else {
            let (first, rest) = self.digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{first}{point}{rest}e{}", before.saturating_sub(1))
        };
        format!("{sign}{written}")
    }
}

/// The significand of a DECFLOAT: a signed integer, its highest byte first.
pub(super) fn significand(bytes: &[u8]) -> Result<i128, Flaw> {
    if bytes.len() > 16 {
        return Err(format!("a significand of {} bytes, more than 16", bytes.len()));
    }
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if negative { 0xff } else { 0 }; 16];
    whole[16 - bytes.len()..].copy_from_slice(bytes);
    Ok(i128::from_be_bytes(whole))
}

/// A NUMBER or DECFLOAT that came as text: only looked at, not changed.
pub(super) fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction) && !(whole.is_empty() && fraction.is_empty())
}
