//! The one layer through which all requests of the library pass, and what becomes of them.
//!
//! `snowflake-api` makes a request; what becomes of it is done here, and its answer is read by
//! `cells`, for as it stands the library knows one host, never gives up, loses statements over 45 s, uploads local files when
//! an answer says so, and logs its tokens. `docs/decisions/0012-snowflake-api-behind-one-layer.md`
//! lists what it does and where the cure is. Nothing else of the worker knows the library.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use reqwest::{Body, Request, Response, Url};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use serde_json::{Value, json};
use snowflake_api::connection::ConnectionError;
use snowflake_api::{
    AuthArgs, AuthType, PasswordArgs, SnowflakeApi, SnowflakeApiBuilder, SnowflakeApiError,
};
use uuid::Uuid;

use super::connection::Connection;
use super::statement::{Ask, Found, Inline, Statement, Unanswered};
use crate::warehouse::WarehouseError;

/// What the library holds where a secret would be.
const PLACEHOLDER: &str = "held-elsewhere";
/// How long the library believes its tokens to last: it must never come to renew them.
const FOR_EVER: i64 = i64::MAX;

/// The library with a session of ours under it.
pub(super) struct Library {
    api: SnowflakeApi,
    desk: Arc<Desk>,
}

/// Where a statement's company and findings lie while the library carries it.
struct Desk {
    connection: Arc<Connection>,
    papers: Mutex<Papers>,
}

#[derive(Default)]
struct Papers {
    ask: Option<Ask>,
    request_id: Option<Uuid>,
    found: Option<(Found, Inline)>,
}

impl Library {
    pub(super) fn new(connection: Arc<Connection>) -> Result<Library, String> {
        let desk = Arc::new(Desk { connection, papers: Mutex::default() });
        let http = desk.connection.account.wire.http().clone();
        let client = ClientBuilder::new(http).with(Layer(Arc::clone(&desk))).build();
        let args = AuthArgs {
            account_identifier: PLACEHOLDER.to_owned(),
            warehouse: None,
            database: None,
            schema: None,
            username: PLACEHOLDER.to_owned(),
            role: None,
            auth_type: AuthType::Password(PasswordArgs { password: PLACEHOLDER.to_owned() }),
        };
        let api = SnowflakeApiBuilder::new(args).with_client(client).build();
        let api = api.map_err(|error| format!("cannot prepare a session: {error}"))?;
        Ok(Library { api, desk })
    }

    /// Forgets the statement that was sent last.
    pub(super) fn begin(&self) {
        *self.desk.papers() = Papers::default();
    }

    /// Runs a statement: what was found, and the rows that came at once.
    pub(super) async fn run(
        &mut self,
        statement: &str,
        ask: Ask,
    ) -> Result<(Found, Inline), Unanswered> {
        *self.desk.papers() = Papers { ask: Some(ask), ..Papers::default() };
        // The other ways to run one look for `PUT` with an expression that is made anew each time.
        let said = self.api.exec_json(statement).await;
        let found = self.desk.papers().found.take();
        match (said, found) {
            (Ok(_), Some(found)) => Ok(found),
            (Ok(_), None) => Err(self.desk.nonsense("nothing was asked of the server").into()),
            (Err(error), _) => Err(self.desk.unwrapped(error)),
        }
    }

    /// The statement that was sent last, if one was.
    pub(super) fn request_id(&self) -> Option<Uuid> {
        self.desk.papers().request_id
    }
}

impl Desk {
    fn papers(&self) -> std::sync::MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our own error, as it went in.
    fn unwrapped(&self, error: SnowflakeApiError) -> Unanswered {
        match error {
            SnowflakeApiError::RequestError(ConnectionError::RequestMiddlewareError(
                reqwest_middleware::Error::Middleware(ours),
            )) => match ours.downcast::<Unanswered>() {
                Ok(ours) => ours,
                Err(other) => self.nonsense(&other.to_string()).into(),
            },
            other => self.nonsense(&other.to_string()).into(),
        }
    }

    fn nonsense(&self, words: &str) -> WarehouseError {
        self.connection.unreachable(words)
    }

    async fn query(&self, request: &Request) -> Result<(), Unanswered> {
        let request_id = request_id(request.url()).unwrap_or_else(Uuid::new_v4);
        let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
        let mut body: Value = serde_json::from_slice(body)
            .map_err(|error| self.nonsense(&format!("the request is no JSON: {error}")))?;
        let ask = {
            let mut papers = self.papers();
            papers.request_id = Some(request_id);
            papers.ask.take()
        };
        let Ask { parameters, bindings, effect, course, is_named_at_once } =
            ask.ok_or_else(|| self.nonsense("a statement that nobody asked for"))?;
        body["parameters"] = Value::Object(parameters);
        body["asyncExec"] = json!(is_named_at_once);
        if !bindings.is_null() {
            body["bindings"] = bindings;
        }
        let statement = Statement { connection: &self.connection, request_id, effect, course };
        let found = statement.run(body).await?;
        self.papers().found = Some(found);
        Ok(())
    }
}

struct Layer(Arc<Desk>);

#[async_trait]
impl Middleware for Layer {
    async fn handle(
        &self,
        request: Request,
        _extensions: &mut http::Extensions,
        _next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let answer = match request.url().path() {
            // The session is open by then; the library only wants to hold something.
            "/session/v1/login-request" => Ok(placeholders()),
            // What was found lies on the desk.
            "/queries/v1/query-request" => self.0.query(&request).await.map(|()| json!({})),
            path => Err(self.0.nonsense(&format!("a request to {path}")).into()),
        };
        match answer {
            Ok(answer) => Ok(http::Response::new(answer.to_string()).into()),
            Err(error) => Err(reqwest_middleware::Error::middleware(error)),
        }
    }
}

fn request_id(url: &Url) -> Option<Uuid> {
    let (_, id) = url.query_pairs().find(|(name, _)| name == "requestId")?;
    id.parse().ok()
}

fn placeholders() -> Value {
    json!({
        "code": null,
        "message": null,
        "success": true,
        "data": {
            "sessionId": 0,
            "token": PLACEHOLDER,
            "masterToken": PLACEHOLDER,
            "serverVersion": "",
            "parameters": [],
            "sessionInfo": { "roleName": "" },
            "validityInSeconds": FOR_EVER,
            "masterValidityInSeconds": FOR_EVER,
        },
    })
}
