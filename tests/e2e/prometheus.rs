//! Prometheus and its tools, as Debian packages them.
#![expect(clippy::disallowed_methods, reason = "Prometheus is a program of its own")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::PATIENCE;

/// The two programs.
pub(crate) struct Tools {
    server: PathBuf,
    promtool: PathBuf,
}

impl Tools {
    /// Those that are installed, else those of Debian's package, unpacked beside the tests.
    pub(crate) fn find() -> Result<Tools, String> {
        let path = |directory: &Path| Tools {
            server: directory.join("prometheus"),
            promtool: directory.join("promtool"),
        };
        let installed = path(Path::new("/usr/bin"));
        if installed.server.exists() && installed.promtool.exists() {
            return Ok(installed);
        }
        // Tests that want it at once unpack it one after the other.
        static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _turn = TURN.lock();
        let own = Path::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
        let directory = own.parent().unwrap().join("debian-prometheus");
        let unpacked = path(&directory.join("usr/bin"));
        if !unpacked.promtool.exists() {
            std::fs::create_dir_all(&directory).unwrap();
            let script = "apt-get download prometheus && dpkg-deb -x prometheus_*.deb .";
            let said = Command::new("sh").args(["-c", script]).current_dir(&directory).output();
            let said = said.map_err(|error| format!("sh cannot be run: {error}"))?;
            if !said.status.success() {
                let why = String::from_utf8_lossy(&said.stderr).into_owned();
                return Err(format!("there is no prometheus, and it cannot be fetched: {why}"));
            }
        }
        Ok(unpacked)
    }

    /// Runs `promtool`, which must be content; what it said.
    pub(crate) fn promtool(&self, arguments: &[&str], directory: &Path) -> String {
        let said = Command::new(&self.promtool).args(arguments).current_dir(directory).output();
        let said = said.unwrap();
        let text = [said.stdout, said.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(said.status.success(), "promtool {}: {text}", arguments.join(" "));
        text
    }

    /// A server with this configuration file, which ends with its value.
    pub(crate) fn serve(&self, configuration: &Path) -> Server {
        let storage = tempfile::tempdir().unwrap();
        let mut child = Command::new(&self.server)
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
