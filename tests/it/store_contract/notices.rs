//! Notices between replicas: what one commits rings in the others, and what is not told costs time only.

use std::sync::Arc;
use std::time::Duration;

use refunds::domain::id::{CallerName, RefundId};
use refunds::service::{
    Caller, Error, Limits, Service, Start, SystemIds, Uninterrupted, Watch, WatchItem, WatchTarget, Watched,
};
use refunds::store::sql::SqlStore;
use refunds::store::{Changed, Store};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::events::NOTHING_SENT;
use super::{accept, apply, ask, begin, claim_one, outcome};
use crate::support::app::PATIENCE;
use crate::support::database::TestDatabase;
use crate::support::on_postgres;
use crate::support::process::until;
use crate::support::samples::{account, payment};

/// The connections that hear, and those that have told something.
const HEARING: &str = "query LIKE 'LISTEN%'";
const TELLING: &str = "query LIKE '%pg_notify%' AND application_name = 'refunds notices'";
const ANY: &str = "application_name = 'refunds notices'";

/// Longer than any test: whoever looks only so often was woken.
const NEVER: Duration = Duration::from_hours(10);

/// The server's processes in this database for which something holds.
async fn backends(raw: &DatabaseConnection, which: &str) -> Vec<i32> {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"
    );
    let rows = raw.query_all_raw(Statement::from_string(raw.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "pid").unwrap()).collect()
}

async fn cut(raw: &DatabaseConnection, which: &str) {
    for pid in backends(raw, which).await {
        raw.execute_unprepared(&format!("SELECT pg_terminate_backend({pid})")).await.unwrap();
    }
}

async fn next(changes: &mut Receiver<Changed>) -> Changed {
    timeout(PATIENCE, changes.recv()).await.expect("nothing rang").unwrap()
}

/// The next change that is told by its id: what rang because wakes may have been lost is passed over.
async fn next_told(changes: &mut Receiver<Changed>) -> Changed {
    loop {
        match next(changes).await {
            Changed::Any => {}
            told => return told,
        }
    }
}

/// A new refund, through one store.
async fn changed(store: &SqlStore, order: &str) -> RefundId {
    accept(store, payment(&account("shop-au").identity, order, 100)).await.id
}

/// Two that have heard each other: whatever rings for anything from now on has a new cause.
async fn acquainted(db: &TestDatabase) -> (SqlStore, SqlStore) {
    let (one, two) = (db.listener().await, db.listener().await);
    for (n, (from, to)) in [(&one, &two), (&two, &one)].into_iter().enumerate() {
        // Whoever does not listen yet rings for anything when it does.
        let raw = db.raw().await;
        until("both listen", async || backends(&raw, HEARING).await.len() == 2).await;
        raw.close().await.unwrap();
        let mut changes = to.changes();
        let id = changed(from, &format!("acquainted-{n}")).await;
        assert_eq!(next_told(&mut changes).await, Changed::Elsewhere(id));
    }
    (one, two)
}

/// A stream of a refund from now on, in a service that goes by wakes alone.
async fn watch(store: SqlStore, refund_id: RefundId) -> mpsc::Receiver<Result<Watched, Error>> {
    let limits = Limits { streams_max: 10, heartbeat: NEVER, poll: NEVER };
    let (ids, drain) = (Arc::new(SystemIds), CancellationToken::new());
    let service = Service::new(Arc::new(store), [], ids, Arc::new(Uninterrupted), limits, drain);
    let caller = Caller {
        name: CallerName::parse("shop").unwrap(),
        refund: true,
        read_all: false,
        operate: false,
        accounts: None,
    };
    let watch = Watch { target: WatchTarget::Refund(refund_id), start: Start::Now, follow_reversals: false };
    Arc::new(service).watch(&caller, watch).await.unwrap()
}

/// The sequence of the next change that a stream tells.
async fn next_change(stream: &mut mpsc::Receiver<Result<Watched, Error>>) -> i64 {
    let told = timeout(PATIENCE, stream.recv()).await.expect("nothing woke it").unwrap().unwrap();
    match told.item {
        WatchItem::Change(event) => event.sequence,
        other => panic!("{other:?}"),
    }
}

on_postgres! {
    async fn a_change_rings_in_every_replica_and_once_in_its_own(db: &TestDatabase) {
        let (one, two) = acquainted(db).await;
        let (mut in_one, mut in_two) = (one.changes(), two.changes());
        let (first, second) = (changed(&one, "1").await, changed(&one, "2").await);
        let mut heard = vec![next(&mut in_two).await, next(&mut in_two).await];
        // What shares a notice comes in no order.
        heard.sort_by_key(|told| format!("{told:?}"));
        let mut told = vec![Changed::Elsewhere(first), Changed::Elsewhere(second)];
        told.sort_by_key(|told| format!("{told:?}"));
        assert_eq!(heard, told);
        // Its own notices came back to it before the other's answer.
        let answer = changed(&two, "3").await;
        assert_eq!(next(&mut in_one).await, Changed::Here(first));
        assert_eq!(next(&mut in_one).await, Changed::Here(second));
        assert_eq!(next(&mut in_one).await, Changed::Elsewhere(answer));
        assert_eq!(one.sequence_events(100).await.unwrap(), 5);
        assert_eq!(next(&mut in_one).await, Changed::Placed);
        assert_eq!(next(&mut in_two).await, Changed::Here(answer));
        assert_eq!(next(&mut in_two).await, Changed::Placed);
    }

    async fn a_stream_that_would_not_look_by_itself_tells_what_another_replica_did(db: &TestDatabase) {
        let (here, there) = (db.listener().await, db.listener().await);
        let account = account("shop-au");
        let id = accept(&there, payment(&account.identity, "1", 100)).await.id;
        let mut stream = watch(here, id).await;
        for n in 0..3 {
            let lease = claim_one(&there, &account).await;
            let attempt = begin(&there, &lease, &account).await;
            assert_eq!(next_change(&mut stream).await, 2 * n + 2);
            apply(&there, outcome(db, &account, &lease, attempt, NOTHING_SENT), &account).await;
            assert_eq!(next_change(&mut stream).await, 2 * n + 3);
        }
    }

    async fn due_work_rings_in_every_replica(db: &TestDatabase) {
        let (one, two) = acquainted(db).await;
        let account = account("shop-au");
        let claimed = two.claim(&ask("worker", &account, 10)).await.unwrap();
        let leases: Vec<_> = claimed.into_iter().map(|c| c.members[0].lease.clone()).collect();
        let mut due = two.due_work();
        changed(&one, "1").await;
        timeout(PATIENCE, due.recv()).await.expect("nothing rang").unwrap();
        let lease = claim_one(&two, &account).await;
        let mut due = one.due_work();
        two.release(&[lease]).await.unwrap();
        timeout(PATIENCE, due.recv()).await.expect("nothing rang").unwrap();
        two.release(&leases).await.unwrap();
    }

    async fn one_whose_connection_is_cut_rings_for_anything_and_hears_again(db: &TestDatabase) {
        let (one, two) = acquainted(db).await;
        let raw = db.raw().await;
        for n in 0..3 {
            let before = backends(&raw, HEARING).await;
            let mut in_two = two.changes();
            let mut due = two.due_work();
            cut(&raw, ANY).await;
            assert_eq!(next(&mut in_two).await, Changed::Any);
            timeout(PATIENCE, due.recv()).await.expect("nothing rang").unwrap();
            until("both listen again", async || {
                let now = backends(&raw, HEARING).await;
                now.len() == 2 && now.iter().all(|pid| !before.contains(pid))
            })
            .await;
            let id = changed(&one, &n.to_string()).await;
            assert_eq!(next_told(&mut in_two).await, Changed::Elsewhere(id));
        }
        raw.close().await.unwrap();
    }

    async fn a_notice_that_cannot_be_sent_holds_nobody_up_and_is_sent_later(db: &TestDatabase) {
        let (one, two) = acquainted(db).await;
        // Nobody may connect any more; what is connected stays.
        let mut options = ConnectOptions::new(&db.url);
        let raw = Database::connect(options.max_connections(1).to_owned()).await.unwrap();
        let (server, name) = db.url.split_once("/refunds_test_").unwrap();
        let name = format!("refunds_test_{}", name.split('?').next().unwrap());
        let query = db.url.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
        let admin = Database::connect(format!("{server}/postgres{query}")).await.unwrap();
        let connections = async |allowed| {
            let sql = format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {allowed}");
            admin.execute_unprepared(&sql).await.unwrap();
        };
        let mut in_two = two.changes();
        connections(false).await;
        cut(&raw, TELLING).await;
        until("nobody tells", async || backends(&raw, TELLING).await.is_empty()).await;
        // One transaction, on a connection that was there before.
        let wishes: Vec<_> =
            (0..3).map(|n| payment(&account("shop-au").identity, &n.to_string(), 100)).collect();
        let mut ids: Vec<_> = wishes.iter().map(|new| new.id).collect();
        timeout(PATIENCE, one.create(wishes)).await.expect("it waits for the notice").unwrap();
        // Long enough for a notice to fail.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(in_two.try_recv().is_err(), "there was a way to tell it");
        connections(true).await;
        let mut heard = Vec::new();
        while heard.len() < ids.len() {
            match next(&mut in_two).await {
                Changed::Elsewhere(id) => heard.push(id),
                other => panic!("{other:?}"),
            }
        }
        heard.sort_unstable();
        ids.sort_unstable();
        assert_eq!(heard, ids);
        raw.close().await.unwrap();
        admin.close().await.unwrap();
    }

    async fn a_replica_that_does_not_listen_tells_nothing_and_hears_nothing(db: &TestDatabase) {
        let (one, two) = acquainted(db).await;
        let silent = db.sql();
        let (mut in_silent, mut in_one) = (silent.changes(), one.changes());
        let own = changed(&silent, "1").await;
        let others = changed(&two, "2").await;
        assert_eq!(next(&mut in_one).await, Changed::Elsewhere(others));
        assert_eq!(in_silent.try_recv(), Ok(Changed::Here(own)));
        assert!(in_silent.try_recv().is_err());
        // By looking it knows all the same.
        assert!(silent.find(others).await.unwrap().is_some());
    }

    async fn the_connections_end_with_the_store(db: &TestDatabase) {
        let (one, two) = acquainted(db).await;
        let raw = db.raw().await;
        assert_eq!(backends(&raw, ANY).await.len(), 4);
        drop(one);
        until("those of one are gone", async || backends(&raw, ANY).await.len() == 2).await;
        timeout(PATIENCE, two.close()).await.expect("it does not close").unwrap();
        until("all are gone", async || backends(&raw, ANY).await.is_empty()).await;
        raw.close().await.unwrap();
    }
}
