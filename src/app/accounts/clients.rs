//! The client of each provider, from an account as configured.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::config::accounts as configured;
use crate::config::accounts::worldline::{Algorithm, RequestIdPlace};
use crate::config::secret;
use crate::domain::account::Capabilities;
use crate::domain::money::Currency;
use crate::provider::Provider;
use crate::provider::afterpay::{self, Afterpay};
use crate::provider::airalo::{self, Airalo};
use crate::provider::moyasar::{self, Moyasar};
use crate::provider::worldline::{self, Worldline};
use crate::service::Clock;

use super::super::Error;
use super::millis;

/// The header that the key of a refund stands in where [`RequestIdPlace::Header`] asks for one.
const REQUEST_ID_HEADER: &str = "RequestId";

/// What the client of a provider is built from.
pub(super) enum Client {
    Afterpay(Box<afterpay::Settings>),
    Airalo(Box<airalo::Settings>),
    Moyasar(Box<moyasar::Settings>),
    Worldline(Box<worldline::Settings>),
}

impl Client {
    /// Reads the settings of an account's client; builds nothing yet. `clock` dates what a client signs.
    pub(super) fn of(account: &configured::Account, clock: &Arc<dyn Clock>) -> Result<Self, Error> {
        let base_url = url(account, "base_url", &account.base_url)?;
        Ok(match account.provider {
            configured::Provider::Afterpay => Self::Afterpay(Box::new(afterpay_settings(account, base_url)?)),
            configured::Provider::Airalo => Self::Airalo(Box::new(airalo_settings(account, base_url))),
            configured::Provider::Moyasar => Self::Moyasar(Box::new(moyasar_settings(account, base_url))),
            configured::Provider::Worldline => {
                Self::Worldline(Box::new(worldline_settings(account, base_url, clock)?))
            }
        })
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        match self {
            Self::Afterpay(settings) => afterpay::capabilities(settings),
            Self::Airalo(settings) => airalo::capabilities(settings),
            Self::Moyasar(settings) => moyasar::capabilities(settings),
            Self::Worldline(settings) => worldline::capabilities(settings),
        }
    }

    pub(super) fn build(self, account: &configured::Account) -> Result<Arc<dyn Provider>, Error> {
        let told = |source| Error::Provider { account: account.name.clone(), source };
        Ok(match self {
            Self::Afterpay(settings) => Arc::new(Afterpay::new(*settings).map_err(told)?),
            Self::Airalo(settings) => Arc::new(Airalo::new(*settings).map_err(told)?),
            Self::Moyasar(settings) => Arc::new(Moyasar::new(*settings).map_err(told)?),
            Self::Worldline(settings) => Arc::new(Worldline::new(*settings).map_err(told)?),
        })
    }
}

fn afterpay_settings(account: &configured::Account, base_url: Url) -> Result<afterpay::Settings, Error> {
    let site = account.site_url.as_deref().unwrap_or_default();
    let user_agent = afterpay::user_agent(&account.merchant, site);
    let secret = account.secret.clone();
    let mut settings = afterpay::Settings::new(base_url, account.merchant.clone(), secret, user_agent);
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
        .map(|code| Currency::parse(code).map_err(|rule| setting(account, "currencies", rule.0)))
        .collect::<Result<_, _>>()?;
    Ok(settings)
}

fn airalo_settings(account: &configured::Account, base_url: Url) -> airalo::Settings {
    let client_id = account.key_id.clone().unwrap_or_default();
    let mut settings = airalo::Settings::new(base_url, client_id, account.secret.clone());
    settings.connect = millis(account.timeouts.connect_ms);
    settings.read = millis(account.timeouts.read_ms);
    settings.lookup_read = millis(account.timeouts.lookup_read_ms);
    settings.batch_422_atomic = account.airalo.batch_422_atomic;
    if let Some(rate) = account.rate {
        settings.quiet = millis(rate.per_ms);
    }
    settings
}

fn moyasar_settings(account: &configured::Account, base_url: Url) -> moyasar::Settings {
    let mut settings = moyasar::Settings::new(base_url, account.secret.clone());
    settings.connect = millis(account.timeouts.connect_ms);
    settings.read = millis(account.timeouts.read_ms);
    settings.lookup_read = millis(account.timeouts.lookup_read_ms);
    settings.resend_window = Duration::from_secs(account.resend_window_s);
    settings
}

fn worldline_settings(
    account: &configured::Account,
    base_url: Url,
    clock: &Arc<dyn Clock>,
) -> Result<worldline::Settings, Error> {
    let own = &account.worldline;
    let auth = match &own.issuer {
        None => worldline::Auth::Bearer(account.secret.clone()),
        Some(issuer) => {
            let clock = Arc::clone(clock);
            let now = worldline::Now::from_fn(move || clock.now());
            let mut jwt = worldline::Jwt::new(issuer.clone(), keys(account), now);
            jwt.algorithm = match own.algorithm {
                Algorithm::Ps256 => worldline::Algorithm::Ps256,
                Algorithm::Rs256 => worldline::Algorithm::Rs256,
            };
            if let Some(token_url) = &own.token_url {
                jwt.token_url = Some(url(account, "worldline.token_url", token_url)?);
            }
            worldline::Auth::Jwt(jwt)
        }
    };
    let mut settings = worldline::Settings::new(base_url, account.merchant.clone(), auth);
    settings.connect = millis(account.timeouts.connect_ms);
    settings.read = millis(account.timeouts.read_ms);
    settings.lookup_read = millis(account.timeouts.lookup_read_ms);
    settings.resend_window = Duration::from_secs(account.resend_window_s);
    settings.request_id_confirmed = own.request_id_confirmed;
    settings.request_id_place = match own.request_id_place {
        RequestIdPlace::TopLevel => worldline::RequestIdPlace::Body,
        RequestIdPlace::Amount => worldline::RequestIdPlace::Amount,
        RequestIdPlace::Header => worldline::RequestIdPlace::Header(REQUEST_ID_HEADER.to_owned()),
    };
    Ok(settings)
}

/// The keys that sign tokens: a file is read anew for each, so that a rotated one needs no restart.
fn keys(account: &configured::Account) -> worldline::Keys {
    match account.secret_file.clone() {
        Some(file) => worldline::Keys::read_by(move || -> Result<SecretString, String> {
            secret::read_file(&file).map_err(|fault| fault.to_string())
        }),
        None => worldline::Keys::fixed(account.secret.clone()),
    }
}

fn url(account: &configured::Account, key: &str, value: &str) -> Result<Url, Error> {
    Url::parse(value).map_err(|error| setting(account, key, error.to_string()))
}

fn setting(account: &configured::Account, key: &str, rule: String) -> Error {
    Error::Setting { key: format!("accounts.{}.{key}", account.name), rule }
}
