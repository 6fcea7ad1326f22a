//! The refunds that Worldline has taken, with what each of their transactions has come to.

use std::{
    collections::{BTreeSet, HashMap},
    iter,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    NAME, money,
    order::{Order, Payment},
    plan::{self, Face, Kind, Plan, When},
    problem::{self, Problem},
    table,
};
use crate::sandbox::{
    clock,
    ledger::{Effect, Line},
    shared::Inner,
};

/// Ids of refund transactions begin here.
const TRANSACTION_ID_BASE: u64 = 7_000_000_000;

/// One request to refund that was taken, whatever became of it. A refusal of the request is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refund {
    /// Position in the book, from 1.
    pub(super) number: u64,
    pub(super) order_id: String,
    pub(super) request_id: Option<String>,
    pub(super) minor: i64,
    pub(super) currency: String,
    /// The payment that was named.
    pub(super) transaction_id: Option<u64>,
    pub(super) parts: Vec<Part>,
    pub(super) kind: Kind,
    pub(super) at_ms: i64,
    /// Which refund call on the order this was, from 1; 0 for a refund made by somebody else.
    pub(super) call: u32,
    /// The behaviour that says what becomes of it.
    pub(super) behaviour: String,
    pub(super) replays: u32,
    pub(super) reads: u32,
    /// It has become what it was to become.
    pub(super) turned: bool,
    /// Its number in the ledger, once money went back.
    pub(super) effect: Option<u64>,
}

/// One transaction of a refund.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) id: u64,
    /// The capture it refers to.
    pub(super) reference: u64,
    pub(super) minor: i64,
    pub(super) face: Face,
    pub(super) cancel_id: Option<u64>,
    pub(super) changed_ms: i64,
}

impl Refund {
    pub(super) fn is_foreign(&self) -> bool {
        self.call == 0
    }

    /// Money that has gone back by our doing.
    fn given_minor(&self) -> i64 {
        if self.is_foreign() {
            return 0;
        }
        self.parts.iter().filter(|part| part.face.gives).map(|part| part.minor).sum()
    }

    pub(super) fn plan(&self) -> &'static Plan {
        table::plan_of(&self.behaviour)
    }

    /// What is to come, and when.
    pub(super) fn turn(&self) -> Option<(When, &'static [Face])> {
        self.plan().then.filter(|_| !self.turned)
    }

    /// Its entry in the ledger.
    fn effect(&self, number: u64) -> Effect {
        let given = self.given_minor();
        let decimals = money::decimals(&self.currency).unwrap_or_default();
        let ids: Vec<String> = self.parts.iter().map(|part| part.id.to_string()).collect();
        Effect {
            number,
            provider: NAME.to_owned(),
            order_id: self.order_id.clone(),
            iccids: Vec::new(),
            request_id: self.request_id.clone(),
            merchant_reference: None,
            refund_merchant_reference: None,
            provider_refund_id: ids.join(","),
            amount: money::decimal(given, decimals),
            amount_minor: given,
            currency: self.currency.clone(),
            at: clock::stamp(self.at_ms),
            at_ms: self.at_ms,
            call: self.call,
            detail: Some(json!(self)),
        }
    }
}

/// All refunds of one sandbox.
#[derive(Debug, Default)]
pub(super) struct Book {
    refunds: Vec<Refund>,
    by_order: HashMap<String, Vec<usize>>,
    by_key: HashMap<String, Vec<usize>>,
    /// Those that are still to become something else.
    pending: BTreeSet<usize>,
    last_id: u64,
}

impl Book {
    /// A refund that is not yet written down, as somebody else makes one: without a key and as a `Credit`. Of
    /// `faces` the last holds for all further parts.
    pub(super) fn begun(
        &mut self,
        order_id: &str,
        currency: &str,
        parts: Vec<(u64, i64)>,
        faces: &[Face],
        now_ms: i64,
    ) -> Refund {
        let minor = parts.iter().map(|(_, minor)| minor).sum();
        let last = faces.last().copied().unwrap_or(plan::GIVEN);
        let faces = faces.iter().copied().chain(iter::repeat(last));
        let part = |((reference, minor), face)| Part {
            id: self.new_id(),
            reference,
            minor,
            face,
            cancel_id: None,
            changed_ms: now_ms,
        };
        let parts = parts.into_iter().zip(faces).map(part).collect();
        Refund {
            number: u64::try_from(self.refunds.len()).unwrap_or(u64::MAX).saturating_add(1),
            order_id: order_id.to_owned(),
            request_id: None,
            minor,
            currency: currency.to_owned(),
            transaction_id: None,
            parts,
            kind: Kind::Credit,
            at_ms: now_ms,
            call: 0,
            behaviour: table::OK.name.to_owned(),
            replays: 0,
            reads: 0,
            turned: false,
            effect: None,
        }
    }

    fn new_id(&mut self) -> u64 {
        self.last_id = self.last_id.max(TRANSACTION_ID_BASE) + 1;
        self.last_id
    }

    /// Refunds on an order, oldest first.
    pub(super) fn of_order(&self, order_id: &str) -> impl DoubleEndedIterator<Item = &Refund> {
        let positions = self.by_order.get(order_id).map(Vec::as_slice).unwrap_or_default();
        positions.iter().filter_map(|&position| self.refunds.get(position))
    }

    /// Refunds under a request id, oldest first: of the whole merchant, whatever the order [doc: unique per
    /// merchant].
    pub(super) fn of_key(&self, request_id: &str) -> impl Iterator<Item = &Refund> {
        let positions = self.by_key.get(request_id).map(Vec::as_slice).unwrap_or_default();
        positions.iter().filter_map(|&position| self.refunds.get(position))
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = &Refund> {
        self.pending.iter().filter_map(|&position| self.refunds.get(position))
    }

    /// What can still be given back of a payment.
    pub(super) fn remaining_minor(&self, order_id: &str, payment: &Payment) -> i64 {
        let parts = self.of_order(order_id).flat_map(|refund| &refund.parts);
        let taken = parts.filter(|part| part.reference == payment.capture_id && part.face.reserves());
        payment.minor - taken.map(|part| part.minor).sum::<i64>()
    }

    /// Divides an amount among an order's payments, in their order \[assumed]. None: it exceeds them.
    pub(super) fn split(
        &self,
        order_id: &str,
        payments: &[Payment],
        minor: i64,
        halves: bool,
    ) -> Option<Vec<(u64, i64)>> {
        let free: Vec<(u64, i64)> = payments
            .iter()
            .map(|payment| (payment.capture_id, self.remaining_minor(order_id, payment)))
            .collect();
        if halves
            && minor > 1
            && let (Some(first), Some(last)) = (free.first(), free.last())
            && first.0 != last.0
            && (minor + 1) / 2 <= first.1
            && minor / 2 <= last.1
        {
            return Some(vec![(first.0, (minor + 1) / 2), (last.0, minor / 2)]);
        }
        let mut left = minor;
        let mut parts = Vec::new();
        for (reference, free) in free {
            let part = left.min(free);
            if part > 0 {
                parts.push((reference, part));
                left -= part;
            }
        }
        (left == 0).then_some(parts)
    }

    /// Writes a refund down, new or changed, and with it the effect that it has.
    pub(super) fn save(&mut self, inner: &mut Inner, mut refund: Refund) -> Result<(), &'static Problem> {
        let written = if refund.given_minor() > 0 || refund.effect.is_some() {
            let number = refund.effect.unwrap_or_else(|| inner.ledger.next_number());
            refund.effect = Some(number);
            inner.ledger.commit(refund.effect(number))
        } else {
            let data = json!({"refund": refund});
            inner.ledger.write(&Line::Record { provider: NAME.to_owned(), id: refund.order_id.clone(), data })
        };
        written.map_err(|error| {
            tracing::error!(%error, "sandbox cannot write a refund down: it did not take place");
            &problem::INTERNAL
        })?;
        self.put(refund);
        Ok(())
    }

    /// Takes a refund in that is written down.
    pub(super) fn put(&mut self, refund: Refund) {
        let position = usize::try_from(refund.number.saturating_sub(1)).unwrap_or(usize::MAX);
        let ids = refund.parts.iter().flat_map(|part| [Some(part.id), part.cancel_id]).flatten();
        self.last_id = ids.fold(self.last_id, u64::max);
        if refund.turn().is_some() {
            self.pending.insert(position);
        } else {
            self.pending.remove(&position);
        }
        if let Some(earlier) = self.refunds.get_mut(position) {
            *earlier = refund;
            return;
        }
        let position = self.refunds.len();
        self.by_order.entry(refund.order_id.clone()).or_default().push(position);
        if let Some(request_id) = &refund.request_id {
            self.by_key.entry(request_id.clone()).or_default().push(position);
        }
        self.refunds.push(refund);
    }

    /// Lets a refund become what it was to become. What no longer fits is declined.
    pub(super) fn turned(&mut self, order: &Order, mut refund: Refund, now_ms: i64) -> Refund {
        let Some((_, faces)) = refund.turn() else {
            return refund;
        };
        let payments = order.payments(&refund.order_id);
        let faces = faces.iter().chain(iter::repeat(faces.last().unwrap_or(&plan::GIVEN)));
        for (part, &face) in refund.parts.iter_mut().zip(faces) {
            if part.face == face {
                continue;
            }
            let payment = payments.iter().find(|payment| payment.capture_id == part.reference);
            let free = payment.map_or(0, |payment| self.remaining_minor(&refund.order_id, payment));
            let fits = part.face.reserves() || part.minor <= free;
            part.face = if face.gives && !fits { Face::declined(problem::EXCEEDS.code) } else { face };
            part.changed_ms = now_ms;
            if face.canceled {
                part.cancel_id = Some(self.new_id());
            }
        }
        refund.turned = true;
        refund
    }
}

/// The refund in a line of the ledger file.
pub(super) fn restored(line: &Line) -> Option<Refund> {
    let data: &Value = match line {
        Line::Effect(effect) if effect.provider == NAME => effect.detail.as_ref()?,
        Line::Record { provider, data, .. } if provider == NAME => data.get("refund")?,
        Line::Opened { .. }
        | Line::Effect(_)
        | Line::Order { .. }
        | Line::Step { .. }
        | Line::Record { .. } => return None,
    };
    Refund::deserialize(data)
        .inspect_err(|error| tracing::error!(%error, "sandbox cannot read a refund back"))
        .ok()
}
