//! Airalo's Partner API: `POST /v2/refund` with up to five eSIMs, a token by `POST /v2/token`, and orders
//! read back.
//!
//! A 202 says that people will look at it; no answer of Airalo's says what they decided. There is no key:
//! nothing is sent twice. What can be seen later is that the status of an order changed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use self::classify::Rules;
use self::form::{Form, NOT_ESIMS, Unfit};
use self::token::{Token, Tokens};
use super::http::{BaseUrl, Call, Credentials, Exchange, HttpClient, JSON, Outcome, Reply, header_value};
use super::reversal::TakenBack;
use super::{Error, Provider, Unready};
use crate::domain::answer::{Answer, Evidence, Face, FailurePhase, Finding, LookupAnswer, Signal};
use crate::domain::id::Iccid;
use crate::domain::reason::FailureReason;
use crate::domain::refund::Refund;
use crate::domain::sight::Sight;

mod assumed;
mod classify;
mod form;
mod orders;
mod reason;
mod settings;
mod table;
mod token;
mod wire;

#[cfg(test)]
mod tests;

pub use assumed::ASSUMED;
pub use reason::reasons_to_markdown;
pub use settings::{
    CONNECT, ICCIDS_PER_CALL_MAX, LOOKUP_READ, QUIET, READ, Settings, TOKEN_LIFETIME, TOKEN_MARGIN,
    capabilities,
};
pub use table::{answers_to_markdown, token_answers_to_markdown};

const SEND_PATH: [&str; 2] = ["v2", "refund"];
const TOKEN_PATH: [&str; 2] = ["v2", "token"];
const ORDERS_PATH: [&str; 2] = ["v2", "orders"];
const URL_HEADER: HeaderName = HeaderName::from_static("url");

/// The client of one account.
#[derive(Debug)]
pub struct Airalo {
    http: HttpClient,
    base: BaseUrl,
    url_header: HeaderValue,
    client_id: String,
    client_secret: SecretString,
    /// Guards what is said of a token call; never sent as it is.
    secret_guard: Credentials,
    tokens: Tokens,
    read: Duration,
    lookup_read: Duration,
    quiet: Duration,
    batch_422_atomic: bool,
}

impl Airalo {
    /// Builds the client; calls nobody.
    ///
    /// # Errors
    /// A setting that cannot work: see [`Error`].
    pub fn new(settings: Settings) -> Result<Self, Error> {
        for (name, limit) in [
            ("read", settings.read),
            ("lookup_read", settings.lookup_read),
            ("token_lifetime_max", settings.token_lifetime_max),
        ] {
            if limit.is_zero() {
                return Err(Error::Limit(name));
            }
        }
        if settings.client_id.is_empty() {
            return Err(Error::Merchant("is empty"));
        }
        if settings.client_secret.expose_secret().is_empty() {
            return Err(Error::Secret);
        }
        Ok(Self {
            http: HttpClient::new(settings.connect, &settings.user_agent)?,
            url_header: header_value(&URL_HEADER, settings.base_url.as_str().trim_end_matches('/'))?,
            base: BaseUrl::new(settings.base_url)?,
            secret_guard: Credentials::bearer(&settings.client_secret)?,
            client_id: settings.client_id,
            client_secret: settings.client_secret,
            tokens: Tokens::new(settings.token_lifetime_max, settings.token_margin),
            read: settings.read,
            lookup_read: settings.lookup_read,
            quiet: settings.quiet,
            batch_422_atomic: settings.batch_422_atomic,
        })
    }

    fn rules<'a>(&self, token: &'a Token) -> Rules<'a> {
        Rules { atomic: self.batch_422_atomic, quiet: self.quiet, guard: &token.credentials }
    }

    async fn token(&self) -> Result<Arc<Token>, Unready> {
        self.tokens.fresh(self.fetch_token()).await
    }

    async fn fetch_token(&self) -> Result<Token, Unready> {
        let Some(url) = self.base.below(&TOKEN_PATH) else { return Err(no_url()) };
        let call = Call {
            method: Method::POST,
            url,
            url_template: "/v2/token",
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(JSON))]),
            body: Some((token::FORM, token::request(&self.client_id, &self.client_secret))),
            read: self.lookup_read,
            resend_count: 0,
            keep: classify::KEPT_HEADERS,
        };
        let exchange = self.http.exchange(call).await;
        match exchange.outcome {
            Outcome::Answered(reply) if reply.status == 200 => self
                .tokens
                .read(&reply, &self.client_secret)
                .map_err(|why| token::unready(&reply, Some(why), &self.secret_guard)),
            Outcome::Answered(reply) => Err(token::unready(&reply, None, &self.secret_guard)),
            Outcome::NotConnected | Outcome::Broken(_) => {
                Err(Unready { evidence: exchange.evidence, signals: vec![Signal::Trouble] })
            }
        }
    }

    /// One call with the token, which is forgotten if it is refused.
    async fn exchange(&self, call: Call<'_>, token: &Arc<Token>) -> Exchange {
        let exchange = self.http.exchange(call).await;
        if matches!(&exchange.outcome, Outcome::Answered(Reply { status: 401, .. })) {
            self.tokens.forget(token);
        }
        exchange
    }

    async fn post_refund(&self, url: Url, form: Form, resend_count: u32, token: &Arc<Token>) -> Exchange {
        let keep = classify::KEPT_HEADERS;
        let mut call = Call::new(url, "/v2/refund", &token.credentials, self.read, keep);
        call.headers.insert(URL_HEADER, self.url_header.clone());
        let call = call.posting(&form.media_type, form.body, resend_count);
        self.exchange(call, token).await
    }

    async fn get_orders(&self, iccid: &Iccid, mut url: Url, token: &Arc<Token>) -> Exchange {
        url.query_pairs_mut()
            .append_pair("filter[iccid]", iccid.as_str())
            .append_pair("include", "sims,status")
            .append_pair("limit", &orders::PAGE_ORDERS_MAX.to_string());
        let keep = classify::KEPT_HEADERS;
        let call = Call::new(url, "/v2/orders", &token.credentials, self.lookup_read, keep);
        self.exchange(call, token).await
    }
}

#[async_trait]
impl Provider for Airalo {
    async fn prepare(&self) -> Option<Unready> {
        self.token().await.err()
    }

    async fn send(&self, refunds: &[Refund], resend_count: u32) -> Answer {
        let form = match form::form_of(refunds) {
            Ok(form) => form,
            Err(Unfit::Call(text)) => return unsent(refunds, refunds.len() > 1, text),
            Err(Unfit::Refunds(text)) => {
                return Answer::never_sent(refunds.len(), FailureReason::RequestRejected, &text);
            }
        };
        let Some(url) = self.base.below(&SEND_PATH) else { return unsent(refunds, false, NO_URL) };
        // A fetch here would let the slot grow old: the next attempt prepares anew.
        let Some(token) = self.tokens.current() else {
            return unsent(refunds, false, "there is no token in hand");
        };
        let exchange = self.post_refund(url, form, resend_count, &token).await;
        let all = |face: Face| vec![face; refunds.len()];
        let (evidence, signals) = (exchange.evidence, vec![Signal::Trouble]);
        match exchange.outcome {
            Outcome::Answered(reply) => classify::answer(&reply, refunds, self.rules(&token)),
            Outcome::NotConnected => Answer::to_all(all(Face::NotSent { alone: false }), evidence, signals),
            Outcome::Broken(_) => Answer::to_all(all(Face::Unknown), evidence, signals),
        }
    }

    async fn look_up(&self, refund: &Refund) -> LookupAnswer {
        let iccids = refund.content.iccids();
        if iccids.is_empty() {
            return LookupAnswer::nothing(Evidence::before_send(NOT_ESIMS), Vec::new());
        }
        let Some(url) = self.base.below(&ORDERS_PATH) else {
            return LookupAnswer::nothing(Evidence::before_send(NO_URL), Vec::new());
        };
        let mut seen = Vec::with_capacity(iccids.len());
        let mut last = Evidence::default();
        for iccid in iccids {
            let token = match self.token().await {
                Ok(token) => token,
                Err(Unready { evidence, signals }) => return LookupAnswer::nothing(evidence, signals),
            };
            let exchange = self.get_orders(iccid, url.clone(), &token).await;
            let reply = match exchange.outcome {
                Outcome::Answered(reply) => reply,
                Outcome::NotConnected | Outcome::Broken(_) => {
                    return LookupAnswer::nothing(exchange.evidence, vec![Signal::Trouble]);
                }
            };
            if reply.status != 200 {
                return classify::lookup_refusal(&reply, self.rules(&token));
            }
            match orders::read(&reply.body, iccid, &token.credentials) {
                Ok(sight) => seen.push(sight),
                Err(text) => {
                    let phase = Some(FailurePhase::Parse);
                    let evidence = evidence(&reply, phase, Some(text), &token.credentials);
                    return LookupAnswer::nothing(evidence, vec![Signal::Trouble]);
                }
            }
            last = evidence(&reply, None, None, &token.credentials);
        }
        let (finding, text) = match orders::taken_back(refund, &seen) {
            TakenBack::Whole(reversal) => {
                last.provider_code.clone_from(&reversal.provider_code);
                let text = reversal.text.clone();
                (Finding::Reversed(reversal), Some(text))
            }
            TakenBack::Part(text) => (orders::finding(refund, &seen), Some(text)),
            TakenBack::Nothing => (orders::finding(refund, &seen), None),
        };
        let evidence = Evidence { provider_text: text, ..last };
        LookupAnswer { sight: Sight::Esims(seen), finding, evidence, signals: vec![Signal::Healthy] }
    }
}

const NO_URL: &str = "the base URL has no paths below it";

fn unsent(refunds: &[Refund], alone: bool, text: &str) -> Answer {
    let faces = vec![Face::NotSent { alone }; refunds.len()];
    Answer::to_all(faces, Evidence::before_send(text), Vec::new())
}

fn no_url() -> Unready {
    Unready { evidence: Evidence::before_send(NO_URL), signals: Vec::new() }
}

/// The record of an answer.
fn evidence(
    reply: &Reply,
    phase: Option<FailurePhase>,
    text: Option<String>,
    guard: &Credentials,
) -> Evidence {
    Evidence {
        phase,
        http_status: Some(reply.status),
        provider_code: None,
        provider_text: text.map(|text| guard.clean(&text)),
        correlation_id: classify::correlation(reply).map(|id| guard.clean_id(id)),
    }
}
