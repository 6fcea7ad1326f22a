//! Airalo: nothing is ever sent again. What was taken shows in the status of its order, later.

use refunds::service::Point;

use super::super::support::app::esim;
use super::super::support::database::Kind;
use super::super::support::on_every_kind;
use super::{End, FOUND, IN_DOUBT, Kill, REVIEWED, Table};

const ESIM: &str = "89400000000000000001";
const SLOW: &str = "89994200000000000001";
const ANSWER_LOST: &str = "89994400000000000001";

const TABLE: Table = Table {
    rows: &[
        (Kill::At(Point::AfterCreate), ESIM, REVIEWED, End::SucceededSentOnce),
        (Kill::At(Point::AfterClaim), ESIM, REVIEWED, End::SucceededSentOnce),
        (Kill::At(Point::AfterPreflight), ESIM, REVIEWED, End::SucceededSentOnce),
        (Kill::At(Point::AfterIntent), ESIM, IN_DOUBT, End::Unknown { sent: 0 }),
        (Kill::At(Point::AfterAnswer), ESIM, FOUND, End::SucceededSentOnce),
        (Kill::At(Point::AfterRecord), ESIM, REVIEWED, End::SucceededSentOnce),
        (Kill::At(Point::AfterLookup), ESIM, REVIEWED, End::SucceededSentOnce),
        (Kill::At(Point::AfterLookup), ANSWER_LOST, FOUND, End::SucceededSentOnce),
        (Kill::InCall, SLOW, FOUND, End::SucceededSentOnce),
    ],
    request: |request_id, iccid| esim(request_id, "airalo", iccid),
    settings: &[],
    before: None,
};

on_every_kind! {
    async fn wherever_the_process_is_killed_nothing_is_sent_twice(kind: Kind) {
        TABLE.check(kind).await;
    }
}
