//! A client of a few lines that speaks the protocol plainly, to test the server with.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::server::Server;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One session, or none yet.
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) master: String,
}

impl Client {
    pub(crate) fn new(server: &Server) -> Client {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client is made");
        Client { http, base: server.url(), token: String::new(), master: String::new() }
    }

    pub(crate) async fn logged_in(server: &Server) -> Client {
        let mut client = Client::new(server);
        let answer = client.login("secret", "").await.expect("the server answers");
        assert_eq!(answer["success"], true, "{answer}");
        let data = &answer["data"];
        client.token = data["token"].as_str().unwrap_or_default().to_owned();
        client.master = data["masterToken"].as_str().unwrap_or_default().to_owned();
        client
    }

    pub(crate) async fn login(&self, password: &str, query: &str) -> reqwest::Result<Value> {
        let url = format!("{}/session/v1/login-request?requestId=1{query}", self.base);
        let data = json!({"LOGIN_NAME": "MCP", "PASSWORD": password, "ACCOUNT_NAME": "TEST",
                          "SESSION_PARAMETERS": {"CLIENT_SESSION_KEEP_ALIVE": true}});
        self.http.post(url).json(&json!({"data": data})).send().await?.json().await
    }

    pub(crate) fn with_token(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("Authorization", format!("Snowflake Token=\"{}\"", self.token))
    }

    pub(crate) fn request(&self, id: &str, body: &Value) -> RequestBuilder {
        let url = format!("{}/queries/v1/query-request?requestId={id}", self.base);
        self.with_token(self.http.post(url)).header("Accept", "application/snowflake").json(body)
    }

    /// A statement under this request id.
    pub(crate) async fn send(&self, id: &str, sql: &str) -> reqwest::Result<Value> {
        self.request(id, &json!({"sqlText": sql, "asyncExec": false})).send().await?.json().await
    }

    /// A statement under a new request id.
    pub(crate) async fn query(&self, sql: &str) -> Value {
        let id = uuid::Uuid::new_v4().to_string();
        self.send(&id, sql).await.expect("the server answers")
    }

    /// The only cell of an answer; `None` for NULL and for no rows.
    pub(crate) async fn cell(&self, sql: &str) -> Option<String> {
        let answer = self.query(sql).await;
        rows(&answer).into_iter().next()?.into_iter().next()?
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.base);
        let header = format!("Snowflake Token=\"{token}\"");
        let request = self.http.post(url).header("Authorization", header).json(body);
        let response = request.send().await.expect("the server answers");
        response.json().await.expect("it is JSON")
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.with_token(self.http.get(format!("{}{path}", self.base)));
        let response = request.send().await.expect("the server answers");
        response.json().await.expect("it is JSON")
    }

    pub(crate) async fn chunk(&self, answer: &Value, index: usize) -> reqwest::Result<Response> {
        let url = answer["data"]["chunks"][index]["url"].as_str().unwrap_or_default();
        let mut request = self.http.get(url);
        for (name, value) in answer["data"]["chunkHeaders"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        request.send().await
    }
}

/// The inline rows of an answer as texts.
pub(crate) fn rows(answer: &Value) -> Vec<Vec<Option<String>>> {
    if let Some(packed) = answer["data"]["rowsetBase64"].as_str() {
        return arrow_rows(&STANDARD.decode(packed).expect("it is base64"));
    }
    let cell = |cell: &Value| cell.as_str().map(str::to_owned);
    let row = |row: &Value| row.as_array().into_iter().flatten().map(cell).collect();
    answer["data"]["rowset"].as_array().into_iter().flatten().map(row).collect()
}

pub(crate) fn arrow_rows(bytes: &[u8]) -> Vec<Vec<Option<String>>> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    let mut rows = Vec::new();
    if bytes.is_empty() {
        return rows;
    }
    let batches = arrow_ipc::reader::StreamReader::try_new(bytes, None).expect("it is Arrow");
    for batch in batches {
        let batch = batch.expect("a batch is whole");
        for at in 0..batch.num_rows() {
            let cell = |column: &arrow_array::ArrayRef| {
                if column.is_null(at) {
                    return None;
                }
                let number = column.as_primitive_opt::<Int64Type>();
                let number = number.map(|numbers| numbers.value(at).to_string());
                number.or_else(|| Some(column.as_string_opt::<i32>()?.value(at).to_owned()))
            };
            rows.push(batch.columns().iter().map(cell).collect());
        }
    }
    rows
}
