//! Worldline's secrets, and what it may say of them.

use refunds::provider::worldline::{Auth, RequestIdPlace, Settings, Worldline};
use secrecy::SecretString;
use serde_json::json;

use super::fixture::{TOKEN, credit, error_body, order};
use super::tokens::{self, PEM, client_with, granted, jwt};
use crate::listener::{http, json as json_answer};
use crate::secrets::{Records, Secrets, records_of};
use crate::wire::Wire;

impl Secrets for Worldline {
    const SECRETS: &[&str] = &[TOKEN];
    const SPANS: [&str; 2] = [
        "POST /api/v2/merchants/{mid}/orders/{orderId}/refunds",
        "GET /api/v2/merchants/{mid}/orders/{orderId}",
    ];
    const PATH: &str = "/api/v2/merchants/1570616552/orders/order_example_1/refunds";

    fn refusal() -> (u16, Vec<u8>) {
        (400, json_answer(400, &error_body("22041")))
    }

    fn leaks() -> Vec<Vec<u8>> {
        let said = |text: &str| {
            let mut credit = credit(5_986_910_001, "Declined", 22_027, "10.50");
            credit["transactionDesc"] = json!(text);
            json_answer(200, &order(&[credit]).to_string())
        };
        vec![
            json_answer(400, &error_body("22041").replace("Said.", TOKEN)),
            json_answer(400, &error_body(TOKEN)),
            said(&format!("token {TOKEN} refused")),
            said("card 4111 1111 1111 1111"),
            http(502, &format!("Content-Type: {TOKEN}\r\n"), TOKEN),
            json_answer(200, &Self::success_body().replace("5986910001", &format!("\"{TOKEN}\""))),
        ]
    }

    fn wrong_settings() -> Vec<Settings> {
        let with = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Self::settings("https://api.test.payments.worldline.com");
            change(&mut settings);
            settings
        };
        let merchants = ["", "shop", "007", "0", "-5", "9223372036854775808"];
        let tokens = [String::new(), format!("{TOKEN}\n")];
        let headers = ["no header", "Authorization", "content-length"];
        let header = |name: &str| RequestIdPlace::Header(name.to_owned());
        let merchants = merchants.map(|text| with(&|s| s.merchant = text.to_owned()));
        let tokens = tokens.map(|text| with(&|s| s.auth = Auth::Bearer(SecretString::from(text.as_str()))));
        let headers = headers.map(|name| with(&|s| s.request_id_place = header(name)));
        merchants.into_iter().chain(tokens).chain(headers).collect()
    }
}

#[tokio::test]
async fn no_record_holds_a_key_an_assertion_or_a_token() {
    let error = r#"{"error":"invalid_grant","error_description":"ASSERTION"}"#;
    for answers in [
        vec![
            granted(tokens::TOKEN, 60),
            json_answer(400, &error_body("22041").replace("Said.", tokens::TOKEN)),
        ],
        vec![json_answer(401, error)],
        vec![json_answer(200, &format!(r#"{{"access_token":["{}"]}}"#, tokens::TOKEN))],
    ] {
        let Records { text, listener, .. } =
            records_of(answers, |address| client_with(address, jwt(PEM))).await;
        let records = format!("{text} {:?}", jwt(PEM));
        let requests = listener.requests();
        let assertions: Vec<_> =
            requests.iter().filter_map(|request| Some(request.split_once("assertion=")?.1)).collect();
        assert!(!assertions.is_empty());
        let key = PEM.lines().nth(3).unwrap();
        for secret in [tokens::TOKEN, key].into_iter().chain(assertions) {
            assert!(!records.contains(secret), "{records}");
        }
    }
}
