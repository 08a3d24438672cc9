//! How the fleet is, in one word for a machine and the reasons for a person.
//!
//! Healthy: everybody serves who should. Degraded: somebody does not, or what is served may not
//! last; clients are still answered. Unhealthy: an app that should serve serves nobody.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mcp_protocol::control::{AppStatus, RollStatus, SlotPhase};
use mcp_protocol::message::CertificateVitals;
use serde_json::{Map, Value, json};

use super::{Ended, House};
use crate::report::state;
use crate::runtime::look::{Look, Parts, PoolSum};
use crate::runtime::metrics::{Disk, disk};

/// How an app or the fleet is. The worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Healthy,
    Degraded,
    Unhealthy,
}

impl Health {
    fn word(self) -> &'static str {
        match self {
            Health::Healthy => "healthy",
            Health::Degraded => "degraded",
            Health::Unhealthy => "unhealthy",
        }
    }
}

/// One app, judged.
struct Judged<'a> {
    name: &'a str,
    health: Health,
    ready: usize,
    wanted: usize,
    reasons: Vec<String>,
}

/// Whether every app serves that should.
pub(super) async fn readyz(State(house): State<Arc<House>>) -> Result<Response, Ended> {
    let look = house.look().await?;
    let apps = judged(&look);
    let absent: Vec<&str> =
        apps.iter().filter(|app| app.wanted > 0 && app.ready == 0).map(|app| app.name).collect();
    Ok(match (look.status.stopping, absent.is_empty()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "it stops\n".to_owned()),
        (false, true) => (StatusCode::OK, "ready\n".to_owned()),
        (false, false) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("nobody serves: {}\n", absent.join(", ")))
        }
    }
    .into_response())
}

/// The fleet's health as JSON. What is degraded still serves, so it is answered with 200.
pub(super) async fn health(State(house): State<Arc<House>>) -> Result<Response, Ended> {
    let look = house.look().await?;
    let health = fleet_json(&look);
    Ok((status_of(&health), axum::Json(health)).into_response())
}

/// The same, with each part in numbers: pools, certificates, logs and their disk.
pub(super) async fn detailed(State(house): State<Arc<House>>) -> Result<Response, Ended> {
    let look = house.look().await?;
    let mut health = fleet_json(&look);
    let room = disk(look.status.log_directory.clone()).await;
    let logs = if look.loses_logs { Health::Degraded } else { Health::Healthy };
    health["components"] = json!({
        "logs": {
            "status": logs.word(),
            "dropped_total": look.status.dropped_total,
            "disk": room.map(|Disk { free, size }| json!({ "free_bytes": free, "size_bytes": size })),
        },
    });
    for app in health["apps"].as_array_mut().into_iter().flatten() {
        let parts = app["name"].as_str().and_then(|name| look.parts.get(name));
        app["components"] = parts.map_or(Value::Null, components);
    }
    Ok((status_of(&health), axum::Json(health)).into_response())
}

/// The parts of an app whose workers are ours.
fn components(parts: &Parts) -> Value {
    let pools: Map<String, Value> = parts
        .pools
        .iter()
        .map(|(connection, pool)| {
            let PoolSum { active, total, max, waiting } = *pool;
            let pool = json!({ "active": active, "total": total, "max": max, "waiting": waiting });
            (connection.clone(), pool)
        })
        .collect();
    json!({
        "connection_pools": pools,
        "certificate": parts.certificate.map(|CertificateVitals { expires_at, renewal_fails }| {
            json!({ "expires_at": expires_at, "renewal_fails": renewal_fails })
        }),
        "logs": { "dropped_total": parts.log_lines_dropped },
    })
}

/// What is degraded still serves.
fn status_of(health: &Value) -> StatusCode {
    match health["status"] == Health::Unhealthy.word() {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::OK,
    }
}

/// The fleet's health as JSON.
pub(super) fn fleet_json(look: &Look) -> Value {
    let status = &look.status;
    let apps = judged(look);
    let mut reasons = Vec::new();
    if status.config_problem.is_some() {
        let generation = status.generation;
        reasons.push(format!("the configuration was refused; generation {generation} is in force"));
    }
    if status.stopping {
        reasons.push("it stops".to_owned());
    }
    if look.loses_logs {
        reasons.push("lines of its own log, or output of programs, were lost".to_owned());
    }
    let own = if reasons.is_empty() { Health::Healthy } else { Health::Degraded };
    let worst = apps.iter().map(|app| app.health).fold(own, Health::max);
    let ill = apps.iter().filter(|app| app.health > Health::Healthy);
    reasons.extend(ill.map(|app| format!("{} is {}", app.name, app.health.word())));
    let apps: Vec<Value> = apps
        .iter()
        .map(|app| {
            json!({
                "name": app.name, "status": app.health.word(), "ready": app.ready,
                "wanted": app.wanted, "reasons": app.reasons,
            })
        })
        .collect();
    json!({
        "status": worst.word(), "version": status.version,
        "uptime_seconds": status.uptime.as_secs_f64(), "generation": status.generation,
        "config_refused": status.config_problem.is_some(), "reasons": reasons, "apps": apps,
    })
}

fn judged(look: &Look) -> Vec<Judged<'_>> {
    look.status.apps.iter().map(|app| judge(app, look)).collect()
}

fn judge<'a>(app: &'a AppStatus, look: &Look) -> Judged<'a> {
    let is_wanted = |index: u32| look.wanted.contains(&(app.name.clone(), index));
    let wanted: Vec<_> = app.slots.iter().filter(|slot| is_wanted(slot.index)).collect();
    let ready = wanted.iter().filter(|slot| slot.phase == SlotPhase::Ready).count();
    let mut reasons: Vec<String> = wanted
        .iter()
        .filter(|slot| slot.phase != SlotPhase::Ready)
        .map(|slot| match &slot.why {
            Some(why) => format!("{}[{}] is {}: {why}", app.name, slot.index, state(slot)),
            None => format!("{}[{}] is {}", app.name, slot.index, state(slot)),
        })
        .collect();
    if let RollStatus::Stopped { why } = &app.roll {
        reasons.push(format!("its reload stopped: {why}"));
    }
    reasons.extend(look.ailments.get(&app.name).into_iter().flatten().cloned());
    let health = match (wanted.is_empty(), ready, reasons.is_empty()) {
        (false, 0, _) => Health::Unhealthy,
        (_, _, false) => Health::Degraded,
        (_, _, true) => Health::Healthy,
    };
    Judged { name: &app.name, health, ready, wanted: wanted.len(), reasons }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dashboard;
    use std::collections::{BTreeMap, BTreeSet};

    /// One app `web` with slots in these phases, all of which should serve.
    fn look(phases: &[&str]) -> Look {
        let slots: Vec<Value> = phases
            .iter()
            .enumerate()
            .map(|(index, phase)| {
                json!({
                    "index": index, "phase": phase, "restarts": 0, "leaving": [],
                    "for_time": { "secs": 1, "nanos": 0 }, "why": null,
                })
            })
            .collect();
        let status = json!({
            "pid": 1, "version": "0.1.0", "environment": "test", "config_file": "e.toml",
            "log_directory": "logs", "generation": 3, "uptime": { "secs": 90, "nanos": 0 },
            "stopping": false, "dropped_total": 0, "remarks": [], "apps": [{
                "name": "web", "roll": "Idle", "changes": [], "remarks": [], "depends_on": [],
                "slots": slots,
            }],
        });
        let wanted =
            (0..phases.len()).map(|index| ("web".to_owned(), u32::try_from(index).unwrap()));
        Look {
            status: serde_json::from_value(status).unwrap(),
            wanted: wanted.collect(),
            ailments: BTreeMap::new(),
            parts: BTreeMap::new(),
            loses_logs: false,
            dashboard: Dashboard::Auto,
        }
    }

    fn word(look: &Look) -> String {
        fleet_json(look)["status"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_fleet_is_as_well_as_its_worst_app() {
        assert_eq!(word(&look(&["ready", "ready"])), "healthy");
        assert_eq!(word(&look(&["ready", "backoff"])), "degraded");
        assert_eq!(word(&look(&["failed", "starting"])), "unhealthy");
        let json = fleet_json(&look(&["ready", "failed"]));
        assert_eq!(json["apps"][0]["reasons"], json!(["web[1] is errored"]));
        assert_eq!((&json["apps"][0]["ready"], &json["apps"][0]["wanted"]), (&json!(1), &json!(2)));
        assert_eq!(json["reasons"], json!(["web is degraded"]));
    }

    #[test]
    fn who_was_stopped_is_missed_by_nobody() {
        let mut all = look(&["stopped", "ready"]);
        all.wanted.remove(&("web".to_owned(), 0));
        assert_eq!(word(&all), "healthy");
        let mut none = look(&["stopped"]);
        none.wanted = BTreeSet::new();
        assert_eq!(word(&none), "healthy");
    }

    #[test]
    fn what_serves_and_may_not_last_is_degraded() {
        let mut away = look(&["ready"]);
        let why = "its certificate has ended; clients refuse it".to_owned();
        away.ailments.insert("web".to_owned(), vec![why.clone()]);
        assert_eq!(word(&away), "degraded");
        assert_eq!(fleet_json(&away)["apps"][0]["reasons"], json!([why]));
        let mut lossy = look(&["ready"]);
        lossy.loses_logs = true;
        assert_eq!(word(&lossy), "degraded");
        let mut refused = look(&["ready"]);
        refused.status.config_problem = Some("no".to_owned());
        assert_eq!(word(&refused), "degraded");
        let mut stuck = look(&["ready"]);
        stuck.status.apps[0].roll = RollStatus::Stopped { why: "no".to_owned() };
        assert_eq!(word(&stuck), "degraded");
    }
}
