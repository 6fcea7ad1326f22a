//! The statements of `docs/operations.md` run as they stand there, and tell what the page says of them.

use refunds::domain::admission::Amendment;
use refunds::domain::id::RefundId;
use refunds::domain::plan::Jitter;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};

use super::{accept, begin, claim};
use crate::support::database::TestDatabase;
use crate::support::on_every_database;
use crate::support::samples::{account, esim_account, esims, iccid, payment};

const PAGE: &str = include_str!("../../../docs/operations.md");

/// The statement below the line that begins so.
fn statement(after: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(after).unwrap();
    let (_, rest) = rest.split_once("```sql\n").unwrap();
    rest.split_once("```").unwrap().0
}

/// As the page says that it is written for the other database.
fn written_for(backend: DbBackend, statement: &str) -> String {
    if backend == DbBackend::Postgres {
        return statement.to_owned();
    }
    let mut text = statement.replace("extract(epoch FROM clock_timestamp())", "unixepoch('subsec')");
    while let Some(at) = text.find("to_timestamp(") {
        let start = at + "to_timestamp(".len();
        let mut depth = 1;
        let end = text[start..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let end = start + end.unwrap();
        let seconds = text[start..end].to_owned();
        text.replace_range(at..=end, &format!("datetime({seconds}, 'unixepoch')"));
    }
    text
}

async fn told(db: &TestDatabase, after: &str) -> Vec<QueryResult> {
    let raw = db.raw().await;
    let backend = raw.get_database_backend();
    let sql = written_for(backend, statement(after));
    let rows = raw.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    raw.close().await.unwrap();
    rows
}

fn ids(rows: &[QueryResult]) -> Vec<RefundId> {
    rows.iter().map(|row| RefundId(row.try_get("", "id").unwrap())).collect()
}

on_every_database! {
    async fn the_page_for_the_night_shows_what_is_stuck(db: &TestDatabase) {
        let store = db.store();
        // The database's own clock is ahead of this one: what is leased here has long run out there.
        let (shop, company) = (account("shop-au"), esim_account("company"));
        let sending = accept(&*store, payment(&shop.identity, "1", 100)).await.id;
        let waiting = accept(&*store, payment(&shop.identity, "2", 100)).await.id;
        let claimed = claim(&*store, "worker", &shop).await;
        begin(&*store, &claimed[0].members[0].lease, &shop).await;
        let esim = accept(&*store, esims(&company.identity, &[&iccid(1)])).await.id;

        let waits = told(db, "What waits, for what").await;
        let of = |account: &str, state: &str| {
            let is_it = |row: &&QueryResult| {
                let (of, in_state): (String, String) =
                    (row.try_get("", "account").unwrap(), row.try_get("", "state").unwrap());
                of == account && in_state == state
            };
            waits.iter().find(is_it).map(|row| row.try_get::<i64>("", "refunds").unwrap())
        };
        assert_eq!((of("shop-au", "sending"), of("shop-au", "pending")), (Some(1), Some(1)));
        assert_eq!((of("company", "pending"), of("company", "sending")), (Some(1), None));

        assert_eq!(ids(&told(db, "What is due and nobody takes").await), [sending]);
        let mut overdue = ids(&told(db, "What is overdue").await);
        overdue.sort_unstable();
        assert!([waiting, esim].iter().all(|id| overdue.contains(id)), "{overdue:?}");

        assert!(told(db, "Accounts that hold up").await.is_empty());
        let accounts = [shop.clone(), company.clone()];
        store.recover(db.clock.now(), &accounts, Jitter(0)).await.unwrap();
        let held_up = told(db, "Accounts that hold up").await;
        let names: Vec<String> = held_up.iter().map(|row| row.try_get("", "name").unwrap()).collect();
        assert_eq!(names, ["company"]);
        assert_eq!(told(db, "When the next call of a rate budget").await.len(), 1);

        store.amend(&company.identity, &Amendment::Resume { key_heeded: false }).await.unwrap();
        assert!(told(db, "Accounts that hold up").await.is_empty());
    }
}
