//! An account and its refund, the same in every test.

use refunds::domain::account::ProviderKind;
use refunds::domain::money::{Currency, Money};
use refunds::domain::refund::Refund;
use refunds::provider::afterpay::{Afterpay, Settings, user_agent};
use secrecy::SecretString;
use url::Url;

use crate::refund::{KEY, REFUND_ID, of_payment, payment};
use crate::wire::{Wire, made_of};

pub(super) const MERCHANT: &str = "600032000";
pub(super) const SECRET: &str = "sk-5ecret-0f-the-shop";
pub(super) const TOKEN: &str = "NjAwMDMyMDAwOnNrLTVlY3JldC0wZi10aGUtc2hvcA==";

impl Wire for Afterpay {
    made_of!(Settings);

    const OK: u16 = 201;
    const ERRORS: [u16; 3] = [401, 412, 422];
    const ORDER: &str = "100101768366";

    fn account(base_url: Url) -> Settings {
        let agent = user_agent(MERCHANT, "https://shop.example");
        Settings::new(base_url, MERCHANT.to_owned(), SecretString::from(SECRET), agent)
    }

    fn refund() -> Refund {
        refund_of(Self::ORDER)
    }

    fn success_body() -> String {
        format!(
            r#"{{"refundId" : "67890123", "refundedAt" : "2023-01-01T00:00:00.000Z", "requestId" : "{KEY}",
            "amount" : {{"amount" : "10.50", "currency" : "AUD"}}, "merchantReference" : "{KEY}",
            "refundMerchantReference" : "{REFUND_ID}"}}"#
        )
    }
}

pub(super) fn refund_of(order: &str) -> Refund {
    let amount = Money::parse_major(Currency::parse("AUD").unwrap(), "10.5").unwrap();
    of_payment(ProviderKind::Afterpay, MERCHANT, KEY, payment(order, None, amount))
}

/// An error of the provider's own.
pub(super) fn error_body(status: u16, code: &str) -> String {
    format!(
        r#"{{"errorCode":"{code}","errorId":"0123456789abcdef","message":"Said.","httpStatusCode":{status}}}"#
    )
}
