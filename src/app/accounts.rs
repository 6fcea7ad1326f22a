//! Accounts as configured become accounts as the engine sees them, each with its client.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::accounts as configured;
use crate::dispatch::Line;
use crate::domain::account::{Account, AccountIdentity, Capabilities, ProviderKind};
use crate::domain::admission::{AdmissionPolicy, Rate};
use crate::domain::id::AccountName;
use crate::domain::money::Currency;
use crate::domain::plan::Schedule;
use crate::provider::Provider;
use crate::provider::afterpay::{self, Afterpay};

use super::Error;

/// Resends that may be spent at once.
const RETRY_TOKENS_MAX: u32 = 500;
/// What a resend costs of them.
const RETRY_COST: u32 = 5;
/// What comes back each second.
const RETRY_REFILL_PER_S: u32 = 1;
/// How long after the end of its resend window an UNKNOWN refund is overdue: time for one more look.
const OVERDUE_AFTER_WINDOW: Duration = Duration::from_hours(1);
/// How long a review may take before somebody is told.
const REVIEW_OVERDUE_AFTER: Duration = Duration::from_hours(7 * 24);

/// What the client of a provider needs to be built.
enum Client {
    Afterpay(Box<afterpay::Settings>),
}

impl Client {
    fn of(account: &configured::Account) -> Result<Self, Error> {
        match account.provider {
            configured::Provider::Afterpay => afterpay_settings(account).map(|s| Self::Afterpay(Box::new(s))),
            configured::Provider::Airalo
            | configured::Provider::Worldline
            | configured::Provider::Moyasar => {
                let rule = format!("{} has no client in this version", account.provider.as_str());
                Err(Error::Setting { key: format!("accounts.{}.provider", account.name), rule })
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        match self {
            Self::Afterpay(settings) => afterpay::capabilities(settings),
        }
    }

    fn build(self, account: &configured::Account) -> Result<Arc<dyn Provider>, Error> {
        let provider_error = |source| Error::Provider { account: account.name.clone(), source };
        match self {
            Self::Afterpay(settings) => Ok(Arc::new(Afterpay::new(*settings).map_err(provider_error)?)),
        }
    }
}

/// An account without its client.
pub(super) fn account(account: &configured::Account) -> Result<Account, Error> {
    Ok(described(account, Client::of(account)?.capabilities(), identity(account)?))
}

/// An account with its client.
pub(super) fn line(account: &configured::Account) -> Result<Line, Error> {
    let client = Client::of(account)?;
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
    let rate = account.rate.map(|rate| Rate {
        bucket: format!("{}/refund", account.name),
        every: Duration::from_millis(rate.per_ms) / rate.requests.max(1),
    });
    Account {
        identity,
        capabilities,
        concurrency_max: usize::try_from(account.concurrency_max).unwrap_or(usize::MAX),
        queue_max: u64::from(account.queue_max),
        schedule: Schedule {
            backoff_base: millis(schedule.backoff_base_ms),
            backoff_max: millis(schedule.backoff_max_ms),
            first_check: millis(schedule.first_check_ms),
            check_steps: schedule.check_schedule_ms.iter().copied().map(millis).collect(),
            refusal_age_min: millis(schedule.refusal_lookup_delay_ms),
            unknown_overdue_after: window + OVERDUE_AFTER_WINDOW,
            review_overdue_after: REVIEW_OVERDUE_AFTER,
        },
        lookup_rate: None,
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

fn afterpay_settings(account: &configured::Account) -> Result<afterpay::Settings, Error> {
    let fault =
        |key: &str, rule: String| Error::Setting { key: format!("accounts.{}.{key}", account.name), rule };
    let base_url = Url::parse(&account.base_url).map_err(|e| fault("base_url", e.to_string()))?;
    let site = account.site_url.as_deref().unwrap_or_default();
    let user_agent = afterpay::user_agent(&account.merchant, site);
    let mut settings =
        afterpay::Settings::new(base_url, account.merchant.clone(), account.secret.clone(), user_agent);
    settings.connect = millis(account.timeouts.connect_ms);
    settings.read = millis(account.timeouts.read_ms);
    settings.lookup_read = millis(account.timeouts.lookup_read_ms);
    settings.resend_window = Duration::from_secs(account.resend_window_s);
    if let Some(days) = account.refund_window_days {
        settings.refund_window = Duration::from_hours(u64::from(days) * 24);
    }
    settings.currencies = account
        .currencies
        .iter()
        .map(|code| Currency::parse(code).map_err(|rule| fault("currencies", rule.0)))
        .collect::<Result<_, _>>()?;
    Ok(settings)
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
