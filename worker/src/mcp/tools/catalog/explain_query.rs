//! `explain_query`: what a statement would read and do, without running it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::mcp::answer::cell_text;
use crate::mcp::tools::errand::Spot;
use crate::mcp::tools::guard::{Estimate, explain, in_words};
use crate::mcp::tools::parameters::{Bound, bind};
use crate::mcp::tools::shelf::{Definition, Effect, input};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, credits, hints, parsed};
use crate::warehouse::pool::PoolError;
use crate::warehouse::{Answer, Context, WarehouseError};

/// The most characters of a plan.
const PLAN_CHARS_MAX: usize = 20_000;

#[derive(Debug, Deserialize)]
struct Arguments {
    query: String,
    #[serde(flatten)]
    spot: Spot,
    parameters: Option<Value>,
}

pub(super) const ENTRY: Entry = Entry {
    name: "explain_query",
    toolset: "core",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Explain a query".into(),
        description: "Shows the plan of a statement without running it: partitions and bytes that \
                      it would scan, and its steps."
            .into(),
        input: input(
            json!({
                "query": { "type": "string" },
                "parameters": { "type": ["array", "object"] },
                "database": { "type": "string" },
                "schema": { "type": "string" },
                "role": { "type": "string" },
                "warehouse": { "type": "string" },
                "connection": { "type": "string" }
            }),
            &["query"],
        ),
        output: json!({
            "type": "object",
            "properties": {
                "bytes": { "type": ["integer", "null"] },
                "partitions": { "type": ["integer", "null"] },
                "partitions_total": { "type": ["integer", "null"] },
                "plan": { "type": "string" }
            },
            "required": ["bytes", "partitions", "partitions_total", "plan"]
        }),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let Bound { statement, bindings } = bind(&arguments.query, arguments.parameters.as_ref())?;
    let context = Context { bindings, ..errand.stand(&arguments.spot)? };
    errand.judge(&format!("EXPLAIN {statement}"), &context)?;
    let (estimate, plan) = match explain(errand, &statement, &context).await {
        Ok((estimate, answer)) => (estimate, steps(&answer)),
        Err(ToolError::Pool(PoolError::Warehouse(WarehouseError::Unsupported { .. }))) => {
            let text = format!("EXPLAIN USING TEXT {statement}");
            match errand.ask(&text, &context).await {
                Ok(answer) => (Estimate::default(), first_cell(&answer)),
                Err(error) => return Err(hints::helped(errand, &context, error).await),
            }
        }
        Err(error) => return Err(hints::helped(errand, &context, error).await),
    };
    let mut reply = reply(estimate, plan);
    if let Some(cost) = errand.cost() {
        let per_hour = credits::per_hour(errand, &context).await?;
        let left = cost.structured()["left_today"].clone();
        reply.text.push_str(&format!(
            "\n\nIts warehouse costs {per_hour} credits an hour; {left} are left to this client today \
             (UTC), by estimate."
        ));
        reply.structured["credits"] = json!({ "per_hour": per_hour, "left_today": left });
    }
    Ok(reply)
}

fn reply(estimate: Estimate, plan: String) -> Reply {
    let plan = match plan.char_indices().nth(PLAN_CHARS_MAX) {
        None => plan,
        Some((end, _)) => format!("{}...", &plan[..end]),
    };
    let Estimate { bytes, partitions, partitions_total } = estimate;
    let scans = match (bytes, partitions, partitions_total) {
        (Some(bytes), Some(some), Some(all)) => {
            format!("Scans about {} in {some} of {all} partitions.", in_words(bytes))
        }
        _ => "The account gives no estimate of what it would scan.".to_owned(),
    };
    let text = format!("## Plan\n\n{scans}\n\n```text\n{plan}\n```");
    let structured = json!({
        "bytes": bytes,
        "partitions": partitions,
        "partitions_total": partitions_total,
        "plan": plan,
    });
    Reply::new(text, structured)
}

fn first_cell(answer: &Answer) -> String {
    answer.rows.first().and_then(|row| row.first()).map(cell_text).unwrap_or_default()
}

/// The steps of a plan in JSON, one a line; the JSON itself when it has another shape.
fn steps(answer: &Answer) -> String {
    let text = first_cell(answer);
    let plan: Value = serde_json::from_str(&text).unwrap_or_default();
    let stages = plan.get("Operations").and_then(Value::as_array);
    let operations = stages.into_iter().flatten().filter_map(Value::as_array).flatten();
    let lines: Vec<String> = operations.map(step).collect();
    if lines.is_empty() { text } else { lines.join("\n") }
}

fn step(operation: &Value) -> String {
    let listed = |key: &str| {
        let items = operation.get(key).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let number = |key: &str| operation.get(key).and_then(Value::as_u64);
    let mut line = operation.get("operation").and_then(Value::as_str).unwrap_or("?").to_owned();
    for more in [listed("objects"), listed("expressions")] {
        if !more.is_empty() {
            line.push_str(&format!(" {more}"));
        }
    }
    if let (Some(some), Some(all)) = (number("partitionsAssigned"), number("partitionsTotal")) {
        line.push_str(&format!(" [{some} of {all} partitions]"));
    }
    line
}
