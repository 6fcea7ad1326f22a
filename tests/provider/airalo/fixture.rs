//! An account and its refunds, the same in every test.

use refunds::domain::account::ProviderKind;
use refunds::domain::answer::{Answer, Face, Review};
use refunds::domain::content::{Content, Target};
use refunds::domain::id::Iccid;
use refunds::domain::reason::{FailureReason, Reason};
use refunds::domain::refund::{Item, ItemState, Refund};
use refunds::provider::Provider;
use refunds::provider::airalo::{Airalo, Settings};
use secrecy::SecretString;
use url::Url;

use crate::listener::{Listener, Step, closing, json};
use crate::refund::{KEY, accepted};
use crate::wire::{Wire, assert_calls, made_of};

pub(super) const A: &str = "894000000000001";
pub(super) const B: &str = "894000000000002";
pub(super) const C: &str = "894000000000003";
pub(super) const SECRET: &str = "cl1ent+5ecret/of=the shop";
pub(super) const TOKEN: &str = "eyJ0eXAi.t0ken.0f-the_shop";
/// What a 202 says.
pub(super) const TAKEN: &str =
    r#"{"data":{"refund_id":"12345","created_at":"2024-10-12 09:30"},"meta":{"message":"success"}}"#;
/// What names the first eSIM as another company's.
pub(super) const FOREIGN_A: &str =
    r#"{"data":[],"meta":{"message":"The following ICCIDs do not belong to your company: 894000000000001"}}"#;

impl Wire for Airalo {
    made_of!(Settings);

    const OK: u16 = 202;
    const ERRORS: [u16; 3] = [401, 422, 429];
    const ORDER: &str = A;

    fn account(base_url: Url) -> Settings {
        Settings::new(base_url, "client-1".to_owned(), SecretString::from(SECRET))
    }

    fn refund() -> Refund {
        refund_of(&[A])
    }

    fn success_body() -> String {
        TAKEN.to_owned()
    }

    /// A refund that was taken is reviewed by people: no answer is its success.
    fn is_taken(face: &Face) -> bool {
        *face == in_review(&[A])
    }

    fn grant() -> Option<Vec<u8>> {
        Some(granted())
    }
}

/// What a caller asks for: these eSIMs, with nothing but a reason.
pub(super) fn content(iccids: &[&str]) -> Content {
    let target = Target::Esims(iccids.iter().map(|iccid| Iccid::parse(iccid).unwrap()).collect());
    Content { reason: Reason::InstallationFailure, ..crate::refund::content(target) }
}

pub(super) fn refund_with(content: Content) -> Refund {
    accepted(ProviderKind::Airalo, "company", KEY, content)
}

pub(super) fn refund_of(iccids: &[&str]) -> Refund {
    refund_with(content(iccids))
}

/// The answer to a token call, on a connection of its own.
pub(super) fn granted() -> Vec<u8> {
    granted_for(r#""expires_in":31622400,"#)
}

pub(super) fn granted_for(expires_in: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"data":{{"token_type":"Bearer",{expires_in}"access_token":"{TOKEN}"}},
        "meta":{{"message":"success"}}}}"#
    );
    closing(&json(200, &body))
}

/// A listener that grants a token and then plays this.
pub(super) async fn after_token(scripts: Vec<Vec<Step>>) -> Listener {
    Airalo::playing(scripts).await
}

/// What becomes of these refunds if the call for them is answered so; there is one such call.
pub(super) async fn sent_all(refunds: &[Refund], answer: Vec<u8>, atomic: bool) -> Answer {
    let listener = Airalo::answered(answer).await;
    let mut settings = Airalo::settings(&format!("http://{}", listener.address()));
    settings.batch_422_atomic = atomic;
    let client = Airalo::new(settings).unwrap();
    assert_eq!(client.prepare().await, None);
    let answer = client.send(refunds, 0).await;
    assert_calls::<Airalo>(&listener, 1);
    answer
}

/// The face of a refund that was taken.
pub(super) fn in_review(iccids: &[&str]) -> Face {
    let item = |iccid: &&str| Item {
        id: (*iccid).to_owned(),
        state: ItemState::Pending,
        amount_minor: None,
        provider_code: None,
    };
    Face::InReview(Review { reference: Some("12345".to_owned()), items: iccids.iter().map(item).collect() })
}

/// The reason of a face that is a refusal.
pub(super) fn refused(face: &Face) -> Option<FailureReason> {
    match face {
        Face::Declined { failure, conclusive: false } => Some(failure.reason),
        _ => None,
    }
}
