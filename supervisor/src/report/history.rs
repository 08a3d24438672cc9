//! The configurations that were in force: a table of them, and what differs between two.

use std::time::Duration;

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use crate::config::{self, AppConfig, Config};
use crate::report::words::{moment, printable};
use crate::runtime::Generation;

/// Lines around a difference.
const CONTEXT_LINES: usize = 3;
/// Stands behind a line that differs in what is not shown of it.
const SECRET_MARK: &str = " (differs, not shown)";

/// A line for each configuration; the one in force has a star.
#[must_use]
pub fn history(generations: &[Generation], in_force: Option<u64>) -> String {
    if generations.is_empty() {
        return "no configuration was in force yet; `mcp-supervisor start` takes the first one in\n"
            .to_owned();
    }
    let heading = ["", "number", "when", "why", "environment", "changed"].map(str::to_owned);
    let mut rows = vec![heading];
    for one in generations {
        let star = if in_force == Some(one.number) { "*" } else { "" };
        rows.push([
            star.to_owned(),
            one.number.to_string(),
            moment(Duration::from_secs(one.at)),
            printable(one.why.as_bytes()),
            printable(one.environment.as_bytes()),
            match one.changes.is_empty() {
                true => "-".to_owned(),
                false => printable(one.changes.join("; ").as_bytes()),
            },
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0).max(1)).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// The same as JSON.
#[must_use]
pub fn history_json(generations: &[Generation], in_force: Option<u64>) -> Value {
    let one = |one: &Generation| {
        json!({
            "number": one.number, "at_seconds": one.at, "why": one.why,
            "environment": one.environment, "file": one.file, "changes": one.changes,
            "in_force": in_force == Some(one.number),
        })
    };
    Value::Array(generations.iter().map(one).collect())
}

/// The lines that differ, without what may be a secret; empty when none does.
#[must_use]
pub fn text_diff(from: (&str, &str), to: (&str, &str)) -> String {
    if from.1 == to.1 {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) =
        (from.1.split('\n').collect(), to.1.split('\n').collect());
    let (old_shown, new_shown) = (config::masked(from.1), config::masked(to.1));
    let diff = TextDiff::from_slices(&old, &new);
    let mut text =
        format!("--- {}\n+++ {}\n", printable(from.0.as_bytes()), printable(to.0.as_bytes()));
    for hunk in diff.unified_diff().context_radius(CONTEXT_LINES).iter_hunks() {
        text.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let new = change.new_index().and_then(|index| new_shown.get(index));
            let old = change.old_index().and_then(|index| old_shown.get(index));
            let Some((line, secret)) = new.or(old) else { continue };
            let mark = if *secret && change.tag() != ChangeTag::Equal { SECRET_MARK } else { "" };
            text.push_str(&format!("{}{}{mark}\n", change.tag(), printable(line.as_bytes())));
        }
    }
    text
}

/// What it means to go from one configuration to another, app by app.
#[must_use]
pub fn meaning_diff(from: &Config, to: &Config) -> String {
    let mut text = String::new();
    if config::means_the_same(from, to) {
        return "both mean the same: nobody would be touched\n".to_owned();
    }
    for (name, app) in &from.apps {
        match to.apps.get(name) {
            None => text.push_str(&format!("{name}: would be stopped\n")),
            Some(then) => {
                let differences = config::differences(app, then);
                if differences.is_empty() {
                    continue;
                }
                text.push_str(&format!("{name}: {}\n", fate(app, then)));
                for one in differences {
                    text.push_str(&format!("  differs: {}\n", printable(one.as_bytes())));
                }
            }
        }
    }
    for (name, app) in to.apps.iter().filter(|(name, _)| !from.apps.contains_key(*name)) {
        text.push_str(&format!("{name}: would be started, {} x\n", app.goal.instances));
    }
    if from.supervisor != to.supervisor {
        text.push_str(
            "[supervisor] differs; only `log_level` and `watch` can change while it runs\n",
        );
    }
    text
}

fn fate(now: &AppConfig, then: &AppConfig) -> String {
    let rolled = now.goal.fingerprint != then.goal.fingerprint;
    let counts = (now.goal.instances, then.goal.instances);
    match (rolled, counts.0 == counts.1) {
        (true, true) => "its workers would be replaced".to_owned(),
        (true, false) => {
            format!("its workers would be replaced, and be {} instead of {}", counts.1, counts.0)
        }
        (false, false) => format!("would have {} workers instead of {}", counts.1, counts.0),
        (false, true) => "would change without touching a worker".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Surroundings, load_text};

    fn read(text: &str) -> Config {
        let path = std::path::Path::new("/srv/ecosystem.toml");
        load_text(text, path, None, &Surroundings::default()).unwrap_or_else(|why| panic!("{why}"))
    }

    #[test]
    fn what_differs_is_said_in_lines_and_in_words() {
        let app = |name: &str, more: &str| format!("[apps.{name}]\nexec = \"/bin/true\"\n{more}\n");
        let old = [app("a", "args = [\"1\"]"), app("b", ""), app("c", ""), app("d", "")].concat();
        let new = [
            app("a", "args = [\"2\"]\ninstances = 3"),
            app("b", "instances = 2"),
            app("d", "restart.window = \"5m\""),
            app("e", ""),
        ]
        .concat();
        let lines = text_diff(("generation 1", &old), ("generation 2", &new));
        assert!(lines.starts_with("--- generation 1\n+++ generation 2\n@@ "), "{lines}");
        assert!(lines.contains("\n-args = [\"1\"]\n+args = [\"2\"]\n"), "{lines}");
        assert_eq!(text_diff(("a", &old), ("b", &old)), "");
        let of =
            |secret: &str| format!("[apps.a.snowflake]\nuser = \"A\"\npassword = \"{secret}\"\n");
        let lines = text_diff(("a", &of("canary-1")), ("b", &of("canary-2")));
        let differs = "-password = … (differs, not shown)\n+password = … (differs, not shown)\n";
        assert!(lines.contains(differs) && lines.contains("\n user = \"A\"\n"), "{lines}");
        assert!(!lines.contains("canary"), "{lines}");
        let words = meaning_diff(&read(&old), &read(&new));
        for expected in [
            "a: its workers would be replaced, and be 3 instead of 1\n",
            "  differs: args [\"1\"] → [\"2\"]\n",
            "b: would have 2 workers instead of 1\n",
            "c: would be stopped\n",
            "d: would change without touching a worker\n",
            "e: would be started, 1 x\n",
        ] {
            assert!(words.contains(expected), "{expected} is not in\n{words}");
        }
        let same = meaning_diff(&read(&old), &read(&format!("# more\n{old}")));
        assert!(same.starts_with("both mean the same"), "{same}");
    }
}
