//! Whether a text is a private key as Snowflake wants it, and if not, what it is instead.
//!
//! Keys that travel in a variable lose their lines on the way: they are accepted with `\n` written
//! out and in base64, and given back as PEM. What the key is worth only the login shows.

use mcp_protocol::secret::Secret;

/// Whether a passphrase is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Encrypted,
}

/// The fewest characters of a key in base64 that anybody would use.
const BASE64_CHARS_MIN: usize = 64;

/// The key in PEM, and its form.
pub(super) fn read(text: &Secret) -> Result<(Secret, Form), String> {
    let pem = unfolded(text);
    let form = form(pem.expose())?;
    Ok((pem, form))
}

fn unfolded(text: &Secret) -> Secret {
    let written = text.expose();
    if written.contains("-----BEGIN ") {
        return Secret::new(written.replace("\\n", "\n"));
    }
    let Some(bytes) = base64(written) else { return text.clone() };
    match String::from_utf8(bytes) {
        Ok(pem) if pem.starts_with("-----BEGIN ") => Secret::new(pem),
        // Not a text, and begins as a DER sequence does: the inside of a PEM.
        Err(error) if error.as_bytes().first() == Some(&0x30) => Secret::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{written}\n-----END PRIVATE KEY-----"
        )),
        Ok(_) | Err(_) => text.clone(),
    }
}

fn form(pem: &str) -> Result<Form, String> {
    let convert = "write a key in PKCS#8, which `openssl pkcs8 -topk8 -in KEY -out rsa_key.p8` \
                   makes of it";
    let Some((label, rest)) =
        pem.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----"))
    else {
        return Err(format!("holds no private key in PEM; {convert}"));
    };
    let form = match label {
        "PRIVATE KEY" => Form::Plain,
        "ENCRYPTED PRIVATE KEY" => Form::Encrypted,
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {
            return Err("holds the public key; name the file with the private one".to_owned());
        }
        "CERTIFICATE" => {
            return Err("holds a certificate; name the file with the private key".to_owned());
        }
        "OPENSSH PRIVATE KEY" => {
            return Err(format!(
                "holds a key of OpenSSH, which `ssh-keygen -p -m PEM -f KEY` changes first; \
                 {convert}"
            ));
        }
        other if other.ends_with("PRIVATE KEY") => {
            return Err(format!("holds a key of another form ({other}); {convert}"));
        }
        _other => return Err(format!("holds no private key in PEM; {convert}")),
    };
    let end = format!("-----END {label}-----");
    let body = rest.split_once(&end).map(|(body, _)| body);
    match body.and_then(base64) {
        Some(_) => Ok(form),
        None => Err("holds a private key that is cut or damaged; copy the whole file".to_owned()),
    }
}

/// The bytes of a text in base64; `None` when it is something else, or too short for a key.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digits = digits.strip_suffix(b"==").or(digits.strip_suffix(b"=")).unwrap_or(&digits);
    if digits.len() < BASE64_CHARS_MIN || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let values = group.iter().map(|digit| value(*digit)).collect::<Option<Vec<u32>>>()?;
        let bits = values.iter().fold(0, |bits, value| bits << 6 | value);
        let bits = bits << (6 * (4 - values.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..values.len()]);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _other => return None,
    };
    Some(u32::from(value))
}
