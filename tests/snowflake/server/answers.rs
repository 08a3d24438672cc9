//! The shapes in which the service answers statements.

use serde_json::{Value, json};

use super::http::Request;
use super::rows::{self, Made};
use super::sessions::{Session, parameters};

/// A column as `rowtype` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) length: Option<usize>,
    pub(crate) precision: Option<u32>,
    pub(crate) scale: Option<u32>,
}

impl Column {
    pub(crate) fn text(name: &str, length: usize) -> Column {
        let length = Some(length);
        Column { name: name.to_owned(), kind: "text", length, precision: None, scale: None }
    }

    pub(crate) fn fixed(name: &str, precision: u32, scale: u32) -> Column {
        let (precision, scale) = (Some(precision), Some(scale));
        Column { name: name.to_owned(), kind: "fixed", length: None, precision, scale }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "database": "", "schema": "", "table": "", "nullable": true,
            "type": self.kind, "length": self.length, "byteLength": self.length.map(|n| n * 4),
            "precision": self.precision, "scale": self.scale, "collation": null
        })
    }
}

/// What a statement came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A few rows, as SELECT gives them.
    Rows { columns: Vec<Column>, rows: Vec<Vec<Option<String>>> },
    /// A few rows, always as JSON, as SHOW gives them.
    Listing { columns: Vec<Column>, rows: Vec<Vec<Option<String>>> },
    /// Many rows.
    Made(Made),
    /// A line of text, as DDL and USE give it.
    Status(String),
    /// So many rows were changed; the column says how.
    Effect { column: &'static str, type_id: i64 },
    /// A file is to be moved by the client.
    Transfer { upload: bool, path: String },
}

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) state: &'static str,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: &'static str, state: &'static str, message: String) -> Failure {
        Failure { code, state, message }
    }

    pub(crate) fn aborted() -> Failure {
        Failure::new("000604", "57014", "SQL execution canceled".to_owned())
    }

    pub(crate) fn json(&self, query_id: &str) -> Value {
        json!({
            "data": {
                "internalError": false, "unredactedFromSecureObject": false,
                "errorCode": self.code, "age": 0, "sqlState": self.state, "queryId": query_id,
                "line": 1, "pos": 0, "type": "COMPILATION"
            },
            "code": self.code, "message": self.message, "success": false, "headers": null
        })
    }
}

/// How a client wants its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Arrow,
    Json,
}

impl Format {
    pub(crate) fn wanted(request: &Request) -> Format {
        let accept = request.header("accept").unwrap_or_default();
        if accept.contains("application/snowflake") { Format::Arrow } else { Format::Json }
    }
}

/// Where an answer belongs.
pub(crate) struct Place<'a> {
    pub(crate) base: &'a str,
    pub(crate) query_id: &'a str,
    pub(crate) session: &'a Session,
    pub(crate) format: Format,
    pub(crate) describe_only: bool,
}

impl Outcome {
    pub(crate) fn json(&self, place: &Place<'_>) -> Value {
        let (mut data, type_id) = match self {
            Outcome::Rows { columns, rows } => (few(columns, rows, place), 4096),
            Outcome::Listing { columns, rows } => {
                (few(columns, rows, &Place { format: Format::Json, ..*place }), 4096)
            }
            Outcome::Made(made) => (many(*made, place), 4096),
            Outcome::Status(line) => {
                let rows = vec![vec![Some(line.clone())]];
                let columns = [Column::text("status", 16_777_216)];
                (few(&columns, &rows, &Place { format: Format::Json, ..*place }), 24_576)
            }
            Outcome::Effect { column, type_id } => {
                let rows = vec![vec![Some("1".to_owned())]];
                let columns = [Column::fixed(column, 19, 0)];
                let place = Place { format: Format::Json, ..*place };
                (few(&columns, &rows, &place), *type_id)
            }
            Outcome::Transfer { upload, path } => (transfer(*upload, path, place), 24_576),
        };
        let session = place.session;
        let common = json!({
            "parameters": parameters(), "queryId": place.query_id, "databaseProvider": null,
            "finalDatabaseName": session.database, "finalSchemaName": session.schema,
            "finalWarehouseName": session.warehouse, "finalRoleName": session.role,
            "numberOfBinds": 0, "arrayBindSupported": false, "statementTypeId": type_id,
            "version": 1, "sendResultTime": 1_763_740_800_000_i64,
            "queryContext": {"entries": [{"id": 0, "timestamp": 1, "priority": 0, "context": "CAQ="}]}
        });
        if let (Some(data), Value::Object(common)) = (data.as_object_mut(), common) {
            data.extend(common);
        }
        json!({"data": data, "code": null, "message": null, "success": true})
    }
}

fn rowtype(columns: &[Column]) -> Value {
    columns.iter().map(Column::json).collect()
}

fn few(columns: &[Column], rows: &[Vec<Option<String>>], place: &Place<'_>) -> Value {
    let rows = if place.describe_only { &[] } else { rows };
    let (key, format, inline) = match place.format {
        Format::Arrow if rows.is_empty() => ("rowsetBase64", "arrow", Value::from("")),
        Format::Arrow => ("rowsetBase64", "arrow", Value::from(rows::small_arrow(columns, rows))),
        Format::Json => ("rowset", "json", json!(rows)),
    };
    json!({
        "rowtype": rowtype(columns), key: inline, "total": rows.len(), "returned": rows.len(),
        "queryResultFormat": format
    })
}

fn many(made: Made, place: &Place<'_>) -> Value {
    let made = if place.describe_only { Made { rows: 0, chunks: 0, ..made } } else { made };
    let (key, inline) = made.inline();
    let format = if made.arrow { "arrow" } else { "json" };
    let mut data = json!({
        "rowtype": rowtype(&made.columns()), key: inline, "total": made.rows,
        "returned": made.rows, "queryResultFormat": format
    });
    if made.chunks > 0 {
        data["chunks"] = made.listed(place.base, place.query_id);
        data["chunkHeaders"] = rows::chunk_headers();
        data["qrmk"] = Value::from(rows::CHUNK_KEY);
    }
    data
}

/// An order to the client to read or write its own files, with a place at this very server.
fn transfer(upload: bool, path: &str, place: &Place<'_>) -> Value {
    let material = json!({
        "queryStageMasterKey": "ztke8tIdVt1zmlQIZm0BMA==", "queryId": place.query_id, "smkId": 3112
    });
    let stage = json!({
        "locationType": "S3", "location": "stages/of/tests/", "path": "of/tests/",
        "region": "us-west-2", "storageAccount": null, "isClientSideEncrypted": true,
        "creds": {"AWS_KEY_ID": "AKIDTEST", "AWS_SECRET_KEY": "stage-secret", "AWS_TOKEN": "stage-token",
                  "AWS_ID": "AKIDTEST", "AWS_KEY": "stage-secret"},
        "presignedUrl": null, "endPoint": place.base
    });
    let (command, encryption) =
        if upload { ("UPLOAD", material) } else { ("DOWNLOAD", json!([material])) };
    let mut data = json!({
        "command": command, "kind": null, "operation": "Node", "src_locations": [path],
        "parallel": 4, "threshold": 209_715_200, "autoCompress": true, "overwrite": false,
        "sourceCompression": "auto_detect", "clientShowEncryptionParameter": true,
        "encryptionMaterial": encryption, "stageInfo": stage
    });
    if !upload {
        data["localLocation"] = Value::from("/tmp/");
        data["presignedUrls"] = json!([]);
    }
    data
}

/// The answer while a statement still runs.
pub(crate) fn in_progress(code: &str, query_id: &str) -> Value {
    let message = "Asynchronous execution in progress. Use provided query id to perform query \
                   monitoring and management.";
    json!({
        "data": {
            "queryId": query_id, "getResultUrl": format!("/queries/{query_id}/result"),
            "queryAbortsAfterSecs": 300, "progressDesc": null
        },
        "code": code, "message": message, "success": true
    })
}

/// Leaves out what a client can do without.
pub(crate) fn sparse(mut answer: Value) -> Value {
    let kept = [
        "rowtype",
        "rowset",
        "rowsetBase64",
        "total",
        "queryId",
        "queryResultFormat",
        "chunks",
        "chunkHeaders",
        "getResultUrl",
        "token",
        "sessionId",
        "masterToken",
        "sessionToken",
    ];
    if let Some(data) = answer["data"].as_object_mut() {
        data.retain(|key, _| kept.contains(&key.as_str()));
    }
    answer
}

/// Gives the first column a type that nobody has heard of.
pub(crate) fn strange_type(mut answer: Value) -> Value {
    if let Some(kind) = answer.pointer_mut("/data/rowtype/0/type") {
        *kind = Value::from("quaternion");
    }
    answer
}
