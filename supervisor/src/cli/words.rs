//! Single words of the command line, and what they mean: targets, numbers of workers, signals.
//! A word that cannot be meant is answered with the nearest one that can.

use std::time::Duration;

use mcp_protocol::admin::REASON_CHARS_MAX;
use mcp_protocol::control::{Scale, Target};
use nix::sys::signal::Signal;

use super::admin::WantedLevel;
use crate::config::nearest;

/// `all`, `query`, or one slot: `query[2]`, or `query:2` for shells that take brackets for
/// themselves.
pub(super) fn target(text: &str) -> Result<Target, String> {
    if text == "all" {
        return Ok(Target::All);
    }
    let (app, slot) = match (text.strip_suffix(']'), text.split_once(':')) {
        (Some(rest), _) => rest.split_once('[').map(|(app, slot)| (app, Some(slot))),
        (None, Some((app, slot))) => Some((app, Some(slot))),
        (None, None) => Some((text, None)),
    }
    .filter(|(app, _)| !app.is_empty() && !app.contains(['[', ']', '/', ' ']))
    .ok_or("write an app, one slot of it such as query[2], or all")?;
    match slot {
        None => Ok(Target::App(app.to_owned())),
        Some(slot) => {
            let slot = slot.parse().map_err(|_| format!("`{slot}` is not the number of a slot"))?;
            Ok(Target::Slot { app: app.to_owned(), slot })
        }
    }
}

/// `KEY=VALUE`.
pub(super) fn setting(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.trim().is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err("write KEY=VALUE, such as apps.query.instances=2".to_owned()),
    }
}

/// How long something is good: `90d`, `12h`, `30m`, `10s`.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    grace(text).ok().filter(|time| !time.is_zero()).ok_or_else(|| TIME.to_owned())
}

/// The same, or no time at all.
pub(super) fn grace(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).unwrap_or((text, ""));
    let seconds = [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60), ("s", 1)];
    let unit = seconds.into_iter().find(|(name, _)| *name == unit).map(|(_, seconds)| seconds);
    let plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<u32>().ok().filter(|_| plain);
    let time = number.zip(unit).map(|(number, unit)| u64::from(number) * unit);
    time.map(Duration::from_secs).ok_or_else(|| TIME.to_owned())
}

const TIME: &str = "write a whole number and one of d, h, m, s, such as 90d";

/// `4`, `+2` or `-2`.
pub(super) fn scale(text: &str) -> Result<Scale, String> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten().ok_or_else(|| {
            "write a number of workers, or +N or -N for more or fewer than now".to_owned()
        })
    };
    match text.split_at_checked(1) {
        Some(("+", more)) => number(more).map(Scale::More),
        Some(("-", fewer)) => number(fewer).map(Scale::Fewer),
        _ => match number(text)? {
            0 => Err("write 1 or more; `stop APP` stops all workers of an app".to_owned()),
            count => Ok(Scale::To(count)),
        },
    }
}

/// A level by its name, or `file`.
pub(super) fn level(text: &str) -> Result<WantedLevel, String> {
    if text == "file" {
        return Ok(WantedLevel::File);
    }
    let level = text.parse().map(WantedLevel::Level);
    level.map_err(|known| format!("there is no such level; write one of {known}, or file"))
}

/// Why, in words that fit into an answer.
pub(super) fn reason(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0 => Err("write why, or leave it out".to_owned()),
        count if count > REASON_CHARS_MAX => {
            Err(format!("write at most {REASON_CHARS_MAX} characters"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// A signal by its name, with or without SIG, or by its number.
pub(super) fn signal(text: &str) -> Result<i32, String> {
    if let Ok(number) = text.parse::<i32>() {
        let known = Signal::try_from(number).is_ok();
        return if known { Ok(number) } else { Err("write a number from 1 to 31".to_owned()) };
    }
    let wanted = text.to_uppercase();
    let wanted = wanted.strip_prefix("SIG").unwrap_or(&wanted);
    let short = |signal: Signal| signal.as_str().trim_start_matches("SIG");
    if let Some(signal) = Signal::iterator().find(|signal| short(*signal) == wanted) {
        return Ok(signal as i32);
    }
    match nearest(wanted, Signal::iterator().map(short)) {
        Some(name) => Err(format!("there is no such signal; did you mean {name}?")),
        None => Err("there is no such signal; `kill -l` lists them".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let slot = |app: &str, slot| Ok(Target::Slot { app: app.to_owned(), slot });
        assert_eq!(target("all"), Ok(Target::All));
        assert_eq!(target("query"), Ok(Target::App("query".to_owned())));
        assert_eq!(target("a.b-c_1"), Ok(Target::App("a.b-c_1".to_owned())));
        assert_eq!(target("query[2]"), slot("query", 2));
        assert_eq!(target("query:2"), slot("query", 2));
        for wrong in
            ["", "[2]", ":2", "query[", "query[]", "query[x]", "query[-1]", "query]", "a b"]
        {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_of_workers() {
        assert_eq!(scale("4"), Ok(Scale::To(4)));
        assert_eq!(scale("+2"), Ok(Scale::More(2)));
        assert_eq!(scale("-2"), Ok(Scale::Fewer(2)));
        for wrong in ["", "+", "-", "two", "--2", "+-2", "2.5", "0", "99999999999"] {
            assert!(scale(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn signals_by_name_and_number() {
        for word in ["SIGHUP", "HUP", "hup", "sighup", "1"] {
            assert_eq!(signal(word), Ok(libc::SIGHUP), "{word}");
        }
        assert_eq!(signal("usr2"), Ok(libc::SIGUSR2));
        assert_eq!(signal("SIGHPU").unwrap_err(), "there is no such signal; did you mean HUP?");
        assert_eq!(signal("hpu").unwrap_err(), "there is no such signal; did you mean HUP?");
        assert_eq!(signal("USR3").unwrap_err(), "there is no such signal; did you mean USR1?");
        for wrong in ["0", "-1", "64", "", "terminate-it"] {
            assert!(signal(wrong).is_err(), "{wrong}");
        }
    }
}
