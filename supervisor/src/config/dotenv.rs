//! A `.env` file: names and values a line, as shells and others know them, each with its line.
//!
//! `KEY=VALUE`, `export KEY=VALUE`, comments, 'texts as they are', "texts with \n and ${VAR}" over
//! several lines. The crates for this do not give the line of a value, which a problem has to name.
//! Words about a bad line never repeat what is written there, for it may be a secret.

use super::interpolation::{Piece, Within, is_name, placeholder};
use super::problem::Place;

/// A variable of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) pieces: Vec<Piece>,
}

/// A bad line: where, and what to write.
pub(super) type Fault = (Place, String);

/// Every variable in the order of the file, and every bad line.
pub(super) fn parse(text: &str) -> (Vec<Assignment>, Vec<Fault>) {
    let mut reader = Reader { text, at: 0, line: 1, line_start: 0 };
    let (mut assignments, mut faults) = (Vec::new(), Vec::new());
    while reader.at < text.len() {
        match reader.line() {
            Ok(assignment) => assignments.extend(assignment),
            Err(fault) => {
                faults.push(fault);
                reader.skip_line();
            }
        }
    }
    (assignments, faults)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.line_start = self.at;
        }
        Some(c)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r')) {
            self.next();
        }
    }

    fn skip_line(&mut self) {
        while let Some(c) = self.next() {
            if c == '\n' {
                return;
            }
        }
    }

    fn fault(&self, words: &str) -> Fault {
        let column = self.text[self.line_start..self.at].chars().count() + 1;
        (Place { line: self.line, column }, words.to_owned())
    }

    /// One line, or several when its value has quotes; `None` for a line that says nothing.
    fn line(&mut self) -> Result<Option<Assignment>, Fault> {
        self.skip_blanks();
        if matches!(self.peek(), None | Some('\n' | '#')) {
            self.skip_line();
            return Ok(None);
        }
        if let Some(after) = self.rest().strip_prefix("export")
            && after.starts_with([' ', '\t'])
        {
            self.at += "export".len();
            self.skip_blanks();
        }
        let line = self.line;
        let end = self.rest().find(|c: char| "= \t\r\n".contains(c)).unwrap_or(self.rest().len());
        let name = self.rest()[..end].to_owned();
        if !is_name(&name) {
            let words = "does not begin with the name of a variable; write KEY=VALUE, the name of \
                         letters, digits and `_`";
            return Err(self.fault(words));
        }
        self.at += end;
        self.skip_blanks();
        if self.peek() != Some('=') {
            return Err(self.fault("there is no `=` after the name; write KEY=VALUE"));
        }
        self.next();
        self.skip_blanks();
        let pieces = match self.peek() {
            Some('\'') => self.single()?,
            Some('"') => self.double()?,
            Some(_) | None => {
                return self.bare().map(|pieces| Some(Assignment { name, line, pieces }));
            }
        };
        self.skip_blanks();
        match self.peek() {
            None | Some('\n' | '#') => self.skip_line(),
            Some(_) => {
                let words = "something follows the closing quote; put all of the value between the \
                             quotes, and `\\` before a quote in it";
                return Err(self.fault(words));
            }
        }
        Ok(Some(Assignment { name, line, pieces }))
    }

    /// 'As it is': only `\'` and `\\` mean something else.
    fn single(&mut self) -> Result<Vec<Piece>, Fault> {
        let open = self.fault("the quote ' is never closed; close it on this or a later line");
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.unclosed(open)),
                Some('\'') => return Ok(vec![Piece::Literal(text)]),
                Some('\\') => match self.peek() {
                    Some(c @ ('\'' | '\\')) => {
                        self.next();
                        text.push(c);
                    }
                    Some(_) | None => text.push('\\'),
                },
                Some(c) => text.push(c),
            }
        }
    }

    /// "With escapes and ${VAR}".
    fn double(&mut self) -> Result<Vec<Piece>, Fault> {
        let open = self.fault("the quote \" is never closed; close it on this or a later line");
        self.next();
        let (mut pieces, mut text) = (Vec::new(), String::new());
        loop {
            if self.rest().starts_with("${") {
                self.variable(Within::Quotes, &mut pieces, &mut text)?;
                continue;
            }
            match self.next() {
                None => return Err(self.unclosed(open)),
                Some('"') => {
                    pieces.push(Piece::Literal(text));
                    return Ok(pieces);
                }
                Some('\\') => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('"' | '\\' | '$' | '\'' | '`')) => text.push(c),
                    // The line goes on.
                    Some('\n') | None => {}
                    Some(c) => text.extend(['\\', c]),
                },
                Some(c) => text.push(c),
            }
        }
    }

    /// Goes back to the opening quote, so that what follows it is read as lines of their own.
    fn unclosed(&mut self, open: Fault) -> Fault {
        let start = self.text.match_indices('\n').map(|(at, _)| at + 1);
        let mut starts = std::iter::once(0).chain(start).skip(open.0.line - 1);
        self.line_start = starts.next().unwrap_or(0);
        self.line = open.0.line;
        self.at = self.line_start;
        open
    }

    /// Without quotes: to the end of the line, or to a `#` after a blank.
    fn bare(&mut self) -> Result<Vec<Piece>, Fault> {
        let (mut pieces, mut text) = (Vec::new(), String::new());
        loop {
            if self.rest().starts_with("${") {
                self.variable(Within::Line, &mut pieces, &mut text)?;
                continue;
            }
            if self.rest().starts_with("\\${") {
                self.at += "\\$".len();
                text.push('$');
                continue;
            }
            match self.peek() {
                None | Some('\n') => break,
                Some('#') if self.text[..self.at].ends_with([' ', '\t']) => break,
                Some(c) => {
                    self.next();
                    text.push(c);
                }
            }
        }
        text.truncate(text.trim_end().len());
        pieces.push(Piece::Literal(text));
        self.skip_line();
        Ok(pieces)
    }

    fn variable(
        &mut self,
        within: Within,
        pieces: &mut Vec<Piece>,
        text: &mut String,
    ) -> Result<(), Fault> {
        pieces.push(Piece::Literal(std::mem::take(text)));
        let words = "has a `${` that names no variable; write ${NAME}, ${NAME:-default} or \
                     ${NAME:?message}, and \\${ for the characters themselves";
        let (piece, length) = placeholder(self.rest(), 0, within).map_err(|_| self.fault(words))?;
        let end = self.at + length;
        while self.at < end {
            self.next();
        }
        pieces.push(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpolation::filled;
    use super::*;

    /// Every variable as `LINE NAME=VALUE`; nothing but `HOST` is set.
    fn read(text: &str) -> Vec<String> {
        let (assignments, faults) = parse(text);
        assert!(faults.is_empty(), "{text}: {faults:?}");
        let shown = |one: &Assignment| {
            let mut lookup = |name: &str| match name {
                "HOST" => Ok(Some(super::super::interpolation::Found {
                    value: "db".to_owned(),
                    variable: super::super::origin::Variable {
                        name: name.to_owned(),
                        source: super::super::origin::Source::Process,
                    },
                })),
                _ => Ok(None),
            };
            let value = filled(&one.pieces, &mut lookup).unwrap().0;
            format!("{} {}={value}", one.line, one.name)
        };
        assignments.iter().map(shown).collect()
    }

    #[test]
    fn each_way_of_writing_is_read_as_meant() {
        for (text, expected) in [
            ("", &[][..]),
            ("\n# A comment\n   \n", &[]),
            ("A=1", &["1 A=1"]),
            ("A=1\nB=2\n", &["1 A=1", "2 B=2"]),
            ("A=1\r\nB=2\r\n", &["1 A=1", "2 B=2"]),
            ("export A=1", &["1 A=1"]),
            ("export=1", &["1 export=1"]),
            ("  A = 1  ", &["1 A=1"]),
            ("A=", &["1 A="]),
            ("A= # nothing", &["1 A="]),
            ("A=#x", &["1 A=#x"]),
            ("A=a#b # c", &["1 A=a#b"]),
            ("A=a b  c", &["1 A=a b  c"]),
            ("A=b=c", &["1 A=b=c"]),
            ("A='a # b'  # c", &["1 A=a # b"]),
            ("A='${HOST} \\n $x'", &["1 A=${HOST} \\n $x"]),
            ("A='it\\'s \\\\'", &["1 A=it's \\"]),
            ("A=\"a\\tb\\\"c\\\\\"", &["1 A=a\tb\"c\\"]),
            ("A=\"C:\\dir\"", &["1 A=C:\\dir"]),
            ("A=\"one\ntwo\"\nB=3", &["1 A=one\ntwo", "3 B=3"]),
            ("A='one\ntwo'\nB=3", &["1 A=one\ntwo", "3 B=3"]),
            ("A=\"one\\\ntwo\"", &["1 A=onetwo"]),
            ("A=${HOST}:1", &["1 A=db:1"]),
            ("A=\"${HOST}\"", &["1 A=db"]),
            ("A=${NONE:-x y} # z", &["1 A=x y"]),
            ("A=\\${HOST}", &["1 A=${HOST}"]),
            ("A=\"${NONE:-one\ntwo}\"", &["1 A=one\ntwo"]),
            ("A=\"${NONE:-\"x\"}\"", &["1 A=\"x\""]),
            ("A=\"\\${HOST}\"", &["1 A=${HOST}"]),
            ("A=pa$$word$HOST", &["1 A=pa$$word$HOST"]),
            ("A=1\nA=2", &["1 A=1", "2 A=2"]),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn each_bad_line_is_named_and_the_others_are_read() {
        for (text, line, column, words) in [
            ("A=1\nnonsense\nB=2", 2, 9, "there is no `=`"),
            ("A=1\n=x\nB=2", 2, 1, "name of a variable"),
            ("A=1\n1A=x\nB=2", 2, 1, "name of a variable"),
            ("A=1\nA-B=x\nB=2", 2, 1, "name of a variable"),
            ("A=1\nX='a' b\nB=2", 2, 7, "follows the closing quote"),
            ("A=1\nX='a\nB=2", 2, 3, "' is never closed"),
            ("A=1\nX=\"a\nB=2", 2, 3, "\" is never closed"),
            ("A=1\nX=${\nB=2", 2, 3, "names no variable"),
            ("A=1\nX=${Y\nB=2}", 2, 3, "names no variable"),
            ("A=1\nX=\"${Y\nB=\"2}\"", 2, 4, "names no variable"),
            ("A=1\nX=\"${1}\"\nB=2", 2, 4, "names no variable"),
        ] {
            let (assignments, faults) = parse(text);
            let names: Vec<&str> = assignments.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, ["A", "B"], "{text:?}");
            assert_eq!(faults.len(), 1, "{text:?}: {faults:?}");
            assert_eq!(faults[0].0, Place { line, column }, "{text:?}: {faults:?}");
            assert!(faults[0].1.contains(words), "{text:?}: {faults:?}");
        }
    }

    /// Reading on to the end of the file from each line would take minutes.
    #[test]
    fn a_mebibyte_of_variables_that_never_end_is_a_fault_a_line() {
        for line in ["A=${\n", "A=\"${\n", "A=\"${B:-\\\"\n", "A=\"${B:-\"\n"] {
            let lines = 1024 * 1024 / line.len();
            for end in ["", "}"] {
                let (assignments, faults) = parse(&format!("{}{end}", line.repeat(lines)));
                assert!(assignments.is_empty(), "{line:?}");
                assert!(faults.len().abs_diff(lines) <= 1, "{line:?}: {}", faults.len());
            }
        }
    }
}
