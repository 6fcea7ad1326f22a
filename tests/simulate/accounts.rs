//! The accounts of a run: the capabilities that such accounts really have, and a schedule short enough that a
//! run of some hours sees the end of it.

use std::time::Duration;

use refunds::app::accounts_of;
use refunds::config::{Config, Environment};
use refunds::domain::account::{Account, KeyProof, ProviderKind};
use refunds::domain::admission::{AdmissionPolicy, Rate};
use refunds::domain::plan::Schedule;

use crate::support::samples::name;

/// How long the same key may be sent again. A provider remembers it somewhat longer.
pub(crate) const RESEND_WINDOW: Duration = Duration::from_secs(90);
/// How long after a refusal an absence ends a doubt: longer than any request is on its way.
const REFUSAL_AGE_MIN: Duration = Duration::from_mins(1);
/// How far apart calls of eSIMs are.
pub(crate) const ESIM_WINDOW: Duration = Duration::from_secs(20);
/// The longest that a connection takes.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(1);

/// One account of each provider as `dev` has it, a Worldline one whose key is not confirmed, and a second
/// company behind the address of the first one of Airalo.
pub(crate) fn accounts() -> Vec<Account> {
    let nowhere = std::env::temp_dir();
    let config = Config::dev(&nowhere, "http://127.0.0.1:1", &Environment::of::<String, String>([])).unwrap();
    let mut accounts: Vec<Account> = accounts_of(&config).unwrap().into_iter().map(shortened).collect();
    let of = |kind| accounts.iter().find(|account| account.identity.provider == kind).unwrap().clone();
    let (mut unconfirmed, mut company) = (of(ProviderKind::Worldline), of(ProviderKind::Airalo));
    unconfirmed.identity.name = name("worldline-unconfirmed");
    "another-merchant".clone_into(&mut unconfirmed.identity.merchant);
    unconfirmed.capabilities.key = KeyProof::WhenConfirmed(false);
    company.identity.name = name("airalo-b");
    "another-company".clone_into(&mut company.identity.merchant);
    accounts.extend([unconfirmed, company]);
    accounts
}

fn shortened(account: Account) -> Account {
    let mut account = Account {
        concurrency_max: 3,
        schedule: Schedule {
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_secs(20),
            first_check: Duration::from_secs(4),
            check_steps: vec![Duration::from_secs(15), Duration::from_mins(1), Duration::from_mins(5)],
            refusal_age_min: REFUSAL_AGE_MIN,
            unknown_overdue_after: Duration::from_mins(30),
            review_overdue_after: Duration::from_hours(1),
            follow_steps: vec![Duration::from_mins(2), Duration::from_mins(10)],
        },
        admission: AdmissionPolicy {
            breaker_failures: 6,
            breaker_open: Duration::from_secs(5),
            probe_base: Duration::from_secs(5),
            probe_max: Duration::from_secs(30),
            rate: None,
            ..account.admission
        },
        connect: CONNECT_MAX,
        lookup_rate: None,
        ..account
    };
    account.capabilities.resend_window = account.capabilities.resend_window.map(|_| RESEND_WINDOW);
    if account.identity.provider == ProviderKind::Airalo {
        account.admission.rate = Some(Rate::of_sends("egress".to_owned(), ESIM_WINDOW, CONNECT_MAX));
        account.lookup_rate = Some(Rate::of_lookups("egress/lookup".to_owned(), Duration::from_millis(200)));
    }
    account
}
