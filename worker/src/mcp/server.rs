//! The MCP server: introduces itself, lists the tools, passes calls on to them.
//!
//! It keeps nothing between requests, so any worker can answer any request of any client.

use std::sync::Arc;

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse, GetTaskParams,
    GetTaskResult, Implementation, InitializeRequestParams, InitializeResult, JsonObject,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, SubscriptionFilter, Tool, ToolsCapability, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::Empty;

use super::asker::{origin, passage};
use super::tools::Desk;
use super::tools::errand::{Asked, Errand, Fate};
use super::{complete, prompts, resources, tasks};
use crate::access::Caller;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::quota::Quotas;
use crate::warehouse::connections::Connections;
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

/// Fires when the worker begins to leave; a request carries it whose reply has no other end.
#[derive(Debug, Clone, Default)]
pub struct Leaving(pub CancellationToken);

/// The server. Cheap to clone; each request gets its own.
#[derive(Clone)]
pub struct Server {
    pub(super) desk: Arc<Desk>,
    /// Whose calls they are that came through no door.
    caller: Caller,
    pub(super) metrics: Arc<Metrics>,
    pub(super) audit: Audit,
    pub(super) clock: Clock,
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
    pub(super) fn caller(&self, context: &RequestContext<RoleServer>) -> Caller {
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
            fate: Fate::Awaited,
        };
        Errand::new(&self.desk, method, asked)
    }
}

/// What a door serves: this server, or one of the tests that stands before it.
pub trait Served: ServerHandler + Clone {
    /// How much clients may ask.
    fn quotas(&self) -> &Quotas;

    /// The accounts that it asks.
    fn connections(&self) -> &Connections;
}

impl Served for Server {
    fn quotas(&self) -> &Quotas {
        &self.desk.quotas
    }

    fn connections(&self) -> &Connections {
        &self.desk.connections
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
        let capabilities = match self.desk.connections.leave_running() {
            true => tasks::offered(capabilities),
            false => capabilities,
        };
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
        info.capabilities.extensions = None;
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
        let tool = &*request.name;
        let parent = &passage(&context).span;
        let span = tracing::error_span!(parent: parent, "tool_call", tool, outcome = Empty);
        tasks::called(self, request, &context).instrument(span).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        tasks::get(self, &request.task_id, &context).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        // A task here never asks for anything, so there is no answer to take.
        tasks::opened(self, &request.task_id, &context).map(drop)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::cancel(self, &request.task_id, &context).await
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
        let errand = self.errand("resources/list", &context, &caller);
        resources::list(&errand, request).instrument(passage(&context).span).await
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
        let read = resources::read(&errand, &request.uri);
        Ok(read.instrument(passage(&context).span).await?.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let caller = self.caller(&context);
        let errand = self.errand("completion/complete", &context, &caller);
        let completed = complete::complete(&errand, self.clock, &request);
        Ok(CompleteResult::new(completed.instrument(passage(&context).span).await?))
    }
}
