//! Names that a client gives, resolved as Snowflake does, and written so that they stay names.
//!
//! Unquoted names fold to upper case; names in double quotes stay as they are. What goes into a
//! statement is always quoted, so a name can never become SQL.

use std::fmt;

use crate::warehouse::Context;

/// One name: of a database, a schema or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// A name with what may stand before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The database.
    pub database: Name,
    /// The schema, when known.
    pub schema: Option<Name>,
    /// The object itself.
    pub object: Name,
}

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing.
    #[error("a name is empty")]
    Empty,
    /// It needs quotes.
    #[error("`{0}` is not a name as it stands; put it in double quotes: \"{0}\"")]
    NeedsQuotes(String),
    /// A quote is missing.
    #[error("`{0}` has an opening double quote without a closing one")]
    Unclosed(String),
    /// It has more parts than a name can have.
    #[error("`{0}` has too many parts; write at most database.schema.name")]
    TooManyParts(String),
}

impl Name {
    /// A single name.
    ///
    /// # Errors
    /// When the text is not exactly one name.
    pub fn parse(text: &str) -> Result<Name, NameError> {
        let mut parts = split(text)?;
        match (parts.pop(), parts.pop()) {
            (Some(name), None) => Ok(name),
            _ => Err(NameError::NeedsQuotes(text.to_owned())),
        }
    }

    /// A name that the warehouse itself gave: it stays as it is.
    #[must_use]
    pub fn known(name: String) -> Name {
        Name(name)
    }

    /// The name as the warehouse knows it, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it goes into a statement.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl Name {
    /// The name as it stands in an address: as a person writes it, percent-encoded.
    #[must_use]
    pub fn in_address(&self) -> String {
        let mut text = String::new();
        for byte in self.to_string().bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'$') {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
        text
    }
}

impl fmt::Display for Name {
    /// As a person writes it: with quotes only where they are needed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(&self.0) && self.0 == self.0.to_ascii_uppercase() {
            formatter.write_str(&self.0)
        } else {
            formatter.write_str(&self.quoted())
        }
    }
}

impl Path {
    /// An object's name, which may bring its own schema and database.
    ///
    /// # Errors
    /// When a part is not a name.
    pub fn parse(object: &str, schema: Option<Name>, database: Name) -> Result<Path, NameError> {
        let mut parts = split(object)?;
        let object_name = parts.pop().ok_or(NameError::Empty)?;
        let own_schema = parts.pop();
        let own_database = parts.pop();
        if parts.is_empty() {
            Ok(Path {
                database: own_database.unwrap_or(database),
                schema: own_schema.or(schema),
                object: object_name,
            })
        } else {
            Err(NameError::TooManyParts(object.to_owned()))
        }
    }

    /// The names of a path, one to three, whatever they are of.
    ///
    /// # Errors
    /// When a part is not a name.
    pub fn names(text: &str) -> Result<Vec<Name>, NameError> {
        let parts = split(text)?;
        if parts.len() > 3 {
            return Err(NameError::TooManyParts(text.to_owned()));
        }
        Ok(parts)
    }

    /// Where a statement about the object is to be run.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            database: Some(self.database.as_str().to_owned()),
            schema: self.schema.as_ref().map(|schema| schema.as_str().to_owned()),
            ..Context::default()
        }
    }

    /// The path as it goes into a statement; without a schema, the object's name alone, because
    /// the statement's context then says where it is looked up.
    #[must_use]
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => {
                let (database, object) = (&self.database, &self.object);
                format!("{}.{}.{}", database.quoted(), schema.quoted(), object.quoted())
            }
            None => self.object.quoted(),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.", self.database)?;
        if let Some(schema) = &self.schema {
            write!(formatter, "{schema}.")?;
        }
        write!(formatter, "{}", self.object)
    }
}

/// A text as a string literal of SQL.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The names between the dots that are not inside quotes.
fn split(text: &str) -> Result<Vec<Name>, NameError> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(inside) => quoted_name(inside, text)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (plain_name(&rest[..end])?, &rest[end..])
            }
        };
        names.push(name);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(names),
            None => return Err(NameError::NeedsQuotes(text.to_owned())),
        }
    }
}

fn plain_name(text: &str) -> Result<Name, NameError> {
    if text.is_empty() {
        Err(NameError::Empty)
    } else if is_plain(text) {
        Ok(Name(text.to_ascii_uppercase()))
    } else {
        Err(NameError::NeedsQuotes(text.to_owned()))
    }
}

/// The name up to the closing quote, and what follows it. A doubled quote stands for one.
fn quoted_name<'a>(inside: &'a str, whole: &str) -> Result<(Name, &'a str), NameError> {
    let mut name = String::new();
    let mut rest = inside;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err(NameError::Unclosed(whole.to_owned()));
        };
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None if name.is_empty() => return Err(NameError::Empty),
            None => return Ok((Name(name), after)),
        }
    }
}

fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<String, NameError> {
        Name::parse(text).map(|name| name.quoted())
    }

    #[test]
    fn unquoted_names_fold_and_quoted_ones_stay() {
        assert_eq!(name("sales"), Ok("\"SALES\"".to_owned()));
        assert_eq!(name("\"Sales 2024\""), Ok("\"Sales 2024\"".to_owned()));
        assert_eq!(name("\"a\"\"b.c\""), Ok("\"a\"\"b.c\"".to_owned()));
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for wrong in ["", "a b", "a;drop table b", "a--", "\"a", "\"a\"b", "a.b", "1a", "\"\""] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_objects_name_may_bring_its_own_path() {
        let database = || Name::parse("db").unwrap();
        let schema = || Some(Name::parse("s").unwrap());
        let path = |text| Path::parse(text, schema(), database()).unwrap();
        assert_eq!(path("v").to_string(), "DB.S.V");
        assert_eq!(path("other.v").quoted(), "\"DB\".\"OTHER\".\"V\"");
        assert_eq!(path("x.y.\"z.z\"").to_string(), "X.Y.\"z.z\"");
        let bare = Path::parse("v", None, database()).unwrap();
        assert_eq!((bare.quoted(), bare.to_string()), ("\"V\"".to_owned(), "DB.V".to_owned()));
        assert!(Path::parse("a.b.c.d", None, database()).is_err());
    }

    #[test]
    fn a_literal_cannot_be_left() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("\\'"), "'\\\\'''");
    }
}
