//! `accounts.<name>`: one set of credentials at one provider each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::Environment;
use super::fault::Faults;
use super::secret::{self, Choice};
use super::source::Source;
use super::value;

pub mod airalo;
mod base_url;
pub mod provider;
pub mod schedule;
pub mod timeouts;
pub mod worldline;

pub use airalo::Airalo;
pub use provider::Provider;
pub use schedule::Schedule;
pub use timeouts::Timeouts;
pub use worldline::Worldline;

/// Longest name of an account, characters.
pub const ACCOUNT_NAME_MAX: usize = 64;

/// Credentials at a provider, and how they may be used.
#[derive(Debug, Clone)]
pub struct Account {
    /// 1 to [`ACCOUNT_NAME_MAX`] of `a-z 0-9 _ -`.
    pub name: String,
    /// Whose API it is.
    pub provider: Provider,
    /// Where it is, without a slash at its end.
    pub base_url: String,
    /// The identity at the provider: Afterpay's merchant id.
    pub merchant: String,
    /// The public half of the credentials, where the provider has one beside the merchant.
    pub key_id: Option<String>,
    /// The secret half.
    pub secret: SecretString,
    /// The file that the secret is in, to be read again by [`secret::read_file`] when it is rotated.
    pub secret_file: Option<PathBuf>,
    /// How long a round trip may take.
    pub timeouts: Timeouts,
    /// Most round trips at once, of this process.
    pub concurrency_max: u32,
    /// Most refunds that wait.
    pub queue_max: u32,
    /// How long after the first possible send the same request may be sent again, seconds; 0 is never.
    pub resend_window_s: u64,
    /// How old a purchase may be, days; none if the provider has no such limit.
    pub refund_window_days: Option<u32>,
    /// How often the provider may be asked; none if it names no limit.
    pub rate: Option<Rate>,
    /// ISO 4217 codes that are taken; empty if the provider names none.
    pub currencies: BTreeSet<String>,
    /// The merchant's site, which Afterpay wants in `User-Agent`.
    pub site_url: Option<String>,
    /// What only accounts at Airalo have.
    pub airalo: Airalo,
    /// What only accounts at Worldline have.
    pub worldline: Worldline,
    /// When to try, look and probe again.
    pub schedule: Schedule,
}

/// A number of requests in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many.
    pub requests: u32,
    /// In how many milliseconds.
    pub per_ms: u64,
}

impl Rate {
    fn check(self, key: &str, faults: &mut Faults) {
        faults.within(&format!("{key}.requests"), self.requests, &(1..=1_000_000));
        faults.within(&format!("{key}.per_ms"), self.per_ms, &(1..=86_400_000));
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    provider: Option<Provider>,
    base_url: Option<String>,
    merchant: Option<String>,
    key_id: Option<String>,
    secret_file: Option<PathBuf>,
    secret_env: Option<String>,
    allow_short_timeouts: bool,
    timeouts: timeouts::Section,
    concurrency_max: Option<u32>,
    queue_max: Option<u32>,
    resend_window_s: Option<u64>,
    refund_window_days: Option<u32>,
    rate: Option<Rate>,
    currencies: Option<BTreeSet<String>>,
    site_url: Option<String>,
    airalo: Option<Airalo>,
    worldline: Option<Worldline>,
    schedule: Schedule,
}

const CONCURRENCY_DEFAULT: u32 = 8;
const QUEUE_DEFAULT: u32 = 100_000;
const REFUND_WINDOW_DAYS_MAX: u32 = 3_650;

/// Reads all accounts. One that lacks its provider is told and left out.
pub(super) fn read(
    source: &mut Source,
    environment: &Environment,
    faults: &mut Faults,
) -> BTreeMap<String, Account> {
    let named = source.named("accounts", faults);
    if named.is_empty() {
        faults.missing("accounts");
    }
    let mut accounts = BTreeMap::new();
    for (name, section) in named {
        let key = format!("accounts.{name}");
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if name.is_empty() || name.len() > ACCOUNT_NAME_MAX || !name.bytes().all(plain) {
            faults.add(&key, format!("the name must be 1 to {ACCOUNT_NAME_MAX} of a-z 0-9 _ -"));
        }
        let section: Section = value::read(&key, section, faults);
        if let Some(account) = section.check(&key, &name, environment, faults) {
            accounts.insert(name, account);
        }
    }
    accounts
}

impl Section {
    fn check(self, key: &str, name: &str, environment: &Environment, faults: &mut Faults) -> Option<Account> {
        let choice = Choice { file: self.secret_file.as_deref(), variable: self.secret_env.as_deref() };
        let secret = secret::read(key, &choice, environment, faults);
        let base_url = required(&format!("{key}.base_url"), self.base_url, faults);
        let base_url = base_url::checked(&format!("{key}.base_url"), &base_url, faults);
        let merchant = required(&format!("{key}.merchant"), self.merchant, faults);
        if let Some(rate) = &self.rate {
            rate.check(&format!("{key}.rate"), faults);
        }
        let Some(provider) = self.provider else {
            faults.missing(&format!("{key}.provider"));
            return None;
        };
        for (part, given, of) in [
            ("airalo", self.airalo.is_some(), Provider::Airalo),
            ("worldline", self.worldline.is_some(), Provider::Worldline),
        ] {
            if given && provider != of {
                faults.add(format!("{key}.{part}"), format!("is of no use at {}", provider.as_str()));
            }
        }
        let limits = provider.limits();
        if limits.needs_key_id && self.key_id.is_none() {
            faults.missing(&format!("{key}.key_id"));
        }
        if limits.needs_site_url {
            site_url(&format!("{key}.site_url"), self.site_url.as_deref(), faults);
        }
        let short = self.allow_short_timeouts;
        let account = Account {
            name: name.to_owned(),
            provider,
            base_url,
            merchant,
            key_id: self.key_id,
            secret,
            secret_file: self.secret_file,
            timeouts: self.timeouts.check(key, &limits, short, faults),
            concurrency_max: self.concurrency_max.unwrap_or(CONCURRENCY_DEFAULT),
            queue_max: self.queue_max.unwrap_or(QUEUE_DEFAULT),
            resend_window_s: self.resend_window_s.unwrap_or(limits.resend_window_s),
            refund_window_days: self.refund_window_days.or(limits.refund_window_days),
            rate: self.rate.or(limits.rate),
            currencies: self.currencies.unwrap_or_else(|| limits.currencies()),
            site_url: self.site_url,
            airalo: self.airalo.unwrap_or_default(),
            worldline: self.worldline.unwrap_or_default(),
            schedule: self.schedule,
        };
        account.schedule.check(key, short, faults);
        account.airalo.check(key, faults);
        account.worldline.check(key, faults);
        account.check(key, &limits, faults);
        Some(account)
    }
}

impl Account {
    fn check(&self, key: &str, limits: &provider::Limits, faults: &mut Faults) {
        faults.within(&format!("{key}.concurrency_max"), self.concurrency_max, &(1..=1_000));
        faults.within(&format!("{key}.queue_max"), self.queue_max, &(1..=100_000_000));
        let window = 0..=limits.resend_window_s_max;
        faults.within(&format!("{key}.resend_window_s"), self.resend_window_s, &window);
        if let Some(days) = self.refund_window_days {
            let most = limits.refund_window_days.unwrap_or(REFUND_WINDOW_DAYS_MAX);
            faults.within(&format!("{key}.refund_window_days"), days, &(1..=most));
        }
        let is_code = |code: &String| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if !self.currencies.iter().all(is_code) {
            faults.add(format!("{key}.currencies"), "each must be three capital letters of ISO 4217");
        }
        for (part, value) in [("merchant", Some(&self.merchant)), ("key_id", self.key_id.as_ref())] {
            // Both travel in a header: a line break or a colon would change what it says.
            if value.is_some_and(|value| !value.chars().all(|c| c.is_ascii_graphic() && c != ':')) {
                faults.add(format!("{key}.{part}"), "must be visible ASCII characters without a colon");
            }
        }
    }
}

fn required(key: &str, value: Option<String>, faults: &mut Faults) -> String {
    value.filter(|value| !value.is_empty()).unwrap_or_else(|| {
        faults.missing(key);
        String::new()
    })
}

fn site_url(key: &str, value: Option<&str>, faults: &mut Faults) {
    match value.map(url::Url::parse) {
        None => faults.missing(key),
        Some(Ok(url)) if matches!(url.scheme(), "https" | "http") && url.has_host() => {}
        Some(_) => faults.add(key, "must be a URL such as https://shop.example"),
    }
}
