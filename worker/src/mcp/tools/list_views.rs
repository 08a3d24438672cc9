//! `list_views`: which views a schema, or a whole database, has.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Definition, Effect, Entry, Errand, Reply, ToolError, input, parsed, position};
use crate::mcp::answer::cell_text;
use crate::mcp::names::Name;
use crate::warehouse::{Answer, Cell, Context};

#[derive(Debug, Deserialize)]
struct Arguments {
    database: String,
    schema: Option<String>,
}

/// One view of the list.
struct View {
    schema: String,
    name: String,
    created: String,
}

pub(super) const ENTRY: Entry = Entry {
    name: "list_views",
    toolset: "core",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "List views".into(),
        description: "Lists the views of a schema, or of all schemas of the database when \
                      `schema` is left out. For tables use search_objects."
            .into(),
        input: input(
            json!({
                "database": { "type": "string", "description": "Database to look in." },
                "schema": { "type": "string", "description": "Schema to look in; all when left out." }
            }),
            &["database"],
        ),
        output: json!({
            "type": "object",
            "properties": {
                "database": { "type": "string" },
                "views": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "schema": { "type": "string" },
                            "name": { "type": "string" },
                            "created": { "type": "string" }
                        },
                        "required": ["schema", "name", "created"]
                    }
                }
            },
            "required": ["database", "views"]
        }),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let database = errand.database(&arguments.database)?;
    let schema = arguments.schema.as_deref().map(Name::parse).transpose()?;
    let (place, statement) = match &schema {
        Some(schema) => (
            format!("{database}.{schema}"),
            format!("SHOW VIEWS IN SCHEMA {}.{}", database.quoted(), schema.quoted()),
        ),
        None => (database.to_string(), format!("SHOW VIEWS IN DATABASE {}", database.quoted())),
    };
    let context = Context {
        database: Some(database.as_str().to_owned()),
        schema: schema.as_ref().map(|schema| schema.as_str().to_owned()),
        ..Context::default()
    };
    let answer = errand.ask(&statement, &context).await?;
    let views = views(&answer);
    let text = if views.is_empty() {
        format!(
            "No views found in {place}\nTables may be there: execute_query with `SHOW TABLES IN {} \
             {place}`.",
            if schema.is_some() { "SCHEMA" } else { "DATABASE" },
        )
    } else {
        let line = |view: &View| match &schema {
            Some(_) => format!("{} (created: {})", view.name, view.created),
            None => format!("{}.{} (created: {})", view.schema, view.name, view.created),
        };
        let lines: Vec<String> = views.iter().map(line).collect();
        format!("Views in {place}:\n{}", lines.join("\n"))
    };
    let views: Vec<Value> = views
        .iter()
        .map(|view| json!({ "schema": view.schema, "name": view.name, "created": view.created }))
        .collect();
    let structured = json!({ "database": database.as_str(), "views": views });
    Ok(Reply::new(text, structured))
}

fn views(answer: &Answer) -> Vec<View> {
    let column = |label: &str| position(answer, label);
    let (name, schema, created) = (column("name"), column("schema_name"), column("created_on"));
    let text = |row: &[Cell], at: Option<usize>| {
        at.and_then(|at| row.get(at)).map(cell_text).unwrap_or_default()
    };
    let view = |row: &Vec<Cell>| View {
        schema: text(row, schema),
        name: text(row, name),
        created: text(row, created),
    };
    answer.rows.iter().map(view).collect()
}
