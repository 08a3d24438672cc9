//! The tools that the configuration declares, made ready to be called.
//!
//! What the gate does not let pass at a tool's own level is not offered at all, and the log says
//! why: an error of one tool is no reason for a worker not to serve the others.

mod fitted;
mod former;
mod routine;
mod service;
mod statement_tool;
mod values;

use std::sync::Arc;

use mcp_protocol::offered::{CortexKind, Offered};

use self::routine::Called;
use self::service::Service;
use self::statement_tool::Ready;
use super::tools::is_fixed;
use super::tools::shelf::{Callable, Configured};

/// The tools of a configuration that can be used.
#[must_use]
pub fn ready(offered: &Offered) -> Configured {
    let mut tools: Vec<Arc<dyn Callable>> = Vec::new();
    for tool in &offered.tools {
        put(&mut tools, &tool.name, Ready::new(tool).map(Arc::new));
    }
    let mut services: Vec<Arc<Service>> = Vec::new();
    for service in &offered.cortex {
        let name = &service.name;
        match service.kind {
            CortexKind::Generic => put(&mut tools, name, Called::new(service).map(Arc::new)),
            CortexKind::Search | CortexKind::Analyst | CortexKind::Agent | CortexKind::Sql => {
                let made = Service::new(service).map(Arc::new);
                services.extend(made.as_ref().ok().cloned());
                put(&mut tools, name, made);
            }
        }
    }
    for tool in former::tools(&services) {
        let tool = Arc::new(tool);
        put(&mut tools, Arc::clone(&tool).name(), Ok(tool));
    }
    Arc::new(tools)
}

/// Puts a tool to the others, if it is one and nobody else has its name.
fn put<T: Callable>(tools: &mut Vec<Arc<dyn Callable>>, name: &str, made: Result<Arc<T>, String>) {
    let is_taken = is_fixed(name) || tools.iter().any(|tool| tool.name() == name);
    let made = match is_taken {
        true => Err("another tool has this name; choose another".to_owned()),
        false => made,
    };
    match made {
        Ok(tool) => tools.push(tool),
        Err(why) => tracing::error!(
            tool = name,
            why,
            "a tool of the configuration cannot be used, and is not offered"
        ),
    }
}
