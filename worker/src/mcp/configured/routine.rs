//! A function or a procedure of the account as a tool: the caller gives the values, the operator said
//! everything else.
//!
//! The routine's name is quoted and the values travel beside the statement, so a call can ask for
//! nothing but this routine. A procedure may do anything, so only a client that may go as far sees
//! it; the gate judges the call like every other statement.

use mcp_protocol::access::Level as Granted;
use mcp_protocol::offered::{CortexService, Parameter, Routine, RoutineKind};
use rmcp::model::JsonObject;
use serde_json::{Map, Value};

use super::service::whole;
use super::statement_tool::{CURSOR, Named, context, cursor, is_among, schema};
use super::values;
use crate::access::Caller;
use crate::mcp::answer;
use crate::mcp::names::Path;
use crate::mcp::tools::errand::Errand;
use crate::mcp::tools::parameters::bind;
use crate::mcp::tools::shelf::{Callable, Definition, Effect, Running};
use crate::mcp::tools::{Reply, ToolError};
use crate::sql::values::places;
use crate::sql::{Decision, Level, decide_bound};
use crate::warehouse::Context;

/// A routine that can be called.
pub(super) struct Called {
    service: CortexService,
    routine: Routine,
    path: Path,
    context: Context,
}

impl Called {
    /// Makes a routine ready.
    ///
    /// # Errors
    /// In the operator's words, when it cannot be used.
    pub(super) fn new(service: &CortexService) -> Result<Called, String> {
        let routine = service.routine.clone().ok_or("it says nothing of its arguments")?;
        let path = whole(service.identifier.as_deref().ok_or("it has no `identifier`")?)?;
        if routine.parameters.iter().any(|one| one.name == CURSOR) {
            return Err(format!("no parameter can be called `{CURSOR}`; choose another name"));
        }
        if let Some(odd) = routine.parameters.iter().find(|one| !is_plain(&one.name)) {
            return Err(format!("`{}` is no name of an argument", odd.name));
        }
        let context = context(&service.place)?;
        let made = Called { service: service.clone(), routine, path, context };
        let all: Vec<&Parameter> = made.in_order().collect();
        let statement = places(&made.statement(&all)).statement;
        if let Decision::Refused { reason, .. } = decide_bound(&statement, made.needs()) {
            return Err(reason);
        }
        Ok(made)
    }

    /// How far a statement goes that calls it.
    fn needs(&self) -> Level {
        match self.level() {
            Granted::Read => Level::Read,
            Granted::Write => Level::Write,
            Granted::Destructive => Level::Destructive,
        }
    }

    fn level(&self) -> Granted {
        match self.routine.kind {
            // A function of a user cannot change rows.
            RoutineKind::Function | RoutineKind::TableFunction => Granted::Read,
            RoutineKind::Procedure => Granted::Destructive,
        }
    }

    /// The parameters as they are given.
    fn in_order(&self) -> impl Iterator<Item = &Parameter> {
        let all = &self.routine.parameters;
        let place = |one: &Parameter| self.routine.order.iter().position(|name| *name == one.name);
        let mut ordered: Vec<&Parameter> = all.iter().collect();
        ordered.sort_by_key(|one| place(one));
        ordered.into_iter()
    }

    /// The statement that calls it with these values, each at a place of its name.
    fn statement(&self, given: &[&Parameter]) -> String {
        let value = |one: &&Parameter| match self.routine.order.is_empty() {
            true => format!("{name} => :{name}", name = one.name),
            false => format!(":{}", one.name),
        };
        let values: Vec<String> = given.iter().map(value).collect();
        let call = format!("{}({})", self.path.quoted(), values.join(", "));
        match self.routine.kind {
            RoutineKind::Function => format!("SELECT {call} AS {}", self.path.object.quoted()),
            RoutineKind::TableFunction => format!("SELECT * FROM TABLE({call})"),
            RoutineKind::Procedure => format!("CALL {call}"),
        }
    }

    async fn run(
        &self,
        errand: &Errand<'_>,
        mut arguments: JsonObject,
    ) -> Result<Reply, ToolError> {
        let cursor = cursor(&mut arguments)?;
        let given = values::given(&self.routine.parameters, arguments);
        let given = given.map_err(ToolError::Arguments)?;
        // By its name an argument can be left out, so that the routine's own default holds.
        let has = |one: &&Parameter| {
            !self.routine.order.is_empty() || given.get(&one.name).is_some_and(|it| !it.is_null())
        };
        let named: Vec<&Parameter> = self.in_order().filter(has).collect();
        let values: Map<String, Value> = named
            .iter()
            .filter_map(|one| Some((one.name.clone(), given.get(&one.name)?.clone())))
            .collect();
        let bound = bind(&self.statement(&named), Some(&Value::Object(values)))?;
        let asked = Named { name: &self.service.name, rows_max: self.service.results_max };
        asked.run(errand, bound, (&self.context, cursor.as_deref())).await
    }
}

/// A name that may stand in a statement without quotes.
fn is_plain(name: &str) -> bool {
    let first = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Callable for Called {
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
        let named = is_among(caller, &self.service.clients);
        caller.sees(self.toolset()) && named && caller.grant.level >= self.level()
    }

    fn definition(&self) -> Definition {
        Definition {
            title: self.service.name.replace(['_', '-'], " ").into(),
            description: self.service.description.clone().into(),
            input: schema(&self.routine.parameters),
            output: answer::output_schema(),
            effect: match self.routine.kind {
                RoutineKind::Function | RoutineKind::TableFunction => Effect::Reads,
                RoutineKind::Procedure => Effect::AsGranted,
            },
        }
    }

    fn call<'a>(&'a self, errand: &'a Errand<'a>, arguments: JsonObject) -> Running<'a> {
        Box::pin(self.run(errand, arguments))
    }
}

#[cfg(test)]
mod tests {
    use mcp_protocol::access::Allowed;
    use mcp_protocol::offered::{CortexKind, Need, ParameterKind, StatementPlace};

    use super::*;

    fn service(kind: RoutineKind, names: &[&str], order: &[&str]) -> CortexService {
        let parameter = |name: &&str| Parameter {
            name: (*name).to_owned(),
            kind: ParameterKind::Number,
            description: None,
            need: Need::Optional,
            allowed: Vec::new(),
        };
        let routine = Routine {
            kind,
            parameters: names.iter().map(parameter).collect(),
            order: order.iter().map(|name| (*name).to_owned()).collect(),
        };
        CortexService {
            name: "t".to_owned(),
            kind: CortexKind::Generic,
            description: "d".to_owned(),
            identifier: Some("sales.public.\"times \"\"ten\"\"\"".to_owned()),
            columns: Vec::new(),
            results_max: None,
            place: StatementPlace::default(),
            clients: Allowed::Any,
            routine: Some(routine),
        }
    }

    fn statement(kind: RoutineKind, names: &[&str], order: &[&str]) -> String {
        let called = Called::new(&service(kind, names, order)).expect("it is ready");
        let all: Vec<&Parameter> = called.in_order().collect();
        called.statement(&all)
    }

    #[test]
    fn a_call_is_put_together_from_quoted_names_and_places_for_values() {
        let name = r#""SALES"."PUBLIC"."times ""ten""""#;
        let function = statement(RoutineKind::Function, &["a", "b"], &[]);
        assert_eq!(function, format!(r#"SELECT {name}(a => :a, b => :b) AS "times ""ten""""#));
        let table = statement(RoutineKind::TableFunction, &[], &[]);
        assert_eq!(table, format!("SELECT * FROM TABLE({name}())"));
        let procedure = statement(RoutineKind::Procedure, &["a", "b"], &["b", "a"]);
        assert_eq!(procedure, format!("CALL {name}(:b, :a)"));
    }

    #[test]
    fn what_cannot_be_called_is_not_made_ready() {
        let why = |service: &CortexService| Called::new(service).err().unwrap_or_default();
        let cursor = service(RoutineKind::Function, &["cursor"], &[]);
        assert!(why(&cursor).contains("choose another name"), "{}", why(&cursor));
        for odd in ["a b", "1", "", "x) OR (1", "é"] {
            let words = why(&service(RoutineKind::Function, &[odd], &[]));
            assert!(words.contains("no name of an argument"), "{odd}: {words}");
        }
        let short = CortexService {
            identifier: Some("public.f".to_owned()),
            ..service(RoutineKind::Function, &[], &[])
        };
        assert!(why(&short).contains("DATABASE.SCHEMA.NAME"), "{}", why(&short));
        let acts = CortexService {
            identifier: Some("a.b.SYSTEM$ABORT_SESSION".to_owned()),
            ..service(RoutineKind::Function, &[], &[])
        };
        assert!(why(&acts).contains("SYSTEM$ABORT_SESSION"), "{}", why(&acts));
    }
}
