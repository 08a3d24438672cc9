//! What a worker shows at its door, and the limits there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mcp_protocol::settings::ClientCertificates;

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
