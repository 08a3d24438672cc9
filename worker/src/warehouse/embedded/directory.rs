//! INFORMATION_SCHEMA: the account's directory as tables that a query can read.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::error::ArrowError;

use super::account::{
    Account, CREATED_ON, ColumnOf, DATABASE, INFORMATION_SCHEMA, Kind, OWNER, Relation,
};
use super::listing::modifiers;

/// The longest VARCHAR.
pub(crate) const TEXT_MAX: u32 = 16_777_216;

/// The kinds of a directory's column.
#[derive(Debug, Clone, Copy)]
enum Of {
    Text,
    Number,
}

/// A directory view: its columns.
struct Shape {
    name: &'static str,
    columns: &'static [(&'static str, Of)],
}

const DATABASES: Shape = Shape {
    name: "DATABASES",
    columns: &[
        ("DATABASE_NAME", Of::Text),
        ("DATABASE_OWNER", Of::Text),
        ("IS_TRANSIENT", Of::Text),
        ("COMMENT", Of::Text),
        ("CREATED", Of::Text),
        ("LAST_ALTERED", Of::Text),
        ("RETENTION_TIME", Of::Number),
        ("TYPE", Of::Text),
    ],
};
const SCHEMATA: Shape = Shape {
    name: "SCHEMATA",
    columns: &[
        ("CATALOG_NAME", Of::Text),
        ("SCHEMA_NAME", Of::Text),
        ("SCHEMA_OWNER", Of::Text),
        ("IS_TRANSIENT", Of::Text),
        ("IS_MANAGED_ACCESS", Of::Text),
        ("RETENTION_TIME", Of::Number),
        ("CREATED", Of::Text),
        ("LAST_ALTERED", Of::Text),
        ("COMMENT", Of::Text),
    ],
};
const TABLES: Shape = Shape {
    name: "TABLES",
    columns: &[
        ("TABLE_CATALOG", Of::Text),
        ("TABLE_SCHEMA", Of::Text),
        ("TABLE_NAME", Of::Text),
        ("TABLE_OWNER", Of::Text),
        ("TABLE_TYPE", Of::Text),
        ("IS_TRANSIENT", Of::Text),
        ("CLUSTERING_KEY", Of::Text),
        ("ROW_COUNT", Of::Number),
        ("BYTES", Of::Number),
        ("RETENTION_TIME", Of::Number),
        ("CREATED", Of::Text),
        ("LAST_ALTERED", Of::Text),
        ("COMMENT", Of::Text),
    ],
};
const VIEWS: Shape = Shape {
    name: "VIEWS",
    columns: &[
        ("TABLE_CATALOG", Of::Text),
        ("TABLE_SCHEMA", Of::Text),
        ("TABLE_NAME", Of::Text),
        ("TABLE_OWNER", Of::Text),
        ("VIEW_DEFINITION", Of::Text),
        ("CHECK_OPTION", Of::Text),
        ("IS_UPDATABLE", Of::Text),
        ("INSERTABLE_INTO", Of::Text),
        ("IS_SECURE", Of::Text),
        ("CREATED", Of::Text),
        ("LAST_ALTERED", Of::Text),
        ("COMMENT", Of::Text),
    ],
};
const COLUMNS: Shape = Shape {
    name: "COLUMNS",
    columns: &[
        ("TABLE_CATALOG", Of::Text),
        ("TABLE_SCHEMA", Of::Text),
        ("TABLE_NAME", Of::Text),
        ("COLUMN_NAME", Of::Text),
        ("ORDINAL_POSITION", Of::Number),
        ("COLUMN_DEFAULT", Of::Text),
        ("IS_NULLABLE", Of::Text),
        ("DATA_TYPE", Of::Text),
        ("CHARACTER_MAXIMUM_LENGTH", Of::Number),
        ("CHARACTER_OCTET_LENGTH", Of::Number),
        ("NUMERIC_PRECISION", Of::Number),
        ("NUMERIC_PRECISION_RADIX", Of::Number),
        ("NUMERIC_SCALE", Of::Number),
        ("DATETIME_PRECISION", Of::Number),
        ("IS_IDENTITY", Of::Text),
        ("COMMENT", Of::Text),
    ],
};

/// One value of a row.
#[derive(Debug, Clone)]
enum Value {
    Null,
    Text(String),
    Number(i64),
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn number<N: TryInto<i64>>(number: N) -> Value {
    number.try_into().map_or(Value::Null, Value::Number)
}

/// Adds the directory's own views to the account, and gives their rows.
pub(crate) fn describe(account: &mut Account) -> Result<Vec<(Relation, RecordBatch)>, ArrowError> {
    let shapes = [&DATABASES, &SCHEMATA, &TABLES, &VIEWS, &COLUMNS];
    for shape in shapes {
        account.add(relation_of(shape));
    }
    let rows = [
        databases(),
        schemata(),
        account.relations().map(table_row).collect(),
        account.relations().filter(|relation| relation.is_view()).map(view_row).collect(),
        account.relations().flat_map(column_rows).collect(),
    ];
    shapes
        .into_iter()
        .zip(rows)
        .map(|(shape, rows)| Ok((relation_of(shape), batch(shape, &rows)?)))
        .collect()
}

fn relation_of(shape: &Shape) -> Relation {
    let columns = shape
        .columns
        .iter()
        .map(|(name, of)| ColumnOf {
            name: (*name).to_owned(),
            type_name: match of {
                Of::Text => "VARCHAR".to_owned(),
                Of::Number => "NUMBER(38,0)".to_owned(),
            },
            nullable: true,
        })
        .collect();
    Relation {
        schema: INFORMATION_SCHEMA,
        name: shape.name.to_owned(),
        kind: Kind::Dictionary,
        columns,
    }
}

fn batch(shape: &Shape, rows: &[Vec<Value>]) -> Result<RecordBatch, ArrowError> {
    let columns = shape.columns.iter().enumerate().map(|(at, (name, of))| {
        let array: ArrayRef = match of {
            Of::Text => Arc::new(
                rows.iter()
                    .map(|row| match &row[at] {
                        Value::Text(text) => Some(text.clone()),
                        Value::Null | Value::Number(_) => None,
                    })
                    .collect::<StringArray>(),
            ),
            Of::Number => Arc::new(
                rows.iter()
                    .map(|row| match &row[at] {
                        Value::Number(number) => Some(*number),
                        Value::Null | Value::Text(_) => None,
                    })
                    .collect::<Int64Array>(),
            ),
        };
        (*name, array, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns)
}

fn databases() -> Vec<Vec<Value>> {
    vec![vec![
        text(DATABASE),
        text(OWNER),
        text("NO"),
        text("TPC-H data, generated in the worker"),
        text(CREATED_ON),
        text(CREATED_ON),
        number(0),
        text("STANDARD"),
    ]]
}

fn schemata() -> Vec<Vec<Value>> {
    Account::schemas()
        .into_iter()
        .map(|schema| {
            vec![
                text(DATABASE),
                text(schema),
                text(OWNER),
                text("NO"),
                text("NO"),
                number(0),
                text(CREATED_ON),
                text(CREATED_ON),
                Value::Null,
            ]
        })
        .collect()
}

fn table_row(relation: &Relation) -> Vec<Value> {
    let (kind, rows, bytes) = match &relation.kind {
        Kind::Table { rows, bytes } => ("BASE TABLE", number(*rows), number(*bytes)),
        Kind::View { .. } | Kind::Dictionary => ("VIEW", Value::Null, Value::Null),
    };
    vec![
        text(DATABASE),
        text(relation.schema),
        text(&relation.name),
        text(OWNER),
        text(kind),
        if relation.is_view() { Value::Null } else { text("NO") },
        Value::Null,
        rows,
        bytes,
        number(0),
        text(CREATED_ON),
        text(CREATED_ON),
        Value::Null,
    ]
}

fn view_row(relation: &Relation) -> Vec<Value> {
    let definition = match &relation.kind {
        Kind::View { text: definition } => text(definition),
        Kind::Table { .. } | Kind::Dictionary => Value::Null,
    };
    vec![
        text(DATABASE),
        text(relation.schema),
        text(&relation.name),
        text(OWNER),
        definition,
        text("NONE"),
        text("NO"),
        text("NO"),
        text("NO"),
        text(CREATED_ON),
        text(CREATED_ON),
        Value::Null,
    ]
}

fn column_rows(relation: &Relation) -> Vec<Vec<Value>> {
    let row = |(at, column): (usize, &ColumnOf)| {
        let (word, numbers) = modifiers(&column.type_name);
        let mut row = vec![
            text(DATABASE),
            text(relation.schema),
            text(&relation.name),
            text(&column.name),
            number(at + 1),
            Value::Null,
            text(if column.nullable { "YES" } else { "NO" }),
            text(if word == "VARCHAR" { "TEXT" } else { word }),
        ];
        let length = numbers.first().copied();
        row.extend(match (word, numbers.as_slice()) {
            ("VARCHAR", _) => {
                let length = length.unwrap_or(TEXT_MAX);
                let octets = number((u64::from(length) * 4).min(u64::from(TEXT_MAX)));
                [number(length), octets, Value::Null, Value::Null, Value::Null, Value::Null]
            }
            ("NUMBER", [precision, scale]) => {
                let (precision, scale) = (number(*precision), number(*scale));
                [Value::Null, Value::Null, precision, number(10), scale, Value::Null]
            }
            (_, [digits]) => {
                let digits = number(*digits);
                [Value::Null, Value::Null, Value::Null, Value::Null, Value::Null, digits]
            }
            _ => [const { Value::Null }; 6],
        });
        row.extend([text("NO"), Value::Null]);
        row
    };
    relation.columns.iter().enumerate().map(row).collect()
}
