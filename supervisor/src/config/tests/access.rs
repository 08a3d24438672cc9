//! Who may call and what: what a client inherits, how names are resolved, what is refused, and
//! that keys are read from their file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mcp_protocol::access::{AccessSettings, Allowed, AuditLevel, ClientSettings, Level};
use mcp_protocol::api_key;

use super::{Config, QUERY, Workplace};
use crate::config::{AppConfig, StoredKey, differences, render_keys, rules};
use crate::machine::AppName;

fn query(config: &Config) -> &AppConfig {
    &config.apps[&AppName::new("query")]
}

fn access(workplace: &Workplace, more: &str) -> AccessSettings {
    let config = workplace.load(format!("{QUERY}{more}"), None);
    let config = config.unwrap_or_else(|why| panic!("{why}"));
    query(&config).settings.as_ref().unwrap().access.clone()
}

fn refused(more: &str, words: &str) {
    let shown = Workplace::new().problems(format!("{QUERY}{more}"), None);
    assert!(shown.contains(words), "{more}\n{shown}");
}

fn key(id: u8, client: &str) -> StoredKey {
    StoredKey {
        id: api_key::id([id; 6]),
        client: client.to_owned(),
        name: None,
        sha256: [id; 32],
        created_at: 1,
        expires_at: None,
        revoked_at: None,
    }
}

fn write_keys(workplace: &Workplace, keys: &[StoredKey], mode: u32) {
    let state = workplace.directory.path().join("state");
    fs::create_dir_all(&state).unwrap();
    let file = state.join("api-keys.json");
    fs::write(&file, render_keys(keys)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nobody_is_known_at_first_and_everybody_may_read() {
    let found = access(&Workplace::new(), "");
    assert_eq!(found, mcp_protocol::settings::Settings::default().access);
}

#[test]
fn a_client_begins_with_what_everybody_has() {
    let found = access(
        &Workplace::new(),
        "[apps.query.mcp]\nlevel = \"write\"\ntoolsets = [\"core\", \"catalog\"]\n\
         roles = [\"*\"]\nrequests_per_second = 7\nstatement_timeout = \"9s\"\n\
         [apps.query.clients.one]\n\
         [apps.query.clients.two]\nlevel = \"read\"\ntoolsets = [\"*\"]\nroles = [\"a_role\", '\"My \"\"x\"\"\"']\n\
         databases = []\nbytes_per_day = \"1GB\"\nmax_bytes_scanned = \"2GB\"\n\
         credits_per_day = 0.25\n",
    );
    assert_eq!(found.anonymous, None, "a client is known, so all must be");
    let [one, two] = &found.clients[..] else { panic!("{found:?}") };
    assert_eq!((one.name.as_str(), one.grant.level), ("one", Level::Write));
    assert_eq!(one.grant.toolsets, ["catalog", "core"]);
    assert_eq!(one.grant.roles, Allowed::Any);
    assert_eq!(one.grant.quota.requests_per_second, Some(7));
    assert_eq!(two.grant.level, Level::Read);
    assert_eq!(two.grant.toolsets.len(), 6);
    let names = ["A_ROLE".to_owned(), "My \"x\"".to_owned()];
    assert_eq!(two.grant.roles, Allowed::Only(names.to_vec()));
    assert_eq!(two.grant.databases, Allowed::Only(Vec::new()));
    assert_eq!(two.grant.quota.bytes_per_day, Some(1_000_000_000));
    assert_eq!(two.grant.quota.bytes_scanned_max, Some(2_000_000_000));
    assert_eq!(two.grant.quota.microcredits_per_day, Some(250_000));
    assert_eq!(two.grant.quota.requests_per_second, Some(7));
}

#[test]
fn authentication_is_required_as_soon_as_somebody_is_known_or_when_it_is_written() {
    let workplace = Workplace::new();
    let client = "[apps.query.clients.one]\nsubjects = [\"*\"]\n";
    let oauth = "[apps.query.oauth]\nissuer = \"https://a\"\nresource = \"https://b/mcp\"\n";
    let anonymous = |more: &str| access(&workplace, more).anonymous.is_some();
    assert!(anonymous(""));
    assert!(!anonymous(client) && !anonymous(oauth));
    assert!(!anonymous(&format!("mcp.authentication = \"required\"\n{client}")));
    assert!(anonymous(&format!("mcp.authentication = \"off\"\n{client}")));
    refused("mcp.authentication = \"required\"\n", "lets nobody in");
    let found = access(&workplace, oauth).oauth.unwrap();
    assert_eq!(found.audiences, ["https://b/mcp"]);
    assert_eq!((found.subject_claim.as_str(), found.jwks_url), ("sub", None));
    assert_eq!(access(&workplace, "mcp.audit = \"text\"\n").audit, AuditLevel::Text);
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_way_out() {
    let client = |line: &str| format!("[apps.query.clients.one]\n{line}\n");
    for (line, words) in [
        ("toolsets = [\"catalogue\"]", "did you mean \"catalog\"?"),
        ("toolsets = [\"x\"]", "there are core, catalog, operations"),
        ("roles = [\"my role\"]", "write it in quotes of its own: '\"My name\"'"),
        ("roles = [\"*\", \"A\"]", "\"*\" means all names; write it alone"),
        ("connections = [\"defualt\"]", "did you mean \"default\"?"),
        ("databases = [\"\"]", "a name cannot be empty"),
        ("level = \"wirte\"", "did you mean \"write\"?"),
        ("requests_per_second = 0", "0 is not a number of requests; use 1 or more"),
        ("levle = \"write\"", "did you mean `level`?"),
    ] {
        refused(&client(line), words);
    }
    let both = "[apps.query.clients.one]\nsubjects = [\"a\"]\n[apps.query.clients.two]\nsubjects = [\"a\"]\n";
    refused(both, "\"a\" is client one already; remove one");
    refused("[apps.query.oauth]\nscopes = []\n", "issuer = \"https://idp.example.com\"");
    let plain = "[apps.query.oauth]\nissuer = \"http://a\"\nresource = \"https://b/mcp\"\n";
    refused(plain, "\"http://a\" is no address that begins with https://");
    refused("[apps.query.clients]\n\"a b\" = {}\n", "is not a name");
    let other = Workplace::new()
        .problems("[apps.other]\nexec = [\"./other\"]\n[apps.other.clients.one]\n", None);
    assert!(other.contains("only mcp-worker has these settings"), "{other}");
}

#[test]
fn a_door_that_others_can_reach_asks_who_they_are_unless_it_is_said_that_it_does_not() {
    let open = |address: &str, more: &str| format!("[apps.query]\nlisten = \"{address}\"\n{more}");
    let workplace = Workplace::new();
    for address in ["0.0.0.0:8000", "[::]:8000", "192.0.2.7:8000", "[::ffff:192.0.2.7]:80"] {
        let shown = workplace.problems(open(address, ""), None);
        assert!(shown.contains("could ask without showing who it is"), "{shown}");
        assert!(shown.contains("[apps.query.clients.NAME]"), "{shown}");
    }
    for address in ["127.0.0.1:8000", "127.3.4.5:8000", "[::1]:8000", "[::ffff:127.0.0.1]:80"] {
        assert!(workplace.load(open(address, ""), None).is_ok(), "{address}");
    }
    let remarks = |more: &str| {
        let config = workplace.load(open("0.0.0.0:8000", more), None);
        query(&config.unwrap_or_else(|why| panic!("{why}"))).remarks.join("\n")
    };
    let meant = remarks("mcp.allow_anonymous_beyond_loopback = true\n");
    assert!(meant.contains("may ask without showing who it is"), "{meant}");
    let known = remarks("clients.one = {}\n");
    assert!(known.contains("keys cross the network"), "{known}");
    assert!(known.contains("client one has no key"), "{known}");
    let other = "[apps.other]\nexec = [\"./other\"]\nready = \"1s\"\nlisten = \"0.0.0.0:1\"\n";
    assert!(workplace.load(other, None).is_ok(), "another program asks as it likes");
}

#[test]
fn keys_are_those_of_their_clients_and_change_nothing_that_a_worker_is_started_with() {
    let workplace = Workplace::new();
    let text = format!("{QUERY}[apps.query.clients.one]\n[apps.query.clients.two]\n");
    let load = |keys: &[StoredKey]| {
        write_keys(&workplace, keys, 0o600);
        workplace.load(&text, None).unwrap_or_else(|why| panic!("{why}"))
    };
    let clients = |config: &Config| -> Vec<ClientSettings> {
        query(config).settings.as_ref().unwrap().access.clients.clone()
    };
    let before = load(&[key(1, "one"), key(2, "gone")]);
    assert!(before.sources.iter().any(|file| file.ends_with("state/api-keys.json")));
    let ids = |config: &Config| -> Vec<Vec<String>> {
        let ids = |client: ClientSettings| client.keys.into_iter().map(|key| key.id).collect();
        clients(config).into_iter().map(ids).collect()
    };
    assert_eq!(ids(&before), [vec![api_key::id([1; 6])], vec![]]);
    let revoked = StoredKey { revoked_at: Some(2), ..key(1, "one") };
    let after = load(&[revoked, key(3, "one"), key(4, "two")]);
    assert_eq!(ids(&after), [vec![api_key::id([3; 6])], vec![api_key::id([4; 6])]]);
    let (before, after) = (query(&before), query(&after));
    assert_eq!(before.goal.fingerprint, after.goal.fingerprint, "nobody is started anew");
    let words = differences(before, after).join("\n");
    let expected = format!(
        "clients.one: key {} is new, key {} is revoked\nclients.two: key {} is new",
        api_key::id([3; 6]),
        api_key::id([1; 6]),
        api_key::id([4; 6])
    );
    assert_eq!(words, expected);
    let told = rules(after, std::time::Duration::ZERO);
    let told = told.iter().find(|(name, _)| name == "clients").unwrap();
    assert!(told.1.contains("two (read, key"), "{told:?}");
}

#[test]
fn a_file_of_keys_that_cannot_be_trusted_is_refused() {
    let workplace = Workplace::new();
    let text = format!("{QUERY}[apps.query.clients.one]\n");
    write_keys(&workplace, &[key(1, "one")], 0o660);
    let shown = workplace.problems(&text, None);
    assert!(shown.contains("DIR/state/api-keys.json"), "{shown}");
    assert!(shown.contains("is open to others (mode 0660)"), "{shown}");
    write_keys(&workplace, &[], 0o600);
    fs::write(workplace.directory.path().join("state/api-keys.json"), "{").unwrap();
    let shown = workplace.problems(&text, None);
    assert!(shown.contains("cannot be used: EOF"), "{shown}");
    assert!(workplace.load(QUERY, None).is_ok(), "without clients nobody looks");
}
