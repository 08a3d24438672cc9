//! One call of a tool from its request to its answer: who asks, what is counted and written down,
//! and what the client is shown. What the tool does is not known here.

use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock, ErrorCode, Resource};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::json;

use super::asker::{knows_links, origin, passage, resumable};
use super::call::Call;
use super::news::News;
use super::server::Server;
use super::tools::errand::{Asked, Fate};
use super::tools::{self, Reply, ToolError};

type Context = RequestContext<RoleServer>;

/// JSON-RPC, server's own range: try again.
const LOST: ErrorCode = ErrorCode(-32000);
const LOST_WORDS: &str = "the worker that ran this request was lost; call again";

/// What a call came to.
pub(super) type Came = Result<Reply, ToolError>;

impl Server {
    /// Runs a call of a tool, counts it and writes it down.
    ///
    /// # Errors
    /// When the caller sees no such tool, or another worker's call cannot be gone on with.
    pub(super) async fn run(
        &self,
        request: CallToolRequestParams,
        context: &Context,
        fate: Fate,
    ) -> Result<Came, ErrorData> {
        let caller = self.caller(context);
        let (origin, counted) = (origin(context), (&*self.metrics, self.clock));
        let passage = passage(context);
        let who = (request.name.as_ref(), &caller);
        let mut record = self.audit.begin(who, request.arguments.as_ref(), (&passage, self.clock));
        let Some(tool) = self.desk.shelf.named(&request.name, &caller) else {
            record.refused("the caller sees no such tool");
            Call::begin(counted, ("unknown", &caller), &origin).unknown();
            let message = format!("there is no tool `{}`; tools/list says which", request.name);
            return Err(ErrorData::invalid_params(message, None));
        };
        let mut call = Call::begin(counted, (tool.label(), &caller), &origin);
        let arguments = request.arguments.unwrap_or_default();
        let (course, news) = News::wanted(context, self.clock);
        let course = course.timed(call.spent());
        let resumable = resumable(context, &caller, &arguments);
        let taken_up = resumable.as_ref().is_some_and(|call| call.taken_up().is_some());
        let cancel = &context.ct;
        let asked = Asked { origin, caller: &caller, cancel, course, resumable, fate };
        let spreading = async move {
            match news {
                Some(news) => news.spread().await,
                None => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            never = spreading => match never {},
            result = tools::call(&self.desk, tool.as_ref(), arguments, asked) => result,
            () = context.ct.cancelled() => Err(ToolError::cancelled()),
        };
        call.ended(&result);
        match &result {
            Ok(reply) => record.answered(&reply.structured),
            Err(ToolError::Left { query_id, .. }) => {
                record.answered(&json!({ "query_id": query_id }));
            }
            Err(ToolError::Refused(why)) => record.refused(why),
            Err(error) if error.is_refusal() => record.refused(error.to_string()),
            Err(error) if error.is_cancelled() => {}
            Err(_) => record.failed(),
        }
        match result {
            // Whatever became of it, the client may still have it anew.
            Err(_) if taken_up => Err(ErrorData::new(LOST, LOST_WORDS, None)),
            result => Ok(result),
        }
    }
}

/// What the client is shown of what a call came to.
pub(super) fn shown(came: Came, context: &Context) -> CallToolResult {
    match came {
        Ok(reply) => replied(reply, knows_links(context)),
        Err(error) => CallToolResult::error(vec![ContentBlock::text(error.words())]),
    }
}

fn replied(reply: Reply, knows_links: bool) -> CallToolResult {
    let mut content = vec![ContentBlock::text(reply.text)];
    content.extend(reply.link.filter(|_| knows_links).map(|link| {
        let resource = Resource::new(link.uri, link.name)
            .with_description(link.description)
            .with_mime_type(link.mime_type);
        ContentBlock::resource_link(resource)
    }));
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(reply.structured);
    result
}
