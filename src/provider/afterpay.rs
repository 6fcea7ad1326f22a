//! Afterpay (Clearpay in the United Kingdom): `POST /v2/payments/{orderId}/refund`, and the payment read
//! back.
//!
//! A refund is done when the 201 comes: there is no pending state, no refund of its own to read, and no
//! webhook.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use super::http::{BaseUrl, Call, Credentials, HttpClient, JSON, Outcome};
use super::{Error, Provider};
use crate::domain::account::{Capabilities, KeyProof, MoneyUnit, TargetShape};
use crate::domain::answer::{Answer, Evidence, Face, Finding, LookupAnswer, Signal};
use crate::domain::id::ProviderKey;
use crate::domain::money::Currency;
use crate::domain::reason::FailureReason;
use crate::domain::refund::Refund;
use crate::domain::sight::Sight;

mod assumed;
mod classify;
mod snapshot;
mod table;
mod wire;

#[cfg(test)]
mod tests;

pub use assumed::ASSUMED;
pub use table::answers_to_markdown;

/// The provider's own limit to open a connection. \[contract]
pub const CONNECT: Duration = Duration::from_secs(10);
/// The provider's own limit to read the answer to a POST. \[contract]
pub const READ: Duration = Duration::from_secs(70);
/// The provider's own limit to read the answer to a GET. \[doc]
pub const LOOKUP_READ: Duration = Duration::from_secs(20);
/// How long the same key may be sent again: an hour less than the least that the provider promises. \[doc]
pub const RESEND_WINDOW: Duration = Duration::from_hours(23);
/// How long after the purchase a refund is taken. \[contract]
pub const REFUND_WINDOW: Duration = Duration::from_hours(120 * 24);
/// The currencies that the provider's documents name; an account has one of them. \[doc]
pub const CURRENCIES: [&str; 6] = ["AUD", "NZD", "USD", "CAD", "GBP", "EUR"];

const SEND_TEMPLATE: &str = "/v2/payments/{orderId}/refund";
const LOOKUP_TEMPLATE: &str = "/v2/payments/{orderId}";

/// An account at Afterpay, as configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where its requests go, such as `https://global-api.afterpay.com`.
    pub base_url: Url,
    /// The merchant id, the user of the Basic credentials.
    pub merchant: String,
    /// The secret key.
    pub secret: SecretString,
    /// How long a connection may take; see [`CONNECT`].
    pub connect: Duration,
    /// How long the answer to a refund may take; see [`READ`].
    pub read: Duration,
    /// How long the answer to a lookup may take; see [`LOOKUP_READ`].
    pub lookup_read: Duration,
    /// `User-Agent`, which the provider demands: `Module/1.0 (Platform/1.0; Merchant/600032000)
    /// https://shop.example`.
    pub user_agent: String,
    /// How long the same key may be sent again; see [`RESEND_WINDOW`].
    pub resend_window: Duration,
    /// How long after the purchase a refund is taken; see [`REFUND_WINDOW`].
    pub refund_window: Duration,
    /// The currencies of the account; see [`CURRENCIES`].
    pub currencies: Vec<Currency>,
}

impl Settings {
    /// Settings with the contract's own limits.
    pub fn new(base_url: Url, merchant: String, secret: SecretString, user_agent: String) -> Self {
        Self {
            base_url,
            merchant,
            secret,
            connect: CONNECT,
            read: READ,
            lookup_read: LOOKUP_READ,
            user_agent,
            resend_window: RESEND_WINDOW,
            refund_window: REFUND_WINDOW,
            currencies: CURRENCIES.iter().filter_map(|code| Currency::parse(code).ok()).collect(),
        }
    }
}

/// What an account with these settings can do.
pub fn capabilities(settings: &Settings) -> Capabilities {
    Capabilities {
        shape: TargetShape::Payment,
        key: KeyProof::ByDocuments,
        resend_window: Some(settings.resend_window),
        lookup: true,
        echoes_key: true,
        absence_proves_refusal: true,
        shows_reversals: false,
        person_reviews: false,
        partial: true,
        several_per_order: true,
        takes_transaction_id: false,
        batch_max: 1,
        currencies: Some(settings.currencies.clone()),
        refund_window: Some(settings.refund_window),
        unit: MoneyUnit::Major,
        amount_minor_max: None,
        reasons: None,
    }
}

/// The `User-Agent` of an account, in the form that the provider asks for: module, platform with merchant,
/// site. \[doc]
pub fn user_agent(merchant: &str, site_url: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("refunds/{version} (rust; Merchant/{merchant}) {site_url}")
}

/// The client of one account.
#[derive(Debug)]
pub struct Afterpay {
    http: HttpClient,
    base: BaseUrl,
    credentials: Credentials,
    read: Duration,
    lookup_read: Duration,
}

impl Afterpay {
    /// Builds the client; calls nobody.
    ///
    /// # Errors
    /// A setting that cannot work: see [`Error`].
    pub fn new(settings: Settings) -> Result<Self, Error> {
        for (name, limit) in [("read", settings.read), ("lookup_read", settings.lookup_read)] {
            if limit.is_zero() {
                return Err(Error::Limit(name));
            }
        }
        Ok(Self {
            http: HttpClient::new(settings.connect, &settings.user_agent)?,
            credentials: Credentials::basic(&settings.merchant, &settings.secret)?,
            base: BaseUrl::new(settings.base_url)?,
            read: settings.read,
            lookup_read: settings.lookup_read,
        })
    }
}

#[async_trait]
impl Provider for Afterpay {
    async fn send(&self, refunds: &[Refund], resend_count: u32) -> Answer {
        let [refund] = refunds else {
            return Answer::unsent(refunds.len(), "Afterpay takes one refund in a call");
        };
        let Some(payment) = refund.content.payment() else {
            return Answer::unsent(1, "Afterpay refunds payments");
        };
        let Some(url) = self.base.below(&["v2", "payments", payment.order_id.as_str(), "refund"]) else {
            let text = format!("no order can have the id \"{}\"", payment.order_id);
            return Answer::never_sent(1, FailureReason::OrderNotFound, &text);
        };
        let Ok(body) = wire::refund_request(refund, payment) else {
            return Answer::unsent(1, "the request could not be written");
        };
        let call = Call::new(url, SEND_TEMPLATE, &self.credentials, self.read, classify::KEPT_HEADERS);
        let exchange = self.http.exchange(call.posting(JSON, body, resend_count)).await;
        match exchange.outcome {
            Outcome::Answered(reply) => classify::answer(&reply, refund, payment, &self.credentials),
            Outcome::NotConnected => {
                Answer::to_one(Face::NotSent { alone: false }, exchange.evidence, vec![Signal::Trouble])
            }
            Outcome::Broken(_) => Answer::to_one(Face::Unknown, exchange.evidence, vec![Signal::Trouble]),
        }
    }

    async fn look_up(&self, refund: &Refund) -> LookupAnswer {
        let nothing = |text: &str| LookupAnswer::nothing(Evidence::before_send(text), Vec::new());
        let Some(payment) = refund.content.payment() else {
            return nothing("Afterpay refunds payments");
        };
        let Some(url) = self.base.below(&["v2", "payments", payment.order_id.as_str()]) else {
            let answer = nothing("no order has such an id");
            return LookupAnswer { sight: Sight::NoOrder, finding: Finding::Absent, ..answer };
        };
        let (read, keep) = (self.lookup_read, classify::KEPT_HEADERS);
        let exchange =
            self.http.exchange(Call::new(url, LOOKUP_TEMPLATE, &self.credentials, read, keep)).await;
        match exchange.outcome {
            Outcome::Answered(reply) => classify::lookup_answer(&reply, refund, payment, &self.credentials),
            Outcome::NotConnected | Outcome::Broken(_) => {
                LookupAnswer::nothing(exchange.evidence, vec![Signal::Trouble])
            }
        }
    }
}

/// The `merchantReference` that goes with a key: the same text again, so that it fits the strictest of the
/// documented limits (64 characters) and so that the pair, which together makes a resend safe, is the same
/// for ever.
fn merchant_reference(key: ProviderKey) -> String {
    key.to_string()
}
