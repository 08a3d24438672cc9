//! Sessions as Snowflake has them: tokens, where one is, and all that a client may leave behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mcp_worker::clock::Moment;
use serde_json::{Value, json};

use super::http::{Reply, Request};
use super::{Config, State};

/// One session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: i64,
    pub(crate) user: String,
    token: String,
    master: String,
    expires: Moment,
    master_expires: Moment,
    pub(crate) role: Option<String>,
    pub(crate) warehouse: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) tables: BTreeSet<String>,
    pub(crate) transaction: Option<String>,
    pub(crate) last_query: Option<String>,
}

/// All sessions that are open, and the tokens that lead to them.
#[derive(Default)]
pub(crate) struct Sessions {
    open: BTreeMap<i64, Session>,
    /// Session tokens, those that have been replaced as well.
    tokens: HashMap<String, i64>,
    masters: HashMap<String, i64>,
    issued: i64,
}

/// A refusal in Snowflake's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
}

pub(crate) const EXPIRED: Refusal =
    Refusal { code: "390112", message: "Your session has expired. Please login again." };
pub(crate) const GONE: Refusal = Refusal {
    code: "390111",
    message: "Session no longer exists.  New login required to access the service.",
};
pub(crate) const MASTER_UNKNOWN: Refusal =
    Refusal { code: "390113", message: "Master token not found. New login required." };
pub(crate) const MASTER_EXPIRED: Refusal = Refusal {
    code: "390114",
    message: "Authentication token has expired.  The user must authenticate again.",
};

impl Refusal {
    pub(crate) fn json(self) -> Value {
        let Refusal { code, message } = self;
        json!({"data": null, "code": code, "message": message, "success": false, "headers": null})
    }
}

impl Sessions {
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    fn new_tokens(&mut self, id: i64) -> (String, String) {
        self.issued += 1;
        let token = format!("session-token-{id}-{}", self.issued);
        let master = format!("master-token-{id}-{}", self.issued);
        self.tokens.insert(token.clone(), id);
        self.masters.insert(master.clone(), id);
        (token, master)
    }

    /// The open session of a valid session token.
    pub(crate) fn of_token(
        &mut self,
        token: Option<&str>,
        now: Moment,
    ) -> Result<&mut Session, Refusal> {
        let token = token.unwrap_or_default();
        let id = self.tokens.get(token).ok_or(GONE)?;
        let session = self.open.get_mut(id).ok_or(GONE)?;
        if session.token == token && now < session.expires { Ok(session) } else { Err(EXPIRED) }
    }

    pub(crate) fn get(&mut self, id: i64) -> Option<&mut Session> {
        self.open.get_mut(&id)
    }

    pub(crate) fn ids(&self) -> Vec<i64> {
        self.open.keys().copied().collect()
    }

    pub(crate) fn remove(&mut self, id: i64) -> Option<Session> {
        self.open.remove(&id)
    }

    /// The token of that session is not valid any more; perhaps its master token as well.
    pub(crate) fn expire(&mut self, id: i64, now: Moment, master_as_well: bool) {
        if let Some(session) = self.open.get_mut(&id) {
            session.expires = now;
            if master_as_well {
                session.master_expires = now;
            }
        }
    }

    /// The session that a token names, valid or not.
    pub(crate) fn named_by(&self, token: Option<&str>) -> Option<i64> {
        self.tokens.get(token?).copied()
    }
}

/// Lets a user in, and says so as the service does.
pub(crate) fn login(state: &State, request: &Request) -> Value {
    let data = request.json()["data"].clone();
    let text = |name: &str| data[name].as_str().map(str::to_owned);
    let granted = match &state.config.password {
        Some(right) => text("PASSWORD").or(text("TOKEN")).as_deref() == Some(right),
        None => true,
    };
    let user = text("LOGIN_NAME").unwrap_or_default();
    let judged = match state.config.judge {
        Some(judge) => judge(&data, &state.seen.borrow()),
        None => Ok(None),
    };
    let granted = granted && judged.is_ok();
    state.note_login(request, &data, &user, granted);
    if let Err(refusal) = judged {
        return refusal.json();
    }
    if !granted {
        return json!({
            "data": {"nextAction": "RETRY_LOGIN", "authnMethod": "USERNAME_PASSWORD",
                     "signInOptions": {}},
            "code": "390100", "message": "Incorrect username or password was specified.",
            "success": false, "headers": null
        });
    }
    let mut answer = open(state, request, &data, user);
    if let Ok(Some(token)) = judged {
        let by_person =
            ["EXTERNALBROWSER", "ID_TOKEN"].iter().any(|it| data["AUTHENTICATOR"] == *it);
        answer["data"][if by_person { "idToken" } else { "mfaToken" }] = json!(token);
    }
    state.count_sessions();
    answer
}

/// Names the page at which a person logs in.
pub(crate) fn page(state: &State, request: &Request) -> Value {
    let data = &request.json()["data"];
    let port = data["BROWSER_MODE_REDIRECT_PORT"].as_str().unwrap_or_default();
    let proof = format!("canary-proof-{}", state.new_query_id());
    let address = format!("{}/fed/login?back={port}&proof={proof}", state.base());
    json!({
        "data": { "ssoUrl": address, "proofKey": proof, "tokenUrl": null },
        "code": null, "message": null, "success": true
    })
}

/// What a person's proof is that began with this key.
pub(crate) fn proven(proof: &str) -> String {
    format!("canary said/by+{proof}")
}

/// Believes the person at once, and leads the browser back.
pub(crate) fn person(request: &Request) -> Reply {
    let argument =
        |one, other| request.argument(one).or(request.argument(other)).unwrap_or_default();
    let token = proven(argument("proof", "proof_key")).replace('+', "%2B").replace(' ', "+");
    let port = argument("back", "browser_mode_redirect_port");
    let back = format!("http://localhost:{port}/?token={token}");
    let mut reply = Reply::page(302, "text/html", "");
    reply.headers.push(("Location", back));
    reply
}

fn open(state: &State, request: &Request, data: &Value, user: String) -> Value {
    let now = state.clock.now();
    let mut sessions = state.sessions();
    let id = 1_000_000 + i64::try_from(sessions.tokens.len()).unwrap_or(0);
    let (token, master) = sessions.new_tokens(id);
    let asked = |name: &str| request.argument(name).map(str::to_uppercase);
    let Config { validity, master_validity, .. } = state.config;
    let mut session = Session {
        id,
        user,
        token: token.clone(),
        master: master.clone(),
        expires: now + validity,
        master_expires: now + master_validity,
        role: asked("roleName").or(Some("ANALYST".to_owned())),
        warehouse: asked("warehouse").or(Some("COMPUTE_WH".to_owned())),
        database: asked("databaseName"),
        schema: asked("schemaName"),
        parameters: BTreeMap::new(),
        variables: BTreeMap::new(),
        tables: BTreeSet::new(),
        transaction: None,
        last_query: None,
    };
    if session.database.is_some() && session.schema.is_none() {
        session.schema = Some("PUBLIC".to_owned());
    }
    for (name, value) in data["SESSION_PARAMETERS"].as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        session.parameters.insert(name.to_uppercase(), text);
    }
    let answer = json!({
        "data": {
            "token": token, "masterToken": master,
            "validityInSeconds": validity.as_secs(),
            "masterValidityInSeconds": master_validity.as_secs(),
            "displayUserName": session.user, "serverVersion": "10.40.1", "firstLogin": false,
            "remMeToken": null, "remMeValidityInSeconds": 0, "healthCheckInterval": 45,
            "newClientForUpgrade": null, "sessionId": id, "parameters": parameters(),
            "sessionInfo": {
                "databaseName": session.database, "schemaName": session.schema,
                "warehouseName": session.warehouse, "roleName": session.role,
            },
            "idToken": null, "idTokenValidityInSeconds": 0, "responseData": null,
            "mfaToken": null, "mfaTokenValidityInSeconds": 0,
        },
        "code": null, "message": null, "success": true
    });
    sessions.open.insert(id, session);
    answer
}

/// The few parameters that a client may look at.
pub(crate) fn parameters() -> Value {
    json!([
        {"name": "TIMEZONE", "value": "UTC"},
        {"name": "AUTOCOMMIT", "value": true},
        {"name": "CLIENT_SESSION_KEEP_ALIVE", "value": false},
        {"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": 3600},
        {"name": "CLIENT_RESULT_CHUNK_SIZE", "value": 160},
        {"name": "BINARY_OUTPUT_FORMAT", "value": "HEX"},
        {"name": "TIMESTAMP_NTZ_OUTPUT_FORMAT", "value": "YYYY-MM-DD HH24:MI:SS.FF3"},
    ])
}

/// Gives new tokens for a valid master token.
pub(crate) fn renew(state: &State, request: &Request) -> Result<Value, Refusal> {
    let now = state.clock.now();
    let mut sessions = state.sessions();
    let named = request.token().unwrap_or_default();
    let id = *sessions.masters.get(named).ok_or(MASTER_UNKNOWN)?;
    let session = sessions.open.get(&id).ok_or(MASTER_EXPIRED)?;
    if session.master != named || now >= session.master_expires {
        return Err(MASTER_EXPIRED);
    }
    let (token, master) = sessions.new_tokens(id);
    let Config { validity, master_validity, .. } = state.config;
    if let Some(session) = sessions.open.get_mut(&id) {
        session.token.clone_from(&token);
        session.master.clone_from(&master);
        session.expires = now + validity;
        session.master_expires = now + master_validity;
    }
    drop(sessions);
    state.note(|seen| seen.renewals.push(now));
    Ok(json!({
        "data": {
            "sessionToken": token, "validityInSecondsST": validity.as_secs(),
            "masterToken": master, "validityInSecondsMT": master_validity.as_secs(),
            "sessionId": id,
        },
        "code": null, "message": null, "success": true
    }))
}

/// Notes that the session is wanted.
pub(crate) fn heartbeat(state: &State, request: &Request) -> Result<Value, Refusal> {
    let now = state.clock.now();
    let id = state.sessions().of_token(request.token(), now)?.id;
    state.note(|seen| seen.heartbeats.push(id));
    Ok(json!({"data": null, "code": null, "message": null, "success": true}))
}

/// Ends the session. What runs in it runs on, so that a client that forgot it is found out.
pub(crate) fn close(state: &State, request: &Request) -> Result<Value, Refusal> {
    let now = state.clock.now();
    let mut sessions = state.sessions();
    let id = sessions.of_token(request.token(), now)?.id;
    sessions.remove(id);
    drop(sessions);
    state.note(|seen| seen.closes.push(id));
    state.count_sessions();
    Ok(json!({"data": null, "code": null, "message": null, "success": true}))
}
