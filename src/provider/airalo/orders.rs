//! The orders of an eSIM read back, and what their change since the first send says of a refund.

use super::super::http::Credentials;
use super::super::json::{decode, text, whole};
use super::super::reversal::{TakenBack, success_of};
use super::wire::{Order, OrderPage};
use crate::domain::answer::{Finding, Reversal, Review};
use crate::domain::id::Iccid;
use crate::domain::refund::{Item, ItemState, Refund, State, Success};
use crate::domain::sight::{EsimOrder, EsimSight};

/// Orders that are asked for at once. One eSIM has few, and a page of so many stays well below the longest
/// body.
pub(super) const PAGE_ORDERS_MAX: usize = 100;

/// Reads the orders of one eSIM.
///
/// # Errors A sentence that says what is not as documented, or that there is more than one page: half a
/// list would hide an order that the eSIM has besides.
pub(super) fn read(body: &[u8], iccid: &Iccid, guard: &Credentials) -> Result<EsimSight, String> {
    let page: OrderPage = decode(body)?;
    if page.is_part(PAGE_ORDERS_MAX) {
        return Err(format!("the eSIM has more orders than the {} that were shown", page.data.len()));
    }
    let mut orders: Vec<EsimOrder> = Vec::new();
    for order in page.data.iter().filter(|order| may_be_of(order, iccid)) {
        let id = text(&order.id).ok_or("an order without an id")?;
        let sims = order.sims.as_ref().map_or(0, Vec::len);
        let quantity = order.quantity.as_ref().and_then(whole).and_then(|n| usize::try_from(n).ok());
        let shown = EsimOrder {
            id: guard.clean_id(&id),
            status: guard.clean_id(&order.status.slug),
            // None is "not shown", whatever the quantity says.
            esims: if sims == 0 { 0 } else { sims.max(quantity.unwrap_or_default()) },
        };
        if !orders.contains(&shown) {
            orders.push(shown);
        }
    }
    Ok(EsimSight { iccid: iccid.clone(), orders })
}

/// Whether an order is of this eSIM. The filter of the provider finds longer numbers too; an order that
/// shows no eSIMs cannot be told apart: it counts as one that the eSIM has besides, and proves nothing.
fn may_be_of(order: &Order, iccid: &Iccid) -> bool {
    match order.sims.as_deref() {
        None | Some([]) => true,
        Some(sims) => sims.iter().any(|sim| sim.iccid == iccid.as_str()),
    }
}

/// The status of an order of which nothing came back. \[doc]
const COMPLETED: &str = "completed";

/// What a change of status proves of an eSIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Its price came back.
    Whole,
    /// Part of its price came back.
    Part,
    /// Nothing: a hint for a person at most.
    Nothing,
}

/// What these sights say of a refund, against what the preflight saw before its first send.
pub(super) fn finding(refund: &Refund, seen: &[EsimSight]) -> Finding {
    let of = |sights: &[EsimSight], iccid: &Iccid| sights.iter().find(|s| s.iccid == *iccid).cloned();
    let proofs: Vec<(Item, Proof)> = refund
        .content
        .iccids()
        .iter()
        .map(|iccid| {
            let now = of(seen, iccid);
            let proof = match (of(&refund.baseline.esims, iccid), &now) {
                (Some(before), Some(now)) => proof(&before, now),
                (_, _) => Proof::Nothing,
            };
            (item(iccid, now.as_ref(), proof), proof)
        })
        .collect();
    let proven = proofs.iter().filter(|(_, proof)| *proof != Proof::Nothing).count();
    let partly = proofs.iter().any(|(_, proof)| *proof == Proof::Part);
    let all = proven == proofs.len();
    let items: Vec<Item> = proofs.into_iter().map(|(item, _)| item).collect();
    match (proven, all) {
        (0, _) => Finding::Absent,
        (_, false) => Finding::InReview(Review { reference: None, items }),
        (_, true) => {
            let success =
                Success { amount_minor: None, provider_refund_id: reference(refund), completed: None, items };
            if partly { Finding::PartlySucceeded(success) } else { Finding::Succeeded(success) }
        }
    }
}

/// How much of a success these sights take back: of each of its eSIMs the one order must have been
/// `completed` before the first send, refunded when the success was read, and be `completed` again.
pub(super) fn taken_back(refund: &Refund, seen: &[EsimSight]) -> TakenBack {
    if success_of(refund).is_none() {
        return TakenBack::Nothing;
    }
    let (mut gone, mut standing) = (Vec::new(), Vec::new());
    for iccid in refund.content.iccids() {
        let back = || {
            let before = refund.baseline.esims.iter().find(|sight| sight.iccid == *iccid)?;
            let now = seen.iter().find(|sight| sight.iccid == *iccid)?;
            let item = refund.items.iter().find(|item| item.id == iccid.as_str())?;
            completed_again(before, item, now)
        };
        match back() {
            Some(order) => gone.push(format!("the order {order} of {iccid}")),
            None => standing.push(iccid.to_string()),
        }
    }
    let text = format!("refunded before and {COMPLETED} again: {}", gone.join(", "));
    match (gone.is_empty(), standing.is_empty()) {
        (true, _) => TakenBack::Nothing,
        (false, true) => TakenBack::Whole(Reversal { provider_code: Some(COMPLETED.to_owned()), text }),
        (false, false) => TakenBack::Part(format!("{text}; not so: {}", standing.join(", "))),
    }
}

/// The order of an eSIM that was refunded for us, if it is as if it had never been.
fn completed_again<'a>(before: &EsimSight, item: &Item, now: &'a EsimSight) -> Option<&'a str> {
    let ([before], [now]) = (before.orders.as_slice(), now.orders.as_slice()) else {
        return None;
    };
    let status = item.provider_code.as_deref();
    let was_refunded = item.state == ItemState::Succeeded
        && (status == Some(EsimOrder::REFUNDED) || status == Some(EsimOrder::PARTIALLY_REFUNDED));
    let is_again = before.status == COMPLETED && now.status == COMPLETED;
    (before.id == now.id && was_refunded && is_again && now.esims > 0).then_some(now.id.as_str())
}

/// The one order of an eSIM that changed to refunded since then proves it. An order of several eSIMs that
/// was refunded in part does not say which, and one of several orders not whether this refund was meant.
fn proof(before: &EsimSight, now: &EsimSight) -> Proof {
    let ([before], [now]) = (before.orders.as_slice(), now.orders.as_slice()) else {
        return Proof::Nothing;
    };
    if before.id != now.id || before.status == now.status || before.status == EsimOrder::REFUNDED {
        return Proof::Nothing;
    }
    match now.status.as_str() {
        EsimOrder::REFUNDED if now.esims > 0 => Proof::Whole,
        EsimOrder::PARTIALLY_REFUNDED if now.esims == 1 => Proof::Part,
        _other => Proof::Nothing,
    }
}

fn item(iccid: &Iccid, now: Option<&EsimSight>, proof: Proof) -> Item {
    let state = match proof {
        Proof::Whole | Proof::Part => ItemState::Succeeded,
        Proof::Nothing => ItemState::Pending,
    };
    let provider_code = match now.map(|sight| sight.orders.as_slice()) {
        Some([order]) => Some(order.status.clone()),
        Some(_) | None => None,
    };
    Item { id: iccid.to_string(), state, amount_minor: None, provider_code }
}

/// The provider's number of the case, if it gave one.
fn reference(refund: &Refund) -> Option<String> {
    match &refund.state {
        State::InReview { reference, .. } => reference.clone(),
        State::Pending { .. }
        | State::Sending { .. }
        | State::Unknown { .. }
        | State::Succeeded(_)
        | State::PartiallySucceeded(_)
        | State::Failed(_)
        | State::Canceled
        | State::Reversed(_) => None,
    }
}
