//! Semantic views: listed, described, queried.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{TOOLSET, own, query, scope};
use crate::mcp::answer;
use crate::mcp::names::{Name, Path, literal};
use crate::mcp::tools::errand::{Errand, parsed};
use crate::mcp::tools::shelf::{Definition, Effect, Entry, input};
use crate::mcp::tools::{Reply, ToolError};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    database_name: Option<String>,
    schema_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct View {
    database_name: String,
    schema_name: String,
    view_name: String,
}

/// A question to a semantic view.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    database_name: String,
    schema_name: String,
    view_name: String,
    #[serde(default)]
    dimensions: Vec<Expression>,
    #[serde(default)]
    metrics: Vec<Expression>,
    #[serde(default)]
    facts: Vec<Expression>,
    where_clause: Option<String>,
    order_by: Option<String>,
    limit: Option<u32>,
}

/// One dimension, metric or fact, of a logical table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expression {
    table: String,
    name: String,
}

pub(super) const ENTRIES: [Entry; 7] = [
    entry(
        "list_semantic_views",
        || {
            let place = json!({
                "database_name": { "type": "string" },
                "schema_name": { "type": "string" }
            });
            reading("List semantic views", "Lists the semantic views of a schema.", place, &[])
        },
        |errand, arguments| {
            Box::pin(async move {
                let Place { database_name, schema_name } = parsed(arguments)?;
                let place = scope(errand, database_name.as_deref(), schema_name.as_deref())?;
                own(errand, &format!("SHOW SEMANTIC VIEWS{place}")).await
            })
        },
    ),
    entry(
        "describe_semantic_view",
        || about_view("Describe a semantic view", "Describes a semantic view."),
        |errand, arguments| {
            Box::pin(async move {
                let path = path(errand, parsed(arguments)?)?.quoted();
                own(errand, &format!("DESCRIBE SEMANTIC VIEW {path}")).await
            })
        },
    ),
    entry(
        "show_semantic_dimensions",
        || about_view("Show dimensions", "Lists the dimensions of a semantic view."),
        |errand, arguments| {
            Box::pin(async move {
                let path = path(errand, parsed(arguments)?)?.quoted();
                own(errand, &format!("SHOW SEMANTIC DIMENSIONS IN {path}")).await
            })
        },
    ),
    entry(
        "show_semantic_metrics",
        || about_view("Show metrics", "Lists the metrics of a semantic view."),
        |errand, arguments| {
            Box::pin(async move {
                let path = path(errand, parsed(arguments)?)?.quoted();
                own(errand, &format!("SHOW SEMANTIC METRICS IN {path}")).await
            })
        },
    ),
    entry(
        "get_semantic_view_ddl",
        || about_view("Definition of a semantic view", "Shows the statement that makes it."),
        |errand, arguments| {
            Box::pin(async move {
                let path = literal(&path(errand, parsed(arguments)?)?.quoted());
                let statement = format!("SELECT GET_DDL('SEMANTIC_VIEW', {path}, TRUE) AS \"DDL\"");
                own(errand, &statement).await
            })
        },
    ),
    entry(
        "write_semantic_view_query_tool",
        || Definition {
            output: json!({
                "type": "object",
                "properties": { "statement": { "type": "string" } },
                "required": ["statement"]
            }),
            ..about_question(
                "Write a query",
                "Writes a statement on a semantic view; runs nothing.",
            )
        },
        |errand, arguments| {
            Box::pin(async move {
                let statement = statement(errand, &parsed(arguments)?)?;
                Ok(Reply::new(statement.clone(), json!({ "statement": statement })))
            })
        },
    ),
    entry(
        "query_semantic_view",
        || about_question("Query a semantic view", "Asks a semantic view."),
        |errand, arguments| {
            Box::pin(async move {
                let statement = statement(errand, &parsed(arguments)?)?;
                query(errand, &statement, None, &crate::warehouse::Context::default()).await
            })
        },
    ),
];

const fn entry(
    name: &'static str,
    definition: fn() -> Definition,
    call: for<'a> fn(
        &'a Errand<'a>,
        rmcp::model::JsonObject,
    ) -> crate::mcp::tools::shelf::Running<'a>,
) -> Entry {
    Entry { name, toolset: TOOLSET, definition, call }
}

fn reading(
    title: &'static str,
    description: &'static str,
    properties: Value,
    required: &[&str],
) -> Definition {
    Definition {
        title: title.into(),
        description: description.into(),
        input: input(properties, required),
        output: answer::output_schema(),
        effect: Effect::Reads,
    }
}

fn view_properties() -> Value {
    json!({
        "database_name": { "type": "string" },
        "schema_name": { "type": "string" },
        "view_name": { "type": "string" }
    })
}

const VIEW: [&str; 3] = ["database_name", "schema_name", "view_name"];

fn about_view(title: &'static str, description: &'static str) -> Definition {
    reading(title, description, view_properties(), &VIEW)
}

fn about_question(title: &'static str, description: &'static str) -> Definition {
    let expressions = |what: &str| {
        json!({
            "type": "array",
            "description": what,
            "items": {
                "type": "object",
                "properties": { "table": { "type": "string" }, "name": { "type": "string" } },
                "required": ["table", "name"]
            }
        })
    };
    let mut properties = view_properties();
    properties["dimensions"] = expressions("What to group by.");
    properties["metrics"] = expressions("What to compute; not together with facts.");
    properties["facts"] = expressions("What to show row by row; not together with metrics.");
    properties["where_clause"] =
        json!({ "type": "string", "description": "Conditions, without WHERE." });
    properties["order_by"] =
        json!({ "type": "string", "description": "Columns, without ORDER BY." });
    properties["limit"] = json!({ "type": "integer", "minimum": 0 });
    reading(title, description, properties, &VIEW)
}

fn path(errand: &Errand<'_>, view: View) -> Result<Path, ToolError> {
    errand.path(&view.view_name, (Some(&view.schema_name), &view.database_name))
}

/// The statement that asks. Its conditions are the caller's own SQL: the gate reads them with it.
fn statement(errand: &Errand<'_>, asked: &Asked) -> Result<String, ToolError> {
    let wrong = |words: &str| Err(ToolError::Arguments(words.to_owned()));
    if asked.dimensions.is_empty() && asked.metrics.is_empty() && asked.facts.is_empty() {
        return wrong("name at least one of `dimensions`, `metrics` and `facts`");
    }
    if !asked.facts.is_empty() && !asked.metrics.is_empty() {
        return wrong("`facts` and `metrics` cannot be asked for together");
    }
    let place = (Some(asked.schema_name.as_str()), asked.database_name.as_str());
    let mut statement =
        format!("SELECT * FROM SEMANTIC_VIEW({}", errand.path(&asked.view_name, place)?.quoted());
    for (word, list) in
        [("DIMENSIONS", &asked.dimensions), ("METRICS", &asked.metrics), ("FACTS", &asked.facts)]
    {
        if list.is_empty() {
            continue;
        }
        let quoted = |one: &Expression| {
            let (table, name) = (Name::parse(&one.table)?, Name::parse(&one.name)?);
            Ok::<_, ToolError>(format!("{}.{}", table.quoted(), name.quoted()))
        };
        let list: Vec<String> = list.iter().map(quoted).collect::<Result<_, _>>()?;
        statement.push_str(&format!(" {word} {}", list.join(", ")));
    }
    statement.push(')');
    if let Some(conditions) = asked.where_clause.as_deref().filter(|text| !text.is_empty()) {
        statement.push_str(&format!(" WHERE {conditions}"));
    }
    if let Some(columns) = asked.order_by.as_deref().filter(|text| !text.is_empty()) {
        statement.push_str(&format!(" ORDER BY {columns}"));
    }
    if let Some(limit) = asked.limit {
        statement.push_str(&format!(" LIMIT {limit}"));
    }
    errand.judge(&statement, &crate::warehouse::Context::default())?;
    Ok(statement)
}

#[cfg(test)]
mod tests {
    use crate::sql::{Level, decide};

    #[test]
    fn the_gate_lets_questions_to_semantic_views_pass() {
        for statement in [
            "SHOW SEMANTIC VIEWS IN SCHEMA \"A\".\"B\"",
            "DESCRIBE SEMANTIC VIEW \"A\".\"B\".\"C\"",
            "SHOW SEMANTIC DIMENSIONS IN \"A\".\"B\".\"C\"",
            "SHOW SEMANTIC METRICS IN \"A\".\"B\".\"C\"",
            "SELECT GET_DDL('SEMANTIC_VIEW', '\"A\".\"B\".\"C\"', TRUE) AS \"DDL\"",
            "SELECT * FROM SEMANTIC_VIEW(\"A\".\"B\".\"C\" DIMENSIONS \"T\".\"D\" METRICS \"T\".\"M\") \
             WHERE \"D\" = 1 ORDER BY \"M\" LIMIT 10",
        ] {
            let decision = decide(statement, Level::Read);
            assert!(decision.is_allowed(), "{statement}: {decision:?}");
        }
    }
}
