//! Afterpay: the key is proven by its documents, so that what may have been sent is sent again.

use refunds::service::Point;

use super::super::support::app::request;
use super::super::support::database::Kind;
use super::super::support::on_every_kind;
use super::{AT_ONCE, End, FOUND, IN_DOUBT, Kill, SENT_AGAIN, Table};

const TABLE: Table = Table {
    rows: &[
        (Kill::At(Point::AfterCreate), "1001", AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterClaim), "1002", AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterPreflight), "1003", AT_ONCE, End::SucceededSentOnce),
        (Kill::At(Point::AfterIntent), "1004", SENT_AGAIN, End::SucceededSentOnce),
        (Kill::At(Point::AfterAnswer), "1005", FOUND, End::SucceededSentOnce),
        (Kill::At(Point::AfterRecord), "1006", AT_ONCE, End::SucceededSentOnce),
        // The answer was lost before that.
        (Kill::At(Point::AfterLookup), "9944001", FOUND, End::SucceededSentOnce),
        (Kill::InCall, "9942001", IN_DOUBT, End::Succeeded),
        // The provider ignores the key, or forgets it.
        (Kill::At(Point::AfterAnswer), "9960001", FOUND, End::SucceededSentOnce),
        (Kill::At(Point::AfterAnswer), "9962001", FOUND, End::SucceededSentOnce),
    ],
    request: |request_id, order| request(request_id, order, 1_000),
    settings: &[],
    before: None,
};

on_every_kind! {
    async fn wherever_the_process_is_killed_there_is_one_effect(kind: Kind) {
        TABLE.check(kind).await;
    }
}
