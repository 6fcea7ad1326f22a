//! The laws that the database holds on its own, whatever program writes to it.

use std::time::Duration;

use refunds::domain::answer::Review;
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Change, Failure, Success};
use refunds::store::Error;
use sea_orm::{ConnectionTrait, DbErr};

use super::{accept, apply, begin, claim_one, outcome};
use crate::support::database::TestDatabase;
use crate::support::on_every_database;
use crate::support::samples::{account, aud, esims, identity, payment};

/// One refund in each state that a few steps reach, found by its order in raw SQL.
async fn one_of_each(db: &TestDatabase) {
    let store = db.store();
    let account = account("shop-au");
    let failure = Failure { reason: FailureReason::Declined, provider_code: None, text: None };
    let success =
        Success { amount_minor: Some(100), provider_refund_id: None, completed: None, items: vec![] };
    let changes = [
        ("succeeded", Change::Confirm(success)),
        ("failed", Change::Decline { failure, conclusive: true, delay: Duration::ZERO }),
        ("unknown", Change::Unanswered { delay: Duration::from_hours(1), overdue_after: Duration::ZERO }),
        (
            "in_review",
            Change::Review {
                review: Review::default(),
                delay: Duration::from_hours(1),
                overdue_after: Duration::ZERO,
            },
        ),
    ];
    for (order, change) in changes {
        accept(&*store, payment(&account.identity, order, 100)).await;
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        apply(&*store, outcome(db, &account, &lease, attempt, change), &account).await;
    }
    accept(&*store, payment(&account.identity, "sending", 100)).await;
    let lease = claim_one(&*store, &account).await;
    begin(&*store, &lease, &account).await;
    let mut pending = payment(&account.identity, "pending", 100);
    pending.content.captured_amount = Some(aud(1_000));
    accept(&*store, pending).await;
    accept(&*store, esims(&identity("airalo"), &["89400000000000001", "89400000000000002"])).await;
}

/// Breaches of a law of `refunds`: what is set, where the order is that.
const REFUND_BREACHES: &[(&str, &str)] = &[
    ("due_us = 1", "succeeded"),
    ("due_us = 1, planned_us = 1, overdue_us = 1", "succeeded"),
    ("due_us = NULL", "pending"),
    ("due_us = NULL, planned_us = NULL, overdue_us = NULL", "unknown"),
    ("overdue_us = NULL", "in_review"),
    ("state = 'lost'", "pending"),
    ("state = 'sending'", "pending"),
    ("state = 'unknown'", "pending"),
    ("state = 'pending'", "sending"),
    ("state = 'pending'", "unknown"),
    ("state = 'failed'", "succeeded"),
    ("state = 'partially_succeeded'", "succeeded"),
    ("state = 'succeeded'", "failed"),
    ("amount_minor = 0", "pending"),
    ("amount_minor = NULL", "pending"),
    ("currency = NULL", "pending"),
    ("order_key = NULL", "pending"),
    ("captured_minor = -1", "pending"),
    ("captured_currency = NULL", "pending"),
    ("expected_minor = 5", "pending"),
    ("sequence = 0", "pending"),
    ("sends = 0", "unknown"),
    ("updated_us = created_us - 1", "pending"),
    ("wait = NULL", "unknown"),
    ("wait = 'turn'", "sending"),
    ("attempt_id = NULL", "sending"),
    ("first_sent_us = NULL, checks = NULL", "unknown"),
    ("first_sent_us = NULL, checks = NULL", "in_review"),
    ("first_sent_us = 1, checks = 0", "pending"),
    ("checks = NULL", "unknown"),
    ("refusal_reason = 'declined'", "unknown"),
    ("refusal_reason = 'declined', refusal_us = 1", "pending"),
    ("review_reference = 'x'", "unknown"),
    ("success_minor = 5", "unknown"),
    ("success_minor = -1", "succeeded"),
    ("failure_reason = NULL", "failed"),
    ("failure_reason = 'declined'", "succeeded"),
    ("failure_text = 'x'", "unknown"),
    ("lease_worker = 'w'", "pending"),
    ("lease_length_us = 1", "pending"),
    ("lease_worker = NULL", "sending"),
    ("lease_worker = 'w', lease_length_us = 1", "succeeded"),
    ("lease_token = -1", "pending"),
    ("provider_key = (SELECT provider_key FROM refunds WHERE order_id = 'failed')", "succeeded"),
];

/// Breaches of laws of other tables.
const BREACHES: &[&str] = &[
    "UPDATE refunds SET order_id = 'x' WHERE order_id IS NULL",
    "UPDATE refunds SET transaction_id = 'x' WHERE order_id IS NULL",
    "DELETE FROM refunds WHERE order_id = 'pending'",
    "UPDATE idempotency_keys SET refund_id =
     (SELECT refund_id FROM idempotency_keys ORDER BY refund_id LIMIT 1)",
    "UPDATE idempotency_keys SET request_id = 'same'",
    "UPDATE guards SET own_minor = -1",
    "UPDATE guards SET external_minor = -1",
    "UPDATE guards SET captured_minor = -1",
    "UPDATE guards SET order_key = 'same'",
    "UPDATE iccid_claims SET iccid = 'same'",
    "DELETE FROM refunds WHERE order_id IS NULL",
    "UPDATE events SET sequence = 1",
    "UPDATE events SET sequence = 0 WHERE sequence = 1",
    "UPDATE events SET position = 1",
    "UPDATE events SET position = 0",
    "UPDATE events SET previous = 'pending' WHERE sequence = 1",
    "UPDATE event_positions SET id = 2",
    "INSERT INTO event_positions (id, last_position) VALUES (2, 0)",
    "UPDATE attempts SET kind = 'guess'",
    "UPDATE attempts SET ended_us = NULL WHERE ended_us IS NOT NULL",
    "UPDATE attempts SET http_status = 500 WHERE ended_us IS NULL",
    "DELETE FROM attempts",
    "UPDATE accounts SET paused_by = 'someone'",
    "UPDATE accounts SET paused_until_us = 1",
    "UPDATE accounts SET blocked_cause = 'credentials'",
    "UPDATE accounts SET failures = -1",
    "UPDATE accounts SET retry_spent_milli = -1",
];

/// Whether the database refused, and as a breach of a constraint.
fn is_refused(told: &Result<u64, DbErr>) -> bool {
    let text = told.as_ref().err().map(|error| error.to_string().to_lowercase());
    text.is_some_and(|text| text.contains("constraint"))
}

on_every_database! {
    async fn a_breach_of_a_law_is_refused_by_the_database(db: &TestDatabase) {
        one_of_each(db).await;
        let raw = db.raw().await;
        let breaches = REFUND_BREACHES
            .iter()
            .map(|(set, order)| format!("UPDATE refunds SET {set} WHERE order_id = '{order}'"))
            .chain(BREACHES.iter().map(|sql| (*sql).to_owned()));
        for sql in breaches {
            let told = raw.execute_unprepared(&sql).await.map(|done| done.rows_affected());
            assert!(is_refused(&told), "{sql}: {told:?}");
        }
        let fine = "UPDATE refunds SET due_us = 1 WHERE order_id = 'pending'";
        assert_eq!(raw.execute_unprepared(fine).await.unwrap().rows_affected(), 1);
        raw.close().await.unwrap();
    }

    async fn a_wish_that_breaks_a_law_takes_no_other_of_its_batch_down(db: &TestDatabase) {
        let store = db.store();
        let account = identity("shop-au");
        let wishes = ["1", "2", "3"].map(|order| payment(&account, order, 100));
        let ids = wishes.clone().map(|new| new.id);
        let mut batch = wishes.to_vec();
        batch[1].key = batch[0].key;
        let told = store.create(batch).await;
        assert!(matches!(told, Err(Error::Refused { .. })), "{told:?}");
        let mut found = Vec::new();
        for id in ids {
            found.push(store.find(id).await.unwrap().is_some());
        }
        assert_eq!(found, [true, false, true]);
    }
}
