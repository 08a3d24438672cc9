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

/// All that one client needs to know, with both roads.
#[must_use]
pub fn client_config(client: Client, address: SocketAddr, worker: &Path) -> String {
    let url = format!("http://{}/mcp", reachable(address));
    let worker = worker.display().to_string();
    let recipe = recipe(client, &url, &worker);
    format!(
        "# {title}\n# Over HTTP, through the shared port; in {file}:\n{http}\n\n\
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

fn recipe(client: Client, url: &str, worker: &str) -> Recipe {
    let stdio = json!({ "command": worker, "args": ["stdio"] });
    let (title, file, http, stdio) = match client {
        Client::ClaudeDesktop => (
            "Claude Desktop",
            "claude_desktop_config.json (Settings, Developer, Edit Config); it speaks stdio, so mcp-remote makes the bridge",
            servers("mcpServers", &json!({ "command": "npx", "args": ["-y", "mcp-remote", url] })),
            servers("mcpServers", &stdio),
        ),
        Client::ClaudeCode => (
            "Claude Code",
            ".mcp.json of the project; `claude mcp add --transport http snowflake` and the URL does the same",
            servers("mcpServers", &json!({ "type": "http", "url": url })),
            servers("mcpServers", &stdio),
        ),
        Client::Cursor => (
            "Cursor",
            ".cursor/mcp.json of the project, or ~/.cursor/mcp.json",
            servers("mcpServers", &json!({ "url": url })),
            servers("mcpServers", &stdio),
        ),
        Client::Vscode => (
            "Visual Studio Code",
            ".vscode/mcp.json of the workspace",
            servers("servers", &json!({ "type": "http", "url": url })),
            servers("servers", &json!({ "type": "stdio", "command": worker, "args": ["stdio"] })),
        ),
        Client::Windsurf => (
            "Windsurf",
            "~/.codeium/windsurf/mcp_config.json",
            servers("mcpServers", &json!({ "serverUrl": url })),
            servers("mcpServers", &stdio),
        ),
        Client::Zed => (
            "Zed",
            "settings.json",
            servers("context_servers", &json!({ "url": url })),
            servers("context_servers", &json!({ "command": worker, "args": ["stdio"] })),
        ),
        Client::Codex => (
            "Codex",
            "~/.codex/config.toml",
            format!("[mcp_servers.{NAME}]\nurl = {}", json!(url)),
            format!("[mcp_servers.{NAME}]\ncommand = {}\nargs = [\"stdio\"]", json!(worker)),
        ),
        Client::GeminiCli => (
            "Gemini CLI",
            "~/.gemini/settings.json",
            servers("mcpServers", &json!({ "httpUrl": url })),
            servers("mcpServers", &stdio),
        ),
    };
    Recipe { title, file, http, stdio }
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
            let text = client_config(*client, address, Path::new("/opt/mcp/mcp-worker"));
            assert!(text.contains("http://127.0.0.1:8000/mcp"), "{text}");
            assert!(text.contains("/opt/mcp/mcp-worker"), "{text}");
            assert!(text.contains("stdio"), "{text}");
        }
    }

    #[test]
    fn the_json_of_each_client_is_json() {
        let text = servers("mcpServers", &json!({ "url": "http://127.0.0.1:8000/mcp" }));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["mcpServers"]["snowflake"]["url"], "http://127.0.0.1:8000/mcp");
    }
}
