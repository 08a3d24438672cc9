//! A declared tool: one statement of the operator's, whose values its caller gives.
//!
//! The values travel beside the statement, so they cannot change what it does. The statement is
//! judged when the tool is made, at the level that its declaration names.

use mcp_protocol::access::{Allowed, Level as Granted};
use mcp_protocol::offered::{Parameter, StatementPlace, StatementTool};
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::values;
use crate::access::Caller;
use crate::mcp::answer;
use crate::mcp::names::Name;
use crate::mcp::tools::errand::{Asking, Errand};
use crate::mcp::tools::parameters::{Bound, bind};
use crate::mcp::tools::results::{Question, first_or_next};
use crate::mcp::tools::shelf::{Callable, Definition, Effect, ROWS_DEFAULT, Running, input};
use crate::mcp::tools::{Reply, ToolError, guard};
use crate::sql::values::places;
use crate::sql::{Decision, Level, decide, decide_bound};
use crate::warehouse::Context;

/// The argument with which a call goes on in its answer; no parameter may be called so.
pub(super) const CURSOR: &str = "cursor";

/// A declared tool that can be called.
pub(super) struct Ready {
    tool: StatementTool,
    context: Context,
}

impl Ready {
    /// Makes a tool ready.
    ///
    /// # Errors
    /// In the operator's words, when it cannot be used.
    pub(super) fn new(tool: &StatementTool) -> Result<Ready, String> {
        let found = places(&tool.statement);
        let declared = |name: &String| tool.parameters.iter().any(|one| one.name == *name);
        for name in &found.names {
            match name {
                Some(name) if declared(name) => {}
                Some(name) => return Err(format!("`:{name}` is no parameter of it")),
                None => return Err("`?` has no name; write a parameter, `:name`".to_owned()),
            }
        }
        let is_written = |one: &&Parameter| !found.names.contains(&Some(one.name.clone()));
        if let Some(unused) = tool.parameters.iter().find(is_written) {
            return Err(format!("its statement takes no value at `:{}`", unused.name));
        }
        if declared(&CURSOR.to_owned()) {
            return Err(format!("no parameter can be called `{CURSOR}`; choose another name"));
        }
        let decision = match tool.parameters.is_empty() {
            true => decide(&found.statement, level(tool.level)),
            false => decide_bound(&found.statement, level(tool.level)),
        };
        if let Decision::Refused { reason, .. } = decision {
            return Err(reason);
        }
        Ok(Ready { tool: tool.clone(), context: context(&tool.place)? })
    }

    async fn run(
        &self,
        errand: &Errand<'_>,
        mut arguments: JsonObject,
    ) -> Result<Reply, ToolError> {
        let cursor = cursor(&mut arguments)?;
        let given = values::given(&self.tool.parameters, arguments);
        let given = Value::Object(given.map_err(ToolError::Arguments)?);
        let bound = bind(&self.tool.statement, Some(&given))?;
        let asked = Named { name: &self.tool.name, rows_max: self.tool.rows_max };
        asked.run(errand, bound, (&self.context, cursor.as_deref())).await
    }
}

/// A statement of the operator's that has a name, and may have a bound of its own.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) rows_max: Option<u32>,
}

impl Named<'_> {
    /// Runs the statement with its values, or goes on in its answer.
    pub(super) async fn run(
        &self,
        errand: &Errand<'_>,
        Bound { statement, bindings }: Bound,
        (context, cursor): (&Context, Option<&str>),
    ) -> Result<Reply, ToolError> {
        let context = Context { bindings, ..context.clone() };
        errand.judge(&statement, &context)?;
        let rows_max = self.rows_max.map_or(ROWS_DEFAULT, |rows| rows as usize);
        let asking = Asking { rows_max, timeout: errand.timeout(None)? };
        let question = Question { statement: &statement, context, asking };
        if cursor.is_none() {
            guard::check(errand, &question).await?;
        }
        let results = first_or_next(errand, question, cursor).await?;
        let found = &results.answer;
        let mut text = format!("## {}\n\nRequest ID: {}\n\n", self.name, found.query_id);
        if found.rows.is_empty() {
            text.push_str("There are no rows.");
        } else {
            text.push_str(&format!("Showing {} rows\n\n", found.rows.len()));
            text.push_str(&answer::table(found));
        }
        text.push_str(&results.ending());
        Ok(Reply { text, structured: results.structured(), link: results.link })
    }
}

/// Takes the cursor out of the arguments of a call.
pub(super) fn cursor(arguments: &mut JsonObject) -> Result<Option<String>, ToolError> {
    match arguments.remove(CURSOR) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(cursor)) => Ok(Some(cursor)),
        Some(_) => Err(ToolError::Arguments(format!("`{CURSOR}` must be a text"))),
    }
}

impl Callable for Ready {
    fn name(&self) -> &str {
        &self.tool.name
    }

    fn label(&self) -> &'static str {
        "configured"
    }

    fn toolset(&self) -> &'static str {
        "custom"
    }

    fn is_for(&self, caller: &Caller) -> bool {
        let named = is_among(caller, &self.tool.clients);
        caller.sees(self.toolset()) && named && caller.grant.level >= self.tool.level
    }

    fn definition(&self) -> Definition {
        Definition {
            title: self.tool.name.replace('_', " ").into(),
            description: self.tool.description.clone().into(),
            input: schema(&self.tool.parameters),
            output: answer::output_schema(),
            effect: match self.tool.level {
                Granted::Read => Effect::Reads,
                Granted::Write | Granted::Destructive => Effect::AsGranted,
            },
        }
    }

    fn call<'a>(&'a self, errand: &'a Errand<'a>, arguments: JsonObject) -> Running<'a> {
        Box::pin(self.run(errand, arguments))
    }
}

/// Whether a caller is among these clients; one without a name is only where all are.
pub(super) fn is_among(caller: &Caller, clients: &Allowed) -> bool {
    clients.allows(caller.name.as_deref().unwrap_or_default())
}

/// The schema of a call that gives these values.
pub(super) fn schema(parameters: &[Parameter]) -> Value {
    let (mut properties, required) = values::schema(parameters);
    properties[CURSOR] =
        json!({ "type": "string", "description": "`next_cursor` of the same call." });
    input(properties, &required)
}

fn level(granted: Granted) -> Level {
    match granted {
        Granted::Read => Level::Read,
        Granted::Write => Level::Write,
        Granted::Destructive => Level::Destructive,
    }
}

/// Where something stands, its names read as in SQL.
pub(super) fn context(place: &StatementPlace) -> Result<Context, String> {
    let name = |what: &str, name: &Option<String>| {
        let name = name.as_deref().map(Name::parse).transpose();
        let name = name.map_err(|error| format!("{what}: {error}"))?;
        Ok::<_, String>(name.map(|name| name.as_str().to_owned()))
    };
    Ok(Context {
        connection: place.connection.clone(),
        role: name("role", &place.role)?,
        warehouse: name("warehouse", &place.warehouse)?,
        database: name("database", &place.database)?,
        schema: name("schema", &place.schema)?,
        ..Context::default()
    })
}

#[cfg(test)]
mod tests {
    use mcp_protocol::access::Grant;
    use mcp_protocol::offered::{Need, ParameterKind};

    use super::*;

    fn tool(statement: &str, parameters: &[&str]) -> StatementTool {
        let parameter = |name: &&str| Parameter {
            name: (*name).to_owned(),
            kind: ParameterKind::String,
            description: None,
            need: Need::Required,
            allowed: Vec::new(),
        };
        StatementTool {
            name: "t".to_owned(),
            description: "d".to_owned(),
            statement: statement.to_owned(),
            parameters: parameters.iter().map(parameter).collect(),
            place: StatementPlace::default(),
            level: Granted::Read,
            rows_max: None,
            clients: Allowed::Any,
        }
    }

    fn reason(statement: &str, parameters: &[&str]) -> String {
        Ready::new(&tool(statement, parameters)).err().unwrap_or_default()
    }

    #[test]
    fn what_cannot_be_used_is_not_made_ready() {
        assert_eq!(reason("SELECT * FROM t WHERE a = :a AND b > :b::DATE", &["a", "b"]), "");
        assert_eq!(reason("SELECT 1", &[]), "");
        for (statement, parameters, words) in [
            ("SELECT :a", &["b"][..], "`:a` is no parameter"),
            ("SELECT 1", &["b"], "no value at `:b`"),
            ("SELECT ?", &[], "`?` has no name"),
            ("SELECT :cursor", &["cursor"], "choose another name"),
            ("DELETE FROM t WHERE a = :a", &["a"], "DELETE"),
            ("SELECT 1; SELECT 2", &[], ";"),
        ] {
            let reason = reason(statement, parameters);
            assert!(reason.contains(words), "{statement}: {reason}");
        }
        let place = StatementPlace { schema: Some("a b".to_owned()), ..StatementPlace::default() };
        let wrong = StatementTool { place, ..tool("SELECT 1", &[]) };
        assert!(Ready::new(&wrong).err().is_some_and(|why| why.contains("schema: ")));
    }

    #[test]
    fn a_statement_that_changes_needs_its_level_and_a_caller_who_goes_as_far() {
        let writes =
            StatementTool { level: Granted::Write, ..tool("INSERT INTO t VALUES (:a)", &["a"]) };
        let ready = Ready::new(&writes).expect("it is ready");
        let caller = |level| {
            let toolsets = vec!["custom".to_owned()];
            let grant = Grant { level, toolsets, ..Grant::default() };
            Caller { grant: std::sync::Arc::new(grant), ..Caller::nobody() }
        };
        assert!(!ready.is_for(&caller(Granted::Read)));
        assert!(
            ready.is_for(&caller(Granted::Write)) && ready.is_for(&caller(Granted::Destructive))
        );
    }

    #[test]
    fn only_those_who_are_named_see_it() {
        let clients = Allowed::Only(vec!["team".to_owned()]);
        let ready = Ready::new(&StatementTool { clients, ..tool("SELECT 1", &[]) });
        let ready = ready.expect("it is ready");
        let caller = |name: Option<&str>| {
            let grant = Grant { toolsets: vec!["custom".to_owned()], ..Grant::default() };
            let grant = std::sync::Arc::new(grant);
            Caller { name: name.map(std::sync::Arc::from), grant, ..Caller::nobody() }
        };
        assert!(ready.is_for(&caller(Some("team"))));
        assert!(!ready.is_for(&caller(Some("other"))) && !ready.is_for(&caller(None)));
    }
}
