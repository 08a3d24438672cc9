//! Ready-to-paste configurations that connect MCP clients to this service.
//!
//! Each client has its own file and its own words for the same two roads: HTTP to the shared
//! port, and stdio, where the client starts a worker of its own.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::Client;

/// The name under which clients list us.
const NAME: &str = "snowflake";

/// What is asked of those who come through the shared port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// Nothing.
    Open,
    /// A key.
    ByKey,
}

/// All that one client needs to know, with both roads.
#[must_use]
pub fn client_config(
    client: Client,
    (address, entrance): (SocketAddr, Entrance),
    worker: &Path,
) -> String {
    let url = format!("http://{}/mcp", reachable(address));
    let worker = worker.display().to_string();
    let recipe = recipe(client, (&url, entrance), &worker);
    let key = match entrance {
        Entrance::Open => "",
        Entrance::ByKey => {
            "# Put in the place of KEY what `mcp-supervisor client key create CLIENT` prints.\n"
        }
    };
    format!(
        "# {title}\n{key}# Over HTTP, through the shared port; in {file}:\n{http}\n\n\
         # Or over stdio: the client starts a worker of its own, without the supervisor:\n{stdio}\n",
        title = recipe.title,
        file = recipe.file,
        http = recipe.http,
        stdio = recipe.stdio,
    )
}

struct Recipe {
    title: &'static str,
    file: &'static str,
    http: String,
    stdio: String,
}

fn recipe(client: Client, (url, entrance): (&str, Entrance), worker: &str) -> Recipe {
    let keyed = |mut server: Value| {
        if entrance == Entrance::ByKey {
            server["headers"] = json!({ "Authorization": "Bearer KEY" });
        }
        server
    };
    let (mut bridge, mut codex) =
        (json!({ "command": "npx", "args": ["-y", "mcp-remote", url] }), String::new());
    if entrance == Entrance::ByKey {
        // Without a space in an argument, which some versions of it would take apart.
        bridge["args"] = json!(["-y", "mcp-remote", url, "--header", "Authorization:${MCP_KEY}"]);
        bridge["env"] = json!({ "MCP_KEY": "Bearer KEY" });
        codex = "\nhttp_headers = { Authorization = \"Bearer KEY\" }".to_owned();
    }
    let stdio = json!({ "command": worker, "args": ["stdio"] });
    let (title, file) = place(client);
    let (http, stdio) = match client {
        Client::ClaudeDesktop => (servers("mcpServers", &bridge), servers("mcpServers", &stdio)),
        Client::ClaudeCode => (
            servers("mcpServers", &keyed(json!({ "type": "http", "url": url }))),
            servers("mcpServers", &stdio),
        ),
        Client::Cursor => {
            (servers("mcpServers", &keyed(json!({ "url": url }))), servers("mcpServers", &stdio))
        }
        Client::Vscode => (
            servers("servers", &keyed(json!({ "type": "http", "url": url }))),
            servers("servers", &json!({ "type": "stdio", "command": worker, "args": ["stdio"] })),
        ),
        Client::Windsurf => (
            servers("mcpServers", &keyed(json!({ "serverUrl": url }))),
            servers("mcpServers", &stdio),
        ),
        Client::Zed => (
            servers("context_servers", &keyed(json!({ "url": url }))),
            servers("context_servers", &stdio),
        ),
        Client::Codex => (
            format!("[mcp_servers.{NAME}]\nurl = {}{codex}", json!(url)),
            format!("[mcp_servers.{NAME}]\ncommand = {}\nargs = [\"stdio\"]", json!(worker)),
        ),
        Client::GeminiCli => (
            servers("mcpServers", &keyed(json!({ "httpUrl": url }))),
            servers("mcpServers", &stdio),
        ),
    };
    Recipe { title, file, http, stdio }
}

/// What a client is called, and where its configuration is.
fn place(client: Client) -> (&'static str, &'static str) {
    match client {
        Client::ClaudeDesktop => (
            "Claude Desktop",
            "claude_desktop_config.json (Settings, Developer, Edit Config); it speaks stdio, so mcp-remote makes the bridge",
        ),
        Client::ClaudeCode => (
            "Claude Code",
            ".mcp.json of the project; `claude mcp add --transport http snowflake` and the URL does the same",
        ),
        Client::Cursor => ("Cursor", ".cursor/mcp.json of the project, or ~/.cursor/mcp.json"),
        Client::Vscode => ("Visual Studio Code", ".vscode/mcp.json of the workspace"),
        Client::Windsurf => ("Windsurf", "~/.codeium/windsurf/mcp_config.json"),
        Client::Zed => ("Zed", "settings.json"),
        Client::Codex => ("Codex", "~/.codex/config.toml"),
        Client::GeminiCli => ("Gemini CLI", "~/.gemini/settings.json"),
    }
}

fn servers(key: &str, server: &Value) -> String {
    let all = json!({ key: { NAME: server } });
    serde_json::to_string_pretty(&all).unwrap_or_default()
}

/// The address as a client on this machine reaches it: "any address" is no address to call.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_client_gets_both_roads() {
        let address = "0.0.0.0:8000".parse().unwrap();
        for client in Client::value_variants() {
            let worker = Path::new("/opt/mcp/mcp-worker");
            let text = client_config(*client, (address, Entrance::Open), worker);
            assert!(text.contains("http://127.0.0.1:8000/mcp"), "{text}");
            assert!(text.contains("/opt/mcp/mcp-worker"), "{text}");
            assert!(text.contains("stdio"), "{text}");
            assert!(!text.contains("KEY"), "{text}");
            let text = client_config(*client, (address, Entrance::ByKey), worker);
            assert!(text.contains("Bearer KEY"), "{text}");
            assert!(text.contains("client key create"), "{text}");
        }
    }

    #[test]
    fn the_json_of_each_client_is_json() {
        let text = servers("mcpServers", &json!({ "url": "http://127.0.0.1:8000/mcp" }));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["mcpServers"]["snowflake"]["url"], "http://127.0.0.1:8000/mcp");
    }
}
