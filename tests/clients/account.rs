//! The tools on an account at Snowflake, over the wire that is used for the real one: the other end
//! is an emulator that nobody here wrote. It has SQL and types of its own; faults are elsewhere.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::fleet::call_of;
use crate::harness::{House, send, skip};
use crate::install;

/// The emulator; it ends when its standard input does.
struct Emulator {
    process: Child,
    port: u16,
}

impl Emulator {
    #[expect(clippy::disallowed_methods, reason = "the emulator is a program of its own")]
    fn start() -> Result<Emulator, String> {
        let python = install::fakesnow()?;
        let mut process = Command::new(python)
            .arg("fakesnow_server.py")
            .current_dir(install::directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start the emulator: {error}"))?;
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said.find_map(|line| line.ok()?.parse().ok());
        Ok(Emulator { process, port: port.expect("the emulator says its port") })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Two workers on the emulated account, which is named as any other.
fn fleet(port: u16) -> String {
    format!(
        "[supervisor]\nmetrics = \"off\"\n[apps.query]\nlisten = \"127.0.0.1:0\"\ninstances = 2\n\
         [apps.query.warehouse]\nkind = \"snowflake\"\n[apps.query.snowflake]\n\
         account = \"ORG-EMULATED\"\nuser = \"MCP\"\npassword = \"secret\"\n\
         host = \"http://127.0.0.1:{port}\"\ndatabase = \"SHOP\"\nschema = \"SALES\"\n"
    )
}

#[test]
fn every_tool_answers_from_an_account_over_the_real_wire() {
    let emulator = match Emulator::start() {
        Ok(emulator) => emulator,
        Err(why) => {
            return skip("every_tool_answers_from_an_account_over_the_real_wire", &why);
        }
    };
    let house = House::new(&fleet(emulator.port));
    house.start();
    let ask = |tool: &str, arguments: Value| {
        let answer = send(house.address(), &call_of(tool, &arguments)).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["result"].clone()
    };
    let rows = |answer: &Value| answer["structuredContent"]["rows"].clone();

    let databases = ask("list_databases", json!({}));
    let list = databases["structuredContent"]["databases"].as_array().unwrap();
    assert!(list.contains(&json!("SHOP")), "{databases}");

    let views = ask("list_views", json!({ "database": "shop", "schema": "sales" }));
    assert!(views.to_string().contains("BIG_ORDERS"), "{views}");

    let view = json!({ "database": "SHOP", "schema": "SALES", "view_name": "BIG_ORDERS" });
    let described = ask("describe_view", view.clone());
    let columns = described["structuredContent"]["columns"].as_array().unwrap();
    let names: Vec<&Value> = columns.iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["ID", "TOTAL"], "{described}");

    let looked = ask("query_view", view);
    assert_eq!(rows(&looked), json!([[2, "1234567890.10"]]), "{looked}");

    // Without a database: where the account's settings say.
    let query = "select ID, TOTAL, PLACED, PAID_AT, NOTE from ORDERS order by ID";
    let all = ask("execute_query", json!({ "query": query }));
    assert_eq!(
        rows(&all),
        json!([
            [1, "10.25", "2026-01-31", "2026-01-31 10:20:30.123456000", "first"],
            [2, "1234567890.10", "1969-12-31", "1969-12-31 23:59:59.000", null],
        ]),
        "{all}"
    );

    let many =
        ask("execute_query", json!({ "query": "select N from MANY order by N", "limit": 7 }));
    assert_eq!(rows(&many), json!([[0], [1], [2], [3], [4], [5], [6]]), "{many}");
    assert_eq!(many["structuredContent"]["truncated"], true, "{many}");

    let empty = ask("execute_query", json!({ "query": "select ID from ORDERS where ID > 5" }));
    assert_eq!(rows(&empty), json!([]), "{empty}");
    assert_eq!(empty["structuredContent"]["columns"][0]["name"], "ID", "{empty}");

    let wrong = ask("execute_query", json!({ "query": "select NOTHING from ORDERS" }));
    assert_eq!(wrong["isError"], true, "{wrong}");
    assert!(wrong["content"][0]["text"].as_str().unwrap().contains("NOTHING"), "{wrong}");

    let refused = ask("execute_query", json!({ "query": "drop table ORDERS" }));
    assert_eq!(refused["isError"], true, "{refused}");
    let there = ask("execute_query", json!({ "query": "select count(*) from ORDERS" }));
    assert_eq!(rows(&there), json!([[2]]), "the table is still there: {there}");
}
