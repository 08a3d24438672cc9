//! Commands for several targets: one after the other, in the order in which they were typed.
//!
//! Every one is tried, whatever became of those before; the first failure decides the exit code.

use std::io::{self, Write};

use mcp_protocol::control::Target;
use mcp_supervisor::runtime::AskError;

use super::CommandError;

/// The targets that were typed; all of them where none was.
pub(super) fn whom(targets: &[Target]) -> Vec<Target> {
    if targets.is_empty() { vec![Target::All] } else { targets.to_vec() }
}

/// Does it to each. A single failure is the caller's to tell; of several targets, each failure is
/// told when it happens. Where nobody answers, there is no point in asking again.
pub(super) fn each(
    targets: &[Target],
    mut act: impl FnMut(&Target) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    if let [target] = targets {
        return act(target);
    }
    let mut first = None;
    for target in targets {
        if let Err(error) = act(target) {
            if is_final(&error) {
                return Err(error);
            }
            let _ = io::stdout().flush();
            let _ = io::stderr().write_all(error.in_words().as_bytes());
            first.get_or_insert(error.exit());
        }
    }
    first.map_or(Ok(()), |exit| Err(CommandError::Told { exit }))
}

/// True when the next target would meet the same.
fn is_final(error: &CommandError) -> bool {
    match error {
        CommandError::Ask(AskError::Failed { .. })
        | CommandError::NoProcess { .. }
        | CommandError::Usage(_) => false,
        CommandError::Ask(_)
        | CommandError::Config { .. }
        | CommandError::NoFile { .. }
        | CommandError::Untranslatable { .. }
        | CommandError::JavaScript { .. }
        | CommandError::Refused { .. }
        | CommandError::Start(_)
        | CommandError::DidNotStart { .. }
        | CommandError::Monit(_)
        | CommandError::Key(_)
        | CommandError::Told { .. }
        | CommandError::Output(_)
        | CommandError::System { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Exit;
    use mcp_protocol::control::FailureCause;

    fn app(name: &str) -> Target {
        Target::App(name.to_owned())
    }

    fn failed(cause: FailureCause) -> CommandError {
        let failed = AskError::Failed { reason: "no".to_owned(), cause, last_output: Vec::new() };
        CommandError::Ask(failed)
    }

    #[test]
    fn all_are_tried_in_order_and_the_first_failure_decides() {
        let mut seen = Vec::new();
        let outcome = each(&[app("a"), app("b"), app("c")], |target| {
            seen.push(target.to_string());
            match seen.len() {
                1 => Ok(()),
                2 => Err(failed(FailureCause::Usage)),
                _ => Err(failed(FailureCause::Operation)),
            }
        });
        assert_eq!(seen, ["a", "b", "c"]);
        assert_eq!(outcome.unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn nobody_is_asked_twice_where_nobody_answers() {
        let mut asked = 0;
        let outcome = each(&[app("a"), app("b")], |_| {
            asked += 1;
            Err(CommandError::Refused { reason: "the file is bad".to_owned() })
        });
        assert_eq!((asked, outcome.unwrap_err().exit()), (1, Exit::Configuration));
    }
}
