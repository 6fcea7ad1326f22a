//! Moyasar Payment Gateway: `POST /v1/orders/{id}/refund`, and the order read back.
//!
//! Both answer with the order. A refund of ours is the transaction of it whose id is the `transaction_id`
//! that was sent; what the HTTP status says of it is only that it was attempted.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use super::http::{BaseUrl, Call, Credentials, HttpClient, JSON, Outcome};
use super::{Error, Provider};
use crate::domain::account::{Capabilities, KeyProof, MoneyUnit, TargetShape};
use crate::domain::answer::{Answer, Evidence, Face, Finding, LookupAnswer, Signal};
use crate::domain::reason::FailureReason;
use crate::domain::refund::Refund;
use crate::domain::sight::Sight;

mod assumed;
mod classify;
mod fate;
mod order;
mod table;
mod wire;

#[cfg(test)]
mod tests;

pub use assumed::ASSUMED;
pub use fate::fates_to_markdown;
pub use table::answers_to_markdown;

/// How long a connection may take. \[assumed]
pub const CONNECT: Duration = Duration::from_secs(10);
/// How long the answer to a refund may take: the provider waits for the scheme, and for an earlier
/// request with the same id. \[assumed]
pub const READ: Duration = Duration::from_mins(1);
/// How long the answer to a lookup may take. \[assumed]
pub const LOOKUP_READ: Duration = Duration::from_secs(20);
/// How long the same key may be sent again. The provider forgets no id, since it is the transaction's
/// own; the window only says how long a machine may go on. \[infer]
pub const RESEND_WINDOW: Duration = Duration::from_hours(24);
/// The largest amount of one refund, in minor units. \[doc]
pub const AMOUNT_MINOR_MAX: i64 = 100_000_000;

const SEND_TEMPLATE: &str = "/v1/orders/{id}/refund";
const LOOKUP_TEMPLATE: &str = "/v1/orders/{id}";
const USER_AGENT: &str = concat!("refunds/", env!("CARGO_PKG_VERSION"), " (rust)");

/// An account at Moyasar, as configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where its requests go, such as `https://pg.moyasar.com`.
    pub base_url: Url,
    /// The merchant's API key.
    pub secret: SecretString,
    /// How long a connection may take; see [`CONNECT`].
    pub connect: Duration,
    /// How long the answer to a refund may take; see [`READ`].
    pub read: Duration,
    /// How long the answer to a lookup may take; see [`LOOKUP_READ`].
    pub lookup_read: Duration,
    /// How long the same key may be sent again; see [`RESEND_WINDOW`].
    pub resend_window: Duration,
}

impl Settings {
    /// Settings with the limits of this client.
    pub fn new(base_url: Url, secret: SecretString) -> Self {
        Self {
            base_url,
            secret,
            connect: CONNECT,
            read: READ,
            lookup_read: LOOKUP_READ,
            resend_window: RESEND_WINDOW,
        }
    }
}

/// What an account with these settings can do.
pub fn capabilities(settings: &Settings) -> Capabilities {
    Capabilities {
        shape: TargetShape::Payment,
        key: KeyProof::OnceEchoed,
        resend_window: Some(settings.resend_window),
        lookup: true,
        echoes_key: true,
        absence_proves_refusal: false,
        shows_reversals: true,
        person_reviews: false,
        partial: true,
        several_per_order: true,
        takes_transaction_id: false,
        batch_max: 1,
        currencies: None,
        refund_window: None,
        unit: MoneyUnit::Minor,
        amount_minor_max: Some(AMOUNT_MINOR_MAX),
        reasons: None,
    }
}

/// The client of one account.
#[derive(Debug)]
pub struct Moyasar {
    http: HttpClient,
    base: BaseUrl,
    credentials: Credentials,
    read: Duration,
    lookup_read: Duration,
}

impl Moyasar {
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
            http: HttpClient::new(settings.connect, USER_AGENT)?,
            credentials: Credentials::bearer(&settings.secret)?,
            base: BaseUrl::new(settings.base_url)?,
            read: settings.read,
            lookup_read: settings.lookup_read,
        })
    }
}

#[async_trait]
impl Provider for Moyasar {
    async fn send(&self, refunds: &[Refund], resend_count: u32) -> Answer {
        let [refund] = refunds else {
            return Answer::unsent(refunds.len(), "Moyasar takes one refund in a call");
        };
        let Some(payment) = refund.content.payment() else {
            return Answer::unsent(1, "Moyasar refunds payments");
        };
        if payment.amount.minor() > AMOUNT_MINOR_MAX {
            let text = format!("Moyasar takes at most {AMOUNT_MINOR_MAX} minor units in one refund");
            return Answer::never_sent(1, FailureReason::RequestRejected, &text);
        }
        let Some(url) = self.base.below(&["v1", "orders", payment.order_id.as_str(), "refund"]) else {
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
        let Some(payment) = refund.content.payment() else {
            return LookupAnswer::nothing(Evidence::before_send("Moyasar refunds payments"), Vec::new());
        };
        let Some(url) = self.base.below(&["v1", "orders", payment.order_id.as_str()]) else {
            let evidence = Evidence::before_send("no order has such an id");
            let (sight, finding) = (Sight::NoOrder, Finding::Absent);
            return LookupAnswer { sight, finding, evidence, signals: Vec::new() };
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
