//! The answers to SHOW, with Snowflake's columns in Snowflake's order.

use super::account::{
    Account, CREATED_ON, DATABASE, INFORMATION_SCHEMA, Kind, OWNER, Place, Relation,
};
use super::command::{Detail, Listed, Show, Within};
use super::failure::compilation;
use super::listing::{Listing, flag, kind_word, like, number, text};
use crate::warehouse::{Cell, WarehouseError};

const DATABASES: &[&str] = &[
    "created_on",
    "name",
    "is_default",
    "is_current",
    "origin",
    "owner",
    "comment",
    "options",
    "retention_time",
    "kind",
    "budget",
    "owner_role_type",
];
const SCHEMAS: &[&str] = &[
    "created_on",
    "name",
    "is_default",
    "is_current",
    "database_name",
    "owner",
    "comment",
    "options",
    "retention_time",
    "owner_role_type",
    "budget",
];
const TABLES: &[&str] = &[
    "created_on",
    "name",
    "database_name",
    "schema_name",
    "kind",
    "comment",
    "cluster_by",
    "rows",
    "bytes",
    "owner",
    "retention_time",
    "automatic_clustering",
    "change_tracking",
    "search_optimization",
    "search_optimization_progress",
    "search_optimization_bytes",
    "is_external",
    "enable_schema_evolution",
    "owner_role_type",
    "is_event",
    "budget",
    "is_hybrid",
    "is_iceberg",
    "is_dynamic",
    "is_immutable",
];
const VIEWS: &[&str] = &[
    "created_on",
    "name",
    "reserved",
    "database_name",
    "schema_name",
    "owner",
    "comment",
    "text",
    "is_secure",
    "is_materialized",
    "owner_role_type",
    "change_tracking",
];
const OBJECTS: &[&str] = &[
    "created_on",
    "name",
    "database_name",
    "schema_name",
    "kind",
    "comment",
    "cluster_by",
    "rows",
    "bytes",
    "owner",
    "retention_time",
    "owner_role_type",
    "budget",
];
const COLUMNS: &[&str] = &[
    "table_name",
    "schema_name",
    "column_name",
    "data_type",
    "null?",
    "default",
    "kind",
    "expression",
    "comment",
    "database_name",
    "autoincrement",
];
const TERSE: &[&str] = &["created_on", "name", "kind", "database_name", "schema_name"];

/// Where a SHOW looks, once its names are known to exist.
#[derive(Debug, Clone)]
enum Scope {
    Everything,
    Schema(&'static str),
    Relation(&'static str, String),
}

/// The answer to SHOW.
///
/// # Errors
/// When it looks in a place that does not exist.
pub(crate) fn show(
    account: &Account,
    place: &Place,
    show: &Show,
) -> Result<Listing, WarehouseError> {
    let scope = scope(account, place, show)?;
    let mut listing = match (show.detail, show.listed) {
        (_, Listed::Columns) => Listing::of(COLUMNS),
        (Detail::Terse, _) => Listing::of(TERSE),
        (Detail::Full, Listed::Databases) => Listing::of(DATABASES),
        (Detail::Full, Listed::Schemas) => Listing::of(SCHEMAS),
        (Detail::Full, Listed::Tables) => Listing::of(TABLES),
        (Detail::Full, Listed::Views) => Listing::of(VIEWS),
        (Detail::Full, Listed::Objects) => Listing::of(OBJECTS),
    };
    let named = |name: &str| chosen(show, name);
    match show.listed {
        Listed::Databases => {
            if named(DATABASE) {
                listing.rows.push(database_row(show.detail, place));
            }
        }
        Listed::Schemas => {
            for schema in Account::schemas().into_iter().filter(|schema| named(schema)) {
                listing.rows.push(schema_row(show.detail, schema, place));
            }
        }
        Listed::Tables | Listed::Views | Listed::Objects | Listed::Columns => {
            for relation in account.relations().filter(|relation| in_scope(relation, &scope)) {
                relation_rows(&mut listing, show, relation);
            }
        }
    }
    if let Some(limit) = show.limit {
        listing.rows.truncate(limit);
    }
    Ok(listing)
}

fn relation_rows(listing: &mut Listing, show: &Show, relation: &Relation) {
    let wanted = match show.listed {
        Listed::Tables => !relation.is_view(),
        Listed::Views => relation.is_view(),
        Listed::Objects | Listed::Columns => true,
        Listed::Databases | Listed::Schemas => false,
    };
    if !wanted {
        return;
    }
    if show.listed == Listed::Columns {
        let columns = relation.columns.iter().filter(|column| chosen(show, &column.name));
        listing.rows.extend(columns.map(|column| column_row(relation, column)));
    } else if chosen(show, &relation.name) {
        listing.rows.push(match (show.detail, show.listed) {
            (Detail::Terse, _) => terse_row(relation),
            (Detail::Full, Listed::Views) => view_row(relation),
            (Detail::Full, Listed::Tables) => table_row(relation),
            (Detail::Full, _) => object_row(relation),
        });
    }
}

fn scope(account: &Account, place: &Place, show: &Show) -> Result<Scope, WarehouseError> {
    let schema_of = |parts: &[String]| match parts {
        [] => Account::schema(&place.database, &place.schema),
        [schema] => Account::schema(&place.database, schema),
        [database, schema] => Account::schema(database, schema),
        _ => Err(compilation(format!("invalid schema name '{}'", parts.join(".")))),
    };
    match &show.within {
        Within::Account => Ok(Scope::Everything),
        Within::Database(name) => {
            Account::database(name.as_deref().unwrap_or(&place.database))?;
            Ok(Scope::Everything)
        }
        Within::Schema(parts) => Ok(Scope::Schema(schema_of(parts)?)),
        Within::Relation(parts) => {
            let relation = account.relation(parts, place)?;
            Ok(Scope::Relation(relation.schema, relation.name.clone()))
        }
        Within::Named(parts) => match (show.listed, parts.as_slice()) {
            (Listed::Columns, _) => {
                let relation = account.relation(parts, place)?;
                Ok(Scope::Relation(relation.schema, relation.name.clone()))
            }
            (Listed::Schemas | Listed::Databases, [database]) => {
                Account::database(database)?;
                Ok(Scope::Everything)
            }
            (_, [name]) if name == DATABASE => Ok(Scope::Everything),
            (_, parts) => Ok(Scope::Schema(schema_of(parts)?)),
        },
        Within::Here => match show.listed {
            Listed::Databases => Ok(Scope::Everything),
            Listed::Schemas => Account::database(&place.database).map(|_| Scope::Everything),
            Listed::Tables | Listed::Views | Listed::Objects | Listed::Columns => {
                Ok(Scope::Schema(schema_of(&[])?))
            }
        },
    }
}

fn in_scope(relation: &Relation, scope: &Scope) -> bool {
    match scope {
        Scope::Everything => true,
        Scope::Schema(schema) => relation.schema == *schema,
        Scope::Relation(schema, name) => relation.schema == *schema && relation.name == *name,
    }
}

fn chosen(show: &Show, name: &str) -> bool {
    show.like.as_ref().is_none_or(|pattern| like(&name.to_uppercase(), &pattern.to_uppercase()))
        && show.starts_with.as_ref().is_none_or(|start| name.starts_with(start.as_str()))
        && show.from.as_ref().is_none_or(|from| name > from.as_str())
}

fn database_row(detail: Detail, place: &Place) -> Vec<Cell> {
    match detail {
        Detail::Terse => {
            vec![text(CREATED_ON), text(DATABASE), text("STANDARD"), Cell::Null, Cell::Null]
        }
        Detail::Full => vec![
            text(CREATED_ON),
            text(DATABASE),
            flag(true),
            flag(place.database == DATABASE),
            text(""),
            text(OWNER),
            text("TPC-H data, generated in the worker"),
            text(""),
            text("0"),
            text("STANDARD"),
            Cell::Null,
            text("ROLE"),
        ],
    }
}

fn schema_row(detail: Detail, schema: &str, place: &Place) -> Vec<Cell> {
    match detail {
        Detail::Terse => {
            vec![text(CREATED_ON), text(schema), Cell::Null, text(DATABASE), Cell::Null]
        }
        Detail::Full => vec![
            text(CREATED_ON),
            text(schema),
            flag(schema == super::account::TPCH),
            flag(place.schema == schema),
            text(DATABASE),
            text(if schema == INFORMATION_SCHEMA { "" } else { OWNER }),
            text(if schema == INFORMATION_SCHEMA {
                "Views describing the contents of schemas in this database"
            } else {
                ""
            }),
            text(""),
            text("0"),
            text("ROLE"),
            Cell::Null,
        ],
    }
}

fn terse_row(relation: &Relation) -> Vec<Cell> {
    vec![
        text(CREATED_ON),
        text(&relation.name),
        text(kind_word(relation)),
        text(DATABASE),
        text(relation.schema),
    ]
}

fn sizes(relation: &Relation) -> [Cell; 2] {
    match relation.kind {
        Kind::Table { rows, bytes } => [number(rows), number(bytes)],
        Kind::View { .. } | Kind::Dictionary => [Cell::Null, Cell::Null],
    }
}

fn table_row(relation: &Relation) -> Vec<Cell> {
    let mut row = object_row(relation);
    row.truncate(11);
    for _ in 0..3 {
        row.push(text("OFF"));
    }
    row.extend([Cell::Null, Cell::Null, text("N"), text("N"), text("ROLE"), text("N"), Cell::Null]);
    for _ in 0..4 {
        row.push(text("N"));
    }
    row
}

fn object_row(relation: &Relation) -> Vec<Cell> {
    let [rows, bytes] = sizes(relation);
    vec![
        text(CREATED_ON),
        text(&relation.name),
        text(DATABASE),
        text(relation.schema),
        text(kind_word(relation)),
        text(""),
        text(""),
        rows,
        bytes,
        text(OWNER),
        text("0"),
        text("ROLE"),
        Cell::Null,
    ]
}

fn view_row(relation: &Relation) -> Vec<Cell> {
    let (owner, definition) = match &relation.kind {
        Kind::View { text } => (OWNER, text.as_str()),
        Kind::Table { .. } | Kind::Dictionary => ("", ""),
    };
    vec![
        text(CREATED_ON),
        text(&relation.name),
        text(""),
        text(DATABASE),
        text(relation.schema),
        text(owner),
        text(""),
        text(definition),
        text("false"),
        text("false"),
        text("ROLE"),
        text("OFF"),
    ]
}

fn column_row(relation: &Relation, column: &super::account::ColumnOf) -> Vec<Cell> {
    vec![
        text(&relation.name),
        text(relation.schema),
        text(&column.name),
        text(&super::listing::type_json(column)),
        text(if column.nullable { "true" } else { "NOT_NULL" }),
        text(""),
        text("COLUMN"),
        text(""),
        text(""),
        text(DATABASE),
        text(""),
    ]
}
