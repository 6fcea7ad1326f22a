//! The token: when it is fetched, kept, dropped, and what it means that there is none.

use std::time::Duration;

use refunds::domain::answer::{BlockCause, Face, FailurePhase, Signal};
use refunds::domain::sight::Sight;
use refunds::provider::airalo::Airalo;
use refunds::provider::{Provider, Unready};

use super::answers::{coded, fields, meta};
use super::fixture::{A, TOKEN, after_token, granted, granted_for, in_review};
use crate::listener::{Listener, Step, closing, http, json};
use crate::wire::{NOT_SENT, Wire, assert_phase, look_up, prepare_and_send};

fn script(bytes: Vec<u8>) -> Vec<Step> {
    vec![Step::Read, Step::Write(bytes)]
}

/// Why no token came, when the one call for it is answered so.
async fn unready(answer: Vec<u8>) -> Unready {
    let listener = Listener::play(vec![script(answer)]).await;
    let unready = Airalo::at(listener.address()).prepare().await.unwrap();
    assert_eq!((listener.connections(), listener.requests().len()), (1, 1));
    unready
}

fn paths(listener: &Listener) -> Vec<String> {
    let path = |request: &String| request.split(['?', ' ']).nth(1).unwrap().to_owned();
    listener.requests().iter().map(path).collect()
}

#[tokio::test]
async fn one_token_serves_sends_and_lookups() {
    let scripts = vec![
        script(closing(&Airalo::success())),
        script(closing(&json(200, r#"{"data":[]}"#))),
        script(closing(&Airalo::success())),
    ];
    let listener = after_token(scripts).await;
    let client = Airalo::at(listener.address());
    prepare_and_send(&client).await;
    assert!(matches!(look_up(&client).await.sight, Sight::Esims(_)));
    prepare_and_send(&client).await;
    assert_eq!(paths(&listener), ["/v2/token", "/v2/refund", "/v2/orders", "/v2/refund"]);
}

#[tokio::test]
async fn a_lookup_without_a_token_fetches_one() {
    let listener = after_token(vec![script(json(200, r#"{"data":[]}"#))]).await;
    let answer = look_up(&Airalo::at(listener.address())).await;
    assert!(matches!(answer.sight, Sight::Esims(_)), "{answer:?}");
    assert_eq!(paths(&listener), ["/v2/token", "/v2/orders"]);
    assert!(listener.requests()[1].contains(&format!("authorization: Bearer {TOKEN}\r\n")));
}

#[tokio::test]
async fn a_send_without_a_token_sends_nothing() {
    let listener = after_token(vec![]).await;
    let answer = Airalo::at(listener.address()).send(&[Airalo::refund()], 0).await;
    assert_eq!(answer.faces, [NOT_SENT]);
    assert_phase(&answer.evidence, FailurePhase::BeforeSend, None);
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn sends_that_prepare_together_share_one_fetch() {
    let listener = after_token(vec![]).await;
    let client = Airalo::at(listener.address());
    let prepared = futures::future::join_all((0..20).map(|_| client.prepare())).await;
    assert!(prepared.iter().all(Option::is_none));
    assert_eq!(listener.requests().len(), 1);
}

#[tokio::test]
async fn sends_that_prepare_together_share_one_failure() {
    let listener = Listener::play(vec![script(closing(&json(503, ""))), script(granted())]).await;
    let client = Airalo::at(listener.address());
    let prepared = futures::future::join_all((0..20).map(|_| client.prepare())).await;
    let first = prepared[0].clone().unwrap();
    assert!(prepared.iter().all(|unready| unready.as_ref() == Some(&first)));
    assert_eq!(listener.requests().len(), 1);
    assert_eq!(client.prepare().await, None, "a later send tries anew");
    assert_eq!(listener.requests().len(), 2);
}

#[tokio::test]
async fn a_fetch_that_is_dropped_leaves_the_next_one_free() {
    let listener = Listener::play(vec![vec![Step::Read, Step::Hold], script(granted())]).await;
    let client = Airalo::at(listener.address());
    tokio::select! {
        unready = client.prepare() => panic!("{unready:?}"),
        () = listener.requested(1) => {}
    }
    assert_eq!(client.prepare().await, None);
}

#[tokio::test]
async fn a_refused_token_is_dropped_and_the_next_attempt_fetches_anew() {
    let refused = closing(&json(401, &meta("Authentication failed.")));
    let scripts = vec![
        script(refused),
        script(granted()),
        script(closing(&Airalo::success())),
        script(closing(&Airalo::success())),
    ];
    let listener = after_token(scripts).await;
    let client = Airalo::at(listener.address());
    assert_eq!(prepare_and_send(&client).await.faces, [Face::Blocked(BlockCause::Credentials)]);
    assert_eq!(client.send(&[Airalo::refund()], 0).await.faces, [NOT_SENT]);
    for _ in 0..2 {
        assert!(matches!(prepare_and_send(&client).await.faces[0], Face::InReview(_)));
    }
    assert_eq!(paths(&listener), ["/v2/token", "/v2/refund", "/v2/token", "/v2/refund", "/v2/refund"]);
}

#[tokio::test]
async fn a_lookups_401_drops_the_token_too() {
    let refused = closing(&json(401, &meta("Authentication failed.")));
    let scripts = vec![script(refused), script(granted()), script(closing(&json(200, r#"{"data":[]}"#)))];
    let listener = after_token(scripts).await;
    let client = Airalo::at(listener.address());
    let answer = look_up(&client).await;
    assert_eq!(answer.signals, [Signal::Block(BlockCause::Credentials)]);
    assert!(matches!(look_up(&client).await.sight, Sight::Esims(_)));
    assert_eq!(paths(&listener), ["/v2/token", "/v2/orders", "/v2/token", "/v2/orders"]);
}

#[tokio::test]
async fn other_answers_leave_the_token_alone() {
    for status in [403, 422, 429, 500] {
        let listener =
            after_token(vec![script(closing(&json(status, "{}"))), script(closing(&Airalo::success()))])
                .await;
        let client = Airalo::at(listener.address());
        prepare_and_send(&client).await;
        assert_eq!(prepare_and_send(&client).await.faces, [in_review(&[A])]);
        assert_eq!(listener.requests().len(), 3, "{status}");
    }
}

/// Lets the clock of the test jump. Nothing is on its way meanwhile.
async fn age(minutes: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(minutes)).await;
    tokio::time::resume();
}

const DAY_MIN: u64 = 24 * 60;

#[tokio::test]
async fn a_token_is_fetched_anew_before_its_end_and_never_used_after_it() {
    let sent = || script(closing(&Airalo::success()));
    let listener = after_token(vec![sent(), sent(), script(granted()), sent()]).await;
    let client = Airalo::at(listener.address());
    assert_eq!(client.prepare().await, None);
    age(DAY_MIN - 6).await;
    let in_review = [in_review(&[A])];
    assert_eq!(prepare_and_send(&client).await.faces, in_review, "good for longer than the margin");
    age(2).await;
    assert_eq!(client.send(&[Airalo::refund()], 0).await.faces, in_review, "prepared before, and still good");
    assert_eq!(prepare_and_send(&client).await.faces, in_review, "fetched anew");
    age(DAY_MIN).await;
    assert_eq!(client.send(&[Airalo::refund()], 0).await.faces, [NOT_SENT], "at its end");
    assert_eq!(paths(&listener), ["/v2/token", "/v2/refund", "/v2/refund", "/v2/token", "/v2/refund"]);
}

#[tokio::test]
async fn a_token_lives_for_as_long_as_it_says_or_is_configured() {
    for (told, configured_min, good_for_min) in [
        (r#""expires_in":7200,"#, DAY_MIN, 115),
        (r#""expires_in":7200,"#, 30, 25),
        (r#""expires_in":120,"#, DAY_MIN, 1),
        ("", DAY_MIN, 55),
        (r#""expires_in":"soon","#, DAY_MIN, 55),
    ] {
        let scripts = vec![script(granted_for(told)), script(granted())];
        let listener = Listener::play(scripts).await;
        let mut settings = Airalo::settings(&format!("http://{}", listener.address()));
        settings.token_lifetime_max = Duration::from_mins(configured_min);
        let client = Airalo::new(settings).unwrap();
        assert_eq!(client.prepare().await, None);
        age(good_for_min - 1).await;
        assert_eq!(client.prepare().await, None);
        assert_eq!(listener.requests().len(), 1, "{told} {configured_min}");
        age(1).await;
        assert_eq!(client.prepare().await, None);
        assert_eq!(listener.requests().len(), 2, "{told} {configured_min}");
    }
}

#[tokio::test]
async fn each_listed_refusal_of_a_token_concerns_the_account() {
    let credentials = Signal::Block(BlockCause::Credentials);
    let configuration = Signal::Block(BlockCause::Configuration);
    for (status, body, signal) in [
        (401, meta("Client authentication failed"), credentials.clone()),
        (401, String::new(), credentials.clone()),
        (422, fields(r#""client_id":"The selected client id is invalid.""#), credentials),
        (400, meta("Bad request."), configuration.clone()),
        (403, coded(89), configuration),
        (403, meta("Forbidden"), Signal::Block(BlockCause::Permission)),
        (403, String::new(), Signal::Block(BlockCause::Permission)),
        (429, r#"{"message":"Too Many Attempts."}"#.to_owned(), Signal::Throttle(Duration::from_mins(1))),
        (408, String::new(), Signal::Trouble),
        (425, String::new(), Signal::Trouble),
        (500, String::new(), Signal::Trouble),
        (503, meta("Down."), Signal::Trouble),
        (302, String::new(), Signal::Trouble),
        (400, "<html>".to_owned(), Signal::Trouble),
        (404, meta("messages.resource_not_found"), Signal::Trouble),
        (422, "<html>".to_owned(), Signal::Trouble),
    ] {
        let unready = unready(json(status, &body)).await;
        assert_eq!(unready.signals, [signal], "{status} {body}");
        assert_eq!(unready.evidence.http_status, Some(status));
    }
    let unready = unready(http(429, "Retry-After: 7\r\n", "")).await;
    assert_eq!(unready.signals, [Signal::Throttle(Duration::from_secs(7))]);
}

#[tokio::test]
async fn a_200_that_is_no_token_is_none() {
    let whole = String::from_utf8(granted()).unwrap();
    let body = whole.split_once("\r\n\r\n").unwrap().1;
    for body in [
        String::new(),
        "{}".to_owned(),
        "<html>".to_owned(),
        meta("success"),
        body.replace(TOKEN, ""),
        body.replace(TOKEN, "a\\nb"),
        body.replace(&format!("\"{TOKEN}\""), "17"),
        body.replace("Bearer", "MAC"),
        body.replace("31622400", "0"),
        body[..body.len() - 1].to_owned(),
    ] {
        let unready = unready(json(200, &body)).await;
        assert_eq!(unready.signals, [Signal::Trouble], "{body}");
        assert_phase(&unready.evidence, FailurePhase::Parse, Some(200));
    }
}

#[tokio::test]
async fn a_token_call_that_breaks_is_made_once() {
    for (end, phase) in [
        (vec![Step::Reset], FailurePhase::Exchange),
        (vec![Step::Hold], FailurePhase::Exchange),
        (vec![Step::Write(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{".into())], FailurePhase::Body),
    ] {
        let listener = Listener::play(vec![[vec![Step::Read], end].concat()]).await;
        let unready = Airalo::hasty_at(listener.address()).prepare().await.unwrap();
        assert_eq!(unready.signals, [Signal::Trouble]);
        assert_eq!(unready.evidence.phase, Some(phase));
        assert_eq!((listener.connections(), listener.requests().len()), (1, 1));
    }
    let client = Airalo::new(Airalo::hasty("http://airalo.invalid")).unwrap();
    let unready = client.prepare().await.unwrap();
    assert_eq!(unready.signals, [Signal::Trouble]);
    assert_eq!(unready.evidence.phase, Some(FailurePhase::Connect));
    let answer = look_up(&client).await;
    assert_eq!((answer.sight, answer.signals), (Sight::Nothing, vec![Signal::Trouble]));
}
