//! Worldline: it names no key, so that a lookup finds nothing that an answer did not show before. Only a key
//! that was confirmed is sent again.

use refunds::grpc::proto::CreateRefundRequest;
use refunds::service::Point;

use super::super::support::app::payment;
use super::super::support::database::Kind;
use super::super::support::on_every_kind;
use super::{AT_ONCE, End, IN_DOUBT, Kill, REVIEWED, SENT_AGAIN, Table};

const ORDER: &str = "wl-1-1";
const SLOW: &str = "wl-9942-1";
const ANSWER_LOST: &str = "wl-9944-1";
const DECIDED_LATER: &str = "wl-9987-1";

fn request(request_id: &str, order: &str) -> CreateRefundRequest {
    payment(request_id, "worldline", order, ("EUR", 1_000))
}

const CONFIRMED: Table = Table {
    rows: &[
        (Kill::At(Point::AfterCreate), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterClaim), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterPreflight), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterIntent), ORDER, SENT_AGAIN, End::SucceededSentOnce),
        (Kill::At(Point::AfterAnswer), ORDER, SENT_AGAIN, End::Succeeded),
        (Kill::At(Point::AfterRecord), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterLookup), ANSWER_LOST, SENT_AGAIN, End::Succeeded),
        (Kill::At(Point::AfterLookup), DECIDED_LATER, REVIEWED, End::SucceededSentOnce),
        (Kill::InCall, SLOW, SENT_AGAIN, End::Succeeded),
    ],
    request,
    settings: &[],
    before: None,
};

/// Before the intent and after the record the word of the provider does not matter.
const UNCONFIRMED: Table = Table {
    rows: &[
        (Kill::At(Point::AfterPreflight), ORDER, AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterIntent), ORDER, IN_DOUBT, End::Unknown { sent: 0 }),
        (Kill::At(Point::AfterAnswer), ORDER, IN_DOUBT, End::Unknown { sent: 1 }),
        (Kill::At(Point::AfterLookup), ANSWER_LOST, IN_DOUBT, End::Unknown { sent: 1 }),
        (Kill::At(Point::AfterLookup), DECIDED_LATER, REVIEWED, End::SucceededSentOnce),
        (Kill::InCall, SLOW, IN_DOUBT, End::Unknown { sent: 1 }),
    ],
    request,
    settings: &[("REFUNDS__ACCOUNTS__WORLDLINE__WORLDLINE__REQUEST_ID_CONFIRMED", "false")],
    before: None,
};

on_every_kind! {
    async fn with_a_confirmed_key_there_is_one_effect_wherever_the_process_is_killed(kind: Kind) {
        CONFIRMED.check(kind).await;
    }

    async fn without_one_nothing_is_sent_again_and_what_is_not_known_stays_unknown(kind: Kind) {
        UNCONFIRMED.check(kind).await;
    }
}
