//! What the account holds: one database, its schemas, their tables and views. Names only; the
//! rows are the engine's.

use std::collections::BTreeMap;

use super::failure::{nearest, no_object};
use crate::warehouse::{Context, WarehouseError};

/// The one database.
pub(crate) const DATABASE: &str = "SNOWFLAKE_SAMPLE_DATA";
/// The schema with the TPC-H tables, where unqualified names are looked up by default.
pub(crate) const TPCH: &str = "TPCH_SF1";
/// The schema with the views.
pub(crate) const REPORTS: &str = "REPORTS";
/// The schema that describes the others.
pub(crate) const INFORMATION_SCHEMA: &str = "INFORMATION_SCHEMA";
/// The role that owns everything.
pub(crate) const OWNER: &str = "ACCOUNTADMIN";
/// When everything was made, for the columns that ask: the account has no history.
pub(crate) const CREATED_ON: &str = "2025-01-01 00:00:00.000 +0000";

/// One column of a table or view.
#[derive(Debug, Clone)]
pub(crate) struct ColumnOf {
    /// Its name.
    pub(crate) name: String,
    /// Its type in Snowflake's words.
    pub(crate) type_name: String,
    /// Whether it can be NULL.
    pub(crate) nullable: bool,
}

/// What a relation is made of.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Rows that are kept.
    Table {
        /// How many.
        rows: usize,
        /// What they take.
        bytes: usize,
    },
    /// A query with a name.
    View {
        /// The statement that would make it.
        text: String,
    },
    /// A view that every account has.
    Dictionary,
}

/// A table or view.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// Its schema.
    pub(crate) schema: &'static str,
    /// Its name.
    pub(crate) name: String,
    /// What it is made of.
    pub(crate) kind: Kind,
    /// Its columns, in order.
    pub(crate) columns: Vec<ColumnOf>,
}

impl Relation {
    /// True for everything that `SHOW VIEWS` lists.
    pub(crate) fn is_view(&self) -> bool {
        match self.kind {
            Kind::Table { .. } => false,
            Kind::View { .. } | Kind::Dictionary => true,
        }
    }

    /// `DATABASE.SCHEMA.NAME`.
    pub(crate) fn full_name(&self) -> String {
        format!("{DATABASE}.{}.{}", self.schema, self.name)
    }
}

/// The account's directory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    relations: BTreeMap<(&'static str, String), Relation>,
}

/// Where unqualified names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The database.
    pub(crate) database: String,
    /// The schema.
    pub(crate) schema: String,
}

impl Place {
    /// The place that a call asks for, or the account's own.
    pub(crate) fn of(context: &Context) -> Place {
        Place {
            database: context.database.as_deref().map_or_else(|| DATABASE.to_owned(), folded),
            schema: context.schema.as_deref().map_or_else(|| TPCH.to_owned(), folded),
        }
    }
}

/// A name as it was given outside a statement: `"quoted"` is kept, anything else is upper case.
fn folded(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_uppercase(),
    }
}

impl Account {
    /// Adds a relation.
    pub(crate) fn add(&mut self, relation: Relation) {
        self.relations.insert((relation.schema, relation.name.clone()), relation);
    }

    /// All relations, by schema and name.
    pub(crate) fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values()
    }

    /// All schemas.
    pub(crate) fn schemas() -> [&'static str; 3] {
        [INFORMATION_SCHEMA, REPORTS, TPCH]
    }

    /// The database of that name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn database(name: &str) -> Result<&'static str, WarehouseError> {
        if name == DATABASE {
            Ok(DATABASE)
        } else {
            Err(no_object("Database", name, Some(DATABASE.to_owned())))
        }
    }

    /// The schema of that name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn schema(database: &str, name: &str) -> Result<&'static str, WarehouseError> {
        Account::database(database)?;
        let known = Account::schemas();
        known.into_iter().find(|known| *known == name).ok_or_else(|| {
            let near = nearest(name, known).map(str::to_owned);
            no_object("Schema", &format!("{database}.{name}"), near)
        })
    }

    /// The relation that a name of one, two or three parts means.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn relation(
        &self,
        parts: &[String],
        place: &Place,
    ) -> Result<&Relation, WarehouseError> {
        let written = parts.join(".");
        let (database, schema, name) = match parts {
            [name] => (place.database.as_str(), place.schema.as_str(), name),
            [schema, name] => (place.database.as_str(), schema.as_str(), name),
            [database, schema, name] => (database.as_str(), schema.as_str(), name),
            _ => return Err(no_object("Object", &written, None)),
        };
        let schema = Account::schema(database, schema)?;
        self.relations.get(&(schema, name.clone())).ok_or_else(|| {
            no_object("Object", &written, self.nearest_relation(schema, name, parts.len()))
        })
    }

    /// The relation of that very name elsewhere, else the most similar one: of the same schema,
    /// else anywhere, written out in full.
    fn nearest_relation(&self, schema: &str, name: &str, parts: usize) -> Option<String> {
        if let Some(elsewhere) = self.relations().find(|relation| relation.name == name) {
            return Some(elsewhere.full_name());
        }
        let of_schema = self.relations().filter(|relation| relation.schema == schema);
        if let Some(near) = nearest(name, of_schema.map(|relation| relation.name.as_str())) {
            return Some(match parts {
                3 => format!("{DATABASE}.{schema}.{near}"),
                2 => format!("{schema}.{near}"),
                _ => near.to_owned(),
            });
        }
        let near = nearest(name, self.relations().map(|relation| relation.name.as_str()))?;
        self.relations().find(|relation| relation.name == near).map(Relation::full_name)
    }
}
