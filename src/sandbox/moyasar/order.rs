//! An order as the gateway knows it, apart from the refunds made here.

use serde::{Deserialize, Serialize};

use super::ids;
use crate::sandbox::{
    clock::{self, DAY_MS},
    provider::Refused,
};

/// The order of the refund page's example.
pub(super) const EXAMPLE_ID: &str = "0191f5a7-44d3-7430-8739-2d80821416bf";
/// Its capture, which also is the amount of the refund in the example.
const EXAMPLE_MINOR: i64 = 262_346;
/// 2024-09-15T12:27:45Z, when all of the example happened.
const EXAMPLE_CREATED_MS: i64 = 1_726_403_265_000;

const AMOUNT_MINOR: i64 = 1_000_000;
/// How long before the ledger began an order was made, when nobody says otherwise.
const AGE_DAYS: i64 = 10;

/// Amounts are minor units of the order's currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) currency: String,
    pub(super) amount_minor: i64,
    pub(super) captured_minor: i64,
    pub(super) voided_minor: i64,
    /// Refunded by somebody else.
    pub(super) elsewhere_minor: i64,
    pub(super) created_ms: i64,
    pub(super) description: String,
}

impl Order {
    /// SAR, captured whole.
    pub(super) fn plain(id: &str, opened_ms: i64) -> Self {
        Self {
            currency: "SAR".to_owned(),
            amount_minor: AMOUNT_MINOR,
            captured_minor: AMOUNT_MINOR,
            voided_minor: 0,
            elsewhere_minor: 0,
            created_ms: opened_ms - AGE_DAYS * DAY_MS,
            description: format!("Order {id}"),
        }
    }

    /// What the first digits of a canonical id say; none is an unknown order.
    pub(super) fn by_id(id: &str, opened_ms: i64) -> Option<Self> {
        let plain = Self::plain(id, opened_ms);
        let priced = |currency: &str| Self { currency: currency.to_owned(), ..plain.clone() };
        if id == EXAMPLE_ID {
            return Some(Self {
                amount_minor: EXAMPLE_MINOR,
                captured_minor: EXAMPLE_MINOR,
                created_ms: EXAMPLE_CREATED_MS,
                description: "Voluptatum at consequatur ullam.".to_owned(),
                ..plain
            });
        }
        let kind = id.get(..4)?;
        match kind {
            "0191" => Some(plain),
            "0192" => Some(priced("KWD")),
            "0193" => Some(priced("JPY")),
            "0194" => Some(priced("USD")),
            "0195" => Some(Self { captured_minor: 0, ..plain }),
            "0196" => Some(Self { captured_minor: 400_000, ..plain }),
            "0197" => Some(Self {
                captured_minor: 900_000,
                voided_minor: 100_000,
                elsewhere_minor: 300_000,
                ..plain
            }),
            _ => behaviour_code(id).and(Some(plain)),
        }
    }

    /// This order with the fields of `change`.
    pub(super) fn changed(self, change: &Change, now_ms: i64) -> Result<Self, Refused> {
        let amount_minor = change.amount.unwrap_or(self.amount_minor);
        // Who names only the amount means an order that is captured whole.
        let captured = if change.amount.is_some() { amount_minor } else { self.captured_minor };
        let created_ms = match (&change.created, change.age_days) {
            (Some(created), _) => clock::parse_stamp(created)
                .ok_or_else(|| Refused(format!("created: {created} is not an RFC 3339 time")))?,
            (None, Some(days)) => now_ms.saturating_sub(days.saturating_mul(DAY_MS)),
            (None, None) => self.created_ms,
        };
        let order = Self {
            currency: change.currency.clone().unwrap_or(self.currency),
            amount_minor,
            captured_minor: change.captured.unwrap_or(captured),
            voided_minor: change.voided.unwrap_or(self.voided_minor),
            elsewhere_minor: change.refunded_elsewhere.unwrap_or(self.elsewhere_minor),
            created_ms,
            description: change.description.clone().unwrap_or(self.description),
        };
        let parts = [order.amount_minor, order.captured_minor, order.voided_minor, order.elsewhere_minor];
        if parts.iter().any(|&minor| minor < 0) {
            return Err(Refused("an amount is below 0".to_owned()));
        }
        if order.captured_minor.saturating_add(order.voided_minor) > order.amount_minor {
            return Err(Refused("captured and voided exceed the amount".to_owned()));
        }
        if order.elsewhere_minor > order.captured_minor {
            return Err(Refused("refunded_elsewhere exceeds what is captured".to_owned()));
        }
        Ok(order)
    }
}

/// The code `NN` of an id `99NN...`.
pub(super) fn behaviour_code(id: &str) -> Option<&str> {
    let code = ids::canonical(id).and(id.strip_prefix("99")?.get(..2))?;
    code.bytes().all(|byte| byte.is_ascii_digit()).then_some(code)
}

/// What `PUT /control/moyasar/orders/{id}` may say, amounts in minor units; what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) currency: Option<String>,
    pub(super) amount: Option<i64>,
    pub(super) captured: Option<i64>,
    pub(super) voided: Option<i64>,
    pub(super) refunded_elsewhere: Option<i64>,
    pub(super) created: Option<String>,
    pub(super) age_days: Option<i64>,
    pub(super) description: Option<String>,
    /// Names of the table, one per refund call, the last repeated; an empty list is ordinary behaviour.
    pub(super) behaviours: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::{Change, EXAMPLE_ID, Order};

    #[test]
    fn the_first_digits_are_the_kind() {
        let facts = |kind: &str| {
            let order = Order::by_id(&format!("{kind}-44d3-7430-8739-2d8082141600"), 0)?;
            Some((order.currency.clone(), order.captured_minor - order.elsewhere_minor))
        };
        let of = |currency: &str, minor| Some((currency.to_owned(), minor));
        assert_eq!(facts("0191f5a7"), of("SAR", 1_000_000));
        assert_eq!(facts("0192f5a7"), of("KWD", 1_000_000));
        assert_eq!(facts("0193f5a7"), of("JPY", 1_000_000));
        assert_eq!(facts("0194f5a7"), of("USD", 1_000_000));
        assert_eq!(facts("0195f5a7"), of("SAR", 0));
        assert_eq!(facts("0196f5a7"), of("SAR", 400_000));
        assert_eq!(facts("0197f5a7"), of("SAR", 600_000));
        assert_eq!(facts("99410000"), of("SAR", 1_000_000));
        for unknown in ["00000000", "01980000", "994a0000", "ffffffff"] {
            assert_eq!(facts(unknown), None, "{unknown}");
        }
        assert_eq!(Order::by_id(EXAMPLE_ID, 0).map(|order| order.captured_minor), Some(262_346));
    }

    #[test]
    fn a_change_that_cannot_be_is_refused() {
        let change = |captured| Change { captured: Some(captured), ..Change::default() };
        assert!(Order::plain("", 0).changed(&change(1_000_001), 0).is_err());
        assert!(Order::plain("", 0).changed(&change(-1), 0).is_err());
        let cheap = Change { amount: Some(5), ..Change::default() };
        assert_eq!(Order::plain("", 0).changed(&cheap, 0).unwrap().captured_minor, 5);
    }
}
