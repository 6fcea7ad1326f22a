//! The database as a process finds it: locked by another, left by an earlier one, older or newer than itself.

use std::time::{Duration, Instant};

use refunds::domain::admission::Rate;
use refunds::domain::timestamp::Timestamp;
use refunds::service::{Clock, SystemClock};
use refunds::store::sql::{Options, SqlStore};
use refunds::store::{Error, Store};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{LEASE, accept, begin, claim, claim_one};
use crate::support::database::{Kind, TestDatabase};
use crate::support::samples::{account, payment};
use crate::support::{on_every_database, on_postgres};

#[tokio::test]
async fn a_second_process_on_a_sqlite_file_is_refused() {
    let db = TestDatabase::fresh(Kind::Sqlite).await.unwrap();
    let second = SqlStore::connect(&db.url, Options::default()).await;
    assert!(matches!(second, Err(Error::InUse(_))));
}

#[tokio::test]
async fn leases_of_an_earlier_process_are_taken_over_at_once_on_sqlite() {
    let db = TestDatabase::fresh(Kind::Sqlite).await.unwrap();
    let account = account("shop-au");
    accept(&*db.store(), payment(&account.identity, "1", 100)).await;
    let lease = claim_one(&*db.store(), &account).await;
    begin(&*db.store(), &lease, &account).await;
    let db = db.reopened().await;
    let taken = claim(&*db.store(), "next", &account).await;
    assert_eq!(taken.len(), 1);
    assert!(taken[0].taken_over);
    assert!(taken[0].members[0].lease.token > lease.token);
    let held = db.store().renew(&[lease], LEASE).await.unwrap();
    assert_eq!(held, vec![false]);
}

#[tokio::test]
async fn an_empty_database_is_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("empty.db").display());
    let store = SqlStore::connect(&url, Options::default()).await.unwrap();
    let told = store.ready().await;
    assert!(matches!(told, Err(Error::Schema(_))), "{told:?}");
    store.migrate().await.unwrap();
    store.ready().await.unwrap();
}

on_every_database! {
    async fn an_older_schema_is_not_ready_and_a_newer_one_is(db: &TestDatabase) {
        let store = db.sql();
        db.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99991231_000001_next', 1)")
            .await
            .unwrap();
        store.ready().await.unwrap();
        store.migrate().await.unwrap();
        db.execute("DELETE FROM seaql_migrations WHERE version LIKE 'm2026%'").await.unwrap();
        let told = store.ready().await;
        assert!(matches!(told, Err(Error::Schema(_))), "{told:?}");
    }

    async fn a_closed_database_is_away(db: &TestDatabase) {
        let store = db.sql();
        store.close().await.unwrap();
        let told = store.ready().await;
        assert!(matches!(told, Err(Error::Away { .. })), "{told:?}");
        let told = store.create(vec![payment(&account("shop-au").identity, "1", 1)]).await;
        assert!(matches!(told, Err(Error::Away { .. })), "{told:?}");
    }

    async fn the_stores_own_clock_goes_on(db: &TestDatabase) {
        let other = match db.kind {
            Kind::Postgres => db.url.clone(),
            Kind::Sqlite | Kind::Memory => "sqlite::memory:".to_owned(),
        };
        let store = SqlStore::connect(&other, Options::default()).await.unwrap();
        let (first, second) = (store.now().await.unwrap(), store.now().await.unwrap());
        assert!(first <= second);
        assert!(first > Timestamp::parse_rfc3339("2025-01-01T00:00:00Z").unwrap());
        store.close().await.unwrap();
    }
}

on_postgres! {
    async fn the_clock_of_the_database_decides_and_not_a_replicas(db: &TestDatabase) {
        // A clock of the database's that is an hour ahead of every replica's.
        db.execute(
            "CREATE SCHEMA ahead;
             CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql
                 AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$;
             DO $$ BEGIN
                 EXECUTE format('ALTER DATABASE %I SET search_path = ahead, pg_catalog, public',
                     current_database());
             END $$",
        )
        .await
        .unwrap();
        let store = SqlStore::connect(&db.url, Options::default()).await.unwrap();
        let ahead = SystemClock.now().plus(Duration::from_mins(59));
        assert!(store.now().await.unwrap() > ahead);
        let account = account("shop-au");
        assert!(accept(&store, payment(&account.identity, "1", 1)).await.create_time > ahead);
        assert!(claim(&store, "worker", &account).await[0].now > ahead);
        let rate = Rate::of_lookups("bucket".to_owned(), Duration::from_mins(5));
        assert_eq!(store.spend(&rate).await.unwrap(), None);
        let raw = db.raw().await;
        let sql = "SELECT next_free_us FROM rate_budgets";
        let row = raw.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
        let next_free = Timestamp::from_micros(row.try_get("", "next_free_us").unwrap());
        assert!(next_free > ahead.plus(rate.every));
        raw.close().await.unwrap();
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_unreachable_database_is_away() {
    let told = SqlStore::connect("postgres://127.0.0.1:1/refunds", Options::default()).await;
    assert!(matches!(told, Err(Error::Away { .. })));
    let told = SqlStore::connect("sqlite:///nowhere/at/all.db", Options::default()).await;
    assert!(matches!(told, Err(Error::Away { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_its_sessions_is_away_and_comes_back() {
    let Some(db) = TestDatabase::fresh(Kind::Postgres).await else {
        return;
    };
    let (store, account) = (db.store(), account("shop-au"));
    accept(&*store, payment(&account.identity, "1", 1)).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    db.execute(end).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match store.create(vec![payment(&account.identity, "2", 1)]).await {
            Ok(_) => break,
            Err(Error::Away { .. }) => assert!(Instant::now() < deadline, "still away"),
            Err(other) => panic!("{other:?}"),
        }
    }
    db.finish().await;
}
