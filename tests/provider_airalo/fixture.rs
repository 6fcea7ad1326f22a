//! An account and its refunds, the same in every test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use refunds::domain::account::{AccountIdentity, ProviderKind};
use refunds::domain::answer::{Answer, Evidence, Face, FailurePhase, LookupAnswer, Review, Signal};
use refunds::domain::content::{Content, Target};
use refunds::domain::id::{AccountName, CallerName, Iccid, ProviderKey, RefundId, RequestId};
use refunds::domain::reason::{FailureReason, Reason};
use refunds::domain::refund::{Item, ItemState, NewRefund, Refund};
use refunds::domain::timestamp::Timestamp;
use refunds::provider::Provider;
use refunds::provider::airalo::{Airalo, Settings};
use secrecy::SecretString;
use url::Url;

use super::listener::{Listener, Step, http};

pub(super) const KEY: &str = "0191f5a7-44d3-4430-8739-2d80821416bf";
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

pub(super) fn settings(base_url: &str) -> Settings {
    super::secrets::listen();
    let base_url = Url::parse(base_url).unwrap();
    let mut settings = Settings::new(base_url, "client-1".to_owned(), SecretString::from(SECRET));
    settings.read = Duration::from_secs(20);
    settings
}

pub(super) fn client_at(address: SocketAddr) -> Airalo {
    Airalo::new(settings(&format!("http://{address}"))).unwrap()
}

/// How long [`hasty`] settings wait for a whole answer.
pub(super) const HASTY: Duration = Duration::from_millis(1_500);

pub(super) fn hasty(base_url: &str) -> Settings {
    let mut settings = settings(base_url);
    settings.connect = Duration::from_secs(1);
    settings.read = Duration::from_millis(500);
    settings.lookup_read = Duration::from_millis(500);
    settings
}

pub(super) fn hasty_client_at(address: SocketAddr) -> Airalo {
    Airalo::new(hasty(&format!("http://{address}/"))).unwrap()
}

/// What a caller asks for: these eSIMs, with nothing but a reason.
pub(super) fn content(iccids: &[&str]) -> Content {
    Content {
        account: AccountName::parse("airalo").unwrap(),
        target: Target::Esims(iccids.iter().map(|iccid| Iccid::parse(iccid).unwrap()).collect()),
        reason: Reason::InstallationFailure,
        provider_reason: None,
        notes: None,
        email: None,
        metadata: BTreeMap::new(),
        purchase_time: None,
        captured_amount: None,
        expected_remaining: None,
        not_before: None,
        send_before: None,
        retry_of: None,
    }
}

pub(super) fn refund_with(content: Content) -> Refund {
    let new = NewRefund {
        id: RefundId::parse("0191f5a7-5555-7430-8739-2d80821416bf").unwrap(),
        caller: CallerName::parse("shop").unwrap(),
        request_id: RequestId::parse("r1").unwrap(),
        identity: AccountIdentity {
            name: content.account.clone(),
            provider: ProviderKind::Airalo,
            merchant: "company".to_owned(),
            base_url: "https://partners-api.airalo.com".to_owned(),
        },
        content,
        key: ProviderKey::parse(KEY).unwrap(),
        trace: None,
    };
    Refund::accept(new, Timestamp::EPOCH).refund
}

pub(super) fn refund_of(iccids: &[&str]) -> Refund {
    refund_with(content(iccids))
}

pub(super) fn refund() -> Refund {
    refund_of(&[A])
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
    closing(200, &body)
}

/// An answer after which the connection is closed, so that the next call comes on a new one.
pub(super) fn closing(status: u16, body: &str) -> Vec<u8> {
    http(status, "Content-Type: application/json\r\nConnection: close\r\n", body)
}

/// A listener that grants a token and then plays this.
pub(super) async fn after_token(scripts: Vec<Vec<Step>>) -> Listener {
    let token = vec![Step::Read, Step::Write(granted())];
    Listener::play([vec![token], scripts].concat()).await
}

/// What becomes of these refunds if the call for them is answered so; there is one such call.
pub(super) async fn sent_all(refunds: &[Refund], answer: Vec<u8>, atomic: bool) -> Answer {
    let listener = after_token(vec![vec![Step::Read, Step::Write(answer)]]).await;
    let mut settings = settings(&format!("http://{}", listener.address()));
    settings.batch_422_atomic = atomic;
    let client = Airalo::new(settings).unwrap();
    assert_eq!(client.prepare().await, None);
    let answer = client.send(refunds, 0).await;
    assert_eq!((listener.connections(), listener.requests().len()), (2, 2));
    answer
}

/// The same for one refund of one eSIM.
pub(super) async fn sent(answer: Vec<u8>) -> Answer {
    sent_all(&[refund()], answer, true).await
}

/// Prepares and sends.
pub(super) async fn send(client: &Airalo) -> Answer {
    assert_eq!(client.prepare().await, None);
    client.send(&[refund()], 0).await
}

pub(super) async fn look_up(client: &Airalo) -> LookupAnswer {
    client.look_up(&refund()).await
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

/// Asserts that the outcome is unknown, with this phase and status, and counts for the breaker.
pub(super) fn assert_doubt(answer: &Answer, phase: FailurePhase, status: Option<u16>) {
    assert_eq!(answer.faces, [Face::Unknown], "{answer:?}");
    assert_eq!(answer.signals, [Signal::Trouble], "{answer:?}");
    assert_phase(&answer.evidence, phase, status);
}

pub(super) fn assert_phase(evidence: &Evidence, phase: FailurePhase, status: Option<u16>) {
    assert_eq!((evidence.phase, evidence.http_status), (Some(phase), status), "{evidence:?}");
}
