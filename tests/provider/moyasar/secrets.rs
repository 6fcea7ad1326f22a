//! Moyasar's secrets, and what it may say of them.

use refunds::provider::moyasar::{Moyasar, Settings};
use secrecy::SecretString;

use super::fixture::{EXAMPLE, KEY, SECRET, error_body, field_body};
use crate::listener::{Listener, http, json};
use crate::secrets::Secrets;
use crate::wire::{Wire, look_up, send};

impl Secrets for Moyasar {
    const SECRETS: &[&str] = &[SECRET];
    const SPANS: [&str; 2] = ["POST /v1/orders/{id}/refund", "GET /v1/orders/{id}"];
    const PATH: &str = "/v1/orders/0191f5a7-44a9-76c2-9fec-39709fdbf723/refund";

    fn refusal() -> (u16, Vec<u8>) {
        (400, json(400, &error_body("No")))
    }

    fn leaks() -> Vec<Vec<u8>> {
        let card = "4111 1111 1111 1111";
        vec![
            json(200, &EXAMPLE.replace("APPROVED", SECRET)),
            json(200, &EXAMPLE.replace("APPROVED", card)),
            json(200, &EXAMPLE.replace("\"00\"", &format!("\"{SECRET}\""))),
            json(200, &EXAMPLE.replace("242590000001", SECRET)),
            json(200, &EXAMPLE.replace("\"approved\"", &format!("\"{SECRET}\""))),
            json(200, &EXAMPLE.replace(KEY, SECRET)),
            json(400, &error_body(&format!("the key {SECRET} is not known"))),
            json(401, &error_body(&format!("Bearer {SECRET}"))),
            json(422, &field_body("amount", SECRET)),
            json(422, &field_body(SECRET, "is wrong")),
            json(422, &field_body("amount", card)),
            http(502, &format!("Content-Type: {SECRET}\r\nX-Request-Id: {SECRET}\r\n"), SECRET),
        ]
    }

    fn wrong_settings() -> Vec<Settings> {
        let with = |secret: &str| {
            let mut settings = Self::settings("https://pg.moyasar.com");
            settings.secret = SecretString::from(secret);
            settings
        };
        vec![with(""), with(&format!("{SECRET}\n"))]
    }
}

#[tokio::test]
async fn nothing_of_the_customer_or_the_card_is_kept() {
    let listener = Listener::answer(Moyasar::success()).await;
    let client = Moyasar::at(listener.address());
    let looking = Listener::answer(Moyasar::success()).await;
    let looked = look_up(&Moyasar::at(looking.address())).await;
    let records = format!("{:?} {looked:?}", send(&client).await);
    for text in ["55555555", "4444", "herschel", "Rolfson", "الإسم"] {
        assert!(!records.contains(text), "{records}");
    }
}
