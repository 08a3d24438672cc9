//! Who holds a port: read from `/proc`, for the words of an error.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::runtime::proc;

/// Says who holds the address, as a parenthesis to append; nothing when nobody can be seen.
pub(crate) fn in_words(address: SocketAddr) -> String {
    let owners = owners(address.port());
    let Some(first) = owners.first() else { return String::new() };
    if owners.contains(&std::process::id().cast_signed()) {
        return " (this supervisor holds that port by another address; `stop`, then `start`)"
            .to_owned();
    }
    let name = fs::read_to_string(format!("/proc/{first}/comm")).unwrap_or_default();
    let others = match owners.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!(" (held by `{}`, pid {first}{others})", name.trim())
}

/// Whether a port is held by a running supervisor, or by workers of one that ended: their
/// environment names a socket in its run directory.
pub(crate) fn is_ours(port: u16, running: Option<u32>, run_directory: &Path) -> bool {
    let socket = format!("{}={}/", mcp_protocol::env::SOCKET, run_directory.display());
    let of_our_house = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one.starts_with(socket.as_bytes()))
    };
    let owners = owners(port);
    let running = running.and_then(|pid| i32::try_from(pid).ok());
    owners.iter().any(|pid| Some(*pid) == running || of_our_house(pid))
}

/// The processes that hold a listening TCP socket on this port, as far as we may look.
fn owners(port: u16) -> Vec<i32> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return Vec::new();
    }
    let is_wanted = |open: &Path| inodes.iter().any(|inode| open == Path::new(inode));
    let mut pids: Vec<i32> = proc::pids().filter(|pid| proc::holds(*pid, is_wanted)).collect();
    pids.sort_unstable();
    pids
}

/// Inodes of the sockets that listen on this port, from a table like `/proc/net/tcp`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let wanted = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            (local.ends_with(&wanted) && *state == LISTEN).then(|| (*inode).to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn our_own_listener_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(owners(address.port()), vec![own]);
        assert!(in_words(address).contains("this supervisor holds"));
    }
}
