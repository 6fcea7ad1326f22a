//! What the hot path asks is answered by indexes that hold open work only.

use sea_orm::{ConnectionTrait, Statement};

use crate::support::database::{Kind, TestDatabase};
use crate::support::on_every_database;
use crate::support::samples::{identity, payment};

/// What is asked, and the index that answers.
pub(super) const ASKED: &[(&str, &str)] = &[
    (
        "SELECT * FROM refunds WHERE due_us <= 1 AND state <> 'sending' AND account = 'a' \
         ORDER BY due_us LIMIT 5",
        "refunds_due",
    ),
    (
        "SELECT * FROM refunds WHERE due_us <= 1 AND state = 'pending' AND account = 'a' \
         ORDER BY created_us, id LIMIT 50",
        "refunds_pending refunds_due",
    ),
    (
        "SELECT * FROM refunds WHERE due_us <= 1 AND state = 'pending' AND send_before_us <= 1 \
         AND COALESCE(account, '') IN ('a', 'b') ORDER BY created_us, id LIMIT 5",
        "refunds_send_before",
    ),
    (
        "SELECT DISTINCT account FROM refunds WHERE account IN ('a', 'b') AND state = 'pending' \
         AND due_us > 1 AND due_us <= 2 AND lease_worker IS NOT NULL",
        // Either holds open work only.
        "refunds_due refunds_pending",
    ),
    (
        "SELECT * FROM refunds WHERE due_us <= 1 AND state <> 'pending' AND state <> 'sending' \
         AND account = 'a' ORDER BY due_us LIMIT 5",
        "refunds_started_due",
    ),
    (
        "SELECT * FROM refunds WHERE due_us <= 1 AND state = 'sending' \
         AND COALESCE(account, '') IN ('a', 'b') ORDER BY due_us LIMIT 5",
        "refunds_sending_due",
    ),
    (
        "SELECT id FROM refunds WHERE provider = 'afterpay' AND merchant = 'm' AND order_key = '7'",
        "refunds_order",
    ),
    (
        "SELECT id FROM refunds WHERE provider = 'afterpay' AND merchant = 'm' AND order_key = '7' \
         AND wait = 'order' AND state = 'pending'",
        "refunds_order_waiting",
    ),
    (
        "SELECT * FROM refunds WHERE account = 'a' AND follow_us <= 1 ORDER BY follow_us LIMIT 5",
        "refunds_follow",
    ),
    (
        "SELECT COUNT(*) FROM refunds WHERE account IN ('a', 'b') AND state = 'pending' AND created_us <= 1 \
         AND (created_us < 1 OR created_us = 1 AND send_before_us < 1)",
        "refunds_pending",
    ),
    (
        "SELECT * FROM refunds WHERE due_us IS NOT NULL AND id > '00000000-0000-7000-8000-000000000000' \
         ORDER BY id LIMIT 100",
        "refunds_open_by_id",
    ),
    (
        "SELECT id FROM refunds WHERE retry_of = '00000000-0000-7000-8000-000000000000' \
         ORDER BY created_us, id",
        "refunds_retry_of",
    ),
    (
        "SELECT * FROM history WHERE refund_id = '00000000-0000-7000-8000-000000000000' ORDER BY number",
        "history_pkey sqlite_autoindex_history_1",
    ),
    ("SELECT * FROM events WHERE position > 1 ORDER BY position LIMIT 500", "events_position"),
    ("SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT 5", "events_to_be_placed"),
];

on_every_database! {
    async fn the_hot_path_goes_by_partial_indexes(db: &TestDatabase) {
        let wishes = (0..2_000).map(|n| payment(&identity("shop-au"), &n.to_string(), 1)).collect();
        db.store().create(wishes).await.unwrap();
        while db.store().sequence_events(1_000).await.unwrap() > 0 {}
        let raw = db.raw().await;
        let backend = raw.get_database_backend();
        let (explain, column) = match db.kind {
            Kind::Postgres => ("EXPLAIN", "QUERY PLAN"),
            Kind::Sqlite | Kind::Memory => ("EXPLAIN QUERY PLAN", "detail"),
        };
        if db.kind == Kind::Postgres {
            raw.execute_unprepared("ANALYZE").await.unwrap();
        }
        for (asked, index) in ASKED {
            let statement = Statement::from_string(backend, format!("{explain} {asked}"));
            let rows = raw.query_all_raw(statement).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.try_get("", column).unwrap()).collect();
            let is_index = |word: &str| index.split(' ').any(|index| index == word);
            let goes_by = |line: &String| line.split_whitespace().any(is_index);
            assert!(plan.iter().any(goes_by), "{asked}: {plan:#?}");
        }
        raw.close().await.unwrap();
    }
}
