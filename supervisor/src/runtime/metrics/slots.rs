//! What is told of each slot: its phase, its past, what its processes take, what they do now.
//!
//! While a slot is being replaced it has two workers: what they do adds up. A slot that is not in
//! the picture has no numbers.

use mcp_protocol::control::{SlotPhase, SlotStatus, Status};
use mcp_protocol::message::{Circuit, Logins};

use super::families::{
    BACKOFF, CONNECTIONS, CPU, DESCRIPTORS, GAVE_UP, IN_FLIGHT, LEAVING, MEMORY, MEMORY_LIMIT,
    PHASE, PHASE_FOR, POOL_ACTIVE, POOL_CIRCUIT, POOL_FAILING, POOL_IDLE, POOL_LOGGED_OUT,
    POOL_MAX, POOL_PEAK, POOL_REFUSED, POOL_TOTAL, POOL_WAITING, RESTARTS, THREADS, UP,
};
use super::sheet::Sheet;
use super::{number, room, size};
use crate::machine::{AppName, RunId, SlotId};
use crate::runtime::hands::Hands;
use crate::runtime::processes::Process;
use crate::runtime::totals::pools;
use crate::runtime::vitals;

pub(super) fn draw(sheet: &mut Sheet, status: &Status, hands: &Hands) {
    let of_machine = room::of_memory();
    for app in &status.apps {
        let name = AppName::new(&app.name);
        let limit = hands.config.apps.get(&name).and_then(|app| app.goal.memory_bytes_max);
        for slot in &app.slots {
            let index = slot.index.to_string();
            let labels = &[app.name.as_str(), index.as_str()];
            draw_phase(sheet, slot, labels);
            if let Some(bytes) = limit.or(of_machine) {
                sheet.set(MEMORY_LIMIT, labels, number(bytes));
            }
            let process = slot.run.and_then(|run| hands.processes.get(RunId(run)));
            if let Some(count) = process.and_then(|process| vitals::descriptors(process.pid)) {
                sheet.set(DESCRIPTORS, labels, number(count));
            }
        }
    }
    draw_past(sheet, status, hands);
    for (_, process) in hands.processes.iter().filter(|(_, one)| one.settings.is_some()) {
        draw_vitals(sheet, process);
    }
}

fn draw_phase(sheet: &mut Sheet, slot: &SlotStatus, labels: &[&str; 2]) {
    let [app, index] = *labels;
    sheet.set(UP, labels, f64::from(u8::from(slot.phase == SlotPhase::Ready)));
    sheet.set(PHASE, &[app, index, phase_word(slot.phase)], 1.0);
    sheet.set(PHASE_FOR, labels, slot.for_time.as_secs_f64());
    let waits = slot.deadline_in.filter(|_| slot.phase == SlotPhase::Backoff);
    sheet.set(BACKOFF, labels, waits.unwrap_or_default().as_secs_f64());
    sheet.set(LEAVING, labels, size(slot.leaving.len()));
    if let Some(count) = slot.threads {
        sheet.set(THREADS, labels, count.into());
    }
    if let Some(bytes) = slot.rss_bytes {
        sheet.set(MEMORY, labels, number(bytes));
    }
}

/// What was counted of slots, of those that are there.
fn draw_past(sheet: &mut Sheet, status: &Status, hands: &Hands) {
    let is_there = |slot: &SlotId| {
        let mut apps = status.apps.iter().filter(|app| app.name == slot.app.as_str());
        apps.any(|app| app.slots.iter().any(|one| one.index == slot.index))
    };
    for (slot, time) in hands.totals.cpu().filter(|(slot, _)| is_there(slot)) {
        sheet.set(CPU, &[slot.app.as_str(), &slot.index.to_string()], time.as_secs_f64());
    }
    let meter = &hands.meter;
    for ((slot, reason), count) in meter.restarts.iter().filter(|((slot, _), _)| is_there(slot)) {
        let index = slot.index.to_string();
        sheet.set(RESTARTS, &[slot.app.as_str(), &index, reason], number(*count));
    }
    for (slot, count) in meter.gave_up.iter().filter(|(slot, _)| is_there(slot)) {
        sheet.set(GAVE_UP, &[slot.app.as_str(), &slot.index.to_string()], number(*count));
    }
}

fn draw_vitals(sheet: &mut Sheet, process: &Process) {
    let (app, index) = (process.slot.app.as_str(), process.slot.index.to_string());
    let vitals = &process.vitals;
    sheet.add(IN_FLIGHT, &[app, &index], vitals.requests_in_flight.into());
    sheet.add(CONNECTIONS, &[app, &index], vitals.connections.into());
    for (connection, pool) in pools(vitals) {
        let labels = &[app, index.as_str(), connection];
        sheet.add(POOL_ACTIVE, labels, pool.active().into());
        sheet.add(POOL_IDLE, labels, pool.idle.into());
        sheet.add(POOL_TOTAL, labels, pool.total.into());
        sheet.add(POOL_MAX, labels, pool.max.into());
        sheet.add(POOL_PEAK, labels, pool.peak.into());
        sheet.add(POOL_WAITING, labels, pool.waiting.into());
        let is = |state: Logins| f64::from(u8::from(pool.logins == state));
        sheet.add(POOL_FAILING, labels, is(Logins::Failing));
        sheet.add(POOL_REFUSED, labels, is(Logins::Refused));
        sheet.add(POOL_LOGGED_OUT, labels, is(Logins::LoggedOut));
        for state in Circuit::ALL {
            let labels = &[app, index.as_str(), connection, state.name()];
            sheet.add(POOL_CIRCUIT, labels, f64::from(u8::from(pool.circuit == state)));
        }
    }
}

fn phase_word(phase: SlotPhase) -> &'static str {
    match phase {
        SlotPhase::Stopped => "stopped",
        SlotPhase::Starting => "starting",
        SlotPhase::Ready => "ready",
        SlotPhase::Draining => "draining",
        SlotPhase::Killing => "killing",
        SlotPhase::Backoff => "backoff",
        SlotPhase::Failed => "failed",
    }
}
