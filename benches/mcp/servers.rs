//! Who is measured: how each server is started against the canned account, and what it calls its
//! tool. Each is configured for its fastest documented way, and keeps its defaults otherwise.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::Tool;

/// Sessions that ours may have, so that 64 clients need not wait.
const POOL_MAX: u32 = 64;

/// A server that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No server: clients ask the account itself, which is as fast as anything here can be.
    Account,
    /// Ours, with so many workers.
    Ours(usize),
    Toolbox,
    Labs,
    Isaac,
}

/// How a started server is spoken to.
pub(crate) enum Way {
    Http { address: SocketAddr, path: &'static str },
    Account { address: SocketAddr },
    Stdio,
}

/// What is started, and how it is spoken to.
pub(crate) struct Plan {
    pub(crate) command: Command,
    pub(crate) way: Way,
    pub(crate) tool: Tool,
}

/// Where everything is.
pub(crate) struct Places {
    pub(crate) supervisor: PathBuf,
    pub(crate) worker: PathBuf,
    /// Peers, each in a directory of its own.
    pub(crate) peers: PathBuf,
    /// What belongs to them in the sources.
    pub(crate) sources: PathBuf,
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] =
        [Kind::Account, Kind::Ours(1), Kind::Ours(2), Kind::Toolbox, Kind::Labs, Kind::Isaac];

    pub(crate) fn name(self) -> String {
        match self {
            Kind::Account => "the account alone".to_owned(),
            Kind::Ours(1) => "ours, 1 worker".to_owned(),
            Kind::Ours(workers) => format!("ours, {workers} workers"),
            Kind::Toolbox => "MCP Toolbox 1.15.0".to_owned(),
            Kind::Labs => "snowflake-labs-mcp 1.4.2".to_owned(),
            Kind::Isaac => "mcp-snowflake-server 0.4.0, stdio".to_owned(),
        }
    }

    /// What has to be there for it to run.
    pub(crate) fn program(self, places: &Places) -> PathBuf {
        let peers = &places.peers;
        match self {
            Kind::Account | Kind::Ours(_) => places.supervisor.clone(),
            Kind::Toolbox => peers.join("toolbox/bin/toolbox"),
            Kind::Labs => peers.join("labs/bin/mcp-server-snowflake"),
            Kind::Isaac => peers.join("isaac/bin/mcp_snowflake_server"),
        }
    }

    pub(crate) fn plan(
        self,
        places: &Places,
        account: SocketAddr,
        home: &Path,
    ) -> io::Result<Plan> {
        match self {
            Kind::Account => Err(io::Error::other("there is nothing to start")),
            Kind::Ours(workers) => ours(workers, places, account, home),
            Kind::Toolbox => toolbox(&self.program(places), account, home),
            Kind::Labs => labs(&self.program(places), places, account, home),
            Kind::Isaac => Ok(isaac(&self.program(places), places, account, home)),
        }
    }
}

/// A command that knows nothing of this machine but where programs are.
fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.current_dir(home).stdin(std::process::Stdio::null());
    let log = std::fs::File::create(home.join("output.log"));
    if let Ok((out, err)) = log.and_then(|log| Ok((log.try_clone()?, log))) {
        command.stdout(out).stderr(err);
    }
    command
}

/// An address that was free just now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn ours(workers: usize, places: &Places, account: SocketAddr, home: &Path) -> io::Result<Plan> {
    let address = free_address()?;
    let worker = places.worker.display();
    let text = format!(
        "[supervisor]\nmetrics = \"off\"\nwatch = false\n\n[apps.query]\nexec = [\"{worker}\"]\n\
         listen = \"{address}\"\ninstances = {workers}\n\n[apps.query.snowflake]\n\
         account = \"ORG-BENCH\"\nuser = \"MCP\"\npassword_file = \"password\"\n\
         host = \"http://{account}\"\n\n[apps.query.pool]\nmin = 1\nmax = {POOL_MAX}\n"
    );
    std::fs::write(home.join("ecosystem.toml"), text)?;
    std::fs::write(home.join("password"), "secret")?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(home.join("password"), private)?;
    let mut command = command(&places.supervisor, home);
    command.args(["--config", "ecosystem.toml", "start", "--env", "production", "--foreground"]);
    let tool = Tool { name: "execute_query", argument: "query" };
    Ok(Plan { command, way: Way::Http { address, path: "/mcp" }, tool })
}

/// Its driver's address is put together from the account and the role as they are written, which
/// is how it is led to an account of ours.
fn toolbox(program: &Path, account: SocketAddr, home: &Path) -> io::Result<Plan> {
    let address = free_address()?;
    let mut command = command(program, home);
    command
        .args(["--prebuilt", "snowflake", "--address", "127.0.0.1", "--port"])
        .arg(address.port().to_string())
        .env("SNOWFLAKE_ACCOUNT", format!("localhost:{}", account.port()))
        .env("SNOWFLAKE_ROLE", "SYSADMIN&protocol=http&account=bench");
    for (name, value) in
        [("USER", "MCP"), ("PASSWORD", "secret"), ("DATABASE", "DB"), ("SCHEMA", "PUBLIC")]
    {
        command.env(format!("SNOWFLAKE_{name}"), value);
    }
    command.env("SNOWFLAKE_WAREHOUSE", "WH");
    let tool = Tool { name: "execute_sql", argument: "sql" };
    Ok(Plan { command, way: Way::Http { address, path: "/mcp" }, tool })
}

/// The Python ones insist on Snowflake's own addresses; `shim/` leads their driver to ours.
fn shimmed(command: &mut Command, places: &Places, account: SocketAddr) {
    command
        .env("PYTHONPATH", places.sources.join("shim"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("BENCH_ACCOUNT_PORT", account.port().to_string());
}

fn labs(program: &Path, places: &Places, account: SocketAddr, home: &Path) -> io::Result<Plan> {
    let address = free_address()?;
    let services = "other_services:\n  query_manager: true\n  object_manager: false\n  \
                    semantic_manager: false\nsql_statement_permissions:\n  - select: true\n";
    std::fs::write(home.join("services.yaml"), services)?;
    let mut command = command(program, home);
    command
        .args(["--service-config-file", "services.yaml", "--transport", "streamable-http"])
        .args(["--server-host", "127.0.0.1", "--endpoint", "/mcp", "--port"])
        .arg(address.port().to_string())
        .args(["--account", "ORG-BENCH", "--user", "MCP", "--password", "secret"]);
    shimmed(&mut command, places, account);
    let tool = Tool { name: "run_snowflake_query", argument: "statement" };
    Ok(Plan { command, way: Way::Http { address, path: "/mcp" }, tool })
}

fn isaac(program: &Path, places: &Places, account: SocketAddr, home: &Path) -> Plan {
    let mut command = command(program, home);
    command
        .args(["--account", "ORG-BENCH", "--user", "MCP", "--password", "secret"])
        .args(["--warehouse", "WH", "--database", "DB", "--schema", "PUBLIC"])
        .args(["--role", "SYSADMIN"]);
    shimmed(&mut command, places, account);
    Plan { command, way: Way::Stdio, tool: Tool { name: "read_query", argument: "query" } }
}
