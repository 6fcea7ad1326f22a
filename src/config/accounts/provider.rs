//! The providers, and what each of them says about itself.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Rate;

/// A payment provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Airalo Partner API: eSIMs.
    Airalo,
    /// Afterpay Global API v2.
    Afterpay,
    /// Worldline One Commerce Hub.
    Worldline,
    /// Moyasar payment gateway.
    Moyasar,
}

impl Provider {
    /// The name in configuration, API and spans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Airalo => "airalo",
            Self::Afterpay => "afterpay",
            Self::Worldline => "worldline",
            Self::Moyasar => "moyasar",
        }
    }
}

/// What holds for every account of a provider unless configured otherwise.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// The provider's own time to connect, milliseconds.
    pub(super) connect_ms: u64,
    /// The provider's own time to answer, milliseconds.
    pub(super) read_ms: u64,
    /// How long its idempotency key is relied on by default, seconds.
    pub(super) resend_window_s: u64,
    /// The longest that may be configured, seconds.
    pub(super) resend_window_s_max: u64,
    /// How old a purchase may be, days.
    pub(super) refund_window_days: Option<u32>,
    /// How often it may be asked.
    pub(super) rate: Option<Rate>,
    /// Whether the credentials are an id, a secret and the merchant apart.
    pub(super) needs_key_id: bool,
    /// Whether `User-Agent` must name the merchant's site.
    pub(super) needs_site_url: bool,
    currencies: &'static [&'static str],
}

impl Limits {
    pub(super) fn currencies(&self) -> BTreeSet<String> {
        self.currencies.iter().map(|code| (*code).to_owned()).collect()
    }
}

const HOUR_S: u64 = 3_600;

impl Provider {
    pub(super) fn limits(self) -> Limits {
        match self {
            // One request in five minutes per egress address; nothing is sent twice. Times as in its SDK, but
            // that a connection must stand while its slot is fresh.
            Self::Airalo => Limits {
                connect_ms: 3_000,
                read_ms: 60_000,
                resend_window_s: 0,
                resend_window_s_max: 0,
                refund_window_days: None,
                rate: Some(Rate { requests: 1, per_ms: 300_000 }),
                needs_key_id: true,
                needs_site_url: false,
                currencies: &[],
            },
            // Times, window and currencies as documented. How long a requestId is remembered is not: 23 h
            // leave an hour of a day [assumed].
            Self::Afterpay => Limits {
                connect_ms: 10_000,
                read_ms: 70_000,
                resend_window_s: 23 * HOUR_S,
                resend_window_s_max: 23 * HOUR_S,
                refund_window_days: Some(120),
                rate: None,
                needs_key_id: false,
                needs_site_url: true,
                currencies: &["AUD", "NZD", "USD", "CAD", "GBP", "EUR"],
            },
            Self::Worldline => Limits {
                connect_ms: 10_000,
                read_ms: 65_000,
                resend_window_s: HOUR_S,
                resend_window_s_max: 24 * HOUR_S,
                refund_window_days: None,
                rate: None,
                needs_key_id: false,
                needs_site_url: false,
                currencies: &[],
            },
            // No time is documented [assumed].
            Self::Moyasar => Limits {
                connect_ms: 10_000,
                read_ms: 60_000,
                resend_window_s: 24 * HOUR_S,
                resend_window_s_max: 24 * HOUR_S,
                refund_window_days: None,
                rate: None,
                needs_key_id: false,
                needs_site_url: false,
                currencies: &[],
            },
        }
    }
}
