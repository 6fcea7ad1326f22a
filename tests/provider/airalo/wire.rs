//! The bytes that are sent, and the answer that they are meant to get.

use refunds::domain::answer::{Evidence, Face, Signal};
use refunds::domain::content::Content;
use refunds::domain::reason::{FailureReason, Reason};
use refunds::provider::Provider;
use refunds::provider::airalo::Airalo;

use super::fixture::{A, B, TAKEN, TOKEN, after_token, content, in_review, refund_of, refund_with};
use crate::listener::{Listener, Step, http, json};
use crate::wire::{Wire, look_up, prepare_and_send};

const BOUNDARY: &str = "------------------------0191f5a744d3443087392d80821416bf";

/// The body as curl makes it of these values.
fn body(parts: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("{parts}--{BOUNDARY}--\r\n")
}

/// The refund of the contract's example.
fn example() -> Content {
    Content { email: Some("email@example.com".to_owned()), ..content(&[A, B]) }
}

/// The request that a refund makes.
async fn request_of(content: Content) -> String {
    let listener = after_token(vec![vec![Step::Read, Step::Write(Airalo::success())]]).await;
    let client = Airalo::at(listener.address());
    assert_eq!(client.prepare().await, None);
    assert_eq!(client.send(&[refund_with(content)], 0).await.signals, [Signal::Healthy]);
    listener.requests().remove(1)
}

fn body_of(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn the_contracts_example_is_these_bytes_and_a_202_is_a_review() {
    let listener = after_token(vec![vec![Step::Read, Step::Write(Airalo::success())]]).await;
    let address = listener.address();
    let client = Airalo::at(address);
    assert_eq!(client.prepare().await, None);
    let answer = client.send(&[refund_with(example())], 0).await;

    let body = concat!(
        "--------------------------0191f5a744d3443087392d80821416bf\r\n",
        "Content-Disposition: form-data; name=\"iccids\"\r\n\r\n",
        "[\"894000000000001\",  \"894000000000002\"]\r\n",
        "--------------------------0191f5a744d3443087392d80821416bf\r\n",
        "Content-Disposition: form-data; name=\"reason\"\r\n\r\n",
        "\"INSTALLATION_FAILURE\"\r\n",
        "--------------------------0191f5a744d3443087392d80821416bf\r\n",
        "Content-Disposition: form-data; name=\"notes\"\r\n\r\n",
        "\r\n",
        "--------------------------0191f5a744d3443087392d80821416bf\r\n",
        "Content-Disposition: form-data; name=\"email\"\r\n\r\n",
        "email@example.com\r\n",
        "--------------------------0191f5a744d3443087392d80821416bf--\r\n",
    );
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "POST /v2/refund HTTP/1.1\r\n\
         authorization: Bearer {TOKEN}\r\n\
         accept: application/json\r\n\
         url: http://{address}\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\n\
         user-agent: refunds/{version}\r\n\
         host: {address}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(listener.requests()[1], expected);

    assert_eq!(answer.faces, [in_review(&[A, B])]);
    assert_eq!(answer.signals, [Signal::Healthy]);
    assert_eq!(answer.evidence, Evidence { http_status: Some(202), ..Evidence::default() });
}

#[tokio::test]
async fn a_token_call_is_these_bytes() {
    let listener = after_token(vec![]).await;
    let address = listener.address();
    assert_eq!(Airalo::at(address).prepare().await, None);
    let body =
        "client_id=client-1&client_secret=cl1ent%2B5ecret%2Fof%3Dthe+shop&grant_type=client_credentials";
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "POST /v2/token HTTP/1.1\r\n\
         accept: application/json\r\n\
         content-type: application/x-www-form-urlencoded\r\n\
         user-agent: refunds/{version}\r\n\
         host: {address}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(listener.requests(), [expected]);
}

#[tokio::test]
async fn a_lookup_is_these_bytes() {
    let listener = after_token(vec![vec![Step::Read, Step::Write(json(200, r#"{"data":[]}"#))]]).await;
    let address = listener.address();
    look_up(&Airalo::at(address)).await;
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "GET /v2/orders?filter%5Biccid%5D={A}&include=sims%2Cstatus&limit=100 HTTP/1.1\r\n\
         authorization: Bearer {TOKEN}\r\n\
         accept: application/json\r\n\
         user-agent: refunds/{version}\r\n\
         host: {address}\r\n\r\n"
    );
    assert_eq!(listener.requests()[1], expected);
}

#[tokio::test]
async fn one_esim_without_an_email_is_three_parts() {
    let request = request_of(content(&[A])).await;
    let iccids = format!("[\"{A}\"]");
    let parts = [("iccids", iccids.as_str()), ("reason", "\"INSTALLATION_FAILURE\""), ("notes", "")];
    assert_eq!(body_of(&request), body(&parts));
    let empty = Content { email: Some(String::new()), ..content(&[A]) };
    assert_eq!(body_of(&request_of(empty).await), body(&parts));
}

#[tokio::test]
async fn notes_go_as_they_are() {
    let notes = "\"5\" stars; name=\"x\" \\ --\u{e9}";
    let content = Content { notes: Some(notes.to_owned()), ..content(&[A]) };
    let iccids = format!("[\"{A}\"]");
    let parts = [("iccids", iccids.as_str()), ("reason", "\"INSTALLATION_FAILURE\""), ("notes", notes)];
    assert_eq!(body_of(&request_of(content).await), body(&parts));
}

#[tokio::test]
async fn a_reason_that_airalo_lacks_is_told_in_the_notes() {
    let request = request_of(Content { reason: Reason::Fraudulent, ..content(&[A]) }).await;
    let iccids = format!("[\"{A}\"]");
    let parts =
        [("iccids", iccids.as_str()), ("reason", "\"OTHERS\""), ("notes", "The payment was fraudulent.")];
    assert_eq!(body_of(&request), body(&parts));
}

#[tokio::test]
async fn the_callers_word_for_airalo_beats_the_table() {
    let content = Content { provider_reason: Some("APN_FAILURE".to_owned()), ..content(&[A]) };
    assert!(request_of(content).await.contains("\r\n\r\n\"APN_FAILURE\"\r\n"));
}

#[tokio::test]
async fn what_airalo_would_refuse_is_never_sent() {
    let listener = after_token(vec![]).await;
    let client = Airalo::at(listener.address());
    assert_eq!(client.prepare().await, None);
    for content in [
        Content { provider_reason: Some("SERVICE_ISSUES".to_owned()), ..content(&[A]) },
        Content { provider_reason: Some("OTHERS".to_owned()), ..content(&[A]) },
        Content { reason: Reason::Other, ..content(&[A]) },
        Content { notes: Some("a\r\n--b".to_owned()), ..content(&[A]) },
    ] {
        let two = [refund_with(content.clone()), refund_with(content)];
        for refunds in [&two[..1], &two] {
            let answer = client.send(refunds, 0).await;
            assert_eq!(answer.faces.len(), refunds.len());
            for face in answer.faces {
                let Face::Declined { failure, conclusive: true } = face else { panic!("{face:?}") };
                assert_eq!(failure.reason, FailureReason::RequestRejected);
                assert!(failure.text.is_some());
            }
        }
    }
    assert_eq!(listener.connections(), 1, "the token alone");
}

#[tokio::test]
async fn a_call_that_cannot_be_written_sends_nothing() {
    let listener = after_token(vec![]).await;
    let client = Airalo::at(listener.address());
    assert_eq!(client.prepare().await, None);
    let alone = |alone| Face::NotSent { alone };
    let six: Vec<String> = (1..=6).map(|n| format!("89400000000000{n}")).collect();
    let six: Vec<_> = six.iter().map(|iccid| refund_of(&[iccid])).collect();
    assert_eq!(client.send(&six, 0).await.faces, vec![alone(true); 6]);
    let other = refund_with(Content { notes: Some("x".to_owned()), ..content(&[B]) });
    assert_eq!(client.send(&[Airalo::refund(), other], 0).await.faces, [alone(true), alone(true)]);
    assert_eq!(client.send(&[refund_of(&[])], 0).await.faces, [alone(false)]);
    assert_eq!(client.send(&[], 0).await.faces, []);
    assert_eq!(listener.connections(), 1, "the token alone");
}

#[tokio::test]
async fn paths_stand_below_the_base_path() {
    let listener = after_token(vec![vec![Step::Read, Step::Write(Airalo::success())]]).await;
    let base = format!("http://{}/airalo/", listener.address());
    let client = Airalo::new(Airalo::settings(&base)).unwrap();
    prepare_and_send(&client).await;
    let requests = listener.requests();
    let lines: Vec<_> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(lines, ["POST /airalo/v2/token HTTP/1.1", "POST /airalo/v2/refund HTTP/1.1"]);
    assert!(requests[1].contains(&format!("\r\nurl: http://{}/airalo\r\n", listener.address())));
}

#[tokio::test]
async fn the_providers_names_of_the_exchange_are_kept() {
    let script = |bytes| vec![vec![Step::Read, Step::Write(bytes)]];
    for (headers, name) in [
        ("X-Request-Id: req-1\r\nCf-Ray: ray-1\r\nSet-Cookie: a=b\r\n", "req-1"),
        ("Cf-Ray: ray-1\r\n", "ray-1"),
    ] {
        let listener: Listener = after_token(script(http(202, headers, TAKEN))).await;
        let answer = prepare_and_send(&Airalo::at(listener.address())).await;
        assert_eq!(answer.evidence.correlation_id.as_deref(), Some(name));
    }
}
