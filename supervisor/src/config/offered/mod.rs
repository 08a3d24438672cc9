//! The tools that an app declares: statements with parameters.
//!
//! Checked here is what can be without knowing SQL: that a statement's parameters are those that
//! are declared, and that their values are what they are said to be. Whether the statement may run
//! is for the worker's gate.

mod parameters;
mod statement;

use mcp_protocol::access::{Allowed, Level};
use mcp_protocol::offered::{Offered, StatementPlace, StatementTool};

use self::parameters::PARAMETERS;
use super::file::{Node, child_key};
use super::keys::{Key, Kind, key, nearest};
use super::problem::Report;
use super::section::Section;

/// The words for how far a statement goes, in the order of [`LEVELS`].
const LEVEL_WORDS: &[&str] = &["read", "write", "destructive"];
const LEVELS: [Level; 3] = [Level::Read, Level::Write, Level::Destructive];

/// `[apps.NAME.tools.NAME]`.
pub(super) const TOOLS: Key = key("tools", Kind::Named(TOOL), "");

const TOOL: &[Key] = &[
    key("description", Kind::Text, r#""Orders of a customer since a day, newest first.""#),
    key("statement", Kind::Text, r#""SELECT * FROM orders WHERE customer = :customer""#),
    key("parameters", Kind::Named(PARAMETERS), ""),
    key("connection", Kind::Text, r#""production""#),
    key("role", Kind::Text, r#""MCP_READER""#),
    key("warehouse", Kind::Text, r#""COMPUTE_WH""#),
    key("database", Kind::Text, r#""ANALYTICS""#),
    key("schema", Kind::Text, r#""PUBLIC""#),
    key("level", Kind::Choice(LEVEL_WORDS), r#""read""#),
    key("limit", Kind::Count { min: 1, max: 10_000_000, what: "a number of rows" }, "100"),
    key("clients", Kind::Texts, r#"["reporting"]"#),
];

/// The tools that an app declares.
pub(super) fn read(app: Section<'_>, report: &mut Report) -> Offered {
    let tools = app.section("tools").members();
    for (_, tool) in &tools {
        check_names(app, *tool, report);
    }
    Offered { tools: tools.into_iter().filter_map(|(name, one)| tool(name, one, report)).collect() }
}

/// Notes names of what the app does not have: a connection, clients.
fn check_names(app: Section<'_>, tool: Section<'_>, report: &mut Report) {
    let connection = tool.text("connection").zip(tool.node("connection"));
    if let Some((name, node)) = connection {
        check_name(app, ("connections", "connection"), (name, node), report);
    }
    for (name, node) in tool.entries("clients") {
        check_name(app, ("clients", "client"), (&name, node), report);
    }
}

fn check_name(
    app: Section<'_>,
    (table, what): (&str, &str),
    (name, node): (&str, &Node),
    report: &mut Report,
) {
    let known = app.section(table).members();
    if known.iter().any(|(known, _)| *known == name) {
        return;
    }
    let table = child_key(&child_key(&app.nearest.key, table), name);
    let remedy = match nearest(name, known.iter().map(|(known, _)| *known)) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("write a table [{table}]"),
    };
    report.add(&node.key, node.place, format!("there is no {what} `{name}`; {remedy}"));
}

fn tool(name: &str, section: Section<'_>, report: &mut Report) -> Option<StatementTool> {
    if !section.is_table() {
        return None;
    }
    let parameters = parameters::read(section.section("parameters"), report);
    let statement = needed(section, "statement", report);
    if let (Some(statement), Some(node)) = (statement, section.node("statement")) {
        statement::check(statement, (node, section), report);
    }
    let text = |key: &str| section.text(key).map(str::to_owned);
    let clients = section.node("clients").map(|_| Allowed::Only(section.texts("clients")));
    Some(StatementTool {
        name: name.to_owned(),
        description: needed(section, "description", report)?.to_owned(),
        statement: statement?.to_owned(),
        parameters,
        place: StatementPlace {
            connection: text("connection"),
            role: text("role"),
            warehouse: text("warehouse"),
            database: text("database"),
            schema: text("schema"),
        },
        level: section.choice("level", &LEVELS).unwrap_or_default(),
        rows_max: section.count("limit"),
        clients: clients.unwrap_or(Allowed::Any),
    })
}

/// A text that must be there.
fn needed<'a>(section: Section<'a>, name: &str, report: &mut Report) -> Option<&'a str> {
    if section.node(name).is_none() {
        let example = TOOL.iter().find(|key| key.name == name).map_or("", |key| key.example);
        let table = section.nearest;
        let words = format!("has no `{name}`; write one, such as {name} = {example}");
        report.add(&table.key, table.place, words);
    }
    section.text(name)
}
