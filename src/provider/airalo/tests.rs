//! Orders read back, what their change proves, and the documents held against the tables. What goes over
//! the wire is tested on the wire.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::assumption::{hold_section, to_markdown};
use super::*;
use crate::domain::account::{AccountIdentity, ProviderKind};
use crate::domain::answer::{Finding, Review};
use crate::domain::content::{Content, Target};
use crate::domain::id::{AccountName, CallerName, ProviderKey, RefundId, RequestId};
use crate::domain::reason::Reason;
use crate::domain::refund::{Doubt, Item, ItemState, NewRefund, State, Success, Wait};
use crate::domain::sight::{Baseline, EsimOrder, EsimSight};
use crate::domain::timestamp::Timestamp;

pub(super) fn content(iccids: &[&str]) -> Content {
    Content {
        account: AccountName::parse("airalo").unwrap(),
        target: Target::Esims(iccids.iter().map(|iccid| Iccid::parse(iccid).unwrap()).collect()),
        reason: Reason::NoCoverage,
        provider_reason: None,
        notes: None,
        email: None,
        metadata: BTreeMap::new(),
        purchase_time: None,
        captured_amount: None,
        expected_remaining: None,
        not_before: None,
        send_before: None,
        retry_of: None,
    }
}

fn refund(iccids: &[&str]) -> Refund {
    let content = content(iccids);
    let new = NewRefund {
        id: RefundId(Uuid::from_u128(7)),
        caller: CallerName::parse("shop").unwrap(),
        request_id: RequestId::parse("r1").unwrap(),
        identity: AccountIdentity {
            name: content.account.clone(),
            provider: ProviderKind::Airalo,
            merchant: "company".to_owned(),
            base_url: "https://partners-api.airalo.com".to_owned(),
        },
        content,
        key: ProviderKey(Uuid::from_u128(9)),
        trace: None,
    };
    Refund::accept(new, Timestamp::EPOCH).refund
}

const A: &str = "894000000000001";
const B: &str = "894000000000002";

/// Orders by number, status and how many eSIMs they have.
type Orders = Vec<(&'static str, &'static str, usize)>;

fn sight(iccid: &str, orders: &[(&str, &str, usize)]) -> EsimSight {
    let order = |(id, status, esims): &(&str, &str, usize)| EsimOrder {
        id: (*id).to_owned(),
        status: (*status).to_owned(),
        esims: *esims,
    };
    EsimSight { iccid: Iccid::parse(iccid).unwrap(), orders: orders.iter().map(order).collect() }
}

/// A refund of these eSIMs in review, that was sent when they looked so.
fn in_review(before: &[EsimSight]) -> Refund {
    let iccids: Vec<&str> = before.iter().map(|sight| sight.iccid.as_str()).collect();
    let mut refund = refund(&iccids);
    refund.baseline = Baseline { transactions: Vec::new(), esims: before.to_vec() };
    let doubt = Doubt { first_sent: Timestamp::EPOCH, refusal: None, checks: 0 };
    refund.state = State::InReview { reference: Some("12345".to_owned()), doubt };
    refund
}

fn found(before: &[EsimSight], now: &[EsimSight]) -> Finding {
    orders::finding(&in_review(before), now)
}

fn succeeded(iccid: &str, status: &str) -> Item {
    item(iccid, ItemState::Succeeded, status)
}

fn item(iccid: &str, state: ItemState, status: &str) -> Item {
    Item { id: iccid.to_owned(), state, amount_minor: None, provider_code: Some(status.to_owned()) }
}

fn success(items: Vec<Item>) -> Success {
    Success { amount_minor: None, provider_refund_id: Some("12345".to_owned()), completed: None, items }
}

#[test]
fn a_change_to_refunded_of_the_one_order_proves_an_esim() {
    for esims in [1, 3] {
        let before = [sight(A, &[("1", "completed", esims)])];
        let now = [sight(A, &[("1", "refunded", esims)])];
        assert_eq!(found(&before, &now), Finding::Succeeded(success(vec![succeeded(A, "refunded")])));
    }
    let before = [sight(A, &[("1", "partially_refunded", 2)])];
    let now = [sight(A, &[("1", "refunded", 2)])];
    assert_eq!(found(&before, &now), Finding::Succeeded(success(vec![succeeded(A, "refunded")])));
}

#[test]
fn a_part_proves_a_part_only_where_the_order_has_one_esim() {
    let before = |esims| [sight(A, &[("1", "completed", esims)])];
    let now = |esims| [sight(A, &[("1", "partially_refunded", esims)])];
    let part = success(vec![succeeded(A, "partially_refunded")]);
    assert_eq!(found(&before(1), &now(1)), Finding::PartlySucceeded(part));
    assert_eq!(found(&before(2), &now(2)), Finding::Absent);
}

#[test]
fn what_is_no_change_of_the_one_order_proves_nothing() {
    let one = |status| vec![("1", status, 1)];
    let cases: [[Orders; 2]; 10] = [
        [one("refunded"), one("refunded")],
        [one("partially_refunded"), one("partially_refunded")],
        [one("refunded"), one("partially_refunded")],
        [one("completed"), one("completed")],
        [one("completed"), one("failed")],
        [one("completed"), vec![]],
        [vec![], one("refunded")],
        [one("completed"), vec![("2", "refunded", 1)]],
        [one("completed"), vec![("1", "refunded", 1), ("2", "completed", 1)]],
        [one("completed"), vec![("1", "refunded", 0)]],
    ];
    for [before, now] in cases {
        assert_eq!(found(&[sight(A, &before)], &[sight(A, &now)]), Finding::Absent, "{before:?} {now:?}");
    }
    assert_eq!(found(&[sight(A, &one("completed"))], &[]), Finding::Absent);
    let never_seen = Refund { baseline: Baseline::default(), ..in_review(&[sight(A, &one("completed"))]) };
    assert_eq!(orders::finding(&never_seen, &[sight(A, &one("refunded"))]), Finding::Absent);
}

#[test]
fn some_esims_proven_leave_the_others_pending() {
    let before = [sight(A, &[("1", "completed", 1)]), sight(B, &[("2", "completed", 1)])];
    let now = |b| [sight(A, &[("1", "refunded", 1)]), sight(B, &[("2", b, 1)])];
    let items = vec![succeeded(A, "refunded"), item(B, ItemState::Pending, "completed")];
    let review = Review { reference: None, items };
    assert_eq!(found(&before, &now("completed")), Finding::InReview(review));
    let all = |b| success(vec![succeeded(A, "refunded"), succeeded(B, b)]);
    assert_eq!(found(&before, &now("refunded")), Finding::Succeeded(all("refunded")));
    let part = all("partially_refunded");
    assert_eq!(found(&before, &now("partially_refunded")), Finding::PartlySucceeded(part));
}

#[test]
fn one_order_of_two_esims_that_is_refunded_proves_both() {
    let both = |status| [sight(A, &[("1", status, 2)]), sight(B, &[("1", status, 2)])];
    assert!(matches!(found(&both("completed"), &both("refunded")), Finding::Succeeded(_)));
    assert_eq!(found(&both("completed"), &both("partially_refunded")), Finding::Absent);
}

#[test]
fn a_success_out_of_doubt_has_no_number() {
    let before = [sight(A, &[("1", "completed", 1)])];
    let doubt = Doubt { first_sent: Timestamp::EPOCH, refusal: None, checks: 0 };
    let unknown = Refund { state: State::Unknown { wait: Wait::Check, doubt }, ..in_review(&before) };
    let Finding::Succeeded(success) = orders::finding(&unknown, &[sight(A, &[("1", "refunded", 1)])]) else {
        panic!("not found")
    };
    assert_eq!(success.provider_refund_id, None);
}

/// A page with one order of one eSIM.
fn page() -> Value {
    json!({
        "data": [{
            "id": 9666, "code": "20230227-009666", "type": "sim", "quantity": 1, "price": "9.50",
            "sims": [{"id": 11047, "iccid": A, "is_roaming": true, "apn_value": null}],
            "status": {"name": "Completed", "slug": "completed"}
        }],
        "links": {"first": "…", "last": "…", "prev": null, "next": null},
        "meta": {"message": "success", "current_page": 1, "last_page": 1, "per_page": "100", "total": 1}
    })
}

fn read(body: &Value) -> Result<EsimSight, String> {
    let guard = Credentials::bearer(&SecretString::from("t0ken")).unwrap();
    orders::read(body.to_string().as_bytes(), &Iccid::parse(A).unwrap(), &guard)
}

#[test]
fn an_order_is_read_by_its_number_status_and_esims() {
    assert_eq!(read(&page()), Ok(sight(A, &[("9666", "completed", 1)])));
    let mut body = page();
    body["data"] = json!([]);
    body["meta"]["total"] = json!(0);
    assert_eq!(read(&body), Ok(sight(A, &[])));
}

#[test]
fn an_order_of_another_esim_is_left_out_and_one_that_shows_none_counts() {
    let with_sims = |sims: Value| {
        let mut body = page();
        body["data"][0]["sims"] = sims;
        read(&body)
    };
    let longer = json!([{"iccid": format!("{A}7")}]);
    assert_eq!(with_sims(longer), Ok(sight(A, &[])));
    let several = json!([{"iccid": B}, {"iccid": A}]);
    assert_eq!(with_sims(several), Ok(sight(A, &[("9666", "completed", 2)])));
    for none in [json!([]), Value::Null] {
        assert_eq!(with_sims(none), Ok(sight(A, &[("9666", "completed", 0)])));
    }
}

#[test]
fn an_order_of_more_esims_than_it_shows_has_as_many_as_it_says() {
    for quantity in [json!(3), json!("3")] {
        let mut body = page();
        body["data"][0]["quantity"] = quantity;
        assert_eq!(read(&body), Ok(sight(A, &[("9666", "completed", 3)])));
    }
}

#[test]
fn half_a_list_is_no_sight() {
    for (place, value) in [("/meta/total", json!(2)), ("/meta/last_page", json!("2"))] {
        let mut body = page();
        *body.pointer_mut(place).unwrap() = value;
        assert!(read(&body).is_err(), "{place}");
    }
    let mut body = page();
    body["meta"] = Value::Null;
    assert!(read(&body).is_ok(), "a short page without a count is all there is");
    let order = body["data"][0].clone();
    body["data"] = Value::Array(vec![order; orders::PAGE_ORDERS_MAX]);
    assert!(read(&body).is_err(), "a full one may not be");
}

#[test]
fn an_order_that_cannot_be_trusted_makes_the_sight_useless() {
    let faults: [(&str, Value); 6] = [
        ("/data", json!({})),
        ("/data/0/id", Value::Null),
        ("/data/0/status", json!("completed")),
        ("/data/0/status/slug", Value::Null),
        ("/data/0/sims", json!(1)),
        ("/data/0/sims/0/iccid", json!(894)),
    ];
    for (place, value) in faults {
        let mut body = page();
        *body.pointer_mut(place).unwrap() = value;
        assert!(read(&body).is_err(), "{place}");
    }
}

#[test]
fn the_documents_say_what_the_tables_say() {
    hold_section("providers/airalo.md", "airalo answers", &answers_to_markdown());
    hold_section("providers/airalo.md", "airalo token answers", &token_answers_to_markdown());
    hold_section("providers/airalo.md", "airalo reasons", &reasons_to_markdown());
    hold_section("providers/airalo.md", "airalo assumptions", &to_markdown(ASSUMED));
}
