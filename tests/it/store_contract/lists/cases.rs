//! What is asked of a list, and what fits.

use refunds::domain::account::{Account, ProviderKind};
use refunds::domain::id::{CallerName, Iccid};
use refunds::domain::query::{Label, OrderOf, Query};
use refunds::domain::refund::Refund;
use refunds::domain::refund::StateKind::{self, Failed, InReview, Pending, Sending, Succeeded, Unknown};
use refunds::domain::timestamp::Timestamp;

use crate::support::samples::{account, iccid, name, silent_account};

const OPEN: [StateKind; 4] = [Pending, Sending, Unknown, InReview];

/// A query, the index or table that it goes by, and by what a test knows what fits.
type Case = (Query, &'static str, Box<dyn Fn(&Refund) -> bool + Send + Sync>);

fn label(key: &str, value: &str) -> Label {
    Label { key: key.to_owned(), value: value.to_owned() }
}

fn order(account: &Account, key: &str) -> OrderOf {
    let identity = &account.identity;
    OrderOf { provider: identity.provider, merchant: identity.merchant.clone(), key: key.to_owned() }
}

fn desk() -> Option<CallerName> {
    CallerName::parse("desk").ok()
}

fn sim(number: u32) -> Option<Iccid> {
    Iccid::parse(&iccid(number)).ok()
}

/// A time between the first and the last.
fn some_time(refunds: &[Refund]) -> Timestamp {
    refunds[refunds.len() / 2].create_time
}

fn has(refund: &Refund, key: &str, value: &str) -> bool {
    refund.content.metadata.get(key).is_some_and(|own| own == value)
}

fn of_order(refund: &Refund, order: &str) -> bool {
    refund.content.payment().is_some_and(|payment| payment.order_id.as_str() == order)
}

fn is_open(refund: &Refund) -> bool {
    !refund.state.kind().is_final()
}

fn has_sim(refund: &Refund, number: u32) -> bool {
    refund.content.iccids().iter().any(|own| own.as_str() == iccid(number))
}

fn of(refund: &Refund, account: &str) -> bool {
    refund.content.account.as_str() == account
}

/// Each filter alone.
pub(super) fn alone(refunds: &[Refund]) -> Vec<Case> {
    let (shop, any, some_time) = (account("shop-au"), Query::default, some_time(refunds));
    vec![
        (any(), "refunds_created", Box::new(|_| true)),
        (
            Query { caller: desk(), ..any() },
            "refunds_caller_created",
            Box::new(|r| r.caller.as_str() == "desk"),
        ),
        (
            Query { account: Some(name("shop-eu")), ..any() },
            "refunds_account_created",
            Box::new(|r| of(r, "shop-eu")),
        ),
        (
            Query { provider: Some(ProviderKind::Airalo), ..any() },
            "refunds_created",
            Box::new(|r| r.identity.provider == ProviderKind::Airalo),
        ),
        (
            Query { order: Some(order(&shop, "2")), ..any() },
            "refunds_order",
            Box::new(move |r| of(r, "shop-au") && of_order(r, "2")),
        ),
        (
            Query { provider_refund_id: Some("r-1".to_owned()), ..any() },
            "refunds_provider_refund_id",
            Box::new(|r| r.state.provider_refund_id() == Some("r-1")),
        ),
        (
            Query { provider_refund_id: Some("case-1".to_owned()), ..any() },
            "refunds_review_reference",
            Box::new(|r| r.state.kind() == InReview),
        ),
        (Query { iccid: sim(100), ..any() }, "refund_esims", Box::new(|r| has_sim(r, 100))),
        (
            Query { states: vec![Succeeded], ..any() },
            "refunds_created",
            Box::new(|r| r.state.kind() == Succeeded),
        ),
        (Query { states: vec![Unknown], ..any() }, "refunds_open", Box::new(|r| r.state.kind() == Unknown)),
        (Query { states: OPEN.to_vec(), ..any() }, "refunds_open", Box::new(is_open)),
        (
            Query { states: vec![Failed, Pending], ..any() },
            "refunds_created",
            Box::new(|r| matches!(r.state.kind(), Failed | Pending)),
        ),
        (
            Query { created_from: Some(some_time), ..any() },
            "refunds_created",
            Box::new(move |r| r.create_time >= some_time),
        ),
        (
            Query { created_until: Some(some_time), ..any() },
            "refunds_created",
            Box::new(move |r| r.create_time < some_time),
        ),
        (
            Query { label: Some(label("ticket", "8")), ..any() },
            "refund_labels",
            Box::new(move |r| has(r, "ticket", "8")),
        ),
        (Query { label: Some(label("ticket", "9")), ..any() }, "refund_labels", Box::new(|_| false)),
    ]
}

/// Some together, with each that may drive.
pub(super) fn together(refunds: &[Refund]) -> Vec<Case> {
    let (shop, eu) = (account("shop-au"), silent_account("shop-eu"));
    let (any, some_time) = (Query::default, some_time(refunds));
    vec![
        (
            Query { caller: desk(), account: Some(name("shop-au")), states: OPEN.to_vec(), ..any() },
            "refunds_open",
            Box::new(move |r| r.caller.as_str() == "desk" && of(r, "shop-au") && is_open(r)),
        ),
        (
            Query { provider: Some(ProviderKind::Worldline), states: vec![Pending, Sending], ..any() },
            "refunds_open",
            Box::new(|r| {
                r.identity.provider == ProviderKind::Worldline && matches!(r.state.kind(), Pending | Sending)
            }),
        ),
        (
            Query {
                label: Some(label("channel", "web")),
                created_from: Some(some_time),
                states: vec![Pending],
                account: Some(name("sims")),
                ..any()
            },
            "refund_labels",
            Box::new(move |r| {
                has(r, "channel", "web")
                    && r.create_time >= some_time
                    && r.state.kind() == Pending
                    && of(r, "sims")
            }),
        ),
        (
            Query {
                order: Some(order(&eu, "0")),
                label: Some(label("ticket", "7")),
                caller: desk(),
                ..any()
            },
            "refunds_order",
            Box::new(move |r| of_order(r, "0") && of(r, "shop-eu") && has(r, "ticket", "7")),
        ),
        (
            Query { iccid: sim(3), label: Some(label("ticket", "7")), ..any() },
            "refund_esims",
            Box::new(|r| has_sim(r, 3)),
        ),
        (
            Query { iccid: sim(3), label: Some(label("ticket", "8")), ..any() },
            "refund_esims",
            Box::new(|_| false),
        ),
        (
            Query { provider_refund_id: Some("r-2".to_owned()), iccid: sim(3), ..any() },
            "refunds_provider_refund_id",
            Box::new(|_| false),
        ),
        (
            Query { order: Some(order(&shop, "1")), provider_refund_id: Some("r-2".to_owned()), ..any() },
            "refunds_order",
            Box::new(move |r| {
                r.state.provider_refund_id() == Some("r-2") && of_order(r, "1") && of(r, "shop-au")
            }),
        ),
    ]
}
