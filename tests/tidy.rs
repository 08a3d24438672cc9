//! The house rules as a test: what a compiler does not see and a reviewer forgets.
//!
//! Each rule is a function over one file that gives breaches, and has a test on a small bad sample
//! that sees it bite. A breach names the file, the line, the rule and the remedy. Comments and
//! texts are blanked before a rule looks for a word, so prose may name what code may not.

#[path = "tidy/samples.rs"]
mod samples;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Breach, Source, has_word};

/// Crates that are named in few files only, the files, and the reason. A path that ends with `/`
/// stands for all below it.
const ROOMS: [(&str, &[&str], &str); 7] = [
    ("bincode", &["protocol/src/frame.rs"], "another encoding must be a change of one file"),
    (
        "signal_hook",
        // The live screen has no runtime; its signals give the terminal back and end it.
        &[
            "supervisor/src/runtime/signals.rs",
            "supervisor/src/monit/terminal.rs",
            "worker/src/signals.rs",
            "worker/src/supervised.rs",
        ],
        "signals become events in one place",
    ),
    (
        "interprocess",
        &[
            "supervisor/src/runtime/link.rs",
            "supervisor/src/runtime/socket.rs",
            "supervisor/src/runtime/wire.rs",
            "supervisor/src/runtime/operator.rs",
            "worker/src/link.rs",
            "worker/src/supervised.rs",
        ],
        "sockets between processes are opened where their peers are checked",
    ),
    (
        "notify",
        // The last one calls a function of that name, which tells systemd.
        &[
            "supervisor/src/runtime/board.rs",
            "supervisor/src/logs/follow.rs",
            "supervisor/src/runtime/watch.rs",
            "supervisor/src/runtime/systemd.rs",
        ],
        "files are watched where it is known what a change means",
    ),
    (
        "tracing_appender",
        &["supervisor/src/runtime/logging.rs", "worker/src/logs.rs"],
        "where lines go is decided once a process",
    ),
    (
        "prometheus",
        &["supervisor/src/runtime/metrics/plain_text.rs"],
        "its text form is written in one place",
    ),
    (
        "r2d2",
        &["worker/src/warehouse/pool.rs", "worker/src/warehouse/opener.rs"],
        "the pool is entered through its own door",
    ),
];

/// Words that cannot be in the machine: it is given time and luck, and touches nothing.
const NOT_IN_MACHINE: [&str; 23] = [
    "tokio",
    "nix",
    "libc",
    "tracing",
    "serde",
    "mcp_protocol",
    "rand",
    "fs",
    "io",
    "net",
    "process",
    "thread",
    "env",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "RandomState",
    "async",
    "await",
    "println",
    "eprintln",
    "unsafe",
];

/// Files of the machine that may have a `_ =>` arm, because what they match is not ours.
const ANY_ARM_ALLOWED: [&str; 1] = ["supervisor/src/machine/exit.rs"];

const FILE_LINES_MAX: usize = 400;
const TEST_FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 60;
const TEST_FUNCTION_LINES_MAX: usize = 100;

// ---- rules over one file of Rust ------------------------------------------------------------

fn machine_is_pure(file: &Source) -> Vec<Breach> {
    if !file.path.starts_with("supervisor/src/machine/") {
        return Vec::new();
    }
    file.lines_with("the machine is pure", |line| {
        let word = NOT_IN_MACHINE.iter().find(|word| has_word(line, word))?;
        Some(format!("`{word}` has no place here: take it as an argument, or act in runtime/"))
    })
}

fn machine_names_every_state(file: &Source) -> Vec<Breach> {
    if !file.path.starts_with("supervisor/src/machine/")
        || ANY_ARM_ALLOWED.contains(&file.path.as_str())
    {
        return Vec::new();
    }
    file.lines_with("every state is named", |line| {
        let any = line.trim_start().starts_with("_ =>") || line.trim_start().starts_with("_ if ");
        any.then(|| "name each variant, so that a new one is seen".to_owned())
    })
}

fn houses_stay_apart(file: &Source) -> Vec<Breach> {
    let strangers: &[&str] = match file.path.split('/').next() {
        Some("protocol") => &["tokio", "mcp_supervisor", "mcp_worker"],
        Some("worker") => &["mcp_supervisor"],
        Some("supervisor") => &["mcp_worker"],
        _ => &[],
    };
    file.lines_with("houses stay apart", |line| {
        let word = strangers.iter().find(|word| has_word(line, word))?;
        Some(format!("`{word}` is another house; what both need belongs into protocol/"))
    })
}

fn file_opens_with_its_purpose(file: &Source) -> Vec<Breach> {
    if file.text.starts_with("//! ") {
        return Vec::new();
    }
    let remedy = "say in `//!` what the file is for and what must never enter it";
    vec![file.breach(1, "a file opens with its purpose", remedy)]
}

fn file_fits_a_head(file: &Source) -> Vec<Breach> {
    let lines: Vec<&str> = file.code.lines().collect();
    let tests = lines
        .windows(2)
        .position(|two| two[0].trim() == "#[cfg(test)]" && two[1].trim_start().starts_with("mod "));
    let (length, max) = if file.is_test() {
        (lines.len(), TEST_FILE_LINES_MAX)
    } else {
        (tests.unwrap_or(lines.len()), FILE_LINES_MAX)
    };
    if length <= max {
        return Vec::new();
    }
    let remedy = format!("{length} lines, at most {max}: find the two things in it and part them");
    vec![file.breach(max + 1, "a file fits a head", remedy)]
}

fn function_fits_a_screen(file: &Source) -> Vec<Breach> {
    let max = if file.is_test() { TEST_FUNCTION_LINES_MAX } else { FUNCTION_LINES_MAX };
    let lines: Vec<&str> = file.code.lines().collect();
    let mut breaches = Vec::new();
    for (begin, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if !opens_function(line.trim_start()) || line.trim_end().ends_with([';', '}']) {
            continue;
        }
        let level = |line: &str| line.len() - line.trim_start().len() == indent;
        let end = lines[begin + 1..]
            .iter()
            .position(|line| level(line) && line.trim_end().ends_with([';', '}']));
        let length = end.map_or(lines.len() - begin, |end| end + 2);
        if length > max {
            let remedy = format!("{length} lines, at most {max}: move straight code to functions");
            breaches.push(file.breach(begin + 1, "a function fits a screen", remedy));
        }
    }
    breaches
}

fn opens_function(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub") || ["in", "const", "async", "unsafe", "extern"].contains(word)
    });
    words.next() == Some("fn")
}

fn nothing_is_put_off(file: &Source) -> Vec<Breach> {
    file.lines_with("nothing is put off", |line| {
        let marks = ["#[ignore", "todo!", "unimplemented!", "dbg!"];
        let mark = marks.iter().find(|mark| line.contains(*mark))?;
        Some(format!("`{mark}` hides what is missing: finish it, or leave it out"))
    })
}

fn tests_wait_for_conditions(file: &Source) -> Vec<Breach> {
    file.lines_with("tests wait for conditions", |line| {
        let sleeps = ["thread::sleep", "time::sleep"].iter().any(|call| line.contains(call));
        let clock = ["supervisor/src/runtime/clock.rs", "worker/src/clock.rs"];
        // A benchmark lets real time pass: that is what it measures.
        let allowed = file.path.starts_with("benches/")
            || !file.is_test() && clock.contains(&file.path.as_str());
        (sleeps && !allowed)
            .then(|| "wait for an event, or for a condition until a deadline".into())
    })
}

fn crates_keep_to_their_rooms(file: &Source) -> Vec<Breach> {
    let strange = |(name, rooms, why): &(&str, &[&str], &str)| {
        // A test may play the other side of a socket; the encoding has one home even so.
        let played = file.is_test() && *name != "bincode";
        let home = played
            || rooms.iter().any(|room| {
                file.path == *room || (room.ends_with('/') && file.path.starts_with(room))
            });
        let rule = "crates keep to their rooms";
        let remedy = format!("`{name}` is named only in {}: {why}", rooms.join(", "));
        let names = |line: &str| has_word(line, name) && line.contains(&format!("{name}::"));
        if home { Vec::new() } else { file.lines_with(rule, |l| names(l).then(|| remedy.clone())) }
    };
    ROOMS.iter().flat_map(strange).collect()
}

// ---- rules over the rest ----------------------------------------------------------------------

/// Files that a page names in backquotes, or links to, exist.
fn pages_name_what_exists(page: &Source, exists: &dyn Fn(&str) -> bool) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut fenced = false;
    for (n, line) in page.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let quoted = line.split('`').skip(1).step_by(2).filter(|word| is_path(word));
        let linked = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let linked = linked.filter(|link| !link.contains("://") && !link.starts_with(['#', '<']));
        for name in quoted.chain(linked) {
            let bare = name.split(['#', ':']).next().unwrap_or(name);
            if !places(&page.path, bare).iter().any(|place| exists(place)) {
                let remedy = format!("`{bare}` is not there: name the file where it is now");
                breaches.push(page.breach(n + 1, "pages name what exists", remedy));
            }
        }
    }
    breaches
}

/// Whether a word in backquotes means a file of this repository.
fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./#:".contains(c);
    let rooms = [
        "protocol/",
        "supervisor/",
        "worker/",
        "tests/",
        "benches/",
        "deploy/",
        "docs/",
        ".ci/",
        ".cargo/",
        "machine/",
        "runtime/",
        "config/",
        "ops/",
        "mcp/",
        "warehouse/",
        "http/",
    ];
    word.contains('/') && word.chars().all(plain) && rooms.iter().any(|room| word.starts_with(room))
}

/// Where a name on a page may lead: from the root, from the page, or inside a crate.
fn places(page: &str, name: &str) -> Vec<String> {
    let beside = Path::new(page).parent().unwrap_or(Path::new("")).join(name);
    let mut places = vec![name.to_owned(), normal(&beside)];
    places.push(format!("supervisor/src/{name}"));
    places.push(format!("worker/src/{name}"));
    if let Some((house, rest)) = name.split_once('/') {
        places.push(format!("{house}/src/{rest}"));
    }
    places
}

/// A path without `..`.
fn normal(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.iter().filter_map(|part| part.to_str()) {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Every dependency of the workspace says why it is there.
fn dependencies_have_reasons(manifest: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut section = "";
    let mut commented_above = false;
    for (n, line) in manifest.text.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim();
        }
        let entry = section == "[workspace.dependencies]"
            && line.starts_with(|c: char| c.is_ascii_alphanumeric());
        if entry && !commented_above && !line.contains(" # ") && !line.contains("path =") {
            let name = line.split_whitespace().next().unwrap_or(line);
            let remedy = format!("say behind `{name}` or above it what it is for");
            breaches.push(manifest.breach(n + 1, "dependencies have reasons", remedy));
        }
        commented_above = line.starts_with('#');
    }
    breaches
}

/// Every decision is linked from the list of decisions.
fn decisions_are_listed(index: &Source, decisions: &[String]) -> Vec<Breach> {
    let missing = decisions.iter().filter(|name| !index.text.contains(&format!("]({name})")));
    let breach = |name: &String| {
        index.breach(1, "decisions are listed", format!("add a line with a link to {name}"))
    };
    missing.map(breach).collect()
}

// ---- the repository -----------------------------------------------------------------------------

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").into()
}

/// All files below a folder, as paths from the root, in order. What is built or hidden is left out.
fn files(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository can be read") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if path.is_symlink() || ["target", ".git", "node_modules", ".venv"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            files(&path, into);
        } else if let Some(inside) = path.strip_prefix(root()).ok().and_then(Path::to_str) {
            into.insert(inside.to_owned());
        }
    }
}

fn sources(wanted: impl Fn(&str) -> bool) -> Vec<Source> {
    let mut all = BTreeSet::new();
    files(&root(), &mut all);
    let read = |path: &String| fs::read_to_string(root().join(path)).expect("a file is text");
    all.iter().filter(|path| wanted(path)).map(|path| Source::new(path, &read(path))).collect()
}

fn assert_clean(breaches: &[Breach]) {
    let told: Vec<String> = breaches
        .iter()
        .map(|breach| {
            let Breach { path, line, rule, remedy } = breach;
            format!("{path}:{line}: {rule}: {remedy}")
        })
        .collect();
    assert!(told.is_empty(), "{} breaches\n{}", told.len(), told.join("\n"));
}

type Rule = fn(&Source) -> Vec<Breach>;

const RUST_RULES: [Rule; 9] = [
    machine_is_pure,
    machine_names_every_state,
    houses_stay_apart,
    file_opens_with_its_purpose,
    file_fits_a_head,
    function_fits_a_screen,
    nothing_is_put_off,
    tests_wait_for_conditions,
    crates_keep_to_their_rooms,
];

#[test]
fn rust_files_keep_the_rules() {
    let files = sources(|path| path.ends_with(".rs"));
    assert!(files.len() > 20, "only {} files were found", files.len());
    let breaches: Vec<Breach> =
        files.iter().flat_map(|file| RUST_RULES.iter().flat_map(|rule| rule(file))).collect();
    assert_clean(&breaches);
}

#[test]
fn pages_keep_the_rules() {
    let root = root();
    let pages =
        sources(|path| path.ends_with(".md") && (path == "README.md" || path.starts_with("docs/")));
    let exists = |place: &str| root.join(place).exists();
    let breaches: Vec<Breach> =
        pages.iter().flat_map(|page| pages_name_what_exists(page, &exists)).collect();
    assert_clean(&breaches);
}

#[test]
fn the_manifest_keeps_the_rules() {
    let manifests = sources(|path| path == "Cargo.toml");
    assert_clean(&manifests.iter().flat_map(dependencies_have_reasons).collect::<Vec<_>>());
}

#[test]
fn decisions_keep_the_rules() {
    let decisions = sources(|path| path.starts_with("docs/decisions/0"));
    let name = |file: &Source| file.path.rsplit('/').next().unwrap_or_default().to_owned();
    let names: Vec<String> = decisions.iter().map(name).collect();
    let index = sources(|path| path == "docs/decisions/README.md");
    assert_eq!(index.len(), 1, "docs/decisions/README.md lists the decisions");
    assert_clean(&decisions_are_listed(&index[0], &names));
}
