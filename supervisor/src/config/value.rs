//! From one written value to what it means, or to the words that say what to write instead.
//!
//! Each kind of value has one function here; the check of the whole file and the reading of single
//! keys both go through it, so that nothing can pass the one and fail the other. Words that name
//! no remedy are completed by the caller with the key's example.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::file::{Node, Value};
use super::keys::nearest;

/// What was found where something else should stand; long texts are cut.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("the text {}", quoted(text)),
        Value::Integer(number) => format!("the number {number}"),
        Value::HugeInteger(number) => format!("the number {}", cut(number)),
        Value::Float(number) => format!("the number {number}"),
        Value::Boolean(truth) => format!("the truth value {truth}"),
        Value::Date(date) => format!("the date {date}"),
        Value::List(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

/// What was found, without its content.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "a text",
        Value::Integer(_) | Value::HugeInteger(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "a truth value",
        Value::Date(_) => "a date",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text of the operator's, made fit for one line.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", cut(text).escape_debug().to_string().replace("\\'", "'"))
}

pub(super) fn text(node: &Node) -> Result<&str, String> {
    match &node.value {
        Value::Text(text) if text.is_empty() => Err("is empty".to_owned()),
        Value::Text(text) if text.contains('\0') => {
            Err(format!("{} contains a NUL character; remove it", quoted(text)))
        }
        Value::Text(text) => Ok(text),
        other => Err(format!("{} is not a text", found(other))),
    }
}

/// A text that may be empty; its words never repeat what was found, for it may be a secret.
pub(super) fn variable(node: &Node) -> Result<&str, String> {
    match &node.value {
        Value::Text(text) if text.contains('\0') => {
            Err("contains a NUL character; remove it".to_owned())
        }
        Value::Text(text) => Ok(text),
        other => Err(format!("{} is not a text; write it in quotes", kind(other))),
    }
}

/// A text of which no word may be repeated.
pub(super) fn secret(node: &Node) -> Result<(), String> {
    match &node.value {
        Value::Text(text) if text.is_empty() => Err("is empty".to_owned()),
        Value::Text(text) if text.contains('\0') => {
            Err("contains a NUL character; remove it".to_owned())
        }
        Value::Text(_) => Ok(()),
        other => Err(format!("{} is not a text; write it in quotes", kind(other))),
    }
}

pub(super) fn texts(node: &Node) -> Result<Vec<String>, String> {
    match &node.value {
        Value::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| match &item.value {
                // An argument may well be empty.
                Value::Text(text) if text.is_empty() => Ok(String::new()),
                Value::Text(_) => text(item)
                    .map(str::to_owned)
                    .map_err(|words| format!("entry {}: {words}", index + 1)),
                other => {
                    let found = found(other);
                    Err(format!("entry {}: {found} is not a text; write it in quotes", index + 1))
                }
            })
            .collect(),
        other => Err(format!("{} is not a list", found(other))),
    }
}

/// A program and its arguments.
pub(super) fn command(node: &Node) -> Result<(String, Vec<String>), String> {
    let missing = || "names no program".to_owned();
    match &node.value {
        Value::List(_) => {
            let mut parts = texts(node)?.into_iter();
            let program = parts.next().filter(|program| !program.is_empty()).ok_or_else(missing)?;
            Ok((program, parts.collect()))
        }
        Value::Text(words) if words.contains(char::is_whitespace) => {
            let parts: Vec<String> = words.split_whitespace().map(quoted).collect();
            Err(format!(
                "{} has spaces, and no shell reads it; write [{}]",
                quoted(words),
                cut(&parts.join(", "))
            ))
        }
        Value::Text(program) if program.is_empty() => Err(missing()),
        Value::Text(_) => Ok((text(node)?.to_owned(), Vec::new())),
        other => Err(format!("{} is not a program", found(other))),
    }
}

pub(super) fn boolean(node: &Node) -> Result<bool, String> {
    match &node.value {
        Value::Boolean(truth) => Ok(*truth),
        other => Err(format!(
            "{} is neither true nor false; write one of them, without quotes",
            found(other)
        )),
    }
}

pub(super) fn count(node: &Node, min: u32, max: u32, what: &str) -> Result<u32, String> {
    match &node.value {
        Value::Integer(number) if *number < i64::from(min) => {
            Err(format!("{number} is not {what}; use {min} or more"))
        }
        Value::Integer(number) => u32::try_from(*number)
            .ok()
            .filter(|number| *number <= max)
            .ok_or_else(|| format!("{number} is too large for {what}; use {max} or less")),
        other => Err(format!("{} is not {what}", found(other))),
    }
}

/// Numbers with which a program may end.
pub(super) fn exit_codes(node: &Node) -> Result<BTreeSet<i32>, String> {
    let Value::List(items) = &node.value else {
        return Err(format!("{} is not a list", found(&node.value)));
    };
    let code = |(index, item)| match count(item, 0, 255, "an exit code") {
        Ok(code) => i32::try_from(code).map_err(|error| error.to_string()),
        Err(words) => Err(format!("entry {}: {words}", index + 1)),
    };
    items.iter().enumerate().map(code).collect()
}

/// A TPC-H scale factor.
pub(super) fn scale(node: &Node) -> Result<f64, String> {
    #[expect(clippy::cast_precision_loss, reason = "numbers in range are far below 2^52")]
    let factor = match &node.value {
        Value::Float(factor) => *factor,
        Value::Integer(factor) => *factor as f64,
        other => return Err(format!("{} is not a scale", found(other))),
    };
    if factor > 0.0 && factor <= 10.0 {
        return Ok(factor);
    }
    Err(format!("{factor} is not a scale; use a number above 0 and up to 10"))
}

/// A number and the unit behind it.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

pub(super) fn duration(node: &Node, min: &str, max: &str) -> Result<Duration, String> {
    let without_unit = |number: &str| format!("`{number}` has no unit; write \"{number}s\"");
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Integer(0) => return Err(format!("0 is no time at all; use \"{min}\" or more")),
        Value::Integer(number) if *number > 0 => return Err(without_unit(&number.to_string())),
        other => return Err(format!("{} is not a duration", found(other))),
    };
    if split_unit(text).is_some_and(|(_, unit)| unit.is_empty()) {
        return Err(without_unit(text));
    }
    let Some(duration) = parse_duration(text) else {
        return Err(format!(
            "{} is not a duration; write a whole number and one of ms, s, m, h, such as \"10s\"",
            quoted(text)
        ));
    };
    let bound = |text| parse_duration(text).expect("the table of keys has valid durations");
    match duration {
        Duration::ZERO => Err(format!("\"{text}\" is no time at all; use \"{min}\" or more")),
        short if short < bound(min) => {
            Err(format!("\"{text}\" is too short; use \"{min}\" or more"))
        }
        long if long > bound(max) => Err(format!("\"{text}\" is too long; use \"{max}\" or less")),
        duration => Ok(duration),
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit {
        "B" => 1,
        "KB" => 1000,
        "MB" => 1000 * 1000,
        "GB" => 1000 * 1000 * 1000,
        "TB" => 1000 * 1000 * 1000 * 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

pub(super) fn size(node: &Node, min: &str, max: &str) -> Result<u64, String> {
    let without_unit =
        |number: &str| format!("`{number}` has no unit; write \"{number}B\", or KB, MB, MiB");
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Integer(number) if *number >= 0 => return Err(without_unit(&number.to_string())),
        other => return Err(format!("{} is not a size", found(other))),
    };
    if split_unit(text).is_some_and(|(_, unit)| unit.is_empty()) {
        return Err(without_unit(text));
    }
    let Some(size) = parse_size(text) else {
        return Err(format!(
            "{} is not a size; write a whole number and one of B, KB, MB, GB, KiB, MiB, GiB, such as \"50MB\"",
            quoted(text)
        ));
    };
    let bound = |text| parse_size(text).expect("the table of keys has valid sizes");
    match size {
        small if small < bound(min) => {
            Err(format!("\"{text}\" is too small; use \"{min}\" or more"))
        }
        large if large > bound(max) => {
            Err(format!("\"{text}\" is too large; use \"{max}\" or less"))
        }
        size => Ok(size),
    }
}

/// One of a few words; which one, as its index.
pub(super) fn choice(node: &Node, words: &[&str]) -> Result<usize, String> {
    let list = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let Value::Text(text) = &node.value else {
        return Err(format!(
            "{} is none of the words here; write one of {list}",
            found(&node.value)
        ));
    };
    words.iter().position(|word| word == text).ok_or_else(|| {
        match nearest(text, words.iter().copied()) {
            Some(word) => format!("{} is unknown; did you mean \"{word}\"?", quoted(text)),
            None => format!("{} is unknown; write one of {list}", quoted(text)),
        }
    })
}

pub(super) fn address(node: &Node) -> Result<SocketAddr, String> {
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Integer(port @ 1..=65_535) => {
            return Err(format!("{port} has no host; write \"127.0.0.1:{port}\""));
        }
        other => return Err(format!("{} is not an address", found(other))),
    };
    text.parse().map_err(|_| {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        match (host, port.parse::<u16>()) {
            ("", Ok(port)) => format!("{} has no host; write \"127.0.0.1:{port}\"", quoted(text)),
            ("*", Ok(port)) => format!("{} is no host; write \"0.0.0.0:{port}\"", quoted("*")),
            ("localhost", Ok(port)) => {
                format!("{} is a name; write the address \"127.0.0.1:{port}\"", quoted(text))
            }
            _ => format!(
                "{} is not an address; write an IP address and a port, such as \"127.0.0.1:8000\"",
                quoted(text)
            ),
        }
    })
}

/// An address, or `None` for the word "off".
pub(super) fn address_or_off(node: &Node) -> Result<Option<SocketAddr>, String> {
    match &node.value {
        Value::Text(text) if text == "off" => Ok(None),
        Value::Boolean(false) => Err("false is not an address; write \"off\"".to_owned()),
        _other => address(node).map(Some),
    }
}

/// The signals that may ask a program to leave.
const SIGNALS: &[(&str, i32)] = &[
    ("SIGTERM", libc::SIGTERM),
    ("SIGINT", libc::SIGINT),
    ("SIGQUIT", libc::SIGQUIT),
    ("SIGHUP", libc::SIGHUP),
    ("SIGUSR1", libc::SIGUSR1),
    ("SIGUSR2", libc::SIGUSR2),
    ("SIGWINCH", libc::SIGWINCH),
    ("SIGKILL", libc::SIGKILL),
];

pub(super) fn signal(node: &Node) -> Result<i32, String> {
    let names: Vec<&str> = SIGNALS.iter().map(|(name, _)| *name).collect();
    match &node.value {
        Value::Text(text) if names.contains(&format!("SIG{text}").as_str()) => {
            Err(format!("\"{text}\" is unknown; did you mean \"SIG{text}\"?"))
        }
        _other => choice(node, &names).map(|index| SIGNALS[index].1),
    }
}
