//! The database as a process finds it: locked by another, left by an earlier one, older or newer than itself.

use refunds::store::sql::{Options, SqlStore};
use refunds::store::{Error, Store};

use super::{LEASE, accept, begin, claim_one};
use crate::support::database::{Kind, TestDatabase};
use crate::support::on_every_database;
use crate::support::samples::{account, payment};

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
    let taken = super::claim(&*db.store(), "next", &account).await;
    assert_eq!(taken.len(), 1);
    assert!(taken[0].taken_over);
    assert!(taken[0].lease.token > lease.token);
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
}
