//! When and how workers are replaced: `restart` and `rollout`.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::app::POLICIES;
use super::check::{Around, not_above};
use super::policy;
use super::problem::Report;
use super::section::Section;
use super::timetable::TimeTable;
use crate::machine::{RestartPolicy, Rollout};

/// What happens after a death.
pub(super) fn policy(restart: Section<'_>, report: &mut Report) -> RestartPolicy {
    let default = policy::RESTART;
    let policy = RestartPolicy {
        when: restart.choice("policy", &POLICIES).unwrap_or(default.when),
        backoff_min: restart.duration("backoff_min").unwrap_or(default.backoff_min),
        backoff_max: restart.duration("backoff_max").unwrap_or(default.backoff_max),
        stable_after: restart.duration("stable_after").unwrap_or(default.stable_after),
        max_restarts: restart.count("max_restarts").unwrap_or(default.max_restarts),
        window: restart.duration("window").unwrap_or(default.window),
        stop_exit_codes: restart.exit_codes("stop_exit_codes"),
    };
    let (min, max) = (policy.backoff_min, policy.backoff_max);
    not_above(restart, ("backoff_min", min), ("backoff_max", max), report);
    policy
}

/// Beyond this much resident memory a worker is replaced.
pub(super) fn memory_bytes_max(restart: Section<'_>) -> Option<u64> {
    restart.size_or_off("max_memory").flatten()
}

/// After so long a worker is replaced.
pub(super) fn max_age(restart: Section<'_>) -> Option<Duration> {
    restart.duration_or_off("max_age").flatten()
}

/// The time table by which workers are replaced.
pub(super) fn time_table(restart: Section<'_>, around: &Around<'_>) -> Option<TimeTable> {
    let expression = restart.time_table("at").flatten()?;
    let zone = restart.time_zone("time_zone").flatten();
    let zone = zone.or_else(|| around.surroundings.time_zone.clone()).unwrap_or(TimeZone::UTC);
    TimeTable::parse(expression, zone).ok()
}

/// How workers are replaced; an app that binds its own port cannot run twice.
pub(super) fn rollout(section: Section<'_>, report: &mut Report) -> Rollout {
    let rollout = section.section("rollout");
    let surge = rollout.count("max_surge");
    let unavailable = rollout.count("max_unavailable");
    let pause_between = rollout.duration_or_off("pause_between").flatten();
    let mut refuse = |name: &str, words: &str| {
        if let Some(node) = rollout.node(name) {
            report.add(&node.key, node.place, words);
        }
    };
    if section.node("listen").is_some() {
        let max_surge = surge.unwrap_or(policy::MAX_SURGE);
        let max_unavailable = unavailable.unwrap_or(0);
        if max_surge == 0 && max_unavailable == 0 {
            let words = "0 leaves no room for a new worker beside the old one; use 1 or more, or \
                         let max_unavailable be 1 or more";
            refuse("max_surge", words);
        }
        return Rollout { max_surge, max_unavailable, pause_between };
    }
    if surge.is_some_and(|count| count > 0) {
        let words = "a program that binds its own port cannot run twice; write 0, or remove \
                     this key, or give the app a `listen`";
        refuse("max_surge", words);
    }
    if unavailable == Some(0) {
        let words = "without `listen` the old worker leaves before the new one starts; \
                     use 1 or more";
        refuse("max_unavailable", words);
    }
    let max_unavailable = unavailable.unwrap_or(policy::MAX_UNAVAILABLE);
    Rollout { max_surge: 0, max_unavailable, pause_between }
}
