//! `POST /api/v2/oauth2/tokens`: a signed assertion in, a short-lived access token out.
//!
//! [doc: algorithms, `aud`, `iss`, `scope`, two active key pairs.] The form of request and answer is that of
//! RFC 7523 and RFC 6749 \[assumed], and so are the life of a token and the bounds of `iat` and `exp`.

use std::{collections::HashMap, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, dangerous::insecure_decode};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Worldline, refund::spoil, table};
use crate::sandbox::{
    WORLDLINE_ISSUER,
    provider::{Answered, Incoming, Refused, pairs},
    reply::Plain,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const AUDIENCE: &str = "drwp";
/// Key pairs that may be active at a time \[doc].
const KEYS_MAX: usize = 2;
/// A PKCS#1 public key of 2048 bits is not shorter than this [doc: RSA-2048].
const KEY_DER_BYTES_MIN: usize = 268;
/// How far in the future `iat` may lie.
const CLOCK_SKEW_S: i64 = 30;
/// The longest time from `iat` to `exp`; the documented sample has 60 s.
const ASSERTION_LIFE_S_MAX: i64 = 300;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Order,
    Refund,
}

impl Scope {
    /// The literal template of the documents; that of refunds by analogy \[assumed].
    fn of(text: &str) -> Option<Self> {
        match text {
            "OrderProcessingService:GET:/v2/merchants/{mid}/orders/{orderId}" => Some(Self::Order),
            "OrderProcessingService:POST:/v2/merchants/{mid}/orders/{orderId}/refunds" => Some(Self::Refund),
            _ => None,
        }
    }
}

/// Registered public keys and the tokens given out for them. Tokens do not outlive the sandbox.
#[derive(Default)]
pub(super) struct Tokens {
    /// As PEM, in the order of their registration.
    pems: Vec<String>,
    given: HashMap<String, Given>,
    count: u64,
}

struct Given {
    scopes: Vec<Scope>,
    expires_ms: i64,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keys", &self.pems.len()).finish_non_exhaustive()
    }
}

impl Tokens {
    /// What a token may be used for; none when it is unknown or too old.
    pub(super) fn scopes(&self, token: &str, now_ms: i64) -> Option<&[Scope]> {
        let given = self.given.get(token).filter(|given| now_ms < given.expires_ms)?;
        Some(&given.scopes)
    }

    pub(super) fn pems(&self) -> &[String] {
        &self.pems
    }

    pub(super) fn set_pems(&mut self, pems: Vec<String>) {
        self.pems = pems;
    }

    /// The keys with one more, when it may be registered.
    pub(super) fn with_pem(&self, pem: &[u8]) -> Result<Vec<String>, Refused> {
        let text = String::from_utf8_lossy(pem).trim().to_owned();
        let der =
            public_der(&text).map_err(|error| Refused(format!("not an RSA public key in PEM: {error}")))?;
        if der.len() < KEY_DER_BYTES_MIN {
            return Err(Refused("the key has less than 2048 bits".to_owned()));
        }
        let mut pems = self.pems.clone();
        if !pems.contains(&text) {
            if pems.len() == KEYS_MAX {
                return Err(Refused(format!("{KEYS_MAX} keys are active already: DELETE forgets them")));
            }
            pems.push(text);
        }
        Ok(pems)
    }

    /// The keys as control calls show them: the SHA-256 of each PEM.
    pub(super) fn shown(&self) -> Value {
        let keys: Vec<_> = self.pems.iter().map(|pem| hex(&Sha256::digest(pem))).collect();
        json!({"keys": keys})
    }

    fn issue(&mut self, scopes: Vec<Scope>, now_ms: i64, life_s: u64) -> String {
        self.count += 1;
        self.given.retain(|_, given| now_ms < given.expires_ms);
        let text = hex(&Sha256::digest(format!("{now_ms} {}", self.count)));
        let token: String = text.chars().take(40).collect();
        let life = i64::try_from(life_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
        self.given.insert(token.clone(), Given { scopes, expires_ms: now_ms.saturating_add(life) });
        token
    }
}

#[derive(Debug, Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    scope: String,
    iat: i64,
    exp: i64,
}

/// Why no token is given: an error of RFC 6749 and a word for the reader.
type Denied = (&'static str, &'static str);

/// Answers one exchange, by the setting `token_behaviour`.
pub(super) fn answer(worldline: &Worldline, incoming: &Incoming) -> Answered {
    let usual = exchange(worldline, incoming);
    let wanted = worldline.shared.lock().settings.token_behaviour.clone();
    let row = wanted.as_deref().and_then(table::by_name).unwrap_or(&table::OK);
    Answered { reply: spoil(worldline, row, usual), behaviour: wanted.map(|_| row.name) }
}

fn exchange(worldline: &Worldline, incoming: &Incoming) -> Plain {
    let mut state = worldline.state();
    let (now_ms, life_s) = {
        let inner = worldline.shared.lock();
        (inner.now_ms(), inner.settings.worldline_token_life_s)
    };
    let granted = assertion(&incoming.body).and_then(|text| checked(&text, state.tokens.pems(), now_ms));
    let (status, body) = match granted {
        Ok(scopes) => {
            let token = state.tokens.issue(scopes, now_ms, life_s);
            (200, json!({"access_token": token, "token_type": "Bearer", "expires_in": life_s}))
        }
        Err((error, about)) => (400, json!({"error": error, "error_description": about})),
    };
    Plain::json(status, body.to_string().into_bytes()).with_header("cache-control", "no-store")
}

fn assertion(body: &[u8]) -> Result<String, Denied> {
    let fields = pairs(&String::from_utf8_lossy(body));
    let field = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone())
    };
    match field("grant_type") {
        None => Err(("invalid_request", "grant_type is missing")),
        Some(grant_type) if grant_type != GRANT_TYPE => {
            Err(("unsupported_grant_type", "grant_type is not that of a JWT bearer"))
        }
        Some(_) => field("assertion").ok_or(("invalid_request", "assertion is missing")),
    }
}

fn checked(assertion: &str, pems: &[String], now_ms: i64) -> Result<Vec<Scope>, Denied> {
    let token = insecure_decode::<Claims>(assertion)
        .map_err(|_| ("invalid_grant", "the assertion is not a JWT with aud, iss, scope, iat and exp"))?;
    let parameters: &RsaParameters = match token.header.alg {
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(("invalid_grant", "alg is neither PS256 nor RS256")),
    };
    if !pems.iter().any(|pem| is_signed(assertion, pem, parameters)) {
        return Err(("invalid_grant", "no registered key has signed the assertion"));
    }
    let Claims { aud, iss, scope, iat, exp } = token.claims;
    let second = now_ms.div_euclid(1_000);
    if aud != AUDIENCE {
        return Err(("invalid_grant", "aud is another"));
    }
    if iss != WORLDLINE_ISSUER {
        return Err(("invalid_grant", "iss is unknown"));
    }
    if exp <= second {
        return Err(("invalid_grant", "the assertion has expired"));
    }
    if iat > second.saturating_add(CLOCK_SKEW_S) {
        return Err(("invalid_grant", "the assertion is from the future"));
    }
    if exp <= iat || exp.saturating_sub(iat) > ASSERTION_LIFE_S_MAX {
        return Err(("invalid_grant", "the assertion lives too long"));
    }
    let scopes: Option<Vec<Scope>> = scope.split_whitespace().map(Scope::of).collect();
    scopes.filter(|scopes| !scopes.is_empty()).ok_or(("invalid_scope", "scope is unknown"))
}

/// The signature alone is what `jsonwebtoken` is not asked for: its backends are a process-wide choice, which
/// is the client's to make.
fn is_signed(assertion: &str, pem: &str, parameters: &'static RsaParameters) -> bool {
    let Some((message, signature)) = assertion.rsplit_once('.') else {
        return false;
    };
    let (Ok(signature), Ok(der)) = (URL_SAFE_NO_PAD.decode(signature), public_der(pem)) else {
        return false;
    };
    UnparsedPublicKey::new(parameters, der).verify(message.as_bytes(), &signature).is_ok()
}

/// The PKCS#1 form of a public key.
fn public_der(pem: &str) -> Result<Vec<u8>, String> {
    if !pem.contains("PUBLIC KEY-----") {
        return Err("it does not say PUBLIC KEY".to_owned());
    }
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
    key.try_get_as_bytes().map(<[u8]>::to_vec).map_err(|error| error.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
