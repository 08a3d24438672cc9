//! `mcp-worker sql-check` as an operator starts it: every labelled statement through the binary.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const CORPUS: &str = include_str!("data/sql_corpus.jsonl");
const MORE: &str = include_str!("data/sql_more.jsonl");
const OWN: &str = include_str!("data/sql_own.jsonl");

fn check(arguments: &[&str], input: Vec<u8>) -> Output {
    #[expect(clippy::disallowed_methods, reason = "the test starts the program itself")]
    let mut process = Command::new(env!("CARGO_BIN_EXE_mcp-worker"))
        .arg("sql-check")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = process.stdin.take().expect("it is piped");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = process.wait_with_output().expect("the program ends");
    writer.join().expect("no panic").expect("all of the input is read");
    output
}

fn answers(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).expect("answers are text");
    text.lines().map(|line| serde_json::from_str(line).expect("an answer is JSON")).collect()
}

#[test]
fn every_labelled_statement_is_decided_through_the_binary() {
    let input = [CORPUS, MORE, OWN].concat();
    let labels: Vec<Value> =
        input.lines().map(|line| serde_json::from_str(line).expect("a line is a case")).collect();
    let output = check(&["--jsonl", "--level", "read"], input.into_bytes());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answers = answers(&output);
    assert_eq!(answers.len(), labels.len());
    for (n, (answer, label)) in answers.iter().zip(&labels).enumerate() {
        assert_eq!(answer["line"], n + 1);
        assert_eq!(answer["class"], label["class"], "{label}");
        assert_eq!(answer["allowed"], label["allow_readonly"], "{label}");
        let word = if label["allow_readonly"] == true { "allow" } else { "refuse" };
        assert_eq!(answer["decision"], word);
        assert!(answer["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{answer}");
    }
}

#[test]
fn a_hundred_thousand_lines_and_a_huge_one_are_no_burden() {
    let mut input = "{\"sql\": \"select a, b from t where c = 1\"}\n".repeat(100_000).into_bytes();
    input.extend(b"{\"sql\": \"select '");
    input.extend(std::iter::repeat_n(b'x', 5_000_000));
    input.extend(b"'\"}\n{\"sql\": \"select '\xff'\"}\n");
    let output = check(&["--jsonl"], input);
    assert_eq!(output.status.code(), Some(0));
    let answers = answers(&output);
    assert_eq!(answers.len(), 100_002);
    assert_eq!(answers[99_999]["allowed"], true);
    assert_eq!(answers[100_000]["class"], "invalid");
    assert_eq!(answers[100_001]["class"], "invalid");
}

#[test]
fn exit_codes_tell_what_could_not_be_read_and_what_was_refused() {
    let code = |arguments: &[&str], input: &[u8]| check(arguments, input.to_vec()).status.code();
    assert_eq!(code(&[], b"drop table t"), Some(0));
    assert_eq!(code(&["--fail-on-refused"], b"drop table t"), Some(3));
    assert_eq!(code(&["--fail-on-refused"], b"select 1"), Some(0));
    assert_eq!(code(&["--fail-on-refused", "--level", "destructive"], b"drop table t"), Some(0));
    assert_eq!(code(&["--jsonl"], b"{\"sql\": \"select 1\"}\nno json\n"), Some(1));
    assert_eq!(code(&["--level", "admin"], b""), Some(2));
}
