//! Tokens: had before a send, kept until shortly before they end, dropped when they are refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use super::super::http::{Call, Credentials, HttpClient, Outcome, Reply};
use super::super::json;
use super::super::{Error, Unready};
use super::JSON;
use super::assertion::{Key, assertion, keys};
use super::settings::Jwt;
use crate::domain::answer::{BlockCause, Evidence, FailurePhase, Signal};

/// How long a token holds that does not say so, seconds. \[assumed]
pub(super) const LIFETIME_S: u64 = 300;
/// The longest that a token is kept, seconds, whatever it says.
pub(super) const LIFETIME_S_MAX: u64 = 86_400;
/// How long before its end a token is replaced; of a short one, a quarter of its life.
const MARGIN: Duration = Duration::from_mins(1);
/// How long an old token must still hold to serve where a new one could not be had.
const LEFT_MIN: Duration = Duration::from_secs(10);

const TEMPLATE: &str = "/v2/oauth2/tokens";
const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A token, ready for the wire.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// What goes into the header.
    pub(super) credentials: Credentials,
    number: u64,
    fresh_until: Instant,
    valid_until: Instant,
}

/// Asks for tokens and keeps the last one.
#[derive(Debug)]
pub(super) struct Tokens {
    jwt: Jwt,
    url: Url,
    http: HttpClient,
    read: Duration,
    kept: Mutex<Option<Token>>,
    /// Held while a token is asked for, so that those who wait share it.
    desk: tokio::sync::Mutex<Desk>,
}

/// What is known of the keys.
#[derive(Debug)]
struct Desk {
    pem: SecretString,
    keys: Vec<Arc<Key>>,
    /// Which key is used: the number of those refused in a row, round and round.
    turn: usize,
    refused: usize,
    /// Tokens so far.
    count: u64,
}

impl Tokens {
    /// Reads the keys; asks nobody.
    pub(super) fn new(jwt: Jwt, url: Url, http: HttpClient, read: Duration) -> Result<Self, Error> {
        let pem = jwt.keys.read().map_err(|why| Error::Key(format!("cannot be read: {why}")))?;
        let keys = keys(&pem)?.into_iter().map(Arc::new).collect();
        let desk = Desk { pem, keys, turn: 0, refused: 0, count: 0 };
        Ok(Self { jwt, url, http, read, kept: Mutex::default(), desk: tokio::sync::Mutex::new(desk) })
    }

    /// The token that is kept, if it still holds.
    pub(super) fn current(&self) -> Option<Token> {
        self.kept().filter(|token| Instant::now() < token.valid_until)
    }

    /// A token that holds for a while: the one that is kept, or a new one.
    pub(super) async fn fresh(&self) -> Result<Token, Unready> {
        let fresh = || self.kept().filter(|token| Instant::now() < token.fresh_until);
        if let Some(token) = fresh() {
            return Ok(token);
        }
        let mut desk = self.desk.lock().await;
        if let Some(token) = fresh() {
            return Ok(token);
        }
        match self.ask(&mut desk).await {
            Ok(token) => {
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                Ok(token)
            }
            Err(unready) => {
                let left = |token: &Token| Instant::now() + LEFT_MIN < token.valid_until;
                self.kept().filter(left).ok_or(unready)
            }
        }
    }

    /// The provider refused this token: the next one who needs one asks anew.
    pub(super) fn drop_refused(&self, token: &Token) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| kept.number == token.number) {
            *kept = None;
        }
    }

    fn kept(&self) -> Option<Token> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self, desk: &mut Desk) -> Result<Token, Unready> {
        desk.read_again(&self.jwt);
        let unsigned = |text: String| before_send(text, vec![Signal::Block(BlockCause::Credentials)]);
        let key = desk.key().ok_or_else(|| unsigned("there is no private key".to_owned()))?;
        let assertion = assertion(&self.jwt, &key).map_err(|error| unsigned(error.to_string()))?;
        // Keeps the assertion out of the record.
        let guard = Credentials::bearer(&assertion).map_err(|error| unsigned(error.to_string()))?;
        let asked = Instant::now();
        let body = Serializer::new(String::new())
            .append_pair("grant_type", GRANT)
            .append_pair("assertion", assertion.expose_secret())
            .finish();
        let call = Call {
            method: Method::POST,
            url: self.url.clone(),
            url_template: TEMPLATE,
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(JSON))]),
            body: Some((FORM, body.into_bytes())),
            read: self.read,
            resend_count: 0,
            keep: &[],
        };
        let exchange = self.http.exchange(call).await;
        let reply = match exchange.outcome {
            Outcome::Answered(reply) => reply,
            Outcome::NotConnected | Outcome::Broken(_) => {
                let evidence = exchange.evidence;
                return Err(Unready { evidence, signals: vec![Signal::Trouble] });
            }
        };
        if !(200..300).contains(&reply.status) {
            return Err(desk.refusal(&reply, &guard));
        }
        match granted(&reply.body) {
            Ok((credentials, lifetime)) => {
                desk.refused = 0;
                desk.count += 1;
                let margin = MARGIN.min(lifetime / 4);
                let valid_until = asked + lifetime;
                let fresh_until = asked + lifetime.saturating_sub(margin);
                Ok(Token { credentials, number: desk.count, fresh_until, valid_until })
            }
            Err(text) => {
                let text = Some(format!("the answer to the wish for a token: {text}"));
                let evidence = evidence(&reply, Some(FailurePhase::Parse), None, text);
                Err(Unready { evidence, signals: vec![Signal::Trouble] })
            }
        }
    }
}

impl Desk {
    /// Takes up keys that were exchanged. Keys that cannot be read change nothing: the old ones may still do.
    fn read_again(&mut self, jwt: &Jwt) {
        let Ok(pem) = jwt.keys.read() else { return };
        if pem.expose_secret() == self.pem.expose_secret() {
            return;
        }
        if let Ok(keys) = keys(&pem) {
            self.keys = keys.into_iter().map(Arc::new).collect();
            self.pem = pem;
            self.turn = 0;
            self.refused = 0;
        }
    }

    fn key(&self) -> Option<Arc<Key>> {
        let turn = self.turn.checked_rem(self.keys.len())?;
        self.keys.get(turn).cloned()
    }

    /// An answer that is no token. The account is blocked once every key was refused.
    fn refusal(&mut self, reply: &Reply, guard: &Credentials) -> Unready {
        let error: Option<ErrorReply> = json::decode(&reply.body).ok();
        let quiet = reply.retry_after.map(Signal::Throttle);
        let is_known = error.as_ref().is_some_and(|error| json::text(error.error.as_ref()).is_some());
        let signals = match (reply.status, is_known) {
            (400, true) | (401, _) => {
                self.turn = self.turn.wrapping_add(1);
                self.refused = self.refused.saturating_add(1);
                let all_refused = self.refused >= self.keys.len();
                if all_refused { vec![Signal::Block(BlockCause::Credentials)] } else { Vec::new() }
            }
            (403, _) => vec![Signal::Block(BlockCause::Permission)],
            (404 | 405 | 415, _) => vec![Signal::Block(BlockCause::Configuration)],
            (429, _) => vec![quiet.unwrap_or(Signal::Throttle(QUIET))],
            (_, _) => [Signal::Trouble].into_iter().chain(quiet).collect(),
        };
        let clean = |text: Option<String>| text.map(|text| guard.clean(&text));
        let code = error.as_ref().and_then(|error| json::text(error.error.as_ref()));
        let text = error.as_ref().and_then(|error| json::text(error.error_description.as_ref()));
        let text = clean(text).or_else(|| Some("the wish for a token was refused".to_owned()));
        Unready { evidence: evidence(reply, None, clean(code), text), signals }
    }
}

/// How long there is quiet after a 429 that does not say how long. \[assumed]
const QUIET: Duration = Duration::from_secs(30);

/// The answer to the wish for a token (RFC 6749). \[assumed]
#[derive(Deserialize)]
struct TokenReply {
    access_token: SecretString,
    token_type: Option<String>,
    expires_in: Option<Value>,
}

/// An error of the token endpoint (RFC 6749). \[assumed]
#[derive(Deserialize)]
struct ErrorReply {
    error: Option<Value>,
    error_description: Option<Value>,
}

fn granted(body: &[u8]) -> Result<(Credentials, Duration), String> {
    let reply: TokenReply = json::decode(body)?;
    if reply.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("not a bearer token".to_owned());
    }
    let seconds = match reply.expires_in {
        None | Some(Value::Null) => LIFETIME_S,
        Some(value) => {
            let seconds = json::text(Some(&value)).and_then(|text| text.parse::<u64>().ok());
            seconds.filter(|seconds| *seconds > 0).ok_or("expires_in is no time")?
        }
    };
    let credentials = Credentials::bearer(&reply.access_token).map_err(|error| error.to_string())?;
    Ok((credentials, Duration::from_secs(seconds.min(LIFETIME_S_MAX))))
}

fn evidence(
    reply: &Reply,
    phase: Option<FailurePhase>,
    provider_code: Option<String>,
    provider_text: Option<String>,
) -> Evidence {
    Evidence { phase, http_status: Some(reply.status), provider_code, provider_text, correlation_id: None }
}

fn before_send(text: String, signals: Vec<Signal>) -> Unready {
    let evidence =
        Evidence { phase: Some(FailurePhase::BeforeSend), provider_text: Some(text), ..Evidence::default() };
    Unready { evidence, signals }
}
