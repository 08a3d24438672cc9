//! A text from outside the file (a variable, `--set`) as the value that its key wants.
//!
//! A variable has no quotes, so whether `4` is a number is for the key to say. What does not look
//! like what is wanted stays a text; the check then says what is wrong with it.

use super::file::{Node, Value};
use super::keys::Kind;
use super::origin::Origin;
use super::problem::Place;
use super::process::Unit;

/// The value that a text stands for, where a value of this kind is wanted. Lists are separated by
/// commas.
pub(super) fn read(text: &str, kind: &Kind) -> Value {
    let as_text = || Value::Text(text.to_owned());
    match kind {
        Kind::Boolean => text.parse().map_or_else(|_| as_text(), Value::Boolean),
        Kind::Count { .. } | Kind::Nice | Kind::Account | Kind::Limit(Unit::Number) => {
            text.parse().map_or_else(|_| as_text(), Value::Integer)
        }
        Kind::Fraction { .. } | Kind::Share => {
            text.parse().map_or_else(|_| as_text(), Value::Float)
        }
        Kind::Scalar => scalar(text),
        Kind::Texts | Kind::Scalars | Kind::Patterns | Kind::ExitCodes => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let member = of_members(kind);
            Value::List(parts.map(|part| item(read(part, member))).collect())
        }
        Kind::Table(_)
        | Kind::Named(_)
        | Kind::Variables
        | Kind::Text
        | Kind::Command
        | Kind::Duration { .. }
        | Kind::DurationOrOff { .. }
        | Kind::Size { .. }
        | Kind::SizeOrOff { .. }
        | Kind::TimeTable
        | Kind::TimeZone
        | Kind::Choice(_)
        | Kind::Secret
        | Kind::Authenticator
        | Kind::Address
        | Kind::AddressOrOff
        | Kind::Readiness
        | Kind::ProbeAddress
        | Kind::ProbePage
        | Kind::Signal
        | Kind::Umask
        | Kind::Limit(Unit::Bytes | Unit::Time) => as_text(),
    }
}

/// What the members of a list of this kind are.
pub(super) fn of_members(kind: &Kind) -> &'static Kind {
    const EXIT_CODE: Kind = Kind::Count { min: 0, max: 255, what: "an exit code" };
    match kind {
        Kind::ExitCodes => &EXIT_CODE,
        Kind::Scalars => &Kind::Scalar,
        _other => &Kind::Text,
    }
}

/// What looks like a number or a truth value is one.
fn scalar(text: &str) -> Value {
    let integer = || text.parse().ok().map(Value::Integer);
    let float = || text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float);
    let truth = text.parse().ok().map(Value::Boolean);
    truth.or_else(integer).or_else(float).unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// A member of a list; whoever puts the list into the tree gives it its key and place.
fn item(value: Value) -> Node {
    let place = Place { line: 1, column: 1 };
    Node { place, key: String::new(), value, origin: Origin::File }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_says_what_a_text_means() {
        let count = Kind::Count { min: 1, max: 9, what: "" };
        let duration = Kind::Duration { min: "1s", max: "1h" };
        let scale = Kind::Fraction { max: 10, what: "" };
        let text = |text: &str| Value::Text(text.to_owned());
        for (written, kind, expected) in [
            ("4", &count, Value::Integer(4)),
            ("four", &count, text("four")),
            ("true", &Kind::Boolean, Value::Boolean(true)),
            ("yes", &Kind::Boolean, text("yes")),
            ("0.5", &scale, Value::Float(0.5)),
            ("1", &scale, Value::Float(1.0)),
            ("10s", &duration, text("10s")),
            ("4", &Kind::Text, text("4")),
            ("4", &Kind::Scalar, Value::Integer(4)),
            ("4.5", &Kind::Scalar, Value::Float(4.5)),
            ("false", &Kind::Scalar, Value::Boolean(false)),
            ("inf", &Kind::Scalar, text("inf")),
            ("65536", &Kind::Limit(Unit::Number), Value::Integer(65_536)),
            ("unlimited", &Kind::Limit(Unit::Number), text("unlimited")),
            ("1000", &Kind::Account, Value::Integer(1000)),
        ] {
            assert_eq!(read(written, kind), expected, "{written}");
        }
        let Value::List(items) = read("a, b,,c", &Kind::Texts) else { panic!("a list") };
        let items: Vec<Value> = items.into_iter().map(|item| item.value).collect();
        assert_eq!(items, [text("a"), text("b"), text("c")]);
        let Value::List(items) = read("1,2", &Kind::ExitCodes) else { panic!("a list") };
        assert_eq!(items[1].value, Value::Integer(2));
    }
}
