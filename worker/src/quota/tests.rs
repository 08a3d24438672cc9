//! Many threads and several processes at once: a limit is reached and never exceeded.
//!
//! A process of its own is this test program again, with one test and a variable that says where
//! the numbers are; several mappings in one process are what its threads use.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::AtomicU32;

use super::*;

/// Tells a process of this program what to do: a directory, and `take` or `hold`.
const ROLE: &str = "QUOTA_TEST_ROLE";
const PLACES: u32 = 3;
/// So many that none comes back while the test runs: a window is a second, this is one of them.
const PERMITS: u32 = 200;

fn quotas(directory: &Path) -> Quotas {
    let quotas = Quotas::shared(&directory.join("control.sock"), "query", Arc::default());
    assert!(quotas.inner.shared.is_some(), "not shared");
    quotas
}

fn quota() -> Quota {
    Quota {
        requests_per_second: Some(PERMITS),
        statements_per_day: Some(u64::from(PERMITS)),
        concurrent_statements: Some(PLACES),
        ..Quota::default()
    }
}

/// This program again, as a process of its own.
#[expect(clippy::disallowed_methods, reason = "a process of its own is what is tested")]
fn process(directory: &Path, role: &str) -> Child {
    let program = std::env::current_exe().expect("this program");
    std::process::Command::new(program)
        .args(["quota::tests::another_process", "--exact", "--nocapture"])
        .env(ROLE, format!("{role} {}", directory.display()))
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn()
        .expect("starts")
}

/// The lines of a process that begin with a word, up to the one that begins with `until`.
fn said(child: &mut Child, until: &str) -> BTreeMap<String, u64> {
    let mut lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
    let mut said = BTreeMap::new();
    for line in lines.by_ref().map_while(Result::ok) {
        let Some((_, rest)) = line.split_once("quota-test ") else { continue };
        let (word, number) = rest.split_once(' ').expect("a word and a number");
        said.insert(word.to_owned(), number.parse().expect("a number"));
        if word == until {
            return said;
        }
    }
    panic!("it ended before it said {until}: {said:?}");
}

/// Not a test by itself: what a process does that was started by one.
#[test]
#[expect(clippy::disallowed_methods, reason = "how a test tells its own process what to do")]
#[expect(clippy::print_stdout, reason = "how a process of a test tells what it did")]
fn another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, directory) = role.split_once(' ').expect("a role and a directory");
    let quotas = quotas(Path::new(directory));
    let mut held = Vec::new();
    if role == "take" {
        let (rate, day) = (AtomicU64::new(0), AtomicU64::new(0));
        at_the_same_time(|| {
            let (passed, counted) = all_there_is(&quotas);
            rate.fetch_add(passed, Relaxed);
            day.fetch_add(counted, Relaxed);
        });
        println!("quota-test day {}", day.into_inner());
        println!("quota-test rate {}", rate.into_inner());
    } else {
        while let Ok(Some(place)) = quotas.statement(Some("team"), &quota()) {
            held.push(place);
        }
        println!("quota-test held {}", held.len());
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
    }
}

/// Requests in one second's bucket and statements of a day, until there are none.
fn all_there_is(quotas: &Quotas) -> (u64, u64) {
    let memory = quotas.memory();
    let record = Record::of(Some("team"), memory.words()).expect("room");
    let rate = Rate::per_second(PERMITS);
    // All the processes take this moment, so that no permit comes back meanwhile.
    let (now, today) = (1_000_000_000, Today::at(86_400 * 20_000));
    let (mut passed, mut counted) = (0, 0);
    while rate::take(record.requests(), rate, now).is_ok() {
        passed += 1;
    }
    while day::add(record.statements_of_day(), 1, u64::from(PERMITS), today).is_ok() {
        counted += 1;
    }
    (passed, counted)
}

fn at_the_same_time(work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(&work);
        }
    });
}

#[test]
fn processes_together_take_exactly_what_there_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut children: Vec<Child> = (0..3).map(|_| process(directory.path(), "take")).collect();
    let (mut rate, mut day) = (0, 0);
    for child in &mut children {
        let said = said(child, "rate");
        rate += said["rate"];
        day += said["day"];
        assert!(child.wait().expect("ends").success());
    }
    assert_eq!((rate, day), (u64::from(PERMITS), u64::from(PERMITS)));
}

#[test]
fn threads_with_mappings_of_their_own_are_never_more_than_the_places() {
    let directory = tempfile::tempdir().expect("a directory");
    let (inside, most, passed) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    at_the_same_time(|| {
        let quotas = quotas(directory.path());
        let quota = Quota { statements_per_day: None, ..quota() };
        for _ in 0..2_000 {
            let Ok(place) = quotas.statement(Some("team"), &quota) else { continue };
            let now = inside.fetch_add(1, Relaxed) + 1;
            most.fetch_max(now, Relaxed);
            passed.fetch_add(1, Relaxed);
            std::thread::yield_now();
            inside.fetch_sub(1, Relaxed);
            drop(place);
        }
    });
    assert_eq!(most.into_inner(), PLACES, "the limit is reached and not exceeded");
    assert!(passed.into_inner() >= 2_000);
    let held: Vec<_> = (0..PLACES)
        .map(|_| quotas(directory.path()).statement(Some("team"), &quota()).expect("a place"))
        .collect();
    assert!(held.iter().all(Option::is_some), "every place came back");
}

#[test]
fn the_places_of_a_process_that_died_come_back_and_those_of_a_living_one_do_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut holding = process(directory.path(), "hold");
    assert_eq!(said(&mut holding, "held")["held"], u64::from(PLACES));
    let quotas = quotas(directory.path());
    let refusal = quotas.statement(Some("team"), &quota()).expect_err("they are all held");
    assert_eq!(refusal.limit, Limit::ConcurrentStatements);
    holding.kill().expect("is killed");
    // Also one that nobody has buried yet is dead; that takes the kernel a moment.
    let began = clock::since_boot();
    while quotas.statement(Some("team"), &quota()).is_err() {
        assert!(clock::since_boot() - began < Duration::from_secs(20), "they never come back");
        std::thread::yield_now();
    }
    holding.wait().expect("ends");
    let counted: u64 = quotas
        .inner
        .metrics
        .vitals(Default::default())
        .refusals
        .iter()
        .map(|one| one.count_total)
        .sum();
    assert!(counted >= 1);
}

#[test]
fn what_was_counted_outlives_those_who_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let limited = Quota { statements_per_day: Some(5), ..Quota::default() };
    for _ in 0..5 {
        quotas(directory.path()).statement(Some("team"), &limited).expect("within the limit");
    }
    let refusal = quotas(directory.path()).statement(Some("team"), &limited);
    assert_eq!(refusal.expect_err("too many").limit, Limit::StatementsOfDay);
    assert!(quotas(directory.path()).statement(Some("others"), &limited).is_ok());
    assert!(quotas(directory.path()).statement(None, &limited).is_ok());
    let bytes = Quota { bytes_per_day: Some(100), ..Quota::default() };
    quotas(directory.path()).answered(Some("team"), &bytes, 99);
    quotas(directory.path()).statement(Some("team"), &bytes).expect("one byte is left");
    quotas(directory.path()).answered(Some("team"), &bytes, 1);
    assert!(quotas(directory.path()).statement(Some("team"), &bytes).is_err());
    let credits = Quota { microcredits_per_day: Some(100), ..Quota::default() };
    quotas(directory.path()).cost(Some("team"), &credits, 60);
    assert_eq!(quotas(directory.path()).credits_left(Some("team"), &credits), Some(40));
    quotas(directory.path()).statement(Some("team"), &credits).expect("something is left");
    quotas(directory.path()).cost(Some("team"), &credits, 60);
    let refusal = quotas(directory.path()).statement(Some("team"), &credits);
    assert_eq!(refusal.expect_err("all is spent").limit, Limit::CreditsOfDay);
    assert_eq!(quotas(directory.path()).credits_left(Some("team"), &credits), Some(0));
    assert!(quotas(directory.path()).statement(Some("others"), &credits).is_ok());
}

#[test]
fn a_file_that_is_not_ours_is_replaced_and_one_that_others_can_open_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join(DIRECTORY).join("query.v1");
    let limited = Quota { statements_per_day: Some(1), ..Quota::default() };
    quotas(directory.path()).statement(None, &limited).expect("the first");
    let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for bytes in [vec![1, 2, 3], vec![7; table::WORDS * 8]] {
        std::fs::write(&file, bytes).expect("is damaged");
        quotas(directory.path()).statement(None, &limited).expect("it begins anew");
        assert!(quotas(directory.path()).statement(None, &limited).is_err());
    }
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("is opened");
    let alone = Quotas::shared(&directory.path().join("control.sock"), "query", Arc::default());
    assert!(alone.inner.shared.is_none());
    alone.statement(None, &limited).expect("each worker by itself");
    assert!(alone.statement(None, &limited).is_err());
    assert!(alone.inner.metrics.vitals(Default::default()).unshared_limits_total >= 2);
}

#[test]
fn after_another_boot_buckets_are_full_and_days_go_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let quotas = quotas(directory.path());
    let memory = quotas.memory();
    let record = Record::of(None, memory.words()).expect("room");
    record.requests().store(u64::MAX / 2, Relaxed);
    let limited = Quota { statements_per_day: Some(1), ..quota() };
    let place = quotas.statement(None, &limited).expect("the first");
    std::mem::forget(place);
    assert!(quotas.request(None, &limited).is_err());
    memory.words()[table::head::BOOT].store(7, Relaxed);
    let after = self::quotas(directory.path());
    assert!(after.request(None, &limited).is_ok());
    let refusal = after.statement(None, &limited).expect_err("the day goes on");
    assert_eq!(refusal.limit, Limit::StatementsOfDay);
    assert!(record.holders().iter().all(|place| place.load(Relaxed) == 0));
}

#[test]
fn all_clients_together_have_a_limit_too() {
    let quotas = Quotas::own(Arc::default());
    let places: Vec<_> = ["one", "two"]
        .iter()
        .map(|name| quotas.entrance(Some(name), (None, Some(2))).expect("a place"))
        .collect();
    let refusal = quotas.entrance(Some("three"), (None, Some(2))).expect_err("full");
    assert_eq!(refusal.limit, Limit::ConcurrentRequests);
    drop(places);
    quotas.entrance(Some("three"), (Some(1), Some(2))).expect("there is room again");
    let refusal = quotas.entrance(Some("one"), (Some(1), Some(2))).expect_err("too fast");
    assert_eq!(refusal.limit, Limit::TotalRequests);
    assert!(refusal.retry_in <= Duration::from_secs(1));
    assert!(quotas.entrance(None, (None, None)).is_ok());
}
