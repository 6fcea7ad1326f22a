//! Which orders exist, and what was paid on them.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{money, table};
use crate::sandbox::{clock::DAY_MS, provider::Refused};

/// Characters of an order id [doc: schema].
pub(super) const ORDER_ID_MAX_CHARS: usize = 50;
/// Ids of payment transactions begin here; the order's own hundred follows from its id.
const PAYMENT_ID_BASE: u64 = 5_000_000_000;
const PAYMENT_ID_ORDERS: u64 = 10_000_000;
const PAYMENTS_MAX: usize = 9;

/// One order at Worldline, all of it captured. Amounts in minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) currency: String,
    /// One per payment transaction.
    pub(super) payments: Vec<i64>,
    pub(super) created_ms: i64,
}

/// A payment: authorised, then captured. Refunds refer to the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    pub(super) authorize_id: u64,
    pub(super) capture_id: u64,
    pub(super) minor: i64,
}

impl Order {
    /// The order that an id stands for when nobody made one.
    pub(super) fn by_id(id: &str, opened_ms: i64) -> Option<Self> {
        let order = |currency: &str, payments: &[i64]| Self {
            currency: currency.to_owned(),
            payments: payments.to_vec(),
            created_ms: opened_ms - 10 * DAY_MS,
        };
        if id == "order_example_1" {
            return Some(order("EUR", &[1_050]));
        }
        if let Some(code) = code_of(id) {
            let row = table::by_code(code)?;
            let payments: &[i64] = if table::is_halved(row) { &[60_000, 40_000] } else { &[100_000] };
            return Some(order("EUR", payments));
        }
        match id.strip_prefix("wl-")?.split_once('-')?.0 {
            "1" => Some(order("EUR", &[100_000])),
            "2" => Some(order("EUR", &[60_000, 40_000])),
            "jpy" => Some(order("JPY", &[100_000])),
            "kwd" => Some(order("KWD", &[1_000_000])),
            _ => None,
        }
    }

    /// An order of 1000.00 EUR in one payment, ten days old.
    pub(super) fn plain(opened_ms: i64) -> Self {
        Self { currency: "EUR".to_owned(), payments: vec![100_000], created_ms: opened_ms - 10 * DAY_MS }
    }

    pub(super) fn captured_minor(&self) -> i64 {
        self.payments.iter().sum()
    }

    /// The payments with their transaction ids, which follow from the order's id.
    pub(super) fn payments(&self, id: &str) -> Vec<Payment> {
        let base = PAYMENT_ID_BASE + seed(id) % PAYMENT_ID_ORDERS * 100;
        let ids = (0..).map(|index| base + index * 10 + 1);
        ids.zip(&self.payments)
            .map(|(authorize_id, &minor)| Payment { authorize_id, capture_id: authorize_id + 1, minor })
            .collect()
    }

    /// This order with the fields of `change`.
    pub(super) fn changed(self, change: &Change) -> Result<Self, Refused> {
        let currency = change.currency.clone().unwrap_or(self.currency);
        let payments = match &change.payments {
            None => self.payments,
            Some(texts) if texts.is_empty() || texts.len() > PAYMENTS_MAX => {
                return Err(Refused(format!("payments: from 1 to {PAYMENTS_MAX}")));
            }
            Some(texts) => {
                texts.iter().map(|text| minor("payments", text, &currency)).collect::<Result<Vec<_>, _>>()?
            }
        };
        Ok(Self { currency, payments, created_ms: self.created_ms })
    }
}

/// The code of an order that misbehaves: `wl-99NN`, and whatever follows.
pub(super) fn code_of(id: &str) -> Option<&str> {
    id.strip_prefix("wl-99").and_then(|rest| rest.get(..2))
}

/// Minor units of an amount in a control call.
pub(super) fn minor(field: &str, text: &str, currency: &str) -> Result<i64, Refused> {
    let decimals = money::decimals(currency)
        .ok_or_else(|| Refused(format!("currency: {currency} is not one of this merchant's")))?;
    money::minor(text, decimals)
        .map_err(|_| Refused(format!("{field}: {text} is not an amount with at most {decimals} places")))
}

/// The first 8 bytes of the text's SHA-256.
fn seed(text: &str) -> u64 {
    Sha256::digest(text).iter().take(8).fold(0, |seed, &byte| (seed << 8) | u64::from(byte))
}

/// What `PUT /control/worldline/orders/{id}` may say; what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) currency: Option<String>,
    /// The amounts of the payments, as decimal texts.
    pub(super) payments: Option<Vec<String>>,
    /// Somebody else gives so much back now.
    pub(super) refund_elsewhere: Option<String>,
    /// Names of the table, one per refund call, the last repeated; an empty list is ordinary behaviour.
    pub(super) behaviours: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::{Change, Order};

    #[test]
    fn the_prefix_is_the_kind() {
        let facts = |id| Order::by_id(id, 0).map(|order| (order.currency, order.payments));
        let order = |currency: &str, payments: &[i64]| Some((currency.to_owned(), payments.to_vec()));
        assert_eq!(facts("order_example_1"), order("EUR", &[1_050]));
        assert_eq!(facts("wl-1-a"), order("EUR", &[100_000]));
        assert_eq!(facts("wl-2-b/c"), order("EUR", &[60_000, 40_000]));
        assert_eq!(facts("wl-jpy-1"), order("JPY", &[100_000]));
        assert_eq!(facts("wl-kwd-1"), order("KWD", &[1_000_000]));
        assert_eq!(facts("wl-9941-x"), order("EUR", &[100_000]));
        assert_eq!(facts("wl-9991-x"), order("EUR", &[60_000, 40_000]));
        for unknown in ["wl-0-a", "wl-1", "wl-3-a", "wl-99", "wl-99xx-a", "order_example_2", ""] {
            assert_eq!(facts(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn transaction_ids_follow_from_the_order() {
        let ids = |id: &str| Order { payments: vec![1, 2], ..Order::plain(0) }.payments(id);
        assert_eq!(ids("wl-2-a"), ids("wl-2-a"));
        assert_ne!(ids("wl-2-a"), ids("wl-2-b"));
    }

    #[test]
    fn a_change_that_cannot_be_is_refused() {
        let change = |payments: &[&str]| {
            let payments = Some(payments.iter().map(ToString::to_string).collect());
            Order::plain(0).changed(&Change { payments, ..Change::default() })
        };
        assert!(change(&[]).is_err());
        assert!(change(&["1.001"]).is_err());
        assert_eq!(change(&["1.5", "2"]).unwrap().payments, [150, 200]);
    }
}
