//! What the `dev` command says by itself: everything on this machine, nothing real.

use std::path::Path;

use config::ValueKind;

use super::callers::{Accounts, Caller, Callers, Right, TokenHash};
use super::source::Defaults;
use super::{Config, Environment, Error, Fault};

/// An account that `dev` has: its name is its provider's.
struct Account {
    name: &'static str,
    merchant: &'static str,
    /// At the imitated provider.
    secret: &'static str,
    /// What `secret` is taken from, so that another one may be set.
    secret_variable: &'static str,
}

impl Account {
    fn values(&self, sandbox_base_url: &str) -> Vec<(String, ValueKind)> {
        let name = self.name;
        let own: &[(&str, ValueKind)] = match name {
            "afterpay" => &[("site_url", "http://localhost".into())],
            "airalo" => &[
                ("key_id", AIRALO_CLIENT_ID.into()),
                ("rate.requests", 1_i64.into()),
                ("rate.per_ms", AIRALO_WINDOW_MS.into()),
                ("allow_short_timeouts", true.into()),
                ("timeouts.connect_ms", AIRALO_CONNECT_MS.into()),
                ("airalo.lookup_rate.requests", 5_i64.into()),
                ("airalo.lookup_rate.per_ms", 1_000_i64.into()),
            ],
            "worldline" => &[("worldline.request_id_confirmed", true.into())],
            _ => &[],
        };
        let checks: Vec<i64> = CHECKS_MS.to_vec();
        let common = [
            ("provider", name.into()),
            ("base_url", format!("{sandbox_base_url}/{name}").into()),
            ("merchant", self.merchant.into()),
            ("secret_env", self.secret_variable.into()),
            ("schedule.first_check_ms", 1_000_i64.into()),
            ("schedule.backoff_base_ms", 200_i64.into()),
            ("schedule.check_schedule_ms", checks.into()),
        ];
        let all = common.into_iter().chain(own.iter().cloned());
        all.map(|(key, value)| (format!("accounts.{name}.{key}"), value)).collect()
    }
}

/// One at each imitated provider; the merchants are examples of the providers' own documents where they have
/// such.
const ACCOUNTS: [Account; 4] = [
    Account {
        name: "afterpay",
        merchant: "600032000",
        secret: "sandbox-secret",
        secret_variable: "REFUNDS_DEV_AFTERPAY_SECRET",
    },
    Account {
        name: "airalo",
        merchant: "sandbox-company",
        secret: "sandbox-secret",
        secret_variable: "REFUNDS_DEV_AIRALO_SECRET",
    },
    Account {
        name: "moyasar",
        merchant: "sandbox-merchant",
        secret: "sandbox-key",
        secret_variable: "REFUNDS_DEV_MOYASAR_SECRET",
    },
    Account {
        name: "worldline",
        merchant: "1570616552",
        secret: "sandbox-token",
        secret_variable: "REFUNDS_DEV_WORLDLINE_SECRET",
    },
];

/// The client id of the imitated Airalo.
const AIRALO_CLIENT_ID: &str = "sandbox-client";
/// The imitated Airalo takes one refund call in this time.
const AIRALO_WINDOW_MS: i64 = 2_000;
/// A slot of that window is no older than this when its call begins, connection included.
const AIRALO_CONNECT_MS: i64 = 1_000;
/// The imitated reviewers take seconds, not days.
const CHECKS_MS: [i64; 5] = [1_000, 2_000, 5_000, 60_000, 3_600_000];

/// The name of the caller that creates refunds; a call without a token is its call.
pub const CALLER: &str = "dev";

/// The name of the caller with all rights.
pub const OPERATOR: &str = "operator";

/// The token of [`CALLER`].
pub const CALLER_TOKEN: &str = "dev-token";

/// The token of [`OPERATOR`].
pub const OPERATOR_TOKEN: &str = "operator-token";

/// SHA-256 of [`CALLER_TOKEN`].
const CALLER_TOKEN_SHA256: TokenHash = [
    0xc9, 0x1c, 0xbb, 0xed, 0xf8, 0xc7, 0x12, 0xe8, 0xe2, 0xb7, 0x51, 0x7d, 0xde, 0xca, 0x8f, 0xe4, 0xfd,
    0xe8, 0x39, 0xeb, 0xd8, 0x33, 0x9e, 0x0b, 0x20, 0x01, 0x36, 0x30, 0x02, 0xb3, 0x77, 0x12,
];

/// SHA-256 of [`OPERATOR_TOKEN`].
const OPERATOR_TOKEN_SHA256: TokenHash = [
    0x08, 0x50, 0x12, 0x33, 0x15, 0xd2, 0x1a, 0xb9, 0x0f, 0x4f, 0x72, 0x36, 0x40, 0x8a, 0x52, 0xef, 0x6d,
    0xbd, 0x6a, 0x02, 0xa6, 0x55, 0x0e, 0x5c, 0x10, 0xdc, 0x73, 0xf4, 0xd9, 0x93, 0x68, 0x0e,
];

impl Config {
    /// The configuration of the `dev` command: SQLite in `data_dir`, loopback only, two known callers and one
    /// account at each provider imitated at `sandbox_base_url`. The environment still has the last word.
    ///
    /// # Errors
    ///
    /// A path that is not UTF-8, or faults in the environment.
    pub fn dev(data_dir: &Path, sandbox_base_url: &str, environment: &Environment) -> Result<Self, Error> {
        let database = data_dir.join("refunds.sqlite");
        let Some(database) = database.to_str() else {
            let rule = "the data directory's name must be UTF-8".to_owned();
            return Err(Error::Invalid(vec![Fault { key: "database.url".to_owned(), rule }]));
        };
        let database = database.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let mut environment = environment.clone();
        let mut values = vec![
            ("server.drain_delay_ms".to_owned(), 0_i64.into()),
            ("database.url".to_owned(), format!("sqlite:{database}?mode=rwc").into()),
            ("database.migrate_on_start".to_owned(), true.into()),
            ("callers.default_caller".to_owned(), CALLER.into()),
            ("telemetry.log_format".to_owned(), "text".into()),
        ];
        for account in ACCOUNTS {
            values.extend(account.values(sandbox_base_url));
            environment.or_insert(account.secret_variable, account.secret);
        }
        let defaults = Defaults { values, callers: Some(callers()) };
        Self::read(&defaults, None, &environment)
    }
}

fn callers() -> Callers {
    let caller = |name: &str, rights: &[Right]| Caller {
        name: name.to_owned(),
        rights: rights.iter().copied().collect(),
        accounts: Accounts::All,
    };
    Callers::fixed(vec![
        (CALLER_TOKEN_SHA256, caller(CALLER, &[Right::Refund])),
        (OPERATOR_TOKEN_SHA256, caller(OPERATOR, &[Right::Refund, Right::ReadAll, Right::Operate])),
    ])
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use sha2::{Digest, Sha256};
    use tempfile::TempDir;

    use super::*;
    use crate::config::testing::Testing;

    #[test]
    fn dev_needs_nothing_and_its_tokens_are_the_documented_ones() {
        let data = TempDir::new().unwrap();
        let variables = [("REFUNDS__TESTING__KILL_AT", "after_intent")];
        let config = Config::dev(data.path(), "http://127.0.0.1:18080", &Environment::of(variables)).unwrap();
        assert!(config.server.listen.ip().is_loopback());
        assert!(config.database.migrate_on_start);
        assert!(config.database.url.expose_secret().starts_with("sqlite:/"));
        assert_eq!(config.callers.default_caller().unwrap().name, CALLER);
        assert_eq!(config.testing, Testing { kill_at: Some("after_intent".into()), ..Testing::default() });
        assert_eq!(config.accounts.len(), ACCOUNTS.len());
        for Account { name, merchant, secret, .. } in ACCOUNTS {
            let account = &config.accounts[name];
            assert_eq!((account.merchant.as_str(), account.secret.expose_secret()), (merchant, secret));
        }
        let find = |token: &str| config.callers.find(&Sha256::digest(token).into()).unwrap();
        assert_eq!(find(CALLER_TOKEN).name, CALLER);
        assert!(!find(CALLER_TOKEN).may(Right::Operate));
        assert!(find(OPERATOR_TOKEN).may(Right::Operate));
    }
}
