//! From text to tokens, by Snowflake's rules and no other dialect's.
//!
//! Smuggling begins where two lexers disagree, so each rule here is Snowflake's: `//` opens a
//! comment, block comments do not nest, only a line feed ends a line comment, `\'` does not end a
//! text, `$$` has no tag. Where one cannot know how the warehouse reads a character, the text is
//! refused: at once, or as an oddity when the statement is otherwise still worth a class.

use std::borrow::Cow;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or an unquoted name.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A text in single quotes or between `$$`.
    Text,
    /// A number.
    Number,
    /// `$1` or `$name`.
    Variable,
    /// `@stage/path`.
    Stage,
    /// An operator, a bracket or a separator.
    Symbol,
    /// The place of a value that comes beside the text.
    Placeholder,
}

/// One token, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// What it is.
    pub(super) kind: Kind,
    /// Its text, quotes included.
    pub(super) text: &'a str,
    /// Where it begins, in bytes.
    pub(super) at: usize,
}

impl<'a> Token<'a> {
    /// Whether it is this keyword, in any case, or this symbol.
    pub(super) fn is(&self, expected: &str) -> bool {
        match self.kind {
            Kind::Word => self.text.eq_ignore_ascii_case(expected),
            Kind::Symbol => self.text == expected,
            Kind::Quoted | Kind::Text | Kind::Number => false,
            Kind::Variable | Kind::Stage | Kind::Placeholder => false,
        }
    }

    /// Whether it is one of these keywords or symbols.
    pub(super) fn is_one_of(&self, expected: &[&str]) -> bool {
        expected.iter().any(|word| self.is(word))
    }

    /// The name, without quotes, when it is one; names of functions are found by it.
    pub(super) fn name(&self) -> Option<&'a str> {
        match self.kind {
            Kind::Word => Some(self.text),
            Kind::Quoted => Some(&self.text[1..self.text.len() - 1]),
            Kind::Text | Kind::Number | Kind::Variable => None,
            Kind::Stage | Kind::Symbol | Kind::Placeholder => None,
        }
    }
}

/// A text in tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lexed<'a> {
    /// Its tokens, without white space and comments.
    pub(super) tokens: Vec<Token<'a>>,
    /// The first thing that the warehouse may read in another way than we do.
    pub(super) oddity: Option<Oddity>,
}

/// A place where the text cannot be trusted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Oddity {
    /// What is there.
    pub(super) what: String,
    /// Where, in bytes.
    pub(super) at: usize,
    /// What is wrong with it.
    pub(super) why: Cow<'static, str>,
}

impl Oddity {
    fn new(what: impl Into<String>, at: usize, why: &'static str) -> Oddity {
        Oddity { what: what.into(), at, why: Cow::Borrowed(why) }
    }
}

/// Operators of more than one character, longest first.
const OPERATORS: [&str; 10] = ["->>", "->", "=>", "::", "||", "<=", ">=", "<>", "!=", ":="];

/// The tokens of a text.
///
/// # Errors
/// When a text, comment or quoted name does not end, or a character has no place in SQL.
pub(super) fn lex(text: &str) -> Result<Lexed<'_>, Oddity> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), oddity: None };
    if let Some(at) = text.find('\0') {
        return Err(Oddity::new(
            "U+0000",
            at,
            "is a control character, which may end a text early",
        ));
    }
    while let Some(next) = lexer.peek() {
        lexer.step(next)?;
    }
    Ok(Lexed { tokens: lexer.tokens, oddity: lexer.oddity })
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token<'a>>,
    oddity: Option<Oddity>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self, next: char) -> Result<(), Oddity> {
        let start = self.at;
        match next {
            ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' => self.at += 1,
            '-' if self.sees("--") => self.line_comment()?,
            '/' if self.sees("//") => self.line_comment()?,
            '/' if self.sees("/*") => self.block_comment()?,
            '\'' => self.single_quoted()?,
            '"' => self.double_quoted(start)?,
            '$' if self.sees("$$") => self.dollar_quoted()?,
            '$' => self.variable(),
            '@' => self.stage()?,
            '0'..='9' => self.number()?,
            '`' | '\\' => {
                return Err(Oddity::new(next, start, "has no place in Snowflake's SQL"));
            }
            _ if is_word_start(next) => self.word(),
            _ if is_line_or_control(next) => return Err(control(next, start)),
            _ if is_invisible(next) || next.is_whitespace() => {
                self.note(code_point(next), start, "is not a plain space; use one");
                self.at += next.len_utf8();
            }
            _ if !next.is_ascii() => {
                let why = "has no place outside quotes";
                return Err(Oddity::new(code_point(next), start, why));
            }
            _ => self.symbol(next),
        }
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn sees(&self, prefix: &str) -> bool {
        self.rest().starts_with(prefix)
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token { kind, text: &self.text[start..self.at], at: start });
    }

    fn note(&mut self, what: impl Into<String>, at: usize, why: &'static str) {
        if self.oddity.is_none() {
            self.oddity = Some(Oddity::new(what, at, why));
        }
    }

    /// Takes what the test accepts; returns it.
    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !accepts(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Only a line feed ends it. Other lexers also stop at characters that are refused here.
    fn line_comment(&mut self) -> Result<(), Oddity> {
        let start = self.at;
        let body = self.take_while(|c| c != '\n');
        let body = match body.strip_suffix('\r') {
            Some(without) if self.sees("\n") => without,
            Some(_) | None => body,
        };
        if let Some(offset) = body.find('\r') {
            return Err(control('\r', start + offset));
        }
        self.check_comment(body, start)
    }

    /// It does not nest: the first `*/` ends it.
    fn block_comment(&mut self) -> Result<(), Oddity> {
        let start = self.at;
        let Some(length) = self.text[start + 2..].find("*/") else {
            return Err(Oddity::new("/*", start, "opens a comment that does not end"));
        };
        self.at = start + 2 + length + 2;
        self.check_comment(&self.text[start..self.at], start)
    }

    fn check_comment(&mut self, body: &str, start: usize) -> Result<(), Oddity> {
        for (offset, c) in body.char_indices() {
            if is_line_or_control(c) && !matches!(c, '\t' | '\n' | '\r') {
                return Err(control(c, start + offset));
            }
            if is_invisible(c) && !shapes_letters(c) {
                self.note(code_point(c), start + offset, "is invisible; leave it out");
            }
        }
        Ok(())
    }

    /// `''` and a backslash before a quote keep the text open.
    fn single_quoted(&mut self) -> Result<(), Oddity> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\\' => at += 2,
                b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
                b'\'' => {
                    self.at = at + 1;
                    self.push(Kind::Text, start);
                    return Ok(());
                }
                _ => at += 1,
            }
        }
        Err(Oddity::new("'", start, "opens a text that does not end"))
    }

    fn double_quoted(&mut self, start: usize) -> Result<(), Oddity> {
        self.quoted_name()?;
        self.push(Kind::Quoted, start);
        Ok(())
    }

    /// `""` stands for a quote; a backslash is a letter like any other.
    fn quoted_name(&mut self) -> Result<(), Oddity> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        while let Some(offset) = self.text[at..].find('"') {
            at += offset + 1;
            if bytes.get(at) == Some(&b'"') {
                at += 1;
            } else {
                self.at = at;
                return Ok(());
            }
        }
        Err(Oddity::new("\"", start, "opens a name that does not end"))
    }

    fn dollar_quoted(&mut self) -> Result<(), Oddity> {
        let start = self.at;
        let Some(length) = self.text[start + 2..].find("$$") else {
            return Err(Oddity::new("$$", start, "opens a text that does not end"));
        };
        self.at = start + 2 + length + 2;
        self.push(Kind::Text, start);
        Ok(())
    }

    /// `$1`, `$name`. A second `$` would be a tagged text elsewhere, and is none here.
    fn variable(&mut self) {
        let start = self.at;
        self.at += 1;
        let name = self.take_while(is_word_part);
        if name.is_empty() {
            self.push(Kind::Symbol, start);
            return;
        }
        if name.contains('$') || !name.is_ascii() {
            self.note(&self.text[start..self.at], start, "is not the name of a variable");
        }
        self.push(Kind::Variable, start);
    }

    fn word(&mut self) {
        let start = self.at;
        let word = self.take_while(is_word_part);
        if word.contains("$$") {
            self.note(word, start, "may be a name or open a text");
        }
        if let Some((offset, c)) = word.char_indices().find(|(_, c)| !c.is_ascii()) {
            let why = "is not a plain letter; put the name in double quotes";
            self.note(code_point(c), start + offset, why);
        }
        self.push(Kind::Word, start);
    }

    fn number(&mut self) -> Result<(), Oddity> {
        let start = self.at;
        let digit = |c: char| c.is_ascii_digit();
        self.take_while(digit);
        let mut after_point = self.rest().chars();
        if after_point.next() == Some('.') && after_point.next().is_some_and(digit) {
            self.at += 1;
            self.take_while(digit);
        }
        let exponent = self.rest().strip_prefix(['e', 'E']);
        let exponent = exponent.map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
        if let Some(rest) = exponent.filter(|rest| rest.starts_with(digit)) {
            self.at = self.text.len() - rest.len();
            self.take_while(digit);
        }
        self.push(Kind::Number, start);
        if self.peek().is_some_and(is_word_part) {
            return Err(Oddity::new(
                self.text[start..].chars().take(8).collect::<String>(),
                start,
                "runs a number into a word; put a space between",
            ));
        }
        Ok(())
    }

    /// `@~`, `@%table`, `@db.schema."my stage"/path/file.csv`, up to what cannot be in a path.
    fn stage(&mut self) -> Result<(), Oddity> {
        let start = self.at;
        self.at += 1;
        while let Some(next) = self.peek() {
            match next {
                '"' => self.quoted_name()?,
                '-' if self.sees("->") => break,
                '~' | '%' | '.' | '/' | '-' | '=' | '+' | ':' | '*' => self.at += 1,
                _ if is_word_part(next) => self.at += next.len_utf8(),
                _ => break,
            }
        }
        let path = &self.text[start..self.at];
        if ["//", "--", "/*", "$$", "@\"\""].iter().any(|mark| path.contains(mark)) {
            self.note(path, start, "may be a path or a comment; put it in single quotes");
        }
        self.push(Kind::Stage, start);
        Ok(())
    }

    fn symbol(&mut self, next: char) {
        let start = self.at;
        let length = OPERATORS.iter().find(|operator| self.sees(operator)).map(|o| o.len());
        self.at += length.unwrap_or(next.len_utf8());
        self.push(Kind::Symbol, start);
    }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// What ends a line or a text for some readers, and acts on a terminal.
fn is_line_or_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters without a picture: joiners, marks of direction, tags, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What belongs to the writing of a word or of an emoji: it hides nothing in a comment.
fn shapes_letters(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

fn control(c: char, at: usize) -> Oddity {
    Oddity::new(code_point(c), at, "is a control character, which may end a line or a text early")
}

fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}
