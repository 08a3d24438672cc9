//! What is written in a resource: one level of the account, and the addresses of the next.

use serde_json::{Value, json};

use super::{Address, Unreadable};
use crate::mcp::lookup::{Row, Rows};
use crate::mcp::names::{Name, Path, literal};
use crate::mcp::tools::errand::Errand;

/// What is at an address.
///
/// # Errors
/// When there is nothing, or the warehouse gives no answer.
pub(super) async fn of(errand: &Errand<'_>, address: &Address) -> Result<Value, Unreadable> {
    match address {
        Address::Account => account(errand).await,
        Address::Database(database) => schemas(errand, database).await,
        Address::Schema { database, schema } => objects(errand, database, schema).await,
        Address::Object(path) => object(errand, path).await,
    }
}

async fn account(errand: &Errand<'_>) -> Result<Value, Unreadable> {
    let rows = Rows::databases(errand, "").await?;
    let databases: Vec<Value> =
        rows.iter().map(|row| entry(row, Address::Database(row.name()), json!({}))).collect();
    Ok(json!({ "databases": databases, "truncated": rows.truncated() }))
}

async fn schemas(errand: &Errand<'_>, database: &Name) -> Result<Value, Unreadable> {
    let rows =
        Rows::ask(errand, &format!("SHOW SCHEMAS IN DATABASE {}", database.quoted())).await?;
    let address = |row: Row<'_>| Address::Schema { database: database.clone(), schema: row.name() };
    let schemas: Vec<Value> = rows.iter().map(|row| entry(row, address(row), json!({}))).collect();
    Ok(json!({
        "database": database.as_str(),
        "schemas": schemas,
        "truncated": rows.truncated(),
    }))
}

async fn objects(errand: &Errand<'_>, database: &Name, schema: &Name) -> Result<Value, Unreadable> {
    let (inside, within) = (database.quoted(), schema.quoted());
    let rows = Rows::ask(errand, &format!("SHOW OBJECTS IN SCHEMA {inside}.{within}")).await?;
    let objects: Vec<Value> = rows
        .iter()
        .map(|row| {
            let path = Path {
                database: database.clone(),
                schema: Some(schema.clone()),
                object: row.name(),
            };
            let count = row.text("rows").parse::<u64>().ok();
            entry(row, Address::Object(path), json!({ "kind": row.text("kind"), "rows": count }))
        })
        .collect();
    Ok(json!({
        "database": database.as_str(),
        "schema": schema.as_str(),
        "objects": objects,
        "truncated": rows.truncated(),
    }))
}

/// Of a table or a view: Snowflake takes the one word for both.
async fn object(errand: &Errand<'_>, path: &Path) -> Result<Value, Unreadable> {
    let quoted = path.quoted();
    let rows = Rows::ask(errand, &format!("DESCRIBE TABLE {quoted}")).await?;
    let columns: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.text("name"),
                "type": row.text("type"),
                "nullable": !row.text("null?").starts_with(['N', 'n']),
                "comment": row.text("comment"),
            })
        })
        .collect();
    Ok(json!({
        "name": path.to_string(),
        "query_id": rows.query_id(),
        "columns": columns,
        "definition": definition(errand, &quoted).await?,
    }))
}

/// The statement that would make it, where the role may see it.
async fn definition(errand: &Errand<'_>, quoted: &str) -> Result<Option<String>, Unreadable> {
    let statement = format!("SELECT GET_DDL('TABLE', {}) AS \"definition\"", literal(quoted));
    match Rows::ask(errand, &statement).await {
        Ok(rows) => Ok(rows.iter().next().map(|row| row.text("definition"))),
        Err(error) if error.is_about_statement() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One of a list: its name, its address, and what else is known.
fn entry(row: Row<'_>, address: Address, more: Value) -> Value {
    let mut entry = json!({
        "name": row.name().as_str(),
        "uri": address.to_string(),
        "comment": row.text("comment"),
    });
    if let (Value::Object(entry), Value::Object(more)) = (&mut entry, more) {
        entry.extend(more);
    }
    entry
}
