//! Accounts as configured become accounts as the engine sees them, each with its client.

use std::sync::Arc;
use std::time::Duration;

use crate::config::accounts as configured;
use crate::dispatch::Line;
use crate::domain::account::{Account, AccountIdentity, Capabilities, ProviderKind};
use crate::domain::admission::{AdmissionPolicy, Rate};
use crate::domain::id::AccountName;
use crate::domain::plan::Schedule;
use crate::service::Clock;

use super::Error;

mod clients;

use clients::Client;

/// Resends that may be spent at once.
const RETRY_TOKENS_MAX: u32 = 500;
/// What a resend costs of them.
const RETRY_COST: u32 = 5;
/// What comes back each second.
const RETRY_REFILL_PER_S: u32 = 1;
/// How long after the end of its resend window an UNKNOWN refund is overdue: time for one more look.
const OVERDUE_AFTER_WINDOW: Duration = Duration::from_hours(1);

/// An account without its client.
pub(super) fn account(account: &configured::Account, clock: &Arc<dyn Clock>) -> Result<Account, Error> {
    Ok(described(account, Client::of(account, clock)?.capabilities(), identity(account)?))
}

/// An account with its client.
pub(super) fn line(account: &configured::Account, clock: &Arc<dyn Clock>) -> Result<Line, Error> {
    let client = Client::of(account, clock)?;
    let described = described(account, client.capabilities(), identity(account)?);
    Ok(Line::new(described, client.build(account)?))
}

fn identity(account: &configured::Account) -> Result<AccountIdentity, Error> {
    let name = AccountName::parse(&account.name)
        .map_err(|rule| Error::Setting { key: format!("accounts.{}", account.name), rule: rule.0 })?;
    Ok(AccountIdentity {
        name,
        provider: match account.provider {
            configured::Provider::Airalo => ProviderKind::Airalo,
            configured::Provider::Afterpay => ProviderKind::Afterpay,
            configured::Provider::Worldline => ProviderKind::Worldline,
            configured::Provider::Moyasar => ProviderKind::Moyasar,
        },
        merchant: account.merchant.clone(),
        base_url: account.base_url.clone(),
    })
}

fn described(
    account: &configured::Account,
    capabilities: Capabilities,
    identity: AccountIdentity,
) -> Account {
    let schedule = &account.schedule;
    let window = capabilities.resend_window.unwrap_or_default();
    let connect = millis(account.timeouts.connect_ms);
    let rate = send_rate(account, connect);
    let refund_window = account.refund_window_days.map(|days| Duration::from_hours(u64::from(days) * 24));
    Account {
        identity,
        capabilities: Capabilities { refund_window, ..capabilities },
        concurrency_max: usize::try_from(account.concurrency_max).unwrap_or(usize::MAX),
        queue_max: u64::from(account.queue_max),
        schedule: Schedule {
            backoff_base: millis(schedule.backoff_base_ms),
            backoff_max: millis(schedule.backoff_max_ms),
            first_check: millis(schedule.first_check_ms),
            check_steps: schedule.check_schedule_ms.iter().copied().map(millis).collect(),
            refusal_age_min: millis(schedule.refusal_lookup_delay_ms),
            unknown_overdue_after: window + OVERDUE_AFTER_WINDOW,
            review_overdue_after: Duration::from_hours(u64::from(schedule.review_overdue_days) * 24),
            follow_steps: schedule.follow_schedule_ms.iter().copied().map(millis).collect(),
        },
        connect,
        answer: millis(account.timeouts.read_ms),
        lookup_rate: lookup_rate(account),
        admission: AdmissionPolicy {
            breaker_failures: schedule.breaker_failures,
            breaker_open: millis(schedule.breaker_open_ms),
            probe_base: millis(schedule.probe_min_ms),
            probe_max: millis(schedule.probe_max_ms),
            retry_tokens_max: RETRY_TOKENS_MAX,
            retry_cost: RETRY_COST,
            retry_refill_per_s: RETRY_REFILL_PER_S,
            rate,
        },
    }
}

/// The budget of sends. Airalo counts by egress address, so that accounts behind one share it.
fn send_rate(account: &configured::Account, connect: Duration) -> Option<Rate> {
    let rate = account.rate?;
    let bucket = match account.provider {
        configured::Provider::Airalo => format!("egress {}/refund", account.airalo.egress),
        configured::Provider::Afterpay | configured::Provider::Moyasar | configured::Provider::Worldline => {
            format!("{}/refund", account.name)
        }
    };
    Some(Rate::of_sends(bucket, every(rate), connect))
}

fn lookup_rate(account: &configured::Account) -> Option<Rate> {
    match account.provider {
        configured::Provider::Airalo => {
            let rate = account.airalo.lookup_rate;
            Some(Rate::of_lookups(format!("{}/orders", account.name), every(rate)))
        }
        configured::Provider::Afterpay | configured::Provider::Moyasar | configured::Provider::Worldline => {
            None
        }
    }
}

fn every(rate: configured::Rate) -> Duration {
    millis(rate.per_ms) / rate.requests.max(1)
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
