//! Addresses of resources: `snowflake://DATABASE/SCHEMA/TABLE`, and what each is about.
//!
//! A part is a name as one writes it in SQL, percent-encoded: unquoted ones fold to upper case, so
//! an address survives clients that write its first part small; others are in double quotes.

use std::fmt;

use crate::mcp::names::{Name, NameError, Path};

/// What every address begins with.
const SCHEME: &str = "snowflake://";

/// What a resource is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// The whole account.
    Account,
    /// A database.
    Database(Name),
    /// A schema.
    Schema {
        /// Its database.
        database: Name,
        /// The schema itself.
        schema: Name,
    },
    /// A table or a view, with its schema.
    Object(Path),
}

/// Why a text is no address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// It is about something else.
    #[error("an address begins with {SCHEME}")]
    Scheme,
    /// It is longer than any.
    #[error("an address has at most three parts: {SCHEME}DATABASE/SCHEMA/TABLE")]
    TooLong,
    /// A part is not percent-encoded text.
    #[error("`{0}` is not percent-encoded UTF-8")]
    Encoding(String),
    /// A part is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Address {
    /// What an address is about.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn parse(uri: &str) -> Result<Address, AddressError> {
        let scheme = uri.get(..SCHEME.len()).ok_or(AddressError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(AddressError::Scheme);
        }
        let path = uri[SCHEME.len()..].trim_matches('/');
        if path.is_empty() {
            return Ok(Address::Account);
        }
        let mut names = Vec::new();
        for part in path.split('/') {
            names.push(Name::parse(&decoded(part)?)?);
        }
        let mut names = names.into_iter();
        match (names.next(), names.next(), names.next(), names.next()) {
            (Some(database), None, ..) => Ok(Address::Database(database)),
            (Some(database), Some(schema), None, _) => Ok(Address::Schema { database, schema }),
            (Some(database), Some(schema), Some(object), None) => {
                Ok(Address::Object(Path { database, schema: Some(schema), object }))
            }
            _ => Err(AddressError::TooLong),
        }
    }

    /// The database that it is in; none for the account.
    pub(crate) fn database(&self) -> Option<&Name> {
        match self {
            Address::Account => None,
            Address::Database(database) | Address::Schema { database, .. } => Some(database),
            Address::Object(path) => Some(&path.database),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(SCHEME)?;
        match self {
            // An empty name of a server needs its path, or readers of addresses stumble.
            Address::Account => formatter.write_str("/"),
            Address::Database(database) => formatter.write_str(&database.in_address()),
            Address::Schema { database, schema } => {
                write!(formatter, "{}/{}", database.in_address(), schema.in_address())
            }
            Address::Object(Path { database, schema, object }) => {
                formatter.write_str(&database.in_address())?;
                if let Some(schema) = schema {
                    write!(formatter, "/{}", schema.in_address())?;
                }
                write!(formatter, "/{}", object.in_address())
            }
        }
    }
}

/// The text of a part of an address.
fn decoded(part: &str) -> Result<String, AddressError> {
    let wrong = || AddressError::Encoding(part.to_owned());
    let mut pieces = part.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(wrong)?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_it_is_about_and_is_written_the_same_again() {
        for (written, again) in [
            ("snowflake://", "snowflake:///"),
            ("snowflake:///", "snowflake:///"),
            ("snowflake://sales", "snowflake://SALES"),
            ("SNOWFLAKE://sales/", "snowflake://SALES"),
            ("snowflake://SALES/public", "snowflake://SALES/PUBLIC"),
            ("snowflake://SALES/PUBLIC/ORDERS", "snowflake://SALES/PUBLIC/ORDERS"),
            ("snowflake://S/P/%22my%20table%2F1%22", "snowflake://S/P/%22my%20table%2F1%22"),
        ] {
            assert_eq!(
                Address::parse(written).map(|address| address.to_string()),
                Ok(again.into())
            );
        }
    }

    #[test]
    fn a_part_is_a_name_and_nothing_else() {
        for wrong in [
            "http://sales",
            "snowflake:/",
            "é",
            "snowflake://a/b/c/d",
            "snowflake://a//c",
            "snowflake://a;drop%20table%20b",
            "snowflake://%22a",
            "snowflake://%2",
            "snowflake://%+1",
            "snowflake://%FF",
            "snowflake://a.b",
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
