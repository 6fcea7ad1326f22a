//! Worldline One Commerce Hub: `POST /api/v2/merchants/{mid}/orders/{orderId}/refunds`, and the order read
//! back.
//!
//! An answer is the whole order. It names no key, so that ours are those transactions that were not there
//! before the first send. A transaction may wait for a bank or a person; it is then followed by its id.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, TRANSFER_ENCODING,
    USER_AGENT,
};
use url::Url;

use super::http::{BaseUrl, Call, Credentials, Exchange, HttpClient, JSON, Outcome, header_value};
use super::{Error, Provider, Unready};
use crate::domain::account::{Capabilities, KeyProof, MoneyUnit, TargetShape};
use crate::domain::answer::{Answer, Evidence, Face, Finding, LookupAnswer, Signal};
use crate::domain::content::Payment;
use crate::domain::reason::FailureReason;
use crate::domain::refund::Refund;
use crate::domain::sight::Sight;

mod assertion;
mod assumed;
mod classify;
mod codes;
mod order;
mod reversal;
mod settings;
mod table;
mod token;
mod transaction;
mod wire;

#[cfg(test)]
mod tests;

pub use assumed::ASSUMED;
pub use codes::codes_to_markdown;
pub use settings::{
    ASSERTION_LIFETIME, AUDIENCE, Algorithm, Auth, Jwt, Keys, Now, RequestIdPlace, SCOPE, Settings,
};
pub use table::answers_to_markdown;

use classify::Asked;
use token::{Token, Tokens};

/// How long a connection may take. \[assumed]
pub const CONNECT: Duration = Duration::from_secs(10);
/// How long the answer to a refund may take: the provider itself waits up to 59 s for a bank. \[doc]
pub const READ: Duration = Duration::from_secs(65);
/// How long the answer to a lookup may take. \[assumed]
pub const LOOKUP_READ: Duration = Duration::from_secs(20);
/// How long the same key may be sent again, once it is confirmed; the provider names no limit. \[assumed]
pub const RESEND_WINDOW: Duration = Duration::from_hours(1);

const SEND_TEMPLATE: &str = "/api/v2/merchants/{mid}/orders/{orderId}/refunds";
const LOOKUP_TEMPLATE: &str = "/api/v2/merchants/{mid}/orders/{orderId}";

/// What an account with these settings can do.
pub fn capabilities(settings: &Settings) -> Capabilities {
    Capabilities {
        shape: TargetShape::Payment,
        key: KeyProof::WhenConfirmed(settings.request_id_confirmed),
        resend_window: Some(settings.resend_window),
        lookup: true,
        echoes_key: false,
        absence_proves_refusal: false,
        shows_reversals: true,
        person_reviews: false,
        partial: true,
        several_per_order: true,
        takes_transaction_id: true,
        batch_max: 1,
        currencies: None,
        refund_window: None,
        unit: MoneyUnit::Major,
        amount_minor_max: None,
        reasons: None,
    }
}

/// The client of one account.
#[derive(Debug)]
pub struct Worldline {
    http: HttpClient,
    base: BaseUrl,
    merchant: String,
    access: Access,
    place: RequestIdPlace,
    request_id_header: Option<HeaderName>,
    confirmed: bool,
    read: Duration,
    lookup_read: Duration,
}

#[derive(Debug)]
enum Access {
    Fixed(Credentials),
    Tokens(Box<Tokens>),
}

/// What one call proves itself with.
enum Pass {
    Fixed(Credentials),
    Token(Token),
}

impl Pass {
    fn credentials(&self) -> &Credentials {
        match self {
            Self::Fixed(credentials) => credentials,
            Self::Token(token) => &token.credentials,
        }
    }
}

impl Worldline {
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
        // The provider's type is a signed 64-bit number. [doc]
        if !settings.merchant.parse::<i64>().is_ok_and(|mid| mid.to_string() == settings.merchant && mid > 0)
        {
            return Err(Error::Merchant("is not a number above zero"));
        }
        let request_id_header = match &settings.request_id_place {
            RequestIdPlace::Header(name) => Some(free_header(name)?),
            RequestIdPlace::Body | RequestIdPlace::Amount => None,
        };
        let agent = format!("refunds/{}", env!("CARGO_PKG_VERSION"));
        let http = HttpClient::new(settings.connect, &agent)?;
        let base = BaseUrl::new(settings.base_url)?;
        let access = match settings.auth {
            Auth::Bearer(token) => Access::Fixed(Credentials::bearer(&token)?),
            Auth::Jwt(jwt) => {
                let url = match &jwt.token_url {
                    Some(url) => BaseUrl::new(url.clone())?.below(&[]),
                    None => base.below(&["api", "v2", "oauth2", "tokens"]),
                };
                let url = url.ok_or(Error::BaseUrl("of the tokens cannot be one"))?;
                Access::Tokens(Box::new(Tokens::new(jwt, url, http.clone(), settings.lookup_read)?))
            }
        };
        Ok(Self {
            http,
            base,
            merchant: settings.merchant,
            access,
            place: settings.request_id_place,
            request_id_header,
            confirmed: settings.request_id_confirmed,
            read: settings.read,
            lookup_read: settings.lookup_read,
        })
    }

    /// What there is to prove oneself with at once. A send asks for no token: its slot is running.
    fn pass(&self) -> Option<Pass> {
        match &self.access {
            Access::Fixed(credentials) => Some(Pass::Fixed(credentials.clone())),
            Access::Tokens(tokens) => tokens.current().map(Pass::Token),
        }
    }

    async fn fresh_pass(&self) -> Result<Pass, Unready> {
        match &self.access {
            Access::Fixed(credentials) => Ok(Pass::Fixed(credentials.clone())),
            Access::Tokens(tokens) => tokens.fresh().await.map(Pass::Token),
        }
    }

    /// Drops a token that the provider has just refused.
    fn heed(&self, pass: &Pass, exchange: &Exchange) {
        let is_refused = match &exchange.outcome {
            Outcome::Answered(reply) => reply.status == 401,
            Outcome::NotConnected | Outcome::Broken(_) => exchange.evidence.http_status == Some(401),
        };
        if let (true, Pass::Token(token), Access::Tokens(tokens)) = (is_refused, pass, &self.access) {
            tokens.drop_refused(token);
        }
    }

    fn order_url(&self, payment: &Payment, tail: &[&str]) -> Option<Url> {
        let order = ["api", "v2", "merchants", &self.merchant, "orders", payment.order_id.as_str()];
        self.base.below(&[&order, tail].concat())
    }

    fn asked<'a>(&'a self, refund: &'a Refund, payment: &'a Payment, pass: &'a Pass) -> Asked<'a> {
        Asked { refund, payment, merchant: &self.merchant, credentials: pass.credentials() }
    }

    async fn post_refund(
        &self,
        url: Url,
        body: Vec<u8>,
        refund: &Refund,
        pass: &Pass,
        resend_count: u32,
    ) -> Exchange {
        let (credentials, keep) = (pass.credentials(), classify::KEPT_HEADERS);
        let mut call = Call::new(url, SEND_TEMPLATE, credentials, self.read, keep);
        if let Some(name) = &self.request_id_header {
            // The text of a UUID goes into any header.
            call.headers
                .extend(header_value(name, &refund.key.to_string()).map(|value| (name.clone(), value)));
        }
        let exchange = self.http.exchange(call.posting(JSON, body, resend_count)).await;
        self.heed(pass, &exchange);
        exchange
    }

    async fn get_order(&self, url: Url, pass: &Pass) -> Exchange {
        let (credentials, keep) = (pass.credentials(), classify::KEPT_HEADERS);
        let call = Call::new(url, LOOKUP_TEMPLATE, credentials, self.lookup_read, keep);
        let exchange = self.http.exchange(call).await;
        self.heed(pass, &exchange);
        exchange
    }
}

#[async_trait]
impl Provider for Worldline {
    async fn prepare(&self) -> Option<Unready> {
        self.fresh_pass().await.err()
    }

    async fn send(&self, refunds: &[Refund], resend_count: u32) -> Answer {
        let [refund] = refunds else {
            return Answer::unsent(refunds.len(), "Worldline takes one refund in a call");
        };
        let Some(payment) = refund.content.payment() else {
            return Answer::unsent(1, "Worldline refunds payments");
        };
        let Some(url) = self.order_url(payment, &["refunds"]) else {
            let text = format!("no order can have the id \"{}\"", payment.order_id);
            return Answer::never_sent(1, FailureReason::OrderNotFound, &text);
        };
        let Ok(transaction_id) = transaction_id(payment) else {
            let text = "the id of a transaction is a number without leading zeros".to_owned();
            return Answer::never_sent(1, FailureReason::RequestRejected, &text);
        };
        let Ok(body) = wire::refund_request(refund, payment, transaction_id, &self.place) else {
            return Answer::unsent(1, "the request could not be written");
        };
        let Some(pass) = self.pass() else {
            return Answer::unsent(1, "there is no token that still holds");
        };
        let exchange = self.post_refund(url, body, refund, &pass, resend_count).await;
        match exchange.outcome {
            Outcome::Answered(reply) => {
                let asked = self.asked(refund, payment, &pass);
                classify::answer(&reply, &asked, self.confirmed, resend_count)
            }
            Outcome::NotConnected => {
                Answer::to_one(Face::NotSent { alone: false }, exchange.evidence, vec![Signal::Trouble])
            }
            Outcome::Broken(_) => Answer::to_one(Face::Unknown, exchange.evidence, vec![Signal::Trouble]),
        }
    }

    async fn look_up(&self, refund: &Refund) -> LookupAnswer {
        let nothing = |text: &str| LookupAnswer::nothing(Evidence::before_send(text), Vec::new());
        let Some(payment) = refund.content.payment() else {
            return nothing("Worldline refunds payments");
        };
        let Some(url) = self.order_url(payment, &[]) else {
            let answer = nothing("no order has such an id");
            return LookupAnswer { sight: Sight::NoOrder, finding: Finding::Absent, ..answer };
        };
        let pass = match self.fresh_pass().await {
            Ok(pass) => pass,
            Err(Unready { evidence, signals }) => return LookupAnswer::nothing(evidence, signals),
        };
        let exchange = self.get_order(url, &pass).await;
        match exchange.outcome {
            Outcome::Answered(reply) => classify::lookup_answer(&reply, &self.asked(refund, payment, &pass)),
            Outcome::NotConnected | Outcome::Broken(_) => {
                LookupAnswer::nothing(exchange.evidence, vec![Signal::Trouble])
            }
        }
    }
}

/// The name of a header that is ours to set.
fn free_header(name: &str) -> Result<HeaderName, Error> {
    const TAKEN: [HeaderName; 8] = [
        ACCEPT,
        AUTHORIZATION,
        CONNECTION,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        HOST,
        TRANSFER_ENCODING,
        USER_AGENT,
    ];
    let header = HeaderName::from_bytes(name.as_bytes()).ok().filter(|header| !TAKEN.contains(header));
    header.ok_or_else(|| Error::HeaderName(name.to_owned()))
}

/// The transaction that is refunded, as the number that the provider knows it by. \[doc]
fn transaction_id(payment: &Payment) -> Result<Option<i64>, ()> {
    let Some(id) = &payment.transaction_id else { return Ok(None) };
    let number: i64 = id.as_str().parse().map_err(|_| ())?;
    if number.to_string() == id.as_str() { Ok(Some(number)) } else { Err(()) }
}
