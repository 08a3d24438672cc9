//! Services of the account beside SQL that an app offers as tools, in the words of Snowflake's own
//! server.

use mcp_protocol::access::Allowed;
use mcp_protocol::offered::{CortexKind, CortexService, Routine, RoutineKind, StatementPlace};

use super::super::keys::{Key, Kind, key};
use super::super::problem::Report;
use super::super::section::Section;
use super::parameters::{self, PARAMETERS};
use super::{check_names, needed};

/// The words for what a service is, in the order of [`KINDS`].
const KIND_WORDS: &[&str] = &[
    "CORTEX_SEARCH_SERVICE_QUERY",
    "CORTEX_ANALYST_MESSAGE",
    "CORTEX_AGENT_RUN",
    "SYSTEM_EXECUTE_SQL",
    "GENERIC",
];
const KINDS: [CortexKind; 5] = [
    CortexKind::Search,
    CortexKind::Analyst,
    CortexKind::Agent,
    CortexKind::Sql,
    CortexKind::Generic,
];

/// The words for what a routine is, in the order of [`ROUTINES`].
const ROUTINE_WORDS: &[&str] = &["function", "table_function", "procedure"];
const ROUTINES: [RoutineKind; 3] =
    [RoutineKind::Function, RoutineKind::TableFunction, RoutineKind::Procedure];
/// The keys that only a routine has.
const OF_ROUTINES: [&str; 3] = ["routine", "parameters", "arguments"];

/// `[apps.NAME.cortex.NAME]`.
pub(in crate::config) const CORTEX: Key = key("cortex", Kind::Named(SERVICE), "");

const SERVICE: &[Key] = &[
    key("type", Kind::Choice(KIND_WORDS), r#""CORTEX_SEARCH_SERVICE_QUERY""#),
    key("identifier", Kind::Text, r#""ANALYTICS.PUBLIC.DOCUMENTS""#),
    key("description", Kind::Text, r#""Searches the manuals.""#),
    key("columns", Kind::Texts, r#"["TEXT"]"#),
    key("limit", Kind::Count { min: 1, max: 1000, what: "a number of results" }, "10"),
    key("connection", Kind::Text, r#""production""#),
    key("role", Kind::Text, r#""MCP_READER""#),
    key("warehouse", Kind::Text, r#""COMPUTE_WH""#),
    key("clients", Kind::Texts, r#"["reporting"]"#),
    key("routine", Kind::Choice(ROUTINE_WORDS), r#""function""#),
    key("parameters", Kind::Named(PARAMETERS), ""),
    key("arguments", Kind::Texts, r#"["customer", "since"]"#),
];

/// The services that an app offers.
pub(super) fn read(app: Section<'_>, report: &mut Report) -> Vec<CortexService> {
    let members = app.section("cortex").members().into_iter().filter(|(_, one)| one.is_table());
    members.filter_map(|(name, one)| service(app, (name, one), report)).collect()
}

fn service(
    app: Section<'_>,
    (name, section): (&str, Section<'_>),
    report: &mut Report,
) -> Option<CortexService> {
    check_names(app, section, report);
    let written = needed(section, SERVICE, "type", report);
    let description = needed(section, SERVICE, "description", report);
    let kind = section.choice("type", &KINDS);
    let identifier = match (kind, section.node("identifier")) {
        (Some(CortexKind::Sql), Some(node)) => {
            let words = "SYSTEM_EXECUTE_SQL is no object of the account; remove this key";
            report.add(&node.key, node.place, words);
            None
        }
        (Some(CortexKind::Sql) | None, _) => None,
        (Some(_), _) => needed(section, SERVICE, "identifier", report),
    };
    let routine = routine(kind, section, report);
    written?;
    let text = |key: &str| section.text(key).map(str::to_owned);
    let clients = section.node("clients").map(|_| Allowed::Only(section.texts("clients")));
    Some(CortexService {
        name: name.to_owned(),
        kind: kind?,
        description: description?.to_owned(),
        identifier: identifier.map(str::to_owned),
        columns: section.texts("columns"),
        results_max: section.count("limit"),
        place: StatementPlace {
            connection: text("connection"),
            role: text("role"),
            warehouse: text("warehouse"),
            ..StatementPlace::default()
        },
        clients: clients.unwrap_or(Allowed::Any),
        routine,
    })
}

/// How a routine is called; nothing for what is none, which has no such keys.
fn routine(kind: Option<CortexKind>, section: Section<'_>, report: &mut Report) -> Option<Routine> {
    match kind {
        Some(CortexKind::Generic) => {}
        Some(CortexKind::Search | CortexKind::Analyst | CortexKind::Agent | CortexKind::Sql) => {
            for node in OF_ROUTINES.iter().filter_map(|key| section.node(key)) {
                let words = "only a service of type GENERIC has this key; remove it";
                report.add(&node.key, node.place, words);
            }
            return None;
        }
        // The type itself is blamed.
        None => return None,
    }
    let parameters = parameters::read(section.section("parameters"), report);
    let order = section.texts("arguments");
    if let Some(node) = section.node("arguments") {
        let declared = parameters.iter().map(|one| one.name.as_str());
        let (mut written, mut declared): (Vec<&str>, Vec<&str>) =
            (order.iter().map(String::as_str).collect(), declared.collect());
        written.sort_unstable();
        declared.sort_unstable();
        if written != declared {
            let words = format!(
                "is not the order of the parameters ({}); name each of them once, or leave this key \
                 out and each is given by its name",
                declared.join(", ")
            );
            report.add(&node.key, node.place, words);
        }
    }
    let kind = section.choice("routine", &ROUTINES).unwrap_or_default();
    Some(Routine { kind, parameters, order })
}
