//! `cortex_search`, `cortex_analyst` and `cortex_agent`: the configured services by the names and
//! arguments of the former official server, one tool for all services of a kind.
//!
//! A call names the service that it asks; one that is not configured, or not for its caller, is
//! refused with those that are. SQL that Cortex Analyst writes passes the gate at the caller's level
//! like every other statement.

use std::sync::Arc;

use mcp_protocol::offered::CortexKind;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::fitted::fitted;
use super::service::{Given, Service, shown};
use crate::access::Caller;
use crate::mcp::answer;
use crate::mcp::names::{Name, Path};
use crate::mcp::tools::errand::{Asking, Errand};
use crate::mcp::tools::results::Question;
use crate::mcp::tools::shelf::{Callable, Definition, Effect, ROWS_DEFAULT, Running, input};
use crate::mcp::tools::{Reply, ToolError, guard};
use crate::warehouse::{Answer, Context};

/// A kind of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Search,
    Analyst,
    Agent,
}

const KINDS: [Kind; 3] = [Kind::Agent, Kind::Search, Kind::Analyst];

/// All services of a kind, as one tool.
pub(super) struct Former {
    kind: Kind,
    services: Vec<Arc<Service>>,
}

/// The tools for these services; none for a kind that nobody configured.
pub(super) fn tools(services: &[Arc<Service>]) -> Vec<Former> {
    let of = |kind: Kind| {
        let own = services.iter().filter(|one| one.kind() == kind.configured());
        Former { kind, services: own.cloned().collect() }
    };
    KINDS.map(of).into_iter().filter(|tool| !tool.services.is_empty()).collect()
}

impl Kind {
    fn configured(self) -> CortexKind {
        match self {
            Kind::Search => CortexKind::Search,
            Kind::Analyst => CortexKind::Analyst,
            Kind::Agent => CortexKind::Agent,
        }
    }

    fn tool(self) -> &'static str {
        match self {
            Kind::Search => "cortex_search",
            Kind::Analyst => "cortex_analyst",
            Kind::Agent => "cortex_agent",
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Search => ("Cortex Search", "Searches texts of the account by their meaning."),
            Kind::Analyst => {
                ("Cortex Analyst", "Answers a question about data by a statement, and runs it.")
            }
            Kind::Agent => ("Cortex Agent", "Asks a Cortex Agent of the account."),
        }
    }
}

impl Former {
    /// Those that a caller may ask.
    fn open_to(&self, caller: &Caller) -> impl Iterator<Item = &Arc<Service>> {
        self.services.iter().filter(|service| service.may_be_called_by(caller))
    }

    /// The service that a call names.
    fn chosen(&self, caller: &Caller, given: &Given) -> Result<&Arc<Service>, ToolError> {
        let text = |name: &str| given.text(name).ok();
        let (database, schema) = (text("database_name"), text("schema_name"));
        let is_in = |service: &Service| {
            let path = service.path();
            let same = |said: Option<&str>, own: Option<&Name>| {
                said.is_none_or(|said| Name::parse(said).ok().as_ref() == own)
            };
            same(database, path.as_ref().map(|path| &path.database))
                && same(schema, path.as_ref().and_then(|path| path.schema.as_ref()))
        };
        let is_meant = |service: &Service| match text("semantic_model") {
            Some(model) => is_model(service, model),
            None => text("service_name").is_none_or(|name| service.is_called(name)),
        };
        let meant = |service: &&Arc<Service>| is_meant(service) && is_in(service);
        let mut found = self.open_to(caller).filter(meant);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(ToolError::Arguments(format!(
                "several services are meant; say which: {}",
                self.names(caller)
            ))),
            (None, _) => Err(ToolError::NotGranted {
                what: "service",
                name: text("semantic_model").or(text("service_name")).unwrap_or("?").to_owned(),
                allowed: format!("these are: {}", self.names(caller)),
            }),
        }
    }

    fn names(&self, caller: &Caller) -> String {
        self.open_to(caller).map(|one| one.identifier()).collect::<Vec<_>>().join(", ")
    }

    async fn run(&self, errand: &Errand<'_>, arguments: JsonObject) -> Result<Reply, ToolError> {
        let mut given = Given(arguments);
        given.nothing_but(self.arguments())?;
        let service = self.chosen(errand.caller, &given)?;
        let query = given.text("query")?.to_owned();
        let most = errand.limits().characters_max as usize;
        match self.kind {
            Kind::Search => {
                let plain = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
                given.0.retain(|name, value| name != "columns" || !plain(value));
                let filter = given.0.remove("filter_query");
                let filter = filter.filter(|it| it.as_object().is_none_or(|it| !it.is_empty()));
                given.0.extend(filter.map(|filter| ("filter".to_owned(), filter)));
                let found = service.asked(errand, service.search(&given)?).await?;
                Ok(fitted(shown(&found), found, most))
            }
            Kind::Agent => {
                let mut found = service.asked(errand, service.message(&query)).await?;
                let text = shown(&found);
                found["results"] = json!(text);
                Ok(fitted(text, found, most))
            }
            Kind::Analyst => {
                let found = service.asked(errand, service.message(&query)).await?;
                let (text, structured) = with_rows(errand, service, found).await?;
                Ok(fitted(text, structured, most))
            }
        }
    }

    fn arguments(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Search => &[
                "service_name",
                "database_name",
                "schema_name",
                "query",
                "columns",
                "filter_query",
                "limit",
            ],
            Kind::Analyst => &["service_name", "semantic_model", "query"],
            Kind::Agent => &["service_name", "database_name", "schema_name", "query"],
        }
    }

    fn described(&self, services: &str) -> Definition {
        let (title, words) = self.kind.words();
        let mut properties = json!({});
        for name in self.arguments() {
            properties[*name] = match *name {
                "columns" => json!({ "type": "array", "items": { "type": "string" } }),
                "filter_query" => json!({ "type": "object" }),
                "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
                _text => json!({ "type": "string" }),
            };
        }
        Definition {
            title: title.into(),
            description: format!("{words}{services}").into(),
            input: input(properties, &["service_name", "query"]),
            output: json!({ "type": "object" }),
            effect: Effect::Reads,
        }
    }
}

/// Whether a service has this model: a file as it is written, or a view by its name.
fn is_model(service: &Service, model: &str) -> bool {
    let view = super::service::whole(model).ok();
    service.identifier() == model || (view.is_some() && view == service.path())
}

/// What Cortex Analyst said, and the rows of the statement that it wrote, if there is one.
async fn with_rows(
    errand: &Errand<'_>,
    service: &Service,
    found: Value,
) -> Result<(String, Value), ToolError> {
    let content = found["message"]["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let part = |kind: &str, name: &str| {
        let item = content.iter().rev().find(|item| item["type"] == kind)?;
        Some(item[name].as_str()?.to_owned())
    };
    let mut structured = json!({ "text": part("text", "text"), "sql": null, "results": null });
    let mut text = shown(&found);
    let Some(statement) = part("sql", "statement") else { return Ok((text, structured)) };
    structured["sql"] = json!(statement);
    let context = service.context().clone();
    match rows(errand, &statement, context).await {
        Ok(found) => {
            structured["query_id"] = json!(found.query_id);
            structured["results"] = answer::objects(&found).collect();
            text.push_str(&format!("\n\n{}", answer::table(&found)));
            if found.truncated {
                structured["truncated"] = json!(true);
                text.push_str("\n\nThere are more rows than are shown.");
            }
        }
        Err(error) if error.is_cancelled() => return Err(error),
        Err(error) => {
            structured["error"] = json!(error.words());
            text.push_str(&format!("\n\nThe statement gave no rows. {}", error.words()));
        }
    }
    Ok((text, structured))
}

async fn rows(errand: &Errand<'_>, statement: &str, context: Context) -> Result<Answer, ToolError> {
    errand.judge(statement, &context)?;
    let asking = Asking { rows_max: ROWS_DEFAULT, timeout: errand.timeout(None)? };
    let question = Question { statement, context, asking };
    guard::check(errand, &question).await?;
    let mut found = errand.run(statement, &question.context, asking).await?;
    answer::fit(&mut found, errand.limits().characters_max as usize / 2);
    Ok(found)
}

impl Callable for Former {
    fn name(&self) -> &str {
        self.kind.tool()
    }

    fn label(&self) -> &'static str {
        self.kind.tool()
    }

    fn toolset(&self) -> &'static str {
        "official"
    }

    fn is_for(&self, caller: &Caller) -> bool {
        caller.sees(self.toolset()) && self.open_to(caller).next().is_some()
    }

    fn definition(&self) -> Definition {
        self.described("")
    }

    fn definition_for(&self, caller: &Caller) -> Definition {
        let of_model = self.kind == Kind::Analyst;
        let services = self.open_to(caller).map(|one| match one.path().filter(|_| !of_model) {
            Some(Path { database, schema: Some(schema), object }) => format!(
                "\n- service_name {object}, database_name {database}, schema_name {schema}: {}",
                one.description()
            ),
            Some(Path { schema: None, .. }) | None => {
                format!(
                    "\n- service_name {}, semantic_model {}: {}",
                    one.name(),
                    one.identifier(),
                    one.description()
                )
            }
        });
        self.described(&format!("\nServices:{}", services.collect::<String>()))
    }

    fn call<'a>(&'a self, errand: &'a Errand<'a>, arguments: JsonObject) -> Running<'a> {
        Box::pin(self.run(errand, arguments))
    }
}
