//! A database in trouble: callers are told so and may repeat, nothing is half done, and the service comes
//! back by itself. Readiness follows, liveness does not.

mod contention;
mod cut;
mod full;
mod logs;
mod restart;
mod schema;
mod sqlite;
mod standby;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use refunds::grpc::LIVENESS;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::refund_service_client::RefundServiceClient;
use refunds::grpc::proto::{CreateRefundRequest, CreateRefundResponse, Refund};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use super::support::app::{PATIENCE, TestApp, request};
use super::support::database::Kind;
use super::support::proxy::Proxy;

/// A service that soon says that the database is away.
const SETTINGS: &[(&str, &str)] = &[("REFUNDS__DATABASE__ACQUIRE_TIMEOUT_MS", "1000")];
/// How long the callers of these tests wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// The rest between two tries, less than `RetryInfo` asks for so that more tries meet the trouble.
const REST: Duration = Duration::from_millis(50);

/// UNAVAILABLE with everything that a caller needs to repeat.
fn assert_away(status: &Status) {
    let reason = status.get_details_error_info().map(|info| info.reason);
    assert_eq!((status.code(), reason.as_deref()), (Code::Unavailable, Some("DATABASE_AWAY")), "{status:?}");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
}

/// The same, or a deadline that passed, by the service's clock or by the client's own.
fn assert_may_repeat(status: &Status) {
    let by_client = status.code() == Code::Cancelled && status.message() == "Timeout expired";
    if status.code() != Code::DeadlineExceeded && !by_client {
        assert_away(status);
    }
}

fn client(address: &str) -> RefundServiceClient<Channel> {
    RefundServiceClient::new(Endpoint::from_shared(address.to_owned()).unwrap().connect_lazy())
}

/// One call with a deadline.
fn within<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// Asks until it is accepted; how often it was not.
async fn insist(address: &str, wish: &CreateRefundRequest) -> (CreateRefundResponse, u32) {
    let (mut client, mut refusals) = (client(address), 0);
    let until = Instant::now() + 2 * PATIENCE;
    loop {
        match client.create_refund(within(DEADLINE, wish.clone())).await {
            Ok(created) => return (created.into_inner(), refusals),
            Err(status) => assert_may_repeat(&status),
        }
        assert!(Instant::now() < until, "{} was not accepted in time", wish.request_id);
        refusals += 1;
        tokio::time::sleep(REST).await;
    }
}

/// That a refund succeeds, is the only one of its key, and has one effect.
async fn assert_refunded_once(app: &TestApp, wish: &CreateRefundRequest, order: &str, accepted: &Refund) {
    app.wait_for(&accepted.refund_id, State::Succeeded).await;
    let again = app.create(wish.clone()).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.refund.unwrap().refund_id, accepted.refund_id);
    assert_eq!(app.effects(order).await.len(), 1, "{order}");
}

/// A refund that was accepted: its order and itself.
type Accepted = (String, Refund);

/// Callers that go on and on, each refund until it is accepted.
struct Callers {
    accepted: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<(Vec<Accepted>, u32)>>,
}

impl Callers {
    fn start(address: &str, count: u32) -> Self {
        let (accepted, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let tasks = (0..count)
            .map(|caller| {
                let (address, accepted, stop) =
                    (address.to_owned(), Arc::clone(&accepted), Arc::clone(&stop));
                tokio::spawn(async move {
                    let (mut done, mut refusals) = (Vec::new(), 0);
                    while !stop.load(Ordering::SeqCst) {
                        let order = format!("1{caller}{:05}", done.len());
                        let (created, refused) = insist(&address, &request(&order, &order, 1_000)).await;
                        accepted.fetch_add(1, Ordering::SeqCst);
                        refusals += refused;
                        done.push((order, created.refund.unwrap()));
                        tokio::time::sleep(REST).await;
                    }
                    (done, refusals)
                })
            })
            .collect();
        Self { accepted, stop, tasks }
    }

    /// Waits until so many more were accepted.
    async fn more(&self, count: u32) {
        let (wanted, until) = (self.accepted.load(Ordering::SeqCst) + count, Instant::now() + PATIENCE);
        while self.accepted.load(Ordering::SeqCst) < wanted {
            assert!(Instant::now() < until, "not {wanted} accepted in time");
            tokio::time::sleep(REST).await;
        }
    }

    /// Everything accepted, and how often callers were told to repeat.
    async fn stop(self) -> (Vec<Accepted>, u32) {
        self.stop.store(true, Ordering::SeqCst);
        let (mut all, mut refusals) = (Vec::new(), 0);
        for task in self.tasks {
            let (done, refused) = task.await.unwrap();
            all.extend(done);
            refusals += refused;
        }
        (all, refusals)
    }
}

/// Looks at health all the time: liveness never says no.
struct Pulse {
    ready: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Pulse {
    fn of(address: &str) -> Self {
        let (told, ready) = watch::channel(false);
        let mut health = HealthClient::new(Endpoint::from_shared(address.to_owned()).unwrap().connect_lazy());
        let task = tokio::spawn(async move {
            while !told.is_closed() {
                let mut serves = Vec::new();
                for name in [LIVENESS, "", "refunds.v1.RefundService"] {
                    let asked = HealthCheckRequest { service: name.to_owned() };
                    let checked = health.check(within(DEADLINE, asked)).await.unwrap().into_inner();
                    serves.push(checked.status() == ServingStatus::Serving);
                }
                assert!(serves[0], "liveness said no");
                told.send_replace(serves[1] && serves[2]);
                tokio::time::sleep(REST).await;
            }
        });
        Self { ready, task }
    }

    /// Waits until readiness is so.
    async fn until(&mut self, ready: bool) {
        let waited = tokio::time::timeout(PATIENCE, self.ready.wait_for(|now| *now == ready)).await;
        assert!(matches!(waited, Ok(Ok(_))), "readiness is not {ready} in time");
    }

    /// Fails if liveness ever said no.
    async fn end(self) {
        drop(self.ready);
        self.task.await.unwrap();
    }
}

/// A service with a network of the test's own between it and PostgreSQL.
async fn behind_proxy(settings: &[(&str, &str)]) -> Option<(TestApp, Proxy)> {
    let mut app = TestApp::start_with(Kind::Postgres, SETTINGS).await?;
    app.pause().await;
    let proxy = Proxy::to(&app.url.url).await;
    let url = proxy.url();
    app.set(&[("REFUNDS__DATABASE__URL", url.as_str())]);
    app.set(settings);
    app.resume().await;
    Some((app, proxy))
}

/// Runs SQL on the service's database, past the service.
async fn execute(app: &TestApp, statements: &[&str]) {
    use sea_orm::ConnectionTrait;
    let mut options = sea_orm::ConnectOptions::new(app.url.url.as_str());
    options.max_connections(1);
    let raw = sea_orm::Database::connect(options).await.unwrap();
    for sql in statements {
        raw.execute_unprepared(sql).await.unwrap();
    }
    raw.close().await.unwrap();
}
