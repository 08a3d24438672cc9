//! `list_databases`: which databases there are.

use serde_json::json;

use super::{Definition, Effect, Entry, Errand, Reply, ToolError, input, position};
use crate::mcp::answer::cell_text;
use crate::warehouse::Context;

/// Where `SHOW DATABASES` has the name when its columns are not labelled.
const NAME_POSITION: usize = 1;

pub(super) const ENTRY: Entry = Entry {
    name: "list_databases",
    toolset: "core",
    definition,
    call: |errand, _arguments| Box::pin(async move { call(errand).await }),
};

fn definition() -> Definition {
    Definition {
        title: "List databases".into(),
        description: "Lists the databases that can be read. Start here.".into(),
        input: input(json!({}), &[]),
        output: json!({
            "type": "object",
            "properties": { "databases": { "type": "array", "items": { "type": "string" } } },
            "required": ["databases"]
        }),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>) -> Result<Reply, ToolError> {
    let answer = errand.ask("SHOW DATABASES", &Context::default()).await?;
    let at = position(&answer, "name").unwrap_or(NAME_POSITION);
    let named = answer.rows.iter().filter_map(|row| row.get(at)).map(cell_text);
    let databases: Vec<String> =
        named.filter(|name| errand.caller.grant.databases.allows(name)).collect();
    let text = format!("Available Snowflake databases:\n{}", databases.join("\n"));
    Ok(Reply::new(text, json!({ "databases": databases })))
}
