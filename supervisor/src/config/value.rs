//! From one written value to what it means, or to the words that say what to write instead.
//!
//! Each kind of value has one function here; the check of the whole file and the reading of single
//! keys both go through it, so that nothing can pass the one and fail the other. Words that name
//! no remedy are completed by the caller with the key's example.

use std::collections::BTreeSet;
use std::time::Duration;

use super::file::{Node, Value};
use super::keys::nearest;
use super::units;

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
pub(super) fn kind(value: &Value) -> &'static str {
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
        number @ (Value::Integer(_) | Value::Float(_)) => {
            let found = found(number);
            let digits = found.trim_start_matches("the number ");
            Err(format!("{found} is not a text; write it in quotes: \"{digits}\""))
        }
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

/// One entry of a list of texts; an argument may well be empty.
pub(super) fn entry(node: &Node) -> Result<&str, String> {
    match &node.value {
        Value::Text(text) if text.is_empty() => Ok(text),
        Value::Text(_) => text(node),
        other => Err(format!("{} is not a text; write it in quotes", found(other))),
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
        Value::List(items) => items.iter().map(|item| entry(item).map(str::to_owned)).collect(),
        Value::Text(text) if !text.is_empty() => {
            let parts: Vec<String> = text.split_whitespace().map(quoted).collect();
            Err(format!("{} is not a list; write [{}]", found(&node.value), cut(&parts.join(", "))))
        }
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
        other if meant_truth(other).is_some() => {
            let meant = meant_truth(other).unwrap_or_default();
            Err(format!("{} is neither true nor false; did you mean {meant}?", found(other)))
        }
        other => Err(format!(
            "{} is neither true nor false; write one of them, without quotes",
            found(other)
        )),
    }
}

/// What people write for true and false elsewhere.
fn meant_truth(value: &Value) -> Option<bool> {
    match value {
        Value::Integer(1) => Some(true),
        Value::Integer(0) => Some(false),
        Value::Text(text) => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        _other => None,
    }
}

/// A number that stands in quotes, or has nothing behind its point.
pub(super) fn meant_number(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
            Some(format!("{number}, without quotes"))
        }
        Value::Float(number) if number.fract() == 0.0 => Some(format!("{number}")),
        _other => None,
    }
}

/// That something is not a number of this kind.
pub(super) fn no_number(value: &Value, what: &str) -> String {
    match meant_number(value) {
        Some(meant) => format!("{} is not {what}; did you mean {meant}?", found(value)),
        None => format!("{} is not {what}", found(value)),
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
        other => Err(no_number(other, what)),
    }
}

/// Numbers with which a program may end.
pub(super) fn exit_codes(node: &Node) -> Result<BTreeSet<i32>, String> {
    let Value::List(items) = &node.value else {
        return Err(format!("{} is not a list", found(&node.value)));
    };
    items.iter().map(exit_code).collect()
}

/// One of them.
pub(super) fn exit_code(node: &Node) -> Result<i32, String> {
    let code = count(node, 0, 255, "an exit code")?;
    i32::try_from(code).map_err(|error| error.to_string())
}

/// A number above 0, also with a fraction.
pub(super) fn fraction(node: &Node, max: u32, what: &str) -> Result<f64, String> {
    let number = number(node, what)?;
    if number > 0.0 && number <= f64::from(max) {
        return Ok(number);
    }
    Err(format!("{number} is not {what}; use a number above 0 and up to {max}"))
}

pub(super) fn share(node: &Node) -> Result<f64, String> {
    let share = number(node, "a share")?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(format!("{share} is not a share; use a number from 0 to 1"))
}

fn number(node: &Node, what: &str) -> Result<f64, String> {
    #[expect(clippy::cast_precision_loss, reason = "numbers in range are far below 2^52")]
    match &node.value {
        Value::Float(number) => Ok(*number),
        Value::Integer(number) => Ok(*number as f64),
        other => Err(no_number(other, what)),
    }
}

/// That a number has no unit, with what it is likely to stand for, else the form with an example.
fn no_unit(
    number: &str,
    (example, form): (&str, &str),
    likely: &dyn Fn(u64) -> Vec<String>,
) -> String {
    let likely = number.parse().map(likely).unwrap_or_default();
    let shown: Vec<String> = likely.iter().map(|text| format!("\"{text}\"")).collect();
    match &shown[..] {
        [] => format!("`{number}` has no unit; write {form}, such as \"{example}\""),
        [first @ .., last] if !first.is_empty() => {
            format!("`{number}` has no unit; write {} or {last}", first.join(", "))
        }
        shown => format!("`{number}` has no unit; write {}", shown.join(", ")),
    }
}

pub(super) fn duration(node: &Node, min: &str, max: &str) -> Result<Duration, String> {
    let without_unit = |number: &str| {
        no_unit(number, (min, "a whole number and one of ms, s, m, h"), &|number| {
            units::likely_durations(number, min, max)
        })
    };
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Integer(0) => return Err(format!("0 is no time at all; use \"{min}\" or more")),
        Value::Integer(number) if *number > 0 => return Err(without_unit(&number.to_string())),
        other => return Err(format!("{} is not a duration", found(other))),
    };
    if units::split_unit(text).is_some_and(|(_, unit)| unit.is_empty()) {
        return Err(without_unit(text));
    }
    let Some(duration) = units::duration(text) else {
        if let Some(meant) = units::meant_duration(text) {
            return Err(format!("{} is not a duration; did you mean \"{meant}\"?", quoted(text)));
        }
        return Err(format!(
            "{} is not a duration; write a whole number and one of ms, s, m, h, such as \"10s\"",
            quoted(text)
        ));
    };
    let bound = |text| units::duration(text).expect("the table of keys has valid durations");
    match duration {
        Duration::ZERO => Err(format!("\"{text}\" is no time at all; use \"{min}\" or more")),
        short if short < bound(min) => {
            Err(format!("\"{text}\" is too short; use \"{min}\" or more"))
        }
        long if long > bound(max) => Err(format!("\"{text}\" is too long; use \"{max}\" or less")),
        duration => Ok(duration),
    }
}

pub(super) fn size(node: &Node, min: &str, max: &str) -> Result<u64, String> {
    let without_unit = |number: &str| {
        no_unit(number, (min, "a whole number and one of B, KB, MB, GB"), &|number| {
            units::likely_sizes(number, min, max)
        })
    };
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Integer(number) if *number >= 0 => return Err(without_unit(&number.to_string())),
        other => return Err(format!("{} is not a size", found(other))),
    };
    if units::split_unit(text).is_some_and(|(_, unit)| unit.is_empty()) {
        return Err(without_unit(text));
    }
    let Some(size) = units::size(text) else {
        if let Some(meant) = units::meant_size(text) {
            return Err(format!("{} is not a size; did you mean \"{meant}\"?", quoted(text)));
        }
        return Err(format!(
            "{} is not a size; write a whole number and one of B, KB, MB, GB, KiB, MiB, GiB, such as \"50MB\"",
            quoted(text)
        ));
    };
    let bound = |text| units::size(text).expect("the table of keys has valid sizes");
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
    let position = |wanted: &str| words.iter().position(|word| *word == wanted);
    let (shown, meant) = match &node.value {
        Value::Text(text) => match position(text) {
            Some(index) => return Ok(index),
            None => (quoted(text), synonym(text, words).or(nearest(text, words.iter().copied()))),
        },
        Value::Boolean(truth) => (truth.to_string(), synonym(&truth.to_string(), words)),
        other => {
            let found = found(other);
            return Err(format!("{found} is none of the words here; write one of {list}"));
        }
    };
    match meant {
        Some(word) => Err(format!("{shown} is unknown; did you mean \"{word}\"?")),
        None => Err(format!("{shown} is unknown; write one of {list}")),
    }
}

/// The word here for what others call differently.
fn synonym<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    const SYNONYMS: [(&str, &[&str]); 16] = [
        ("err", &["error"]),
        ("fatal", &["error"]),
        ("critical", &["error"]),
        ("notice", &["info"]),
        ("verbose", &["debug"]),
        ("silly", &["trace"]),
        ("on_error", &["on_failure"]),
        ("unexpected", &["on_failure"]),
        ("unless-stopped", &["always"]),
        ("yes", &["always", "auto"]),
        ("on", &["always", "auto"]),
        ("true", &["always", "auto"]),
        ("false", &["never", "off"]),
        ("no", &["never", "off"]),
        ("none", &["never", "off"]),
        ("disabled", &["never", "off"]),
    ];
    let text = text.to_lowercase();
    let (_, meanings) = SYNONYMS.iter().find(|(word, _)| *word == text)?;
    words.iter().find(|word| meanings.contains(word)).copied()
}

/// The signals that may ask a program to leave.
pub(super) const SIGNALS: &[(&str, i32)] = &[
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
        Value::Integer(number) => {
            let found = SIGNALS.iter().find(|(_, signal)| i64::from(*signal) == *number);
            match found {
                Some((name, _)) => Err(format!("{number} is a number; did you mean \"{name}\"?")),
                None => choice(node, &names).map(|index| SIGNALS[index].1),
            }
        }
        _other => choice(node, &names).map(|index| SIGNALS[index].1),
    }
}
