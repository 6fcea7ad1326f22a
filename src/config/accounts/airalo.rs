//! `accounts.<name>.airalo`: what only accounts at Airalo have.

use serde::Deserialize;

use super::Rate;
use crate::config::fault::Faults;

/// How an account at Airalo is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Airalo {
    /// The egress address that the account's requests come from, by any name: accounts that share it share
    /// the budget, since Airalo counts by address.
    pub egress: String,
    /// Whether a 422 means that nothing of the call was taken. To be confirmed with the provider.
    pub batch_422_atomic: bool,
    /// How often orders may be read.
    pub lookup_rate: Rate,
}

impl Default for Airalo {
    fn default() -> Self {
        let lookup_rate = Rate { requests: 1, per_ms: 1_000 };
        Self { egress: "default".to_owned(), batch_422_atomic: true, lookup_rate }
    }
}

impl Airalo {
    pub(super) fn check(&self, account: &str, faults: &mut Faults) {
        let plain = self.egress.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if self.egress.is_empty() || self.egress.len() > super::ACCOUNT_NAME_MAX || !plain {
            faults.add(
                format!("{account}.airalo.egress"),
                "must be 1 to 64 visible ASCII characters without /",
            );
        }
        self.lookup_rate.check(&format!("{account}.airalo.lookup_rate"), faults);
    }
}
