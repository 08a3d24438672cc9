//! The tools that the configuration declares, made ready to be called.
//!
//! What the gate does not let pass at a tool's own level is not offered at all, and the log says
//! why: an error of one tool is no reason for a worker not to serve the others.

mod statement_tool;
mod values;

use std::sync::Arc;

use mcp_protocol::offered::Offered;

use self::statement_tool::Ready;
use super::tools::is_fixed;
use super::tools::shelf::{Callable, Configured};

/// The tools of a configuration that can be used.
#[must_use]
pub fn ready(offered: &Offered) -> Configured {
    let mut tools: Vec<Arc<dyn Callable>> = Vec::new();
    for tool in &offered.tools {
        let made = match is_fixed(&tool.name) {
            true => Err("a tool of every worker has this name; choose another".to_owned()),
            false => Ready::new(tool),
        };
        match made {
            Ok(ready) => tools.push(Arc::new(ready)),
            Err(why) => tracing::error!(
                tool = tool.name,
                why,
                "a tool of the configuration cannot be used, and is not offered"
            ),
        }
    }
    Arc::new(tools)
}
