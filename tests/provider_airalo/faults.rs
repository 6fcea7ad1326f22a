//! A wire that breaks: nothing but a failed connect proves that nothing was sent, and nothing is tried
//! twice.

use std::net::SocketAddr;

use refunds::domain::answer::{Answer, Face, FailurePhase, Signal};
use refunds::domain::sight::Sight;
use refunds::provider::Provider;
use refunds::provider::airalo::Airalo;
use refunds::provider::http::BODY_BYTES_MAX;

use super::fixture::{
    HASTY, TAKEN, after_token, assert_doubt, assert_phase, client_at, hasty_client_at, look_up, refund,
    refund_of, send, sent,
};
use super::listener::{Step, http, json};

/// Plays this on the one connection that is to come after the token's.
async fn played(script: Vec<Step>) -> Answer {
    played_to(script, client_at).await
}

/// The same to a client that does not wait for long.
async fn played_hastily(script: Vec<Step>) -> Answer {
    played_to(script, hasty_client_at).await
}

async fn played_to(script: Vec<Step>, client: fn(SocketAddr) -> Airalo) -> Answer {
    let listener = after_token(vec![script]).await;
    let answer = send(&client(listener.address())).await;
    assert_eq!((listener.connections(), listener.requests().len()), (2, 2));
    answer
}

#[tokio::test]
async fn a_refused_connection_proves_that_nothing_was_sent() {
    let listener = after_token(vec![]).await;
    let address = listener.address();
    let client = client_at(address);
    assert_eq!(client.prepare().await, None);
    drop(listener);
    // The task that held the port ends at its next turn.
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), refused).await.unwrap();
    let two = [refund(), refund_of(&[super::fixture::B])];
    let answer = client.send(&two, 0).await;
    assert_eq!(answer.faces, vec![Face::NotSent { alone: false }; 2], "{answer:?}");
    assert_eq!(answer.signals, [Signal::Trouble]);
    assert_phase(&answer.evidence, FailurePhase::Connect, None);
    let answer = look_up(&client).await;
    assert_eq!((answer.sight, answer.signals), (Sight::Nothing, vec![Signal::Trouble]));
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_leaves_doubt() {
    for end in [vec![Step::Reset], vec![], vec![Step::Write(b"HTTP/1.1 202".to_vec())]] {
        let answer = played([vec![Step::Read], end].concat()).await;
        assert_doubt(&answer, FailurePhase::Exchange, None);
    }
}

#[tokio::test]
async fn a_lost_answer_puts_every_member_in_doubt() {
    let listener = after_token(vec![vec![Step::Read, Step::Reset]]).await;
    let client = client_at(listener.address());
    assert_eq!(client.prepare().await, None);
    let two = [refund(), refund_of(&[super::fixture::B])];
    assert_eq!(client.send(&two, 0).await.faces, [Face::Unknown, Face::Unknown]);
    assert_eq!(listener.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_not_http_leaves_doubt() {
    let answer = played(vec![Step::Read, Step::Write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())]).await;
    assert_doubt(&answer, FailurePhase::Exchange, None);
    let endless = format!("HTTP/1.1 202 X\r\nX: {}\r\n\r\n", "x".repeat(BODY_BYTES_MAX));
    let answer = played(vec![Step::Read, Step::Write(endless.into_bytes()), Step::Hold]).await;
    assert_doubt(&answer, FailurePhase::Exchange, None);
}

#[tokio::test]
async fn silence_ends_in_doubt_at_the_limit() {
    let started = tokio::time::Instant::now();
    let answer = played_hastily(vec![Step::Read, Step::Hold]).await;
    assert_doubt(&answer, FailurePhase::Exchange, None);
    assert!(started.elapsed() >= HASTY, "connect and read limits together");

    let listener = after_token(vec![vec![Step::Read, Step::Hold]]).await;
    let answer = look_up(&hasty_client_at(listener.address())).await;
    assert_eq!((answer.sight, answer.signals), (Sight::Nothing, vec![Signal::Trouble]));
    assert_phase(&answer.evidence, FailurePhase::Exchange, None);
}

#[tokio::test]
async fn a_head_that_trickles_ends_in_doubt_at_the_limit() {
    let head = b"HTTP/1.1 202 X\r\nX: ".to_vec();
    let answer = played_hastily(vec![Step::Read, Step::Write(head), Step::Drip(b'x')]).await;
    assert_doubt(&answer, FailurePhase::Exchange, None);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_doubt_whatever_the_status() {
    for status in [202, 401, 422, 429] {
        let whole = json(status, TAKEN);
        let cut = Step::Write(whole[..whole.len() - 1].to_vec());
        for end in [vec![], vec![Step::Reset]] {
            let answer = played([vec![Step::Read, cut.clone()], end].concat()).await;
            assert_doubt(&answer, FailurePhase::Body, Some(status));
        }
    }
    let chunks = "HTTP/1.1 202 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n";
    let answer = played(vec![Step::Read, Step::Write(chunks.into())]).await;
    assert_doubt(&answer, FailurePhase::Body, Some(202));
}

#[tokio::test]
async fn a_body_that_trickles_without_end_leaves_doubt_at_the_limit() {
    let head = "HTTP/1.1 202 X\r\nConnection: close\r\n\r\n{";
    let answer = played_hastily(vec![Step::Read, Step::Write(head.into()), Step::Drip(b' ')]).await;
    assert_doubt(&answer, FailurePhase::Body, Some(202));
}

#[tokio::test]
async fn a_body_that_is_too_large_leaves_doubt() {
    let told = format!("HTTP/1.1 202 X\r\nContent-Length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
    let answer = played(vec![Step::Read, Step::Write(told.into()), Step::Hold]).await;
    assert_doubt(&answer, FailurePhase::Body, Some(202));

    let padding = " ".repeat(BODY_BYTES_MAX + 1);
    let untold = format!("HTTP/1.1 202 X\r\nConnection: close\r\n\r\n{TAKEN}{padding}");
    assert_doubt(&sent(untold.into()).await, FailurePhase::Body, Some(202));

    let most = format!("{TAKEN}{}", " ".repeat(BODY_BYTES_MAX - TAKEN.len()));
    assert!(matches!(sent(http(202, "", &most)).await.faces[0], Face::InReview(_)));
}

#[tokio::test]
async fn a_send_that_is_dropped_is_not_sent_again() {
    let listener = after_token(vec![vec![Step::Read, Step::Hold]]).await;
    let client = client_at(listener.address());
    assert_eq!(client.prepare().await, None);
    let refunds = [refund()];
    let both = async {
        while listener.requests().len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        answer = client.send(&refunds, 0) => panic!("{answer:?}"),
        () = both => {}
    }
    assert_eq!((listener.connections(), listener.requests().len()), (2, 2));
}
