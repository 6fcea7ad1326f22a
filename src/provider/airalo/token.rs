//! The token: fetched one at a time, kept until shortly before its end, dropped when it is refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::form_urlencoded;

use super::super::Unready;
use super::super::http::{Credentials, Reply};
use super::super::json::{decode, text, whole};
use super::table::{self, Refused};
use super::wire::{Enveloped, Grant};
use super::{classify, evidence};
use crate::domain::answer::{FailurePhase, Signal};

/// The media type of a token call. \[doc]
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// How long a token is kept whose answer does not say: the least that one of the provider's own libraries
/// keeps any. \[assumed]
const UNTOLD_LIFETIME: Duration = Duration::from_hours(1);

/// How long an account keeps quiet after a token call's 429 that does not say how long: the window of 3
/// calls per minute. \[doc]
const QUIET: Duration = Duration::from_mins(1);

/// A token, and until when it is good.
#[derive(Debug)]
pub(super) struct Token {
    /// As a header, and as something that no record may hold.
    pub(super) credentials: Credentials,
    /// From here on a new one is fetched before a send.
    stale_at: Instant,
    /// From here on it is not used.
    ends_at: Instant,
}

/// The token of an account.
#[derive(Debug)]
pub(super) struct Tokens {
    lifetime_max: Duration,
    margin: Duration,
    cached: Mutex<Option<Arc<Token>>>,
    /// Held while one is fetched; remembers when the last fetch failed and how.
    fetching: tokio::sync::Mutex<Option<(Instant, Unready)>>,
}

impl Tokens {
    /// Keeps tokens for `lifetime_max` at most, and fetches a new one `margin` before the end.
    pub(super) fn new(lifetime_max: Duration, margin: Duration) -> Self {
        Self { lifetime_max, margin, cached: Mutex::new(None), fetching: tokio::sync::Mutex::new(None) }
    }

    /// The token in hand, while it is good.
    pub(super) fn current(&self) -> Option<Arc<Token>> {
        self.cached().clone().filter(|token| Instant::now() < token.ends_at)
    }

    /// A token that is not about to end: the one in hand, or what `fetch` brings. Who waits for another's
    /// fetch shares its failure, so that a provider in trouble is not asked once for each waiting send.
    pub(super) async fn fresh(
        &self,
        fetch: impl Future<Output = Result<Token, Unready>>,
    ) -> Result<Arc<Token>, Unready> {
        let asked_at = Instant::now();
        if let Some(token) = self.not_stale() {
            return Ok(token);
        }
        let mut failed = self.fetching.lock().await;
        if let Some(token) = self.not_stale() {
            return Ok(token);
        }
        if let Some((_, unready)) = failed.as_ref().filter(|(at, _)| *at >= asked_at) {
            return Err(unready.clone());
        }
        match fetch.await {
            Ok(token) => {
                let token = Arc::new(token);
                *self.cached() = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(unready) => {
                *failed = Some((Instant::now(), unready.clone()));
                Err(unready)
            }
        }
    }

    /// Forgets a token that was refused, unless a newer one took its place.
    pub(super) fn forget(&self, refused: &Arc<Token>) {
        let mut cached = self.cached();
        if cached.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            *cached = None;
        }
    }

    /// The token that a 200 is, or why it is none.
    pub(super) fn read(&self, reply: &Reply, secret: &SecretString) -> Result<Token, String> {
        let Enveloped { data: grant } = decode::<Enveloped<Grant>>(&reply.body)?;
        let kind = grant.token_type.as_ref().and_then(text);
        if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err("the token is no bearer token".to_owned());
        }
        let told = grant.expires_in.as_ref().and_then(whole).map(Duration::from_secs);
        let lifetime = told.unwrap_or(UNTOLD_LIFETIME).min(self.lifetime_max);
        if lifetime.is_zero() {
            return Err("the token has expired already".to_owned());
        }
        let credentials = Credentials::bearer(&SecretString::from(grant.access_token))
            .map_err(|_| "the token cannot be sent".to_owned())?
            .guarding(secret);
        let now = Instant::now();
        // A token that lives no longer than the margin would be fetched anew for every send.
        let margin = self.margin.min(lifetime / 2);
        Ok(Token { credentials, stale_at: now + lifetime.saturating_sub(margin), ends_at: now + lifetime })
    }

    fn not_stale(&self) -> Option<Arc<Token>> {
        self.cached().clone().filter(|token| Instant::now() < token.stale_at)
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, Option<Arc<Token>>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a token call. \[doc]
pub(super) fn request(client_id: &str, secret: &SecretString) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("client_id", client_id);
    form.append_pair("client_secret", secret.expose_secret());
    form.append_pair("grant_type", "client_credentials");
    form.finish().into_bytes()
}

/// What an answer that brought no token tells. No refund was asked for, so that only the account is
/// concerned.
pub(super) fn unready(reply: &Reply, why: Option<String>, guard: &Credentials) -> Unready {
    if let Some(why) = why {
        let evidence = evidence(reply, Some(FailurePhase::Parse), Some(why), guard);
        return Unready { evidence, signals: vec![Signal::Trouble] };
    }
    let said = super::wire::Said::read(&reply.body);
    let refused = table::token_refused(reply.status, said.as_ref());
    let (phase, signal) = match refused {
        Refused::Blocked(cause) => (None, Signal::Block(cause)),
        Refused::Throttled => {
            (Some(FailurePhase::NotNow), Signal::Throttle(reply.retry_after.unwrap_or(QUIET)))
        }
        Refused::NotNow => (Some(FailurePhase::NotNow), Signal::Trouble),
        Refused::Unlisted => (Some(FailurePhase::Parse), Signal::Trouble),
    };
    Unready {
        evidence: classify::refusal_evidence(reply, phase, said.as_ref(), guard),
        signals: vec![signal],
    }
}
