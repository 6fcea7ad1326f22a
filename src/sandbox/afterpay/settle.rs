//! What a refund request does when nothing is in its way: replay, checks, effect.

use super::{
    Afterpay, NAME, Orders, is_numeric, money,
    problem::{self, Problem},
    refund::{Asked, RefundObject},
};
use crate::sandbox::{clock, faults::KeyMemory, ledger::Effect, shared::Inner};

/// [the refund page]
const REFUND_REFERENCE_MAX_CHARS: usize = 128;
/// The stricter of the two documented limits of `merchantReference` (64 and 85), and that of `requestId`.
const KEY_MAX_CHARS: usize = 64;
/// Refund ids are decimal numbers [doc: recorded answers]; the ledger's number is added to this one.
const REFUND_ID_BASE: u64 = 67_890_000;

/// What makes two requests the same one: order, `requestId`, `merchantReference`.
pub(super) type Key = (String, String, String);

/// What the API says. `None`: the sandbox was stopped or reset meanwhile.
pub(super) type Said = Option<Result<RefundObject, &'static Problem>>;

/// Works on the request for `slow_ms`, in the sight of others with the same key; then settles it.
pub(super) async fn settle_late(afterpay: &Afterpay, id: &str, asked: &Asked, call: u32) -> Said {
    let (held, slow_ms) = {
        let mut orders = afterpay.orders();
        let inner = afterpay.shared.lock();
        let memory = orders.key_memory(id);
        if let Some(effect) = replay(&inner, id, asked, memory) {
            return Some(Ok(RefundObject::from(effect)));
        }
        let key = asked.key(id);
        if let Some(key) = &key
            && !orders.in_process.insert(key.clone())
        {
            return Some(Err(&problem::CONFLICT));
        }
        (Held { afterpay, key, generation: inner.generation }, inner.settings.slow_ms)
    };
    if !afterpay.shared.pause(slow_ms).await {
        return None;
    }
    settle(afterpay, id, asked, call, Some(&held))
}

/// A key that is being worked on.
pub(super) struct Held<'a> {
    afterpay: &'a Afterpay,
    key: Option<Key>,
    generation: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.afterpay.orders().in_process.remove(key);
        }
    }
}

/// All checks and, when they hold, the effect: in one piece. `held` is what a slow request brings along.
pub(super) fn settle(
    afterpay: &Afterpay,
    id: &str,
    asked: &Asked,
    call: u32,
    held: Option<&Held<'_>>,
) -> Said {
    let orders = afterpay.orders();
    let mut inner = afterpay.shared.lock();
    if held.is_some_and(|held| held.generation != inner.generation) {
        return None;
    }
    let memory = orders.key_memory(id);
    let in_process = |key: &Key| held.is_none() && orders.in_process.contains(key);
    if memory != KeyMemory::Ignored && asked.key(id).is_some_and(|key| in_process(&key)) {
        return Some(Err(&problem::CONFLICT));
    }
    if let Some(effect) = replay(&inner, id, asked, memory) {
        return Some(Ok(RefundObject::from(effect)));
    }
    let checked = check(&orders, &inner, id, asked);
    Some(checked.and_then(|(minor, currency)| commit(&mut inner, id, asked, minor, currency, call)))
}

fn check(orders: &Orders, inner: &Inner, id: &str, asked: &Asked) -> Result<(i64, String), &'static Problem> {
    let (minor, currency) = money::read(asked.amount.as_ref())?;
    let longer = |text: &Option<String>, max| text.as_ref().is_some_and(|text| text.chars().count() > max);
    if longer(&asked.refund_merchant_reference, REFUND_REFERENCE_MAX_CHARS) {
        return Err(&problem::REFERENCE_TOO_LONG);
    }
    if longer(&asked.request_id, KEY_MAX_CHARS) || longer(&asked.merchant_reference, KEY_MAX_CHARS) {
        return Err(&problem::KEY_TOO_LONG);
    }
    if !is_numeric(id) {
        return Err(&problem::NOT_FOUND);
    }
    let payment = orders.payment(id, inner.ledger.opened_ms()).ok_or(&problem::PRECONDITION_FAILED)?;
    if payment.declined || payment.captured_minor == 0 {
        return Err(&problem::PRECONDITION_FAILED);
    }
    if currency != payment.currency {
        return Err(&problem::OTHER_CURRENCY);
    }
    if payment.is_too_old(inner.now_ms()) {
        return Err(&problem::TIME_LIMIT);
    }
    let refunded = inner.ledger.of_order(NAME, id).map(|effect| effect.amount_minor).sum();
    if minor > payment.available_minor(refunded) {
        return Err(&problem::EXCEEDS_AVAILABLE);
    }
    Ok((minor, currency))
}

fn commit(
    inner: &mut Inner,
    id: &str,
    asked: &Asked,
    minor: i64,
    currency: String,
    call: u32,
) -> Result<RefundObject, &'static Problem> {
    let at_ms = inner.now_ms();
    let number = inner.ledger.next_number();
    let effect = Effect {
        number,
        provider: NAME.to_owned(),
        order_id: id.to_owned(),
        iccids: Vec::new(),
        request_id: asked.request_id.clone(),
        merchant_reference: asked.merchant_reference.clone(),
        refund_merchant_reference: asked.refund_merchant_reference.clone(),
        provider_refund_id: REFUND_ID_BASE.saturating_add(number).to_string(),
        amount: money::decimal(minor),
        amount_minor: minor,
        currency,
        at: clock::stamp(at_ms),
        at_ms,
        call,
    };
    let refund = RefundObject::from(&effect);
    inner.ledger.commit(effect).map_err(|error| {
        tracing::error!(%error, "sandbox cannot write an effect down: it did not take place");
        &problem::INTERNAL
    })?;
    Ok(refund)
}

/// The effect that the same request had before, as far as the order remembers keys.
fn replay<'a>(inner: &'a Inner, id: &str, asked: &Asked, memory: KeyMemory) -> Option<&'a Effect> {
    let (_, request_id, reference) = asked.key(id)?;
    let oldest_ms = match memory {
        KeyMemory::Ignored => return None,
        KeyMemory::Kept => i64::MIN,
        KeyMemory::Forgotten => {
            let memory_ms = i64::try_from(inner.settings.key_memory_ms).unwrap_or(i64::MAX);
            inner.now_ms().saturating_sub(memory_ms)
        }
    };
    inner.ledger.of_order(NAME, id).find(|effect| {
        effect.at_ms >= oldest_ms
            && effect.request_id.as_ref() == Some(&request_id)
            && effect.merchant_reference.as_ref() == Some(&reference)
    })
}
