//! SIGTERM: health first, then no new work, then what is in flight finishes, and the next process goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use refunds::grpc::LIVENESS;
use refunds::grpc::proto::StreamRefundStatusRequest;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::stream_refund_status_request::Target;
use refunds::service::{Interrupt, Point, SystemClock};
use tokio::time::{Instant, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_types::StatusExt;

use super::support::app::{TestApp, esim, request, with_token};
use super::support::process::{PATIENCE, Scene, TOKEN, client, create, full, succeeded, until as until_so};
use super::support::sandbox::{effects, http, posts};
use super::support::{on_every_app, on_every_url};

/// The names that health knows.
const NAMES: [&str; 2] = ["", "refunds.v1.RefundService"];
/// How long the service still answers after it said that it goes.
const DRAIN_DELAY: (&str, &str) = ("REFUNDS__SERVER__DRAIN_DELAY_MS", "500");
/// Long enough for two calls on a slow machine.
const LONG_DRAIN_DELAY: (&str, &str) = ("REFUNDS__SERVER__DRAIN_DELAY_MS", "3000");

fn health(address: &str) -> HealthClient<Channel> {
    HealthClient::new(Endpoint::from_shared(address.to_owned()).unwrap().connect_lazy())
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn watch(address: &str, service: &str) -> Streaming<HealthCheckResponse> {
    health(address).watch(of(service)).await.unwrap().into_inner()
}

/// Counts what workers pass, and holds the first of them behind its look while told to.
#[derive(Default)]
struct Watched {
    claims: AtomicUsize,
    looks: AtomicUsize,
    holding: AtomicBool,
}

impl Interrupt for Watched {
    fn at(&self, point: Point) {
        match point {
            Point::AfterClaim => self.claims.fetch_add(1, Ordering::SeqCst),
            Point::AfterPreflight => self.looks.fetch_add(1, Ordering::SeqCst),
            _other => return,
        };
        let deadline = std::time::Instant::now() + PATIENCE;
        tokio::task::block_in_place(|| {
            while point == Point::AfterPreflight && self.holding.load(Ordering::SeqCst) {
                assert!(std::time::Instant::now() < deadline, "it was never let go");
                std::thread::sleep(Duration::from_millis(5));
            }
        });
    }
}

/// Waits until something was counted so often.
async fn counted(count: &AtomicUsize, least: usize) {
    until_so(&format!("{least} times"), async || count.load(Ordering::SeqCst) >= least).await;
}

/// Reads a watch up to a status.
async fn until(watch: &mut Streaming<HealthCheckResponse>, status: ServingStatus) {
    loop {
        let told = timeout(PATIENCE, watch.message()).await.unwrap().unwrap();
        if told.unwrap().status() == status {
            return;
        }
    }
}

on_every_app! {
    async fn health_is_told_by_check_and_by_watch(app: &mut TestApp) {
        let mut watches = Vec::new();
        for name in NAMES {
            let mut watch = watch(&app.address, name).await;
            until(&mut watch, ServingStatus::Serving).await;
            let checked = health(&app.address).check(of(name)).await.unwrap().into_inner();
            assert_eq!(checked.status(), ServingStatus::Serving);
            watches.push(watch);
        }
        let lives = health(&app.address).check(of(LIVENESS)).await.unwrap().into_inner();
        assert_eq!(lives.status(), ServingStatus::Serving);
        let mut alive = watch(&app.address, LIVENESS).await;
        let status = health(&app.address).check(of("refunds.v1.Nonsense")).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        let watching = watches.into_iter().map(|mut watch| async move {
            until(&mut watch, ServingStatus::NotServing).await;
            // It ends by itself: an open watch must not hold up the end.
            assert!(timeout(PATIENCE, watch.message()).await.unwrap().unwrap().is_none());
        });
        let watching = tokio::spawn(futures::future::join_all(watching));
        let began = Instant::now();
        app.pause().await;
        watching.await.unwrap();
        let ended = async { while alive.message().await.is_ok_and(|told| told.is_some()) {} };
        timeout(PATIENCE, ended).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(10), "the end took {:?}", began.elapsed());
    }
}

on_every_app! {
    async fn a_refund_that_was_only_looked_at_is_given_back_unsent(app: &mut TestApp) {
        app.pause().await;
        // A lease that outlasts every patience: who goes on with the refund was given it.
        app.set(&[("REFUNDS__DISPATCH__LEASE_MS", "600000")]);
        let watched = Arc::new(Watched::default());
        watched.holding.store(true, Ordering::SeqCst);
        app.seams = Some((Arc::new(SystemClock), watched.clone()));
        app.resume().await;
        let mut watch = watch(&app.address, "").await;
        until(&mut watch, ServingStatus::Serving).await;
        let refund = app.refund("r1", "1001").await;
        counted(&watched.looks, 1).await;
        let letting_go = tokio::spawn({
            let watched = Arc::clone(&watched);
            async move {
                until(&mut watch, ServingStatus::NotServing).await;
                watched.holding.store(false, Ordering::SeqCst);
            }
        });
        app.pause().await;
        letting_go.await.unwrap();
        assert!(app.sandbox.posts("1001").await.is_empty(), "it was sent after the end had begun");

        app.seams = None;
        app.resume().await;
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        let history = app.full(&refund.refund_id).await;
        let kinds: Vec<_> = history.attempts.iter().map(|a| a.kind.as_str()).collect();
        assert_eq!(kinds, ["preflight", "preflight", "send"]);
        assert_eq!(app.effects("1001").await.len(), 1);
    }

    async fn a_worker_that_waits_for_a_slot_waits_no_longer(app: &mut TestApp) {
        let iccid = "894000000000001";
        app.pause().await;
        app.set(&[
            ("REFUNDS__ACCOUNTS__AIRALO__AIRALO__LOOKUP_RATE__REQUESTS", "1"),
            ("REFUNDS__ACCOUNTS__AIRALO__AIRALO__LOOKUP_RATE__PER_MS", "12000"),
        ]);
        let watched = Arc::new(Watched::default());
        app.seams = Some((Arc::new(SystemClock), watched.clone()));
        app.resume().await;
        let refund = app.create(esim("r1", "airalo", iccid)).await.unwrap().refund.unwrap();
        app.wait_for(&refund.refund_id, State::InReview).await;
        // The look before the send had the slot; who asks what became of it waits for the next, which comes
        // within the grace.
        counted(&watched.claims, 2).await;
        let calls = app.sandbox.calls(iccid).await.len();
        app.pause().await;
        assert_eq!(app.sandbox.calls(iccid).await.len(), calls, "it waited for its slot and looked");
    }
}

on_every_url! {
    async fn a_call_in_flight_finishes_and_is_recorded_and_nothing_is_sent_twice(url: &str) {
        let scene = Scene::set(url).await;
        http(scene.sandbox, "POST", "/control/settings", r#"{"slow_ms": 1500}"#).await;
        let (mut service, address) = scene.serve(&[LONG_DRAIN_DELAY]).await;
        let mut watch = watch(&format!("http://{address}"), "").await;
        until(&mut watch, ServingStatus::Serving).await;
        let id = create(&address, "r1", "9942001").await.unwrap().refund.unwrap().refund_id;
        scene.sent("9942001").await;
        service.signal("TERM").await;
        until(&mut watch, ServingStatus::NotServing).await;
        // Health turned away first: calls are still answered, and the provider has not answered yet.
        let got = full(&address, &id).await.refund.unwrap();
        assert_eq!(got.state(), State::Sending);
        // Accepted, and left to the next process.
        let left = create(&address, "r2", "1002").await.unwrap().refund.unwrap().refund_id;
        assert_eq!(service.end().await, Some(0), "{}", service.seen.join("\n"));
        let recorded = service.seen.iter().any(|line| line.contains("\"succeeded\"") && line.contains(&id));
        assert!(recorded, "{}", service.seen.join("\n"));
        assert!(scene.calls("1002").await.is_empty(), "new work was begun");

        let (_service, address) = scene.serve(&[]).await;
        assert_eq!(full(&address, &id).await.refund.unwrap().state(), State::Succeeded);
        succeeded(&address, &left).await;
        let sends = posts(scene.sandbox, "9942001").await.len();
        assert_eq!((sends, effects(scene.sandbox, "9942001").await.len()), (1, 1));
    }

    async fn a_create_during_the_end_is_answered_or_turned_away_and_none_is_lost(url: &str) {
        let scene = Scene::set(url).await;
        let (mut service, address) = scene.serve(&[("REFUNDS__SERVER__DRAIN_DELAY_MS", "100")]).await;
        // Each on a connection of its own, kept over its calls, until it is turned away.
        let count = Arc::new(AtomicUsize::new(0));
        let creating = (0..4).map(|n| {
            let (mut client, count) = (client(&address), Arc::clone(&count));
            tokio::spawn(async move {
                let mut accepted = BTreeMap::new();
                for k in 0.. {
                    let key = format!("1{n}{k:05}");
                    match client.create_refund(with_token(request(&key, &key, 1_000), TOKEN)).await {
                        Ok(created) => {
                            count.fetch_add(1, Ordering::SeqCst);
                            accepted.insert(key, created.into_inner().refund.unwrap().refund_id);
                        }
                        Err(status) => return (accepted, status),
                    }
                }
                unreachable!("it is turned away in the end")
            })
        });
        let creating: Vec<_> = creating.collect();
        let deadline = Instant::now() + PATIENCE;
        while count.load(Ordering::SeqCst) < 12 {
            assert!(Instant::now() < deadline, "nothing is accepted");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        service.signal("TERM").await;
        assert_eq!(service.end().await, Some(0), "{}", service.seen.join("\n"));
        let mut accepted = BTreeMap::new();
        for creating in creating {
            let (its, status) = timeout(PATIENCE, creating).await.unwrap().unwrap();
            // CANCELLED is tonic's word for a call that found its connection closed and never left.
            assert!(matches!(status.code(), Code::Unavailable | Code::Cancelled), "{status:?}");
            accepted.extend(its);
        }
        assert!(accepted.len() >= 12, "{accepted:?}");

        let (_service, address) = scene.serve(&[]).await;
        for (key, id) in &accepted {
            let again = create(&address, key, key).await.unwrap();
            assert!(again.replayed, "{key} was lost");
            assert_eq!(again.refund.unwrap().refund_id, *id);
        }
        for (key, id) in accepted.iter().take(20) {
            succeeded(&address, id).await;
            assert_eq!(effects(scene.sandbox, key).await.len(), 1, "{key}");
        }
    }

    async fn streams_end_with_a_reason_and_new_ones_are_turned_away(url: &str) {
        let scene = Scene::set(url).await;
        http(scene.sandbox, "POST", "/control/settings", r#"{"slow_ms": 1500}"#).await;
        let (mut service, address) = scene.serve(&[DRAIN_DELAY]).await;
        let id = create(&address, "r1", "9942001").await.unwrap().refund.unwrap().refund_id;
        scene.sent("9942001").await;
        let open = || {
            let target = Some(Target::RefundId(id.clone()));
            let message = StreamRefundStatusRequest { target, ..StreamRefundStatusRequest::default() };
            let mut client = client(&address);
            async move { client.stream_refund_status(with_token(message, TOKEN)).await }
        };
        let mut stream = open().await.unwrap().into_inner();
        service.signal("TERM").await;
        let mut token = String::new();
        let status = loop {
            match timeout(PATIENCE, stream.message()).await.unwrap() {
                Ok(Some(message)) => token = message.resume_token,
                Ok(None) => panic!("it ended in good order"),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_details_error_info().unwrap().reason, "DRAINING");
        assert!(status.get_details_retry_info().is_some());
        // The process still waits for the provider, and takes nobody in.
        assert_eq!(open().await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(service.end().await, Some(0), "{}", service.seen.join("\n"));

        let (_service, address) = scene.serve(&[]).await;
        let target = Some(Target::RefundId(id.clone()));
        let message =
            StreamRefundStatusRequest { target, resume_token: token, ..StreamRefundStatusRequest::default() };
        let stream = client(&address).stream_refund_status(with_token(message, TOKEN)).await;
        let mut stream = stream.unwrap().into_inner();
        let mut told = Vec::new();
        while let Some(message) = timeout(PATIENCE, stream.message()).await.unwrap().unwrap() {
            told.push(message.message.unwrap());
        }
        assert_eq!(told.len(), 1, "SENDING was told already: {told:?}");
    }
}
