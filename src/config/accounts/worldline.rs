//! `accounts.<name>.worldline`: what only accounts at Worldline have.

use serde::Deserialize;

use crate::config::fault::Faults;

/// How an account at Worldline is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worldline {
    /// Whether Worldline confirmed that its REST interface heeds our `requestId`. Until then nothing is
    /// sent twice.
    pub request_id_confirmed: bool,
    /// Where the `requestId` stands.
    pub request_id_place: RequestIdPlace,
    /// The issuer of signed tokens (`application@mid`). With it the secret is the private key that signs
    /// them, PEM; without it the secret is a bearer token.
    pub issuer: Option<String>,
    /// How tokens are signed.
    pub algorithm: Algorithm,
    /// Where signed tokens are exchanged, if not below the base URL.
    pub token_url: Option<String>,
}

/// A place for the `requestId` in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestIdPlace {
    /// Beside `amount`.
    #[default]
    TopLevel,
    /// In `amount`.
    Amount,
    /// In the header `RequestId`.
    Header,
}

/// A signature of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256.
    #[default]
    Ps256,
    /// RSASSA-PKCS1 with SHA-256.
    Rs256,
}

impl Worldline {
    pub(super) fn check(&self, account: &str, faults: &mut Faults) {
        if self.token_url.is_some() && self.issuer.is_none() {
            faults.add(format!("{account}.worldline.token_url"), "is of no use without issuer");
        }
    }
}
