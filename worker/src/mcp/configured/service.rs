//! Services of the account as tools: Cortex Search, Cortex Analyst, Cortex Agent, and SQL under a
//! name of the operator's, with the arguments of Snowflake's own server.
//!
//! A call asks only the service that is configured. What a service answers is passed on as it is, as
//! far as it fits, and its texts are shown to the reader.

use mcp_protocol::offered::{CortexKind, CortexService};
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::fitted::fitted;
use super::statement_tool::{context, is_among};
use crate::access::Caller;
use crate::mcp::answer;
use crate::mcp::names::{Name, Path};
use crate::mcp::official::query;
use crate::mcp::tools::errand::Errand;
use crate::mcp::tools::shelf::{Callable, Definition, Effect, Running, input};
use crate::mcp::tools::{Reply, ToolError};
use crate::warehouse::pool::PoolError;
use crate::warehouse::{Cell, Context, Post, WarehouseError};

/// How many results a search gives when nobody says.
const RESULTS_DEFAULT: u32 = 10;

/// A service that can be asked.
pub(super) struct Service {
    service: CortexService,
    context: Context,
    target: Target,
}

/// What is asked.
enum Target {
    /// A service at this path.
    Path(String),
    /// Cortex Analyst, with this model: the name of its key, and what it says.
    Model(&'static str, String),
    /// Whoever takes statements.
    Sql,
}

impl Service {
    /// Makes a service ready.
    ///
    /// # Errors
    /// In the operator's words, when it cannot be used.
    pub(super) fn new(service: &CortexService) -> Result<Service, String> {
        let identifier = service.identifier.as_deref().ok_or("it has no `identifier`");
        let target = match service.kind {
            CortexKind::Sql | CortexKind::Generic => Target::Sql,
            CortexKind::Search => {
                Target::Path(path(identifier?, "cortex-search-services", "query")?)
            }
            CortexKind::Agent => Target::Path(path(identifier?, "agents", "run")?),
            CortexKind::Analyst => match identifier? {
                file if file.starts_with('@') => {
                    Target::Model("semantic_model_file", file.to_owned())
                }
                view => Target::Model("semantic_view", whole(view)?.to_string()),
            },
        };
        Ok(Service { service: service.clone(), context: context(&service.place)?, target })
    }

    async fn run(&self, errand: &Errand<'_>, arguments: JsonObject) -> Result<Reply, ToolError> {
        let given = Given(arguments);
        let question = match self.service.kind {
            CortexKind::Sql | CortexKind::Generic => {
                let statement = given.text("sql")?.to_owned();
                given.nothing_but(&["sql"])?;
                return query(errand, &statement, None, &self.context).await;
            }
            CortexKind::Analyst => {
                given.nothing_but(&["message"])?;
                self.message(given.text("message")?)
            }
            CortexKind::Agent => {
                given.nothing_but(&["text"])?;
                self.message(given.text("text")?)
            }
            CortexKind::Search => {
                given.nothing_but(&["query", "columns", "filter", "limit"])?;
                self.search(&given)?
            }
        };
        let structured = self.asked(errand, question).await?;
        Ok(fitted(shown(&structured), structured, errand.limits().characters_max as usize))
    }

    /// What it answers, an object.
    ///
    /// # Errors
    /// When it gives no answer.
    pub(super) async fn asked(&self, errand: &Errand<'_>, body: Value) -> Result<Value, ToolError> {
        let path = match &self.target {
            Target::Path(path) => path.clone(),
            Target::Model(..) | Target::Sql => "/api/v2/cortex/analyst/message".to_owned(),
        };
        let post = Some(Post { path, body });
        let found = errand.ask("", &Context { post, ..self.context.clone() }).await;
        let found = found.map_err(|error| match error {
            ToolError::Pool(error @ PoolError::Warehouse(WarehouseError::TimedOut { .. })) => {
                let hint = "Ask for less, or more simply; whoever runs the server may raise \
                            limits.statement_timeout."
                    .to_owned();
                ToolError::Hinted { error, hint }
            }
            error => error,
        })?;
        Ok(match found.rows.into_iter().flatten().next() {
            Some(Cell::Json(object @ Value::Object(_))) => object,
            Some(Cell::Json(other)) => json!({ "answer": other }),
            Some(
                Cell::Null | Cell::Boolean(_) | Cell::Number(_) | Cell::Float(_) | Cell::Text(_),
            )
            | None => json!({}),
        })
    }

    /// What a person says, in the form in which Cortex is told. An answer of Cortex Analyst comes
    /// whole; one of a Cortex Agent takes its time, so it comes in pieces and then whole.
    pub(super) fn message(&self, text: &str) -> Value {
        let content = json!([{ "type": "text", "text": text }]);
        let mut body = json!({ "messages": [{ "role": "user", "content": content }] });
        match &self.target {
            Target::Model(key, model) => {
                body[*key] = json!(model);
                body["stream"] = json!(false);
            }
            Target::Path(_) | Target::Sql => {
                body["tool_choice"] = json!({ "type": "auto" });
                body["stream"] = json!(true);
            }
        }
        body
    }

    /// Whether it is called so, by the operator or by the account.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let own = self.path().map(|path| path.object);
        self.service.name == name || own.is_some_and(|own| Name::parse(name) == Ok(own))
    }

    /// Where in the account it is; nothing for the file of a model.
    pub(super) fn path(&self) -> Option<Path> {
        whole(self.service.identifier.as_deref()?).ok()
    }

    /// As the operator wrote which one it is.
    pub(super) fn identifier(&self) -> &str {
        self.service.identifier.as_deref().unwrap_or_default()
    }

    /// What it is for.
    pub(super) fn description(&self) -> &str {
        &self.service.description
    }

    /// What it is.
    pub(super) fn kind(&self) -> CortexKind {
        self.service.kind
    }

    /// Where its statements run.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Whether this caller may call it, by whatever name.
    pub(super) fn may_be_called_by(&self, caller: &Caller) -> bool {
        is_among(caller, &self.service.clients)
    }

    /// A search as the service is told of it.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn search(&self, given: &Given) -> Result<Value, ToolError> {
        let most = self.service.results_max.unwrap_or(RESULTS_DEFAULT);
        let limit = given.0.get("limit").filter(|limit| !limit.is_null());
        let limit = limit.map_or(json!(most), Clone::clone);
        if limit.as_u64().is_none_or(|limit| limit == 0 || limit > 1000) {
            let words = "`limit` must be a whole number from 1 to 1000";
            return Err(ToolError::Arguments(words.to_owned()));
        }
        let mut body = json!({ "query": given.text("query")?, "limit": limit });
        match given.0.get("columns").filter(|columns| !columns.is_null()) {
            Some(columns) => body["columns"] = columns.clone(),
            None if self.service.columns.is_empty() => {}
            None => body["columns"] = json!(self.service.columns),
        }
        if let Some(filter) = given.0.get("filter").filter(|filter| !filter.is_null()) {
            body["filter"] = filter.clone();
        }
        Ok(body)
    }
}

impl Callable for Service {
    fn name(&self) -> &str {
        &self.service.name
    }

    fn label(&self) -> &'static str {
        "configured"
    }

    fn toolset(&self) -> &'static str {
        "managed"
    }

    fn is_for(&self, caller: &Caller) -> bool {
        caller.sees(self.toolset()) && self.may_be_called_by(caller)
    }

    fn definition(&self) -> Definition {
        let text = || json!({ "type": "string" });
        let (input, effect) = match self.service.kind {
            CortexKind::Sql | CortexKind::Generic => {
                (input(json!({ "sql": text() }), &["sql"]), Effect::AsGranted)
            }
            CortexKind::Analyst => {
                (input(json!({ "message": text() }), &["message"]), Effect::Reads)
            }
            // What a Cortex Agent may do is for its own tools and roles to say.
            CortexKind::Agent => (input(json!({ "text": text() }), &["text"]), Effect::Reads),
            CortexKind::Search => {
                let properties = json!({
                    "query": text(),
                    "columns": { "type": "array", "items": text() },
                    "filter": { "type": "object" },
                    "limit": { "type": "integer", "minimum": 1, "maximum": 1000 }
                });
                (input(properties, &["query"]), Effect::Reads)
            }
        };
        let output = match self.service.kind {
            CortexKind::Sql | CortexKind::Generic => answer::output_schema(),
            CortexKind::Search | CortexKind::Analyst | CortexKind::Agent => {
                json!({ "type": "object" })
            }
        };
        let title = self.service.name.replace(['_', '-'], " ").into();
        let description = self.service.description.clone().into();
        Definition { title, description, input, output, effect }
    }

    fn call<'a>(&'a self, errand: &'a Errand<'a>, arguments: JsonObject) -> Running<'a> {
        Box::pin(self.run(errand, arguments))
    }
}

/// What a call gave.
pub(super) struct Given(pub(super) JsonObject);

impl Given {
    pub(super) fn text(&self, name: &str) -> Result<&str, ToolError> {
        let text = self.0.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| ToolError::Arguments(format!("`{name}` must be a text")))
    }

    pub(super) fn nothing_but(&self, known: &[&str]) -> Result<(), ToolError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(ToolError::Arguments(format!("there is no argument `{name}`"))),
            None => Ok(()),
        }
    }
}

/// A name with its schema and database.
pub(super) fn whole(identifier: &str) -> Result<Path, String> {
    let none = Name::known(String::new());
    let path = Path::parse(identifier, None, none.clone());
    let path = path.map_err(|error| format!("identifier: {error}"))?;
    if path.schema.is_none() || path.database == none {
        return Err(format!("identifier: `{identifier}` is not DATABASE.SCHEMA.NAME"));
    }
    Ok(path)
}

fn path(identifier: &str, kind: &str, verb: &str) -> Result<String, String> {
    let Path { database, schema, object } = whole(identifier)?;
    let schema = schema.map(|schema| schema.in_address()).unwrap_or_default();
    let (database, object) = (database.in_address(), object.in_address());
    Ok(format!("/api/v2/databases/{database}/schemas/{schema}/{kind}/{object}:{verb}"))
}

/// An answer for the reader: its texts and statements, or all of it.
pub(super) fn shown(answer: &Value) -> String {
    let content = answer.get("content").or_else(|| answer.get("message")?.get("content"));
    let items = content.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let parts: Vec<String> = items
        .iter()
        .filter_map(|item| match item.get("type")?.as_str()? {
            "text" => Some(item.get("text")?.as_str()?.to_owned()),
            "sql" => Some(format!("```sql\n{}\n```", item.get("statement")?.as_str()?)),
            "suggestions" => Some(format!("Better questions: {}", item.get("suggestions")?)),
            _ => None,
        })
        .collect();
    if parts.is_empty() { answer.to_string() } else { parts.join("\n\n") }
}

#[cfg(test)]
mod tests {
    use mcp_protocol::access::Allowed;
    use mcp_protocol::offered::StatementPlace;

    use super::*;

    fn service(kind: CortexKind, identifier: &str) -> Result<Service, String> {
        Service::new(&CortexService {
            name: "s".to_owned(),
            kind,
            description: "d".to_owned(),
            identifier: Some(identifier.to_owned()),
            columns: vec!["TEXT".to_owned()],
            results_max: Some(5),
            place: StatementPlace::default(),
            clients: Allowed::Any,
            routine: None,
        })
    }

    #[test]
    fn an_identifier_becomes_an_address_and_nothing_else() {
        let path = |kind, identifier| match service(kind, identifier).map(|made| made.target) {
            Ok(Target::Path(path)) => path,
            Ok(Target::Model(key, model)) => format!("{key} {model}"),
            Ok(Target::Sql) => "sql".to_owned(),
            Err(why) => why,
        };
        assert_eq!(
            path(CortexKind::Search, "db.s.\"my docs/1\""),
            "/api/v2/databases/DB/schemas/S/cortex-search-services/%22my%20docs%2F1%22:query"
        );
        let run = "/api/v2/databases/DB/schemas/S/agents/A:run";
        assert_eq!(path(CortexKind::Agent, "db.s.a"), run);
        assert_eq!(path(CortexKind::Analyst, "db.s.v"), "semantic_view DB.S.V");
        let file = "@db.s.stage/m.yaml";
        assert_eq!(path(CortexKind::Analyst, file), format!("semantic_model_file {file}"));
        for wrong in ["a", "a.b", "a.b.c.d", "../x", "a.b.c/d"] {
            assert!(path(CortexKind::Search, wrong).starts_with("identifier: "), "{wrong}");
        }
    }

    #[test]
    fn a_search_asks_for_what_is_configured_unless_the_call_says() {
        let service = service(CortexKind::Search, "a.b.c").expect("it is ready");
        let asked = |arguments: Value| {
            service.search(&Given(arguments.as_object().cloned().unwrap_or_default()))
        };
        let plain = asked(json!({ "query": "q" })).unwrap();
        assert_eq!(plain, json!({ "query": "q", "limit": 5, "columns": ["TEXT"] }));
        let own = json!({ "query": "q", "limit": 2, "columns": ["A"], "filter": { "@eq": {} } });
        assert_eq!(asked(own.clone()).unwrap(), own);
        for wrong in [json!({}), json!({ "query": "q", "limit": 0 })] {
            assert!(asked(wrong).is_err());
        }
    }

    #[test]
    fn the_reader_sees_texts_and_statements() {
        let analyst = json!({ "message": { "content": [
            { "type": "text", "text": "So:" }, { "type": "sql", "statement": "SELECT 1" }
        ] } });
        assert_eq!(shown(&analyst), "So:\n\n```sql\nSELECT 1\n```");
        let search = json!({ "results": [{ "TEXT": "a" }] });
        assert_eq!(shown(&search), search.to_string());
    }
}
