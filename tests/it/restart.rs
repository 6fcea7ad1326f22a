//! Kill -9 at each named point and in the middle of a call: nothing is lost and nothing is doubled.

use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundResponse, GetRefundRequest, GetRefundResponse, RefundView};
use refunds::service::Point;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::support::app::{request, with_token};
use super::support::on_every_url;
use super::support::process::{Process, Scene, TOKEN, client};
use super::support::sandbox::{effects, http};

const PATIENCE: Duration = Duration::from_secs(40);

async fn create(address: &str, request_id: &str, order: &str) -> Result<CreateRefundResponse, Status> {
    let message = with_token(request(request_id, order, 1_000), TOKEN);
    client(address).create_refund(message).await.map(tonic::Response::into_inner)
}

/// Waits until a refund has succeeded, as seen at one address.
async fn succeeded(address: &str, refund_id: &str) -> GetRefundResponse {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let message = GetRefundRequest { refund_id: refund_id.to_owned(), view: RefundView::Full.into() };
        let got = client(address).get_refund(with_token(message, TOKEN)).await.unwrap().into_inner();
        if got.refund.as_ref().unwrap().state() == State::Succeeded {
            return got;
        }
        assert!(Instant::now() < deadline, "not in time: {got:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// After a kill: the caller repeats its call, and the refund comes to its end with one effect.
async fn recovers(scene: &Scene, order: &str, acknowledged: Option<String>, dead: &mut Process) {
    assert_eq!(dead.end().await, None, "it was to be killed");
    let (_service, address) = scene.serve(&[]).await;
    let again = create(&address, "r1", order).await.unwrap();
    let id = again.refund.unwrap().refund_id;
    if let Some(acknowledged) = acknowledged {
        assert!(again.replayed, "an acknowledged refund was lost");
        assert_eq!(id, acknowledged);
    }
    let got = succeeded(&address, &id).await;
    assert_eq!(effects(scene.sandbox, order).await.len(), 1, "{got:#?}");
    for (n, event) in got.events.iter().enumerate() {
        assert_eq!(event.sequence, i64::try_from(n).unwrap() + 1);
        // A missing record is never read as "not sent".
        assert!(event.previous_state() != State::Sending || event.state() != State::Pending, "{got:#?}");
    }
}

async fn killed_at(point: Point, order: &str, url: &str) {
    let scene = Scene::set(url).await;
    http(scene.sandbox, "POST", "/control/settings", r#"{"hold_ms": 3000, "slow_ms": 500}"#).await;
    let (mut service, address) = scene.serve(&[("REFUNDS__TESTING__KILL_AT", point.name())]).await;
    let acknowledged = match create(&address, "r1", order).await {
        Ok(created) => Some(created.refund.unwrap().refund_id),
        Err(status) => {
            assert!(
                matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled),
                "{status:?}"
            );
            None
        }
    };
    recovers(&scene, order, acknowledged, &mut service).await;
}

on_every_url! {
    async fn killed_after_the_create_nothing_is_lost(url: &str) {
        killed_at(Point::AfterCreate, "1001", url).await;
    }

    async fn killed_after_the_claim_nothing_is_lost(url: &str) {
        killed_at(Point::AfterClaim, "1002", url).await;
    }

    async fn killed_after_the_preflight_nothing_is_lost(url: &str) {
        killed_at(Point::AfterPreflight, "1003", url).await;
    }

    async fn killed_between_intent_and_first_byte_nothing_is_lost(url: &str) {
        killed_at(Point::AfterIntent, "1004", url).await;
    }

    async fn killed_between_answer_and_record_nothing_is_doubled(url: &str) {
        killed_at(Point::AfterAnswer, "1005", url).await;
    }

    async fn killed_between_lookup_and_record_nothing_is_doubled(url: &str) {
        killed_at(Point::AfterLookup, "9944001", url).await;
    }

    async fn killed_after_the_record_nothing_is_doubled(url: &str) {
        killed_at(Point::AfterRecord, "1006", url).await;
    }

    async fn killed_where_the_provider_forgets_the_key_nothing_is_doubled(url: &str) {
        killed_at(Point::AfterAnswer, "9962001", url).await;
    }

    async fn killed_where_the_provider_ignores_the_key_nothing_is_doubled(url: &str) {
        killed_at(Point::AfterAnswer, "9960001", url).await;
    }

    async fn killed_in_the_middle_of_the_call_nothing_is_doubled(url: &str) {
        let scene = Scene::set(url).await;
        http(scene.sandbox, "POST", "/control/settings", r#"{"slow_ms": 1000}"#).await;
        let (mut service, address) = scene.serve(&[]).await;
        let id = create(&address, "r1", "9942001").await.unwrap().refund.unwrap().refund_id;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let calls = http(scene.sandbox, "GET", "/calls?order_id=9942001", "").await.to_string();
            if calls.contains("POST") {
                break;
            }
            assert!(Instant::now() < deadline, "nothing was sent: {calls}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        service.kill().await;
        recovers(&scene, "9942001", Some(id), &mut service).await;
    }
}
