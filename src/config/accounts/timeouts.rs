//! `accounts.<name>.timeouts`: how long a round trip may take.

use serde::Deserialize;

use super::provider::Limits;
use crate::config::fault::Faults;

const CONNECT_MS_MAX: u64 = 60_000;
const READ_MS_MAX: u64 = 300_000;

/// A lookup moves no money, so that it may be given up before the provider does.
const LOOKUP_READ_MS: u64 = 20_000;
const LOOKUP_READ_MS_MIN: u64 = 1_000;

/// How long the parts of a round trip may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit stands last in every name")]
pub struct Timeouts {
    /// Until the connection stands, TLS included, milliseconds.
    pub connect_ms: u64,
    /// From the request until the answer is read, milliseconds. Not shorter than the provider's own: who
    /// gives up first does not know what became of the money.
    pub read_ms: u64,
    /// The same for a lookup, milliseconds.
    pub lookup_read_ms: u64,
}

impl Timeouts {
    /// The longest that a round trip that sends a refund can take, milliseconds.
    pub fn round_trip_ms(&self) -> u64 {
        self.connect_ms.saturating_add(self.read_ms)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the unit stands last in every name")]
pub(super) struct Section {
    connect_ms: Option<u64>,
    read_ms: Option<u64>,
    lookup_read_ms: Option<u64>,
}

impl Section {
    /// With `short`, a test's timeouts may be shorter than the provider's.
    pub(super) fn check(&self, account: &str, limits: &Limits, short: bool, faults: &mut Faults) -> Timeouts {
        let least = |own: u64| if short { 1 } else { own };
        let key = |name: &str| format!("{account}.timeouts.{name}");
        let timeouts = Timeouts {
            connect_ms: self.connect_ms.unwrap_or(limits.connect_ms),
            read_ms: self.read_ms.unwrap_or(limits.read_ms),
            lookup_read_ms: self.lookup_read_ms.unwrap_or(LOOKUP_READ_MS),
        };
        let connect = least(limits.connect_ms)..=CONNECT_MS_MAX;
        faults.within(&key("connect_ms"), timeouts.connect_ms, &connect);
        let read = least(limits.read_ms)..=READ_MS_MAX;
        faults.within(&key("read_ms"), timeouts.read_ms, &read);
        let lookup = least(LOOKUP_READ_MS_MIN)..=READ_MS_MAX;
        faults.within(&key("lookup_read_ms"), timeouts.lookup_read_ms, &lookup);
        timeouts
    }
}
