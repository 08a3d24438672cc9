//! What keys mean: whom they act on, what is asked first, what is selected. Models in, wishes out;
//! what it all looks like is pinned beside.

use mcp_protocol::control::{Request, Scale, Target};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{key, model, press, sample, selected, text};
use crate::monit::intent::Intent;
use crate::monit::model::{Effect, Mode, Model};

/// The wish that these keys end in.
fn wish(model: &mut Model, keys: &str) -> Intent {
    match press(model, keys) {
        Effect::Ask(intent) => intent,
        Effect::None | Effect::Quit => panic!("{keys} ask for nothing"),
    }
}

#[test]
fn keys_act_on_the_selected_app_or_slot() {
    let app = || Target::App("query".to_owned());
    let slot = || Target::Slot { app: "query".to_owned(), slot: 1 };
    for (down, target) in [("", app()), ("jj", slot())] {
        let target = || target.clone();
        let scale = |to| Request::Scale { app: "query".to_owned(), to };
        for (keys, request) in [
            ("r", Request::Reload { target: target() }),
            ("Ry", Request::Restart { target: target() }),
            ("sy", Request::Stop { target: target() }),
            ("S", Request::Start { target: target() }),
            ("z", Request::Reset { target: target() }),
            ("+", scale(Scale::More(1))),
            ("-y", scale(Scale::Fewer(1))),
            ("Xy", Request::Shutdown),
        ] {
            let mut model = model();
            press(&mut model, down);
            assert_eq!(wish(&mut model, keys).request(), request, "{down}{keys}");
            assert_eq!(model.mode, Mode::Browse);
        }
    }
}

#[test]
fn questions_and_outcomes_name_whom_they_are_about() {
    for (keys, question) in [
        ("R", "restart query, all at once? clients notice (y/n)"),
        ("s", "stop query, all its workers, until it is started again? (y/n)"),
        ("jjR", "restart query[1]? its clients notice (y/n)"),
        ("jjs", "stop query[1] until it is started again? (y/n)"),
        ("jj-", "scale query down by one? the worker in its last slot is stopped (y/n)"),
        ("jjX", "stop the whole service: every worker and the supervisor? (y/n)"),
    ] {
        let mut model = model();
        assert_eq!(press(&mut model, keys), Effect::None, "{keys} ask first");
        let shown = text(&model, (80, 24));
        assert!(shown.contains(question), "{question} in\n{shown}");
        assert_eq!(press(&mut model, "x"), Effect::None, "neither yes nor no");
        assert!(matches!(model.mode, Mode::Confirm(_)), "{keys} are still asked about");
        assert_eq!(press(&mut model, "n"), Effect::None);
        assert_eq!(model.mode, Mode::Browse, "no is no");
    }
    for (keys, doing, done, task) in [
        ("r", "reloading query[1]", "query[1] was reloaded", "reload query[1]"),
        ("Ry", "restarting query[1]", "query[1] was restarted", "restart query[1]"),
        ("sy", "stopping query[1]", "query[1] was stopped", "stop query[1]"),
        ("S", "starting query[1]", "query[1] was started", "start query[1]"),
        (
            "z",
            "resetting query[1]",
            "query[1] was reset: its deaths are forgiven",
            "reset query[1]",
        ),
        ("+", "adding a worker to query", "query has one worker more", "scale query up by one"),
        (
            "-y",
            "taking a worker from query",
            "query has one worker fewer",
            "scale query down by one",
        ),
        ("Xy", "stopping the whole service", "the service was stopped", "stop the whole service"),
    ] {
        let mut model = model();
        press(&mut model, "jj");
        let intent = wish(&mut model, keys);
        assert_eq!((intent.doing().as_str(), intent.done().as_str()), (doing, done));
        assert_eq!(intent.failed("no"), format!("cannot {task}: no"));
    }
}

#[test]
fn without_a_line_only_the_whole_service_can_be_meant() {
    for keys in ["r", "R", "s", "S", "z", "+", "-"] {
        let mut model = Model::default();
        assert_eq!(press(&mut model, keys), Effect::None);
        assert_eq!(model.mode, Mode::Browse);
        assert!(text(&model, (80, 24)).contains("nothing is selected"), "{keys}");
    }
    assert_eq!(wish(&mut Model::default(), "Xy").request(), Request::Shutdown);
}

#[test]
fn a_slot_that_is_gone_leaves_its_app_selected() {
    let mut model = model();
    let mut status = sample(200);
    status.apps.swap(0, 1);
    model.take_picture(Ok(status.clone()));
    key(&mut model, KeyCode::End);
    assert_eq!(selected(&model), "query[1]");
    status.apps[1].slots.pop();
    model.take_picture(Ok(status));
    assert_eq!(selected(&model), "query", "not another app, on which the next key would act");
}

#[test]
fn q_escape_and_ctrl_c_leave() {
    assert_eq!(press(&mut model(), "q"), Effect::Quit);
    assert_eq!(key(&mut model(), KeyCode::Esc), Effect::Quit);
    for mode in [Mode::Browse, Mode::Filter, Mode::Help, Mode::Confirm(Intent::Shutdown)] {
        let mut model = model();
        model.mode = mode;
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(model.press(key), Effect::Quit);
    }
    let mut model = model();
    press(&mut model, "?");
    assert!(text(&model, (80, 24)).contains("new workers before old"));
    assert_eq!(press(&mut model, "q"), Effect::None, "it closes the help only");
}

#[test]
fn the_selection_stays_where_it_is_when_pictures_come() {
    let mut model = model();
    press(&mut model, "jjj");
    assert_eq!(selected(&model), "web");
    let mut fewer = sample(200);
    fewer.apps[0].slots.pop();
    model.take_picture(Ok(fewer.clone()));
    assert_eq!(selected(&model), "web");
    key(&mut model, KeyCode::Up);
    assert_eq!(selected(&model), "query[0]");
    fewer.apps.remove(0);
    model.take_picture(Ok(fewer));
    assert_eq!(selected(&model), "web", "what is gone cannot be selected");
    key(&mut model, KeyCode::End);
    assert_eq!(selected(&model), "web[0]");
}

#[test]
fn a_filter_shows_a_part_and_escape_shows_all() {
    let mut model = model();
    press(&mut model, "/we");
    assert_eq!(model.rows().iter().map(|row| row.title()).collect::<Vec<_>>(), ["web", "web[0]"]);
    assert!(text(&model, (80, 24)).contains("filter: we_"));
    press(&mut model, "q");
    assert!(model.rows().is_empty(), "q is a letter here");
    key(&mut model, KeyCode::Backspace);
    key(&mut model, KeyCode::Enter);
    assert_eq!(selected(&model), "web");
    assert_eq!(key(&mut model, KeyCode::Esc), Effect::None);
    assert_eq!(model.rows().len(), 5);
}
