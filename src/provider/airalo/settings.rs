//! An account at Airalo as configured, and what it can do.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::reason;
use crate::domain::account::{Capabilities, KeyProof, MoneyUnit, TargetShape};

/// How long a connection may take. \[assumed]
pub const CONNECT: Duration = Duration::from_secs(10);
/// How long the answer to a refund may take: what the provider's own library waits. \[doc]
pub const READ: Duration = Duration::from_mins(1);
/// How long the answer to a lookup or a token call may take. \[assumed]
pub const LOOKUP_READ: Duration = Duration::from_secs(30);
/// The longest that a token is kept. \[doc]
pub const TOKEN_LIFETIME: Duration = Duration::from_hours(24);
/// How long before its end a token is fetched anew. \[assumed]
pub const TOKEN_MARGIN: Duration = Duration::from_mins(5);
/// How long an account keeps quiet after a 429 that does not say how long: the contract's one call in 5
/// minutes. \[contract]
pub const QUIET: Duration = Duration::from_mins(5);
/// eSIMs in one call. \[doc]
pub const ICCIDS_PER_CALL_MAX: usize = 5;

/// An account at Airalo, as configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where its requests go, such as `https://partners-api.airalo.com`.
    pub base_url: Url,
    /// The client id of the API credentials.
    pub client_id: String,
    /// The client secret.
    pub client_secret: SecretString,
    /// How long a connection may take; see [`CONNECT`].
    pub connect: Duration,
    /// How long the answer to a refund may take; see [`READ`].
    pub read: Duration,
    /// How long the answer to a lookup or a token call may take; see [`LOOKUP_READ`].
    pub lookup_read: Duration,
    /// `User-Agent`.
    pub user_agent: String,
    /// The longest that a token is kept; see [`TOKEN_LIFETIME`].
    pub token_lifetime_max: Duration,
    /// How long before its end a token is fetched anew; see [`TOKEN_MARGIN`].
    pub token_margin: Duration,
    /// How long the account keeps quiet after a 429 that does not say how long; see [`QUIET`].
    pub quiet: Duration,
    /// Whether a call that is refused with 422 took none of its eSIMs. To be confirmed with the provider.
    pub batch_422_atomic: bool,
}

impl Settings {
    /// Settings with the contract's own limits.
    pub fn new(base_url: Url, client_id: String, client_secret: SecretString) -> Self {
        Self {
            base_url,
            client_id,
            client_secret,
            connect: CONNECT,
            read: READ,
            lookup_read: LOOKUP_READ,
            user_agent: format!("refunds/{}", env!("CARGO_PKG_VERSION")),
            token_lifetime_max: TOKEN_LIFETIME,
            token_margin: TOKEN_MARGIN,
            quiet: QUIET,
            batch_422_atomic: true,
        }
    }
}

/// What an account with these settings can do.
pub fn capabilities(_settings: &Settings) -> Capabilities {
    Capabilities {
        shape: TargetShape::Esims,
        key: KeyProof::Never,
        resend_window: None,
        lookup: true,
        echoes_key: false,
        absence_proves_refusal: false,
        shows_reversals: true,
        person_reviews: true,
        partial: false,
        several_per_order: true,
        takes_transaction_id: false,
        batch_max: ICCIDS_PER_CALL_MAX,
        currencies: None,
        refund_window: None,
        unit: MoneyUnit::None,
        amount_minor_max: None,
        reasons: Some(reason::OWN),
    }
}
