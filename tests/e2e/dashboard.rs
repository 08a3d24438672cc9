//! The dashboard as a person sees it, in a real browser.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::browser::Page;
use crate::harness::{House, query, signal, skip};
use crate::web::address;

/// A line that would run a script in a page that were not careful.
const HOSTILE: &str =
    "<img src=x onerror=\"window.harmed=1\"><script>window.harmed=1</script> \u{1b}[2J hostile";

/// Where pictures are kept, to be looked at.
fn pictures() -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
    let directory = own.parent().unwrap().join("dashboard");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn configuration(instances: u32, more: &str) -> String {
    query(instances, "", more).replace("metrics = \"off\"", "metrics = \"127.0.0.1:0\"")
}

/// The page of a house; none where there is no browser.
fn page(house: &House, test: &str) -> Option<Page> {
    match Page::open(&format!("http://{}/", address(house))) {
        Ok(page) => Some(page),
        Err(why) => {
            skip(test, &why);
            None
        }
    }
}

#[test]
fn a_person_sees_the_fleet_its_faults_and_its_logs() {
    let house = House::new(&configuration(3, ""));
    house.start();
    let Some(page) = page(&house, "a_person_sees_the_fleet_its_faults_and_its_logs") else {
        return;
    };
    page.wait_for_text("#health", |text| text == "healthy");
    assert_eq!(page.script("return document.querySelectorAll('tr.slot').length"), 3);
    let row = page.text("tr.slot");
    assert!(row.contains("query[0]") && row.contains("online") && row.contains("ready"), "{row}");
    assert_eq!(page.text("#serving"), "3 of 3");
    page.picture(&pictures().join("healthy.png"));

    signal("-KILL", house.pids()[0]);
    page.wait_for_text("tr.slot td[data-label=Restarts]", |text| text == "1");
    page.wait_for_text("tr.slot td.note", |text| text.contains("killed by SIGKILL"));
    page.wait_for_text("#lines", |text| text.contains("SIGKILL"));

    let mut log = File::options().append(true).open(house.path("logs/query.out.log")).unwrap();
    writeln!(log, "{HOSTILE}").unwrap();
    let shown = page.wait_for_text("#lines", |text| text.contains("hostile"));
    assert!(shown.contains("<img src=x onerror=\"window.harmed=1\">"), "{shown}");
    assert!(shown.contains("\\u{1b}[2J"), "{shown}");
    assert_eq!(
        page.script("return document.querySelectorAll('#lines img, #lines script').length"),
        0
    );
    assert_eq!(page.script("return window.harmed === undefined"), true);

    page.script("document.getElementById('pause').click()");
    writeln!(log, "while it was paused").unwrap();
    page.wait_for_text("#lines-note", |text| text.contains("1 new line"));
    assert!(!page.text("#lines").contains("while it was paused"));
    page.script("document.getElementById('pause').click()");
    page.wait_for_text("#lines", |text| text.contains("while it was paused"));
    page.script(
        "const level = document.getElementById('level'); level.value = '1'; \
         level.dispatchEvent(new Event('change'))",
    );
    let shown = page.wait_for_text("#lines", |text| !text.contains("while it was paused"));
    assert!(shown.contains("warn") && !shown.contains("info"), "{shown}");
    assert_eq!(page.complaints(), [""; 0], "the browser has nothing to complain of");
}

#[test]
fn a_refused_configuration_and_a_restart_of_the_supervisor_are_said() {
    let house = House::new(&configuration(1, ""));
    house.start();
    let at = address(&house);
    let Some(page) =
        page(&house, "a_refused_configuration_and_a_restart_of_the_supervisor_are_said")
    else {
        return;
    };
    page.wait_for_text("#health", |text| text == "healthy");
    house.write(&configuration(1, "").replace("instances = 1", "instances = \"<b>none</b>\""));
    house.run(&["reload"]);
    let said = page.wait_for_text("#banners", |text| text.contains("Configuration refused"));
    assert!(said.contains("instances") && said.contains("<b>none</b>"), "{said}");
    page.wait_for_text("#health", |text| text == "degraded");
    page.picture(&pictures().join("refused.png"));

    // At the same address from now on, so that the page finds its successor there.
    let fixed =
        configuration(1, "").replace("metrics = \"127.0.0.1:0\"", &format!("metrics = \"{at}\""));
    house.write(&fixed);
    house.run(&["stop"]);
    page.wait_for_text("#banners", |text| text.contains("does not answer"));
    page.wait_for_text("#health", |text| text == "unknown");
    page.picture(&pictures().join("lost.png"));
    house.start();
    page.wait_for_text("#link", |text| text == "live");
    let said = page.wait_for_text("#banners", |text| text.contains("was restarted"));
    assert!(!said.contains("does not answer") && !said.contains("refused"), "{said}");
    page.wait_for_text("#health", |text| text == "healthy");
}

#[test]
fn a_large_fleet_fits_a_screen_and_a_phone() {
    let text = "[supervisor]\nmetrics = \"127.0.0.1:0\"\nwatch = false\n\n[apps.sleepers]\n\
                exec = [\"/bin/sleep\", \"1000\"]\nready = \"1ms\"\ninstances = 64\n";
    let house = House::new(text);
    house.start();
    let Some(page) = page(&house, "a_large_fleet_fits_a_screen_and_a_phone") else { return };
    page.wait_for_text("#serving", |text| text == "64 of 64");
    assert_eq!(page.script("return document.querySelectorAll('tr.slot').length"), 64);
    page.picture(&pictures().join("large.png"));
    let shown =
        "return [...document.querySelectorAll('tr.slot')].filter(row => row.offsetParent).length";
    assert_eq!(page.script(shown), 64);
    page.script("document.getElementById('ill').click()");
    assert_eq!(page.script(shown), 0, "everybody serves");
    house.run(&["stop", "sleepers[7]"]);
    page.wait_for_text("#fleet table", |text| text.contains("sleepers[7]"));
    assert_eq!(page.script(shown), 1);
    page.script("document.getElementById('ill').click()");
    // A browser's window has a least width; what counts is that nothing is wider than it is.
    for width in [500, 800, 1400] {
        page.resize(width, 900);
        let wider =
            "const all = document.documentElement; return all.scrollWidth - all.clientWidth";
        assert_eq!(page.script(wider), 0, "at {width}");
    }
    page.resize(500, 900);
    page.picture(&pictures().join("phone.png"));
}
