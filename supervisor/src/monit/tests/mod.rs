//! What the screen shows and what keys mean, without a terminal: models in, cells and wishes out.

mod keys;

use std::collections::BTreeSet;

use mcp_protocol::control::Status;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use serde_json::{Value, json};

use super::intent::Intent;
use super::model::{Effect, Log, Message, Mode, Model, Stream};
use super::screen;
use crate::report::Colour;

fn slot(index: u32, phase: &str, more: &Value) -> Value {
    let mut slot = json!({
        "index": index, "phase": phase, "run": index + 1, "pid": 4121 + index,
        "for_time": { "secs": 90, "nanos": 0 }, "restarts": 0, "leaving": [],
    });
    let more = more.as_object().unwrap().clone();
    slot.as_object_mut().unwrap().extend(more);
    slot
}

/// Two apps: `query` serves and fails, `web` waits.
fn sample(uptime: u64) -> Status {
    let query = [
        slot(
            0,
            "ready",
            &json!({ "rss_bytes": 88_400_000, "requests_total": uptime.abs_diff(90).pow(2),
                "cpu_percent": 12.5, "threads": 5, "message": "warming \u{9b}caches" }),
        ),
        slot(1, "failed", &json!({ "pid": null, "why": "gave up after 5 deaths: exit code 3" })),
    ];
    let wait = json!({ "secs": 4, "nanos": 0 });
    let web = [slot(
        0,
        "backoff",
        &json!({ "pid": null, "deadline_in": wait, "restarts": 2,
        "last_exit": "killed by \u{1b}[2J SIGKILL" }),
    )];
    let app = |name: &str, listen: Value, slots: &[Value]| json!({ "name": name, "listen": listen, "roll": "Idle", "changes": [], "remarks": [], "depends_on": [], "slots": slots });
    serde_json::from_value(json!({
        "pid": 4115, "version": "0.1.0", "environment": "development",
        "config_file": "/srv/ecosystem.toml", "log_directory": "/srv/logs", "generation": 3,
        "uptime": { "secs": uptime, "nanos": 0 }, "stopping": false, "dropped_total": 0, "remarks": [],
        "apps": [app("query", json!("127.0.0.1:8000"), &query), app("web", Value::Null, &web)],
    }))
    .unwrap()
}

fn model() -> Model {
    let mut model = Model::default();
    for second in 0..8 {
        model.take_picture(Ok(sample(90 + second * second)));
    }
    model
}

fn press(model: &mut Model, keys: &str) -> Effect {
    let mut effect = Effect::None;
    for letter in keys.chars() {
        effect = key(model, KeyCode::Char(letter));
    }
    effect
}

fn key(model: &mut Model, code: KeyCode) -> Effect {
    model.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn drawn(model: &Model, (width, height): (u16, u16), colour: Colour) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(frame, model, colour)).unwrap();
    terminal.backend().clone()
}

fn text(model: &Model, size: (u16, u16)) -> String {
    let backend = drawn(model, size, Colour::Shown);
    let cells = backend.buffer().content();
    let lines = cells.chunks(usize::from(size.0)).map(|line| {
        let line: String = line.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn selected(model: &Model) -> String {
    model.selected().map(|row| row.title()).unwrap_or_default()
}

const AT_80_BY_24: &str = "\
mcp-supervisor 0.1.0  pid 4115  environment development  up 2m19s  generation 3
slot       status              pid  uptime restarts    memory    cpu
query      1/2 online                             0   88.4 MB  12.5%
  query[0] online             4121   1m30s        0   88.4 MB  12.5%
  query[1] errored               -       -        0         -      -
web        0/1 online                             2         -      -
  web[0]   waiting restart       -       -        2         -      -
── query[1] ────────────────────────────────────────────────────────────────────
gave up after 5 deaths: exit code 3; `start` tries again
── out ─ err ─ application ─ /srv/logs/query.out.log ───────────────────────────
line 4
line 5
line 6
line 7
line 8
line 9
line 10
line 11
line 12
line 13
line 14
line 15
query was reloaded
q quit  ? help  Tab log  / find  r reload  R restart  s stop  S start  +- scale";

#[test]
fn everything_has_its_place_on_80_by_24() {
    let mut model = model();
    press(&mut model, "jj");
    let lines = (0..16).map(|number| format!("line {number}")).collect();
    model.take_log(Log { path: "/srv/logs/query.out.log".into(), lines, trouble: None });
    model.message = Some(Message::Info("query was reloaded".to_owned()));
    assert_eq!(text(&model, (80, 24)), AT_80_BY_24);
}

#[test]
fn a_wide_screen_says_why_and_draws_the_past() {
    let shown = text(&model(), (120, 30));
    for words in [
        "gave up after 5 deaths: exit code 3",
        "last exit: killed by \\u{1b}[2J SIGKILL; again in 4s",
        "listens on 127.0.0.1:8000",
        "memory      88.4 MB  ████████",
        "cpu           12.5%  ████████",
        "requests     85.0/s    ▁▂▃▅█ ",
        "up to 85.0/s",
    ] {
        assert!(shown.contains(words), "{words} in\n{shown}");
    }
}

#[test]
fn no_size_is_too_small() {
    let mut model = model();
    model.trouble = Some("no supervisor runs here\nat all".to_owned());
    model.message = Some(Message::Failure("one\ntwo\nthree\nfour\nfive".to_owned()));
    model.filter = "q".to_owned();
    for mode in [Mode::Browse, Mode::Filter, Mode::Help, Mode::Confirm(Intent::Shutdown)] {
        model.mode = mode;
        for height in (0..16).chain([24, 40]) {
            for width in (0..30).chain([60, 72, 80, 300]) {
                drawn(&model, (width, height), Colour::Shown);
            }
        }
    }
    assert!(text(&Model::default(), (80, 24)).contains("nothing to show"));
}

#[test]
fn the_selected_row_is_always_in_sight() {
    let mut status = sample(90);
    let one = status.apps[0].slots[0].clone();
    status.apps[0].slots = (0..50)
        .map(|index| {
            let mut slot = one.clone();
            slot.index = index;
            slot
        })
        .collect();
    let mut model = Model::default();
    model.take_picture(Ok(status));
    for _ in 0..60 {
        let name = selected(&model);
        let shown = text(&model, (80, 8));
        assert!(shown.contains(&name), "{name} in\n{shown}");
        press(&mut model, "j");
    }
    assert_eq!(selected(&model), "web[0]");
}

#[test]
fn colours_mean_what_they_mean_in_status_and_can_be_turned_off() {
    let mut model = model();
    model.trouble = Some("gone".to_owned());
    let colours = |colour| -> BTreeSet<String> {
        let backend = drawn(&model, (100, 30), colour);
        backend.buffer().content().iter().map(|cell| format!("{} {}", cell.fg, cell.bg)).collect()
    };
    let plain: Vec<String> = colours(Colour::Plain).into_iter().collect();
    assert_eq!(plain, [format!("{} {}", Color::Reset, Color::Reset)]);
    for colour in [Color::Red, Color::Green, Color::Yellow] {
        assert!(colours(Colour::Shown).contains(&format!("{colour} {}", Color::Reset)), "{colour}");
    }
}

#[test]
fn nothing_that_a_worker_or_a_file_said_commands_the_terminal() {
    const PLACES: [&str; 10] = [
        "file", "picture", "roll", "change", "remark", "why", "message", "trouble", "outcome",
        "log",
    ];
    let evil = |place: &str| {
        assert!(PLACES.contains(&place), "{place} is looked for");
        format!("{place}\u{1b}[2J\u{9b}31m\r\n\u{7}")
    };
    let mut status = sample(90);
    status.config_problem = Some(evil("file"));
    status.remarks = vec![evil("picture")];
    status.apps[0].roll = mcp_protocol::control::RollStatus::Stopped { why: evil("roll") };
    status.apps[0].changes = vec![evil("change")];
    status.apps[0].remarks = vec![evil("remark")];
    status.apps[0].slots[0].why = Some(evil("why"));
    status.apps[0].slots[0].message = Some(evil("message"));
    let mut model = Model::default();
    model.take_picture(Ok(status));
    model.take_picture(Err(evil("trouble")));
    let path = model.wanted_log().unwrap();
    model.take_log(Log { path, lines: vec![evil("log")], trouble: None });
    for _ in 0..2 {
        model.message = Some(Message::Failure(evil("outcome")));
        let backend = drawn(&model, (300, 40), Colour::Shown);
        for cell in backend.buffer().content() {
            assert!(!cell.symbol().chars().any(char::is_control), "{:?}", cell.symbol());
        }
        let shown = text(&model, (300, 40));
        for place in PLACES {
            let visible = format!("{place}\\u{{1b}}[2J\\u{{9b}}31m");
            assert!(shown.contains(&visible), "{place} is shown, not swallowed:\n{shown}");
        }
        press(&mut model, "j");
    }
}

#[test]
fn what_differs_from_the_file_is_told_and_what_has_no_room_is_marked() {
    let mut status = sample(90);
    status.apps[0].changes = vec!["query[1] stopped by an operator".to_owned()];
    status.apps[0].remarks = vec!["serves the embedded sample account".to_owned()];
    status.remarks = vec!["`old` was changed, and the file does not name it".to_owned()];
    let mut model = Model::default();
    model.take_picture(Ok(status.clone()));
    let shown = text(&model, (80, 24));
    for words in [
        "note: `old` was changed, and the file does not name it",
        "changed: query[1] stopped by an operator; note: serves the embedded sample accou",
        "nt; listens on 127.0.0.1:8000",
    ] {
        assert!(shown.contains(words), "{words} in\n{shown}");
    }
    // A wide screen tells it beside the app, whatever is selected.
    key(&mut model, KeyCode::End);
    assert!(text(&model, (200, 24)).contains("changed: query[1] stopped"));
    // Many words leave room for the rest, and it is plain that there are more.
    status.apps[0].changes = vec!["x".repeat(1_000)];
    status.remarks = (0..7).map(|number| format!("remark {number}")).collect();
    model.take_picture(Ok(status));
    key(&mut model, KeyCode::Home);
    let shown = text(&model, (80, 24));
    assert!(shown.contains("xxx…\n"), "{shown}");
    for words in ["remark 0", "remark 1", "5 more remarks; `mcp-supervisor status` has them all"] {
        assert!(shown.contains(&format!("note: {words}\n")), "{words} in\n{shown}");
    }
    assert!(shown.contains("web[0]"), "the list is there:\n{shown}");
}

#[test]
fn a_slot_tells_what_it_says_of_itself_and_how_many_threads_it_has() {
    let mut model = model();
    press(&mut model, "j");
    let shown = text(&model, (80, 24));
    assert!(shown.contains("\nsays: warming \\u{9b}caches; 5 threads\n"), "{shown}");
}

#[test]
fn a_picture_that_does_not_come_leaves_the_last_one() {
    let mut model = model();
    model.take_picture(Err("no supervisor runs here: gone".to_owned()));
    let shown = text(&model, (100, 24));
    assert!(shown.contains("no supervisor runs here: gone (asked again"), "{shown}");
    assert!(shown.contains("query[0]"), "{shown}");
    model.take_picture(Ok(sample(140)));
    assert!(!text(&model, (100, 24)).contains("no supervisor runs here"));
}

#[test]
fn tab_walks_through_the_logs_that_there_are() {
    let mut model = model();
    let wanted = |model: &Model| model.wanted_log().unwrap().display().to_string();
    for path in ["query.err.log", "application.log", "query.out.log"] {
        key(&mut model, KeyCode::Tab);
        assert_eq!(wanted(&model), format!("/srv/logs/{path}"));
    }
    key(&mut model, KeyCode::End);
    assert_eq!(wanted(&model), "/srv/logs/web.out.log");
    assert_eq!(model.streams(), [Stream::Out, Stream::Err], "no worker of ours");
    let late = Log { path: "/srv/logs/query.out.log".into(), ..Log::default() };
    model.take_log(late);
    assert_eq!(model.log.path.to_str(), Some(""), "lines of another log come too late");
}

#[test]
fn the_past_has_an_end() {
    let mut model = Model::default();
    for second in 0..1_000 {
        model.take_picture(Ok(sample(second)));
    }
    let row = model.selected().unwrap();
    assert_eq!(model.history(row).unwrap().memory.len(), 300);
}

#[test]
fn another_supervisor_does_not_continue_the_counts() {
    let mut model = model();
    let requests = |model: &Model| -> Vec<u64> {
        model.history(model.selected().unwrap()).unwrap().requests.iter().copied().collect()
    };
    let before = requests(&model);
    assert_eq!(before, [10, 50, 130, 250, 410, 610, 850]);
    model.take_picture(Ok(sample(3)));
    assert_eq!(requests(&model), [before, vec![0]].concat());
    // A new run in the slot counts from nothing: 16 requests in the second since.
    let mut replaced = sample(4);
    replaced.apps[0].slots[0].run = Some(77);
    replaced.apps[0].slots[0].requests_total = Some(16);
    model.take_picture(Ok(replaced));
    assert_eq!(requests(&model).last(), Some(&160));
}
