//! One statement at the server: sent, sent again where that is safe, waited for, found.
//!
//! A statement keeps its request id however often it is sent, so that the server carries it out
//! once and `abort` finds it. One that may change something is sent again only when it is certain
//! that the server did not take it: what was lost is told as lost.

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::cells::RowType;
use super::connection::{Connection, NoPass, Pass};
use super::failure;
use super::tries::Tries;
use super::wire::{Reply, Trouble};
use crate::warehouse::WarehouseError;
use crate::warehouse::course::Course;

/// How often a token is renewed for one statement before something else must be wrong.
const RENEWALS_MAX: u32 = 3;
/// The server still works on it, and may be asked again at once: it waits itself.
const IN_PROGRESS: [&str; 2] = ["333333", "333334"];

/// What a statement does to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it may be said again.
    Reads,
    /// It may change something, so it is said once.
    Changes,
}

/// What goes along with a statement.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) parameters: Map<String, Value>,
    /// The values of its `?`; null without any.
    pub(super) bindings: Value,
    pub(super) effect: Effect,
    pub(super) course: Course,
    /// The server is to tell its name at once, and to go on when nobody asks for the answer.
    pub(super) is_named_at_once: bool,
}

/// What the server answered, without the rows that came with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) query_id: String,
    pub(super) row_types: Vec<RowType>,
    pub(super) is_arrow: bool,
    /// Rows altogether.
    pub(super) total: Option<u64>,
    /// Parts of the answer that are to be fetched, in order.
    pub(super) chunks: Vec<Chunk>,
    /// What to send when fetching them.
    pub(super) chunk_headers: Vec<(String, String)>,
    pub(super) database: Option<String>,
    pub(super) schema: Option<String>,
    /// Where to tell how long its parts took.
    pub(super) course: Course,
}

/// One part of a long answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    pub(super) url: String,
    /// How many rows it has.
    pub(super) row_count: Option<u64>,
}

/// Rows that came with the answer itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Inline {
    pub(super) rowset: Option<Value>,
    pub(super) rowset_base64: Option<String>,
}

/// Why a statement gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// The session is gone, and the statement was not carried out: open another and say it again.
    #[error("the session ended at the server")]
    SessionGone,
    #[error(transparent)]
    Failed(#[from] WarehouseError),
}

impl From<NoPass> for Unanswered {
    fn from(why: NoPass) -> Unanswered {
        match why {
            NoPass::Gone => Unanswered::SessionGone,
            NoPass::Failed(error) => Unanswered::Failed(error),
        }
    }
}

/// One statement on its way.
pub(super) struct Statement<'a> {
    pub(super) connection: &'a Connection,
    pub(super) request_id: Uuid,
    pub(super) effect: Effect,
    pub(super) course: Course,
}

impl Statement<'_> {
    /// Sends it and waits until it has ended. `body` is the request as the library made it, with
    /// its parameters.
    pub(super) async fn run(&self, body: Value) -> Result<(Found, Inline), Unanswered> {
        let mut tries = Tries::begin(self.connection.account.wire.clock());
        let mut pass = self.connection.pass().await?;
        let mut reply = loop {
            match self.send(&body, &pass, tries.made()).await {
                Ok(reply) if failure::is_expired(&reply.code) => {
                    pass = self.renewed(&pass, &mut tries).await?;
                }
                Ok(reply) if failure::is_gone(&reply.code) => {
                    self.connection.lose().await;
                    return Err(Unanswered::SessionGone);
                }
                Ok(reply) => break reply,
                Err(trouble) => self.wait_after(&trouble, &mut tries).await?,
            }
        };
        while IN_PROGRESS.contains(&reply.code.as_str()) {
            if let Some(query_id) = reply.data.get("queryId").and_then(Value::as_str) {
                self.course.named(query_id);
            }
            reply = self.poll(&reply, &mut pass).await?;
        }
        self.found(reply)
    }

    /// The answer that a statement gave before, which the server keeps for a day.
    pub(super) async fn kept(&self, query_id: &str) -> Result<(Found, Inline), Unanswered> {
        check_name(query_id)?;
        self.course.named(query_id);
        let mut pass = self.connection.pass().await?;
        let address = format!("/queries/{query_id}/result");
        let mut reply = self.get(&address, &mut pass).await?;
        while IN_PROGRESS.contains(&reply.code.as_str()) {
            reply = self.get(&address, &mut pass).await?;
        }
        self.found(reply)
    }

    async fn send(&self, body: &Value, pass: &Pass, made: u32) -> Result<Reply, Trouble> {
        let wire = &self.connection.account.wire;
        let mut url = wire.url("/queries/v1/query-request", self.request_id);
        if made > 0 {
            url.query_pairs_mut().append_pair("retryCount", &made.to_string());
        }
        wire.post(url, pass.bearer(), body).await
    }

    /// Asks for the answer of a statement that takes long. Asking changes nothing, so what is lost
    /// is asked again, by a new token and even in a new session if need be.
    async fn poll(&self, reply: &Reply, pass: &mut Pass) -> Result<Reply, Unanswered> {
        let address = reply.data.get("getResultUrl").and_then(Value::as_str).unwrap_or_default();
        self.get(address, pass).await
    }

    async fn get(&self, address: &str, pass: &mut Pass) -> Result<Reply, Unanswered> {
        let wire = &self.connection.account.wire;
        let url = wire.further(address).map_err(|trouble| self.lost(&trouble))?;
        let mut tries = Tries::begin(wire.clock());
        loop {
            match wire.get(url.clone(), pass.bearer()).await {
                Ok(reply) if failure::is_expired(&reply.code) => {
                    let renewed = self.renewed(pass, &mut tries).await;
                    *pass = renewed.map_err(|why| self.while_it_ran(why))?;
                }
                Ok(reply) if failure::is_gone(&reply.code) => {
                    self.connection.lose().await;
                    return Err(self.while_it_ran(Unanswered::SessionGone));
                }
                Ok(reply) => return Ok(reply),
                Err(trouble) if tries.rest(&trouble).await => {}
                Err(trouble) => return Err(self.lost(&trouble).into()),
            }
        }
    }

    /// A session that ends while its statement runs leaves one that only reads to be said again.
    fn while_it_ran(&self, why: Unanswered) -> Unanswered {
        match (why, self.effect) {
            (Unanswered::SessionGone, Effect::Changes) => {
                let words = "the session ended at the server while the statement ran";
                self.lost(&Trouble::Lost(words.to_owned())).into()
            }
            (why, Effect::Reads | Effect::Changes) => why,
        }
    }

    async fn renewed(&self, old: &Pass, tries: &mut Tries) -> Result<Pass, Unanswered> {
        tries.renewals += 1;
        if tries.renewals > RENEWALS_MAX {
            let words = "the server calls every token expired, however new";
            return Err(self.connection.unreachable(words).into());
        }
        Ok(self.connection.renew(old).await?)
    }

    /// Waits before the statement is sent again, if it may be.
    async fn wait_after(&self, trouble: &Trouble, tries: &mut Tries) -> Result<(), Unanswered> {
        let certain = match (trouble, self.effect) {
            (Trouble::Unreachable(_), _) => true,
            (Trouble::Busy { .. } | Trouble::Lost(_), Effect::Reads) => true,
            (Trouble::Busy { .. } | Trouble::Lost(_), Effect::Changes) => false,
            (Trouble::Denied { .. } | Trouble::Nonsense(_), _) => false,
        };
        if certain && tries.rest(trouble).await {
            return Ok(());
        }
        Err(self.lost(trouble).into())
    }

    fn lost(&self, trouble: &Trouble) -> WarehouseError {
        match (trouble, self.effect) {
            (Trouble::Unreachable(words), _) => self.connection.unreachable(words),
            (other, Effect::Reads) => self.connection.unreachable(other.words()),
            (other, Effect::Changes) => perhaps_done(other.words()),
        }
    }

    fn found(&self, mut reply: Reply) -> Result<(Found, Inline), Unanswered> {
        let data = &mut reply.data;
        let text = |data: &Value, name: &str| data.get(name)?.as_str().map(str::to_owned);
        let query_id = text(data, "queryId");
        if !reply.success {
            let Reply { code, message, .. } = &reply;
            return Err(failure::of_statement(code, message, query_id.as_deref()).into());
        }
        if !data.is_object() {
            let words = "the answer says that all went well, and nothing else";
            return Err(self.lost(&Trouble::Nonsense(words.to_owned())).into());
        }
        // The command is the server's word, whatever the statement looked like.
        if let Some(command) = text(data, "command") {
            return Err(WarehouseError::Unsupported {
                warehouse: self.connection.account.name.clone(),
                what: format!("{command} of files; no file of this machine is read or written"),
            }
            .into());
        }
        let mut taken = |name: &str| data.get_mut(name).map(Value::take).unwrap_or_default();
        let rowset = Some(taken("rowset")).filter(|rowset| !rowset.is_null());
        let rowset_base64 = match taken("rowsetBase64") {
            Value::String(text) => Some(text),
            _none => None,
        };
        let read = |error: serde_json::Error| {
            let words = format!("the answer is not what Snowflake speaks: {error}");
            Unanswered::Failed(self.lost(&Trouble::Nonsense(words)))
        };
        let row_types = optional(taken("rowtype")).map_err(read)?;
        let chunks = optional(taken("chunks")).map_err(read)?;
        let chunk_headers = chunk_headers(&taken("chunkHeaders"), &taken("qrmk"));
        let format = text(data, "queryResultFormat");
        let is_arrow = match format.as_deref() {
            Some(format) => format.eq_ignore_ascii_case("arrow"),
            None => rowset.is_none(),
        };
        let found = Found {
            query_id: query_id.unwrap_or_default(),
            row_types,
            is_arrow,
            total: data.get("total").and_then(Value::as_u64),
            chunks,
            chunk_headers,
            database: text(data, "finalDatabaseName"),
            schema: text(data, "finalSchemaName"),
            course: self.course.clone(),
        };
        Ok((found, Inline { rowset, rowset_base64 }))
    }
}

/// Refuses what cannot be the name of an execution, and would lead elsewhere in an address.
pub(super) fn check_name(query_id: &str) -> Result<(), WarehouseError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !query_id.is_empty() && query_id.chars().all(plain) {
        return Ok(());
    }
    Err(WarehouseError::Statement { message: format!("`{query_id}` is no name of a query") })
}

/// What is said of a change whose answer was lost.
pub(super) fn perhaps_done(words: &str) -> WarehouseError {
    WarehouseError::Interrupted {
        reason: format!(
            "{words}; the statement may have been carried out and was not sent again: look before \
             you repeat it"
        ),
    }
}

/// A list that may be absent.
fn optional<T: for<'de> Deserialize<'de>>(value: Value) -> Result<Vec<T>, serde_json::Error> {
    match value {
        Value::Null => Ok(Vec::new()),
        value => serde_json::from_value(value),
    }
}

/// What the store of the parts wants to see: headers as they are given, else the key alone.
fn chunk_headers(given: &Value, key: &Value) -> Vec<(String, String)> {
    let owned = |name: &str, value: &Value| Some((name.to_owned(), value.as_str()?.to_owned()));
    if let Value::Object(given) = given
        && !given.is_empty()
    {
        return given.iter().filter_map(|(name, value)| owned(name, value)).collect();
    }
    let prefix = "x-amz-server-side-encryption-customer";
    let key = owned(&format!("{prefix}-key"), key);
    key.into_iter()
        .flat_map(|key| [(format!("{prefix}-algorithm"), "AES256".to_owned()), key])
        .collect()
}
