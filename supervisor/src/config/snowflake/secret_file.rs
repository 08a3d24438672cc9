//! Files that hold a secret: read whole, and looked at for who else may read them.
//!
//! A file is private when only its owner may read it, who is we or root. What root gives to one of
//! our groups to read is private too, for a service that is not root can be given a file in no
//! other way (volumes of Kubernetes). What systemd hands over is private by its directory. To root
//! any owner is right, for root also checks the file of a service that has a user of its own.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use mcp_protocol::secret::Secret;

/// The longest secret that is read, in bytes; keys and tokens have a few thousand.
const BYTES_MAX: u64 = 64 * 1024;

/// What says who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Its mode and its owner.
    Mode,
    /// The service manager, which made its directory.
    ServiceManager,
}

/// The secret in a file, without the line end behind it, and in which way others may read it.
pub(super) fn read(path: &Path, trust: Trust) -> Result<(Secret, Option<String>), String> {
    let shown = path.display();
    let unreadable = |error| format!("{shown} cannot be read: {error}; mend that or name another");
    // Opening a FIFO would wait for a writer.
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC);
    let file = options.open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{shown} is not a regular file; name one that holds the secret"));
    }
    let text = text(&file).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => format!(
            "{shown} is not text; if it is a key in DER, `openssl pkcs8 -topk8 -inform DER -in \
             {shown} -out rsa_key.p8` makes one of it that can be read"
        ),
        _other => unreadable(error),
    })?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("{shown} is longer than 64 KiB; name a file with the secret alone"));
    }
    let secret = Secret::new(text.trim_end_matches(['\n', '\r']).to_owned());
    drop(Secret::new(text));
    if secret.expose().is_empty() {
        return Err(format!("{shown} is empty; write the secret into it"));
    }
    if secret.expose().contains('\0') {
        return Err(format!("{shown} contains a NUL character; name a file of text"));
    }
    let exposed = match trust {
        Trust::Mode => exposed_by(&metadata, path),
        Trust::ServiceManager => None,
    };
    Ok((secret, exposed))
}

fn text(file: &File) -> std::io::Result<String> {
    let mut text = String::new();
    file.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// In which way others may read a file, and the remedy; `None` when it is private, or not there.
pub(in crate::config) fn exposed(path: &Path) -> Option<String> {
    exposed_by(&std::fs::metadata(path).ok()?, path)
}

fn exposed_by(metadata: &Metadata, path: &Path) -> Option<String> {
    exposed_to(nix::unistd::geteuid().as_raw(), (metadata.uid(), metadata.mode()), path)
}

/// The same for a reader of this user id, of a file with this owner and mode.
fn exposed_to(own: u32, (owner, mode): (u32, u32), path: &Path) -> Option<String> {
    let (mode, path) = (mode & 0o7777, path.display());
    if owner != own && owner != 0 && own != 0 {
        return Some(format!(
            "{path} belongs to user {owner}, who can read and change it; run `chown {own} {path}`"
        ));
    }
    let given_to_group = if owner == 0 && own != 0 { 0o040 } else { 0 };
    if mode & 0o077 & !given_to_group == 0 {
        return None;
    }
    Some(format!("{path} is open to others (mode {mode:04o}); run `chmod 600 {path}`"))
}

/// Why a file may not be trusted at all: others could have written it.
pub(super) fn writable_by_others(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o7777;
    let path = path.display();
    (mode & 0o022 != 0).then(|| {
        format!("{path} can be changed by others (mode {mode:04o}); run `chmod 600 {path}`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_else_may_read_a_file_depends_on_the_reader() {
        let (root, service, other) = (0, 991, 1_000);
        let words = |own, owner, mode| exposed_to(own, (owner, mode), Path::new("/etc/key"));
        for (own, owner, mode) in [
            (service, service, 0o100_600),
            (service, root, 0o100_400),
            (service, root, 0o100_440),
            (root, root, 0o100_600),
            // The service's own key, which root looks at.
            (root, service, 0o100_600),
            (root, service, 0o100_400),
        ] {
            assert_eq!(words(own, owner, mode), None, "{own} {owner} {mode:o}");
        }
        for (own, owner, mode, why) in [
            (service, other, 0o100_600, "belongs to user 1000"),
            (service, service, 0o100_640, "is open to others (mode 0640)"),
            (service, root, 0o100_604, "is open to others (mode 0604)"),
            (root, root, 0o100_440, "is open to others (mode 0440)"),
            (root, service, 0o100_640, "is open to others (mode 0640)"),
            (root, service, 0o100_604, "is open to others (mode 0604)"),
        ] {
            let said = words(own, owner, mode).unwrap_or_default();
            assert!(said.contains(why), "{own} {owner} {mode:o}: {said}");
        }
    }
}
