//! What a worker shows at its door, and the limits there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mcp_protocol::settings::{ClientCertificates, ProxyHeader};

use super::{QUERY, Workplace};

fn with_files() -> Workplace {
    let workplace = Workplace::new();
    for name in ["cert.pem", "key.pem", "clients.pem"] {
        let path = workplace.directory.path().join(name);
        fs::write(&path, "in PEM").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    workplace
}

const TLS: &str = "[apps.query.tls]\ncertificate_file = \"cert.pem\"\nkey_file = \"key.pem\"\n";

#[test]
fn a_certificate_its_key_and_the_authorities_of_clients_are_found_beside_the_file() {
    let workplace = with_files();
    let more = "client_ca_file = \"clients.pem\"\nclient_certificates = \"required\"\n";
    let config = workplace.load(format!("{QUERY}{TLS}{more}"), None);
    let config = config.unwrap_or_else(|why| panic!("{why}"));
    let settings = config.apps.values().next().unwrap().settings.as_ref().unwrap();
    let tls = settings.tls.as_ref().unwrap();
    assert_eq!(tls.key_file, workplace.directory.path().join("key.pem"));
    assert_eq!(tls.client_certificates, ClientCertificates::Required);
}

#[test]
fn a_certificate_that_cannot_be_shown_is_refused_by_its_key() {
    let workplace = with_files();
    for (text, words) in [
        ("[apps.query.tls]\n", "apps.query.tls.certificate_file: name the file in PEM"),
        ("[apps.query.tls]\ncertificate_file = \"cert.pem\"\n", "apps.query.tls.key_file: name"),
        (
            "[apps.query.tls]\ncertificate_file = \"gone.pem\"\nkey_file = \"key.pem\"\n",
            "gone.pem cannot be read",
        ),
        (&format!("{TLS}client_certificates = \"optional\"\n"), "name the authorities"),
        (&format!("{TLS}client_ca_file = \"clients.pem\"\n"), "is used for nothing"),
    ] {
        let shown = workplace.problems(format!("{QUERY}{text}"), None);
        let shown: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let key = words.split_once(": ").map_or(words, |(_, rest)| rest);
        assert!(shown.contains(key), "{text}{shown}");
    }
    let key = workplace.directory.path().join("key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = workplace.load(format!("{QUERY}{TLS}"), None).unwrap_or_else(|why| panic!("{why}"));
    let remarks = open.apps.values().next().unwrap().remarks.join("; ");
    assert!(remarks.contains("tls.key_file") && remarks.contains("chmod 600"), "{remarks}");
}

#[test]
fn lists_of_revoked_certificates_are_files_and_need_certificates_of_clients() {
    let workplace = with_files();
    let list = workplace.directory.path().join("revoked.pem");
    let more = "client_ca_file = \"clients.pem\"\nclient_crl = [\"revoked.pem\"]\n";
    let asked = format!("{QUERY}{TLS}{more}client_certificates = \"required\"\n");
    let shown = workplace.problems(asked.clone(), None);
    assert!(
        shown.contains("apps.query.tls.client_crl") && shown.contains("revoked.pem"),
        "{shown}"
    );
    fs::write(&list, "in PEM").unwrap();
    let config = workplace.load(asked, None).unwrap_or_else(|why| panic!("{why}"));
    let settings = config.apps.values().next().unwrap().settings.as_ref().unwrap();
    assert_eq!(settings.tls.as_ref().unwrap().client_crl_files, [list]);
    let shown = workplace.problems(format!("{QUERY}{TLS}{more}"), None);
    assert!(shown.contains("tls.client_crl") && shown.contains("is used for nothing"), "{shown}");
}

#[test]
fn proxies_are_believed_by_their_addresses_alone() {
    let workplace = Workplace::new();
    let text = "[apps.query.http]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n\
                proxy_header = \"forwarded\"\n\
                [apps.query.mcp]\nallow_anonymous_beyond_loopback = true\n";
    let config = workplace.load(format!("{QUERY}{text}"), None);
    let config = config.unwrap_or_else(|why| panic!("{why}"));
    let http = &config.apps.values().next().unwrap().settings.as_ref().unwrap().http;
    let trusted: Vec<String> = http.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, ["127.0.0.1", "10.0.0.0/8"]);
    assert_eq!(http.proxy_header, ProxyHeader::Forwarded);
    for (text, words) in [
        ("trusted_proxies = [\"10.1.2.3/8\"]", "write \"10.0.0.0/8\""),
        ("trusted_proxies = [\"localhost\"]", "\"localhost\" is no network"),
        ("trusted_proxies = [\"0.0.0.0/0\"]", "believes everybody"),
        ("trusted_proxies = [\"::/0\"]", "believes everybody"),
        ("trusted_proxies = [\"::1\"]", "through these proxies could ask without showing"),
    ] {
        let shown = workplace.problems(format!("{QUERY}[apps.query.http]\n{text}\n"), None);
        let shown: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains("apps.query.http.") && shown.contains(words), "{text}: {shown}");
    }
}

#[test]
fn limits_of_all_clients_together_are_none_unless_one_is_written() {
    let workplace = Workplace::new();
    let http = |text: &str| {
        let config = workplace.load(format!("{QUERY}{text}"), None);
        let config = config.unwrap_or_else(|why| panic!("{why}"));
        config.apps.values().next().unwrap().settings.as_ref().unwrap().http.clone()
    };
    assert_eq!(http("").requests_per_second, None);
    let written = http("[apps.query.http]\nrequests_per_second = 7\nconcurrent_requests = 3\n");
    assert_eq!((written.requests_per_second, written.concurrent_requests), (Some(7), Some(3)));
}
