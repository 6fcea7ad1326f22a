//! The over-refund guard: what is left to refund on one order, one row per (provider, merchant, canonical order id).

use super::answer::OrderSnapshot;
use super::content::Content;
use super::money::{Currency, Money};

/// The most that our refunds of one order may hold, so that sums never overflow.
pub const OWN_MINOR_MAX: i64 = i64::MAX / 8;

/// What is known of an order's money, minor units of one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The order's currency: the provider's if `confirmed`, else the first caller's.
    pub currency: Currency,
    /// Captured in all; `None` while nobody said.
    pub captured_minor: Option<i64>,
    /// Whether currency and captured amount are the provider's own figures.
    pub confirmed: bool,
    /// Refunded by others than this service.
    pub external_minor: i64,
    /// Held by our refunds that are open or succeeded.
    pub own_minor: i64,
}

/// Why the guard refuses a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardRefusal {
    /// The order has another currency.
    Currency {
        /// The order's.
        order: Currency,
    },
    /// More than remains.
    Exceeds {
        /// What remains, minor units.
        remaining_minor: i64,
    },
    /// `expected_remaining` does not hold.
    Expectation {
        /// What remains, minor units; `None` when nobody knows.
        remaining_minor: Option<i64>,
    },
}

impl Guard {
    /// The guard of an order that nobody knows yet.
    pub fn new(currency: Currency) -> Self {
        Self { currency, captured_minor: None, confirmed: false, external_minor: 0, own_minor: 0 }
    }

    /// captured - external - own; `None` while the captured amount is not known.
    pub fn remaining_minor(&self) -> Option<i64> {
        self.captured_minor.map(|captured| captured - self.external_minor - self.own_minor)
    }

    /// The guard after taking a refund of `amount` in.
    ///
    /// A caller's captured amount counts where none is known, and never raises one.
    ///
    /// # Errors
    /// When the order's currency differs, more is asked than remains, or the caller's expectation fails.
    pub fn admit(&self, amount: Money, content: &Content) -> Result<Self, GuardRefusal> {
        let mut guard = self.clone();
        if guard.currency != amount.currency() {
            if guard.confirmed || guard.own_minor > 0 {
                return Err(GuardRefusal::Currency { order: guard.currency });
            }
            // Nothing is held and no provider spoke: what an earlier caller believed binds nobody.
            guard = Self::new(amount.currency());
        }
        if let (None, Some(captured)) = (guard.captured_minor, content.captured_amount) {
            if captured.currency() != guard.currency {
                return Err(GuardRefusal::Currency { order: guard.currency });
            }
            guard.captured_minor = Some(captured.minor());
        }
        let remaining = guard.remaining_minor();
        if let Some(expected) = content.expected_remaining {
            let holds = expected.currency() == guard.currency && remaining == Some(expected.minor());
            if !holds {
                return Err(GuardRefusal::Expectation { remaining_minor: remaining });
            }
        }
        match remaining {
            Some(remaining_minor) if amount.minor() > remaining_minor => {
                Err(GuardRefusal::Exceeds { remaining_minor })
            }
            Some(_) | None => {
                // An order whose capture nobody knows still has an end: what its sum can hold.
                guard.own_minor = guard
                    .own_minor
                    .checked_add(amount.minor())
                    .filter(|own| *own <= OWN_MINOR_MAX)
                    .ok_or(GuardRefusal::Exceeds { remaining_minor: 0 })?;
                Ok(guard)
            }
        }
    }

    /// The guard after a refund's held amount went from `before` to `after`.
    #[must_use]
    pub fn moved(&self, before_minor: i64, after_minor: i64) -> Self {
        Self { own_minor: self.own_minor - before_minor + after_minor, ..self.clone() }
    }

    /// The guard after the provider showed the order. Its figures beat a caller's. `own_seen_minor` is the sum of our
    /// own refunds, open or succeeded, that this very snapshot lists: what is refunded beyond them was done elsewhere.
    #[must_use]
    pub fn observe(&self, snapshot: &OrderSnapshot, own_seen_minor: i64) -> Self {
        Self {
            currency: snapshot.currency,
            captured_minor: Some(snapshot.captured_minor),
            confirmed: true,
            external_minor: (snapshot.refunded_minor - own_seen_minor).max(0),
            own_minor: self.own_minor,
        }
    }
}
