//! The statements that are not queries: SHOW, DESCRIBE, USE, EXPLAIN, read word by word.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::failure::{compilation, unsupported};
use crate::warehouse::WarehouseError;

/// What a statement asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// A list of objects.
    Show(Show),
    /// The columns of a table or view, or what is in a database or schema.
    Describe(Described, Vec<String>),
    /// Another place for unqualified names.
    Use(Used, Vec<String>),
    /// The plan of the query behind it.
    Explain(Vec<TokenWithSpan>),
    /// Everything else.
    Query,
}

/// What DESCRIBE is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Described {
    /// A table or view.
    Relation,
    /// A schema.
    Schema,
    /// A database.
    Database,
}

/// What USE names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Used {
    /// A database, or a database and a schema.
    Database,
    /// A schema.
    Schema,
    /// A role or a warehouse.
    Else,
}

/// What SHOW lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Databases.
    Databases,
    /// Schemas.
    Schemas,
    /// Tables.
    Tables,
    /// Views.
    Views,
    /// Tables and views.
    Objects,
    /// Columns.
    Columns,
}

/// How much SHOW says of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Five columns.
    Terse,
    /// All columns.
    Full,
}

/// Where SHOW looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Within {
    /// Where the call's context says.
    Here,
    /// Everywhere.
    Account,
    /// In a database; the context's without a name.
    Database(Option<String>),
    /// In a schema; the context's without a name.
    Schema(Vec<String>),
    /// In a table or view.
    Relation(Vec<String>),
    /// In whatever has that name: a schema, or a database.
    Named(Vec<String>),
}

/// A SHOW statement.
#[derive(Debug)]
pub(crate) struct Show {
    /// What it lists.
    pub(crate) listed: Listed,
    /// How much it says.
    pub(crate) detail: Detail,
    /// Where it looks.
    pub(crate) within: Within,
    /// Only names like this, in any case.
    pub(crate) like: Option<String>,
    /// Only names that start so, in this case.
    pub(crate) starts_with: Option<String>,
    /// At most so many.
    pub(crate) limit: Option<usize>,
    /// Only names behind this.
    pub(crate) from: Option<String>,
}

/// Words one after the other.
struct Words<'a> {
    tokens: Vec<&'a TokenWithSpan>,
    at: usize,
}

impl<'a> Words<'a> {
    fn new(tokens: &'a [TokenWithSpan]) -> Words<'a> {
        let tokens =
            tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
        Words { tokens, at: 0 }
    }

    fn peek(&self) -> Option<String> {
        match &self.tokens.get(self.at)?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
            _ => None,
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| next == word);
        self.at += usize::from(found);
        found
    }

    fn take_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.take(word))
    }

    fn name(&mut self) -> Result<Vec<String>, WarehouseError> {
        let mut parts = Vec::new();
        loop {
            match self.tokens.get(self.at).map(|token| &token.token) {
                Some(Token::Word(word)) => parts.push(match word.quote_style {
                    Some(_) => word.value.clone(),
                    None => word.value.to_uppercase(),
                }),
                _ => return Err(self.unexpected()),
            }
            self.at += 1;
            match self.tokens.get(self.at).map(|token| &token.token) {
                Some(Token::Period) => self.at += 1,
                _ => return Ok(parts),
            }
        }
    }

    fn text(&mut self) -> Result<String, WarehouseError> {
        match self.tokens.get(self.at).map(|token| &token.token) {
            Some(Token::SingleQuotedString(text)) => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => Err(self.unexpected()),
        }
    }

    fn count(&mut self) -> Result<usize, WarehouseError> {
        match self.tokens.get(self.at).map(|token| &token.token) {
            Some(Token::Number(digits, _)) => {
                self.at += 1;
                digits.parse().map_err(|_| self.unexpected())
            }
            _ => Err(self.unexpected()),
        }
    }

    fn end(&self) -> Result<(), WarehouseError> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> WarehouseError {
        match self.tokens.get(self.at) {
            Some(token) => compilation(format!(
                "syntax error line {} at position {} unexpected '{}'.",
                token.span.start.line,
                token.span.start.column.saturating_sub(1),
                token.token
            )),
            None => compilation("syntax error: unexpected '<EOF>'."),
        }
    }
}

/// What kind of statement the tokens are.
///
/// # Errors
/// When a SHOW, DESCRIBE, USE or EXPLAIN is not one that the account knows.
pub(crate) fn command(tokens: &[TokenWithSpan]) -> Result<Command, WarehouseError> {
    let mut words = Words::new(tokens);
    if words.take("SHOW") {
        return show(&mut words).map(Command::Show);
    }
    if words.take_any(&["DESCRIBE", "DESC"]) {
        return describe(&mut words);
    }
    if words.take("USE") {
        return used(&mut words);
    }
    if words.take("EXPLAIN") {
        if words.take("USING") && !words.take("TEXT") {
            return Err(unsupported(
                "EXPLAIN as JSON or as a table; write EXPLAIN USING TEXT or EXPLAIN alone",
            ));
        }
        return Ok(Command::Explain(
            words.tokens[words.at..].iter().map(|t| (*t).clone()).collect(),
        ));
    }
    Ok(Command::Query)
}

fn describe(words: &mut Words<'_>) -> Result<Command, WarehouseError> {
    let described = match words.peek().as_deref() {
        Some("SCHEMA") => Described::Schema,
        Some("DATABASE") => Described::Database,
        Some("TABLE" | "VIEW") => Described::Relation,
        Some(
            other @ ("WAREHOUSE" | "USER" | "ROLE" | "FUNCTION" | "PROCEDURE" | "STAGE" | "RESULT"
            | "INTEGRATION" | "STREAM" | "TASK" | "PIPE" | "SEQUENCE"),
        ) if words.tokens.len() > words.at + 1 => {
            return Err(unsupported(format!("DESCRIBE {other}; it holds tables and views only")));
        }
        _ => {
            let name = words.name()?;
            words.end()?;
            return Ok(Command::Describe(Described::Relation, name));
        }
    };
    words.at += 1;
    let name = words.name()?;
    if words.take("TYPE") {
        words.at += 1;
        if !words.take("COLUMNS") {
            return Err(unsupported("DESCRIBE TABLE … TYPE = STAGE; it has no stages"));
        }
    }
    words.end()?;
    Ok(Command::Describe(described, name))
}

fn used(words: &mut Words<'_>) -> Result<Command, WarehouseError> {
    let used = match words.peek().as_deref() {
        Some("DATABASE") => Used::Database,
        Some("SCHEMA") => Used::Schema,
        Some("ROLE" | "WAREHOUSE" | "SECONDARY") => Used::Else,
        _ => {
            let name = words.name()?;
            words.end()?;
            return Ok(Command::Use(Used::Database, name));
        }
    };
    words.at += 1;
    let name = words.name()?;
    if used != Used::Else {
        words.end()?;
    }
    Ok(Command::Use(used, name))
}

fn show(words: &mut Words<'_>) -> Result<Show, WarehouseError> {
    let detail = if words.take("TERSE") { Detail::Terse } else { Detail::Full };
    let listed = match words.peek().as_deref() {
        Some("DATABASES") => Listed::Databases,
        Some("SCHEMAS") => Listed::Schemas,
        Some("TABLES") => Listed::Tables,
        Some("VIEWS") => Listed::Views,
        Some("OBJECTS") => Listed::Objects,
        Some("COLUMNS") => Listed::Columns,
        Some(other) => {
            return Err(unsupported(format!(
                "SHOW {other}; it answers SHOW DATABASES, SCHEMAS, TABLES, VIEWS, OBJECTS and \
                 COLUMNS"
            )));
        }
        None => return Err(words.unexpected()),
    };
    words.at += 1;
    words.take("HISTORY");
    let mut show = Show {
        listed,
        detail,
        within: Within::Here,
        like: None,
        starts_with: None,
        limit: None,
        from: None,
    };
    if words.take("LIKE") {
        show.like = Some(words.text()?);
    }
    if words.take("IN") {
        show.within = within(words)?;
    }
    if words.take("STARTS") {
        words.take("WITH");
        show.starts_with = Some(words.text()?);
    }
    if words.take("LIMIT") {
        show.limit = Some(words.count()?);
        if words.take("FROM") {
            show.from = Some(words.text()?);
        }
    }
    words.end()?;
    Ok(show)
}

fn within(words: &mut Words<'_>) -> Result<Within, WarehouseError> {
    let clause = ["LIKE", "STARTS", "LIMIT"];
    let bare = |words: &Words<'_>| {
        words.at == words.tokens.len()
            || words.peek().is_some_and(|next| clause.contains(&next.as_str()))
    };
    if words.take("ACCOUNT") {
        return Ok(Within::Account);
    }
    if words.take("DATABASE") {
        return if bare(words) {
            Ok(Within::Database(None))
        } else {
            Ok(Within::Database(Some(words.name()?.join("."))))
        };
    }
    if words.take("SCHEMA") {
        return Ok(Within::Schema(if bare(words) { Vec::new() } else { words.name()? }));
    }
    if words.take_any(&["TABLE", "VIEW"]) {
        return Ok(Within::Relation(words.name()?));
    }
    Ok(Within::Named(words.name()?))
}
