//! Moyasar: the key is proven once an answer held our own transaction, and only then is anything sent again.
//! A lookup shows our transaction in any case.

use refunds::grpc::proto::CreateRefundRequest;
use refunds::service::Point;

use super::super::support::app::payment;
use super::super::support::database::Kind;
use super::super::support::on_every_kind;
use super::{AT_ONCE, End, FOUND, IN_DOUBT, Kill, REVIEWED, SENT_AGAIN, Table};

const ORDER: &str = "01910000-0000-7000-8000-000000000001";
const SLOW: &str = "99420000-0000-7000-8000-000000000001";
const ANSWER_LOST: &str = "99440000-0000-7000-8000-000000000001";
const DECIDED_LATER: &str = "99810000-0000-7000-8000-000000000001";

fn request(request_id: &str, order: &str) -> CreateRefundRequest {
    payment(request_id, "moyasar", order, ("SAR", 1_000))
}

const PROVEN: Table = Table {
    rows: &[
        (Kill::At(Point::AfterCreate), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterClaim), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterPreflight), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterIntent), ORDER, SENT_AGAIN, End::SucceededSentOnce),
        (Kill::At(Point::AfterAnswer), ORDER, FOUND, End::SucceededSentOnce),
        (Kill::At(Point::AfterRecord), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterLookup), ANSWER_LOST, FOUND, End::SucceededSentOnce),
        (Kill::At(Point::AfterLookup), DECIDED_LATER, REVIEWED, End::SucceededSentOnce),
        (Kill::InCall, SLOW, IN_DOUBT, End::Succeeded),
    ],
    request,
    settings: &[],
    before: Some("01910000-0000-7000-8000-000000000009"),
};

/// Before the intent and after the record the proof does not matter.
const UNPROVEN: Table = Table {
    rows: &[
        (Kill::At(Point::AfterPreflight), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterIntent), ORDER, IN_DOUBT, End::Unknown { sent: 0 }),
        (Kill::At(Point::AfterAnswer), ORDER, FOUND, End::SucceededSentOnce),
        (Kill::At(Point::AfterLookup), ANSWER_LOST, FOUND, End::SucceededSentOnce),
        (Kill::InCall, SLOW, FOUND, End::SucceededSentOnce),
    ],
    request,
    settings: &[],
    before: None,
};

on_every_kind! {
    async fn with_a_proven_key_there_is_one_effect_wherever_the_process_is_killed(kind: Kind) {
        PROVEN.check(kind).await;
    }

    async fn without_one_nothing_is_sent_again_and_a_lookup_tells(kind: Kind) {
        UNPROVEN.check(kind).await;
    }
}
