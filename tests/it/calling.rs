//! What docs/calling.md promises a calling team and what a client has to be written for: an answer that never
//! comes, a stream that breaks after each message, and every state of the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundRequest, CreateRefundResponse, Refund};
use refunds::service::{Interrupt, Point, SystemClock};
use tokio::time::Instant;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::faults::wish;
use super::stream::{Seen, next, of, open, resumed};
use super::support::app::{PATIENCE, TestApp, request};
use super::support::database::Kind;
use super::support::on_every_app;

/// The guide, whose table of states names an example of each.
const GUIDE: &str = include_str!("../../docs/calling.md");
/// A refund of each provider that nothing troubles: account, order or eSIM.
const ORDINARY: [(&str, &str); 4] = [
    ("afterpay", "100101768366"),
    ("airalo", "894000000000001"),
    ("moyasar", "0191f5a7-44d3-7430-8739-2d80821416bf"),
    ("worldline", "order_example_1"),
];
/// The deadline of a caller that is too impatient for [`Dawdling`].
const IMPATIENCE: Duration = Duration::from_millis(50);

/// Keeps the first create, which is durable by then, from its answer for longer than its caller waits.
#[derive(Default)]
struct Dawdling(AtomicBool);

impl Interrupt for Dawdling {
    fn at(&self, point: Point) {
        if point == Point::AfterCreate && !self.0.swap(true, Ordering::SeqCst) {
            std::thread::sleep(IMPATIENCE * 6);
        }
    }
}

/// The create of the guide: the same request, until it is answered. Gives the codes of the answers that were
/// none, too.
async fn answered(
    app: &TestApp,
    request: &CreateRefundRequest,
    deadline: Duration,
) -> (CreateRefundResponse, Vec<Code>) {
    let (mut client, mut unanswered) = (app.client().await, Vec::new());
    let give_up = Instant::now() + PATIENCE;
    loop {
        let mut call = Request::new(request.clone());
        call.set_timeout(deadline);
        let status = match client.create_refund(call).await {
            Ok(answer) => return (answer.into_inner(), unanswered),
            Err(status) => status,
        };
        // What tonic's client says when the deadline passes is CANCELLED.
        let again = [Code::Unavailable, Code::DeadlineExceeded, Code::ResourceExhausted, Code::Cancelled];
        assert!(again.contains(&status.code()) && Instant::now() < give_up, "{status:?}");
        unanswered.push(status.code());
        tokio::time::sleep(delay(&status)).await;
    }
}

/// How long the service asks to wait, or a moment.
fn delay(status: &Status) -> Duration {
    let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
    asked.unwrap_or(Duration::from_millis(20))
}

/// The examples of the guide's table of states: state, account, order.
fn examples() -> Vec<(State, &'static str, &'static str)> {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `STATE_"));
    let examples = rows.filter_map(|row| {
        let (state, rest) = row.split_once('`')?;
        let state = State::from_str_name(&format!("STATE_{state}")).unwrap();
        let mut words = rest.rsplit('|').nth(1)?.split('`').skip(1).step_by(2);
        Some((state, words.next()?, words.next()?))
    });
    examples.collect()
}

/// The rows of what docs/providers/airalo.md, which is written from the code, says of reasons: ours, theirs.
fn airalos_words() -> Vec<(String, &'static str)> {
    let page = include_str!("../../docs/providers/airalo.md");
    let table = page.split("<!-- airalo reasons -->").nth(1).unwrap();
    let table = table.split("<!-- end of airalo reasons -->").next().unwrap();
    let words = |line: &'static str| line.split('`').skip(1).step_by(2).collect::<Vec<_>>();
    let rows = table.lines().map(words).filter(|words| words.len() == 2);
    rows.map(|words| (format!("`REASON_{}`", words[0].to_uppercase()), words[1])).collect()
}

async fn created(app: &TestApp, request_id: &str, account: &str, order: &str) -> Refund {
    app.create(wish(request_id, account, order)).await.unwrap().refund.unwrap()
}

on_every_app! {
    async fn a_create_that_was_never_answered_is_repeated_and_gives_back_once(app: &mut TestApp) {
        app.pause().await;
        app.seams = Some((Arc::new(SystemClock), Arc::new(Dawdling::default())));
        app.resume().await;
        let (created, unanswered) = answered(app, &request("u1", "1001", 1_000), IMPATIENCE).await;
        assert!(!unanswered.is_empty(), "the first call was answered");
        assert!(created.replayed, "what was durable before its answer was lost is made again");
        let refund = created.refund.unwrap();
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        let (again, _) = answered(app, &request("u1", "1001", 1_000), Duration::from_secs(5)).await;
        assert_eq!((again.replayed, again.refund.unwrap().refund_id), (true, refund.refund_id));
        assert_eq!(app.effects("1001").await.len(), 1);
    }

    async fn a_stream_that_breaks_after_each_message_misses_and_repeats_nothing(app: &mut TestApp) {
        for (account, order) in ORDINARY {
            let id = created(app, &format!("s-{account}"), account, order).await.refund_id;
            let (mut told, mut token) = (Vec::new(), String::new());
            loop {
                let from = if token.is_empty() { of(&id) } else { resumed(&id, &token) };
                let mut stream = open(app, from).await.unwrap();
                let Some((seen, its)) = next(&mut stream).await.unwrap() else { break };
                token = its;
                match seen {
                    Seen::Snapshot(state, sequence) | Seen::Status(state, sequence) => {
                        told.push((state, sequence));
                    }
                    Seen::SnapshotEnd | Seen::Heartbeat => {}
                }
            }
            let events = app.full(&id).await.events;
            let kept: Vec<_> = events.iter().map(|e| (e.state(), e.sequence)).collect();
            // From the snapshot on: what came before it is in it.
            let first = told.first().unwrap().1;
            let expected: Vec<_> = kept.into_iter().filter(|(_, sequence)| *sequence >= first).collect();
            assert_eq!(told, expected, "{account}");
            assert_eq!(told.last().unwrap().0, State::Succeeded, "{account}");
            assert_eq!(app.effects(order).await.len(), 1, "{account}");
        }
    }

    async fn every_state_of_the_table_is_reached_by_its_example(app: &mut TestApp) {
        let examples = examples();
        let named: Vec<_> = examples.iter().map(|(state, ..)| *state).collect();
        let reachable = [
            State::Pending,
            State::Sending,
            State::Unknown,
            State::InReview,
            State::Succeeded,
            State::PartiallySucceeded,
            State::Failed,
        ];
        assert_eq!(named, reachable);
        for (n, (state, account, order)) in examples.into_iter().enumerate() {
            let id = created(app, &format!("e{n}"), account, order).await.refund_id;
            match state {
                State::Pending | State::Sending => {
                    let deadline = Instant::now() + PATIENCE;
                    while !app.full(&id).await.events.iter().any(|event| event.state() == state) {
                        assert!(Instant::now() < deadline, "{account} {order} is never {state:?}");
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                _stays => drop(app.wait_for(&id, state).await),
            }
        }
    }

    async fn a_refund_in_review_names_the_providers_case(app: &mut TestApp) {
        let reviewed = [
            ("airalo", "899962000000001"),
            ("moyasar", "99830000-0000-7000-8000-000000000001"),
            ("worldline", "wl-9990-1"),
        ];
        for (account, order) in reviewed {
            let id = created(app, &format!("r-{account}"), account, order).await.refund_id;
            let refund = app.wait_for(&id, State::InReview).await;
            assert!(!refund.provider_refund_id.is_empty(), "{account}: {refund:#?}");
        }
    }
}

#[tokio::test]
async fn the_guide_has_airalos_reasons_as_the_service_maps_them() {
    let app = TestApp::start(Kind::Sqlite).await.unwrap();
    let mut wrong = wish("reasons", "airalo", "894000000000001");
    "NONSENSE".clone_into(&mut wrong.provider_reason);
    let status = app.create(wrong).await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let rule = violations.iter().find(|v| v.field == "provider_reason").unwrap();
    let all: Vec<_> = rule.description.rsplit(": ").next().unwrap().split(", ").collect();
    assert_eq!(all.len(), 23, "{rule:?}");
    let list = all.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    assert!(GUIDE.replace('\n', " ").contains(&format!("The 23: {list}.")), "{list}");
    let rows = airalos_words();
    assert_eq!(rows.len(), 14);
    for (ours, theirs) in rows {
        let row = GUIDE.lines().find(|line| line.starts_with('|') && line.contains(&ours)).unwrap();
        assert!(row.rsplit('|').nth(1).unwrap().contains(&format!("`{theirs}`")), "{ours}: {row}");
    }
    app.finish().await;
}
