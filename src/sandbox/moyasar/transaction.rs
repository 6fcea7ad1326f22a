//! A refund transaction and what becomes of it.

use serde::{Deserialize, Serialize};

/// The status of a transaction [doc: showing an order].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// In flight.
    Initiated,
    Approved,
    /// Declined by the scheme or the issuer.
    Failed,
    /// The gateway got no response in time.
    Timeout,
    SystemError,
    /// A word that no document knows \[assumed]: the list of statuses may grow.
    Unheard,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Approved => "approved",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::SystemError => "system_error",
            Self::Unheard => "under_investigation",
        }
    }

    /// "APPROVED" [doc: the refund page's example]; the others are \[assumed].
    pub(super) fn message(self) -> Option<&'static str> {
        match self {
            Self::Approved => Some("APPROVED"),
            Self::Failed => Some("DECLINED"),
            Self::Timeout => Some("TIMEOUT"),
            Self::SystemError => Some("SYSTEM ERROR"),
            Self::Initiated | Self::Unheard => None,
        }
    }

    /// "00" [doc: the refund page's example], "05" and "96" as in ISO 8583 \[assumed]; nullable [doc:
    /// capture].
    pub(super) fn response_code(self) -> Option<&'static str> {
        match self {
            Self::Approved => Some("00"),
            Self::Failed => Some("05"),
            Self::SystemError => Some("96"),
            Self::Initiated | Self::Timeout | Self::Unheard => None,
        }
    }
}

/// What a new refund is, and what it turns into after the setting `later_ms`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) first: Status,
    pub(super) then: Option<Then>,
}

/// How a transaction turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Then {
    Becomes(Status),
    /// The gateway takes it back by a transaction of its own; the first keeps its status \[assumed].
    IsReversed,
}

impl Fate {
    /// For ever.
    pub(super) const fn just(first: Status) -> Self {
        Self { first, then: None }
    }

    pub(super) const fn then(self, status: Status) -> Self {
        Self { then: Some(Then::Becomes(status)), ..self }
    }

    pub(super) const fn then_reversed(self) -> Self {
        Self { then: Some(Then::IsReversed), ..self }
    }
}

/// A refund as the gateway keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Transaction {
    pub(super) id: String,
    /// The id that the caller sent.
    pub(super) asked_id: Option<String>,
    pub(super) order_id: String,
    pub(super) currency: String,
    pub(super) amount_minor: i64,
    pub(super) at_ms: i64,
    /// Position among all refunds of the gateway, from 1.
    pub(super) serial: u64,
    /// Which refund call on the order this was, from 1.
    pub(super) call: u32,
    pub(super) first: Status,
    pub(super) turn: Option<Turn>,
}

/// A change to come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) at_ms: i64,
    pub(super) then: Then,
}

impl Transaction {
    pub(super) fn status(&self, now_ms: i64) -> Status {
        match self.turned(now_ms) {
            Some(Then::Becomes(status)) => status,
            Some(Then::IsReversed) | None => self.first,
        }
    }

    /// When it was taken back.
    pub(super) fn reversed_ms(&self, now_ms: i64) -> Option<i64> {
        let turn = self.turn.filter(|turn| turn.then == Then::IsReversed);
        turn.map(|turn| turn.at_ms).filter(|&at_ms| at_ms <= now_ms)
    }

    /// When the money moves; never for most that is not approved.
    pub(super) fn effect_ms(&self) -> Option<i64> {
        if self.first == Status::Approved {
            return Some(self.at_ms);
        }
        self.turn.filter(|turn| turn.then == Then::Becomes(Status::Approved)).map(|turn| turn.at_ms)
    }

    /// When it last changed.
    pub(super) fn changed_ms(&self, now_ms: i64) -> i64 {
        self.turn.map(|turn| turn.at_ms).filter(|&at_ms| at_ms <= now_ms).unwrap_or(self.at_ms)
    }

    /// Its part of the order's `refunded_amount`: that of approved transactions [doc: the acquirer's API].
    pub(super) fn refunded_minor(&self, now_ms: i64) -> i64 {
        let counts = self.status(now_ms) == Status::Approved && self.reversed_ms(now_ms).is_none();
        if counts { self.amount_minor } else { 0 }
    }

    /// What it takes from the amount that can still be refunded. That an undecided refund holds its amount is
    /// \[assumed].
    pub(super) fn held_minor(&self, now_ms: i64) -> i64 {
        let lets_go = matches!(self.status(now_ms), Status::Failed | Status::SystemError);
        if lets_go || self.reversed_ms(now_ms).is_some() { 0 } else { self.amount_minor }
    }

    fn turned(&self, now_ms: i64) -> Option<Then> {
        self.turn.filter(|turn| turn.at_ms <= now_ms).map(|turn| turn.then)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, Status, Transaction, Turn};

    fn transaction(fate: Fate) -> Transaction {
        Transaction {
            id: String::new(),
            asked_id: None,
            order_id: String::new(),
            currency: "SAR".to_owned(),
            amount_minor: 7,
            at_ms: 100,
            serial: 1,
            call: 1,
            first: fate.first,
            turn: fate.then.map(|then| Turn { at_ms: 200, then }),
        }
    }

    #[test]
    fn a_transaction_turns_at_its_time() {
        let undecided = transaction(Fate::just(Status::Initiated).then(Status::Approved));
        assert_eq!((undecided.status(199), undecided.status(200)), (Status::Initiated, Status::Approved));
        assert_eq!((undecided.refunded_minor(199), undecided.refunded_minor(200)), (0, 7));
        assert_eq!((undecided.held_minor(199), undecided.effect_ms()), (7, Some(200)));
        let declined = transaction(Fate::just(Status::Initiated).then(Status::Failed));
        assert_eq!((declined.held_minor(199), declined.held_minor(200)), (7, 0));
        assert_eq!(declined.effect_ms(), None);
    }

    #[test]
    fn a_reversal_takes_the_amount_back_and_leaves_the_status() {
        let reversed = transaction(Fate::just(Status::Approved).then_reversed());
        assert_eq!((reversed.refunded_minor(199), reversed.refunded_minor(200)), (7, 0));
        assert_eq!((reversed.status(200), reversed.effect_ms()), (Status::Approved, Some(100)));
        let never_sent = transaction(Fate::just(Status::Timeout).then_reversed());
        assert_eq!((never_sent.held_minor(199), never_sent.held_minor(200)), (7, 0));
        assert_eq!((never_sent.reversed_ms(200), never_sent.effect_ms()), (Some(200), None));
    }
}
