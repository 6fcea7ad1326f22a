//! Validating: what a create would say, word for word, and no trace of having asked.

use std::collections::BTreeMap;
use std::time::Duration;

use prost_types::Timestamp;
use refunds::config::dev::OPERATOR_TOKEN;
use refunds::grpc::proto::create_refund_request::Target;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{
    CreateRefundRequest, Esims, FieldViolation, Money, Refusal, ValidateRefundRequest,
    ValidateRefundResponse, Wait,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::airalo_batches::with_account;
use super::support::app::{PATIENCE, TestApp, esim, esims_request, payment, request, with_token};
use super::support::on_every_app;
use super::support::people::eur;

/// A day in seconds.
const DAY_S: i64 = 86_400;
/// What Afterpay takes, seconds.
const WINDOW_S: i64 = 120 * DAY_S;
/// Tables that a refund leaves rows in.
const TABLES: &[&str] = &[
    "refunds",
    "idempotency_keys",
    "guards",
    "iccid_claims",
    "events",
    "attempts",
    "attempt_members",
    "history",
    "discrepancies",
    "rate_budgets",
];

fn aud(amount_minor: i64) -> Money {
    Money { currency_code: "AUD".to_owned(), amount_minor }
}

/// An error of a create as the answer to its validation has to tell it.
fn as_refusal(status: &Status) -> Refusal {
    let info = status.get_details_error_info().unwrap();
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    let violation =
        |v: tonic_types::FieldViolation| FieldViolation { field: v.field, description: v.description };
    let wait = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
    Refusal {
        code: i32::from(status.code()),
        reason: info.reason,
        message: status.message().to_owned(),
        metadata: info.metadata,
        field_violations: violations.into_iter().map(violation).collect(),
        retry_delay: wait.map(|wait| prost_types::Duration {
            seconds: wait.as_secs().cast_signed(),
            nanos: wait.subsec_nanos().cast_signed(),
        }),
    }
}

/// Validates a wish that must be refused, and sees that its create is refused word for word. Gives the
/// reason.
async fn refused(app: &TestApp, wish: CreateRefundRequest) -> String {
    let told = app.validate(wish.clone()).await;
    let status = app.create(wish.clone()).await.unwrap_err();
    let refusal = told.refusal.clone().unwrap_or_else(|| panic!("accepted: {wish:?}"));
    assert_eq!(refusal, as_refusal(&status), "{wish:?}");
    assert!(!told.accepted && told.existing.is_none(), "{wish:?}");
    assert_eq!((told.earliest_send_time, told.waits_for()), (None, Wait::Unspecified), "{wish:?}");
    refusal.reason
}

/// Validates a wish that must be taken.
async fn accepted(app: &TestApp, wish: CreateRefundRequest) -> ValidateRefundResponse {
    let told = app.validate(wish.clone()).await;
    assert!(told.accepted && told.refusal.is_none(), "{wish:?}: {told:?}");
    told
}

fn fields(refusal: &Refusal) -> Vec<&str> {
    refusal.field_violations.iter().map(|violation| violation.field.as_str()).collect()
}

fn is_near(at: Option<Timestamp>, wanted: Timestamp) -> bool {
    at.is_some_and(|at| (at.seconds - wanted.seconds).abs() <= 2)
}

async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql.to_owned())).await;
    row.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// How many rows each table has, and the last position.
async fn traces(app: &mut TestApp) -> BTreeMap<&'static str, i64> {
    app.pause().await;
    let raw = sea_orm::Database::connect(app.url.url.as_str()).await.unwrap();
    let mut counts = BTreeMap::new();
    for table in TABLES {
        counts.insert(*table, number(&raw, &format!("SELECT count(*) FROM {table}")).await);
    }
    let last = "SELECT CAST(coalesce(max(last_position), 0) AS bigint) FROM event_positions";
    counts.insert("last position", number(&raw, last).await);
    raw.close().await.unwrap();
    app.resume().await;
    counts
}

on_every_app! {
    async fn it_leaves_no_trace(app: &mut TestApp) {
        let before = traces(app).await;
        assert!(before.values().all(|count| *count == 0), "{before:?}");
        let mut whole = request("v1", "1001", 100_000);
        whole.captured_amount = Some(aud(100_000));
        for _ in 0..3 {
            let told = accepted(app, whole.clone()).await;
            assert_eq!((told.existing, told.remaining), (None, None));
            accepted(app, esim("v2", "airalo", "8940000000001")).await;
            let soon = Some(app.in_seconds(60));
            accepted(app, CreateRefundRequest { send_before: soon, ..whole.clone() }).await;
        }
        assert!(!app.validate(request("v3", "", 0)).await.accepted);
        let elsewhere = CreateRefundRequest { account: "nowhere".to_owned(), ..whole.clone() };
        assert!(!app.validate(elsewhere).await.accepted);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(traces(app).await, before);
        assert_eq!(app.sandbox.counters("airalo").await["refunds"]["received"], 0);
        for order in ["1001", "8940000000001"] {
            assert_eq!(app.sandbox.calls(order).await.len(), 0, "nobody was asked");
        }
        // No key is used up, nothing is held, no eSIM is taken.
        let refund = app.accepted(whole.clone()).await;
        app.accepted(esim("v2", "airalo", "8940000000001")).await;
        app.wait_for(&refund.refund_id, State::Succeeded).await;

        // Nor where there is something to leave a trace in.
        let part = request("v4", "1001", 1);
        let held = app.full(&refund.refund_id).await;
        for wish in [whole, part, esim("v5", "airalo", "8940000000001")] {
            app.validate(wish).await;
        }
        assert_eq!(app.full(&refund.refund_id).await, held);
        assert_eq!(app.remaining(&request("v6", "1001", 1)).await, Some(0));
    }

    async fn what_breaks_a_rule_of_its_form_is_refused_with_every_field(app: &mut TestApp) {
        let nothing = ValidateRefundRequest { refund: None };
        let told = app.client().await.validate_refund(nothing).await.unwrap().into_inner();
        assert_eq!(fields(&told.refusal.unwrap()), ["request_id", "account", "target"]);
        let mut broken = request("", "x y", 0);
        broken.email = "nobody".to_owned();
        broken.notes = "4111 1111 1111 1111".to_owned();
        broken.not_before = Some(Timestamp { seconds: -1, nanos: 0 });
        broken.retry_of = "the first one".to_owned();
        let refusal = app.validate(broken.clone()).await.refusal.unwrap();
        let of_payment = ["payment.order_id", "payment.amount.amount_minor"];
        let of_the_rest = ["notes", "email", "not_before", "retry_of"];
        assert_eq!(fields(&refusal), [["request_id"].as_slice(), &of_payment, &of_the_rest].concat());
        let now = app.in_seconds(0);
        let wishes = [
            broken,
            CreateRefundRequest { target: None, ..request("f1", "1001", 1) },
            // Each of these is well formed, and its account does not take it.
            request("f2", "letters", 1),
            payment("f3", "afterpay", "1001", ("JPY", 1)),
            payment("f4", "airalo", "1001", ("USD", 1)),
            esim("f5", "moyasar", "8940000000001"),
            CreateRefundRequest { captured_amount: Some(eur(1)), ..request("f6", "1001", 1) },
            CreateRefundRequest {
                expected_remaining: Some(aud(1)),
                ..esim("f7", "airalo", "8940000000001")
            },
            CreateRefundRequest {
                provider_reason: "WHIM".to_owned(),
                ..esim("f8", "airalo", "8940000000001")
            },
            CreateRefundRequest {
                not_before: Some(now),
                send_before: Some(now),
                purchase_time: Some(app.in_seconds(DAY_S)),
                ..request("f9", "1001", 1)
            },
        ];
        for wish in wishes {
            assert_eq!(refused(app, wish).await, "INVALID_FIELD");
        }
    }

    async fn what_its_account_does_not_allow_is_refused(app: &mut TestApp) {
        let elsewhere = CreateRefundRequest { account: "nowhere".to_owned(), ..request("a1", "1001", 1) };
        assert_eq!(refused(app, elsewhere).await, "ACCOUNT_NOT_FOUND");
        let bought = |seconds_ago: i64| CreateRefundRequest {
            purchase_time: Some(app.in_seconds(-seconds_ago)),
            ..request("a2", "1002", 1)
        };
        assert_eq!(refused(app, bought(WINDOW_S + 60)).await, "REFUND_WINDOW_EXPIRED");
        assert_eq!(refused(app, bought(WINDOW_S)).await, "REFUND_WINDOW_EXPIRED");
        accepted(app, bought(WINDOW_S - 60)).await;
        assert_eq!(app.sandbox.calls("1002").await.len(), 0, "no call was made for it");
    }

    async fn what_remains_decides_and_is_told(app: &mut TestApp) {
        // 900.00 captured and 300.00 refunded by somebody else, which nobody knows before a look.
        let asks = |id: &str, minor| request(id, "7001", minor);
        assert_eq!(accepted(app, asks("g1", 1)).await.remaining, None);
        let mut said = asks("g2", 70_000);
        said.captured_amount = Some(aud(69_999));
        assert_eq!(refused(app, said.clone()).await, "AMOUNT_EXCEEDS_REMAINING");
        let hoped = CreateRefundRequest { expected_remaining: Some(aud(60_000)), ..asks("g3", 1) };
        assert_eq!(refused(app, hoped.clone()).await, "EXPECTED_REMAINING_CHANGED");

        let first = app.accepted(asks("g4", 10_000)).await;
        app.wait_for(&first.refund_id, State::Succeeded).await;
        let told = accepted(app, asks("g5", 50_000)).await;
        assert_eq!(told.remaining, Some(aud(50_000)), "before it");
        assert_eq!(refused(app, asks("g5", 50_001)).await, "AMOUNT_EXCEEDS_REMAINING");
        let told = app.validate(asks("g5", 50_001)).await;
        assert_eq!(told.remaining, Some(aud(50_000)), "told with the refusal, too");
        assert_eq!(told.refusal.unwrap().metadata["remaining_minor"], "50000");
        // The provider's figures beat the caller's.
        accepted(app, CreateRefundRequest { captured_amount: Some(aud(1)), ..asks("g5", 50_000) }).await;
        assert_eq!(refused(app, hoped).await, "EXPECTED_REMAINING_CHANGED");
        let right = CreateRefundRequest { expected_remaining: Some(aud(50_000)), ..asks("g6", 50_000) };
        accepted(app, right.clone()).await;
        assert_eq!(refused(app, payment("g7", "afterpay", "7001", ("USD", 1))).await, "CURRENCY_MISMATCH");
        // By whichever spelling of the order.
        assert_eq!(accepted(app, request("g8", "007001", 1)).await.remaining, Some(aud(50_000)));
        app.accepted(right).await;
        assert_eq!(refused(app, asks("g9", 1)).await, "AMOUNT_EXCEEDS_REMAINING");
        assert_eq!(app.validate(asks("g9", 1)).await.remaining, Some(aud(0)));
    }

    async fn esims_that_are_taken_are_named(app: &mut TestApp) {
        app.accepted(esim("e1", "airalo", "8940000000001")).await;
        let wish = esims_request("e2", "airalo", &["8940000000002", "8940000000001"]);
        assert_eq!(refused(app, wish.clone()).await, "ESIM_TAKEN");
        let refusal = app.validate(wish).await.refusal.unwrap();
        assert_eq!(refusal.metadata["iccid"], "8940000000001");
        let free = accepted(app, esim("e2", "airalo", "8940000000002")).await;
        assert_eq!((free.remaining, free.person_reviews), (None, true), "people decide at Airalo");
        assert!(!accepted(app, request("e3", "1001", 1)).await.person_reviews);
        let twice = Some(Target::Esims(Esims { iccids: vec!["8940000000003".to_owned(); 2] }));
        let twice = CreateRefundRequest { target: twice, ..esim("e4", "airalo", "8940000000003") };
        assert_eq!(refused(app, twice).await, "INVALID_FIELD");
    }

    async fn a_key_that_was_used_is_a_replay_or_refused(app: &mut TestApp) {
        let wish = CreateRefundRequest {
            purchase_time: Some(app.in_seconds(DAY_S - WINDOW_S)),
            captured_amount: Some(aud(1_000)),
            ..request("k1", "1001", 1_000)
        };
        let refund = app.accepted(wish.clone()).await;
        let refund = app.wait_for(&refund.refund_id, State::Succeeded).await;
        // Decided before any rule: by now it is too old, and nothing remains.
        app.clock.advance(Duration::from_hours(48));
        let told = accepted(app, wish.clone()).await;
        assert_eq!(told.existing, Some(refund));
        assert_eq!((told.earliest_send_time, told.waits_for()), (None, Wait::Unspecified));
        let other = CreateRefundRequest { notes: "other".to_owned(), ..wish.clone() };
        assert_eq!(refused(app, other.clone()).await, "REQUEST_ID_REUSED");
        assert_eq!(app.validate(other).await.refusal.unwrap().metadata["fields"], "notes");
        // The key's scope is the caller.
        let fresh = ValidateRefundRequest { refund: Some(request("k1", "1002", 1_000)) };
        let theirs = app.client().await.validate_refund(with_token(fresh, OPERATOR_TOKEN)).await;
        assert!(theirs.unwrap().into_inner().accepted);
        let fresh = CreateRefundRequest { request_id: "k2".to_owned(), ..wish };
        assert_eq!(refused(app, fresh).await, "REFUND_WINDOW_EXPIRED");
    }

    async fn what_may_not_be_tried_again_is_refused(app: &mut TestApp) {
        let refund = app.refund("t1", "1001").await;
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        let again = |first: &str| CreateRefundRequest {
            retry_of: first.to_owned(),
            ..request("t2", "1001", 1_000)
        };
        assert_eq!(refused(app, again(&refund.refund_id)).await, "STATE_FORBIDS");
        let nobodys = "00000000-0000-7000-8000-000000000000";
        assert_eq!(refused(app, again(nobodys)).await, "INVALID_FIELD");
    }

    async fn a_full_queue_is_told_with_when_to_come_again(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS__ACCOUNTS__AFTERPAY__QUEUE_MAX", "1")]);
        app.resume().await;
        app.refund("q0", "9974001").await;
        let deadline = Instant::now() + PATIENCE;
        // The depth is looked at every second.
        while app.validate(request("q1", "9974002", 1)).await.accepted {
            assert!(Instant::now() < deadline, "the queue was never full");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(refused(app, request("q1", "9974002", 1)).await, "QUEUE_FULL");
        let refusal = app.validate(request("q1", "9974002", 1)).await.refusal.unwrap();
        assert_eq!(refusal.code, i32::from(Code::ResourceExhausted));
        assert!(refusal.retry_delay.unwrap().seconds > 0);
    }

    async fn it_says_when_a_refund_could_be_sent_and_what_it_would_wait_for(app: &mut TestApp) {
        with_account(app, &[("REFUNDS__ACCOUNTS__SHOP__RATE__PER_MS", "300000")]).await;
        let told = accepted(app, request("s1", "1001", 1)).await;
        assert!(is_near(told.earliest_send_time, app.in_seconds(0)), "{told:?}");
        assert_eq!(told.waits_for(), Wait::Turn);
        let later = app.in_seconds(3_600);
        let told = accepted(app, CreateRefundRequest { not_before: Some(later), ..request("s1", "1001", 1) });
        let told = told.await;
        assert_eq!((told.earliest_send_time, told.waits_for()), (Some(later), Wait::NotBefore));

        let told = accepted(app, esim("s2", "shop", "8940000000001")).await;
        assert_eq!(told.waits_for(), Wait::Turn, "there is a slot");
        let first = app.accepted(esim("s2", "shop", "8940000000001")).await;
        let sent = |refund: &refunds::grpc::proto::Refund| refund.send_count == 1;
        let first = app.wait_until(&first.refund_id, "sent", sent).await;
        let slot = Timestamp { seconds: first.create_time.unwrap().seconds + 302, nanos: 0 };
        let told = accepted(app, esim("s3", "shop", "8940000000002")).await;
        assert_eq!(told.waits_for(), Wait::Slot);
        let at = told.earliest_send_time.unwrap().seconds - slot.seconds;
        assert!((0..30).contains(&at), "a window and what a slot may be old after the first: {at} s");

        app.hold_up("afterpay", None).await.unwrap();
        let told = accepted(app, request("s1", "1001", 1)).await;
        assert_eq!((told.earliest_send_time, told.waits_for()), (None, Wait::AccountPaused));
        app.hold_up("afterpay", Some(later)).await.unwrap();
        let told = accepted(app, request("s1", "1001", 1)).await;
        assert_eq!((told.earliest_send_time, told.waits_for()), (Some(later), Wait::AccountPaused));
    }
}
