//! Completions: which databases, schemas, tables and views begin with what was typed.
//!
//! One short question to the account for each, with a time limit of its own: a list that comes late
//! is worth nothing, so what cannot be found out in time is an empty list.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompletionInfo, Reference};

use super::lookup::{self, Rows};
use super::names::{Name, literal};
use super::tools::errand::Errand;
use super::{prompts, resources};
use crate::clock::Clock;

/// How long a list may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most characters of a beginning that are looked for; no name is longer.
const TYPED_CHARS_MAX: usize = 255;

/// What a completed argument is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sought {
    Database,
    Schema,
    Object,
}

/// What could be meant.
///
/// # Errors
/// When there is no such prompt, template or argument.
pub(super) async fn complete(
    errand: &Errand<'_>,
    clock: Clock,
    request: &CompleteRequestParams,
) -> Result<CompletionInfo, ErrorData> {
    let argument = request.argument.name.as_str();
    check(&request.r#ref, argument).map_err(|words| ErrorData::invalid_params(words, None))?;
    let sought = match argument {
        "database" => Sought::Database,
        "schema" => Sought::Schema,
        "table" => Sought::Object,
        _ => return Ok(CompletionInfo::default()),
    };
    if !lookup::is_open_to(errand.caller) {
        return Ok(CompletionInfo::default());
    }
    let given = |name: &str| {
        let text = request.context.as_ref()?.get_argument(name)?;
        Name::parse(text).ok()
    };
    let Some(list) = list(sought, given("database"), given("schema")) else {
        return Ok(CompletionInfo::default());
    };
    let typed = Typed::read(&request.argument.value);
    match clock.within(PATIENCE, search(errand, &list, &typed)).await {
        Some(found) => Ok(found),
        None => {
            tracing::debug!(argument, "a completion came too late");
            Ok(CompletionInfo::default())
        }
    }
}

fn check(reference: &Reference, argument: &str) -> Result<(), String> {
    match reference {
        Reference::Prompt(prompt) => match prompts::has_argument(&prompt.name, argument) {
            Some(true) => Ok(()),
            Some(false) => Err(format!("prompt `{}` has no argument `{argument}`", prompt.name)),
            None => Err(format!("there is no prompt `{}`", prompt.name)),
        },
        Reference::Resource(resource) if !resources::is_template(&resource.uri) => {
            Err(format!("there is no resource template `{}`", resource.uri))
        }
        Reference::Resource(resource) if !resource.uri.contains(&format!("{{{argument}}}")) => {
            Err(format!("resource template `{}` has no `{argument}`", resource.uri))
        }
        Reference::Resource(_) => Ok(()),
        _ => Err("only arguments of prompts and resource templates are completed".to_owned()),
    }
}

/// A list in which to look.
struct List {
    sought: Sought,
    /// The database that it is in.
    database: Option<Name>,
    /// What stands around the pattern: `SHOW SCHEMAS` and `IN DATABASE "SALES"`.
    show: &'static str,
    within: String,
}

/// Where the sought names are listed; none when what is around them is not known.
fn list(sought: Sought, database: Option<Name>, schema: Option<Name>) -> Option<List> {
    let (show, within) = match sought {
        Sought::Database => ("SHOW DATABASES", String::new()),
        Sought::Schema => ("SHOW SCHEMAS", format!(" IN DATABASE {}", database.as_ref()?.quoted())),
        Sought::Object => {
            let (database, schema) = (database.as_ref()?.quoted(), schema?.quoted());
            ("SHOW OBJECTS", format!(" IN SCHEMA {database}.{schema}"))
        }
    };
    Some(List { sought, database, show, within })
}

/// What was typed of a name.
struct Typed {
    beginning: String,
}

impl Typed {
    fn read(value: &str) -> Typed {
        let beginning = value.trim_start().trim_matches('"');
        Typed { beginning: beginning.chars().take(TYPED_CHARS_MAX).collect() }
    }

    /// A pattern that every name with this beginning fits. Characters that mean something in
    /// patterns become "any one": what fits too well is left out afterwards.
    fn pattern(&self) -> String {
        let plain = self.beginning.chars().map(|c| match c {
            '%' | '\\' => '_',
            c => c,
        });
        plain.chain(['%']).collect()
    }

    fn begins(&self, name: &Name) -> bool {
        let name = name.as_str().to_lowercase();
        name.starts_with(&self.beginning.to_lowercase())
    }
}

async fn search(errand: &Errand<'_>, list: &List, typed: &Typed) -> CompletionInfo {
    let caller = errand.caller;
    if list.database.as_ref().is_some_and(|database| !lookup::allows(caller, database)) {
        return CompletionInfo::default();
    }
    let (show, within) = (list.show, &list.within);
    let most = CompletionInfo::MAX_VALUES + 1;
    let pattern = literal(&typed.pattern());
    let statement = format!("{show} LIKE {pattern}{within} LIMIT {most}");
    let rows = match Rows::ask(errand, &statement).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::debug!(%error, "no completion");
            return CompletionInfo::default();
        }
    };
    let cut = rows.truncated() || rows.iter().count() >= most;
    let is_meant = |name: &Name| {
        let allowed = list.sought != Sought::Database || lookup::allows(caller, name);
        allowed && typed.begins(name)
    };
    let mut values: Vec<String> =
        rows.iter().map(|row| row.name()).filter(is_meant).map(|name| name.to_string()).collect();
    values.sort();
    values.dedup();
    values.truncate(CompletionInfo::MAX_VALUES);
    let total = if cut { None } else { u32::try_from(values.len()).ok() };
    CompletionInfo::with_pagination(values, total, cut).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_fits_the_beginning_and_cannot_be_left() {
        for (typed, pattern) in [
            ("", "'%'"),
            ("sal", "'sal%'"),
            ("\"My t", "'My t%'"),
            ("a_b%c\\", "'a_b_c_%'"),
            ("o'x", "'o''x%'"),
        ] {
            assert_eq!(literal(&Typed::read(typed).pattern()), pattern);
        }
    }

    #[test]
    fn what_fits_the_pattern_alone_does_not_begin_so() {
        let name = |text: &str| Name::parse(text).unwrap();
        assert!(Typed::read("a_").begins(&name("A_B")));
        assert!(!Typed::read("a_").begins(&name("AXB")));
    }

    #[test]
    fn only_arguments_that_exist_are_completed() {
        let prompt = Reference::for_prompt("explore_database");
        assert!(check(&prompt, "schema").is_ok() && check(&prompt, "table").is_err());
        assert!(check(&Reference::for_prompt("nothing"), "database").is_err());
        let template = Reference::for_resource("snowflake://{database}/{schema}");
        assert!(check(&template, "schema").is_ok() && check(&template, "table").is_err());
        assert!(check(&Reference::for_resource("file:///{path}"), "path").is_err());
    }

    #[test]
    fn a_table_is_looked_for_only_where_its_schema_is_known() {
        let name = |text: &str| Name::parse(text).ok();
        assert!(list(Sought::Object, name("a"), None).is_none());
        let list = list(Sought::Object, name("a"), name("\"b c\"")).unwrap();
        assert_eq!(list.within, " IN SCHEMA \"A\".\"b c\"");
    }
}
