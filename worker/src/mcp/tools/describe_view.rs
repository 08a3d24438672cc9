//! `describe_view`: columns and definition of a view, or of a table.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Definition, Effect, Entry, Errand, Reply, ToolError, hints, input, parsed, position};
use crate::mcp::answer::cell_text;
use crate::mcp::names::{Path, literal};
use crate::warehouse::{Answer, Cell, Context};

#[derive(Debug, Deserialize)]
struct Arguments {
    database: String,
    view_name: String,
    schema: Option<String>,
}

/// One column of the description.
struct Described {
    name: String,
    type_name: String,
    nullable: bool,
    comment: String,
}

pub(super) const ENTRY: Entry = Entry {
    name: "describe_view",
    toolset: "core",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Describe a view".into(),
        description: "Shows the columns with their types, and the SQL definition, of a view or \
                      a table."
            .into(),
        input: input(
            json!({
                "database": { "type": "string", "description": "Database of the view." },
                "view_name": { "type": "string", "description": "The view or table; may be written schema.view." },
                "schema": { "type": "string", "description": "Schema of the view; the default one when left out." }
            }),
            &["database", "view_name"],
        ),
        output: json!({
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "query_id": { "type": "string" },
                "columns": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": { "type": "string" },
                            "type": { "type": "string" },
                            "nullable": { "type": "boolean" },
                            "comment": { "type": "string" }
                        },
                        "required": ["name", "type", "nullable", "comment"]
                    }
                },
                "definition": { "type": ["string", "null"] }
            },
            "required": ["name", "query_id", "columns"]
        }),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let place = (arguments.schema.as_deref(), arguments.database.as_str());
    let path = errand.path(&arguments.view_name, place)?;
    let context = path.context();
    let (answer, definition) = match describe(errand, &path, &context, "VIEW").await {
        Ok(found) => found,
        Err(error) if error.is_about_statement() => {
            match describe(errand, &path, &context, "TABLE").await {
                Ok(found) => found,
                // Neither a view nor a table: the first answer is about what was asked for.
                Err(_) => return Err(hints::helped(errand, &context, error).await),
            }
        }
        Err(error) => return Err(error),
    };
    Ok(reply(&path, &answer, definition))
}

/// What the warehouse says of an object, and the statement that would make it.
pub(super) async fn describe(
    errand: &Errand<'_>,
    path: &Path,
    context: &Context,
    kind: &str,
) -> Result<(Answer, Option<String>), ToolError> {
    let quoted = path.quoted();
    let answer = errand.ask(&format!("DESCRIBE {kind} {quoted}"), context).await?;
    let ddl = format!("SELECT GET_DDL('{kind}', {})", literal(&quoted));
    let definition = match errand.ask(&ddl, context).await {
        Ok(ddl) => ddl.rows.first().and_then(|row| row.first()).map(cell_text),
        Err(error) if error.is_about_statement() => None,
        Err(error) => return Err(error),
    };
    Ok((answer, definition))
}

fn reply(path: &Path, answer: &Answer, definition: Option<String>) -> Reply {
    let columns = columns(answer);
    let lines: Vec<String> = columns.iter().map(line).collect();
    let shown = match &definition {
        Some(sql) => format!("```sql\n{sql}\n```"),
        None => "The warehouse does not show it.".to_owned(),
    };
    let text = format!(
        "## View: {path}\n\nRequest ID: {}\n\n### Columns:\n{}\n\n### View Definition:\n{shown}",
        answer.query_id,
        lines.join("\n"),
    );
    let columns: Vec<Value> = columns
        .iter()
        .map(|column| {
            json!({
                "name": column.name,
                "type": column.type_name,
                "nullable": column.nullable,
                "comment": column.comment,
            })
        })
        .collect();
    let structured = json!({
        "name": path.to_string(),
        "query_id": answer.query_id,
        "columns": columns,
        "definition": definition,
    });
    Reply::new(text, structured)
}

fn columns(answer: &Answer) -> Vec<Described> {
    let column = |label: &str| position(answer, label);
    let (name, type_name) = (column("name").unwrap_or(0), column("type").unwrap_or(1));
    let (nullable, comment) = (column("null?"), column("comment"));
    let text = |row: &[Cell], at: Option<usize>| match at.and_then(|at| row.get(at)) {
        None | Some(Cell::Null) => String::new(),
        Some(cell) => cell_text(cell),
    };
    let described = |row: &Vec<Cell>| Described {
        name: text(row, Some(name)),
        type_name: text(row, Some(type_name)),
        nullable: !text(row, nullable).starts_with(['N', 'n']),
        comment: text(row, comment),
    };
    answer.rows.iter().map(described).collect()
}

fn line(column: &Described) -> String {
    let null = if column.nullable { "NULL" } else { "NOT NULL" };
    let remark = match column.comment.as_str() {
        "" => String::new(),
        comment => format!(" - {comment}"),
    };
    format!("- {} : {} {null}{remark}", column.name, column.type_name)
}
