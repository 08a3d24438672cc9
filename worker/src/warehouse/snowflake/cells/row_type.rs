//! Columns as Snowflake describes them, and their types in its own words.

use serde::Deserialize;

use crate::warehouse;

/// One column as Snowflake describes it in an answer (an element of `rowtype`), or a value inside
/// a structured one (an element of `fields`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RowType {
    /// Its name; elements of arrays have none.
    #[serde(default)]
    pub(crate) name: String,
    /// What its values are, in the protocol's words: `fixed`, `real`, `text`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Digits of a number.
    #[serde(default)]
    pub(crate) precision: Option<i64>,
    /// Digits after the point: of a number, of the seconds. Of an interval: which one it is.
    #[serde(default)]
    pub(crate) scale: Option<i64>,
    /// Characters of a text.
    #[serde(default)]
    pub(crate) length: Option<i64>,
    /// Bytes of a text.
    #[serde(default)]
    #[expect(dead_code, reason = "part of the description; nothing is decided by it")]
    pub(crate) byte_length: Option<i64>,
    /// Whether it can be NULL.
    #[serde(default = "yes")]
    pub(crate) nullable: bool,
    /// The type in SQL where `type` only says how its values are written: GEOGRAPHY.
    #[serde(default)]
    pub(crate) ext_type_name: Option<String>,
    /// How many elements a VECTOR has.
    #[serde(default)]
    pub(crate) vector_dimension: Option<i64>,
    /// What is inside: an array's element, a map's key and value, an object's fields.
    #[serde(default)]
    pub(crate) fields: Option<Vec<RowType>>,
}

fn yes() -> bool {
    true
}

impl RowType {
    /// The column as clients see it.
    pub(crate) fn column(&self) -> warehouse::Column {
        warehouse::Column {
            name: self.name.clone(),
            type_name: self.type_name(),
            nullable: self.nullable,
        }
    }

    fn type_name(&self) -> String {
        if let Some(name) = self.ext_type_name.as_ref().filter(|name| !name.is_empty()) {
            return name.to_uppercase();
        }
        match Kind::of(&self.kind) {
            Kind::Fixed => {
                let (precision, scale) = (self.precision.unwrap_or(38), self.scale.unwrap_or(0));
                format!("NUMBER({precision},{scale})")
            }
            Kind::Real => "FLOAT".to_owned(),
            Kind::Decfloat => "DECFLOAT".to_owned(),
            Kind::Text => sized("VARCHAR", self.length),
            Kind::Binary => sized("BINARY", self.length),
            Kind::Boolean => "BOOLEAN".to_owned(),
            Kind::Date => "DATE".to_owned(),
            Kind::Time => sized("TIME", self.scale),
            Kind::TimestampNtz => sized("TIMESTAMP_NTZ", self.scale),
            Kind::TimestampLtz => sized("TIMESTAMP_LTZ", self.scale),
            Kind::TimestampTz => sized("TIMESTAMP_TZ", self.scale),
            Kind::YearMonth => match self.scale {
                Some(1) => "INTERVAL YEAR".to_owned(),
                Some(2) => "INTERVAL MONTH".to_owned(),
                Some(_) | None => "INTERVAL YEAR TO MONTH".to_owned(),
            },
            Kind::DayTime => "INTERVAL DAY TO SECOND".to_owned(),
            Kind::Document => self.document_name(),
            Kind::Other => self.kind.to_uppercase(),
        }
    }

    /// VARIANT and what is like it, with what is inside where Snowflake says it.
    fn document_name(&self) -> String {
        let name = self.kind.to_uppercase();
        let Some(fields) = self.fields.as_deref().filter(|fields| !fields.is_empty()) else {
            return name;
        };
        if name == "VECTOR" {
            let element = match Kind::of(&fields[0].kind) {
                Kind::Fixed => "INT".to_owned(),
                Kind::Real => "FLOAT".to_owned(),
                _ => fields[0].type_name(),
            };
            let dimension = self.vector_dimension.unwrap_or_default();
            return format!("VECTOR({element}, {dimension})");
        }
        let inside: Vec<String> = fields.iter().map(RowType::inside).collect();
        format!("{name}({})", inside.join(", "))
    }

    fn inside(&self) -> String {
        let mut text = self.type_name();
        if !self.name.is_empty() {
            text = format!("{} {text}", self.name);
        }
        if !self.nullable {
            text.push_str(" NOT NULL");
        }
        text
    }
}

fn sized(name: &str, size: Option<i64>) -> String {
    match size {
        Some(size) => format!("{name}({size})"),
        None => name.to_owned(),
    }
}

/// How values are written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// NUMBER: an integer and a scale.
    Fixed,
    /// FLOAT.
    Real,
    /// DECFLOAT: a decimal with an exponent of its own.
    Decfloat,
    /// VARCHAR.
    Text,
    /// TRUE or FALSE.
    Boolean,
    /// Days since 1970.
    Date,
    /// Seconds since midnight, with a scale.
    Time,
    /// Seconds since 1970 on a clock that is nowhere.
    TimestampNtz,
    /// Seconds since 1970, shown where the session is.
    TimestampLtz,
    /// Seconds since 1970, and an offset.
    TimestampTz,
    /// Bytes.
    Binary,
    /// Months.
    YearMonth,
    /// Nanoseconds.
    DayTime,
    /// JSON: VARIANT, OBJECT, ARRAY, MAP, VECTOR, and what else Snowflake writes as a document.
    Document,
    /// A type that came after us: text.
    Other,
}

impl Kind {
    /// What the protocol calls so, or the `logicalType` of an Arrow field.
    pub(super) fn of(word: &str) -> Kind {
        match word.to_ascii_lowercase().as_str() {
            "fixed" => Kind::Fixed,
            "real" | "float" | "double" => Kind::Real,
            "decfloat" => Kind::Decfloat,
            "text" | "char" | "string" | "varchar" => Kind::Text,
            "boolean" => Kind::Boolean,
            "date" => Kind::Date,
            "time" => Kind::Time,
            "timestamp_ntz" => Kind::TimestampNtz,
            "timestamp_ltz" => Kind::TimestampLtz,
            "timestamp_tz" => Kind::TimestampTz,
            "binary" => Kind::Binary,
            "interval_year_month" => Kind::YearMonth,
            "interval_day_time" => Kind::DayTime,
            "variant" | "object" | "array" | "map" | "vector" | "geography" | "geometry"
            | "file" => Kind::Document,
            _ => Kind::Other,
        }
    }
}

/// What is needed to read the values of a column, or of a place inside one.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) scale: Option<i64>,
    pub(super) fields: Vec<Shape>,
}

impl Shape {
    pub(super) fn of(row_type: &RowType) -> Shape {
        Shape {
            kind: Kind::of(&row_type.kind),
            scale: row_type.scale,
            fields: row_type.fields.iter().flatten().map(Shape::of).collect(),
        }
    }
}
