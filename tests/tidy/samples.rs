//! Each rule bites: a small bad sample for every rule of the house.

use super::source::{Source, blank};
use super::*;

/// The lines that a rule finds in a sample.
fn bites(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::new(path, text)).iter().map(|breach| breach.line).collect()
}

#[test]
fn blanking_leaves_code_and_lines() {
    let text =
        "a('x', '\\'', 'é', \"//\"); // tokio\n/* dbg!\n */ fn f<'a>(x: &'a str) { r#\"\" fs\"# }";
    let code = blank(text);
    assert_eq!(code.lines().count(), 3);
    assert_eq!(code.len(), text.len());
    for gone in ["x'", "tokio", "dbg", "fs"] {
        assert!(!code.contains(gone), "{gone} in {code}");
    }
    assert!(code.contains("fn f<'a>(x: &'a str) {"), "{code}");
}

#[test]
fn impurity_in_the_machine_is_found() {
    let bad = "//! x\nuse std::{fmt, fs};\nuse std::time::Instant;\nasync fn f() {}\nlet processes = 1;\n// tokio\n";
    assert_eq!(bites(machine_is_pure, "supervisor/src/machine/a.rs", bad), [2, 3, 4]);
    assert_eq!(bites(machine_is_pure, "supervisor/src/runtime/a.rs", bad), [0usize; 0]);
}

#[test]
fn an_arm_for_any_state_is_found() {
    let bad = "match phase {\n    Phase::Stopped => 1,\n    _ => 2,\n}\nlet (_, x) = y;\n";
    assert_eq!(bites(machine_names_every_state, "supervisor/src/machine/slot.rs", bad), [3]);
    assert_eq!(bites(machine_names_every_state, "supervisor/src/cli.rs", bad), [0usize; 0]);
}

#[test]
fn a_stranger_in_a_house_is_found() {
    let bad = "use mcp_worker::sql;\nuse mcp_supervisor::config;\nuse tokio::net;\nlet n = \"mcp_worker\";\n";
    assert_eq!(bites(houses_stay_apart, "protocol/src/a.rs", bad), [1, 2, 3]);
    assert_eq!(bites(houses_stay_apart, "worker/src/a.rs", bad), [2]);
    assert_eq!(bites(houses_stay_apart, "supervisor/src/a.rs", bad), [1]);
}

#[test]
fn a_file_without_purpose_is_found() {
    assert_eq!(bites(file_opens_with_its_purpose, "a.rs", "use std::fmt;\n//! Late.\n"), [1]);
    assert_eq!(bites(file_opens_with_its_purpose, "a.rs", "//! Early.\n"), [0usize; 0]);
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let lines = |n: usize| "let x = 1;\n".repeat(n);
    assert_eq!(bites(file_fits_a_head, "worker/src/a.rs", &lines(401)), [401]);
    assert_eq!(bites(file_fits_a_head, "worker/tests/a.rs", &lines(600)), [0usize; 0]);
    assert_eq!(bites(file_fits_a_head, "tests/a.rs", &lines(601)), [601]);
    let tested = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(400), lines(300));
    assert_eq!(bites(file_fits_a_head, "worker/src/a.rs", &tested), [0usize; 0]);
}

#[test]
fn a_long_function_is_found() {
    let body = |n: usize| "        x();\n".repeat(n);
    let function = |n: usize| {
        format!("impl A {{\n    pub(super) async fn f(\n    ) {{\n{}    }}\n}}\n", body(n))
    };
    assert_eq!(bites(function_fits_a_screen, "worker/src/a.rs", &function(58)), [2]);
    assert_eq!(bites(function_fits_a_screen, "worker/src/a.rs", &function(57)), [0usize; 0]);
    let declared = format!("trait T {{\n    fn f();\n{}}}\n", "    const A: u8 = 1;\n".repeat(90));
    assert_eq!(bites(function_fits_a_screen, "worker/src/a.rs", &declared), [0usize; 0]);
}

#[test]
fn what_is_put_off_is_found() {
    let bad = "#[ignore]\nfn f() { todo!() }\n// dbg!(x)\nlet x = dbg!(y);\nunimplemented!();\n";
    assert_eq!(bites(nothing_is_put_off, "worker/src/a.rs", bad), [1, 2, 4, 5]);
}

#[test]
fn a_sleeping_test_is_found() {
    let bad = "std::thread::sleep(d);\ntokio::time::sleep(d).await;\nsleep_until(d);\n";
    assert_eq!(bites(tests_wait_for_conditions, "tests/e2e/main.rs", bad), [1, 2]);
}

#[test]
fn a_crate_outside_its_room_is_found() {
    let bad = "use bincode::config;\nuse notify_rust::x;\nuse prometheus::Registry;\n";
    assert_eq!(bites(crates_keep_to_their_rooms, "worker/src/a.rs", bad), [1, 3]);
    assert_eq!(
        bites(crates_keep_to_their_rooms, "supervisor/src/runtime/metrics/plain_text.rs", bad),
        [1]
    );
    assert_eq!(bites(crates_keep_to_their_rooms, "worker/tests/a.rs", bad), [1]);
    assert_eq!(bites(crates_keep_to_their_rooms, "protocol/src/frame.rs", bad), [3]);
}

#[test]
fn a_name_of_a_missing_file_is_found() {
    let text = "`docs/a.md` `docs/b.md` `text/plain`\n[x](c.md) [y](d.md#z) [z](https://e)\n```\n`docs/f.md`\n```\n";
    let there = ["docs/a.md", "docs/c.md"];
    let found = pages_name_what_exists(&Source::new("docs/p.md", text), &|p| there.contains(&p));
    assert_eq!(found.iter().map(|breach| breach.line).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let text =
        "[workspace.dependencies]\n# Why.\na = \"1\"\nb = \"1\" # why\nc = \"1\"\n[x]\nd = \"1\"\n";
    let found = dependencies_have_reasons(&Source::new("Cargo.toml", text));
    assert_eq!(found.iter().map(|breach| breach.line).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_decision_that_is_not_listed_is_found() {
    let index = Source::new("docs/decisions/README.md", "- [one](0001-a.md)\n");
    let names = ["0001-a.md".to_owned(), "0002-b.md".to_owned()];
    let found = decisions_are_listed(&index, &names);
    assert!(found.len() == 1 && found[0].remedy.contains("0002-b.md"), "{found:?}");
}
