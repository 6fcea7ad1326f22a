//! `accounts.<name>.schedule`: when to try, look and probe again.

use serde::Deserialize;

use crate::config::fault::Faults;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The least time between a refusal of a resend and the lookup that may prove it, milliseconds.
pub const REFUSAL_LOOKUP_DELAY_MS_MIN: u64 = 15 * MINUTE_MS;

/// Most entries of `check_schedule_ms`.
const CHECKS_MAX: usize = 100;

/// The clocks of an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// The first delay of the exponential backoff, milliseconds.
    pub backoff_base_ms: u64,
    /// Its longest delay, milliseconds.
    pub backoff_max_ms: u64,
    /// How many failures in a row open the breaker.
    pub breaker_failures: u32,
    /// How long it stays open before one refund tries, milliseconds.
    pub breaker_open_ms: u64,
    /// The least delay between an unknown outcome and the first look, milliseconds: reads lag behind writes.
    pub first_check_ms: u64,
    /// How long after a refusal of a resend its lookup counts, milliseconds.
    pub refusal_lookup_delay_ms: u64,
    /// The first delay before a blocked account is probed, milliseconds.
    pub probe_min_ms: u64,
    /// The longest delay between two probes, milliseconds.
    pub probe_max_ms: u64,
    /// The delays before the first, second and later lookups of a refund in review or unknown, milliseconds.
    /// The last one repeats.
    pub check_schedule_ms: Vec<u64>,
    /// How many days a review may take before it is overdue.
    pub review_overdue_days: u32,
    /// How long after its end a final refund is looked at again, milliseconds, each time: a success may be
    /// taken back, and what ended a doubt as failed may have been effected. Empty: never.
    pub follow_schedule_ms: Vec<u64>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            backoff_base_ms: 1_000,
            backoff_max_ms: 5 * MINUTE_MS,
            breaker_failures: 5,
            breaker_open_ms: 30_000,
            first_check_ms: 15_000,
            refusal_lookup_delay_ms: REFUSAL_LOOKUP_DELAY_MS_MIN,
            probe_min_ms: MINUTE_MS,
            probe_max_ms: 15 * MINUTE_MS,
            check_schedule_ms: vec![
                MINUTE_MS,
                5 * MINUTE_MS,
                15 * MINUTE_MS,
                HOUR_MS,
                4 * HOUR_MS,
                12 * HOUR_MS,
                DAY_MS,
                2 * DAY_MS,
                4 * DAY_MS,
                7 * DAY_MS,
            ],
            review_overdue_days: 7,
            follow_schedule_ms: vec![DAY_MS, 3 * DAY_MS, 7 * DAY_MS],
        }
    }
}

impl Schedule {
    /// With `short`, a test's delay before a proving lookup may be shorter than is safe.
    pub(super) fn check(&self, account: &str, short: bool, faults: &mut Faults) {
        let key = |name: &str| format!("{account}.schedule.{name}");
        faults.within(&key("backoff_base_ms"), self.backoff_base_ms, &(1..=HOUR_MS));
        faults.within(&key("backoff_max_ms"), self.backoff_max_ms, &(1..=DAY_MS));
        faults.within(&key("breaker_failures"), self.breaker_failures, &(1..=1_000));
        faults.within(&key("breaker_open_ms"), self.breaker_open_ms, &(1..=DAY_MS));
        faults.within(&key("first_check_ms"), self.first_check_ms, &(1..=HOUR_MS));
        let least = if short { 1 } else { REFUSAL_LOOKUP_DELAY_MS_MIN };
        let refusal = least..=DAY_MS;
        faults.within(&key("refusal_lookup_delay_ms"), self.refusal_lookup_delay_ms, &refusal);
        faults.within(&key("probe_min_ms"), self.probe_min_ms, &(1..=DAY_MS));
        faults.within(&key("probe_max_ms"), self.probe_max_ms, &(1..=DAY_MS));
        if self.backoff_base_ms > self.backoff_max_ms {
            faults.add(key("backoff_base_ms"), "must not exceed backoff_max_ms");
        }
        if self.probe_min_ms > self.probe_max_ms {
            faults.add(key("probe_min_ms"), "must not exceed probe_max_ms");
        }
        faults.within(&key("review_overdue_days"), self.review_overdue_days, &(1..=365));
        let follows = &self.follow_schedule_ms;
        let each_fits = follows.iter().all(|delay| (1..=90 * DAY_MS).contains(delay));
        if follows.len() > CHECKS_MAX || !each_fits || !follows.is_sorted() {
            let rule =
                format!("must be at most {CHECKS_MAX} delays of 1 ms to 90 days, none below the one before");
            faults.add(key("follow_schedule_ms"), rule);
        }
        let checks = &self.check_schedule_ms;
        let each_fits = checks.iter().all(|delay| (1..=30 * DAY_MS).contains(delay));
        if checks.is_empty() || checks.len() > CHECKS_MAX || !each_fits || !checks.is_sorted() {
            let rule =
                format!("must be 1 to {CHECKS_MAX} delays of 1 ms to 30 days, none below the one before");
            faults.add(key("check_schedule_ms"), rule);
        }
    }
}
