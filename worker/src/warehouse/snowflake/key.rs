//! A private key, and the short-lived tokens that it signs to log in.
//!
//! Keys are opened here and never leave: what is handed out is a token that is good for less than
//! an hour, and the fingerprint that Snowflake shows of the public half. No error says anything of
//! a key or a passphrase but what form it has. The bytes of a key are overwritten when they are
//! dropped; the key as the signing library keeps it is not, which it has no way for.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mcp_protocol::secret::Secret;
use pkcs8::der::Decode as _;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use ring::rand::SystemRandom;
use ring::{digest, rsa, signature};

/// How long a token is good for, in seconds; Snowflake takes none that lives longer than an hour.
const LIFETIME_S: u64 = 59 * 60;
/// What a PEM begins with.
const BEGIN: &str = "-----BEGIN ";
/// The algorithm of an RSA key, in DER: its identifier and no parameters.
const RSA_ALGORITHM: [u8; 15] =
    [0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Why a private key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// It is a key, but in another form.
    #[error(
        "the private key is {form}; write it in PKCS#8: `openssl pkcs8 -topk8 -in KEY -out \
         rsa_key.p8`"
    )]
    Form {
        /// Which one.
        form: &'static str,
    },
    /// It is the bytes of a key, not its text.
    #[error(
        "the private key is in DER; write it in PEM: `openssl pkcs8 -topk8 -inform DER -in KEY \
         -out rsa_key.p8`"
    )]
    Der,
    /// It is the public half, or a certificate.
    #[error("this is {what}, not the private key; name the file of the private key")]
    NotPrivate {
        /// What it is.
        what: &'static str,
    },
    /// Nothing of a key is there.
    #[error(
        "this is no private key; make one: `openssl genrsa 2048 | openssl pkcs8 -topk8 -v2 \
         aes-256-cbc -out rsa_key.p8`"
    )]
    NoKey,
    /// It begins as a key and is none.
    #[error("the private key is cut or damaged; copy the whole file")]
    Damaged,
    /// It is encrypted, and nothing to open it with was given.
    #[error(
        "the private key is encrypted and there is no passphrase; write \
         snowflake.private_key_passphrase_file, or take the encryption away: `openssl pkcs8 -in \
         rsa_key.p8 -topk8 -nocrypt -out plain.p8`"
    )]
    PassphraseMissing,
    /// It does not open.
    #[error(
        "the passphrase does not open the private key; `openssl pkey -in rsa_key.p8 -noout` asks \
         for it and tells whether it is right"
    )]
    PassphraseWrong,
    /// It is encrypted in a way that nobody should use any more.
    #[error(
        "the private key is encrypted in an old way that is not read here; encrypt it anew: \
         `openssl pkcs8 -in rsa_key.p8 | openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf \
         hmacWithSHA256 -out new.p8`"
    )]
    Encryption,
    /// It is no RSA key.
    #[error(
        "the private key is no RSA key; make one: `openssl genrsa 2048 | openssl pkcs8 -topk8 -v2 \
         aes-256-cbc -out rsa_key.p8`"
    )]
    Algorithm,
    /// It is shorter than Snowflake takes, or longer than anybody needs.
    #[error(
        "the private key has {what} bits; make one of 2048 to 4096: `openssl genrsa 2048 | \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -out rsa_key.p8`, and give its public half to the \
         user at Snowflake"
    )]
    Size {
        /// Too few or too many.
        what: &'static str,
    },
}

/// An RSA private key.
pub(crate) struct KeyPair {
    pair: rsa::KeyPair,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyPair({})", self.fingerprint())
    }
}

impl KeyPair {
    /// Opens a key in PKCS#8 and PEM. A passphrase that is not needed is not looked at.
    pub(crate) fn open(pem: &str, passphrase: Option<&str>) -> Result<KeyPair, KeyError> {
        let encrypted = match label(pem) {
            None => return Err(without_label(pem)),
            Some("PRIVATE KEY") => false,
            Some("ENCRYPTED PRIVATE KEY") => true,
            Some(other) => return Err(of_another_form(other)),
        };
        let document = inside(pem).ok_or(KeyError::Damaged)?;
        if !encrypted {
            return from_der(document.as_bytes());
        }
        let passphrase = passphrase.ok_or(KeyError::PassphraseMissing)?;
        let opened = decrypted(document.as_bytes(), passphrase)?;
        from_der(opened.as_bytes()).map_err(|why| match why {
            // A wrong passphrase now and then gives bytes that look whole.
            KeyError::Damaged => KeyError::PassphraseWrong,
            other => other,
        })
    }

    /// The fingerprint as `DESC USER` shows it in `RSA_PUBLIC_KEY_FP`.
    pub(crate) fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, &self.public());
        format!("SHA256:{}", STANDARD.encode(hash))
    }

    /// A token that says that this user of this account logs in now.
    pub(crate) fn token(&self, account: &str, user: &str, now_unix: u64) -> String {
        let subject = subject(account, user);
        let header = serde_json::json!({ "typ": "JWT", "alg": "RS256" });
        let claims = serde_json::json!({
            "iss": format!("{subject}.{}", self.fingerprint()),
            "sub": subject,
            "iat": now_unix,
            "exp": now_unix + LIFETIME_S,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let said = format!("{}.{}", part(&header), part(&claims));
        let mut signed = vec![0; self.pair.public().modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&signature::RSA_PKCS1_SHA256, &random, said.as_bytes(), &mut signed)
            .expect("a key that was opened signs");
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(signed))
    }

    /// The public half with the name of its algorithm before it, in DER.
    fn public(&self) -> Vec<u8> {
        let key = self.pair.public().as_ref();
        let mut bits = vec![0];
        bits.extend_from_slice(key);
        let mut inside = RSA_ALGORITHM.to_vec();
        inside.extend(tagged(0x03, &bits));
        tagged(0x30, &inside)
    }
}

/// Who a token speaks for. Snowflake compares it in upper case.
pub(crate) fn subject(account: &str, user: &str) -> String {
    format!("{account}.{user}").to_uppercase()
}

/// What stands behind `BEGIN` in a PEM.
fn label(pem: &str) -> Option<&str> {
    let (_, rest) = pem.split_once(BEGIN)?;
    rest.split_once("-----").map(|(label, _)| label)
}

/// Why what stands behind another label is no key for us.
fn of_another_form(label: &str) -> KeyError {
    match label {
        "RSA PRIVATE KEY" => KeyError::Form { form: "in PKCS#1" },
        "OPENSSH PRIVATE KEY" => KeyError::Form {
            form: "in the form of OpenSSH, which `ssh-keygen -p -m PEM -f KEY` changes first",
        },
        "PUBLIC KEY" | "RSA PUBLIC KEY" => KeyError::NotPrivate { what: "the public key" },
        "CERTIFICATE" => KeyError::NotPrivate { what: "a certificate" },
        "EC PRIVATE KEY" | "DSA PRIVATE KEY" => KeyError::Algorithm,
        other if other.ends_with("PRIVATE KEY") => KeyError::Form { form: "in another form" },
        _other => KeyError::NoKey,
    }
}

/// The bytes within a PEM, whatever the length of its lines.
fn inside(pem: &str) -> Option<SecretDocument> {
    let (_, rest) = pem.split_once(BEGIN)?;
    let (_, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let digits = Secret::new(body.split_ascii_whitespace().collect());
    let bytes = STANDARD.decode(digits.expose()).ok()?;
    SecretDocument::try_from(bytes).ok()
}

/// What a text without any label is.
fn without_label(text: &str) -> KeyError {
    let digits: String = text.split_ascii_whitespace().collect();
    match STANDARD.decode(digits) {
        // Begins as every key in DER does, with a sequence.
        Ok(bytes) if bytes.len() > 64 && bytes[0] == 0x30 => KeyError::Der,
        Ok(_) | Err(_) => KeyError::NoKey,
    }
}

fn decrypted(der: &[u8], passphrase: &str) -> Result<SecretDocument, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Encryption)?;
    info.decrypt(passphrase).map_err(|why| match why {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed) => {
            KeyError::PassphraseWrong
        }
        pkcs8::Error::EncryptedPrivateKey(_) => KeyError::Encryption,
        // What came out of the decryption is no sequence.
        _other => KeyError::PassphraseWrong,
    })
}

fn from_der(der: &[u8]) -> Result<KeyPair, KeyError> {
    match rsa::KeyPair::from_pkcs8(der) {
        Ok(pair) => Ok(KeyPair { pair }),
        Err(why) => Err(match why.to_string().as_str() {
            "TooSmall" => KeyError::Size { what: "too few" },
            "TooLarge" => KeyError::Size { what: "too many" },
            "WrongAlgorithm" => KeyError::Algorithm,
            _other => KeyError::Damaged,
        }),
    }
}

/// A value of DER: its tag, its length, itself.
fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut der = vec![tag];
    match digits.as_slice() {
        [] => der.push(0),
        [short] if *short < 0x80 => der.push(*short),
        long => {
            der.push(0x80 | u8::try_from(long.len()).expect("a length has eight bytes at most"));
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(value);
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! key {
        ($name:literal) => {
            include_str!(concat!("../../../tests/data/keys/", $name))
        };
    }
    const PASSPHRASE: &str = "test-passphrase-canary";
    const PLAIN: &str = key!("plain.test-only.p8");
    const AES: &str = key!("aes256.test-only.p8");
    const DES3: &str = key!("des3.test-only.p8");
    /// What `openssl rsa -pubout -outform DER | openssl dgst -sha256 -binary | base64` says.
    const FINGERPRINT: &str = key!("fingerprint.txt");

    /// As a key looks that travelled in a variable.
    fn in_one_line(pem: &str) -> String {
        let lines: Vec<&str> = pem.trim().lines().collect();
        let body = lines[1..lines.len() - 1].concat();
        format!("{}\n{body}\n{}", lines[0], lines[lines.len() - 1])
    }

    fn refusal(pem: &str, passphrase: Option<&str>) -> KeyError {
        match KeyPair::open(pem, passphrase) {
            Ok(pair) => panic!("it was opened: {pair:?}"),
            Err(why) => why,
        }
    }

    #[test]
    fn a_key_is_opened_in_each_form_that_snowflake_s_documentation_makes() {
        for (pem, passphrase) in [
            (PLAIN, None),
            (PLAIN, Some("not needed")),
            (AES, Some(PASSPHRASE)),
            (DES3, Some(PASSPHRASE)),
            (key!("aes128.test-only.p8"), Some(PASSPHRASE)),
            (&format!("\n  {}\n", PLAIN.trim()), None),
            (&PLAIN.replace('\n', "\r\n"), None),
            (&in_one_line(PLAIN), None),
        ] {
            let pair = KeyPair::open(pem, passphrase).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(pair.fingerprint(), format!("SHA256:{}", FINGERPRINT.trim()));
        }
    }

    #[test]
    fn what_cannot_be_opened_says_why_and_which_command_helps() {
        let cut = &PLAIN[..PLAIN.len() / 2];
        let inside: String = PLAIN.lines().filter(|line| !line.starts_with('-')).collect();
        let swapped = AES.replacen("MII", "AAA", 1);
        for (pem, passphrase, words) in [
            (AES, None, "there is no passphrase; write snowflake.private_key_passphrase_file"),
            (AES, Some("wrong"), "does not open the private key; `openssl pkey"),
            (DES3, Some("wrong"), "does not open the private key"),
            (DES3, Some(""), "does not open the private key"),
            (key!("pkcs1.test-only.pem"), None, "in PKCS#1; write it in PKCS#8: `openssl pkcs8"),
            (key!("pkcs1-encrypted.test-only.pem"), Some(PASSPHRASE), "in PKCS#1"),
            (key!("openssh.test-only"), None, "OpenSSH, which `ssh-keygen -p -m PEM"),
            (key!("pbes1.test-only.p8"), Some(PASSPHRASE), "an old way"),
            (key!("sha1.test-only.p8"), Some(PASSPHRASE), "an old way"),
            (key!("short.test-only.p8"), None, "has too few bits; make one of 2048 to 4096"),
            (key!("ec.test-only.p8"), None, "is no RSA key"),
            (key!("public.pem"), None, "this is the public key"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", None, "a certificate"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", None, "damaged"),
            (&inside, None, "is in DER; write it in PEM: `openssl pkcs8 -topk8 -inform DER"),
            (cut, None, "cut or damaged"),
            (&swapped, Some(PASSPHRASE), "cut or damaged"),
            ("", None, "no private key; make one"),
            ("canary", None, "no private key"),
        ] {
            let why = refusal(pem, passphrase).to_string();
            assert!(why.contains(words), "{words}: {why}");
            assert!(!why.contains("canary") && !why.contains("MII"), "{why}");
        }
    }

    #[test]
    fn a_token_holds_what_snowflake_asks_for_and_the_public_key_verifies_it() {
        let pair = KeyPair::open(PLAIN, None).unwrap();
        let token = pair.token("xy12345", "Mcp_User", 1_700_000_000);
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signed] = parts.as_slice() else { panic!("{token}") };
        let json = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(json(header), serde_json::json!({ "typ": "JWT", "alg": "RS256" }));
        let fingerprint = format!("SHA256:{}", FINGERPRINT.trim());
        assert_eq!(
            json(claims),
            serde_json::json!({
                "iss": format!("XY12345.MCP_USER.{fingerprint}"),
                "sub": "XY12345.MCP_USER",
                "iat": 1_700_000_000_u64,
                "exp": 1_700_000_000_u64 + 3_540,
            })
        );
        let public = signature::UnparsedPublicKey::new(
            &signature::RSA_PKCS1_2048_8192_SHA256,
            pair.pair.public().as_ref(),
        );
        let signed = URL_SAFE_NO_PAD.decode(signed).unwrap();
        public.verify(format!("{header}.{claims}").as_bytes(), &signed).unwrap();
        assert!(public.verify(format!("{header}.{header}").as_bytes(), &signed).is_err());
    }

    #[test]
    fn a_key_shows_its_fingerprint_alone() {
        let pair = KeyPair::open(AES, Some(PASSPHRASE)).unwrap();
        assert_eq!(format!("{pair:?}"), format!("KeyPair(SHA256:{})", FINGERPRINT.trim()));
    }
}
