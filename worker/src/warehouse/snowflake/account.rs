//! Where an account at Snowflake is reached, and how it is called in a login. Pure.
//!
//! People write the account in many forms: ORGANISATION-ACCOUNT, a locator with or without its
//! region and cloud, with `.privatelink`, in any case, with underscores, or the address that they
//! see. The address and the name in a login are made of it in different ways, and both are made
//! here alone. Nothing is looked up, and no secret comes here.

use std::net::IpAddr;

use mcp_protocol::settings::SnowflakeSettings;

/// What stands behind an account's name in its address, in China and elsewhere.
const DOMAIN_CHINA: &str = "snowflakecomputing.cn";
const DOMAIN: &str = "snowflakecomputing.com";
/// The region whose accounts have no region in their address.
const UNNAMED_REGION: &str = "us-west-2";

/// Whether what is said is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// It is.
    Https,
    /// It is not: only within this machine, for a stand-in of Snowflake.
    Http,
}

/// Where to connect and how the account is called in a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Whether what is said is encrypted.
    pub(crate) scheme: Scheme,
    /// The name to connect to; an IPv6 address in brackets.
    pub(crate) host: String,
    /// The port, where it is not the scheme's own.
    pub(crate) port: Option<u16>,
    /// The account without its region, as it was written otherwise.
    pub(crate) account: String,
}

impl Endpoint {
    /// The endpoint that the settings mean; what is wrong with them, and the remedy, in words.
    pub(crate) fn of(settings: &SnowflakeSettings) -> Result<Endpoint, String> {
        let written = settings.account.trim();
        let name = bare(written);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.split('.').any(|label| label.is_empty() || !label.chars().all(plain)) {
            return Err(format!(
                "`{written}` is no account identifier; write snowflake.account as in \
                 \"ORGANISATION-ACCOUNT\", which `SELECT CURRENT_ORGANIZATION_NAME() || '-' || \
                 CURRENT_ACCOUNT_NAME()` shows"
            ));
        }
        let account = in_login(name);
        let (scheme, host, port) = match &settings.host {
            Some(written) => place(written)?,
            None => (Scheme::Https, address(written, name), None),
        };
        let endpoint = Endpoint { scheme, host, port, account };
        match reqwest::Url::parse(&endpoint.base()) {
            Ok(_) => Ok(endpoint),
            Err(why) => Err(format!(
                "`{}` is no name to connect to ({why}); write snowflake.host as in \
                 \"org-account.snowflakecomputing.com\"",
                endpoint.host
            )),
        }
    }

    /// The address of a path, which may bring a query. Two slashes before it do not make a host
    /// of its first word.
    pub(crate) fn url(&self, path: &str) -> reqwest::Url {
        let whole = format!("{}{}", self.base(), path.trim_start_matches('/'));
        reqwest::Url::parse(&whole).expect("`of` tried what stands before the path")
    }

    fn base(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        format!("{scheme}://{}{port}/", self.host)
    }
}

/// The account in what may be a whole address.
fn bare(written: &str) -> &str {
    let host = written.split_once("://").map_or(written, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let end = host.to_ascii_lowercase().find(".snowflakecomputing.").unwrap_or(host.len());
    &host[..end]
}

/// The account's name in a login: Snowflake's own drivers leave the region away, and of an account
/// that moves between regions the external name.
fn in_login(name: &str) -> String {
    let (account, region) = name.split_once('.').unwrap_or((name, ""));
    let moves = region.eq_ignore_ascii_case("global");
    let account = match account.rsplit_once('-') {
        Some((account, _external)) if moves => account,
        Some(_) | None => account,
    };
    account.to_owned()
}

/// The address of an account. Certificates know no underscores, so the name has hyphens there.
fn address(written: &str, name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let (account, region) = name.split_once('.').unwrap_or((&name, ""));
    let account = account.replace('_', "-");
    let in_china = region.starts_with("cn-") || written.to_ascii_lowercase().contains(DOMAIN_CHINA);
    let domain = if in_china { DOMAIN_CHINA } else { DOMAIN };
    match region {
        "" | UNNAMED_REGION => format!("{account}.{domain}"),
        region => format!("{account}.{region}.{domain}"),
    }
}

/// The parts of a written host: `name`, `name:port`, or `http://` and a place in this machine.
fn place(written: &str) -> Result<(Scheme, String, Option<u16>), String> {
    let refuse = |what: &str| {
        format!(
            "`{written}` {what}; write snowflake.host as the name alone, or with a port, such as \
             \"org-account.snowflakecomputing.com\""
        )
    };
    let (scheme, rest) = match written.split_once("://") {
        None => (Scheme::Https, written),
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(_) => return Err(refuse("has a scheme in front")),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (rest, None),
    };
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) => Some(port),
        Some(Err(_)) => return Err(refuse("has no port behind its colon")),
    };
    if host.is_empty() || host.contains('/') {
        return Err(refuse("is no name to connect to"));
    }
    if scheme == Scheme::Http && !is_loopback(host) {
        return Err(refuse("would send secrets unencrypted to another machine"));
    }
    Ok((scheme, host.to_ascii_lowercase(), port))
}

/// Whether a name or an address stays within this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use mcp_protocol::secret::Secret;
    use mcp_protocol::settings::SnowflakeLogin;

    use super::*;

    fn endpoint(account: &str, host: Option<&str>) -> Result<Endpoint, String> {
        Endpoint::of(&SnowflakeSettings {
            account: account.to_owned(),
            user: None,
            role: None,
            warehouse: None,
            database: None,
            schema: None,
            host: host.map(str::to_owned),
            login: SnowflakeLogin::Password { password: Secret::new("canary".to_owned()) },
        })
    }

    #[test]
    fn each_form_of_an_account_has_its_address_and_its_name_in_a_login() {
        for (written, url, account) in [
            ("ORG-ACCOUNT", "https://org-account.snowflakecomputing.com/p", "ORG-ACCOUNT"),
            ("org-account", "https://org-account.snowflakecomputing.com/p", "org-account"),
            ("Org-My_Account", "https://org-my-account.snowflakecomputing.com/p", "Org-My_Account"),
            ("xy12345", "https://xy12345.snowflakecomputing.com/p", "xy12345"),
            ("xy12345.us-west-2", "https://xy12345.snowflakecomputing.com/p", "xy12345"),
            ("XY12345.US-EAST-1", "https://xy12345.us-east-1.snowflakecomputing.com/p", "XY12345"),
            (
                "xy12345.east-us-2.azure",
                "https://xy12345.east-us-2.azure.snowflakecomputing.com/p",
                "xy12345",
            ),
            (
                "xy12345.us-west-2.privatelink",
                "https://xy12345.us-west-2.privatelink.snowflakecomputing.com/p",
                "xy12345",
            ),
            (
                "org-my_account.privatelink",
                "https://org-my-account.privatelink.snowflakecomputing.com/p",
                "org-my_account",
            ),
            (
                "xy12345.cn-northwest-1.aws",
                "https://xy12345.cn-northwest-1.aws.snowflakecomputing.cn/p",
                "xy12345",
            ),
            ("a-b-x1y2.global", "https://a-b-x1y2.global.snowflakecomputing.com/p", "a-b"),
            (
                " https://ORG-ACCT.snowflakecomputing.com/console ",
                "https://org-acct.snowflakecomputing.com/p",
                "ORG-ACCT",
            ),
            (
                "org-acct.snowflakecomputing.cn",
                "https://org-acct.snowflakecomputing.cn/p",
                "org-acct",
            ),
        ] {
            let endpoint = endpoint(written, None).unwrap();
            assert_eq!(endpoint.url("/p").as_str(), url, "{written}");
            assert_eq!(endpoint.account, account, "{written}");
        }
    }

    #[test]
    fn a_path_stays_at_its_host_whatever_it_begins_with() {
        let endpoint = endpoint("org-account", None).unwrap();
        for (path, expected) in [
            ("/session?a=b%20c", "session?a=b%20c"),
            ("session", "session"),
            ("//session/token-request", "session/token-request"),
            ("/https://example.com/x", "https://example.com/x"),
            ("/@example.com/x", "@example.com/x"),
            ("", ""),
        ] {
            let expected = format!("https://org-account.snowflakecomputing.com/{expected}");
            assert_eq!(endpoint.url(path).as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_account_is_told_with_an_example() {
        for written in ["", "  ", "our account", "a..b", ".a", "a.", "a@b", "a/b#c d"] {
            match endpoint(written, None) {
                Err(why) => assert!(why.contains("ORGANISATION-ACCOUNT"), "{written}: {why}"),
                // What stands behind a slash is the rest of an address.
                Ok(endpoint) => assert_eq!((written, &*endpoint.account), ("a/b#c d", "a")),
            }
        }
    }

    #[test]
    fn a_written_host_counts_and_is_unencrypted_within_this_machine_alone() {
        for (host, url) in [
            ("Proxy.Example.com", "https://proxy.example.com/q?a=b"),
            ("proxy.example.com:8443", "https://proxy.example.com:8443/q?a=b"),
            ("http://127.0.0.1:8085", "http://127.0.0.1:8085/q?a=b"),
            ("http://127.8.0.1:8085", "http://127.8.0.1:8085/q?a=b"),
            ("http://localhost:80", "http://localhost/q?a=b"),
            ("http://[::1]:8085", "http://[::1]:8085/q?a=b"),
        ] {
            let endpoint = endpoint("ORG-ACCOUNT", Some(host)).unwrap();
            assert_eq!(endpoint.url("/q?a=b").as_str(), url, "{host}");
            assert_eq!(endpoint.account, "ORG-ACCOUNT");
        }
        for (host, why) in [
            ("http://org-account.snowflakecomputing.com", "unencrypted"),
            ("http://10.0.0.1:8085", "unencrypted"),
            ("http://localhost.example.com", "unencrypted"),
            ("http://127.0.0.1.example.com", "unencrypted"),
            ("https://127.0.0.1", "has a scheme"),
            ("ftp://127.0.0.1", "has a scheme"),
            ("name:port", "no port behind"),
            ("name:70000", "no port behind"),
            ("", "no name"),
            (":443", "no name"),
            ("name/path", "no name"),
            ("a b", "no name"),
        ] {
            let said = endpoint("ORG-ACCOUNT", Some(host)).unwrap_err();
            assert!(said.contains(why) && said.contains("snowflake.host"), "{host}: {said}");
        }
    }
}
