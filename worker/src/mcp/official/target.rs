//! An object as a client of the former official server describes it, and as it stands in SQL.
//!
//! Only what can be written without pasting is taken: names are parsed and quoted, texts are
//! literals, types are held against what types look like, a view's query is judged by itself.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::mcp::names::{Name, Path, literal};
use crate::mcp::tools::ToolError;
use crate::mcp::tools::errand::Errand;
use crate::sql::{Decision, Level, decide};

/// What kind of object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Database,
    Schema,
    Table,
    View,
    Warehouse,
    ComputePool,
    Role,
    Stage,
    User,
    ImageRepository,
}

/// All kinds, as clients write them.
pub(super) const KINDS: [&str; 10] = [
    "database",
    "schema",
    "table",
    "view",
    "warehouse",
    "compute_pool",
    "role",
    "stage",
    "user",
    "image_repository",
];

/// What an object is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Account,
    Database,
    Schema,
}

/// How an object is made that may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    ErrorIfExists,
    Replace,
    IfNotExists,
    #[serde(skip)]
    Alter,
}

/// An object with its properties.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    name: String,
    database_name: Option<String>,
    schema_name: Option<String>,
    comment: Option<String>,
    kind: Option<String>,
    columns: Option<Vec<Column>>,
    query: Option<String>,
    secure: Option<bool>,
    data_retention_time_in_days: Option<u8>,
    enable_directory_table: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    name: String,
    datatype: String,
    comment: Option<String>,
    nullable: Option<bool>,
}

impl Kind {
    /// Its words in SQL.
    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Database => "DATABASE",
            Kind::Schema => "SCHEMA",
            Kind::Table => "TABLE",
            Kind::View => "VIEW",
            Kind::Warehouse => "WAREHOUSE",
            Kind::ComputePool => "COMPUTE POOL",
            Kind::Role => "ROLE",
            Kind::Stage => "STAGE",
            Kind::User => "USER",
            Kind::ImageRepository => "IMAGE REPOSITORY",
        }
    }

    /// Its words in SHOW.
    pub(super) fn plural(self) -> String {
        match self {
            Kind::ImageRepository => "IMAGE REPOSITORIES".to_owned(),
            kind => format!("{}S", kind.words()),
        }
    }

    pub(super) fn holder(self) -> Holder {
        match self {
            Kind::Database | Kind::Warehouse | Kind::ComputePool | Kind::Role | Kind::User => {
                Holder::Account
            }
            Kind::Schema => Holder::Database,
            Kind::Table | Kind::View | Kind::Stage | Kind::ImageRepository => Holder::Schema,
        }
    }
}

impl Target {
    /// An object as it was given; some clients write it as a text with JSON in it.
    pub(super) fn read(given: Value) -> Result<Target, ToolError> {
        let wrong = |error: serde_json::Error| {
            ToolError::Arguments(format!("`target_object` is no object with a `name`: {error}"))
        };
        let given = match given {
            Value::String(text) => serde_json::from_str(&text).map_err(wrong)?,
            other => other,
        };
        serde_json::from_value(given).map_err(wrong)
    }

    /// Its name as it goes into a statement, with all that it is in.
    pub(super) fn quoted(&self, errand: &Errand<'_>, kind: Kind) -> Result<String, ToolError> {
        let missing = |key: &str| {
            ToolError::Arguments(format!("`target_object` of a {} needs `{key}`", kind_word(kind)))
        };
        let database = || self.database_name.as_deref().ok_or_else(|| missing("database_name"));
        match kind.holder() {
            Holder::Account if kind == Kind::Database => Ok(errand.database(&self.name)?.quoted()),
            Holder::Account => Ok(Name::parse(&self.name)?.quoted()),
            Holder::Database => {
                let database = errand.database(database()?)?;
                Ok(format!("{}.{}", database.quoted(), Name::parse(&self.name)?.quoted()))
            }
            Holder::Schema => {
                let schema = self.schema_name.as_deref().ok_or_else(|| missing("schema_name"))?;
                let path: Path = errand.path(&self.name, (Some(schema), database()?))?;
                Ok(path.quoted())
            }
        }
    }

    /// The statement that makes it.
    pub(super) fn create(
        &self,
        errand: &Errand<'_>,
        kind: Kind,
        mode: Mode,
    ) -> Result<String, ToolError> {
        self.refuse_others()?;
        let mut words = vec![match mode {
            Mode::ErrorIfExists | Mode::IfNotExists => "CREATE".to_owned(),
            Mode::Replace => "CREATE OR REPLACE".to_owned(),
            Mode::Alter => "CREATE OR ALTER".to_owned(),
        }];
        words.extend(self.secure.filter(|secure| *secure).map(|_| "SECURE".to_owned()));
        match self.kind.as_deref().map(str::to_ascii_uppercase).as_deref() {
            None | Some("PERMANENT") => {}
            Some(word @ ("TRANSIENT" | "TEMPORARY")) => words.push(word.to_owned()),
            Some(other) => {
                return Err(ToolError::Arguments(format!("`kind` {other} is unknown")));
            }
        }
        words.push(kind.words().to_owned());
        if mode == Mode::IfNotExists {
            words.push("IF NOT EXISTS".to_owned());
        }
        words.push(self.quoted(errand, kind)?);
        words.extend(self.columns(kind)?);
        words.extend(
            self.data_retention_time_in_days
                .map(|days| format!("DATA_RETENTION_TIME_IN_DAYS = {days}")),
        );
        let directory = self.enable_directory_table.filter(|enabled| *enabled);
        words.extend(directory.map(|_| "DIRECTORY = (ENABLE = TRUE)".to_owned()));
        let comment = self.comment.as_deref();
        words.extend(comment.map(|comment| format!("COMMENT = {}", literal(comment))));
        words.extend(self.query(kind)?);
        Ok(words.join(" "))
    }

    fn refuse_others(&self) -> Result<(), ToolError> {
        match self.others.iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => Err(ToolError::Arguments(format!(
                "the property `{name}` is not taken here; write the statement yourself and send it \
                 with run_snowflake_query"
            ))),
            None => Ok(()),
        }
    }

    /// The columns; of a view, their names.
    fn columns(&self, kind: Kind) -> Result<Option<String>, ToolError> {
        let Some(columns) = &self.columns else { return Ok(None) };
        let column = |column: &Column| {
            let mut words = vec![Name::parse(&column.name)?.quoted()];
            if kind != Kind::View {
                words.push(data_type(&column.datatype)?.to_owned());
                words.extend((column.nullable == Some(false)).then(|| "NOT NULL".to_owned()));
            }
            let comment = column.comment.as_deref();
            words.extend(comment.map(|comment| format!("COMMENT {}", literal(comment))));
            Ok::<_, ToolError>(words.join(" "))
        };
        let columns: Vec<String> = columns.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Some(format!("({})", columns.join(", "))))
    }

    fn query(&self, kind: Kind) -> Result<Option<String>, ToolError> {
        let Some(query) = self.query.as_deref().filter(|_| kind == Kind::View) else {
            return Ok(None);
        };
        let query = query.trim().trim_end_matches(';');
        match decide(query, Level::Read) {
            Decision::Allowed { .. } => Ok(Some(format!("AS {query}"))),
            Decision::Refused { reason, .. } => Err(ToolError::Refused(reason)),
        }
    }
}

/// A type that looks like one: words, and numbers or types in brackets.
fn data_type(text: &str) -> Result<&str, ToolError> {
    let text = text.trim();
    let mut depth = 0_i32;
    let plain = text.chars().all(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        let is_comma = c == ',' && depth > 0;
        depth >= 0 && (c.is_ascii_alphanumeric() || is_comma || matches!(c, '_' | ' ' | '(' | ')'))
    });
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic());
    if plain && begins && depth == 0 {
        return Ok(text);
    }
    Err(ToolError::Arguments(format!("`{text}` is not a type such as NUMBER(38, 0)")))
}

fn kind_word(kind: Kind) -> String {
    kind.words().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_types_and_nothing_else() {
        for right in ["NUMBER(38,0)", "varchar", "VECTOR(FLOAT, 256)", "TIMESTAMP_NTZ(9)"] {
            assert!(data_type(right).is_ok(), "{right}");
        }
        for wrong in ["", "INT, x INT", "INT)", "INT) AS SELECT 1", "INT;", "1", "a.b", "INT--"] {
            assert!(data_type(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_object_may_come_as_a_text() {
        let target = Target::read(Value::String("{\"name\": \"t\"}".to_owned())).unwrap();
        assert_eq!(target.name, "t");
        assert!(Target::read(Value::String("t".to_owned())).is_err());
    }
}
