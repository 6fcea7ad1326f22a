//! The over-refund guard: what is left to refund on one order, one row per (provider, merchant, canonical
//! order id).

use super::content::Content;
use super::money::{Currency, Money};
use super::sight::OrderSnapshot;

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

    /// The guard after so much was seen to go back beside what our refunds hold.
    #[must_use]
    pub fn with_external(&self, minor: i64) -> Self {
        Self { external_minor: self.external_minor.saturating_add(minor), ..self.clone() }
    }

    /// The guard after the provider showed the order. Its figures beat a caller's. `own_seen_minor` is the
    /// sum of what our own refunds hold and this very snapshot lists: what is refunded beyond that was done
    /// elsewhere.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::refund::tests::new_refund;

    fn aud(minor: i64) -> Money {
        Money::new(Currency::parse("AUD").unwrap(), minor).unwrap()
    }

    fn content(captured: Option<i64>, expected: Option<i64>) -> Content {
        let mut content = new_refund(1).content;
        content.captured_amount = captured.map(aud);
        content.expected_remaining = expected.map(aud);
        content
    }

    fn order(captured_minor: i64, refunded_minor: i64) -> OrderSnapshot {
        let currency = Currency::parse("AUD").unwrap();
        OrderSnapshot {
            currency,
            captured_minor,
            refunded_minor,
            purchase_time: None,
            refunds: vec![],
            transactions: vec![],
        }
    }

    #[test]
    fn a_callers_captured_amount_counts_where_none_is_known_and_never_raises_one() {
        let guard = Guard::new(aud(1).currency()).admit(aud(60), &content(Some(100), None)).unwrap();
        assert_eq!(guard.remaining_minor(), Some(40));
        let refusal = guard.admit(aud(60), &content(Some(1_000), None)).unwrap_err();
        assert_eq!(refusal, GuardRefusal::Exceeds { remaining_minor: 40 });
    }

    #[test]
    fn the_providers_figures_beat_a_callers_and_refunds_made_elsewhere_count() {
        let guard = Guard::new(aud(1).currency()).admit(aud(10), &content(Some(1_000), None)).unwrap();
        let guard = guard.observe(&order(100, 30), 0);
        assert_eq!((guard.external_minor, guard.remaining_minor()), (30, Some(60)));
        assert!(guard.admit(aud(61), &content(None, None)).is_err());
        // What the snapshot lists of our own is not counted twice.
        assert_eq!(guard.observe(&order(100, 40), 10).remaining_minor(), Some(60));
    }

    #[test]
    fn an_expectation_that_does_not_hold_is_refused() {
        let guard = Guard::new(aud(1).currency()).observe(&order(100, 0), 0);
        assert!(guard.admit(aud(10), &content(None, Some(100))).is_ok());
        let refusal = guard.admit(aud(10), &content(None, Some(90))).unwrap_err();
        assert_eq!(refusal, GuardRefusal::Expectation { remaining_minor: Some(100) });
        let unknown = Guard::new(aud(1).currency()).admit(aud(10), &content(None, Some(90))).unwrap_err();
        assert_eq!(unknown, GuardRefusal::Expectation { remaining_minor: None });
    }

    #[test]
    fn what_an_earlier_caller_believed_of_the_currency_binds_nobody_once_nothing_is_held() {
        let nzd = Money::new(Currency::parse("NZD").unwrap(), 5).unwrap();
        let guard = Guard::new(aud(1).currency());
        assert!(guard.admit(nzd, &content(None, None)).is_ok());
        let held = guard.admit(aud(1), &content(None, None)).unwrap();
        assert!(held.admit(nzd, &content(None, None)).is_err());
        assert!(guard.observe(&order(100, 0), 0).admit(nzd, &content(None, None)).is_err());
    }

    proptest! {
        /// However many are asked: what is admitted never exceeds what was captured.
        #[test]
        fn admitted_refunds_never_exceed_the_captured_amount(
            captured in 1..10_000_i64,
            external in 0..5_000_i64,
            amounts in prop::collection::vec(1..4_000_i64, 1..30),
        ) {
            let mut guard = Guard::new(aud(1).currency()).observe(&order(captured, external), 0);
            let mut admitted = 0;
            for amount in amounts {
                if let Ok(next) = guard.admit(aud(amount), &content(None, None)) {
                    admitted += amount;
                    guard = next;
                }
            }
            prop_assert!(admitted == 0 || admitted + external <= captured);
        }
    }

    #[test]
    fn a_failed_refund_gives_its_amount_back() {
        let guard = Guard::new(aud(1).currency()).admit(aud(60), &content(Some(100), None)).unwrap();
        assert_eq!(guard.moved(60, 0).remaining_minor(), Some(100));
    }
}
