//! The gate's word on the statements that these tests use: what counts as reading here does so too.

use mcp_worker::sql::{Level, decide};

#[test]
fn the_statements_of_these_tests_are_what_they_are_taken_for() {
    for read in [
        "SELECT 1",
        "SELECT 'canary-sql'",
        "SELECT ROWS(100)",
        "SELECT ROWS(100, 3)",
        "SELECT JSONROWS(1000, 9)",
        "SELECT ROWS(10000000, 20, 100)",
        "SELECT SLEEP(0.4)",
        "SELECT UPLOAD('/etc/hostname')",
        "SELECT CURRENT_ROLE()",
        "SELECT CURRENT_TRANSACTION()",
    ] {
        assert!(decide(read, Level::Read).is_allowed(), "{read}");
    }
    for change in ["INSERT INTO t VALUES (1)", "INSERT INTO t SELECT SLEEP(0.3)", "SET x = 1"] {
        assert!(!decide(change, Level::Read).is_allowed(), "{change}");
    }
}
