//! A week of Airalo's budget in virtual time: the real service and three dispatchers on one store, a provider
//! whose limit is stricter than the real one.

mod arrivals;
mod figures;
mod provider;

use std::sync::Arc;
use std::time::Duration;

use refunds::app::accounts_of;
use refunds::config::{Config, Environment};
use refunds::dispatch::{Dispatcher, Line, Parts, Settings};
use refunds::domain::account::Account;
use refunds::domain::id::{CallerName, RefundId};
use refunds::service::{Caller, Ids, Limits, Service, Uninterrupted};
use refunds::store::Store;
use refunds::store::memory::MemoryStore;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::support::chance::SeededIds;
use super::support::clock::VirtualClock;
use arrivals::Arrival;
use figures::Figures;
use provider::Airalo;

/// What all chance of the week is drawn from. Another one is another week.
const SEED: u64 = 2_026;
const WEEK: Duration = Duration::from_hours(7 * 24);
/// Replicas on the one store.
const REPLICAS: u64 = 3;
const LEASE: Duration = Duration::from_secs(15);
/// Longer than a replica's own second, and each looks at a moment of its own, so that the week takes seconds.
const POLL: Duration = Duration::from_secs(6);

/// Two accounts behind one address, with the numbers that such accounts have by default.
fn accounts() -> Vec<Account> {
    let settings = ["company", "company-b"].into_iter().flat_map(|name| {
        let key = move |key: &str| format!("REFUNDS__ACCOUNTS__{}__{key}", name.to_ascii_uppercase());
        [
            (key("PROVIDER"), "airalo".to_owned()),
            (key("BASE_URL"), "https://airalo.example".to_owned()),
            (key("MERCHANT"), name.to_owned()),
            (key("KEY_ID"), "client".to_owned()),
            (key("SECRET_ENV"), "SECRET".to_owned()),
        ]
    });
    let settings = settings.chain([("SECRET".to_owned(), "secret".to_owned())]);
    let nowhere = std::env::temp_dir();
    let config = Config::dev(&nowhere, "http://127.0.0.1:1", &Environment::of(settings)).unwrap();
    let mut accounts = accounts_of(&config).unwrap();
    accounts.retain(|account| account.identity.merchant.starts_with("company"));
    accounts
}

struct Week {
    clock: VirtualClock,
    store: Arc<MemoryStore>,
    ids: Arc<dyn Ids>,
    accounts: Vec<Account>,
    provider: Airalo,
}

impl Week {
    fn new() -> Self {
        let (clock, accounts) = (VirtualClock::new(), accounts());
        let provider = Airalo::new(clock, SEED);
        let store = Arc::new(MemoryStore::new(clock.time_source()));
        Self { clock, store, ids: Arc::new(SeededIds::new(SEED)), accounts, provider }
    }

    fn service(&self) -> Service {
        let limits =
            Limits { streams_max: 1, heartbeat: Duration::from_secs(15), poll: Duration::from_secs(1) };
        Service::new(
            self.store.clone(),
            self.accounts.clone(),
            Arc::clone(&self.ids),
            Arc::new(Uninterrupted),
            limits,
            CancellationToken::new(),
        )
    }

    fn dispatcher(&self, replica: u64) -> Dispatcher {
        let parts = Parts {
            store: self.store.clone(),
            clock: Arc::new(self.clock),
            ids: Arc::clone(&self.ids),
            interrupt: Arc::new(Uninterrupted),
            settings: Settings { worker: format!("replica-{replica}"), lease: LEASE, poll: POLL },
        };
        let line = |account: &Account| Line::new(account.clone(), Arc::new(self.provider.clone()));
        Dispatcher::new(parts, self.accounts.iter().map(line).collect())
    }

    /// Creates the refunds at their times; gives their ids.
    async fn ask(&self, arrivals: Vec<Arrival>) -> Vec<RefundId> {
        let (service, start) = (self.service(), Instant::now());
        let caller = Caller {
            name: CallerName::parse("shop").unwrap(),
            refund: true,
            read_all: false,
            operate: false,
            accounts: None,
        };
        let mut ids = Vec::with_capacity(arrivals.len());
        for Arrival { at, wish } in arrivals {
            sleep_until(start + at).await;
            ids.push(service.create(&caller, wish).await.unwrap().refund.id);
        }
        ids
    }
}

#[tokio::test(start_paused = true)]
async fn a_week_of_two_thousand_refunds_meets_no_limit_and_fills_its_calls() {
    let week = Week::new();
    let identities: Vec<_> = week.accounts.iter().map(|account| account.identity.clone()).collect();
    week.store.register(&identities).await.unwrap();
    let start = Instant::now();
    let stop = CancellationToken::new();
    let mut replicas = Vec::new();
    for replica in 0..REPLICAS {
        let (dispatcher, stop) = (week.dispatcher(replica), stop.clone());
        replicas.push(tokio::spawn(async move {
            tokio::time::sleep(POLL * u32::try_from(replica).unwrap() / 3).await;
            dispatcher.run(stop, Duration::from_mins(2)).await;
        }));
    }
    let ids = week.ask(arrivals::of_week(SEED, &identities[0], &identities[1])).await;
    sleep_until(start + WEEK).await;
    stop.cancel();
    for replica in replicas {
        replica.await.unwrap();
    }
    let figures = Figures::of(&week, &ids).await;
    println!("seed {SEED}: {figures}");
    figures.check();
}
