//! Objects of ten kinds: listed, described, made, dropped.

use mcp_protocol::access::Allowed;
use serde::Deserialize;
use serde_json::{Value, json};

use super::target::{Holder, KINDS, Kind, Mode, Target};
use super::{TOOLSET, own, scope};
use crate::mcp::answer::{self, cell_text};
use crate::mcp::names::literal;
use crate::mcp::tools::errand::{Errand, parsed};
use crate::mcp::tools::shelf::{Definition, Effect, Entry, input};
use crate::mcp::tools::{Reply, ToolError, position};
use crate::warehouse::Context;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListArguments {
    object_type: Kind,
    database_name: Option<String>,
    schema_name: Option<String>,
    like: Option<String>,
    starts_with: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectArguments {
    object_type: Kind,
    target_object: Value,
    mode: Option<Mode>,
    if_exists: Option<bool>,
}

pub(super) const LIST: Entry = Entry {
    name: "list_objects",
    toolset: TOOLSET,
    definition: || Definition {
        title: "List objects".into(),
        description: "Lists the objects of one type, in the account, a database or a schema."
            .into(),
        input: input(
            json!({
                "object_type": { "type": "string", "enum": KINDS },
                "database_name": { "type": "string" },
                "schema_name": { "type": "string" },
                "like": { "type": "string", "description": "What the name has in it, in any case; `%` and `_` stand for anything." },
                "starts_with": { "type": "string", "description": "What the name begins with, in this case." }
            }),
            &["object_type"],
        ),
        output: answer::output_schema(),
        effect: Effect::Reads,
    },
    call: |errand, arguments| Box::pin(async move { list(errand, parsed(arguments)?).await }),
};

pub(super) const DESCRIBE: Entry = Entry {
    name: "describe_object",
    toolset: TOOLSET,
    definition: || Definition {
        title: "Describe an object".into(),
        description: "Describes one object by its type and its name.".into(),
        input: input(about_object(), &["object_type", "target_object"]),
        output: answer::output_schema(),
        effect: Effect::Reads,
    },
    call: |errand, arguments| Box::pin(async move { describe(errand, parsed(arguments)?).await }),
};

pub(super) const CREATE: Entry = Entry {
    name: "create_object",
    toolset: TOOLSET,
    definition: || {
        let mut properties = about_object();
        properties["mode"] = json!({
            "type": "string",
            "enum": ["error_if_exists", "replace", "if_not_exists"],
            "default": "error_if_exists"
        });
        changing(
            "Create an object",
            "Makes an object of this type with these properties.",
            properties,
        )
    },
    call: |errand, arguments| {
        Box::pin(async move {
            let arguments: ObjectArguments = parsed(arguments)?;
            let mode = arguments.mode.unwrap_or(Mode::ErrorIfExists);
            let target = Target::read(arguments.target_object)?;
            own(errand, &target.create(errand, arguments.object_type, mode)?).await
        })
    },
};

pub(super) const CREATE_OR_ALTER: Entry = Entry {
    name: "create_or_alter_object",
    toolset: TOOLSET,
    definition: || {
        let words =
            "Makes an object of this type, or gives the one that is there these properties.";
        changing("Create or alter an object", words, about_object())
    },
    call: |errand, arguments| {
        Box::pin(async move {
            let arguments: ObjectArguments = parsed(arguments)?;
            let target = Target::read(arguments.target_object)?;
            own(errand, &target.create(errand, arguments.object_type, Mode::Alter)?).await
        })
    },
};

pub(super) const DROP: Entry = Entry {
    name: "drop_object",
    toolset: TOOLSET,
    definition: || {
        let mut properties = about_object();
        properties["if_exists"] = json!({ "type": "boolean", "default": false });
        changing("Drop an object", "Removes an object by its type and its name.", properties)
    },
    call: |errand, arguments| {
        Box::pin(async move {
            let ObjectArguments { object_type, target_object, if_exists, .. } = parsed(arguments)?;
            let quoted = Target::read(target_object)?.quoted(errand, object_type)?;
            let if_exists = if if_exists == Some(true) { " IF EXISTS" } else { "" };
            own(errand, &format!("DROP {}{if_exists} {quoted}", object_type.words())).await
        })
    },
};

fn about_object() -> Value {
    json!({
        "object_type": { "type": "string", "enum": KINDS },
        "target_object": {
            "type": ["object", "string"],
            "description": "The object: `name`, `database_name` and `schema_name` where it is in one; to make it also `comment`, `kind`, `columns` (`name`, `datatype`, `nullable`, `comment`), `query` of a view."
        }
    })
}

fn changing(title: &'static str, description: &'static str, properties: Value) -> Definition {
    Definition {
        title: title.into(),
        description: description.into(),
        input: input(properties, &["object_type", "target_object"]),
        output: answer::output_schema(),
        effect: Effect::AsGranted,
    }
}

async fn list(errand: &Errand<'_>, arguments: ListArguments) -> Result<Reply, ToolError> {
    let ListArguments { object_type, database_name, schema_name, like, starts_with } = arguments;
    let mut statement = format!("SHOW {}", object_type.plural());
    if let Some(like) = like.filter(|like| !like.is_empty()) {
        let pattern = literal(&format!("%{}%", like.trim_matches('%')));
        statement.push_str(&format!(" LIKE {pattern}"));
    }
    match object_type.holder() {
        Holder::Account => {}
        Holder::Database => {
            statement.push_str(&scope(errand, database_name.as_deref(), None)?);
        }
        Holder::Schema => {
            let place = scope(errand, database_name.as_deref(), schema_name.as_deref())?;
            statement.push_str(&place);
        }
    }
    // Snowflake knows no STARTS WITH for these.
    let starts_with = starts_with.filter(|_| object_type != Kind::Warehouse);
    if let Some(beginning) = starts_with.filter(|text| !text.is_empty()) {
        statement.push_str(&format!(" STARTS WITH {}", literal(&beginning)));
    }
    match (&errand.caller.grant.databases, object_type) {
        (Allowed::Only(_), Kind::Database) => databases(errand, &statement).await,
        (Allowed::Any | Allowed::Only(_), _) => own(errand, &statement).await,
    }
}

/// A list of databases without those that the caller may not name.
async fn databases(errand: &Errand<'_>, statement: &str) -> Result<Reply, ToolError> {
    let mut found = errand.ask(statement, &Context::default()).await?;
    let at = position(&found, "name").unwrap_or(1);
    found.rows.retain(|row| {
        let name = row.get(at).map(cell_text).unwrap_or_default();
        errand.caller.grant.databases.allows(&name)
    });
    Ok(Reply::new(answer::table(&found), answer::structured(&found)))
}

async fn describe(errand: &Errand<'_>, arguments: ObjectArguments) -> Result<Reply, ToolError> {
    let kind = arguments.object_type;
    let quoted = Target::read(arguments.target_object)?.quoted(errand, kind)?;
    own(errand, &format!("DESCRIBE {} {quoted}", kind.words())).await
}

#[cfg(test)]
mod tests {
    use super::super::target::KINDS;
    use super::Kind;
    use crate::sql::{Level, decide};

    #[test]
    fn the_gate_lets_every_kind_be_listed_and_described() {
        for word in KINDS {
            let kind: Kind = serde_json::from_value(word.into()).expect("a kind");
            for statement in [
                format!("SHOW {} LIKE '%a%'", kind.plural()),
                format!("DESCRIBE {} \"A\"", kind.words()),
            ] {
                let decision = decide(&statement, Level::Read);
                assert!(decision.is_allowed(), "{statement}: {decision:?}");
            }
        }
    }

    #[test]
    fn objects_are_made_from_write_on_and_dropped_by_those_who_may_destroy() {
        for (statement, least) in [
            (
                "CREATE TABLE IF NOT EXISTS \"A\".\"B\".\"C\" (\"X\" NUMBER(38, 0) NOT NULL) COMMENT = 'c'",
                Level::Write,
            ),
            ("CREATE VIEW \"A\".\"B\".\"C\" (\"X\") COMMENT = 'c' AS SELECT 1", Level::Write),
            ("CREATE OR REPLACE TABLE \"A\".\"B\".\"C\" (\"X\" INT)", Level::Destructive),
            ("CREATE OR ALTER TABLE \"A\".\"B\".\"C\" (\"X\" INT)", Level::Destructive),
            ("DROP TABLE IF EXISTS \"A\".\"B\".\"C\"", Level::Destructive),
        ] {
            assert!(!decide(statement, Level::Read).is_allowed(), "{statement}");
            let decision = decide(statement, least);
            assert!(decision.is_allowed(), "{statement}: {decision:?}");
        }
        assert!(!decide("CREATE USER \"U\"", Level::Destructive).is_allowed());
    }
}
