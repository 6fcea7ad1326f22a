//! What a test may turn: the timings of faults, the lag of lookups, the clock.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The settings of one sandbox; `POST /control/settings` changes those that it names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// How long a connection that gets no answer is held before it is dropped.
    pub(super) hold_ms: u64,
    /// How long after its arrival a slow request takes effect and is answered.
    pub(super) slow_ms: u64,
    /// How long after its arrival a refund is decided, or taken back, where only time does it.
    pub(super) later_ms: u64,
    /// How long a repeat waits for a request that is still in process.
    pub(super) block_ms: u64,
    /// How long an order that forgets keeps an idempotency key.
    pub(super) key_memory_ms: u64,
    /// How long a refund stays out of lookups.
    pub(super) lookup_lag_ms: u64,
    /// The seconds that `Retry-After` names.
    pub(super) retry_after_s: u64,
    /// The pause between two bytes of an endless body.
    pub(super) drip_ms: u64,
    /// Seconds added to the sandbox's clock; may be negative.
    pub(super) clock_offset_s: i64,
    /// How long a token truly lives.
    pub(super) token_life_s: u64,
    /// What `expires_in` of a token says, whatever is true.
    pub(super) token_expires_in_s: u64,
    /// Token calls per minute and peer; 0 is no limit.
    pub(super) token_limit: u32,
    /// Refund calls per `refund_window_ms` and peer; 0 is no limit.
    pub(super) refund_limit: u32,
    pub(super) refund_window_ms: u64,
    /// Lookups per second and peer; 0 is no limit.
    pub(super) lookup_limit: u32,
    /// Whether limits show in headers: `Retry-After` and `X-RateLimit-*`.
    pub(super) limit_headers: bool,
    /// Whether callers stand on the account's allowlist.
    pub(super) allowlisted: bool,
    /// How long after a refund request its review is decided.
    pub(super) review_ms: u64,
    /// How long after an approval it is taken back, where it is.
    pub(super) reversal_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hold_ms: 30_000,
            slow_ms: 1_500,
            later_ms: 2_000,
            block_ms: 1_000,
            key_memory_ms: 2_000,
            lookup_lag_ms: 0,
            retry_after_s: 1,
            drip_ms: 100,
            clock_offset_s: 0,
            token_life_s: 24 * 60 * 60,
            token_expires_in_s: 366 * 24 * 60 * 60,
            token_limit: 3,
            refund_limit: 1,
            refund_window_ms: 2_000,
            lookup_limit: 0,
            limit_headers: true,
            allowlisted: true,
            review_ms: 1_000,
            reversal_ms: 1_000,
        }
    }
}

impl Settings {
    /// These settings with the ones named in `change` replaced.
    pub(super) fn changed(&self, change: &Value) -> Result<Self, serde_json::Error> {
        let mut all = serde_json::to_value(self)?;
        match (all.as_object_mut(), change.as_object()) {
            (Some(all), Some(change)) => all.extend(change.clone()),
            _ => return Err(serde::de::Error::custom("settings must be an object")),
        }
        serde_json::from_value(all)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Settings;

    #[test]
    fn only_the_named_settings_change() {
        let changed = Settings::default().changed(&json!({"slow_ms": 7, "clock_offset_s": -5})).unwrap();
        assert_eq!((changed.slow_ms, changed.clock_offset_s), (7, -5));
        assert_eq!(changed.hold_ms, Settings::default().hold_ms);
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(Settings::default().changed(&json!({"slow": 7})).is_err());
        assert!(Settings::default().changed(&json!([])).is_err());
    }
}
