//! Afterpay's secrets, and what it may say of them.

use refunds::provider::afterpay::{Afterpay, Settings};
use secrecy::SecretString;

use super::fixture::{SECRET, TOKEN, error_body};
use crate::listener::{http, json};
use crate::secrets::Secrets;
use crate::wire::Wire;

impl Secrets for Afterpay {
    const SECRETS: &[&str] = &[SECRET, TOKEN];
    const SPANS: [&str; 2] = ["POST /v2/payments/{orderId}/refund", "GET /v2/payments/{orderId}"];
    const PATH: &str = "/v2/payments/100101768366/refund";

    fn refusal() -> (u16, Vec<u8>) {
        (422, json(422, &error_body(422, "invalid_amount")))
    }

    fn leaks() -> Vec<Vec<u8>> {
        let echo = |text: &str| json(422, &error_body(422, "invalid_amount").replace("Said.", text));
        vec![
            echo(&format!("the key {SECRET} is not known")),
            echo(&format!("Authorization: Basic {TOKEN}")),
            json(422, &error_body(422, &format!("no_{SECRET}"))),
            echo("card 4111 1111 1111 1111"),
            http(502, &format!("Content-Type: {TOKEN}\r\nCf-Ray: {SECRET}\r\n"), SECRET),
            json(201, &Self::success_body().replace("67890123", SECRET)),
        ]
    }

    fn wrong_settings() -> Vec<Settings> {
        let with = |change: fn(&mut Settings)| {
            let mut settings = Self::settings("https://global-api-sandbox.afterpay.com");
            change(&mut settings);
            settings
        };
        vec![
            with(|s| s.merchant = "a:b".to_owned()),
            with(|s| s.merchant = String::new()),
            with(|s| s.secret = SecretString::from("")),
            with(|s| s.user_agent = format!("{SECRET}\n")),
        ]
    }
}
