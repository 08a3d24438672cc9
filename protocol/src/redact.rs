//! Takes secrets out of what is about to be written down: by the name of a field, and by the shape
//! of what a text holds.
//!
//! This is the second lock. The first is [`Secret`](crate::secret::Secret), which cannot be printed
//! at all; what is caught here came in a text that somebody else made: an error of a library, a
//! header of a client. It prefers to hide too much of a line to telling too much. Nothing here
//! knows where lines go.

use std::borrow::Cow;

use crate::api_key;
use crate::secret::MASK;

/// What the last word of a name says whose value is not to be seen.
const SECRET_WORDS: [&str; 13] = [
    "password",
    "passwd",
    "pwd",
    "token",
    "secret",
    "key",
    "apikey",
    "credential",
    "auth",
    "passphrase",
    "passcode",
    "authorization",
    "cookie",
];
/// Words before a credential in a header.
const SCHEMES: [&str; 2] = ["bearer", "basic"];
/// How the block of a private key begins and ends.
const PEM: (&str, &str) = ("-----BEGIN ", "-----END ");

/// Whether the value of a field of this name is not to be seen: `password`, `private_key`,
/// `X-Api-Key`, `credentials`.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let last = name.rsplit(['_', '-', '.', ' ']).next().unwrap_or(name);
    let is = |word: &str| SECRET_WORDS.iter().any(|secret| secret.eq_ignore_ascii_case(word));
    // `accessToken` is a name too.
    let camel = last.rfind(|c: char| c.is_ascii_uppercase()).map_or("", |at| &last[at..]);
    [last, camel].iter().any(|word| is(word) || word.strip_suffix(['s', 'S']).is_some_and(is))
}

/// A text without what looks like a secret in it.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = next_secret(text, at) {
        out.push_str(&text[kept..found.start]);
        out.push_str(MASK);
        kept = found.end;
        at = found.end;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// The part of a text that is a secret, the first from here on.
fn next_secret(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        if !is_of_word(bytes[at]) {
            // The password of an address: `://user:password@host`.
            if text[at..].starts_with("://")
                && let Some(found) = password_of_address(text, at + 3)
            {
                return Some(found);
            }
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let end = at + bytes[at..].iter().take_while(|byte| is_of_word(**byte)).count();
        if let Some(found) = secret_at(text, at..end) {
            return Some(found);
        }
        at = end;
    }
    None
}

/// What is not to be seen of the text that begins with this word.
fn secret_at(text: &str, word: std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
    let name = &text[word.clone()];
    if let Some(pem) = text[word.start..].find(PEM.0).filter(|at| *at < name.len()) {
        let begins = word.start + pem;
        if text[begins..].lines().next().is_some_and(|line| line.contains("PRIVATE KEY")) {
            return Some(begins..end_of_pem(text, begins));
        }
    }
    let key = name.find(api_key::PREFIX).map(|at| word.start + at..word.end);
    let token = name.find("eyJ").filter(|at| name[*at..].matches('.').count() >= 2);
    if let Some(found) = key.or_else(|| token.map(|at| word.start + at..word.end)) {
        return Some(found);
    }
    let rest = &text[word.end..];
    if SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(name)) {
        let value = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let begins = word.end + value;
        let length = text[begins..].bytes().take_while(|byte| !ends_value(*byte)).count();
        let credential = &text[begins..begins + length];
        // "bearer token" and "basic authentication" are words of an explanation.
        let is_prose = credential.bytes().all(|byte| byte.is_ascii_lowercase());
        return (value > 0 && !is_prose).then_some(begins..begins + length);
    }
    if !is_secret_name(name) {
        return None;
    }
    value_of(text, name, word.end)
}

/// The value that is written behind a name: `name=value`, `"name": "value"`, `Cookie: value`.
fn value_of(text: &str, name: &str, end: usize) -> Option<std::ops::Range<usize>> {
    let rest = &text[end..];
    let quoted = rest.trim_start_matches(['"', '\'', '\\']);
    let is_quoted = quoted.len() < rest.len();
    let sign = quoted.trim_start_matches(' ');
    // A colon in a sentence explains: "cannot read the key: no such file".
    let is_header = ["authorization", "cookie", "x-api-key"]
        .iter()
        .any(|header| name.to_ascii_lowercase().ends_with(header));
    let value = match sign.chars().next()? {
        '=' => sign.trim_start_matches(['=', '>']),
        ':' if is_quoted || is_header => &sign[1..],
        _ => return None,
    };
    let value = value.trim_start_matches(' ');
    let bare = value.trim_start_matches(['"', '\'', '\\']);
    let begins = text.len() - bare.len();
    let length = match value.len() - bare.len() {
        0 if is_header => bare.find(['\n', '\r', '"']).unwrap_or(bare.len()),
        0 => bare.bytes().take_while(|byte| !ends_value(*byte)).count(),
        _ => bare.find(['"', '\'', '\\', '\n']).unwrap_or(bare.len()),
    };
    (length > 0 && !bare.starts_with(MASK)).then_some(begins..begins + length)
}

/// The password of an address whose authority begins here.
fn password_of_address(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let authority = text[from..].split(['/', ' ', '?', '#', '"', '\n']).next()?;
    let (who, _) = authority.rsplit_once('@')?;
    let colon = who.find(':')?;
    let found = from + colon + 1..from + who.len();
    (!found.is_empty() && &text[found.clone()] != MASK).then_some(found)
}

fn end_of_pem(text: &str, begins: usize) -> usize {
    let Some(end) = text[begins..].find(PEM.1) else { return text.len() };
    let end = begins + end + PEM.1.len();
    let line = text[end..].find("-----").map_or(text.len(), |at| end + at + 5);
    line.min(text.len())
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn ends_value(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b',' | b';' | b'&' | b')' | b'}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_by_their_last_word() {
        for name in [
            "password",
            "token",
            "secret",
            "key",
            "credential",
            "credentials",
            "auth",
            "private_key",
            "passphrase",
            "api_key",
            "access_token",
            "accessToken",
            "Authorization",
            "X-Api-Key",
            "cookie",
            "Set-Cookie",
            "snowflake.password",
            "PASSCODE",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["token_file", "key_id", "author", "monkey", "query_id", "keyboard", "session"]
        {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_hidden_wherever_it_stands() {
        let key = api_key::text(&api_key::id([1; 6]), &[2; 32]);
        let key = key.expose();
        for text in [
            "Authorization: Bearer canary.1".to_owned(),
            "sent `authorization: Basic Y2FuYXJ5OjE=`".to_owned(),
            "Snowflake Token=\"canary 1\" was refused".to_owned(),
            format!("the key {key} is unknown"),
            format!("x{key}"),
            "token eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl is expired".to_owned(),
            "{\"password\": \"canary 1\"}".to_owned(),
            "{\\\"password\\\": \\\"canary 1\\\"}".to_owned(),
            "user=me password=canary1 host=x".to_owned(),
            "PASSWORD = 'canary 1'".to_owned(),
            "https://me:canary1@example.com/x".to_owned(),
            "Cookie: a=canary1; b=canary2".to_owned(),
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\ncanary\n-----END ENCRYPTED PRIVATE KEY-----"
                .to_owned(),
            "-----BEGIN PRIVATE KEY-----\ncanary".to_owned(),
            "?access_token=canary1&x=1".to_owned(),
        ] {
            let shown = redact(&text);
            for canary in ["canary", "Y2FuYXJ5", "c2lnbmF0", &key[17..]] {
                assert!(!shown.contains(canary), "{text}: {shown}");
            }
            assert!(shown.contains(MASK), "{shown}");
            assert_eq!(redact(&shown), shown, "once is enough");
        }
    }

    #[test]
    fn what_stands_around_it_is_kept() {
        assert_eq!(redact("a password=x, b"), format!("a password={MASK}, b"));
        assert_eq!(redact("é Bearer x1 ü"), format!("é Bearer {MASK} ü"));
        assert_eq!(
            redact("postgres://me:p@host/x and more"),
            format!("postgres://me:{MASK}@host/x and more")
        );
    }

    #[test]
    fn an_explanation_is_left_alone() {
        for text in [
            "cannot read the key: no such file",
            "write the header as Authorization Bearer KEY",
            "a bearer token is missing; basic authentication is not known",
            "select a, b from t where key <> 1",
            "http://127.0.0.1:8000/mcp",
            "",
        ] {
            let kept = redact(text);
            assert!(matches!(kept, Cow::Borrowed(_)) || text.contains("KEY"), "{kept}");
        }
    }
}
