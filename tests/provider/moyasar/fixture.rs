//! An account and its refund, the same in every test: the refund of the contract's own example.

use refunds::domain::account::ProviderKind;
use refunds::domain::money::{Currency, Money};
use refunds::domain::refund::Refund;
use refunds::provider::moyasar::{Moyasar, Settings};
use secrecy::SecretString;
use url::Url;

use crate::refund::{of_payment, payment};
use crate::wire::{Wire, made_of};

pub(super) const KEY: &str = "f351a2a3-97c4-4f12-add3-80c1044091f5";
pub(super) const ORDER: &str = "0191f5a7-44a9-76c2-9fec-39709fdbf723";
pub(super) const SECRET: &str = "merchant_key_5ecret-0f-the-shop";
pub(super) const AMOUNT_MINOR: i64 = 262_346;
/// The success of the contract's example, byte for byte.
pub(super) const EXAMPLE: &str = include_str!("example.json");

impl Wire for Moyasar {
    made_of!(Settings);

    const OK: u16 = 200;
    const ERRORS: [u16; 3] = [400, 401, 422];
    const ORDER: &str = ORDER;

    fn account(base_url: Url) -> Settings {
        Settings::new(base_url, SecretString::from(SECRET))
    }

    fn refund() -> Refund {
        refund_of(ORDER, "SAR", AMOUNT_MINOR)
    }

    fn success_body() -> String {
        EXAMPLE.to_owned()
    }
}

pub(super) fn refund_of(order: &str, currency: &str, amount_minor: i64) -> Refund {
    let amount = Money::new(Currency::parse(currency).unwrap(), amount_minor).unwrap();
    of_payment(ProviderKind::Moyasar, "60052", KEY, payment(order, None, amount))
}

/// The example with another status of our transaction.
pub(super) fn with_status(status: &str) -> String {
    let (before, ours) = EXAMPLE.split_once(KEY).unwrap();
    format!("{before}{KEY}{}", ours.replacen("approved", status, 1).replacen("APPROVED", "Said.", 1))
}

/// An error of the provider's own.
pub(super) fn error_body(message: &str) -> String {
    format!("{{\"message\": \"{message}\"}}")
}

/// The answer to a request that is wrong in this field.
pub(super) fn field_body(field: &str, text: &str) -> String {
    format!(r#"{{"message": "Data validation failed", "errors": {{"{field}": ["{text}"]}}}}"#)
}
