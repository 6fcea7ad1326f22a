//! What a refund request does when nothing is in its way: wait its turn, replay, checks, effect.

use serde_json::Value;

use super::{
    Moyasar, State, ids,
    object::{OrderObject, shown},
    problem::{self, Problem},
    refund::Asked,
    table::{Own, Row},
    transaction::{Fate, Status, Transaction, Turn},
};
use crate::sandbox::{
    faults::{Answer, KeyMemory},
    shared::Inner,
};

/// [doc: void and authorisation; the refund page names no upper bound]
const AMOUNT_MAX: i64 = 100_000_000;

/// The order after a refund.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) order: OrderObject,
    /// Where the refund stands among the order's transactions.
    pub(super) place: Option<usize>,
}

/// What the API says. `None`: the sandbox was stopped or reset meanwhile.
pub(super) type Said = Option<Result<Done, &'static Problem>>;

/// One refund call, as it was taken in.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) order_id: &'a str,
    pub(super) asked: &'a Asked,
    pub(super) row: &'static Row,
    /// The number of this call on its order, from 1.
    pub(super) call: u32,
}

/// Settles the request, after a request with the same id that is in process, for which it waits `block_ms`.
pub(super) async fn settle_in_turn(moyasar: &Moyasar, request: Request<'_>) -> Said {
    match turn(moyasar, request).await {
        Wait::Over => settle(moyasar, request, None),
        Wait::TooLong => Some(Err(&problem::STILL_PROCESSING)),
        Wait::Stopped => None,
    }
}

/// Works on the request for `slow_ms`, in the sight of others with the same id; then settles it.
pub(super) async fn settle_late(moyasar: &Moyasar, request: Request<'_>) -> Said {
    match turn(moyasar, request).await {
        Wait::Over => {}
        Wait::TooLong => return Some(Err(&problem::STILL_PROCESSING)),
        Wait::Stopped => return None,
    }
    let (held, slow_ms) = {
        let mut state = moyasar.state();
        let mut inner = moyasar.shared.lock();
        if let Some(said) = state.repeated(&mut inner, request) {
            return Some(said);
        }
        let key = request.asked.id();
        if let Some(key) = &key
            && !state.in_process.insert(key.clone())
        {
            return Some(Err(&problem::STILL_PROCESSING));
        }
        (Held { moyasar, key, generation: inner.generation }, inner.settings.slow_ms)
    };
    if !moyasar.shared.pause(slow_ms).await {
        return None;
    }
    settle(moyasar, request, Some(&held))
}

enum Wait {
    Over,
    TooLong,
    Stopped,
}

/// Waits while another request with the same id is in process.
async fn turn(moyasar: &Moyasar, request: Request<'_>) -> Wait {
    let Some(key) = request.asked.id() else {
        return Wait::Over;
    };
    let mut ended = moyasar.ended.subscribe();
    let over = async {
        while moyasar.state().in_process.contains(&key) {
            if ended.changed().await.is_err() {
                return;
            }
        }
    };
    let block_ms = moyasar.shared.lock().settings.block_ms;
    tokio::select! {
        biased;
        () = over => Wait::Over,
        waited = moyasar.shared.pause(block_ms) => if waited { Wait::TooLong } else { Wait::Stopped },
    }
}

/// An id that is being worked on.
struct Held<'a> {
    moyasar: &'a Moyasar,
    key: Option<String>,
    generation: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.moyasar.state().in_process.remove(key);
            self.moyasar.ended.send_replace(());
        }
    }
}

/// All checks and, when they hold, the effect: in one piece. `held` is what a slow request brings along.
fn settle(moyasar: &Moyasar, request: Request<'_>, held: Option<&Held<'_>>) -> Said {
    let mut state = moyasar.state();
    let mut inner = moyasar.shared.lock();
    if held.is_some_and(|held| held.generation != inner.generation) {
        return None;
    }
    let ignored = state.key_memory(request.order_id) == KeyMemory::Ignored;
    let in_process = |key: &String| held.is_none() && !ignored && state.in_process.contains(key);
    if request.asked.id().is_some_and(|key| in_process(&key)) {
        return Some(Err(&problem::STILL_PROCESSING));
    }
    if let Some(said) = state.repeated(&mut inner, request) {
        return Some(said);
    }
    Some(state.refund(&mut inner, request))
}

impl State {
    /// What a request is told that repeats another or cannot be read; none is a new refund.
    fn repeated(
        &mut self,
        inner: &mut Inner,
        request: Request<'_>,
    ) -> Option<Result<Done, &'static Problem>> {
        match self.twin(inner, request) {
            Ok(None) => None,
            Ok(Some(serial)) => Some(self.done(inner, request.order_id, serial)),
            Err(problem) => Some(Err(problem)),
        }
    }

    /// The serial of the refund that this request asked for before, as far as the order remembers ids.
    fn twin(&mut self, inner: &mut Inner, request: Request<'_>) -> Result<Option<u64>, &'static Problem> {
        self.book.catch_up(inner).map_err(|error| unwritten(&error))?;
        self.order(request.order_id, inner.ledger.opened_ms()).ok_or(&problem::NOT_FOUND)?;
        let amount_minor = amount(request.asked.amount.as_ref())?;
        let oldest_ms = match self.key_memory(request.order_id) {
            KeyMemory::Ignored => return request.asked.uuid().map(|_| None),
            KeyMemory::Kept => i64::MIN,
            KeyMemory::Forgotten => {
                let memory_ms = i64::try_from(inner.settings.key_memory_ms).unwrap_or(i64::MAX);
                inner.now_ms().saturating_sub(memory_ms)
            }
        };
        let Some(id) = request.asked.uuid()? else {
            return Ok(None);
        };
        let Some(twin) = self.book.with_id(&id).find(|twin| twin.at_ms >= oldest_ms) else {
            return Ok(None);
        };
        // That a known id with another order or amount is refused so is [assumed].
        let same = twin.order_id == request.order_id && twin.amount_minor == amount_minor;
        if same { Ok(Some(twin.serial)) } else { Err(&problem::ID_TAKEN) }
    }

    fn refund(&mut self, inner: &mut Inner, request: Request<'_>) -> Result<Done, &'static Problem> {
        let (id, now_ms) = (request.order_id, inner.now_ms());
        let order = self.order(id, inner.ledger.opened_ms()).ok_or(&problem::NOT_FOUND)?;
        let amount_minor = amount(request.asked.amount.as_ref())?;
        let held: i64 = self.book.of_order(id).map(|refund| refund.held_minor(now_ms)).sum();
        if amount_minor > order.captured_minor - order.elsewhere_minor - held {
            return Err(&problem::EXCEEDS_REFUNDABLE);
        }
        let serial = self.book.next_serial();
        let asked_id = request.asked.uuid()?;
        let sent = asked_id.clone().filter(|_| !gives_own_id(request.row));
        let fate = fate(request.row);
        let later_ms = i64::try_from(inner.settings.later_ms).unwrap_or(i64::MAX);
        let turn_ms = now_ms.saturating_add(later_ms);
        let transaction = Transaction {
            id: sent.unwrap_or_else(|| ids::made(&format!("{id}/{serial}/refund"), now_ms)),
            asked_id,
            order_id: id.to_owned(),
            currency: order.currency,
            amount_minor,
            at_ms: now_ms,
            serial,
            call: request.call,
            first: fate.first,
            turn: fate.then.map(|then| Turn { at_ms: turn_ms, then }),
        };
        self.book.enter(inner, transaction).map_err(|error| unwritten(&error))?;
        self.done(inner, id, serial)
    }

    fn done(&self, inner: &Inner, id: &str, serial: u64) -> Result<Done, &'static Problem> {
        let order = self.order(id, inner.ledger.opened_ms()).ok_or(&problem::NOT_FOUND)?;
        let (order, place) = shown(id, &order, self.book.of_order(id), Some(serial), inner.now_ms());
        Ok(Done { order, place })
    }
}

pub(super) fn unwritten(error: &crate::sandbox::Error) -> &'static Problem {
    tracing::error!(%error, "sandbox cannot write an effect down: it did not take place");
    &problem::INTERNAL
}

fn fate(row: &Row) -> Fate {
    match row.answer {
        Answer::Own(own) => own.fate(),
        _ => Fate::just(Status::Approved),
    }
}

fn gives_own_id(row: &Row) -> bool {
    matches!(row.answer, Answer::Own(Own::ServerId | Own::ServerIdUnseen))
}

/// An integer of minor units. A number with a point or an exponent is refused, even when it is whole, and so
/// is text \[assumed].
fn amount(value: Option<&Value>) -> Result<i64, &'static Problem> {
    let value = value.filter(|value| !value.is_null()).ok_or(&problem::AMOUNT_MISSING)?;
    let number = value.as_number().ok_or(&problem::AMOUNT_NOT_INTEGER)?.to_string();
    let digits = number.strip_prefix('-').unwrap_or(&number);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(&problem::AMOUNT_NOT_INTEGER);
    }
    if digits != number || number == "0" {
        return Err(&problem::AMOUNT_TOO_LOW);
    }
    number.parse().ok().filter(|&minor| minor <= AMOUNT_MAX).ok_or(&problem::AMOUNT_TOO_HIGH)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Problem, amount, problem};

    #[test]
    fn amounts_are_whole_minor_units_within_bounds() {
        let read = |text: &str| amount(serde_json::from_str::<Value>(text).ok().as_ref());
        let fault = |text| format!("{:?}", read(text).map_err(Problem::answer).unwrap_err().body);
        let says = |problem: &Problem| format!("{:?}", problem.answer().body);
        assert_eq!((read("1").ok(), read("100000000").ok()), (Some(1), Some(100_000_000)));
        for text in ["0", "-1", "-0"] {
            assert_eq!(fault(text), says(&problem::AMOUNT_TOO_LOW), "{text}");
        }
        for text in ["1.0", "1.5", "1e2", "\"100\"", "true", "[1]"] {
            assert_eq!(fault(text), says(&problem::AMOUNT_NOT_INTEGER), "{text}");
        }
        for text in ["100000001", "99999999999999999999999"] {
            assert_eq!(fault(text), says(&problem::AMOUNT_TOO_HIGH), "{text}");
        }
        assert_eq!(fault("null"), says(&problem::AMOUNT_MISSING));
        assert!(amount(None).is_err());
    }
}
