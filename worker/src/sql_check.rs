//! `mcp-worker sql-check`: what the gate says about statements that somebody has at hand.
//!
//! It asks [`crate::sql`] and adds nothing to it, so what is shown here is what a client would be
//! told. No account is needed, nothing is sent anywhere, and no statement is repeated.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::Serialize;

use crate::sql::{self, Decision, Level, STATEMENT_BYTES_MAX};

/// Bytes that are read, and written, at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// How many of them there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Allowed at the level.
    pub allowed: u64,
    /// Refused at the level.
    pub refused: u64,
    /// Lines without a statement: not JSON, or no `sql` in it.
    pub unreadable: u64,
}

/// Decides one statement a line, each in an object of JSON with a `sql` key.
///
/// All answers to what has come are out before more is waited for, so that a program can ask, read
/// the answer and ask again.
///
/// # Errors
/// When reading or writing fails.
pub fn lines(from: impl Read, to: impl Write, level: Level) -> io::Result<Tally> {
    let mut from = BufReader::with_capacity(BUFFER_BYTES, from);
    let mut to = BufWriter::with_capacity(BUFFER_BYTES, to);
    let mut tally = Tally::default();
    let mut line = Vec::new();
    let mut number = 0;
    while from.read_until(b'\n', &mut line)? > 0 {
        number += 1;
        match serde_json::from_slice::<Line>(&line) {
            Ok(Line(statement)) => {
                answer(&mut to, number, &sql::decide_bytes(&statement, level), &mut tally)?;
            }
            Err(error) => {
                tally.unreadable += 1;
                let error = format!("cannot read a statement: {}", without_place(&error));
                write_line(&mut to, &Complaint { line: number, error })?;
            }
        }
        line.clear();
        if !from.buffer().contains(&b'\n') {
            to.flush()?;
        }
    }
    to.flush()?;
    Ok(tally)
}

/// Decides all that comes as one statement.
///
/// # Errors
/// When reading or writing fails.
pub fn whole(mut from: impl Read, mut to: impl Write, level: Level) -> io::Result<Tally> {
    let mut statement = Vec::new();
    let enough = u64::try_from(STATEMENT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    from.by_ref().take(enough).read_to_end(&mut statement)?;
    // The rest changes nothing; whoever writes it is not cut off.
    io::copy(&mut from, &mut io::sink())?;
    let mut tally = Tally::default();
    answer(&mut to, 1, &sql::decide_bytes(&statement, level), &mut tally)?;
    to.flush()?;
    Ok(tally)
}

/// One answer, as it is printed.
#[derive(serde::Serialize)]
struct Answer<'a> {
    line: u64,
    class: &'static str,
    decision: &'static str,
    allowed: bool,
    reason: &'a str,
}

/// What is printed for a line without a statement.
#[derive(serde::Serialize)]
struct Complaint {
    line: u64,
    error: String,
}

fn answer(
    to: &mut impl Write,
    line: u64,
    decision: &Decision,
    tally: &mut Tally,
) -> io::Result<()> {
    let class = decision.class().as_str();
    match decision {
        Decision::Allowed { .. } => {
            tally.allowed += 1;
            let reason = "nothing in it is more than this level allows";
            write_line(to, &Answer { line, class, decision: "allow", allowed: true, reason })
        }
        Decision::Refused { reason, .. } => {
            tally.refused += 1;
            write_line(to, &Answer { line, class, decision: "refuse", allowed: false, reason })
        }
    }
}

fn write_line(to: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, what)?;
    to.write_all(b"\n")
}

/// The words of an error of JSON without its "at line 1": the line is known better here.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(words) if error.column() > 0 => format!("{words}, at column {}", error.column()),
        Some(words) => words.to_owned(),
        None => text,
    }
}

/// The `sql` of a line, as bytes: a text that is not Unicode is a matter for the gate, which
/// refuses it, and no reason to leave the line undecided.
struct Line(Vec<u8>);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Line, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with a text `sql`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        let mut statement = None;
        while let Some(Text(key)) = map.next_key()? {
            if key != b"sql" {
                map.next_value::<IgnoredAny>()?;
            } else if statement.is_some() {
                return Err(A::Error::duplicate_field("sql"));
            } else {
                statement = Some(map.next_value::<Text>()?.0);
            }
        }
        statement.map(Line).ok_or_else(|| A::Error::missing_field("sql"))
    }
}

/// A text of JSON as bytes, whether or not they are Unicode.
struct Text(Vec<u8>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(bytes.to_vec()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.as_bytes().to_vec()))
            }
        }
        deserializer.deserialize_bytes(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], level: Level) -> (Vec<serde_json::Value>, Tally) {
        let mut output = Vec::new();
        let tally = lines(input, &mut output, level).unwrap();
        let text = String::from_utf8(output).unwrap();
        (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), tally)
    }

    #[test]
    fn each_line_gets_its_answer_in_order() {
        let input = b"{\"sql\": \"select 1\", \"why\": [{}]}\n{\"sql\": \"drop table t\"}\r\n\
                      {\"other\": 1, \"sql\": \"insert into t select 1\"}";
        let (answers, tally) = check(input, Level::Write);
        assert_eq!(answers[0]["line"], 1);
        assert_eq!(answers[0]["class"], "read");
        assert_eq!(answers[0]["decision"], "allow");
        assert_eq!(answers[0]["allowed"], true);
        assert_eq!(answers[1]["decision"], "refuse");
        assert!(answers[1]["reason"].as_str().unwrap().starts_with("`DROP` (line 1, column 1)"));
        assert_eq!(answers[2]["class"], "write");
        assert_eq!(answers[2]["allowed"], true);
        assert_eq!(tally, Tally { allowed: 2, refused: 1, unreadable: 0 });
    }

    #[test]
    fn what_is_no_statement_is_said_and_the_others_are_decided() {
        let wrong: [&[u8]; 9] = [
            b"",
            b"select 1",
            b"[\"select 1\"]",
            b"{}",
            b"{\"sql\": 1}",
            b"{\"sql\": null}",
            b"{",
            b"{\"sql\": \"a\", \"sql\": \"b\"}",
            b"{\"sql\": \"select 1\"} {\"sql\": \"x\"}",
        ];
        for line in wrong {
            let input = [line, b"\n{\"sql\": \"select 1\"}\n"].concat();
            let (answers, tally) = check(&input, Level::Read);
            assert_eq!(answers.len(), 2, "{answers:?}");
            assert_eq!(answers[0]["line"], 1);
            assert!(answers[0]["error"].as_str().unwrap().starts_with("cannot read"));
            assert_eq!((&answers[1]["line"], &answers[1]["allowed"]), (&2.into(), &true.into()));
            assert_eq!(tally.unreadable, 1);
        }
    }

    #[test]
    fn a_text_that_is_not_unicode_is_refused() {
        let broken: [&[u8]; 3] = [
            b"{\"sql\": \"select '\xff'\"}",
            b"{\"sql\": \"select '\\ud800'\"}",
            b"{\"sql\": \"\xc3\"}",
        ];
        for line in broken {
            let (answers, _) = check(line, Level::Destructive);
            assert_eq!(answers[0]["class"], "invalid", "{answers:?}");
            assert_eq!(answers[0]["allowed"], false);
            assert!(answers[0]["reason"].as_str().unwrap().contains("UTF-8"), "{answers:?}");
        }
        let (answers, _) = check(b"{\"k\xff\": \"\xff\", \"sql\": \"select 1\"}", Level::Read);
        assert_eq!(answers[0]["allowed"], true, "{answers:?}");
    }

    #[test]
    fn all_of_the_input_is_one_statement_unless_said() {
        let decide = |input: &[u8]| {
            let mut output = Vec::new();
            let tally = whole(input, &mut output, Level::Read).unwrap();
            (serde_json::from_slice::<serde_json::Value>(&output).unwrap(), tally.allowed)
        };
        assert_eq!(decide(b"SELECT 1\n-- a\nFROM t;\n").1, 1);
        assert_eq!(decide(b"SELECT 1;\nSELECT 2").0["class"], "multi");
        assert_eq!(decide(b"").0["class"], "invalid");
        assert_eq!(decide(b"SELECT '\xff'").0["class"], "invalid");
        let long = [b"SELECT '", "x".repeat(3 * STATEMENT_BYTES_MAX).as_bytes(), b"'"].concat();
        assert!(decide(&long).0["reason"].as_str().unwrap().contains("longer than"));
    }

    /// Gives its lines one by one, and counts the answers that were out before the next.
    struct Asker<'a> {
        left: Vec<&'static [u8]>,
        out: &'a std::cell::RefCell<Vec<u8>>,
        seen: Vec<usize>,
    }

    impl Read for &mut Asker<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.seen.push(self.out.borrow().iter().filter(|byte| **byte == b'\n').count());
            let Some(next) = self.left.pop() else { return Ok(0) };
            buffer[..next.len()].copy_from_slice(next);
            Ok(next.len())
        }
    }

    #[test]
    fn an_answer_is_out_before_more_is_waited_for() {
        struct Out<'a>(&'a std::cell::RefCell<Vec<u8>>);
        impl Write for Out<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.borrow_mut().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let out = std::cell::RefCell::default();
        let left: Vec<&[u8]> = vec![
            b"}\n",
            b"{\"sql\": \"a\"}\n{\"sql\": \"b\"}\n{\"sql\": \"c\"",
            b"{\"sql\": \"d\"}\n",
        ];
        let mut asker = Asker { left, out: &out, seen: Vec::new() };
        lines(&mut asker, Out(&out), Level::Read).unwrap();
        assert_eq!(asker.seen, [0, 1, 3, 4]);
    }
}
