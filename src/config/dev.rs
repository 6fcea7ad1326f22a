//! What the `dev` command says by itself: everything on this machine, nothing real.

use std::path::Path;

use super::callers::{Accounts, Caller, Callers, Right, TokenHash};
use super::source::Defaults;
use super::{Config, Environment, Error, Fault};

/// The account that `dev` has.
pub const ACCOUNT: &str = "afterpay";

/// Its merchant at the imitated provider: the example of Afterpay's own documents.
pub const MERCHANT: &str = "600032000";

/// Its secret at the imitated provider.
pub const SECRET: &str = "sandbox-secret";

/// The variable that [`SECRET`] is taken from, so that another one may be set.
pub const SECRET_VARIABLE: &str = "REFUNDS_DEV_SECRET";

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
        let defaults = Defaults {
            values: vec![
                ("server.drain_delay_ms", 0_i64.into()),
                ("database.url", format!("sqlite:{database}?mode=rwc").into()),
                ("database.migrate_on_start", true.into()),
                ("callers.default_caller", CALLER.into()),
                ("accounts.afterpay.provider", "afterpay".into()),
                ("accounts.afterpay.base_url", format!("{sandbox_base_url}/afterpay").into()),
                ("accounts.afterpay.merchant", MERCHANT.into()),
                ("accounts.afterpay.secret_env", SECRET_VARIABLE.into()),
                ("accounts.afterpay.site_url", "http://localhost".into()),
                ("accounts.afterpay.schedule.first_check_ms", 1_000_i64.into()),
                ("accounts.afterpay.schedule.backoff_base_ms", 200_i64.into()),
                ("telemetry.log_format", "text".into()),
            ],
            callers: Some(callers()),
        };
        let mut environment = environment.clone();
        environment.or_insert(SECRET_VARIABLE, SECRET);
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
        assert_eq!(config.testing, Testing { kill_at: Some("after_intent".into()), kill_after_hits: 1 });
        let account = &config.accounts[ACCOUNT];
        assert_eq!((account.merchant.as_str(), account.secret.expose_secret()), (MERCHANT, SECRET));
        let find = |token: &str| config.callers.find(&Sha256::digest(token).into()).unwrap();
        assert_eq!(find(CALLER_TOKEN).name, CALLER);
        assert!(!find(CALLER_TOKEN).may(Right::Operate));
        assert!(find(OPERATOR_TOKEN).may(Right::Operate));
    }
}
