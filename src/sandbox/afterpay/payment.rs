//! Which payments exist, and what can be refunded of them.

use serde::{Deserialize, Serialize};

use super::{money, table};
use crate::sandbox::{
    clock::{self, DAY_MS},
    provider::Refused,
};

/// Refunds are refused from this age on [doc: Clearpay's guide says "120 days or older"].
const REFUND_WINDOW_DAYS: i64 = 120;

/// One payment at Afterpay. Amounts in minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Payment {
    pub(super) currency: String,
    pub(super) original_minor: i64,
    pub(super) captured_minor: i64,
    pub(super) voided_minor: i64,
    /// Refunded by somebody else, in one refund that the ledger does not hold.
    pub(super) elsewhere_minor: i64,
    pub(super) created_ms: i64,
    pub(super) declined: bool,
    pub(super) merchant_reference: String,
}

impl Payment {
    /// The payment that an id stands for when nobody made one. The first digit is its kind; `99NN`
    /// misbehaves.
    pub(super) fn by_id(id: &str, opened_ms: i64) -> Option<Self> {
        let plain = Self::plain(id, opened_ms);
        if let Some(rest) = id.strip_prefix("99") {
            return table::by_code(rest.get(..2)?).map(|_| plain);
        }
        match id.bytes().next()? {
            b'1' => Some(plain),
            b'2' => Some(Self { currency: "USD".to_owned(), ..plain }),
            b'4' => Some(Self { declined: true, captured_minor: 0, ..plain }),
            b'5' => Some(Self { created_ms: opened_ms - (REFUND_WINDOW_DAYS + 1) * DAY_MS, ..plain }),
            b'6' => Some(Self { captured_minor: 40_000, ..plain }),
            b'7' => {
                Some(Self { captured_minor: 90_000, voided_minor: 10_000, elsewhere_minor: 30_000, ..plain })
            }
            _ => None,
        }
    }

    /// A captured payment of 1000.00 AUD, ten days old.
    pub(super) fn plain(id: &str, opened_ms: i64) -> Self {
        Self {
            currency: "AUD".to_owned(),
            original_minor: 100_000,
            captured_minor: 100_000,
            voided_minor: 0,
            elsewhere_minor: 0,
            created_ms: opened_ms - 10 * DAY_MS,
            declined: false,
            merchant_reference: format!("order-{id}"),
        }
    }

    pub(super) fn is_too_old(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.created_ms) >= REFUND_WINDOW_DAYS * DAY_MS
    }

    /// What can still be refunded, after `refunded_minor` of refunds made here. Only captured funds can.
    pub(super) fn available_minor(&self, refunded_minor: i64) -> i64 {
        self.captured_minor - self.elsewhere_minor - refunded_minor
    }

    pub(super) fn open_to_capture_minor(&self) -> i64 {
        if self.declined { 0 } else { self.original_minor - self.captured_minor - self.voided_minor }
    }

    pub(super) fn state(&self) -> &'static str {
        if self.declined {
            "AUTH_DECLINED"
        } else if self.captured_minor == 0 && self.voided_minor == self.original_minor {
            "VOIDED"
        } else if self.captured_minor == 0 {
            "AUTH_APPROVED"
        } else if self.open_to_capture_minor() > 0 {
            "PARTIALLY_CAPTURED"
        } else {
            "CAPTURED"
        }
    }

    /// This payment with the fields of `change`.
    pub(super) fn changed(self, change: &Change, now_ms: i64) -> Result<Self, Refused> {
        let minor = |field: &str, text: &Option<String>, present: i64| match text {
            None => Ok(present),
            Some(text) => match money::minor(text) {
                Ok(minor) if minor >= 0 => Ok(minor),
                _ => Err(Refused(format!("{field}: {text} is not an amount with at most two places"))),
            },
        };
        let original_minor = minor("amount", &change.amount, self.original_minor)?;
        let declined = match change.status.as_deref() {
            None => self.declined,
            Some("APPROVED") => false,
            Some("DECLINED") => true,
            Some(other) => {
                return Err(Refused(format!("status: {other} is neither APPROVED nor DECLINED")));
            }
        };
        // Who names only the amount means a payment that is captured whole.
        let captured = if declined {
            0
        } else if change.amount.is_some() {
            original_minor
        } else {
            self.captured_minor
        };
        let created_ms = match (&change.created, change.age_days) {
            (Some(created), _) => clock::parse_stamp(created)
                .ok_or_else(|| Refused(format!("created: {created} is not an RFC 3339 time")))?,
            (None, Some(days)) => now_ms.saturating_sub(days.saturating_mul(DAY_MS)),
            (None, None) => self.created_ms,
        };
        let payment = Self {
            currency: change.currency.clone().unwrap_or(self.currency),
            original_minor,
            captured_minor: minor("captured", &change.captured, captured)?,
            voided_minor: minor("voided", &change.voided, self.voided_minor)?,
            elsewhere_minor: minor("refunded_elsewhere", &change.refunded_elsewhere, self.elsewhere_minor)?,
            created_ms,
            declined,
            merchant_reference: change.merchant_reference.clone().unwrap_or(self.merchant_reference),
        };
        if payment.captured_minor + payment.voided_minor > original_minor {
            return Err(Refused("captured and voided exceed the amount".to_owned()));
        }
        if payment.elsewhere_minor > payment.captured_minor {
            return Err(Refused("refunded_elsewhere exceeds what is captured".to_owned()));
        }
        Ok(payment)
    }
}

/// What `PUT /control/afterpay/orders/{id}` may say; what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) currency: Option<String>,
    pub(super) amount: Option<String>,
    pub(super) captured: Option<String>,
    pub(super) voided: Option<String>,
    pub(super) refunded_elsewhere: Option<String>,
    pub(super) created: Option<String>,
    pub(super) age_days: Option<i64>,
    pub(super) status: Option<String>,
    pub(super) merchant_reference: Option<String>,
    /// Names of the table, one per refund call, the last repeated; an empty list is ordinary behaviour.
    pub(super) behaviours: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::{Change, DAY_MS, Payment};

    #[test]
    fn the_first_digit_is_the_kind() {
        let facts = |id| {
            Payment::by_id(id, 200 * DAY_MS).map(|payment| {
                (
                    payment.currency.clone(),
                    payment.available_minor(0),
                    payment.state(),
                    payment.is_too_old(200 * DAY_MS),
                )
            })
        };
        let aud = |minor, state, old| Some(("AUD".to_owned(), minor, state, old));
        assert_eq!(facts("100101768366"), aud(100_000, "CAPTURED", false));
        assert_eq!(facts("2"), Some(("USD".to_owned(), 100_000, "CAPTURED", false)));
        assert_eq!(facts("41"), aud(0, "AUTH_DECLINED", false));
        assert_eq!(facts("51"), aud(100_000, "CAPTURED", true));
        assert_eq!(facts("61"), aud(40_000, "PARTIALLY_CAPTURED", false));
        assert_eq!(facts("71"), aud(60_000, "CAPTURED", false));
        assert_eq!(facts("994100001"), aud(100_000, "CAPTURED", false));
        for unknown in ["01", "31", "81", "98", "99", "994", "999900", ""] {
            assert_eq!(facts(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_payment_is_too_old_from_the_120th_day_on() {
        let payment = Payment { created_ms: 0, ..Payment::plain("1", 0) };
        assert!(!payment.is_too_old(120 * DAY_MS - 1));
        assert!(payment.is_too_old(120 * DAY_MS));
    }

    #[test]
    fn a_change_that_cannot_be_is_refused() {
        let change = |captured: &str| Change { captured: Some(captured.to_owned()), ..Change::default() };
        assert!(Payment::plain("1", 0).changed(&change("1000.01"), 0).is_err());
        assert!(Payment::plain("1", 0).changed(&change("-1"), 0).is_err());
        let changed = Payment::plain("1", 0).changed(&change("0.00"), 0).unwrap();
        assert_eq!((changed.state(), changed.available_minor(0)), ("AUTH_APPROVED", 0));
    }
}
