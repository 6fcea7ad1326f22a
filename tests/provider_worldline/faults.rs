//! A wire that breaks: nothing but a failed connect proves that nothing was sent, and nothing is tried twice.

use std::net::SocketAddr;

use refunds::domain::answer::{Answer, Face, FailurePhase, Signal};
use refunds::domain::sight::Sight;
use refunds::provider::Provider;
use refunds::provider::http::BODY_BYTES_MAX;
use refunds::provider::worldline::Worldline;
use tokio::net::TcpSocket;

use super::fixture::{
    HASTY, assert_doubt, assert_phase, client_at, hasty, hasty_client_at, look_up, refund, send, success_body,
};
use super::listener::{Listener, Step, http, json};

/// Plays this on the one connection that is to come.
async fn played(script: Vec<Step>) -> Answer {
    played_to(script, client_at).await
}

/// The same to a client that does not wait for long.
async fn played_hastily(script: Vec<Step>) -> Answer {
    played_to(script, hasty_client_at).await
}

async fn played_to(script: Vec<Step>, client: fn(SocketAddr) -> Worldline) -> Answer {
    let listener = Listener::play(vec![script]).await;
    let answer = send(&client(listener.address())).await;
    assert_eq!((listener.connections(), listener.requests().len()), (1, 1));
    answer
}

fn assert_not_sent(answer: &Answer) {
    assert_eq!(answer.faces, [Face::NotSent { alone: false }], "{answer:?}");
    assert_eq!(answer.signals, [Signal::Trouble]);
    assert_phase(&answer.evidence, FailurePhase::Connect, None);
}

#[tokio::test]
async fn a_refused_connection_proves_that_nothing_was_sent() {
    // Bound and never listening: the port is nobody else's.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    assert_not_sent(&send(&client_at(address)).await);
    let answer = look_up(&client_at(address)).await;
    assert_eq!((answer.sight, answer.signals), (Sight::Nothing, vec![Signal::Trouble]));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_proves_that_nothing_was_sent() {
    let client = Worldline::new(hasty("http://worldline.invalid")).unwrap();
    assert_not_sent(&client.send(&[refund()], 0).await);
}

#[tokio::test]
async fn a_tls_handshake_that_fails_or_hangs_proves_that_nothing_was_sent() {
    for script in [vec![Step::Write(json(200, &success_body()))], vec![Step::Hold], vec![Step::Reset]] {
        let listener = Listener::play(vec![script]).await;
        let client = Worldline::new(hasty(&format!("https://{}", listener.address()))).unwrap();
        assert_not_sent(&client.send(&[refund()], 0).await);
        assert_eq!((listener.connections(), listener.requests().len()), (1, 0));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_leaves_doubt() {
    for end in [vec![Step::Reset], vec![], vec![Step::Write(b"HTTP/1.1 200".to_vec())]] {
        let answer = played([vec![Step::Read], end].concat()).await;
        assert_doubt(&answer, FailurePhase::Exchange, None);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_leaves_doubt() {
    let answer = played(vec![Step::Read, Step::Write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())]).await;
    assert_doubt(&answer, FailurePhase::Exchange, None);
    let endless = format!("HTTP/1.1 200 X\r\nX: {}\r\n\r\n", "x".repeat(BODY_BYTES_MAX));
    let answer = played(vec![Step::Read, Step::Write(endless.into_bytes()), Step::Hold]).await;
    assert_doubt(&answer, FailurePhase::Exchange, None);
}

#[tokio::test]
async fn a_reused_connection_that_breaks_is_no_failed_connect() {
    let first = [Step::Read, Step::Write(json(200, &success_body()))];
    let listener = Listener::play(vec![[first.to_vec(), vec![Step::Read, Step::Reset]].concat()]).await;
    let client = client_at(listener.address());
    assert!(matches!(send(&client).await.faces[0], Face::Succeeded(_)));
    assert_doubt(&send(&client).await, FailurePhase::Exchange, None);
    assert_eq!((listener.connections(), listener.requests().len()), (1, 2));
}

#[tokio::test]
async fn silence_ends_in_doubt_at_the_limit() {
    let started = tokio::time::Instant::now();
    let answer = played_hastily(vec![Step::Read, Step::Hold]).await;
    assert_doubt(&answer, FailurePhase::Exchange, None);
    assert!(started.elapsed() >= HASTY, "connect and read limits together");

    let listener = Listener::play(vec![vec![Step::Read, Step::Hold]]).await;
    let answer = look_up(&hasty_client_at(listener.address())).await;
    assert_eq!((answer.sight, answer.signals), (Sight::Nothing, vec![Signal::Trouble]));
    assert_phase(&answer.evidence, FailurePhase::Exchange, None);
}

#[tokio::test]
async fn a_head_that_trickles_ends_in_doubt_at_the_limit() {
    let answer =
        played_hastily(vec![Step::Read, Step::Write(b"HTTP/1.1 200 X\r\nX: ".to_vec()), Step::Drip(b'x')])
            .await;
    assert_doubt(&answer, FailurePhase::Exchange, None);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_doubt_whatever_the_status() {
    for status in [200, 400, 401, 404] {
        let whole = json(status, &success_body());
        let cut = Step::Write(whole[..whole.len() - 1].to_vec());
        for end in [vec![], vec![Step::Reset]] {
            let answer = played([vec![Step::Read, cut.clone()], end].concat()).await;
            assert_doubt(&answer, FailurePhase::Body, Some(status));
        }
    }
    let chunks = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n";
    let answer = played(vec![Step::Read, Step::Write(chunks.into())]).await;
    assert_doubt(&answer, FailurePhase::Body, Some(200));
}

#[tokio::test]
async fn a_body_that_trickles_without_end_leaves_doubt_at_the_limit() {
    let head = "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n{";
    let answer = played_hastily(vec![Step::Read, Step::Write(head.into()), Step::Drip(b' ')]).await;
    assert_doubt(&answer, FailurePhase::Body, Some(200));
}

#[tokio::test]
async fn a_body_that_is_too_large_leaves_doubt() {
    let told = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
    let answer = played(vec![Step::Read, Step::Write(told.into()), Step::Hold]).await;
    assert_doubt(&answer, FailurePhase::Body, Some(200));

    let padding = " ".repeat(BODY_BYTES_MAX + 1);
    let untold = format!("HTTP/1.1 200 X\r\nConnection: close\r\n\r\n{}{padding}", success_body());
    let listener = Listener::answer(untold).await;
    assert_doubt(&send(&client_at(listener.address())).await, FailurePhase::Body, Some(200));

    let most = success_body() + &" ".repeat(BODY_BYTES_MAX - success_body().len());
    let listener = Listener::answer(http(200, "", &most)).await;
    assert!(matches!(send(&client_at(listener.address())).await.faces[0], Face::Succeeded(_)));
}

#[tokio::test]
async fn a_send_that_is_dropped_is_not_sent_again() {
    let listener = Listener::play(vec![vec![Step::Read, Step::Hold]]).await;
    let client = client_at(listener.address());
    let refunds = [refund()];
    tokio::select! {
        answer = client.send(&refunds, 0) => panic!("{answer:?}"),
        () = listener.requested() => {}
    }
    assert_eq!((listener.connections(), listener.requests().len()), (1, 1));
}
