//! The server of the suite: what it wants to see, before the real server, which does the rest.

#![expect(deprecated, reason = "the suite asks for what the protocol calls deprecated, too")]

use std::time::Duration;

use mcp_worker::clock::Clock;
use mcp_worker::mcp::server::{Served, Server};
use mcp_worker::quota::Quotas;
use mcp_worker::warehouse::connections::Connections;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CompletionInfo, DiscoverResult, GetPromptRequestParams, GetPromptResponse,
    GetTaskParams, GetTaskResult, JsonObject, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, LoggingLevel, LoggingMessageNotificationParam,
    PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams,
    ReadResourceResponse, Reference, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::content;
use crate::inputs::{self, Given, Tampered};
use crate::tasks;

type Context = RequestContext<RoleServer>;
type Page = Option<PaginatedRequestParams>;

/// How long the tools that take a while take between two messages.
const A_WHILE: Duration = Duration::from_millis(50);

/// The real server with the suite's things before it.
#[derive(Clone)]
pub(crate) struct Fixtures {
    server: Server,
    clock: Clock,
}

impl Fixtures {
    pub(crate) fn new(server: Server) -> Fixtures {
        Fixtures { server, clock: Clock::start() }
    }

    async fn a_while(&self) {
        self.clock.until(self.clock.now() + A_WHILE).await;
    }

    /// The tools that tell something while they run.
    async fn told(&self, tool: &str, context: &Context) -> Option<Value> {
        match tool {
            "test_tool_with_progress" => {
                for progress in [0.0, 50.0, 100.0] {
                    if let Some(token) = context.meta.get_progress_token() {
                        let news = ProgressNotificationParam::new(token, progress);
                        let _ = context.peer.notify_progress(news.with_total(100.0)).await;
                    }
                    self.a_while().await;
                }
            }
            "test_tool_with_logging" | "test_logging_tool" => {
                let wanted = context.meta.log_level().is_some() || tool == "test_tool_with_logging";
                for text in
                    ["Tool execution started", "Tool processing data", "Tool execution completed"]
                {
                    if wanted {
                        let news =
                            LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text));
                        let _ = context.peer.notify_logging_message(news).await;
                    }
                    self.a_while().await;
                }
            }
            _ => return None,
        }
        Some(content::said("done"))
    }
}

impl Served for Fixtures {
    fn quotas(&self) -> &Quotas {
        self.server.quotas()
    }

    fn connections(&self) -> &Connections {
        self.server.connections()
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.server.get_info();
        info.capabilities.logging = Some(JsonObject::new());
        if let Some(resources) = &mut info.capabilities.resources {
            resources.subscribe = Some(true);
        }
        info
    }

    async fn discover(&self, context: Context) -> Result<DiscoverResult, ErrorData> {
        self.server.discover(context).await
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.server.accepted_subscription_filter(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.server.listen(context).await
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_tools(&self, page: Page, context: Context) -> Result<ListToolsResult, ErrorData> {
        let mut list = self.server.list_tools(page, context).await?;
        list.tools.extend(tasks::tools().into_iter().map(typed::<Tool>));
        list.tools.extend(content::tools().into_iter().map(typed::<Tool>));
        Ok(list)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let own = content::tools().into_iter().find(|tool| tool["name"] == name);
        own.map(typed).or_else(|| self.server.get_tool(name))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = request.name.as_ref();
        let capabilities = context.meta.client_capabilities();
        if tool == "test_missing_capability"
            && capabilities.as_ref().is_none_or(|can| can.sampling.is_none())
        {
            let required = typed(json!({ "sampling": {} }));
            return Err(ErrorData::missing_required_client_capability(required));
        }
        let given = Given {
            answers: request.input_responses.clone().unwrap_or_default(),
            state: request.request_state.clone(),
            capabilities: json!(capabilities),
        };
        if let Some(result) = inputs::result(tool, &given).map_err(tampered)? {
            return Ok(call_response(result));
        }
        if let Some(result) = content::result(tool) {
            return Ok(call_response(result));
        }
        if let Some(result) = tasks::greeting(tool, request.arguments.as_ref()) {
            return Ok(call_response(result));
        }
        if let Some(result) = self.told(tool, &context).await {
            return Ok(call_response(result));
        }
        let request = match tasks::statement(tool, request.arguments.as_ref()) {
            Some(arguments) => {
                CallToolRequestParams::new("execute_query").with_arguments(arguments)
            }
            None => request,
        };
        self.server.call_tool(request, context).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: Context,
    ) -> Result<GetTaskResult, ErrorData> {
        self.server.get_task(request, context).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: Context,
    ) -> Result<(), ErrorData> {
        self.server.update_task(request, context).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: Context,
    ) -> Result<(), ErrorData> {
        self.server.cancel_task(request, context).await
    }

    async fn list_prompts(
        &self,
        page: Page,
        context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut list = self.server.list_prompts(page, context).await?;
        list.prompts.extend(content::prompts().into_iter().map(typed::<rmcp::model::Prompt>));
        Ok(list)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name == "test_input_required_result_prompt" {
            let answers = request.input_responses.clone().unwrap_or_default();
            let result = inputs::prompt(&Given { answers, ..Given::default() });
            return Ok(match result["resultType"].as_str() {
                Some(_) => GetPromptResponse::InputRequired(typed(result)),
                None => GetPromptResponse::Complete(complete(result)),
            });
        }
        match content::prompt(&request.name, &json!(request.arguments)) {
            Some(prompt) => Ok(GetPromptResponse::Complete(complete(prompt))),
            None => self.server.get_prompt(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        page: Page,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut list = self.server.list_resources(page, context).await?;
        list.resources.extend(content::resources().into_iter().map(typed::<rmcp::model::Resource>));
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        page: Page,
        context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut list = self.server.list_resource_templates(page, context).await?;
        list.resource_templates.push(typed(content::template()));
        Ok(list)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match content::resource(&request.uri) {
            Some(mut contents) => {
                contents["ttlMs"] = json!(0);
                contents["cacheScope"] = json!("private");
                Ok(ReadResourceResponse::Complete(complete(contents)))
            }
            None => self.server.read_resource(request, context).await,
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: Context,
    ) -> Result<CompleteResult, ErrorData> {
        match &request.r#ref {
            Reference::Prompt(prompt) if prompt.name.starts_with("test_") => {
                let words = ["paris", "park", "party"].map(str::to_owned).to_vec();
                let words =
                    CompletionInfo::new(words).map_err(|e| ErrorData::internal_error(e, None))?;
                Ok(CompleteResult::new(words))
            }
            _ => self.server.complete(request, context).await,
        }
    }
}

fn call_response(result: Value) -> CallToolResponse {
    match result["resultType"].as_str() {
        Some(_) => CallToolResponse::InputRequired(typed(result)),
        None => CallToolResponse::Complete(complete(result)),
    }
}

fn tampered(_: Tampered) -> ErrorData {
    ErrorData::invalid_params("the state was changed on its way", None)
}

/// A result that asks for nothing more.
fn complete<T: DeserializeOwned>(mut result: Value) -> T {
    result["resultType"] = json!("complete");
    typed(result)
}

fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it is written as the protocol has it")
}
