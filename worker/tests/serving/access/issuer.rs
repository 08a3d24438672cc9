//! An issuer of access tokens on loopback, whose keys are made when a test needs them, and who
//! signs whatever it is told to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use mcp_worker::clock::unix_seconds;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use ring::{hmac, rsa};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const RSA_KEY: &str = include_str!("../../data/keys/plain.test-only.p8");

/// A key that signs.
pub(super) enum Key {
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Key {
    pub(super) fn ec() -> Key {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        Key::Ec(EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).expect("a key"))
    }

    pub(super) fn rsa() -> Key {
        let (_, document) = pkcs8::SecretDocument::from_pem(RSA_KEY).expect("PEM");
        Key::Rsa(Box::new(RsaKeyPair::from_pkcs8(document.as_bytes()).expect("a key")))
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Key::Ec(_) => "ES256",
            Key::Rsa(_) => "RS256",
        }
    }

    /// Its public half.
    pub(super) fn public(&self, id: &str) -> Value {
        match self {
            Key::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id,
                    "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..])
                })
            }
            Key::Rsa(pair) => {
                let parts = rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({
                    "kty": "RSA", "use": "sig", "kid": id,
                    "n": BASE64.encode(parts.n), "e": BASE64.encode(parts.e)
                })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Key::Ec(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("signed");
                signature
            }
        }
    }

    /// A token with this header and these claims.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        format!("{message}.{}", BASE64.encode(self.sign(message.as_bytes())))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

/// A token that is not signed.
pub(super) fn unsigned(claims: &Value) -> String {
    format!("{}.", message(&json!({ "alg": "none", "typ": "JWT" }), claims))
}

/// A token that is signed with a shared secret.
pub(super) fn with_secret(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = message(header, claims);
    let sum = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", BASE64.encode(sum.as_ref()))
}

/// The one who gives tokens.
pub(super) struct Issuer {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    keys: Mutex<Vec<Value>>,
    answers: AtomicBool,
    asked_for_keys: AtomicU32,
}

impl Issuer {
    pub(super) async fn with(keys: Vec<Value>) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            keys: Mutex::new(keys),
            answers: AtomicBool::new(true),
            asked_for_keys: AtomicU32::new(0),
        });
        tokio::spawn(serve(listener, address, Arc::clone(&state)));
        Issuer { address, state }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it has these keys.
    pub(super) fn has(&self, keys: Vec<Value>) {
        *self.state.keys.lock().expect("not poisoned") = keys;
    }

    /// From now on it answers nobody.
    pub(super) fn falls_silent(&self) {
        self.state.answers.store(false, Ordering::SeqCst);
    }

    pub(super) fn asked_for_keys(&self) -> u32 {
        self.state.asked_for_keys.load(Ordering::SeqCst)
    }

    /// What a good token says.
    pub(super) fn claims(&self) -> Value {
        json!({
            "iss": self.url(), "aud": "https://mcp.example.com/mcp", "sub": "ada",
            "exp": unix_seconds() + 600, "nbf": unix_seconds() - 5
        })
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, state: Arc<State>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await.unwrap_or(0);
        let request = String::from_utf8_lossy(&request[..read]).into_owned();
        if !state.answers.load(Ordering::SeqCst) {
            continue;
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        let found = match path {
            "/.well-known/openid-configuration" => {
                let issuer = format!("http://{address}");
                Some(json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }))
            }
            "/keys" => {
                state.asked_for_keys.fetch_add(1, Ordering::SeqCst);
                Some(json!({ "keys": *state.keys.lock().expect("not poisoned") }))
            }
            _ => None,
        };
        let (status, body) = match found {
            Some(body) => ("200 OK", body.to_string()),
            None => ("404 Not Found", String::new()),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}
