//! A person at a browser: once for all workers of the machine, kept while it is good, and asked for
//! in words when it is not.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::message::Logins;
use mcp_protocol::settings::{SnowflakeLogin, SnowflakeSettings};
use mcp_worker::clock::Clock;
use mcp_worker::warehouse::pool::{Pool, PoolError};
use mcp_worker::warehouse::snowflake::browser::{
    KEPT_LOGINS, NotLoggedIn, Screen, Terminal, Wanted, log_in,
};
use mcp_worker::warehouse::snowflake::gate::REFUSALS;
use mcp_worker::warehouse::snowflake::platform::Variables;
use mcp_worker::warehouse::snowflake::{House as Surroundings, SnowflakeWarehouse};
use mcp_worker::warehouse::{Context, Warehouse};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::house::{PATIENCE, TIMEOUT, limits, pool_settings, settings};
use crate::server::faults::{Endpoint, Fault};
use crate::server::record::Seen;
use crate::server::sessions::{Refusal, proven};
use crate::server::{Config, Judge, Server};

/// A machine with a server, a run directory, and a browser that notes what it is to open.
struct Machine {
    server: Server,
    directory: TempDir,
    clock: Clock,
}

/// What somebody who logs in was told, and how it ended.
type Ended = (String, Result<(), NotLoggedIn>);

impl Machine {
    fn new(judge: Judge) -> Machine {
        let server = Server::with(Config { judge: Some(judge), ..Config::default() });
        let directory = tempfile::tempdir().expect("a directory can be made");
        let program = "#!/bin/sh\necho \"$1\" >> \"$0.opened\"\n";
        let path = directory.path().join("browser");
        // Whoever else starts a program now must not hold this one open for writing.
        #[expect(clippy::disallowed_methods, reason = "a browser is a program of its own")]
        let mut shell = Command::new("sh");
        let made = shell
            .args(["-c", "printf '%s' \"$1\" > \"$0\" && chmod 700 \"$0\""])
            .arg(&path)
            .arg(program)
            .status();
        assert!(made.expect("a shell is there").success());
        Machine { server, directory, clock: Clock::start() }
    }

    fn browser(&self) -> PathBuf {
        self.directory.path().join("browser")
    }

    fn screen(&self) -> Screen {
        Screen::new(self.browser().to_str(), false)
    }

    /// The pages that were opened.
    fn opened(&self) -> Vec<String> {
        let text = fs::read_to_string(self.browser().with_extension("opened")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The page, as soon as one was opened.
    async fn page(&self) -> String {
        let until = self.clock.now() + PATIENCE;
        loop {
            if let Some(page) = self.opened().pop() {
                return page;
            }
            assert!(self.clock.now() < until, "no page is opened");
            self.clock.until(self.clock.now() + Duration::from_millis(5)).await;
        }
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            account: "TESTORG-TEST".to_owned(),
            user: "MCP".to_owned(),
            host: Some(self.server.url()),
            run_directory: self.directory.path().to_owned(),
            again: false,
            patience: PATIENCE,
        }
    }

    async fn log_in(&self, wanted: Wanted) -> Ended {
        let (_typing, lines) = mpsc::channel(1);
        self.log_in_with(wanted, lines).await
    }

    async fn log_in_with(&self, wanted: Wanted, lines: mpsc::Receiver<String>) -> Ended {
        let mut told = String::new();
        let say = &mut |words: &str| told.push_str(words);
        let screen = &self.screen();
        let ended = log_in(&wanted, self.clock, Terminal { say, lines, screen }).await;
        (told, ended)
    }

    /// Somebody logs in and does as the page says.
    async fn person_logs_in(&self) -> Ended {
        let (ended, shown) = futures::join!(self.log_in(self.wanted()), self.person());
        assert!(shown.contains("You are logged in"), "{shown}");
        ended
    }

    /// Follows the page that was opened; what is shown at last.
    async fn person(&self) -> String {
        let page = self.page().await;
        let answer = client().get(page).send().await.expect("an answer");
        answer.text().await.expect("a page")
    }

    /// A worker of this machine.
    fn pool(&self) -> Pool {
        let login = SnowflakeLogin::ExternalBrowser;
        let settings = SnowflakeSettings { login, ..settings(&self.server.url(), "") };
        let path = self.directory.path();
        let house = Surroundings {
            worker: "query[0]".to_owned(),
            refusals: Some(path.join(REFUSALS)),
            kept_logins: Some(path.join(KEPT_LOGINS)),
            clock: self.clock,
            variables: Variables::new(),
        };
        let warehouse = SnowflakeWarehouse::open(&settings, &house).expect("they can be used");
        let warehouse: Arc<dyn Warehouse> = Arc::new(warehouse);
        Pool::new(warehouse, &pool_settings(4), self.clock)
    }

    /// Asks until there is an answer, as clients do.
    async fn is_served(&self, pool: &Pool) {
        let until = self.clock.now() + PATIENCE;
        while let Err(error) = ask(pool).await {
            assert!(matches!(error, PoolError::Open { .. }), "{error:?}");
            assert!(self.clock.now() < until, "{error}");
            self.clock.until(self.clock.now() + Duration::from_millis(20)).await;
        }
    }

    /// The files that are kept, by how their names end.
    fn kept(&self, ending: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.directory.path().join(KEPT_LOGINS)) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.extension().is_some_and(|it| it == ending)).collect()
    }

    fn put(&self, token: &str) {
        fs::write(&self.kept("token")[0], token).expect("the file is written");
    }

    fn logins(&self) -> Vec<Value> {
        self.server.look(|seen| seen.logins.iter().map(|login| login.data.clone()).collect())
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client is made")
}

async fn ask(pool: &Pool) -> Result<(), PoolError> {
    let (cancel, limits) = (CancellationToken::new(), limits(TIMEOUT));
    pool.query("SELECT 1", &Context::default(), &limits, &cancel).await.map(drop)
}

/// Nobody is let in, and the words say what a person has to do.
async fn assert_logged_out(pool: &Pool) {
    let error = ask(pool).await.expect_err("nobody is logged in");
    assert!(matches!(error, PoolError::Open { .. }), "{error:?}");
    let words = error.to_string();
    assert!(words.contains("MCP is not logged in") && words.contains("`mcp-supervisor login`"));
    assert!(!words.contains("canary"), "{words}");
    assert_eq!(pool.vitals().logins, Logins::LoggedOut);
}

/// What a person proved, for the one who asked for the page; and what was given for it, ever after.
fn by_person(data: &Value, _seen: &Seen) -> Result<Option<&'static str>, Refusal> {
    let asks = data["SESSION_PARAMETERS"]["CLIENT_STORE_TEMPORARY_CREDENTIAL"] == true;
    let proof = data["PROOF_KEY"].as_str().unwrap_or_default();
    let by_page = data["AUTHENTICATOR"] == "EXTERNALBROWSER" && data["TOKEN"] == proven(proof);
    let by_token = data["AUTHENTICATOR"] == "ID_TOKEN" && data["TOKEN"] == "canary-id-token";
    match (by_page || by_token) && asks && data["LOGIN_NAME"] == "MCP" {
        true => Ok(Some("canary-id-token")),
        false => Err(Refusal { code: "390195", message: "ID Token is invalid." }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_page_is_opened_for_all_workers_and_none_while_the_login_is_good() {
    let machine = Machine::new(by_person);
    let pools: Vec<Pool> = (0..4).map(|_| machine.pool()).collect();
    for pool in &pools {
        assert_logged_out(pool).await;
    }
    assert!(machine.server.look(|seen| seen.requests.is_empty()), "nothing is sent before");

    // Two who log in at once see one page.
    let (one, other, shown) = futures::join!(
        machine.log_in(machine.wanted()),
        machine.log_in(machine.wanted()),
        machine.person()
    );
    assert!(shown.contains("You may close this page"), "{shown}");
    for (told, ended) in [one, other] {
        ended.unwrap_or_else(|why| panic!("{why}"));
        assert!(told.contains("MCP is logged in at the Snowflake account TESTORG-TEST"), "{told}");
        assert!(!told.contains("canary-id-token"), "{told}");
    }
    assert_eq!(machine.opened().len(), 1);
    for pool in &pools {
        machine.is_served(pool).await;
        assert_eq!(pool.vitals().logins, Logins::Fine);
    }
    let [token] = machine.kept("token").try_into().expect("one is kept");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&token), mode(token.parent().expect("one"))), (0o600, 0o700));
    assert!(machine.kept("new").is_empty());
    let by_page = machine.logins();
    let by_page = by_page.iter().filter(|data| data["AUTHENTICATOR"] == "EXTERNALBROWSER");
    assert_eq!(by_page.count(), 1);

    // After a restart, and for whoever types the command again.
    machine.is_served(&machine.pool()).await;
    let (told, ended) = machine.log_in(machine.wanted()).await;
    ended.expect("the login is good");
    assert!(told.contains("is logged in") && machine.opened().len() == 1, "{told}");
    let again = Wanted { again: true, patience: Duration::from_millis(300), ..machine.wanted() };
    assert!(matches!(machine.log_in(again).await.1, Err(NotLoggedIn::Nobody)));
    assert_eq!(machine.opened().len(), 2, "it is asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_ended_is_let_go_and_asked_for_in_words() {
    let machine = Machine::new(by_person);
    machine.person_logs_in().await.1.expect("the person logs in");
    let pool = machine.pool();
    machine.is_served(&pool).await;
    machine.put("canary-ended");
    machine.server.forget_sessions();
    let before = machine.logins().len();
    assert!(ask(&pool).await.is_err());
    assert!(machine.kept("token").is_empty(), "it is let go");
    for _ in 0..5 {
        assert_logged_out(&pool).await;
    }
    assert_eq!(machine.logins().len(), before + 1, "it is tried once");
    let refused = fs::read_dir(machine.directory.path().join(REFUSALS)).expect("it is there");
    for entry in refused {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("a text");
        assert!(!text.contains("refused"), "{text}");
    }
    fs::remove_file(machine.browser().with_extension("opened")).expect("it was opened");
    machine.person_logs_in().await.1.expect("the person logs in again");
    machine.is_served(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_may_read_is_no_login_and_what_is_refused_is_forgiven_by_the_next_one() {
    let machine = Machine::new(by_person);
    machine.person_logs_in().await.1.expect("the person logs in");
    let token = machine.kept("token").remove(0);
    let open_to = |mode| {
        fs::set_permissions(&token, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    open_to(0o640);
    let pool = machine.pool();
    assert_logged_out(&pool).await;
    open_to(0o600);
    let message = "Role 'R' specified in the connect string is not granted to this user.";
    machine.server.fail(Endpoint::Login, 1, Fault::Refused { code: "390189", message });
    let until = machine.clock.now() + PATIENCE;
    let refused = loop {
        match ask(&pool).await.expect_err("nobody is let in") {
            error @ PoolError::Refused { .. } => break error,
            error => assert!(machine.clock.now() < until, "{error}"),
        }
    };
    assert!(refused.to_string().contains("GRANT ROLE"), "{refused}");
    let before = machine.logins().len();
    assert!(matches!(ask(&machine.pool()).await, Err(PoolError::Refused { .. })));
    assert_eq!(machine.logins().len(), before, "it is remembered for all");
    fs::remove_file(machine.browser().with_extension("opened")).expect("it was opened");
    let again = Wanted { again: true, ..machine.wanted() };
    let (ended, _) = futures::join!(machine.log_in(again), machine.person());
    ended.1.expect("the person logs in");
    machine.is_served(&machine.pool()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_comes_the_command_ends_and_says_so() {
    let machine = Machine::new(by_person);
    let wanted = Wanted { patience: Duration::from_millis(300), ..machine.wanted() };
    let (told, ended) = machine.log_in(wanted).await;
    let why = ended.expect_err("nobody came");
    assert!(why.to_string().contains("nobody logged in at the browser in time"), "{why}");
    let page = machine.page().await;
    assert!(told.contains(&page) && told.contains("paste that address here"), "{told}");
    assert_eq!((machine.opened().len(), machine.kept("token").len()), (1, 0));
    assert!(machine.logins().is_empty());
    let shown = client().get(page).send().await;
    assert!(shown.is_err_and(|error| error.is_connect()), "the door is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_proved_for_another_page_is_refused_once_and_kept_nowhere() {
    let machine = Machine::new(by_person);
    let other = async {
        let page = machine.page().await;
        let page = page.replace("canary-proof-", "canary-other-");
        client().get(page).send().await.expect("an answer").text().await.expect("a page")
    };
    let ((_, ended), shown) = futures::join!(machine.log_in(machine.wanted()), other);
    let why = ended.expect_err("it was proved for another").to_string();
    assert!(why.contains("ID Token is invalid"), "{why}");
    assert!(shown.contains("You are not logged in") && shown.contains("ID Token"), "{shown}");
    assert!(!why.contains("canary") && !shown.contains("canary"), "{why} {shown}");
    assert_eq!((machine.logins().len(), machine.kept("token").len()), (1, 0));
}

/// The page's script posts the token, as Snowflake's does; `changed` is what it does otherwise.
async fn posted(machine: &Machine, origin: &str, body: &str) -> (u16, String, http::HeaderMap) {
    let page = reqwest::Url::parse(&machine.page().await).expect("an address");
    let argument = |name: &str| {
        let (_, value) = page.query_pairs().find(|(it, _)| it == name).expect("it is there");
        value.into_owned()
    };
    let back = format!("http://127.0.0.1:{}/", argument("back"));
    let body = body.replace("TOKEN", &proven(&argument("proof")));
    let asked = client()
        .request(reqwest::Method::OPTIONS, &back)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type");
    let asked = asked.send().await.expect("an answer");
    if asked.status() != 200 {
        return (asked.status().as_u16(), String::new(), asked.headers().clone());
    }
    assert_eq!(asked.headers()["access-control-allow-origin"], origin);
    assert_eq!(asked.headers()["access-control-allow-private-network"], "true");
    let sent = client().post(&back).header("Origin", origin).body(body);
    let sent = sent.send().await.expect("an answer");
    let (status, headers) = (sent.status().as_u16(), sent.headers().clone());
    (status, sent.text().await.expect("a body"), headers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_of_the_account_s_page_may_post_and_no_other_page_may() {
    let machine = Machine::new(by_person);
    let body = "{\"token\": \"TOKEN\", \"consent\": true}";
    let both = async {
        let elsewhere = posted(&machine, "https://evil.example", body).await;
        assert_eq!(elsewhere.0, 403);
        assert!(!elsewhere.2.contains_key("access-control-allow-origin"));
        let page = machine.page().await;
        let port = page.split_once("back=").and_then(|(_, rest)| rest.split_once('&'));
        let back = format!("http://127.0.0.1:{}/", port.expect("a port").0);
        // Led by a name of its own that means this machine.
        let led = client().get(format!("{back}?token=x")).header("Host", "evil.example");
        assert_eq!(led.send().await.expect("an answer").status(), 403);
        let icon = client().get(format!("{back}favicon.ico")).send().await.expect("an answer");
        assert_eq!(icon.status(), 404);
        posted(&machine, &machine.server.url(), body).await
    };
    let ((_, ended), (status, told, headers)) =
        futures::join!(machine.log_in(machine.wanted()), both);
    ended.expect("the person logs in");
    assert_eq!((status, told.as_str()), (200, "{\"consent\":true}"));
    assert_eq!(headers["access-control-allow-origin"], machine.server.url().as_str());
    machine.is_served(&machine.pool()).await;

    let machine = Machine::new(by_person);
    let server = machine.server.url();
    let unkept = posted(&machine, &server, "{\"token\": \"TOKEN\", \"consent\": false}");
    let ((_, ended), (status, ..)) = futures::join!(machine.log_in(machine.wanted()), unkept);
    assert!(matches!(ended, Err(NotLoggedIn::NotToBeKept)), "{ended:?}");
    assert_eq!((status, machine.logins().len()), (502, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_browser_is_elsewhere_its_last_address_is_pasted() {
    let machine = Machine::new(by_person);
    let (typing, lines) = mpsc::channel(1);
    let person = async {
        let page = machine.page().await;
        let stays = reqwest::redirect::Policy::none();
        let elsewhere = reqwest::Client::builder().no_proxy().redirect(stays).build();
        let led = elsewhere.expect("a client").get(page).send().await.expect("an answer");
        typing.send("what do I do".to_owned()).await.expect("it is read");
        let address = led.headers()["location"].to_str().expect("text").to_owned();
        typing.send(address).await.expect("it is read");
    };
    let ((_, ended), ()) = futures::join!(machine.log_in_with(machine.wanted(), lines), person);
    ended.expect("the person logs in");
    machine.is_served(&machine.pool()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_a_company_s_page_shows_snowflake_s_own() {
    let machine = Machine::new(by_person);
    let message = "There was an error related to the SAML Identity Provider account parameter.";
    machine.server.fail(Endpoint::Page, 1, Fault::Refused { code: "390190", message });
    machine.person_logs_in().await.1.expect("the person logs in");
    let page = machine.opened().remove(0);
    let begin = format!("{}/console/login?login_name=MCP&", machine.server.url());
    assert!(page.starts_with(&begin), "{page}");
    machine.is_served(&machine.pool()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_gives_nothing_to_keep_and_one_that_is_away_are_told() {
    let machine = Machine::new(|data, seen| by_person(data, seen).map(|_| None));
    let ((_, ended), shown) = futures::join!(machine.log_in(machine.wanted()), machine.person());
    let why = ended.expect_err("nothing can be kept").to_string();
    assert!(why.contains("ALLOW_ID_TOKEN = TRUE"), "{why}");
    assert!(shown.contains("ALLOW_ID_TOKEN"), "{shown}");
    assert_eq!(machine.server.seen().open_sessions, 0, "its session is closed");

    for (fault, words) in [
        (Fault::Status { status: 503, retry_after: None }, "503"),
        (Fault::Garbage, "not what Snowflake speaks"),
        (Fault::Nothing, "names no page"),
        (Fault::Refused { code: "390133", message: "SAML response is invalid" }, "390133"),
    ] {
        machine.server.fail(Endpoint::Page, 1, fault);
        let (_, ended) = machine.log_in(machine.wanted()).await;
        let why = ended.expect_err("there is no page").to_string();
        assert!(why.contains(words), "{why}");
    }
    assert_eq!(machine.opened().len(), 1);
    // A login that is kept says nothing of an account that is away.
    let machine = Machine::new(by_person);
    machine.person_logs_in().await.1.expect("the person logs in");
    machine.server.outage();
    let (_, ended) = machine.log_in(machine.wanted()).await;
    assert!(ended.expect_err("it is away").to_string().contains("cannot be asked"));
    assert_eq!((machine.opened().len(), machine.kept("token").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_opens_the_page_says_so_and_leaves_the_login_to_the_workers() {
    let machine = Machine::new(by_person);
    #[expect(clippy::disallowed_methods, reason = "the command is a program of its own")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-worker"));
    let (account, user) = ("TESTORG-TEST", "MCP");
    command.args(["login", "--account", account, "--user", user, "--host", &machine.server.url()]);
    command.arg("--run-directory").arg(machine.directory.path());
    command.env("BROWSER", machine.browser());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is there");
    let mut typed = child.stdin.take().expect("it is piped");
    typed.write_all(b"hello\n").expect("it reads");
    let shown = machine.person().await;
    assert!(shown.contains("You are logged in"), "{shown}");
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = output.await.expect("no panic").expect("it ends, though nobody closed its input");
    drop(typed);
    let told = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && output.stdout.is_empty(), "{told}");
    let words = "the workers are let in";
    assert!(told.contains(&machine.page().await) && told.contains(words), "{told}");
    assert!(!told.contains("canary-id"), "{told}");
    machine.is_served(&machine.pool()).await;
}
