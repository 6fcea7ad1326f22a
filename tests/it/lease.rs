//! A worker that was stopped between its intent and the first byte knows it, and sends nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use refunds::domain::timestamp::Timestamp;
use refunds::grpc::proto::refund::State;
use refunds::service::{Clock, Interrupt, Point, SystemClock};

use super::support::app::TestApp;
use super::support::on_every_app;

/// Longer than the lease of these tests, shorter than a slot may be old: the lease alone forbids the send.
const ASLEEP_S: u64 = 4;

/// The real clocks of a machine that was asleep for a while.
#[derive(Default)]
struct Slept(AtomicU64);

impl Clock for Slept {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn boottime(&self) -> Duration {
        SystemClock.boottime() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// Sends the machine to sleep when the first intent is committed.
struct SleepAfterIntent(Arc<Slept>);

impl Interrupt for SleepAfterIntent {
    fn at(&self, point: Point) {
        if point == Point::AfterIntent {
            let _already_slept = self.0.0.compare_exchange(0, ASLEEP_S, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

on_every_app! {
    async fn a_worker_that_slept_past_its_lease_sends_nothing(app: &mut TestApp) {
        app.pause().await;
        let clock = Arc::new(Slept::default());
        app.seams = Some((clock.clone(), Arc::new(SleepAfterIntent(clock))));
        app.resume().await;
        let refund = app.refund("sleeper", "1001").await;
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        let history = app.full(&refund.refund_id).await;
        let sends: Vec<_> = history
            .attempts
            .iter()
            .filter(|a| a.kind == "send")
            .map(|a| (a.outcome.as_str(), a.failure_phase.as_str()))
            .collect();
        assert_eq!(sends, [("not_sent", "before_send"), ("succeeded", "")]);
        let posts = app.sandbox.calls("1001").await.into_iter().filter(|call| call["method"] == "POST").count();
        assert_eq!(posts, 1);
        let states: Vec<_> = history.events.iter().map(|e| e.state()).collect();
        let expected = [State::Pending, State::Sending, State::Pending, State::Sending, State::Succeeded];
        assert_eq!(states, expected);
    }
}
