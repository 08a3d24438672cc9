//! A browser without a screen, driven as the W3C's WebDriver says, by its own driver.
#![expect(clippy::disallowed_methods, reason = "a browser is a program of its own")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, wait_for};

/// A page in a browser.
pub(crate) struct Page {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Page {
    /// A browser that shows this address; why not, where there is none.
    pub(crate) fn open(url: &str) -> Result<Page, String> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("chromedriver cannot be run: {error}"))?;
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let port = port.expect("the driver says its port");
        // Somebody must read what it goes on to say.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let mut page = Page { driver, port, session: String::new(), _profile: profile };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1400,1000",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", page._profile.path().display()));
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": { "args": arguments },
                             "goog:loggingPrefs": { "browser": "ALL" } });
        let answer =
            page.ask("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        page.session =
            answer["sessionId"].as_str().ok_or(format!("no session: {answer}"))?.to_owned();
        page.order("url", &json!({ "url": url }));
        Ok(page)
    }

    /// What a script returns in the page.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.order("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of the first element of a kind, as it is shown; empty when there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?})?.innerText ?? ''");
        self.script(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the element's text is as wanted.
    pub(crate) fn wait_for_text(&self, selector: &str, is_so: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        wait_for(&format!("the words in {selector}"), || {
            text = self.text(selector);
            is_so(&text)
        });
        text
    }

    /// What the browser complains of.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let lines = self.order("se/log", &json!({ "type": "browser" }));
        let lines = lines.as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Makes the window so large.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        self.order("window/rect", &json!({ "width": width, "height": height }));
    }

    /// Keeps a picture of the page, to be looked at.
    pub(crate) fn picture(&self, path: &Path) {
        let path_of_request = format!("/session/{}/screenshot", self.session);
        let picture = self.ask("GET", &path_of_request, &Value::Null);
        std::fs::write(path, decoded(picture.as_str().unwrap())).unwrap();
    }

    fn order(&self, what: &str, with: &Value) -> Value {
        self.ask("POST", &format!("/session/{}/{what}", self.session), with)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(count) = lower.strip_prefix("content-length:") {
                length = count.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.session.is_empty() {
            self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        // The driver ends its browser when it is asked to leave.
        let pid = nix::unistd::Pid::from_raw(self.driver.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.driver.wait();
    }
}

/// Bytes from base64, of which a driver makes no mistake.
fn decoded(text: &str) -> Vec<u8> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = |letter: u8| letters.iter().position(|one| *one == letter);
    let mut bytes = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0, |bits, letter| bits << 6 | value(*letter).unwrap());
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend(
            (0..four.len() - 1).map(|place| u8::try_from(bits >> (16 - 8 * place) & 255).unwrap()),
        );
    }
    bytes
}
