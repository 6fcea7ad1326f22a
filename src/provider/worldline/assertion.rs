//! The signed assertion (RFC 7523) that a token is asked for with.
//!
//! Signed with ring, the one crypto provider of the process: what the usual JWT crates offer is a second C
//! library, or an RSA whose private keys leak by timing (RUSTSEC-2023-0071), or a provider that two parts of
//! a process fight for.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::super::Error;
use super::settings::{ASSERTION_LIFETIME, Algorithm, Jwt};

/// The most private keys of an account at a time. \[doc]
const KEYS_MAX: usize = 2;

/// A private key that can sign.
pub(super) struct Key(RsaKeyPair);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// The keys of a PEM text, one or two.
///
/// # Errors
/// [`Error::Key`], which repeats nothing of them.
pub(super) fn keys(pem: &SecretString) -> Result<Vec<Key>, Error> {
    let wrong = |rule: &str| Error::Key(rule.to_owned());
    let mut keys = Vec::with_capacity(KEYS_MAX);
    for der in PrivateKeyDer::pem_slice_iter(pem.expose_secret().as_bytes()) {
        let pair = match der.map_err(|_| wrong("is not PEM"))? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(wrong("is neither PKCS #8 nor PKCS #1")),
        };
        keys.push(
            Key(pair.map_err(|refused| Error::Key(format!("is no RSA key that may sign: {refused}")))?),
        );
    }
    match keys.len() {
        0 => Err(wrong("is missing: the text holds none in PEM")),
        1..=KEYS_MAX => Ok(keys),
        _ => Err(wrong("is one of too many: there may be two")),
    }
}

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    scope: &'a str,
    iat: i64,
    exp: i64,
}

/// The assertion, signed with this key.
///
/// # Errors
/// [`Error::Key`] if the key does not sign.
pub(super) fn assertion(jwt: &Jwt, key: &Key) -> Result<SecretString, Error> {
    let (alg, padding): (_, &'static dyn RsaEncoding) = match jwt.algorithm {
        Algorithm::Ps256 => ("PS256", &RSA_PSS_SHA256),
        Algorithm::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
    };
    let iat = jwt.now.seconds();
    let lifetime = i64::try_from(ASSERTION_LIFETIME.as_secs()).unwrap_or(0);
    let claims = Claims {
        aud: &jwt.audience,
        iss: &jwt.issuer,
        scope: &jwt.scope,
        iat,
        exp: iat.saturating_add(lifetime),
    };
    let wrong = |what: &str| Error::Key(what.to_owned());
    let header = part(&Header { alg, typ: "JWT" }).ok_or_else(|| wrong("has no header to sign"))?;
    let claims = part(&claims).ok_or_else(|| wrong("has no claims to sign"))?;
    let message = format!("{header}.{claims}");
    let mut signature = vec![0; key.0.public().modulus_len()];
    key.0
        .sign(padding, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .map_err(|_| wrong("did not sign"))?;
    Ok(SecretString::from(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

fn part(value: &impl Serialize) -> Option<String> {
    serde_json::to_vec(value).ok().map(|json| URL_SAFE_NO_PAD.encode(json))
}
