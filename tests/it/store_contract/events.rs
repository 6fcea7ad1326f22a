//! Events: without holes, in each refund's order, whoever commits when.

use std::collections::BTreeMap;
use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::id::RefundId;
use refunds::domain::refund::{Change, Wait};
use refunds::store::{Changed, Claimed, Store};
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};

use super::{accept, apply, begin, claim, claim_one, outcome};
use crate::support::app::PATIENCE;
use crate::support::database::TestDatabase;
use crate::support::process::until;
use crate::support::samples::{account, payment};
use crate::support::{on_every_store, on_postgres};

pub(super) const NOTHING_SENT: Change =
    Change::NothingSent { wait: Wait::Backoff, delay: Duration::ZERO, alone: false };

/// One who reads all events by their position and goes on after the last that it saw.
#[derive(Default)]
struct Reader {
    position: i64,
    /// The sequences of each refund, in the order of the reading.
    seen: BTreeMap<RefundId, Vec<i64>>,
}

impl Reader {
    /// Reads what has come, and holds each event against the one before.
    async fn read(&mut self, store: &dyn Store) {
        loop {
            let events = store.events_from(self.position, 5).await.unwrap();
            assert!(events.len() <= 5);
            if events.is_empty() {
                return;
            }
            for event in events {
                assert_eq!(event.position, Some(self.position + 1), "neither hole nor repeat: {event:?}");
                self.position += 1;
                self.seen.entry(event.refund_id).or_default().push(event.sequence);
            }
        }
    }

    /// Whether the events of a refund came once each and in order.
    async fn saw_all_of(&self, store: &dyn Store, id: RefundId) {
        let all: Vec<_> = store.history(id).await.unwrap().events.iter().map(|e| e.sequence).collect();
        assert_eq!(self.seen.get(&id), Some(&all), "of {id}");
    }
}

/// Sends each call, of which nothing leaves: two events for each.
async fn send(db: &TestDatabase, store: &dyn Store, account: &Account, claimed: &[Claimed]) {
    for claimed in claimed {
        let lease = &claimed.members[0].lease;
        let attempt = begin(store, lease, account).await;
        apply(store, outcome(db, account, lease, attempt, NOTHING_SENT), account).await;
    }
}

async fn place_all(store: &dyn Store) {
    while store.sequence_events(7).await.unwrap() > 0 {}
}

on_every_store! {
    async fn events_are_read_after_a_sequence_and_up_to_a_limit(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        for _ in 0..3 {
            let claimed = claim(&*store, "worker", &account).await;
            send(db, &*store, &account, &claimed).await;
        }
        let sequences = async |after, limit| -> Vec<i64> {
            let events = store.events_after(refund.id, after, limit).await.unwrap();
            events.iter().map(|event| event.sequence).collect()
        };
        assert_eq!(sequences(0, 100).await, vec![1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(sequences(2, 3).await, vec![3, 4, 5]);
        assert!(sequences(7, 3).await.is_empty());
    }

    async fn events_are_read_from_a_position_once_they_have_one(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(accept(&*store, payment(&account.identity, &n.to_string(), 100)).await.id);
        }
        let read = async |position, limit| -> Vec<(RefundId, Option<i64>)> {
            let events = store.events_from(position, limit).await.unwrap();
            events.iter().map(|event| (event.refund_id, event.position)).collect()
        };
        assert_eq!(read(0, 100).await, []);
        let mut changes = store.changes();
        assert_eq!(store.sequence_events(3).await.unwrap(), 3);
        assert_eq!(changes.try_recv(), Ok(Changed::Placed));
        assert_eq!(read(0, 100).await, [(ids[0], Some(1)), (ids[1], Some(2)), (ids[2], Some(3))]);
        assert_eq!(read(1, 1).await, [(ids[1], Some(2))]);
        assert_eq!(read(3, 100).await, []);
        assert_eq!(store.sequence_events(3).await.unwrap(), 1);
        assert_eq!(read(3, 100).await, [(ids[3], Some(4))]);
        assert_eq!(store.events_from(2, 1).await.unwrap(), store.events_after(ids[2], 0, 1).await.unwrap());
        // Nobody is woken for nothing.
        assert_eq!(changes.try_recv(), Ok(Changed::Placed));
        assert_eq!(store.sequence_events(3).await.unwrap(), 0);
        assert!(changes.try_recv().is_err());
    }

    async fn one_who_reads_on_while_replicas_write_and_place_misses_and_repeats_nothing(db: &TestDatabase) {
        let replicas = [db.store(), db.replica().await, db.replica().await];
        let [store, other, third] = &replicas;
        let account = account("shop-au");
        let wishes: Vec<_> = (0..12).map(|n| payment(&account.identity, &n.to_string(), 100)).collect();
        let ids: Vec<_> = wishes.iter().map(|new| new.id).collect();
        store.create(wishes).await.unwrap();
        let mut reader = Reader::default();
        for _ in 0..4 {
            let claimed = claim(&**store, "worker", &account).await;
            let (one, rest) = claimed.split_at(claimed.len() / 3);
            let (two, three) = rest.split_at(rest.len() / 2);
            let place = async |store: &dyn Store| {
                for _ in 0..6 {
                    store.sequence_events(3).await.unwrap();
                }
            };
            let read = async {
                for _ in 0..6 {
                    reader.read(&**third).await;
                }
            };
            tokio::join!(
                send(db, &**store, &account, one),
                send(db, &**other, &account, two),
                send(db, &**third, &account, three),
                place(&**store),
                place(&**other),
                place(&**third),
                read,
            );
        }
        place_all(&**other).await;
        reader.read(&**third).await;
        for id in ids {
            reader.saw_all_of(&**store, id).await;
        }
    }
}

on_postgres! {
    async fn an_event_that_commits_after_later_ones_is_not_skipped(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = account("shop-au");
        let slow = accept(&*store, payment(&account.identity, "slow", 100)).await.id;
        let lease = claim_one(&*store, &account).await;
        let mut reader = Reader::default();
        place_all(&*store).await;
        reader.read(&*store).await;

        // It draws its number now, under its refund's lock, and commits last.
        let raw = db.raw().await;
        let late = raw.begin().await.unwrap();
        late.execute_unprepared(&format!(
            "UPDATE refunds SET sequence = 2 WHERE id = '{slow}';
             INSERT INTO events (refund_id, sequence, previous, state, actor, time_us)
             VALUES ('{slow}', 2, 'pending', 'pending', 'late', 1)"
        ))
        .await
        .unwrap();
        let behind = begin(&*replica, &lease, &account);
        let meanwhile = async {
            let mut quick = Vec::new();
            for n in 0..6 {
                quick.push(accept(&*store, payment(&account.identity, &n.to_string(), 100)).await.id);
                place_all(&*store).await;
                place_all(&*replica).await;
                reader.read(&*store).await;
            }
            for id in quick {
                reader.saw_all_of(&*store, id).await;
            }
            assert_eq!(reader.seen[&slow], [1]);
            late.commit().await.unwrap();
        };
        tokio::join!(behind, meanwhile);
        place_all(&*replica).await;
        reader.read(&*store).await;
        assert_eq!(reader.seen[&slow], [1, 2, 3]);
        assert_eq!(reader.position, 9);
        raw.close().await.unwrap();
    }

    async fn who_finds_another_at_the_turn_waits_and_places_what_that_one_did_not_see(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let raw = db.raw().await;
        let turn = raw.begin().await.unwrap();
        turn.execute_unprepared("SELECT 1 FROM event_positions FOR UPDATE").await.unwrap();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let waits = async || {
            let sql = "SELECT 1 FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let statement = Statement::from_string(raw.get_database_backend(), sql);
            raw.query_one_raw(statement).await.unwrap().is_some()
        };
        let let_go = async {
            until("the other waits", waits).await;
            turn.commit().await.unwrap();
        };
        let placing = tokio::time::timeout(PATIENCE, replica.sequence_events(7));
        let (placed, ()) = tokio::join!(placing, let_go);
        assert_eq!(placed.unwrap().unwrap(), 1);
        raw.close().await.unwrap();
    }
}
