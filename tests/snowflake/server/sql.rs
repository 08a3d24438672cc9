//! A very small Snowflake: the statements that tests need, recognised by how they begin.
//!
//! It knows what a session can keep (context, parameters, variables, temporary tables, an open
//! transaction, the last query id) and how to take its time. It computes nothing.

use std::time::Duration;

use super::answers::{Column, Failure, Outcome};
use super::rows::Made;
use super::sessions::Session;
use serde_json::Value;

type Ran = Result<Outcome, Failure>;

/// How long a statement says that it runs: `SELECT SLEEP 1.5`, `… SYSTEM$WAIT(1.5) …`.
pub(crate) fn pause(sql: &str) -> Duration {
    let upper = spaced(sql);
    let words: Vec<&str> = upper.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "SLEEP" || *word == "SYSTEM$WAIT");
    let seconds = at.and_then(|at| words.get(at + 1)).and_then(|word| word.parse().ok());
    Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}

/// The statement with a literal for each `?` outside quotes, by the place of its value.
pub(crate) fn filled(sql: &str, bindings: &Value) -> String {
    let (mut filled, mut place, mut quoted) = (String::new(), 0, false);
    for c in sql.chars() {
        quoted ^= c == '\'';
        if c != '?' || quoted {
            filled.push(c);
            continue;
        }
        place += 1;
        let bound = &bindings[place.to_string()];
        let value = bound["value"].as_str().unwrap_or_default();
        filled.push_str(&match bound["type"].as_str() {
            Some("FIXED" | "REAL" | "BOOLEAN") => value.to_owned(),
            Some("TEXT") => format!("'{}'", value.replace('\'', "''")),
            Some("ANY") => "NULL".to_owned(),
            Some(_) | None => "?".to_owned(),
        });
    }
    filled
}

/// Runs one statement in a session.
pub(crate) fn run(sql: &str, session: &mut Session) -> Ran {
    let sql = bare(sql);
    let statements = pieces(&sql, ';').len();
    if statements > 1 {
        let message = format!(
            "Actual statement count {statements} did not match the desired statement count 1."
        );
        return Err(Failure::new("000008", "0A000", message));
    }
    let upper = spaced(&sql);
    let words: Vec<&str> = upper.split_whitespace().collect();
    let (head, rest) = words.split_first().ok_or_else(|| syntax_error("<EOF>"))?;
    match *head {
        "SELECT" | "CALL" => select(&sql, rest, session),
        "SHOW" => show(rest, session),
        "EXPLAIN" => {
            let plan = r#"{"GlobalStats":{"partitionsTotal":100,"partitionsAssigned":40,"bytesAssigned":5368709120},"Operations":[]}"#;
            let columns = vec![Column::text("plan", 16_777_216)];
            Ok(Outcome::Rows { columns, rows: vec![row(&[plan])] })
        }
        "DESCRIBE" | "DESC" => Ok(Outcome::Listing {
            columns: vec![Column::text("name", 256), Column::text("type", 256)],
            rows: vec![row(&["N", "NUMBER(38,0)"]), row(&["S", "VARCHAR(16777216)"])],
        }),
        "USE" => use_object(rest, session),
        "ALTER" if rest.starts_with(&["SESSION"]) => alter_session(&sql, &rest[1..], session),
        "SET" => set(&sql, session),
        "UNSET" => {
            for name in rest {
                session.variables.remove(*name);
            }
            Ok(status("Statement executed successfully."))
        }
        "CREATE" => create(rest, session),
        "DROP" => drop_table(rest, session),
        "BEGIN" | "START" => {
            let number = session.id * 1000 + 1;
            session.transaction.get_or_insert_with(|| number.to_string());
            Ok(status("Statement executed successfully."))
        }
        "COMMIT" | "ROLLBACK" => {
            session.transaction = None;
            Ok(status("Statement executed successfully."))
        }
        "INSERT" => Ok(effect("number of rows inserted", 0x3100)),
        "UPDATE" => Ok(effect("number of rows updated", 0x3200)),
        "DELETE" => Ok(effect("number of rows deleted", 0x3300)),
        "MERGE" => Ok(effect("number of rows inserted", 0x3400)),
        "PUT" => Ok(transfer(true, &sql)),
        "GET" => Ok(transfer(false, &sql)),
        other => Err(syntax_error(other)),
    }
}

fn effect(column: &'static str, type_id: i64) -> Outcome {
    Outcome::Effect { column, type_id }
}

fn status(line: &str) -> Outcome {
    Outcome::Status(line.to_owned())
}

fn row(cells: &[&str]) -> Vec<Option<String>> {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}

fn syntax_error(word: &str) -> Failure {
    let message =
        format!("SQL compilation error:\nsyntax error line 1 at position 0 unexpected '{word}'.");
    Failure::new("001003", "42000", message)
}

fn unknown(name: &str) -> Failure {
    let message =
        format!("SQL compilation error:\nObject '{name}' does not exist or not authorized.");
    Failure::new("002003", "42S02", message)
}

/// Without comments before the statement and the semicolon behind it.
fn bare(sql: &str) -> String {
    let mut rest = sql.trim();
    loop {
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, rest)| rest).trim_start();
        } else if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        } else {
            return rest.trim_end_matches(|c: char| c == ';' || c.is_whitespace()).to_owned();
        }
    }
}

/// In upper case, without quotes, with brackets, commas and equal signs as spaces; for finding
/// words only.
fn spaced(sql: &str) -> String {
    let space = |c: char| if "(),=;".contains(c) { ' ' } else { c };
    bare(sql).to_uppercase().chars().filter(|c| *c != '"').map(space).collect()
}

/// The parts between separators that stand in no text and no brackets.
fn pieces(sql: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut begin, mut depth, mut quoted) = (Vec::new(), 0, 0_i32, false);
    for (at, c) in sql.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            c if c == separator && !quoted && depth == 0 => {
                parts.push(sql[begin..at].trim());
                begin = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(sql[begin..].trim());
    parts
}

fn select(sql: &str, words: &[&str], session: &Session) -> Ran {
    if let Some(made) = Made::parse(words) {
        return Ok(Outcome::Made(made));
    }
    if words.first() == Some(&"UPLOAD") {
        // What no SELECT of the real service does: the client must go by the answer all the same.
        let path = sql.split('\'').nth(1).unwrap_or_default();
        return Ok(Outcome::Transfer { upload: true, path: path.to_owned() });
    }
    if let Some(at) = words.iter().position(|word| *word == "SLEEP") {
        if let Some(made) = words.get(at + 2..).and_then(Made::parse) {
            return Ok(Outcome::Made(made));
        }
        return Ok(one("SLEPT", "1"));
    }
    if let Some(at) = words.iter().position(|word| *word == "FROM") {
        let name = words.get(at + 1).copied().unwrap_or_default();
        let table = name.rsplit('.').next().unwrap_or(name);
        if session.tables.contains(table) {
            let columns = vec![Column::text("S", 100)];
            return Ok(Outcome::Rows { columns, rows: vec![row(&["kept"])] });
        }
        return Err(unknown(name));
    }
    let list = sql.split_once(char::is_whitespace).map_or("", |(_, list)| list);
    let mut columns = Vec::new();
    let mut cells = Vec::new();
    for item in pieces(list, ',') {
        let (column, cell) = expression(item, session)?;
        columns.push(column);
        cells.push(cell);
    }
    Ok(Outcome::Rows { columns, rows: vec![cells] })
}

fn one(name: &str, value: &str) -> Outcome {
    Outcome::Rows { columns: vec![Column::fixed(name, 38, 0)], rows: vec![row(&[value])] }
}

/// One item of a list: a literal, a variable, or a function about the session.
fn expression(item: &str, session: &Session) -> Result<(Column, Option<String>), Failure> {
    let upper = item.to_uppercase();
    let (item, name) = match upper.find(" AS ") {
        Some(at) => (item[..at].trim(), upper[at + 4..].trim().trim_matches('"').to_owned()),
        None => (item, upper.clone()),
    };
    let text = |cell: Option<String>| (Column::text(&name, 16_777_216), cell);
    if let Some(literal) = item.strip_prefix('\'') {
        return Ok(text(Some(literal.trim_end_matches('\'').replace("''", "'"))));
    }
    if item.parse::<i64>().is_ok() {
        return Ok((Column::fixed(&name, 38, 0), Some(item.to_owned())));
    }
    if let Some(variable) = item.strip_prefix('$') {
        let variable = variable.to_uppercase();
        let value = session.variables.get(&variable).cloned();
        let message =
            format!("SQL compilation error:\nSession variable '${variable}' does not exist");
        return Ok(text(Some(value.ok_or(Failure::new("002211", "02000", message))?)));
    }
    let call = item.to_uppercase().split_whitespace().collect::<String>();
    let cell = match call.trim_end_matches("()") {
        "NULL" => None,
        "CURRENT_ROLE" => session.role.clone(),
        "CURRENT_WAREHOUSE" => session.warehouse.clone(),
        "CURRENT_DATABASE" => session.database.clone(),
        "CURRENT_SCHEMA" => session.schema.clone(),
        "CURRENT_TRANSACTION" => session.transaction.clone(),
        "LAST_QUERY_ID" => session.last_query.clone(),
        "CURRENT_SESSION" => Some(session.id.to_string()),
        "CURRENT_USER" => Some(session.user.clone()),
        "CURRENT_ACCOUNT" => Some("TEST".to_owned()),
        "CURRENT_VERSION" => Some("10.40.1".to_owned()),
        "TRUE" | "FALSE" => Some(call.clone()),
        wait if wait.starts_with("SYSTEM$WAIT(") => Some("waited".to_owned()),
        other => {
            let message = format!("SQL compilation error:\ninvalid identifier '{other}'");
            return Err(Failure::new("000904", "42000", message));
        }
    };
    Ok(text(cell))
}

fn show(words: &[&str], session: &Session) -> Ran {
    let listing = |names: &[&str], rows: Vec<Vec<Option<String>>>| {
        let columns = names.iter().map(|name| Column::text(name, 256)).collect();
        Ok(Outcome::Listing { columns, rows })
    };
    match *words.first().unwrap_or(&"") {
        "PARAMETERS" => {
            let like = words.iter().position(|word| *word == "LIKE");
            let wanted = like.and_then(|at| words.get(at + 1)).map(|word| word.trim_matches('\''));
            let shown = session
                .parameters
                .iter()
                .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name.as_str()))
                .map(|(name, value)| row(&[name, value, "", "SESSION"]));
            listing(&["key", "value", "default", "level"], shown.collect())
        }
        "VARIABLES" => {
            let rows = session.variables.iter().map(|(name, value)| row(&[name, value]));
            listing(&["name", "value"], rows.collect())
        }
        "WAREHOUSES" => {
            let sizes = [("SMALL_WH", "Small"), ("BIG_WH", "4X-Large"), ("ODD_WH", "")];
            let rows = sizes.iter().map(|(name, size)| {
                let is_current = session.warehouse.as_deref() == Some(*name);
                row(&[name, "STARTED", size, if is_current { "Y" } else { "N" }])
            });
            listing(&["name", "state", "size", "is_current"], rows.collect())
        }
        "TABLES" => listing(&["name"], session.tables.iter().map(|name| row(&[name])).collect()),
        "TRANSACTIONS" => {
            listing(&["id"], session.transaction.iter().map(|id| row(&[id])).collect())
        }
        _ => listing(&["created_on", "name"], vec![row(&["2026-01-01", "DEMO"])]),
    }
}

fn use_object(words: &[&str], session: &mut Session) -> Ran {
    let named = |place: usize| words.get(place).map(|name| (*name).to_owned());
    match *words.first().unwrap_or(&"") {
        "ROLE" => session.role = named(1),
        "WAREHOUSE" => session.warehouse = named(1),
        "SECONDARY" => {}
        "SCHEMA" => place(named(1), true, session),
        "DATABASE" => place(named(1), false, session),
        _ => place(named(0), false, session),
    }
    if words.last().is_some_and(|name| name.starts_with("NO_SUCH")) {
        return Err(unknown(words.last().copied().unwrap_or_default()));
    }
    Ok(status("Statement executed successfully."))
}

/// `DB`, `DB.SCHEMA`, or a schema alone.
fn place(name: Option<String>, schema_alone: bool, session: &mut Session) {
    let Some(name) = name else { return };
    match name.split_once('.') {
        Some((database, schema)) => {
            session.database = Some(database.to_owned());
            session.schema = Some(schema.to_owned());
        }
        None if schema_alone => session.schema = Some(name),
        None => {
            session.database = Some(name);
            session.schema = Some("PUBLIC".to_owned());
        }
    }
}

fn alter_session(sql: &str, words: &[&str], session: &mut Session) -> Ran {
    match words.split_first() {
        Some((&"UNSET", names)) => {
            for name in names {
                session.parameters.remove(*name);
            }
        }
        Some((&"SET", _)) => {
            let upper = sql.to_uppercase();
            let at = upper.find(" SET ").map_or(sql.len(), |at| at + 5);
            for (name, value) in assignments(&sql[at..]) {
                session.parameters.insert(name, value);
            }
        }
        _ => return Err(syntax_error("SESSION")),
    }
    Ok(status("Statement executed successfully."))
}

/// `A = 1, B = 'x y'`, also without the comma.
fn assignments(text: &str) -> Vec<(String, String)> {
    let mut rest = text;
    let mut found = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').unwrap_or((quoted, "")),
            None => {
                after.split_once(|c: char| c == ',' || c.is_whitespace()).unwrap_or((after, ""))
            }
        };
        let name = name.trim_matches(|c: char| c == ',' || c.is_whitespace()).to_uppercase();
        found.push((name, value.to_owned()));
        rest = behind;
    }
    found
}

fn set(sql: &str, session: &mut Session) -> Ran {
    let list = sql.split_once(char::is_whitespace).map_or("", |(_, list)| list);
    for (name, value) in assignments(list) {
        session.variables.insert(name, value);
    }
    Ok(status("Statement executed successfully."))
}

fn create(words: &[&str], session: &mut Session) -> Ran {
    let temporary = words.iter().any(|word| ["TEMP", "TEMPORARY"].contains(word));
    let at = words.iter().position(|word| ["TABLE", "VIEW", "STAGE"].contains(word));
    let Some(name) = at.and_then(|at| words.get(at + 1)) else {
        return Err(syntax_error("CREATE"));
    };
    if temporary {
        session.tables.insert((*name).to_owned());
    }
    Ok(status(&format!("Table {name} successfully created.")))
}

fn drop_table(words: &[&str], session: &mut Session) -> Ran {
    let name = words.last().copied().unwrap_or_default();
    let forgiving = words.contains(&"EXISTS");
    if !session.tables.remove(name) && !forgiving {
        return Err(unknown(name));
    }
    Ok(status(&format!("{name} successfully dropped.")))
}

fn transfer(upload: bool, sql: &str) -> Outcome {
    let path = sql.split_whitespace().nth(1).unwrap_or_default();
    let path = path.trim_matches('\'').trim_start_matches("file://").trim_start_matches('@');
    Outcome::Transfer { upload, path: path.to_owned() }
}
