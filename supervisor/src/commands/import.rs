//! `import`: reads what others have, has it translated, and prints the new file.

use std::io::{self, Write};

use mcp_supervisor::cli::Import;
use mcp_supervisor::config::import_env;
use mcp_supervisor::report;

use super::{CommandError, print, system};

/// The longest file that is translated, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub(super) fn import(wanted: &Import) -> Result<(), CommandError> {
    let Import::Env(from) = wanted;
    let operation = format!("read `{}`", from.file.display());
    let text = read(&from.file).map_err(system(&operation))?;
    let imported = import_env(&text);
    print(&imported.toml)?;
    say!("{}", report::imported(&imported, &from.file.display().to_string()).trim_end());
    Ok(())
}

/// The text of a file, read up to a limit; a FIFO would keep us waiting.
fn read(file: &std::path::Path) -> io::Result<String> {
    let metadata = std::fs::metadata(file)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    std::fs::read_to_string(file)
}
