//! What an account as a whole allows now: pause, block, breaker, throttle, retry budget, rate slot.
//!
//! Pure functions over rows that the store locks, so that all replicas share one breaker and one budget.

use std::time::Duration;

use super::answer::{BlockCause, Signal};
use super::refund::Wait;
use super::timestamp::Timestamp;

mod pause;

pub use pause::{Amendment, Pause};

/// Retry tokens are counted in thousandths, so that a slow refill is exact.
const TOKEN_MILLI: i64 = 1_000;

/// The numbers of an account's admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionPolicy {
    /// Failures in a row that open the breaker.
    pub breaker_failures: u32,
    /// How long the breaker stays open before one probe.
    pub breaker_open: Duration,
    /// The first wait before a blocked account is probed; doubled each time.
    pub probe_base: Duration,
    /// The longest wait between probes.
    pub probe_max: Duration,
    /// Retry tokens when full.
    pub retry_tokens_max: u32,
    /// Tokens that one resend costs.
    pub retry_cost: u32,
    /// Tokens that come back each second.
    pub retry_refill_per_s: u32,
    /// The rate budget, if the provider or the configuration names one.
    pub rate: Option<Rate>,
}

/// A rate budget: one request in `every`, shared by all who name the same bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// The bucket, such as `afterpay-au/refund`.
    pub bucket: String,
    /// The least time between two slots. No bursts: a window limit counts them.
    pub every: Duration,
    /// How old a slot may be when its first byte leaves. Two calls may so be this much closer than their
    /// slots, wherefore it is part of `every`.
    pub slot_age_max: Duration,
}

/// How old an intent may be, at the most, when its first byte leaves; with a budget, [`Rate::slot_age_max`].
pub const SLOT_AGE_MAX: Duration = Duration::from_secs(5);
/// How long the commit of an intent may take, so that its slot is still good for a connection.
const SLOT_MARGIN: Duration = Duration::from_secs(2);

impl Rate {
    /// A budget of one request in `window`, as a provider counts them: by their coming. The first byte of a
    /// send leaves a while after its slot was spent, `connect` at most for the connection and a little for
    /// the rest, so the slots are that much further apart.
    pub fn of_sends(bucket: String, window: Duration, connect: Duration) -> Self {
        let slot_age_max = connect + SLOT_MARGIN;
        Self { bucket, every: window + slot_age_max, slot_age_max }
    }

    /// A budget of lookups: one in `every`. They leave at once, and one too early costs a look.
    pub fn of_lookups(bucket: String, every: Duration) -> Self {
        Self { bucket, every, slot_age_max: Duration::ZERO }
    }

    /// When the next slot may be at the earliest, now that a call has ended for which one was spent. A
    /// provider counts a call when it comes, and one that took longer than a slot may be old may have come as
    /// late as its answer. `None`: the slots are far enough apart as they are.
    pub fn next_after(&self, spent: Timestamp, ended: Timestamp) -> Option<Timestamp> {
        let window = self.every.saturating_sub(self.slot_age_max);
        (ended.since(spent) > self.slot_age_max).then(|| ended.plus(window))
    }

    /// The same budget for something that takes several requests.
    #[must_use]
    pub fn for_requests(&self, requests: usize) -> Self {
        let requests = u32::try_from(requests.max(1)).unwrap_or(u32::MAX);
        Self { every: self.every.saturating_mul(requests), ..self.clone() }
    }
}

/// How an account stands; one row, shared by all replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountState {
    /// An operator's pause.
    pub paused: Option<Pause>,
    /// The provider refuses the account.
    pub blocked: Option<Block>,
    /// Failures in a row.
    pub failures: u32,
    /// The breaker is open until then, then one probe goes out.
    pub open_until: Option<Timestamp>,
    /// The provider asked for quiet until then.
    pub throttled_until: Option<Timestamp>,
    /// Retry tokens spent, in thousandths.
    pub retry_spent_milli: i64,
    /// When `retry_spent_milli` was last reckoned.
    pub retry_reckoned: Option<Timestamp>,
    /// Whether the provider was seen to heed our key; once it was seen not to, only a person says otherwise.
    pub key_heeded: Option<bool>,
}

/// A block: the provider refuses the account, not a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Why.
    pub cause: BlockCause,
    /// Since when.
    pub since: Timestamp,
    /// When the next single refund probes it.
    pub probe_at: Timestamp,
    /// Probes that failed.
    pub probes: u32,
}

/// How many refunds of an account may be claimed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimable {
    /// As many as there is room for.
    All,
    /// Those that wait for an answer already, none that was never sent: the account is paused.
    Started,
    /// One, to see whether the account or the provider has recovered.
    Probe,
    /// None.
    Nothing,
}

/// Not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotNow {
    /// What it waits for.
    pub wait: Wait,
    /// How long.
    pub delay: Duration,
}

impl AccountState {
    /// Whether an operator's pause holds now.
    pub fn is_paused(&self, now: Timestamp) -> bool {
        self.paused.as_ref().is_some_and(|p| p.until.is_none_or(|until| until > now))
    }

    /// What may be claimed now. Without a free slot in the bucket, or while the provider asked for quiet,
    /// nothing that was never sent is: what waits for one slot together may share a call.
    pub fn claimable(&self, bucket_next_free: Option<Timestamp>, now: Timestamp) -> Claimable {
        let probe_at =
            [self.blocked.as_ref().map(|b| b.probe_at), self.open_until].into_iter().flatten().max();
        match probe_at {
            Some(at) if at > now => Claimable::Nothing,
            Some(_) if self.is_paused(now) => Claimable::Nothing,
            Some(_) => Claimable::Probe,
            None if self.is_paused(now) || self.next_slot(bucket_next_free) > Some(now) => Claimable::Started,
            None => Claimable::All,
        }
    }

    /// When a send may leave at the earliest, by the bucket and by what the provider asked for.
    pub fn next_slot(&self, bucket_next_free: Option<Timestamp>) -> Option<Timestamp> {
        bucket_next_free.max(self.throttled_until)
    }

    /// The state after one refund was handed out as a probe: no second one until it had its time.
    #[must_use]
    pub fn probe_taken(&self, lease: Duration, now: Timestamp) -> Self {
        let mut state = self.clone();
        if let Some(block) = &mut state.blocked {
            block.probe_at = now.plus(lease);
        }
        state.open_until = state.open_until.map(|_| now.plus(lease));
        state
    }

    /// Spends what a send costs: a slot in the bucket and, for a resend, retry tokens.
    ///
    /// # Errors
    /// [`NotNow`] when the account is paused, blocked (and this is no probe) or has nothing left to spend.
    pub fn admit(
        &self,
        policy: &AdmissionPolicy,
        bucket_next_free: Option<Timestamp>,
        ask: Ask,
        now: Timestamp,
    ) -> Result<Admitted, NotNow> {
        if self.is_paused(now) {
            // Not until its end: it may be ended early, and what is in doubt is looked up meanwhile.
            let until = self.paused.as_ref().and_then(|p| p.until);
            let left = until.map_or(policy.probe_base, |until| until.since(now));
            let delay = left.min(policy.probe_base);
            return Err(NotNow { wait: Wait::AccountPaused, delay });
        }
        if !ask.probe {
            if let Some(block) = &self.blocked {
                return Err(NotNow { wait: Wait::AccountBlocked, delay: block.probe_at.since(now) });
            }
            if let Some(until) = self.open_until {
                return Err(NotNow { wait: Wait::Breaker, delay: until.since(now) });
            }
        }
        if let Some(until) = self.throttled_until.filter(|until| *until > now) {
            return Err(NotNow { wait: Wait::Slot, delay: until.since(now) });
        }
        let mut account = self.clone();
        if ask.resend {
            account.spend_retry(policy, now)?;
        }
        let bucket = match &policy.rate {
            None => None,
            Some(rate) => {
                let free = bucket_next_free.unwrap_or(now);
                if free > now {
                    return Err(NotNow { wait: Wait::Slot, delay: free.since(now) });
                }
                Some(now.plus(rate.every))
            }
        };
        Ok(Admitted { account, bucket_next_free: bucket })
    }

    fn spend_retry(&mut self, policy: &AdmissionPolicy, now: Timestamp) -> Result<(), NotNow> {
        let refill_milli_per_s = i64::from(policy.retry_refill_per_s) * TOKEN_MILLI;
        let idle_ms =
            self.retry_reckoned.map_or(0, |at| i64::try_from(now.since(at).as_millis()).unwrap_or(0));
        let refilled = idle_ms.saturating_mul(refill_milli_per_s) / 1_000;
        let spent = self.retry_spent_milli.saturating_sub(refilled).max(0);
        let cost = i64::from(policy.retry_cost) * TOKEN_MILLI;
        let over = spent + cost - i64::from(policy.retry_tokens_max) * TOKEN_MILLI;
        if over > 0 {
            let wait_ms = (over.saturating_mul(1_000) / refill_milli_per_s.max(1)).max(1);
            let delay = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(u64::MAX));
            return Err(NotNow { wait: Wait::Backoff, delay });
        }
        self.retry_spent_milli = spent + cost;
        self.retry_reckoned = Some(now);
        Ok(())
    }

    /// The state after an answer told something of the account.
    #[must_use]
    pub fn observe(&self, signals: &[Signal], policy: &AdmissionPolicy, now: Timestamp) -> Self {
        let mut state = self.clone();
        for signal in signals {
            match signal {
                Signal::Healthy => {
                    state.blocked = None;
                    state.failures = 0;
                    state.open_until = None;
                }
                Signal::Readable { probe } => {
                    // Only the credentials are shown to be fine; a missing right or a failing send is not
                    // mended by it.
                    state.blocked = state.blocked.filter(|block| block.cause != BlockCause::Credentials);
                    if *probe && state.open_until.take().is_some() {
                        state.failures = policy.breaker_failures.saturating_sub(1);
                    }
                }
                Signal::KeyHeeded => state.key_heeded = state.key_heeded.or(Some(true)),
                Signal::KeyIgnored => state.key_heeded = Some(false),
                Signal::Block(cause) => {
                    let (since, probes) =
                        state.blocked.map_or((now, 0), |b| (b.since, b.probes.saturating_add(1)));
                    let wait = doubled(policy.probe_base, probes, policy.probe_max);
                    state.blocked = Some(Block { cause: *cause, since, probe_at: now.plus(wait), probes });
                }
                Signal::Throttle(quiet) => {
                    let until = now.plus(*quiet);
                    state.throttled_until = Some(state.throttled_until.map_or(until, |at| at.max(until)));
                }
                // Kept in the lookups' own budget.
                Signal::ThrottleLooks(_) => {}
                Signal::Trouble => {
                    state.failures = state.failures.saturating_add(1);
                    if state.failures >= policy.breaker_failures {
                        state.open_until = Some(now.plus(policy.breaker_open));
                    }
                }
            }
        }
        state
    }
}

/// What a send asks of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// It was claimed as a probe of a blocked account or an open breaker.
    pub probe: bool,
    /// The same key was sent before.
    pub resend: bool,
}

/// What a send spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The account after it.
    pub account: AccountState,
    /// When the bucket's next slot is free.
    pub bucket_next_free: Option<Timestamp>,
}

/// `base` doubled `times` times, at most `max`.
pub(super) fn doubled(base: Duration, times: u32, max: Duration) -> Duration {
    base.checked_mul(1_u32.checked_shl(times.min(31)).unwrap_or(u32::MAX)).map_or(max, |d| d.min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> AdmissionPolicy {
        AdmissionPolicy {
            breaker_failures: 3,
            breaker_open: Duration::from_secs(30),
            probe_base: Duration::from_mins(1),
            probe_max: Duration::from_mins(15),
            retry_tokens_max: 10,
            retry_cost: 5,
            retry_refill_per_s: 1,
            rate: None,
        }
    }

    fn after(signals: &[Signal]) -> AccountState {
        AccountState::default().observe(signals, &policy(), Timestamp::EPOCH)
    }

    #[test]
    fn only_a_send_or_the_probes_own_look_closes_the_breaker() {
        let open = after(&[Signal::Trouble, Signal::Trouble, Signal::Trouble]);
        assert_eq!(open.claimable(None, Timestamp::EPOCH), Claimable::Nothing);
        assert_eq!(open.claimable(None, Timestamp::EPOCH.plus(Duration::from_secs(30))), Claimable::Probe);
        let seen = |signal| open.observe(&[signal], &policy(), Timestamp::EPOCH).open_until;
        assert!(seen(Signal::Readable { probe: false }).is_some());
        assert_eq!(seen(Signal::Readable { probe: true }), None);
        assert_eq!(seen(Signal::Healthy), None);
    }

    #[test]
    fn a_look_ends_a_block_for_credentials_and_no_other() {
        let blocked = |cause| after(&[Signal::Block(cause), Signal::Readable { probe: true }]).blocked;
        assert_eq!(blocked(BlockCause::Credentials), None);
        assert!(blocked(BlockCause::Permission).is_some());
        assert!(blocked(BlockCause::Configuration).is_some());
    }

    #[test]
    fn probes_of_a_blocked_account_come_ever_more_rarely() {
        let mut state = AccountState::default();
        let mut waits = Vec::new();
        for _ in 0..6 {
            state = state.observe(&[Signal::Block(BlockCause::Permission)], &policy(), Timestamp::EPOCH);
            waits.push(state.blocked.as_ref().unwrap().probe_at.since(Timestamp::EPOCH).as_secs() / 60);
        }
        assert_eq!(waits, [1, 2, 4, 8, 15, 15]);
    }

    #[test]
    fn a_call_that_took_long_keeps_the_next_slot_a_whole_window_from_its_end() {
        let rate = Rate::of_sends("egress".to_owned(), Duration::from_mins(5), Duration::from_secs(3));
        let after = |took| rate.next_after(Timestamp::EPOCH, Timestamp::EPOCH.plus(took));
        assert_eq!(after(SLOT_AGE_MAX), None);
        let took = Duration::from_secs(40);
        assert_eq!(after(took), Some(Timestamp::EPOCH.plus(took + Duration::from_mins(5))));
    }

    #[test]
    fn resends_spend_a_budget_that_refills() {
        let ask = Ask { probe: false, resend: true };
        let spend = |state: &AccountState, now| state.admit(&policy(), None, ask, now);
        let state = spend(&AccountState::default(), Timestamp::EPOCH).unwrap().account;
        let state = spend(&state, Timestamp::EPOCH).unwrap().account;
        let wait = spend(&state, Timestamp::EPOCH).unwrap_err();
        assert_eq!((wait.wait, wait.delay), (Wait::Backoff, Duration::from_secs(5)));
        assert!(spend(&state, Timestamp::EPOCH.plus(wait.delay)).is_ok());
    }
}
