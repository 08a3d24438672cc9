//! A real Prometheus that runs rules over what it scrapes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::harness::PATIENCE;
use crate::tools::{self, Tool};

/// The two programs of the package.
pub(crate) struct Tools {
    server: Tool,
    promtool: Tool,
}

impl Tools {
    /// Both, or neither.
    pub(crate) fn find() -> Option<Tools> {
        Some(Tools { server: tools::prometheus()?, promtool: tools::promtool()? })
    }

    /// Runs `promtool`, which must be content; what it said.
    pub(crate) fn promtool(&self, arguments: &[&str], directory: &Path) -> String {
        let said = self.promtool.command().args(arguments).current_dir(directory).output();
        let said = said.unwrap();
        let text = [said.stdout, said.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(said.status.success(), "promtool {}: {text}", arguments.join(" "));
        text
    }

    /// A server with this configuration file, which ends with its value.
    pub(crate) fn serve(&self, configuration: &Path) -> Server {
        let storage = tempfile::tempdir().unwrap();
        let mut child = self
            .server
            .command()
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", storage.path().display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("Prometheus ended: {said}")).unwrap();
            if let Some((_, address)) = line.split_once("\"Listening on\" address=") {
                break address.split_whitespace().next().unwrap().to_owned();
            }
            said.push_str(&line);
            said.push('\n');
        };
        // Somebody must read what it goes on to say.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, address, _storage: storage }
    }
}

/// A running Prometheus.
pub(crate) struct Server {
    child: Child,
    address: String,
    _storage: tempfile::TempDir,
}

impl Server {
    /// The names of the alerts that fire.
    pub(crate) fn firing(&self) -> Vec<String> {
        let alerts = self.get("/api/v1/alerts");
        let alerts = alerts["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        let mut names: Vec<String> =
            firing.map(|one| one["labels"]["alertname"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether the last scrape of the only target went well.
    pub(crate) fn scrapes(&self) -> bool {
        self.get("/api/v1/targets")["data"]["activeTargets"][0]["health"] == "up"
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // HTTP/1.0, so that the body is not sent in chunks.
        write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
