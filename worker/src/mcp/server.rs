//! The MCP server: introduces itself, lists the tools, passes calls on to them.
//!
//! It keeps nothing between requests, so any worker can answer any request of any client.

use std::sync::Arc;

use mcp_protocol::access::Level;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams,
    CompleteResult, ContentBlock, DiscoverResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, Implementation, InitializeRequestParams, InitializeResult, JsonObject,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, Resource,
    ServerCapabilities, ServerConfig, SubscriptionFilter, Tool, ToolsCapability,
};
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::call::Call;
use super::edge::resume::Resumable;
use super::edge::session::Session;
use super::news::News;
use super::tools::errand::{Asked, Errand};
use super::tools::{self, Desk, Reply, ToolError};
use super::{complete, prompts, resources};
use crate::access::Caller;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::quota::Quotas;
use crate::warehouse::Origin;
use crate::warehouse::course::Course;

/// What an assistant is told about the server as a whole.
const INSTRUCTIONS: &str = "\
SQL access to a Snowflake account (or to the embedded sample account, database \
SNOWFLAKE_SAMPLE_DATA, schema TPCH_SF1). Start with search_objects or list_databases, then \
describe_object, then execute_query in Snowflake's SQL. Names are resolved as Snowflake does: \
unquoted ones fold to upper case, \"quoted\" ones are kept. Statements that change anything are \
refused unless this client may send them. Long answers are cut and say so (`truncated`); \
`next_cursor` leads on, but aggregate in SQL instead of fetching everything.";

/// For how long a client may take a list for what it was: as long as a change of its rights may
/// take to show, in milliseconds.
const FRESH_MS: u64 = 60_000;

/// JSON-RPC, server's own range: try again.
const LOST: ErrorCode = ErrorCode(-32000);
const LOST_WORDS: &str = "the worker that ran this request was lost; call again";

/// Fires when the worker begins to leave; a request carries it whose reply has no other end.
#[derive(Debug, Clone, Default)]
pub struct Leaving(pub CancellationToken);

/// The server. Cheap to clone; each request gets its own.
#[derive(Clone)]
pub struct Server {
    desk: Arc<Desk>,
    /// Whose calls they are that came through no door.
    caller: Caller,
    metrics: Arc<Metrics>,
    audit: Audit,
    clock: Clock,
}

impl Server {
    /// A server whose tools work at this desk; calls that no door admitted are this caller's.
    #[must_use]
    pub fn new(desk: Desk, caller: Caller, (metrics, clock): (Arc<Metrics>, Clock)) -> Server {
        Server { desk: Arc::new(desk), caller, metrics, audit: Audit::none(), clock }
    }

    /// Has each call of a tool written down.
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Server {
        Server { audit, ..self }
    }

    /// Who sent this request.
    fn caller(&self, context: &RequestContext<RoleServer>) -> Caller {
        let head = context.extensions.get::<http::request::Parts>();
        let admitted = head.and_then(|head| head.extensions.get::<Caller>());
        admitted.unwrap_or(&self.caller).clone()
    }

    /// Tells a subscriber each time that other tools are declared, until it cannot be told.
    async fn changes_told(&self, sink: &SubscriptionSink) {
        let mut declared = self.desk.shelf.declared();
        if sink.accepted().tools_list_changed == Some(true) {
            while declared.changed().await.is_ok() {
                if sink.notify_tool_list_changed().await.is_err() {
                    return;
                }
            }
        }
        std::future::pending().await
    }

    /// The way to the warehouse for a method that is not a tool's call.
    fn errand<'a>(
        &'a self,
        method: &str,
        context: &'a RequestContext<RoleServer>,
        caller: &'a Caller,
    ) -> Errand<'a> {
        let asked = Asked {
            origin: origin(context),
            caller,
            cancel: &context.ct,
            course: Course::default(),
            resumable: None,
        };
        Errand::new(&self.desk, method, asked)
    }
}

/// What a door serves: this server, or one of the tests that stands before it.
pub trait Served: ServerHandler + Clone {
    /// How much clients may ask.
    fn quotas(&self) -> &Quotas;
}

impl Served for Server {
    fn quotas(&self) -> &Quotas {
        &self.desk.quotas
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_resources()
            .enable_completions()
            .build();
        let name = Implementation::new("mcp-supervisor", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities)
            .with_server_info(name.with_title("Snowflake, read-only"))
            .with_instructions(INSTRUCTIONS)
    }

    /// What an older client is told: nothing reaches it between its requests.
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut info = self.negotiate_initialize(&request)?;
        context.peer.set_peer_info(request);
        info.capabilities.tools = Some(ToolsCapability::default());
        Ok(info)
    }

    /// Log messages are for those who can ask for them in each request.
    async fn discover(
        &self,
        _context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        let mut info = self.get_info();
        info.capabilities.logging = Some(JsonObject::new());
        let versions = self.supported_protocol_versions().into_owned();
        let discovered = DiscoverResult::from_server_info(versions, info);
        Ok(discovered.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        // The SDK takes away whatever is not among the capabilities.
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let head = context.request_context().extensions.get::<http::request::Parts>();
        let leaving = head.and_then(|head| head.extensions.get::<Leaving>()).cloned();
        tokio::select! {
            () = context.cancelled() => {}
            () = leaving.unwrap_or_default().0.cancelled_owned() => {}
            () = self.changes_told(context.sink()) => {}
        }
        Ok(())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.desk.shelf.listed(&self.caller(&context));
        let tools = ListToolsResult::with_all_items(tools);
        Ok(tools.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.desk.shelf.definition(name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(&context);
        let (origin, counted) = (origin(&context), (&*self.metrics, self.clock));
        let who = (request.name.as_ref(), &caller);
        let mut record = self.audit.begin(who, request.arguments.as_ref(), self.clock);
        let Some(tool) = self.desk.shelf.named(&request.name, &caller) else {
            record.refused("the caller sees no such tool");
            Call::begin(counted, ("unknown", &caller), &origin).unknown();
            let message = format!("there is no tool `{}`; tools/list says which", request.name);
            return Err(ErrorData::invalid_params(message, None));
        };
        let mut call = Call::begin(counted, (tool.label(), &caller), &origin);
        let arguments = request.arguments.unwrap_or_default();
        let (course, news) = News::wanted(&context, self.clock);
        let resumable = resumable(&context, &caller, &arguments);
        let taken_up = resumable.as_ref().is_some_and(|call| call.taken_up().is_some());
        let asked = Asked { origin, caller: &caller, cancel: &context.ct, course, resumable };
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
            Err(ToolError::Refused(why)) => record.refused(why),
            Err(error) if error.is_refusal() => record.refused(error.to_string()),
            Err(error) if error.is_cancelled() => {}
            Err(_) => record.failed(),
        }
        Ok(CallToolResponse::from(match result {
            Ok(reply) => shown(reply, knows_links(&context)),
            // Whatever became of it, the client may still have it anew.
            Err(_) if taken_up => return Err(ErrorData::new(LOST, LOST_WORDS, None)),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.words())]),
        }))
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = prompts::list(&self.caller(&context));
        Ok(prompts.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let caller = self.caller(&context);
        Ok(prompts::get(&caller, &request.name, request.arguments)?.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let caller = self.caller(&context);
        resources::list(&self.errand("resources/list", &context, &caller), request).await
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = resources::templates(&self.caller(&context));
        Ok(templates.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let caller = self.caller(&context);
        let errand = self.errand("resources/read", &context, &caller);
        Ok(resources::read(&errand, &request.uri).await?.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let caller = self.caller(&context);
        let errand = self.errand("completion/complete", &context, &caller);
        Ok(CompleteResult::new(complete::complete(&errand, self.clock, &request).await?))
    }
}

/// What lets another worker take up this call, where it only reads a statement of its client's own.
fn resumable(
    context: &RequestContext<RoleServer>,
    caller: &Caller,
    arguments: &JsonObject,
) -> Option<Resumable> {
    let head = context.extensions.get::<http::request::Parts>()?;
    let call = head.extensions.get::<Resumable>().cloned()?;
    let statement = arguments.get("query").and_then(Value::as_str)?;
    (caller.grant.level == Level::Read).then(|| call.of(statement))
}

/// Who asks, as far as the request tells.
fn origin(context: &RequestContext<RoleServer>) -> Origin {
    let head = context.extensions.get::<http::request::Parts>();
    let header = |name: &str| {
        let value = head?.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let session = head.and_then(|head| head.extensions.get::<Arc<Session>>());
    // Over HTTP the SDK knows of no client but the one that the message itself names.
    let named = match head {
        Some(_) => context.meta.client_info(),
        None => context.client_info(),
    };
    let named = named.map(|client| format!("{} {}", client.name, client.version));
    let client = session.map(|session| session.client.to_string()).or(named);
    Origin {
        client: client.or_else(|| header("user-agent")),
        session: session.map(|session| session.tag.to_string()),
        request: Some(context.id.to_string()),
        tool: None,
        traceparent: header("traceparent"),
        caller: None,
        reason: None,
    }
}

/// Whether a client knows links to resources: those of the first version do not, nor do they say
/// which version they speak.
fn knows_links(context: &RequestContext<RoleServer>) -> bool {
    const WITHOUT: &str = "2025-03-26";
    match context.extensions.get::<http::request::Parts>() {
        Some(head) => {
            let version = head.headers.get("mcp-protocol-version");
            version.and_then(|value| value.to_str().ok()).is_some_and(|value| value > WITHOUT)
        }
        None => {
            let peer = context.peer.peer_info();
            peer.is_some_and(|peer| peer.protocol_version.as_str() > WITHOUT)
        }
    }
}

fn shown(reply: Reply, knows_links: bool) -> CallToolResult {
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
