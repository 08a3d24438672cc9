//! Which tools there are, who sees which, and how each presents itself.
//!
//! Most are fixed: an [`Entry`] each, in one table. Others come from the configuration while the
//! worker runs; they are [`Callable`] all the same, and whoever asks the shelf cannot tell. A
//! tool's name may be an operator's, its label never is: labels stay few.

use std::borrow::Cow;
use std::sync::Arc;

use futures::future::BoxFuture;
use mcp_protocol::access::Level;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::errand::Errand;
use super::{Reply, ToolError};
use crate::access::Caller;

/// Rows that are shown where a call does not say how many.
pub const ROWS_DEFAULT: usize = 1024;

/// A tool at work.
pub type Running<'a> = BoxFuture<'a, Result<Reply, ToolError>>;

/// One tool.
pub trait Callable: Send + Sync + 'static {
    /// Its name, by which it is called.
    fn name(&self) -> &str;

    /// What its calls are counted as: one of a few words that are known when this is built.
    fn label(&self) -> &'static str;

    /// The set it belongs to, one of [`mcp_protocol::access::TOOLSETS`].
    fn toolset(&self) -> &'static str;

    /// Whether this caller sees it and may call it.
    fn is_for(&self, caller: &Caller) -> bool {
        caller.sees(self.toolset())
    }

    /// How it presents itself.
    fn definition(&self) -> Definition;

    /// The same to one caller, who may not hear of everything.
    fn definition_for(&self, _caller: &Caller) -> Definition {
        self.definition()
    }

    /// Does what it is for.
    fn call<'a>(&'a self, errand: &'a Errand<'a>, arguments: JsonObject) -> Running<'a>;
}

/// How a tool presents itself.
#[derive(Debug, Clone)]
pub struct Definition {
    /// For people.
    pub title: Cow<'static, str>,
    /// For whoever chooses among the tools.
    pub description: Cow<'static, str>,
    /// The schema of its arguments; see [`input`].
    pub input: Value,
    /// The schema of its structured answer.
    pub output: Value,
    /// What it may do to the account.
    pub effect: Effect,
}

/// What a tool may do to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It goes as far as its caller may go.
    AsGranted,
    /// It ends what its caller began, and changes nothing else.
    Ends,
}

/// A tool that every worker has.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name, which is its label too.
    pub name: &'static str,
    /// One of [`mcp_protocol::access::TOOLSETS`].
    pub toolset: &'static str,
    /// How it presents itself.
    pub definition: fn() -> Definition,
    /// What it does.
    pub call: for<'a> fn(&'a Errand<'a>, JsonObject) -> Running<'a>,
}

impl Callable for Entry {
    fn name(&self) -> &str {
        self.name
    }

    fn label(&self) -> &'static str {
        self.name
    }

    fn toolset(&self) -> &'static str {
        self.toolset
    }

    fn definition(&self) -> Definition {
        (self.definition)()
    }

    fn call<'a>(&'a self, errand: &'a Errand<'a>, arguments: JsonObject) -> Running<'a> {
        (self.call)(errand, arguments)
    }
}

/// Tools that are configured.
pub type Configured = Arc<Vec<Arc<dyn Callable>>>;

/// All tools, in the order in which they are listed. Cheap to clone.
#[derive(Clone)]
pub struct Shelf {
    fixed: Configured,
    configured: watch::Receiver<Configured>,
}

impl Shelf {
    /// The fixed tools, and those that are configured at the moment, after them.
    #[must_use]
    pub fn new(fixed: Configured, configured: watch::Receiver<Configured>) -> Shelf {
        Shelf { fixed, configured }
    }

    /// The configured tools, to be followed.
    #[must_use]
    pub fn declared(&self) -> watch::Receiver<Configured> {
        self.configured.clone()
    }

    /// The tool of this name, if the caller sees it; the first of several.
    #[must_use]
    pub fn named(&self, name: &str, caller: &Caller) -> Option<Arc<dyn Callable>> {
        let mut tools = self.tools();
        tools.find(|tool| tool.name() == name && tool.is_for(caller))
    }

    /// The tools as `tools/list` shows them to a caller.
    #[must_use]
    pub fn listed(&self, caller: &Caller) -> Vec<Tool> {
        let mut listed: Vec<Tool> = Vec::new();
        for tool in self.tools().filter(|tool| tool.is_for(caller)) {
            if listed.iter().all(|other| other.name != tool.name()) {
                let definition = tool.definition_for(caller);
                listed.push(shown((tool.name(), definition), caller.grant.level));
            }
        }
        listed
    }

    /// How the tool of this name presents itself, whoever may call it.
    #[must_use]
    pub fn definition(&self, name: &str) -> Option<Tool> {
        let tool = self.tools().find(|tool| tool.name() == name)?;
        Some(shown((name, tool.definition()), Level::Read))
    }

    fn tools(&self) -> impl Iterator<Item = Arc<dyn Callable>> + use<> {
        let configured = Arc::clone(&self.configured.borrow());
        let fixed = Arc::clone(&self.fixed);
        (0..fixed.len())
            .map(move |at| Arc::clone(&fixed[at]))
            .chain((0..configured.len()).map(move |at| Arc::clone(&configured[at])))
    }
}

/// The schema of a tool's arguments.
#[must_use]
pub fn input(properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn shown((name, definition): (&str, Definition), level: Level) -> Tool {
    let (reads, destroys) = match (definition.effect, level) {
        (Effect::Reads, _) | (Effect::AsGranted, Level::Read) => (true, false),
        (Effect::AsGranted, Level::Write) | (Effect::Ends, _) => (false, false),
        (Effect::AsGranted, Level::Destructive) => (false, true),
    };
    let annotations = ToolAnnotations::with_title(definition.title.clone())
        .read_only(reads)
        .destructive(destroys)
        .idempotent(reads || definition.effect == Effect::Ends)
        .open_world(false);
    Tool::new(name.to_owned(), definition.description, object(definition.input))
        .with_title(definition.title)
        .with_raw_output_schema(Arc::new(object(definition.output)))
        .with_annotations(annotations)
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        // A schema that is none accepts everything.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            JsonObject::new()
        }
    }
}
