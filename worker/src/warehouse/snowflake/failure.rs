//! Snowflake's refusals in words: what each code means, and what to do about it. Pure.
//!
//! Nearly all codes of logins are those that Snowflake's public drivers (Go, JDBC, Python, Node.js:
//! their constants and the answers that their tests play) or its documentation name; 390301, 390309
//! and 000666 are not confirmed there. Other refusals are told apart by their words, and so are
//! those whose code comes with several: 390422 is a network policy's, and a wrong password's as
//! well. A login that may have been counted against the user is never called worth trying again:
//! five wrong ones lock a user. Snowflake's own words and code are always kept, before the remedy.

use super::gate::Blame;
use crate::warehouse::WarehouseError;

/// From here on a clock counts as wrong, in seconds: Snowflake takes no login token older.
const SKEW_S_MAX: u64 = 60;

/// What an error answer to a login means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// These credentials are not let in; trying again could lock the user.
    Refused,
    /// Nothing is said against the credentials; it may be tried again.
    Later,
}

/// Codes or words of an error answer to a login, what it means, and the remedy.
struct LoginFailure {
    codes: &'static [&'static str],
    /// Pieces of the message, in small letters.
    words: &'static [&'static str],
    verdict: Verdict,
    remedy: &'static str,
}

const JWT: &[&str] =
    &["390144", "394300", "394301", "394302", "394303", "394304", "394305", "394306", "394307"];

/// The first that fits counts: by the code, and only where no code fits by the words.
const LOGIN: &[LoginFailure] = &[
    LoginFailure {
        codes: &["390100"],
        words: &["incorrect username or password"],
        verdict: Verdict::Refused,
        remedy: "check snowflake.user (`LOGIN_NAME` of `DESC USER`), snowflake.account and the \
                 password",
    },
    LoginFailure {
        codes: &[],
        words: &["temporarily locked", "user is locked"],
        verdict: Verdict::Refused,
        remedy: "too many logins failed; wait 15 minutes, or let an administrator run `ALTER USER \
                 … SET MINS_TO_UNLOCK = 0`, and mend the credentials first",
    },
    LoginFailure {
        codes: &[],
        words: &["user access disabled", "user is disabled"],
        verdict: Verdict::Refused,
        remedy: "the user is disabled; an administrator lets it in again with `ALTER USER … SET \
                 DISABLED = FALSE`",
    },
    LoginFailure {
        codes: JWT,
        words: &["jwt token is invalid"],
        verdict: Verdict::Refused,
        remedy: "compare RSA_PUBLIC_KEY_FP of `DESC USER` with the key's fingerprint, give the \
                 user the public key with `ALTER USER … SET RSA_PUBLIC_KEY = '…'` if it has \
                 another, and write snowflake.account without its region and snowflake.user as \
                 its LOGIN_NAME",
    },
    LoginFailure {
        codes: &["390318"],
        words: &["oauth access token expired"],
        verdict: Verdict::Refused,
        remedy: "put a new token in place of snowflake.token, or let the worker renew it: \
                 authenticator = \"oauth_client_credentials\"",
    },
    LoginFailure {
        codes: &["390309"],
        words: &["differs from the user tied to the access token"],
        verdict: Verdict::Refused,
        remedy: "the token is of another user; write that one as snowflake.user, or remove it",
    },
    LoginFailure {
        codes: &[],
        words: &["is not listed in the access token"],
        verdict: Verdict::Refused,
        remedy: "ask for the role in the token's scope (`session:role:NAME`), or write \
                 snowflake.role as a role that the token has",
    },
    LoginFailure {
        codes: &["390301", "390303"],
        words: &["invalid oauth access token"],
        verdict: Verdict::Refused,
        remedy: "check that it is an access token, and that its issuer, audience and user fit the \
                 security integration: `SELECT SYSTEM$VERIFY_EXTERNAL_OAUTH_TOKEN('…')` tells",
    },
    LoginFailure {
        codes: &[],
        words: &["network policy is required"],
        verdict: Verdict::Refused,
        remedy: "an access token is good only under a network policy; let an administrator run \
                 `ALTER USER … SET NETWORK_POLICY = …` with this machine's address in it",
    },
    LoginFailure {
        codes: &["394400"],
        words: &["programmatic access token is invalid"],
        verdict: Verdict::Refused,
        remedy: "`SHOW USER PROGRAMMATIC ACCESS TOKENS FOR USER …` shows whether the token \
                 expired or was disabled; make a new one with `ALTER USER … ADD PROGRAMMATIC \
                 ACCESS TOKEN`",
    },
    LoginFailure {
        codes: &[],
        words: &["is not allowed to access snowflake"],
        verdict: Verdict::Refused,
        remedy: "a network policy of the account or the user does not list the address from which \
                 this machine reaches Snowflake; let an administrator add it",
    },
    LoginFailure {
        codes: &[],
        words: &["multi-factor authentication is required", "mfa authentication is required"],
        verdict: Verdict::Refused,
        remedy: "nobody sits before a service to confirm a login; make it `ALTER USER … SET TYPE \
                 = SERVICE` and log in with a key pair or an access token",
    },
    LoginFailure {
        codes: &["394507", "394633"],
        words: &["passcode", "duo security"],
        verdict: Verdict::Refused,
        remedy: "a code of a second factor is good once and for half a minute; write a new one as \
                 snowflake.passcode, or log in with a key pair",
    },
    LoginFailure {
        codes: &["390189"],
        words: &["specified in the connect string"],
        verdict: Verdict::Refused,
        remedy: "check snowflake.role; an administrator gives it to the user with `GRANT ROLE … TO \
                 USER …`",
    },
    LoginFailure {
        codes: &["390201"],
        words: &["does not exist or not authorized"],
        verdict: Verdict::Refused,
        remedy: "check snowflake.warehouse, snowflake.database and snowflake.schema; the role \
                 needs USAGE on each, and names are in capitals unless they were made in quotes",
    },
    LoginFailure {
        codes: &["390139"],
        words: &["authenticator is not accepted"],
        verdict: Verdict::Refused,
        remedy: "an authentication policy of the account does not allow this way to log in; choose \
                 another snowflake.authenticator",
    },
    LoginFailure {
        codes: &["000666"],
        words: &["account is suspended", "trial has ended"],
        verdict: Verdict::Later,
        remedy: "somebody must put the account in order with Snowflake, such as its payment",
    },
    LoginFailure {
        // The status with which the load balancer answers for addresses that are nobody's.
        codes: &["403", "404", "513"],
        words: &["account not found"],
        verdict: Verdict::Later,
        remedy: "Snowflake has no account at this address; check snowflake.account, which is \
                 ORGANISATION-ACCOUNT or a locator with its region, and snowflake.host",
    },
    LoginFailure {
        codes: &["429"],
        words: &["too many requests", "rate limit"],
        verdict: Verdict::Later,
        remedy: "Snowflake wants fewer requests for a while; nothing has to be done unless it stays",
    },
];

/// An error answer to a login: its code or the status of the answer, and its words. The clocks
/// are looked at where a login depends on them.
pub(crate) fn of_login(
    warehouse: &str,
    code: &str,
    message: &str,
    server_date_unix: Option<u64>,
    now_unix: u64,
) -> WarehouseError {
    let small = message.to_lowercase();
    let known = LOGIN
        .iter()
        .find(|known| known.codes.contains(&code))
        .or_else(|| LOGIN.iter().find(|known| known.words.iter().any(|word| small.contains(word))));
    let mut reason = said(code, message, None);
    if known.is_some_and(|known| known.codes == JWT) {
        if let Some(words) = server_date_unix.and_then(|server| skew(server, now_unix)) {
            reason.push_str(&format!("; {words}"));
        }
        if let Some(id) = failure_id(message) {
            reason.push_str(&format!(
                "; an administrator learns the cause by `SELECT \
                 SYSTEM$GET_LOGIN_FAILURE_DETAILS('{id}')`"
            ));
        }
    }
    if let Some(known) = known {
        reason.push_str(&format!("; {}", known.remedy));
    }
    let verdict = known.map_or_else(|| of_unknown(code), |known| known.verdict);
    let warehouse = warehouse.to_owned();
    match verdict {
        Verdict::Refused => WarehouseError::Refused { warehouse, reason },
        Verdict::Later => WarehouseError::Connect { warehouse, reason },
    }
}

/// What a login was refused for: a role or an object that is not there says that the credentials
/// are right.
pub(crate) fn blame(code: &str) -> Blame {
    if ["390189", "390201"].contains(&code) { Blame::Place } else { Blame::Credentials }
}

/// Whether a code says that the token that a login was made with is not believed.
pub(crate) fn is_about_key(code: &str) -> bool {
    JWT.contains(&code)
}

/// Whether a code says that what a person's login left is not good any more.
pub(crate) fn is_about_id_token(code: &str) -> bool {
    // Expired; invalid.
    ["390110", "390195"].contains(&code)
}

/// Whether a code says that the account has no company's login page.
pub(crate) fn is_without_provider(code: &str) -> bool {
    code == "390190"
}

/// Whether a code says that the OAuth token's time is over.
pub(crate) fn is_token_expired(code: &str) -> bool {
    code == "390318"
}

/// Codes of these families are about who logs in; what is not known of them is no invitation to
/// try again.
fn of_unknown(code: &str) -> Verdict {
    let of_login = code.len() == 6 && (code.starts_with("390") || code.starts_with("394"));
    if of_login { Verdict::Refused } else { Verdict::Later }
}

/// How far this machine's clock is from Snowflake's, if it is too far for a login.
fn skew(server_unix: u64, now_unix: u64) -> Option<String> {
    let seconds = server_unix.abs_diff(now_unix);
    let side = if now_unix > server_unix { "ahead of" } else { "behind" };
    (seconds > SKEW_S_MAX).then(|| {
        format!(
            "this machine's clock is {seconds} s {side} Snowflake's, so set it, for example with \
             `timedatectl set-ntp true`"
        )
    })
}

/// The name of a failure that only an administrator can look up, as it stands in brackets.
fn failure_id(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once('[')?;
    let (id, _) = rest.split_once(']')?;
    let plain = |c: char| c.is_ascii_hexdigit() || c == '-';
    (id.len() == 36 && id.chars().all(plain)).then_some(id)
}

/// Codes of statements that failed, and the remedy.
const STATEMENTS: &[(&[&str], &str)] = &[
    (&["000603"], "Snowflake failed inside; try again, and ask its support if it stays"),
    (&["000604"], "somebody ended the statement at Snowflake; run it again if it is wanted"),
    (
        &["000606"],
        "write snowflake.warehouse, or give the user a DEFAULT_WAREHOUSE; the role needs USAGE on \
         it, and one that is suspended and has no AUTO_RESUME is resumed with `ALTER WAREHOUSE … \
         RESUME`",
    ),
    (
        &["090073"],
        "the warehouse is suspended by its resource monitor; let an administrator raise the quota, \
         wait for the next interval, or write another snowflake.warehouse",
    ),
    (
        &["000630"],
        "ask for less, or raise limits.statement_timeout and STATEMENT_TIMEOUT_IN_SECONDS of the \
         warehouse",
    ),
    (&["000666"], "somebody must put the account in order with Snowflake, such as its payment"),
    (
        &["000904"],
        "no such column: unquoted names fold to upper case, and describe_view shows the columns",
    ),
    (
        &["000707", "000709", "000710"],
        "Snowflake keeps an answer for a day, for the user who asked; ask for it again from its \
         beginning",
    ),
    (&["001003"], "correct the statement where it says"),
    (
        &["002003", "002043"],
        "check the name with its database and schema, and whether the role was granted to see it",
    ),
    (&["002140", "002141"], "no such function with such arguments; check its name and their types"),
    (&["003001"], "the role may not do this; an administrator would have to grant it"),
    (&["003030"], "who shared the database took it back; ask its owner"),
    (&["090105"], "name the database, as in DATABASE.SCHEMA.TABLE, or write snowflake.database"),
    (&["090106"], "name the schema, as in DATABASE.SCHEMA.TABLE, or write snowflake.schema"),
    (
        &["100035", "100038", "100040", "100071"],
        "a value does not fit the type; TRY_CAST and TRY_TO_… give NULL instead",
    ),
    (&["100051"], "divide by NULLIF(…, 0), or use DIV0"),
];

/// An error answer to a statement: its code, its words, and the name of the execution.
pub(crate) fn of_statement(code: &str, message: &str, query_id: Option<&str>) -> WarehouseError {
    let mut text = said(code, message, query_id.filter(|id| !id.is_empty()));
    if let Some((_, remedy)) = STATEMENTS.iter().find(|(codes, _)| codes.contains(&code)) {
        text.push_str("; ");
        text.push_str(remedy);
    }
    WarehouseError::Statement { message: text }
}

/// Whether a session's token is to be renewed, after which the request may be sent again.
pub(crate) fn is_expired(code: &str) -> bool {
    code == "390112"
}

/// Whether a statement that was to be ended did not run: not any more, or not yet.
pub(crate) fn is_not_running(code: &str) -> bool {
    code == "000605"
}

/// Whether a session is over for good, so that only a new login helps.
pub(crate) fn is_gone(code: &str) -> bool {
    // Invalid session token; identity token expired; no such session; master token not there,
    // expired, invalid; identity token invalid.
    ["390104", "390110", "390111", "390113", "390114", "390115", "390195"].contains(&code)
}

/// Snowflake's words without the full stop at their end, and where they can be looked up.
fn said(code: &str, message: &str, query_id: Option<&str>) -> String {
    let words = message.trim().trim_end_matches('.');
    let words = if words.is_empty() { "Snowflake gave no words" } else { words };
    let code = (!code.is_empty()).then(|| format!("Snowflake's code {code}"));
    let query = query_id.map(|id| format!("query {id}"));
    let known: Vec<String> = code.into_iter().chain(query).collect();
    if known.is_empty() { words.to_owned() } else { format!("{words} ({})", known.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn login(code: &str, message: &str) -> (bool, String) {
        match of_login("the account A", code, message, Some(NOW), NOW) {
            WarehouseError::Refused { warehouse, reason } => {
                assert_eq!(warehouse, "the account A");
                (true, reason)
            }
            WarehouseError::Connect { reason, .. } => (false, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_refused_login_has_its_remedy_and_its_verdict() {
        for (code, message, refused, remedy) in [
            ("390100", "Incorrect username or password was specified.", true, "LOGIN_NAME"),
            ("390101", "User access disabled.", true, "DISABLED = FALSE"),
            ("390102", "Your user account has been temporarily locked.", true, "MINS_TO_UNLOCK"),
            ("390144", "JWT token is invalid.", true, "RSA_PUBLIC_KEY_FP of `DESC USER`"),
            ("394304", "fingerprint", true, "RSA_PUBLIC_KEY_FP"),
            ("390303", "Invalid OAuth access token.", true, "VERIFY_EXTERNAL_OAUTH_TOKEN"),
            ("390318", "OAuth access token expired.", true, "oauth_client_credentials"),
            ("390309", "The user differs.", true, "another user"),
            ("390317", "The role is not listed in the Access Token.", true, "session:role:NAME"),
            ("394400", "Programmatic access token is invalid.", true, "SHOW USER PROGRAMMATIC"),
            ("390432", "Network policy is required.", true, "NETWORK_POLICY"),
            ("390422", "IP 1.2.3.4 is not allowed to access Snowflake.", true, "network policy"),
            ("390422", "Incorrect username or password was specified.", true, "LOGIN_NAME"),
            ("390197", "Multi-factor authentication is required.", true, "TYPE = SERVICE"),
            ("394507", "Authentication failed.", true, "half a minute"),
            ("390189", "Role 'R' specified in the connect string", true, "GRANT ROLE"),
            ("390201", "The requested warehouse does not exist", true, "snowflake.warehouse"),
            ("390139", "The specified authenticator", true, "authentication policy"),
            ("000666", "Your account is suspended.", false, "payment"),
            ("403", "Forbidden", false, "snowflake.account"),
            ("404", "Not Found", false, "snowflake.account"),
            ("513", "", false, "no account at this address"),
            ("429", "Too Many Requests", false, "fewer requests"),
            // The same by their words, where the code says nothing.
            ("250001", "Incorrect username or password was specified.", true, "LOGIN_NAME"),
            ("", "IP 1.2.3.4 is not allowed to access Snowflake.", true, "network policy"),
            ("390999", "JWT token is invalid. [x]", true, "RSA_PUBLIC_KEY_FP"),
            ("999", "Your user account has been temporarily locked.", true, "MINS_TO_UNLOCK"),
            // Nobody knows them: what is about logins is not tried again.
            ("390999", "Something new.", true, "Something new (Snowflake's code 390999)"),
            ("394999", "Something new.", true, "Something new"),
            ("503", "Service Unavailable", false, "Service Unavailable"),
            ("", "", false, "gave no words"),
        ] {
            let (is_refused, reason) = login(code, message);
            assert_eq!(is_refused, refused, "{code}: {reason}");
            assert!(reason.contains(remedy), "{code}: {reason}");
            assert!(reason.contains(code), "{reason}");
        }
    }

    #[test]
    fn no_code_has_two_remedies() {
        let mut codes: Vec<&str> = LOGIN.iter().flat_map(|known| known.codes).copied().collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
        let mut codes: Vec<&str> =
            STATEMENTS.iter().flat_map(|(codes, _)| *codes).copied().collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_where_it_matters() {
        let reason = |code: &str, server: Option<u64>| {
            of_login("A", code, "JWT token is invalid", server, NOW).to_string()
        };
        assert!(reason("390144", Some(NOW - 300)).contains("clock is 300 s ahead of Snowflake's"));
        assert!(reason("390144", Some(NOW + 61)).contains("clock is 61 s behind Snowflake's"));
        for (code, server) in
            [("390144", Some(NOW + 60)), ("390144", None), ("390100", Some(NOW + 300))]
        {
            assert!(!reason(code, server).contains("clock"), "{code} {server:?}");
        }
    }

    #[test]
    fn the_name_of_a_failure_becomes_the_question_to_an_administrator() {
        let id = "0ce9eb56-821d-4ca9-a774-04ae89a0cf5a";
        let (_, reason) = login("390144", &format!("JWT token is invalid. [{id}]"));
        let question = format!("SELECT SYSTEM$GET_LOGIN_FAILURE_DETAILS('{id}')");
        assert!(reason.contains(&question), "{reason}");
        let (_, reason) = login("390144", "JWT token is invalid. ['); drop user x; --]");
        assert!(!reason.contains("GET_LOGIN_FAILURE"), "{reason}");
    }

    #[test]
    fn a_failed_statement_keeps_its_words_and_code_and_gets_a_remedy() {
        for (code, message, remedy) in [
            ("000604", "SQL execution canceled", "run it again"),
            ("000606", "No active warehouse selected in the current session.", "DEFAULT_WAREHOUSE"),
            ("000606", "No active warehouse selected in the current session.", "RESUME"),
            ("000630", "Statement reached its timeout of 60 second(s)", "limits.statement_timeout"),
            ("000904", "invalid identifier 'X'", "describe_view"),
            (
                "001003",
                "syntax error line 1 at position 7 unexpected 'x'.",
                "correct the statement",
            ),
            ("002003", "Object 'X' does not exist or not authorized.", "database and schema"),
            ("003001", "Insufficient privileges", "grant"),
            ("003030", "Shared database is no longer available for use.", "took it back"),
            ("090073", "Warehouse 'W' cannot be resumed", "raise the quota"),
            ("090105", "This session does not have a current database.", "snowflake.database"),
            ("100051", "Division by zero", "NULLIF"),
            ("777777", "Something new", ""),
        ] {
            let error = of_statement(code, message, Some("01b2-c3"));
            let WarehouseError::Statement { message: text } = error else { panic!("{code}") };
            let begin = format!(
                "{} (Snowflake's code {code}, query 01b2-c3)",
                message.trim_end_matches('.')
            );
            assert!(text.starts_with(&begin) && text.contains(remedy), "{text}");
        }
        let text = of_statement("001003", "syntax error", None).to_string();
        assert!(text.starts_with("syntax error (Snowflake's code 001003); "), "{text}");
        assert_eq!(
            of_statement("", "", Some("q")).to_string(),
            "Snowflake gave no words (query q)"
        );
        assert_eq!(of_statement("", "x", Some("")).to_string(), "x");
    }

    #[test]
    fn what_is_renewed_and_what_is_logged_in_anew_is_told_by_the_code() {
        assert!(is_expired("390112") && !is_gone("390112"));
        for code in ["390104", "390110", "390111", "390113", "390114", "390115", "390195"] {
            assert!(is_gone(code) && !is_expired(code), "{code}");
        }
        for code in ["390100", "000604", ""] {
            assert!(!is_gone(code) && !is_expired(code), "{code}");
        }
    }
}
