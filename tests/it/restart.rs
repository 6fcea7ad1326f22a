//! Kill -9 at each named point and in the middle of a call: nothing is lost and nothing is doubled.
//!
//! Each row of a table has a database and a sandbox of its own, and all rows of a table run side by side.

mod afterpay;
mod airalo;
mod batch;
mod moyasar;
mod worldline;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundRequest, GetRefundResponse, StatusEvent};
use refunds::service::Point;
use tonic::Code;

use super::support::database::Kind;
use super::support::process::{KILL_AT, Process, Scene, ask, comes_to, full, succeeded, until};
use super::support::sandbox::{effects, http, posts};
use super::support::url::TestUrl;

/// Room for the kill in the middle of a call; no limits that many processes at one address would meet.
const SANDBOX: &str =
    r#"{"slow_ms": 2000, "later_ms": 500, "review_ms": 500, "refund_limit": 0, "token_limit": 0}"#;
/// Nothing here waits for an answer in vain, so that no timeout of a slow machine changes a history.
const PATIENT: &[(&str, &str)] = &[
    ("REFUNDS__DISPATCH__POLL_MS", "100"),
    ("REFUNDS__ACCOUNTS__AFTERPAY__TIMEOUTS__READ_MS", "30000"),
    ("REFUNDS__ACCOUNTS__AIRALO__TIMEOUTS__READ_MS", "30000"),
    ("REFUNDS__ACCOUNTS__MOYASAR__TIMEOUTS__READ_MS", "30000"),
    ("REFUNDS__ACCOUNTS__WORLDLINE__TIMEOUTS__READ_MS", "30000"),
];
/// How long another replica waits for who is killed, and for who is not: long enough for a slow machine.
const LEASES_MS: [&str; 2] = ["6000", "20000"];
/// Looks at an undecided refund after which nothing new will come of it.
const LOOKS: usize = 3;

/// The first states of a refund that was answered at once.
const AT_ONCE: &[State] = &[State::Pending, State::Sending, State::Succeeded];
/// Of one that the provider took and decided later.
const REVIEWED: &[State] = &[State::Pending, State::Sending, State::InReview, State::Succeeded];
/// Of one that may have been sent, and nobody knows.
const IN_DOUBT: &[State] = &[State::Pending, State::Sending, State::Unknown];
/// Of one that was found when it was looked for.
const FOUND: &[State] = &[State::Pending, State::Sending, State::Unknown, State::Succeeded];
/// Of one whose key was sent again.
const SENT_AGAIN: &[State] = &[State::Pending, State::Sending, State::Unknown, State::Sending];

/// When the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    /// At a named point, by itself.
    At(Point),
    /// While the provider works on the call.
    InCall,
}

/// How a refund ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With one effect, sent as often as its key makes safe.
    Succeeded,
    /// With one effect by the only send.
    SucceededSentOnce,
    /// Undecided: sent so often, each time with an effect, and not sent again.
    Unknown { sent: usize },
}

/// When the process is killed, the order, the states that its refund passes first, and how it ends.
type Row = (Kill, &'static str, &'static [State], End);

/// Rows of a provider.
struct Table {
    rows: &'static [Row],
    /// A request by request id and order.
    request: fn(&str, &str) -> CreateRefundRequest,
    /// Settings of the service.
    settings: &'static [(&'static str, &'static str)],
    /// An order that was refunded undisturbed before.
    before: Option<&'static str>,
}

impl Table {
    /// All rows.
    async fn check(&self, kind: Kind) {
        futures::future::join_all(self.rows.iter().map(|row| self.check_row(row, kind))).await;
    }

    async fn check_row(&self, &(kill, order, begins, end): &Row, kind: Kind) {
        let Some(database) = TestUrl::fresh(kind).await else { return };
        let scene = scene(&database.url).await;
        if let Some(before) = self.before {
            let (mut service, address) = serve(&scene, self.settings, None).await;
            let created = ask(&address, (self.request)("r0", before)).await.unwrap();
            succeeded(&address, &created.refund.unwrap().refund_id).await;
            service.kill().await;
        }
        let request = (self.request)("r1", order);
        let (mut service, address) = serve(&scene, self.settings, Some(kill)).await;
        let acknowledged = match ask(&address, request.clone()).await {
            Ok(created) => Some(created.refund.unwrap().refund_id),
            Err(status) => {
                let cut = [Code::Unavailable, Code::Unknown, Code::Cancelled].contains(&status.code());
                assert!(cut, "{kill:?} {order}: {status:?}");
                None
            }
        };
        die(&scene, &mut service, kill, order).await;

        let (mut service, address) = serve(&scene, self.settings, None).await;
        let id = replayed(&address, request, acknowledged.as_deref()).await;
        let got = ends(&scene, &address, &id, order, end).await;
        lawful(&got, begins, &format!("{kill:?} {order}"));
        service.kill().await;
        database.remove().await;
    }
}

/// A sandbox, and services to be killed beside it.
async fn scene(url: &str) -> Scene {
    let scene = Scene::set(url).await;
    http(scene.sandbox, "POST", "/control/settings", SANDBOX).await;
    scene
}

/// Starts a service that kills itself where `kill` says.
async fn serve(scene: &Scene, settings: &[(&str, &str)], kill: Option<Kill>) -> (Process, String) {
    let at = match kill {
        Some(Kill::At(point)) => Some((KILL_AT, point.name())),
        Some(Kill::InCall) | None => None,
    };
    let [doomed, other] = LEASES_MS;
    let lease = [("REFUNDS__DISPATCH__LEASE_MS", if kill.is_some() { doomed } else { other })];
    scene.serve(&[PATIENT, &lease, settings, at.as_slice()].concat()).await
}

/// Waits for the end of a process that is to be killed with the refund of an order.
async fn die(scene: &Scene, service: &mut Process, kill: Kill, order: &str) {
    if kill == Kill::InCall {
        scene.sent(order).await;
        service.kill().await;
    }
    assert_eq!(service.end().await, None, "{kill:?} {order}: it was to be killed");
}

/// The caller repeats its call. Whatever point was passed, the refund was durable before.
async fn replayed(address: &str, request: CreateRefundRequest, acknowledged: Option<&str>) -> String {
    let again = ask(address, request).await.unwrap();
    let refund = again.refund.unwrap();
    assert!(again.replayed, "it was lost: {refund:#?}");
    assert!(acknowledged.is_none_or(|id| id == refund.refund_id), "{acknowledged:?} was lost: {refund:#?}");
    refund.refund_id
}

/// Waits for the end of a refund, as the provider's books show it too.
async fn ends(scene: &Scene, address: &str, id: &str, order: &str, end: End) -> GetRefundResponse {
    let moved = async || effects(scene.sandbox, order).await.len();
    let sent = async || posts(scene.sandbox, order).await.len();
    match end {
        End::Succeeded | End::SucceededSentOnce => {
            let got = comes_to(address, id, State::Succeeded).await;
            assert_eq!(moved().await, 1, "{got:#?}");
            assert!(end == End::Succeeded || sent().await == 1, "sent {} times: {got:#?}", sent().await);
            got
        }
        End::Unknown { sent: times } => {
            comes_to(address, id, State::Unknown).await;
            until(&format!("{times} effects on {order}"), async || moved().await == times).await;
            let calls = async || scene.calls(order).await.len();
            let before = calls().await;
            until(&format!("{order} is looked at"), async || calls().await >= before + LOOKS).await;
            let got = full(address, id).await;
            assert_eq!(got.refund.as_ref().unwrap().state(), State::Unknown, "{got:#?}");
            assert_eq!(got.events.len(), IN_DOUBT.len(), "{got:#?}");
            assert_eq!((sent().await, moved().await), (times, times), "{got:#?}");
            got
        }
    }
}

/// What is true of every history.
fn lawful(got: &GetRefundResponse, begins: &[State], what: &str) {
    let states: Vec<State> = got.events.iter().map(StatusEvent::state).collect();
    assert!(states.starts_with(begins), "{what}: not {begins:?} first: {got:#?}");
    let mut before = State::Unspecified;
    for (event, sequence) in got.events.iter().zip(1..) {
        assert_eq!((event.sequence, event.previous_state()), (sequence, before), "{what}: {got:#?}");
        before = event.state();
        // A missing record is never read as "not sent".
        let taken_back = event.previous_state() == State::Sending && event.state() == State::Pending;
        assert!(!taken_back, "{what}: {got:#?}");
    }
    let refund = got.refund.as_ref().unwrap();
    let last = got.events.last().unwrap();
    assert_eq!((refund.state(), refund.sequence), (last.state(), last.sequence), "{what}: {got:#?}");
}
