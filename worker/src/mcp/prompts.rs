//! Prompts: ways to begin that a person picks from a menu.
//!
//! Each is a text that names the tools to use and the order to use them in. What a person fills in
//! is checked as a name where it is one, and otherwise quoted as it was written.

use rmcp::ErrorData;
use rmcp::model::{
    GetPromptResult, JsonObject, ListPromptsResult, Prompt, PromptArgument, PromptMessage, Role,
};
use serde_json::Value;

use super::lookup;
use super::names::{Name, NameError, Path};
use crate::access::Caller;

/// One prompt: how it presents itself, and its text.
struct Entry {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    text: fn(&Filled<'_>) -> Result<String, NameError>,
}

/// One thing to fill in.
struct Argument {
    name: &'static str,
    description: &'static str,
    need: Need,
}

/// Whether it must be filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

const DATABASE: &str = "The database, written as in SQL.";
const SCHEMA: &str = "The schema, written as in SQL.";

const fn argument(name: &'static str, description: &'static str, need: Need) -> Argument {
    Argument { name, description, need }
}

/// All prompts, in the order in which they are listed.
const ENTRIES: [Entry; 4] = [
    Entry {
        name: "explore_database",
        title: "Explore this database",
        description: "Find out what a database holds and what it is good for.",
        arguments: &[
            argument("database", DATABASE, Need::Required),
            argument("schema", "One schema; all of them when left out.", Need::Optional),
        ],
        text: explore,
    },
    Entry {
        name: "explain_table",
        title: "Explain this table",
        description: "Say what a table or view holds, column by column, with examples.",
        arguments: &[
            argument("database", DATABASE, Need::Required),
            argument("schema", SCHEMA, Need::Required),
            argument("table", "The table or view, written as in SQL.", Need::Required),
        ],
        text: explain,
    },
    Entry {
        name: "write_query",
        title: "Write a query",
        description: "Turn a question into one statement, run it and answer from what it gives.",
        arguments: &[
            argument("question", "What you want to know.", Need::Required),
            argument("database", DATABASE, Need::Optional),
            argument("schema", SCHEMA, Need::Optional),
        ],
        text: write_query,
    },
    Entry {
        name: "why_is_it_slow",
        title: "Why is it slow?",
        description: "Find out what a statement spends its time on and how to make it faster.",
        arguments: &[
            argument("statement", "The statement, or the id of a query that ran.", Need::Required),
            argument("database", DATABASE, Need::Optional),
            argument("schema", SCHEMA, Need::Optional),
        ],
        text: why_slow,
    },
];

/// The prompts that a caller may pick from.
pub(super) fn list(caller: &Caller) -> ListPromptsResult {
    let shown = ENTRIES.iter().filter(|_| lookup::is_open_to(caller));
    ListPromptsResult::with_all_items(shown.map(presented).collect())
}

/// The text of a prompt with what was filled in.
///
/// # Errors
/// When there is no such prompt, something is missing, or a name is none.
pub(super) fn get(
    caller: &Caller,
    name: &str,
    arguments: Option<JsonObject>,
) -> Result<GetPromptResult, ErrorData> {
    let entry = named(name).filter(|_| lookup::is_open_to(caller));
    let Some(entry) = entry else {
        let message = format!("there is no prompt `{name}`; prompts/list says which");
        return Err(ErrorData::invalid_params(message, None));
    };
    let arguments = arguments.unwrap_or_default();
    check(entry, &arguments).map_err(|words| ErrorData::invalid_params(words, None))?;
    let text = (entry.text)(&Filled { arguments: &arguments })
        .map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
    let message = PromptMessage::new_text(Role::User, text);
    Ok(GetPromptResult::new(vec![message]).with_description(entry.description))
}

/// Whether a prompt of this name has this argument; `None` when there is no such prompt.
pub(super) fn has_argument(prompt: &str, argument: &str) -> Option<bool> {
    let entry = named(prompt)?;
    Some(entry.arguments.iter().any(|candidate| candidate.name == argument))
}

fn named(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

fn presented(entry: &Entry) -> Prompt {
    let argument = |argument: &Argument| {
        PromptArgument::new(argument.name)
            .with_description(argument.description)
            .with_required(argument.need == Need::Required)
    };
    let arguments = entry.arguments.iter().map(argument).collect();
    Prompt::new(entry.name, Some(entry.description), Some(arguments)).with_title(entry.title)
}

fn check(entry: &Entry, arguments: &JsonObject) -> Result<(), String> {
    for name in arguments.keys() {
        if has_argument(entry.name, name) != Some(true) {
            return Err(format!("prompt `{}` has no argument `{name}`", entry.name));
        }
    }
    for argument in entry.arguments {
        match arguments.get(argument.name) {
            Some(Value::String(text)) if !text.trim().is_empty() => {}
            Some(Value::String(_)) | None if argument.need == Need::Optional => {}
            Some(Value::String(_)) | None => {
                return Err(format!("prompt `{}` needs `{}`", entry.name, argument.name));
            }
            Some(_) => return Err(format!("`{}` must be a text", argument.name)),
        }
    }
    Ok(())
}

/// What a person filled in.
struct Filled<'a> {
    arguments: &'a JsonObject,
}

impl Filled<'_> {
    /// A text; empty when nothing was filled in.
    fn text(&self, argument: &str) -> &str {
        self.arguments.get(argument).and_then(Value::as_str).unwrap_or_default().trim()
    }

    fn name(&self, argument: &str) -> Result<Option<Name>, NameError> {
        Some(self.text(argument)).filter(|text| !text.is_empty()).map(Name::parse).transpose()
    }

    /// A name that must be there.
    fn needed(&self, argument: &str) -> Result<Name, NameError> {
        Name::parse(self.text(argument))
    }

    /// Where to look, as a sentence begins with it; the whole account without a database.
    fn place(&self) -> Result<String, NameError> {
        Ok(match (self.name("database")?, self.name("schema")?) {
            (Some(database), Some(schema)) => format!("In schema {database}.{schema}"),
            (Some(database), None) => format!("In database {database}"),
            (None, Some(schema)) => format!("In schema {schema} of the session's database"),
            (None, None) => "In this account (find the database with `list_databases`)".to_owned(),
        })
    }
}

fn explore(filled: &Filled<'_>) -> Result<String, NameError> {
    let database = filled.needed("database")?;
    let (place, objects) = match filled.name("schema")? {
        Some(schema) => (
            format!("schema {database}.{schema}"),
            format!("`SHOW OBJECTS IN SCHEMA {database}.{schema}`"),
        ),
        None => (
            format!("database {database}"),
            format!(
                "`SHOW SCHEMAS IN DATABASE {database}`, then `SHOW OBJECTS IN SCHEMA` for each"
            ),
        ),
    };
    Ok(format!(
        "Explore {place} and tell me what it is good for.\n\
         1. List what is there with `execute_query`: {objects}.\n\
         2. Look at the columns of the tables and views that matter with `describe_view`.\n\
         3. Look at a few rows of those with `execute_query` and `limit` 5; never fetch whole tables.\n\
         4. Tell me in one page: the subjects it covers, the main tables with their size and grain, \
         how they join, which columns say when, and three questions it can answer, each with its \
         statement."
    ))
}

fn explain(filled: &Filled<'_>) -> Result<String, NameError> {
    let path = Path {
        database: filled.needed("database")?,
        schema: Some(filled.needed("schema")?),
        object: filled.needed("table")?,
    };
    Ok(format!(
        "Explain {path} to me.\n\
         1. Read its columns and its definition with `describe_view`.\n\
         2. Look at five rows with `query_view`.\n\
         3. With one aggregating statement through `execute_query`, find out how many rows there \
         are, which columns are unique, and the range of each date.\n\
         4. Tell me what one row stands for, what each column means and holds, which columns join to \
         what, and what to beware of: NULLs, duplicates, units, time zones."
    ))
}

fn write_query(filled: &Filled<'_>) -> Result<String, NameError> {
    Ok(format!(
        "{}, answer this question with one statement in Snowflake's SQL:\n\n{}\n\n\
         1. Find the tables and columns with `list_views`, `describe_view` and `SHOW` statements; do \
         not guess names.\n\
         2. Write one statement that aggregates instead of fetching rows, with fully qualified names.\n\
         3. Check it with `EXPLAIN` through `execute_query`, then run it.\n\
         4. Answer the question, show the statement, and say what it takes for granted.",
        filled.place()?,
        filled.text("question"),
    ))
}

fn why_slow(filled: &Filled<'_>) -> Result<String, NameError> {
    Ok(format!(
        "{}, find out why this is slow (a statement, or the id of a query that ran):\n\n{}\n\n\
         1. If it is an id, find the statement, its times and the bytes it scanned with \
         `SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION())` or \
         `QUERY_HISTORY_BY_USER()` through `execute_query`; do not run the statement again.\n\
         2. Read its plan: `EXPLAIN` and the statement, through `execute_query`. Look at partitions \
         assigned against partitions in total, and at joins that multiply rows.\n\
         3. Look at the tables it reads with `describe_view`: their clustering, and whether the \
         filters are on columns that pruning can use.\n\
         4. Tell me where the time goes (waiting, compiling, scanning, joining, spilling), and write \
         the statement so that it is faster, with the reason for each change.",
        filled.place()?,
        filled.text("statement"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn got(name: &str, arguments: Value) -> Result<String, ErrorData> {
        let result = get(&Caller::local(), name, arguments.as_object().cloned())?;
        Ok(serde_json::to_value(&result.messages).unwrap()[0]["content"]["text"].to_string())
    }

    #[test]
    fn names_are_read_as_names_and_questions_as_they_are() {
        let text = got("explore_database", json!({ "database": "sales" })).unwrap();
        assert!(text.contains("database SALES"), "{text}");
        let filled = json!({ "database": "sales", "schema": "\"My s\"", "table": "t" });
        let text = got("explain_table", filled).unwrap();
        assert!(text.contains("SALES.\\\\\\\"My s\\\\\\\".T") || text.contains("My s"), "{text}");
        let text = got("write_query", json!({ "question": "how many; drop?" })).unwrap();
        assert!(text.contains("how many; drop?"), "{text}");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (name, arguments, words) in [
            ("explain_table", json!({ "database": "a", "schema": "b" }), "needs `table`"),
            ("explore_database", json!({ "database": "a b" }), "double quotes"),
            ("explore_database", json!({ "database": 1 }), "must be a text"),
            ("explore_database", json!({ "database": "a", "tabel": "b" }), "no argument `tabel`"),
            ("nothing", json!({}), "no prompt `nothing`"),
        ] {
            let error = got(name, arguments).unwrap_err();
            assert!(error.message.contains(words), "{error:?}");
        }
    }

    #[test]
    fn whoever_sees_no_tools_sees_no_prompts() {
        assert_eq!(list(&Caller::local()).prompts.len(), ENTRIES.len());
        assert!(list(&Caller::nobody()).prompts.is_empty());
        assert!(get(&Caller::nobody(), "write_query", None).is_err());
    }
}
