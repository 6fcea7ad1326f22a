//! What a refund request does when nothing is in its way: replay, checks, effect.

use serde_json::Number;

use super::{
    State, Worldline,
    book::Refund,
    money,
    order::{Order, Payment},
    plan::{self, Foreign, Plan, When},
    problem::{self, Problem},
    refund::Asked,
    show::{OrderObject, View},
    table::{self, Row},
};
use crate::sandbox::{faults::KeyMemory, shared::Inner};

/// The amount of a small refund made by somebody else, in minor units.
const FOREIGN_SMALL_MINOR: i64 = 100;

/// The order after a refund, in the forms that an answer may take.
pub(super) struct Settled {
    /// With the transactions of this refund alone [doc: "the individual credit and/or payout results"].
    pub(super) usual: OrderObject,
    /// With those made by others as well.
    pub(super) listed: OrderObject,
    /// With all transactions of the order.
    pub(super) whole: OrderObject,
    /// As it was before this refund.
    pub(super) before: OrderObject,
    /// The amount of its first transaction and one minor unit.
    pub(super) higher: Number,
}

/// What the API says. `None`: the sandbox was stopped or reset meanwhile.
pub(super) type Said = Option<Result<Settled, &'static Problem>>;

/// Works on the request for `slow_ms`, in the sight of others with the same key; then settles it.
pub(super) async fn settle_late(
    worldline: &Worldline,
    id: &str,
    asked: &Asked,
    row: &'static Row,
    call: u32,
) -> Said {
    let (held, slow_ms) = {
        let mut state = worldline.state();
        let inner = worldline.shared.lock();
        let known = earlier(&state, &inner, id, asked).is_some();
        let key = asked.request_id.clone().filter(|_| !known);
        if let Some(key) = &key
            && !state.in_process.insert(key.clone())
        {
            return Some(Err(&problem::IN_PROGRESS));
        }
        let slow_ms = if known { 0 } else { inner.settings.slow_ms };
        (Held { worldline, key, generation: inner.generation }, slow_ms)
    };
    if !worldline.shared.pause(slow_ms).await {
        return None;
    }
    settle(worldline, id, asked, row, call, Some(&held))
}

/// A key that is being worked on.
pub(super) struct Held<'a> {
    worldline: &'a Worldline,
    key: Option<String>,
    generation: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.worldline.state().in_process.remove(key);
        }
    }
}

/// All checks and, when they hold, the refund: in one piece. `held` is what a slow request brings along.
pub(super) fn settle(
    worldline: &Worldline,
    id: &str,
    asked: &Asked,
    row: &'static Row,
    call: u32,
    held: Option<&Held<'_>>,
) -> Said {
    let mut state = worldline.state();
    let mut inner = worldline.shared.lock();
    if held.is_some_and(|held| held.generation != inner.generation) {
        return None;
    }
    state.catch_up(&mut inner);
    let in_process = asked.request_id.as_ref().is_some_and(|key| state.in_process.contains(key));
    if held.is_none() && in_process && state.key_memory(id) != KeyMemory::Ignored {
        return Some(Err(&problem::IN_PROGRESS));
    }
    if let Some(refund) = earlier(&state, &inner, id, asked).cloned() {
        return Some(replay(&mut state, &mut inner, id, asked, refund));
    }
    Some(take(&mut state, &mut inner, id, asked, row, call))
}

/// The refund that the same request id had before, as far as the order remembers keys.
fn earlier<'a>(state: &'a State, inner: &Inner, id: &str, asked: &Asked) -> Option<&'a Refund> {
    let oldest_ms = match state.key_memory(id) {
        KeyMemory::Ignored => return None,
        KeyMemory::Kept => i64::MIN,
        KeyMemory::Forgotten => {
            let memory_ms = i64::try_from(inner.settings.key_memory_ms).unwrap_or(i64::MAX);
            inner.now_ms().saturating_sub(memory_ms)
        }
    };
    state.book.of_key(asked.request_id.as_ref()?).find(|refund| refund.at_ms >= oldest_ms)
}

/// The same request again: nothing new, but what waited for it comes about. With other parameters it is
/// refused \[assumed].
fn replay(
    state: &mut State,
    inner: &mut Inner,
    id: &str,
    asked: &Asked,
    mut refund: Refund,
) -> Result<Settled, &'static Problem> {
    let same = refund.order_id == id
        && refund.minor == asked.minor
        && refund.currency == asked.currency
        && refund.transaction_id == asked.transaction_id;
    if !same {
        return Err(&problem::DUPLICATE);
    }
    let number = refund.number;
    if let Some((When::Replays(count), _)) = refund.turn() {
        refund.replays += 1;
        let due = refund.replays >= count;
        state.advance(inner, refund, due);
    }
    let order = state.order(id, inner.ledger.opened_ms()).ok_or(&problem::ORDER_UNKNOWN)?;
    Ok(settled(state, id, &order, number))
}

fn take(
    state: &mut State,
    inner: &mut Inner,
    id: &str,
    asked: &Asked,
    row: &'static Row,
    call: u32,
) -> Result<Settled, &'static Problem> {
    let order = state.order(id, inner.ledger.opened_ms()).ok_or(&problem::ORDER_UNKNOWN)?;
    if asked.currency != order.currency {
        return Err(&problem::OTHER_CURRENCY);
    }
    let plan = table::plan(row);
    appear(state, inner, id, asked.minor, plan)?;
    let mut payments: Vec<Payment> = order.payments(id);
    if let Some(wanted) = asked.transaction_id {
        payments.retain(|payment| payment.capture_id == wanted || payment.authorize_id == wanted);
        if payments.is_empty() {
            return Err(&problem::REFERENCE_UNKNOWN);
        }
    }
    let parts = state.book.split(id, &payments, asked.minor, plan.halves);
    // A decline comes before the amount is looked at, so that one can be had of an order with nothing left.
    let declines = plan.then.is_none() && plan.first.iter().all(|face| !face.reserves());
    let first = payments.first().map(|payment| (payment.capture_id, asked.minor));
    let parts = parts.or(first.filter(|_| declines).map(|part| vec![part])).ok_or(&problem::EXCEEDS)?;
    let refund = Refund {
        request_id: asked.request_id.clone(),
        transaction_id: asked.transaction_id,
        kind: plan.kind,
        call,
        behaviour: row.name.to_owned(),
        ..state.book.begun(id, &order.currency, parts, plan.first, inner.now_ms())
    };
    let number = refund.number;
    state.book.save(inner, refund)?;
    Ok(settled(state, id, &order, number))
}

fn settled(state: &State, id: &str, order: &Order, number: u64) -> Settled {
    let view = View::of(&state.book, id, order, i64::MAX);
    let is_it = |refund: &&Refund| refund.number == number;
    let ours = || view.refunds.iter().copied().find(is_it);
    let transactions = |refund: &Refund| view.refund(refund);
    let listed = view.refunds.iter().filter(|refund| refund.number == number || refund.is_foreign());
    let first = ours().and_then(|refund| refund.parts.first()).map_or(0, |part| part.minor);
    let others = view.refunds.iter().copied().filter(|refund| !is_it(refund)).collect();
    Settled {
        usual: view.with(ours().map(transactions).unwrap_or_default()),
        listed: view.with(listed.flat_map(|refund| view.refund(refund)).collect()),
        whole: view.whole(),
        before: View { id, order, refunds: others }.whole(),
        higher: money::number(first + 1, &order.currency),
    }
}

/// Lets the refund of somebody else appear that a behaviour without effect of its own asks for.
pub(super) fn foreign(worldline: &Worldline, id: &str, asked: &Asked, plan: &Plan) {
    let mut state = worldline.state();
    let mut inner = worldline.shared.lock();
    if let Err(problem) = appear(&mut state, &mut inner, id, asked.minor, plan) {
        tracing::error!(?problem, "sandbox cannot make the refund of somebody else");
    }
}

/// The refund of somebody else that a plan has come first; once per order.
fn appear(
    state: &mut State,
    inner: &mut Inner,
    id: &str,
    asked_minor: i64,
    plan: &Plan,
) -> Result<(), &'static Problem> {
    let known = state.book.of_order(id).any(Refund::is_foreign);
    match plan.foreign {
        Some(foreign) if !known => {
            let minor = if foreign == Foreign::Same { asked_minor } else { FOREIGN_SMALL_MINOR };
            elsewhere(state, inner, id, minor)
        }
        _ => Ok(()),
    }
}

/// Somebody else gives `minor` back, which no entry of the ledger shows. Too much is refused.
pub(super) fn elsewhere(
    state: &mut State,
    inner: &mut Inner,
    id: &str,
    minor: i64,
) -> Result<(), &'static Problem> {
    let order = state.order(id, inner.ledger.opened_ms()).ok_or(&problem::ORDER_UNKNOWN)?;
    let parts = state.book.split(id, &order.payments(id), minor, false).ok_or(&problem::EXCEEDS)?;
    let refund = state.book.begun(id, &order.currency, parts, &[plan::GIVEN], inner.now_ms());
    state.book.save(inner, refund)
}
