//! `describe_object`: what the account says of one object of any kind.

use serde::Deserialize;
use serde_json::{Value, json};

use super::kinds::{self, KINDS, Kind, Scope};
use crate::mcp::answer::{self, cell_text};
use crate::mcp::names::{Name, Path, literal};
use crate::mcp::tools::shelf::{Definition, Effect, input};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, hints, parsed};
use crate::warehouse::{Answer, Context};

#[derive(Debug, Deserialize)]
struct Arguments {
    name: String,
    kind: Option<String>,
    database: Option<String>,
    schema: Option<String>,
}

/// What is described, as it goes into a statement.
struct Object {
    /// For people.
    shown: String,
    quoted: String,
    /// Types of a function's or procedure's arguments, in brackets.
    signature: String,
    context: Context,
}

pub(super) const ENTRY: Entry = Entry {
    name: "describe_object",
    toolset: "core",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Describe an object".into(),
        description: "Shows columns or properties, and the definition, of one object: a table or \
                      view, or with `kind` one of schema, database, function, procedure, stage, \
                      warehouse and others."
            .into(),
        input: input(
            json!({
                "name": { "type": "string", "description": "May be database.schema.name; a function as NAME(NUMBER, VARCHAR)." },
                "kind": { "type": "string" },
                "database": { "type": "string" },
                "schema": { "type": "string" }
            }),
            &["name"],
        ),
        output: json!({
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "kind": { "type": "string" },
                "properties": { "type": "array", "items": { "type": "object" } },
                "definition": { "type": ["string", "null"] }
            },
            "required": ["name", "kind", "properties"]
        }),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let kind = arguments.kind.as_deref().map(kinds::named).transpose()?;
    let object = object(errand, &arguments, kind)?;
    let candidates = match kind {
        Some(kind) => vec![kind],
        None => vec![&KINDS[0], &KINDS[1]],
    };
    let mut first_error = None;
    for kind in candidates {
        let statement = format!("DESCRIBE {} {}{}", kind.singular, object.quoted, object.signature);
        match errand.ask(&statement, &object.context).await {
            Ok(described) => {
                let definition = ddl(errand, kind, &object).await?;
                return Ok(reply(errand, (kind, &object), described, definition));
            }
            Err(error) if error.is_about_statement() => {
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let error = first_error.unwrap_or_else(|| ToolError::Arguments("`name` is empty".to_owned()));
    Err(hints::helped(errand, &object.context, error).await)
}

fn object(
    errand: &Errand<'_>,
    arguments: &Arguments,
    kind: Option<&Kind>,
) -> Result<Object, ToolError> {
    let database = arguments.database.as_deref().map(|name| errand.database(name)).transpose()?;
    let schema = arguments.schema.as_deref().map(Name::parse).transpose()?;
    let has_signature = kind.is_some_and(|kind| ["function", "procedure"].contains(&kind.word));
    let (name, signature) = match arguments.name.split_once('(') {
        Some((name, types)) if has_signature => (name, signature(types)?),
        Some(_) | None if has_signature => (arguments.name.as_str(), "()".to_owned()),
        Some(_) | None => (arguments.name.as_str(), String::new()),
    };
    let names = |text: &Name| text.as_str().to_owned();
    let mut context = Context {
        database: database.as_ref().map(names),
        schema: schema.as_ref().map(names),
        ..Context::default()
    };
    let mut parts = Path::names(name)?;
    let before = match kind.map_or(Scope::Schema, |kind| kind.scope) {
        Scope::Account => Vec::new(),
        Scope::Database => database.into_iter().collect(),
        Scope::Schema => match (database, schema) {
            (Some(database), Some(schema)) => vec![database, schema],
            (_, Some(schema)) => vec![schema],
            (_, None) => Vec::new(),
        },
    };
    // What the name itself brings goes before what the call says beside it.
    let missing = (before.len() + 1).saturating_sub(parts.len());
    parts.splice(0..0, before.into_iter().take(missing));
    let is_database = kind.is_some_and(|kind| kind.word == "database");
    let of_database = kind.is_some_and(|kind| kind.scope == Scope::Database);
    if (is_database && parts.len() == 1) || (of_database && parts.len() == 2) || parts.len() == 3 {
        context.database = Some(errand.database(&parts[0].quoted())?.as_str().to_owned());
    }
    if is_database {
        context.database = None;
    }
    Ok(Object {
        shown: parts.iter().map(Name::to_string).collect::<Vec<_>>().join("."),
        quoted: parts.iter().map(Name::quoted).collect::<Vec<_>>().join("."),
        signature,
        context,
    })
}

/// Types of arguments: words, numbers and commas, up to the closing bracket.
fn signature(types: &str) -> Result<String, ToolError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_ ,()".contains(c);
    match types.trim_end().strip_suffix(')') {
        Some(types) if types.chars().all(is_plain) && balanced(types) => Ok(format!("({types})")),
        Some(_) | None => Err(ToolError::Arguments(
            "`name` of a function is followed by the types of its arguments: NAME(NUMBER, VARCHAR)"
                .to_owned(),
        )),
    }
}

fn balanced(types: &str) -> bool {
    let mut depth = 0_i32;
    let fine = types.chars().all(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth >= 0
    });
    fine && depth == 0
}

async fn ddl(
    errand: &Errand<'_>,
    kind: &Kind,
    object: &Object,
) -> Result<Option<String>, ToolError> {
    let Some(ddl) = kind.ddl else { return Ok(None) };
    let name = literal(&format!("{}{}", object.quoted, object.signature));
    match errand.ask(&format!("SELECT GET_DDL('{ddl}', {name})"), &object.context).await {
        Ok(answer) => Ok(answer.rows.first().and_then(|row| row.first()).map(cell_text)),
        Err(error) if error.is_about_statement() => Ok(None),
        Err(error) => Err(error),
    }
}

fn reply(
    errand: &Errand<'_>,
    (kind, object): (&Kind, &Object),
    mut described: Answer,
    definition: Option<String>,
) -> Reply {
    let characters_max = errand.limits().characters_max as usize;
    answer::fit(&mut described, characters_max);
    let definition = definition.map(|text| match text.char_indices().nth(characters_max) {
        None => text,
        Some((end, _)) => format!("{}...", &text[..end]),
    });
    let mut text = format!("## {} {}\n\n{}", kind.word, object.shown, answer::table(&described));
    if let Some(definition) = &definition {
        text.push_str(&format!("\n\n```sql\n{definition}\n```"));
    }
    if described.truncated {
        text.push_str("\n\nThere is more than is shown.");
    }
    let lines = answer::json_lines(&described);
    let properties: Vec<Value> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let structured = json!({
        "name": object.shown,
        "kind": kind.word,
        "properties": properties,
        "definition": definition,
    });
    Reply::new(text, structured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_types_and_nothing_else() {
        assert_eq!(signature("NUMBER, VARCHAR(10))").unwrap(), "(NUMBER, VARCHAR(10))");
        assert_eq!(signature(")").unwrap(), "()");
        for wrong in ["NUMBER", "'x')", "NUMBER); DROP TABLE x --)", "a) (b)", "NUMBER--)"] {
            assert!(signature(wrong).is_err(), "{wrong}");
        }
    }
}
