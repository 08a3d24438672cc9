//! `search_objects`: finds tables, views and other objects by a part of their name.
//!
//! It says as much of each as was asked for, because a list of names is read by a model too.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::kinds::{self, Kind, Scope};
use crate::mcp::answer::cell_text;
use crate::mcp::names::{Name, literal};
use crate::mcp::tools::shelf::{Definition, Effect, input};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, hints, parsed, position, row_limit};
use crate::warehouse::{Answer, Cell, Context};

/// The most objects of one answer.
const OBJECTS_MAX: usize = 500;
/// The most objects whose columns are shown.
const DESCRIBED_MAX: usize = 10;

#[derive(Debug, Deserialize)]
struct Arguments {
    #[serde(default)]
    pattern: String,
    #[serde(default = "kinds_default")]
    kinds: Vec<String>,
    database: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    detail: Detail,
    #[serde(default = "limit_default")]
    limit: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Detail {
    Names,
    #[default]
    Summary,
    Full,
}

fn kinds_default() -> Vec<String> {
    vec!["table".to_owned(), "view".to_owned()]
}

fn limit_default() -> i64 {
    50
}

/// One object that was found.
struct Found {
    kind: &'static str,
    name: String,
    facts: Map<String, Value>,
    columns: Option<Vec<Value>>,
}

pub(super) const ENTRY: Entry = Entry {
    name: "search_objects",
    toolset: "core",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Search objects".into(),
        description: "Finds objects by a part of their name (or a LIKE pattern with %), in any \
                      case. Kinds: table, view, schema, database, column, function, procedure, \
                      stage, task, warehouse and more."
            .into(),
        input: input(
            json!({
                "pattern": { "type": "string", "description": "All when left out." },
                "kinds": { "type": "array", "items": { "type": "string" }, "default": kinds_default() },
                "database": { "type": "string" },
                "schema": { "type": "string" },
                "detail": { "type": "string", "enum": ["names", "summary", "full"], "default": "summary", "description": "full: with columns." },
                "limit": { "type": "integer", "minimum": 1, "maximum": OBJECTS_MAX, "default": limit_default() }
            }),
            &[],
        ),
        output: json!({
            "type": "object",
            "properties": {
                "objects": { "type": "array", "items": { "type": "object" } },
                "truncated": { "type": "boolean" }
            },
            "required": ["objects", "truncated"]
        }),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let limit = row_limit(arguments.limit)?.min(OBJECTS_MAX);
    let database = arguments.database.as_deref().map(|name| errand.database(name)).transpose()?;
    let schema = arguments.schema.as_deref().map(Name::parse).transpose()?;
    let mut asked: Vec<&Kind> = Vec::new();
    for word in &arguments.kinds {
        let kind = kinds::named(word)?;
        if !asked.contains(&kind) {
            asked.push(kind);
        }
    }
    let context = Context {
        database: database.as_ref().map(|name| name.as_str().to_owned()),
        ..Context::default()
    };
    let pattern = literal(&pattern(&arguments.pattern));
    let mut found = Vec::new();
    for kind in asked {
        let within = kind.within(database.as_ref(), schema.as_ref());
        let statement = format!("SHOW {} LIKE {pattern}{within}", kind.plural);
        match errand.ask(&statement, &context).await {
            Ok(listed) => found.extend(objects(errand, kind, &listed, arguments.detail)),
            Err(error) => return Err(hints::helped(errand, &context, error).await),
        }
    }
    let truncated = found.len() > limit;
    found.truncate(limit);
    if arguments.detail == Detail::Full {
        for object in found.iter_mut().take(DESCRIBED_MAX) {
            object.columns = columns(errand, object).await?;
        }
    }
    Ok(reply(errand, found, truncated))
}

/// A part of a name as a pattern; a pattern as it is.
fn pattern(text: &str) -> String {
    if text.contains('%') { text.to_owned() } else { format!("%{text}%") }
}

/// What a listing of a kind shows, but for what the caller may not name.
fn objects(
    errand: &Errand<'_>,
    kind: &'static Kind,
    listed: &Answer,
    detail: Detail,
) -> Vec<Found> {
    let cell = |row: &[Cell], column: &str| {
        let text = position(listed, column).and_then(|at| row.get(at)).map(cell_text);
        text.filter(|text| !text.is_empty() && text != "NULL")
    };
    let facts: &[&str] = match detail {
        Detail::Names => &[],
        Detail::Summary | Detail::Full => &["rows", "bytes", "state", "data_type", "comment"],
    };
    let object = |row: &Vec<Cell>| {
        let own = cell(row, if kind.word == "column" { "column_name" } else { "name" })?;
        let database = match kind.word {
            "database" => Some(own.clone()),
            _of_a_database => cell(row, "database_name").or_else(|| cell(row, "catalog_name")),
        };
        if database.as_ref().is_some_and(|name| !errand.caller.grant.databases.allows(name)) {
            return None;
        }
        let before = match kind.scope {
            Scope::Account => [None, None, None],
            Scope::Database => [database, None, None],
            Scope::Schema => {
                let table = (kind.word == "column").then(|| cell(row, "table_name")).flatten();
                [database, cell(row, "schema_name"), table]
            }
        };
        let path = before.into_iter().flatten().chain([own]);
        let name: Vec<String> = path.map(|part| Name::known(part).to_string()).collect();
        let facts = facts.iter().filter_map(|fact| {
            let text = cell(row, fact)?;
            let value = text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number));
            Some(((*fact).to_owned(), value))
        });
        let facts = facts.collect();
        Some(Found { kind: kind.word, name: name.join("."), facts, columns: None })
    };
    listed.rows.iter().filter_map(object).collect()
}

/// The columns of a table or view; none of what has none.
async fn columns(errand: &Errand<'_>, object: &Found) -> Result<Option<Vec<Value>>, ToolError> {
    if !["table", "view"].contains(&object.kind) {
        return Ok(None);
    }
    // The name is one that the account gave, written as it goes into a statement.
    let statement = format!("DESCRIBE {} {}", object.kind.to_uppercase(), object.name);
    let described = match errand.ask(&statement, &Context::default()).await {
        Ok(described) => described,
        Err(error) if error.is_about_statement() => return Ok(None),
        Err(error) => return Err(error),
    };
    let (name, kind) = (position(&described, "name"), position(&described, "type"));
    let text = |row: &[Cell], at: Option<usize>| {
        at.and_then(|at| row.get(at)).map(cell_text).unwrap_or_default()
    };
    let column = |row: &Vec<Cell>| json!({ "name": text(row, name), "type": text(row, kind) });
    Ok(Some(described.rows.iter().map(column).collect()))
}

fn reply(errand: &Errand<'_>, found: Vec<Found>, mut truncated: bool) -> Reply {
    let characters_max = errand.limits().characters_max as usize;
    let (mut lines, mut objects) = (Vec::new(), Vec::new());
    let (mut text_length, mut data_length) = (0, 0);
    for object in found {
        let (line, value) = shown(object);
        text_length += line.chars().count() + 1;
        data_length += value.to_string().chars().count() + 1;
        if text_length > characters_max || data_length > characters_max {
            truncated = true;
            break;
        }
        lines.push(line);
        objects.push(value);
    }
    let mut text = match lines.len() {
        0 => "Nothing found that this role can see. Try a shorter pattern, other kinds, or no \
              database."
            .to_owned(),
        count => format!("{count} found:\n{}", lines.join("\n")),
    };
    if truncated {
        text.push_str("\nThere are more: say a longer pattern, or where to look.");
    }
    Reply::new(text, json!({ "objects": objects, "truncated": truncated }))
}

fn shown(object: Found) -> (String, Value) {
    let Found { kind, name, facts, columns } = object;
    let mut line = format!("- {kind} {name}");
    for (fact, value) in &facts {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line.push_str(&format!("; {fact}: {}", text.replace(['\r', '\n'], " ")));
    }
    let mut value = json!({ "kind": kind, "name": name });
    if let Some(columns) = columns {
        for column in &columns {
            let text = |key: &str| column[key].as_str().unwrap_or_default().to_owned();
            line.push_str(&format!("\n    {} {}", text("name"), text("type")));
        }
        value["columns"] = Value::Array(columns);
    }
    for (fact, of_it) in facts {
        value[fact] = of_it;
    }
    (line, value)
}
