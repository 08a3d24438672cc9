//! The answers to DESCRIBE: the columns of a table or view, the members of a schema or database.

use super::account::{Account, CREATED_ON, Place};
use super::command::Described;
use super::failure::compilation;
use super::listing::{Listing, kind_word, text};
use crate::warehouse::{Cell, WarehouseError};

const DESCRIBE: &[&str] = &[
    "name",
    "type",
    "kind",
    "null?",
    "default",
    "primary key",
    "unique key",
    "check",
    "expression",
    "comment",
    "policy name",
];
const MEMBERS: &[&str] = &["created_on", "name", "kind"];

/// The answer to DESCRIBE.
///
/// # Errors
/// When what it names does not exist.
pub(crate) fn describe(
    account: &Account,
    place: &Place,
    described: Described,
    name: &[String],
) -> Result<Listing, WarehouseError> {
    match described {
        Described::Relation => {
            let relation = account.relation(name, place)?;
            let mut listing = Listing::of(DESCRIBE);
            listing.rows.extend(relation.columns.iter().map(|column| {
                let mut row = vec![text(&column.name), text(&column.type_name), text("COLUMN")];
                row.push(text(if column.nullable { "Y" } else { "N" }));
                row.extend([Cell::Null, text("N"), text("N")]);
                row.extend([Cell::Null, Cell::Null, Cell::Null, Cell::Null]);
                row
            }));
            Ok(listing)
        }
        Described::Schema => {
            let schema = match name {
                [schema] => Account::schema(&place.database, schema)?,
                [database, schema] => Account::schema(database, schema)?,
                _ => return Err(compilation(format!("invalid schema name '{}'", name.join(".")))),
            };
            let mut listing = Listing::of(MEMBERS);
            let members = account.relations().filter(|relation| relation.schema == schema);
            listing.rows.extend(members.map(|relation| {
                vec![text(CREATED_ON), text(&relation.name), text(kind_word(relation))]
            }));
            Ok(listing)
        }
        Described::Database => {
            Account::database(&name.join("."))?;
            let mut listing = Listing::of(MEMBERS);
            let schemas = Account::schemas();
            listing.rows.extend(
                schemas.iter().map(|name| vec![text(CREATED_ON), text(name), text("SCHEMA")]),
            );
            Ok(listing)
        }
    }
}
