//! An account at Worldline, as configured.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{CONNECT, LOOKUP_READ, READ, RESEND_WINDOW};
use crate::domain::timestamp::Timestamp;

/// The audience of an assertion. \[doc]
pub const AUDIENCE: &str = "drwp";
/// The rights that an assertion asks for: the refund by analogy with the lookup, which is the provider's
/// sample; the braces are meant literally. \[assumed]
pub const SCOPE: &str = "OrderProcessingService:POST:/v2/merchants/{mid}/orders/{orderId}/refunds \
                         OrderProcessingService:GET:/v2/merchants/{mid}/orders/{orderId}";
/// How long an assertion holds, as in the provider's sample. \[doc]
pub const ASSERTION_LIFETIME: Duration = Duration::from_mins(1);

/// An account at Worldline One Commerce Hub.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where its requests go, such as `https://api.test.payments.worldline.com`.
    pub base_url: Url,
    /// The merchant id, a number.
    pub merchant: String,
    /// What it proves itself with.
    pub auth: Auth,
    /// Where the key of a refund stands in its request.
    pub request_id_place: RequestIdPlace,
    /// Whether the provider has confirmed that it heeds the key at that place. Without it nothing is sent
    /// twice.
    pub request_id_confirmed: bool,
    /// How long a connection may take; see [`CONNECT`].
    pub connect: Duration,
    /// How long the answer to a refund may take; see [`READ`].
    pub read: Duration,
    /// How long the answer to a lookup, or to the wish for a token, may take; see [`LOOKUP_READ`].
    pub lookup_read: Duration,
    /// How long the same key may be sent again; see [`RESEND_WINDOW`].
    pub resend_window: Duration,
}

impl Settings {
    /// Settings with the contract's own limits; the key's place is not confirmed.
    pub fn new(base_url: Url, merchant: String, auth: Auth) -> Self {
        Self {
            base_url,
            merchant,
            auth,
            request_id_place: RequestIdPlace::Body,
            request_id_confirmed: false,
            connect: CONNECT,
            read: READ,
            lookup_read: LOOKUP_READ,
            resend_window: RESEND_WINDOW,
        }
    }
}

/// Where `requestId` stands. The provider documents it for its older interface alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RequestIdPlace {
    /// At the top of the body. \[assumed]
    #[default]
    Body,
    /// In the `amount` object.
    Amount,
    /// In a header of this name.
    Header(String),
}

/// What an account proves itself with.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A bearer token that does not change.
    Bearer(SecretString),
    /// Tokens that are asked for with a signed assertion.
    Jwt(Jwt),
}

/// How tokens are asked for.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The application and whose it is: `application-1@123456789`.
    pub issuer: String,
    /// See [`AUDIENCE`].
    pub audience: String,
    /// See [`SCOPE`].
    pub scope: String,
    /// With which algorithm the assertion is signed.
    pub algorithm: Algorithm,
    /// The private keys.
    pub keys: Keys,
    /// Where tokens are had; `None` is `/api/v2/oauth2/tokens` below the base URL. \[assumed]
    pub token_url: Option<Url>,
    /// The wall clock, for the times in an assertion.
    pub now: Now,
}

impl Jwt {
    /// With what the provider's sample has.
    pub fn new(issuer: String, keys: Keys, now: Now) -> Self {
        Self {
            issuer,
            audience: AUDIENCE.to_owned(),
            scope: SCOPE.to_owned(),
            algorithm: Algorithm::Ps256,
            keys,
            token_url: None,
            now,
        }
    }
}

/// How an assertion is signed: RSA and SHA-256. \[doc]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// PSS.
    #[default]
    Ps256,
    /// PKCS #1 v1.5.
    Rs256,
}

/// Where private keys come from, asked before each wish for a token: a file that was exchanged is taken up
/// then.
///
/// The text is PEM with one key or two (PKCS #8 or PKCS #1): the first is used until the provider refuses it,
/// then the other one, as a change of keys demands.
#[derive(Clone)]
pub struct Keys(Arc<dyn Fn() -> Result<SecretString, String> + Send + Sync>);

impl Keys {
    /// Keys that do not change.
    pub fn fixed(pem: SecretString) -> Self {
        Self(Arc::new(move || Ok(pem.clone())))
    }

    /// Keys that are read anew each time. The error must repeat nothing of them.
    pub fn read_by(read: impl Fn() -> Result<SecretString, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(super) fn read(&self) -> Result<SecretString, String> {
        (self.0)()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// A wall clock.
#[derive(Clone)]
pub struct Now(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Now {
    /// From what tells the time.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn seconds(&self) -> i64 {
        (self.0)().micros().div_euclid(1_000_000)
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}
