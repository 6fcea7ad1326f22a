//! Airalo's secrets, and what it may say of them.

use refunds::provider::airalo::{Airalo, Settings};
use secrecy::SecretString;

use super::answers::meta;
use super::fixture::{A, SECRET, TAKEN, TOKEN, granted};
use crate::listener::{http, json};
use crate::secrets::{Records, Secrets, records_of};
use crate::spans::attributes;
use crate::wire::Wire;

impl Secrets for Airalo {
    /// The last is how the secret stands in a form.
    const SECRETS: &[&str] = &[TOKEN, SECRET, "cl1ent%2B5ecret%2Fof%3Dthe+shop"];
    const SPANS: [&str; 2] = ["POST /v2/refund", "GET /v2/orders"];
    const PATH: &str = "/v2/refund";

    fn refusal() -> (u16, Vec<u8>) {
        (422, json(422, &meta("Something.")))
    }

    fn leaks() -> Vec<Vec<u8>> {
        let all = [SECRET, TOKEN].map(|echo| {
            [
                json(202, &TAKEN.replace("12345", echo)),
                json(422, &meta(&format!("{echo} is wrong"))),
                json(422, &format!(r#"{{"code":43,"reason":"Bearer {echo}"}}"#)),
                json(422, &meta("card 4111 1111 1111 1111")),
                http(502, &format!("Content-Type: {echo}\r\nCf-Ray: {echo}\r\n"), echo),
            ]
        });
        all.concat()
    }

    fn wrong_settings() -> Vec<Settings> {
        let with = |change: fn(&mut Settings)| {
            let mut settings = Self::settings("https://partners-api.airalo.com");
            change(&mut settings);
            settings
        };
        vec![
            with(|s| s.client_id = String::new()),
            with(|s| s.client_secret = SecretString::from("")),
            with(|s| s.client_secret = SecretString::from(format!("{SECRET}\n"))),
            with(|s| s.user_agent = format!("{SECRET}\n")),
            with(|s| s.token_lifetime_max = std::time::Duration::ZERO),
        ]
    }
}

fn assert_silent(records: &Records) {
    for secret in Airalo::SECRETS.iter().chain([&"4111 1111"]) {
        assert!(!records.text.contains(secret), "{}", records.text);
    }
}

#[tokio::test]
async fn no_record_holds_a_secret_even_if_an_order_repeats_it() {
    for echo in [SECRET, TOKEN] {
        let page = format!(r#"{{"data":[{{"id":"{echo}","status":{{"slug":"{echo}"}}}}]}}"#);
        for sent in Airalo::leaks() {
            let answers = vec![granted(), sent, json(200, &page)];
            let records = records_of(answers, Airalo::at).await;
            assert_eq!(records.spans.len(), 3);
            assert_silent(&records);
        }
    }
}

#[tokio::test]
async fn no_record_holds_a_secret_if_the_token_is_refused() {
    for refused in [
        json(401, &meta(&format!("{SECRET} is wrong"))),
        json(422, &meta(SECRET)),
        http(502, &format!("Cf-Ray: {SECRET}\r\n"), SECRET),
        json(200, &format!(r#"{{"data":{{"access_token":"{SECRET}","token_type":"{SECRET}"}}}}"#)),
    ] {
        assert_silent(&records_of(vec![refused], Airalo::at).await);
    }
}

#[tokio::test]
async fn the_token_has_a_span_too_and_that_of_a_lookup_names_its_esim() {
    let empty = json(200, r#"{"data":[],"meta":{"total":0}}"#);
    let answers = vec![granted(), json(422, &meta("Something.")), empty];
    let Records { spans, .. } = records_of(answers, Airalo::at).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["POST /v2/token", "POST /v2/refund", "GET /v2/orders"]);
    let full = |(key, value): &(String, String)| key == "url.full" && value.contains(A);
    assert!(attributes(&spans[2]).iter().any(full));
}
