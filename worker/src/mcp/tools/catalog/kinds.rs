//! The kinds of objects that can be searched and described: what each is called after SHOW, after
//! DESCRIBE and in GET_DDL. A word that a client writes chooses a row of this table and never
//! becomes a part of a statement.

use crate::mcp::names::Name;
use crate::mcp::tools::ToolError;

/// Where an object of a kind lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// In the account itself.
    Account,
    /// In a database.
    Database,
    /// In a schema.
    Schema,
}

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// As a client writes it.
    pub(super) word: &'static str,
    /// After SHOW.
    pub(super) plural: &'static str,
    /// After DESCRIBE.
    pub(super) singular: &'static str,
    /// In GET_DDL, where that is short enough to be shown.
    pub(super) ddl: Option<&'static str>,
    /// Where it lives.
    pub(super) scope: Scope,
}

const fn kind(
    word: &'static str,
    [plural, singular]: [&'static str; 2],
    ddl: Option<&'static str>,
    scope: Scope,
) -> Kind {
    Kind { word, plural, singular, ddl, scope }
}

/// The table.
pub(super) const KINDS: [Kind; 18] = [
    kind("table", ["TABLES", "TABLE"], Some("TABLE"), Scope::Schema),
    kind("view", ["VIEWS", "VIEW"], Some("VIEW"), Scope::Schema),
    kind("schema", ["SCHEMAS", "SCHEMA"], None, Scope::Database),
    kind("database", ["DATABASES", "DATABASE"], None, Scope::Account),
    kind("column", ["COLUMNS", "TABLE"], None, Scope::Schema),
    kind("function", ["USER FUNCTIONS", "FUNCTION"], Some("FUNCTION"), Scope::Schema),
    kind("procedure", ["USER PROCEDURES", "PROCEDURE"], Some("PROCEDURE"), Scope::Schema),
    kind("stage", ["STAGES", "STAGE"], None, Scope::Schema),
    kind("file format", ["FILE FORMATS", "FILE FORMAT"], Some("FILE_FORMAT"), Scope::Schema),
    kind("sequence", ["SEQUENCES", "SEQUENCE"], Some("SEQUENCE"), Scope::Schema),
    kind("stream", ["STREAMS", "STREAM"], Some("STREAM"), Scope::Schema),
    kind("task", ["TASKS", "TASK"], Some("TASK"), Scope::Schema),
    kind("pipe", ["PIPES", "PIPE"], Some("PIPE"), Scope::Schema),
    kind(
        "dynamic table",
        ["DYNAMIC TABLES", "DYNAMIC TABLE"],
        Some("DYNAMIC_TABLE"),
        Scope::Schema,
    ),
    kind("external table", ["EXTERNAL TABLES", "EXTERNAL TABLE"], Some("TABLE"), Scope::Schema),
    kind(
        "materialized view",
        ["MATERIALIZED VIEWS", "MATERIALIZED VIEW"],
        Some("VIEW"),
        Scope::Schema,
    ),
    kind(
        "semantic view",
        ["SEMANTIC VIEWS", "SEMANTIC VIEW"],
        Some("SEMANTIC_VIEW"),
        Scope::Schema,
    ),
    kind("warehouse", ["WAREHOUSES", "WAREHOUSE"], None, Scope::Account),
];

/// The kind that a client means: in any case, with spaces or underscores, one or many.
pub(super) fn named(word: &str) -> Result<&'static Kind, ToolError> {
    let word = word.trim().to_lowercase().replace('_', " ");
    let one = word.strip_suffix('s').unwrap_or(&word);
    KINDS.iter().find(|kind| kind.word == word || kind.word == one).ok_or_else(|| {
        ToolError::Arguments(format!("`{word}` is no kind of objects; use one of: {}", words()))
    })
}

/// All words, for people.
pub(super) fn words() -> String {
    KINDS.iter().map(|kind| kind.word).collect::<Vec<_>>().join(", ")
}

impl Kind {
    /// Where SHOW is to look, as the end of its statement.
    pub(super) fn within(&self, database: Option<&Name>, schema: Option<&Name>) -> String {
        match (self.scope, database, schema) {
            (Scope::Account, _, _) => String::new(),
            (Scope::Schema, Some(database), Some(schema)) => {
                format!(" IN SCHEMA {}.{}", database.quoted(), schema.quoted())
            }
            (Scope::Schema, None, Some(schema)) => format!(" IN SCHEMA {}", schema.quoted()),
            (_, Some(database), _) => format!(" IN DATABASE {}", database.quoted()),
            (_, None, _) => " IN ACCOUNT".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_chooses_a_row_however_it_is_written() {
        for word in ["table", "TABLES", "file_format", "Dynamic Tables", "materialized_view"] {
            assert!(named(word).is_ok(), "{word}");
        }
        let error = named("table; drop").unwrap_err().to_string();
        assert!(error.contains("use one of: table, view"), "{error}");
    }

    #[test]
    fn every_kind_is_one_that_the_gate_lets_pass_as_reading() {
        use crate::sql::{Level, decide};
        for kind in &KINDS {
            let statement = format!("SHOW {} LIKE '%x%'", kind.plural);
            assert!(decide(&statement, Level::Read).is_allowed(), "{statement}");
            let statement = format!("DESCRIBE {} \"A\".\"B\"", kind.singular);
            assert!(decide(&statement, Level::Read).is_allowed(), "{statement}");
        }
    }
}
