//! A wire that breaks: nothing but a failed connect proves that nothing was sent, and nothing is tried twice.

use std::net::SocketAddr;

use refunds::domain::answer::{Answer, FailurePhase, Finding, LookupAnswer, Signal};
use refunds::domain::sight::Sight;
use refunds::provider::http::BODY_BYTES_MAX;
use tokio::time::Instant;

use super::listener::{Listener, Step, http, json};
use super::wire::{
    HASTY, NOT_SENT, Wire, assert_calls, assert_doubt, assert_phase, look_up, on_every_provider,
    prepare_and_send, send,
};

/// What becomes of a send whose connection does this once the request is read.
async fn played<W: Wire>(script: Vec<Step>) -> Answer {
    played_to::<W>(script, W::at).await
}

/// The same with a client that does not wait for long.
async fn played_hastily<W: Wire>(script: Vec<Step>) -> Answer {
    played_to::<W>(script, W::hasty_at).await
}

async fn played_to<W: Wire>(script: Vec<Step>, client: fn(SocketAddr) -> W) -> Answer {
    let listener = W::playing(vec![[vec![Step::Read], script].concat()]).await;
    let answer = prepare_and_send(&client(listener.address())).await;
    assert_calls::<W>(&listener, 1);
    answer
}

/// Bytes that begin with the status line of a success.
fn ok<W: Wire>(rest: &str) -> Step {
    Step::Write(format!("HTTP/1.1 {} X\r\n{rest}", W::OK).into())
}

fn assert_not_sent(answer: &Answer) {
    assert_eq!(answer.faces, [NOT_SENT], "{answer:?}");
    assert_eq!(answer.signals, [Signal::Trouble]);
    assert_phase(&answer.evidence, FailurePhase::Connect, None);
}

fn assert_blind(answer: &LookupAnswer) {
    assert_eq!((&answer.sight, &answer.finding), (&Sight::Nothing, &Finding::Nothing), "{answer:?}");
    assert_eq!(answer.signals, [Signal::Trouble]);
}

/// Asserts that the first call finds no connection: the send itself or, before it, the wish for a token,
/// without which nothing is sent.
async fn assert_unconnected<W: Wire>(client: &W) {
    let unready = client.prepare().await;
    assert_eq!(unready.is_some(), W::grant().is_some(), "{unready:?}");
    let answer = send(client).await;
    if let Some(unready) = unready {
        assert_eq!(unready.signals, [Signal::Trouble]);
        assert_phase(&unready.evidence, FailurePhase::Connect, None);
        assert_eq!(answer.faces, [NOT_SENT], "{answer:?}");
        assert_phase(&answer.evidence, FailurePhase::BeforeSend, None);
    } else {
        assert_not_sent(&answer);
    }
}

on_every_provider! {
    async fn a_refused_connection_proves_that_nothing_was_sent<W: Wire>() {
        let listener = W::playing(vec![]).await;
        let client = W::at(listener.address());
        assert_eq!(client.prepare().await, None);
        let _deaf = listener.close().await;
        assert_not_sent(&send(&client).await);
        assert_blind(&look_up(&client).await);
    }

    async fn a_name_that_does_not_resolve_proves_that_nothing_was_sent<W: Wire>() {
        let client = W::made(W::hasty("http://provider.invalid")).unwrap();
        assert_unconnected(&client).await;
        assert_blind(&look_up(&client).await);
    }

    async fn a_tls_handshake_that_fails_or_hangs_proves_that_nothing_was_sent<W: Wire>() {
        for script in [vec![Step::Write(W::success())], vec![Step::Hold], vec![Step::Reset]] {
            let listener = Listener::play(vec![script]).await;
            let client = W::made(W::hasty(&format!("https://{}", listener.address()))).unwrap();
            assert_unconnected(&client).await;
            assert_eq!((listener.connections(), listener.requests().len()), (1, 0));
        }
    }

    async fn a_connection_that_breaks_before_the_answer_leaves_doubt<W: Wire>() {
        let begun = format!("HTTP/1.1 {}", W::OK);
        for end in [vec![Step::Reset], vec![], vec![Step::Write(begun.into())]] {
            assert_doubt(&played::<W>(end).await, FailurePhase::Exchange, None);
        }
    }

    async fn an_answer_that_is_not_http_leaves_doubt<W: Wire>() {
        let answer = played::<W>(vec![Step::Write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())]).await;
        assert_doubt(&answer, FailurePhase::Exchange, None);
        let endless = ok::<W>(&format!("X: {}\r\n\r\n", "x".repeat(BODY_BYTES_MAX)));
        let answer = played::<W>(vec![endless, Step::Hold]).await;
        assert_doubt(&answer, FailurePhase::Exchange, None);
    }

    async fn a_reused_connection_that_breaks_is_no_failed_connect<W: Wire>() {
        let script = vec![Step::Read, Step::Write(W::success()), Step::Read, Step::Reset];
        let listener = W::playing(vec![script]).await;
        let client = W::at(listener.address());
        assert!(W::is_taken(&prepare_and_send(&client).await.faces[0]));
        assert_eq!((listener.connections(), listener.requests().len()), (W::tokens() + 1, W::tokens() + 1));
        assert_doubt(&send(&client).await, FailurePhase::Exchange, None);
        assert_eq!((listener.connections(), listener.requests().len()), (W::tokens() + 1, W::tokens() + 2));
    }

    async fn silence_ends_in_doubt_at_the_limit<W: Wire>() {
        let started = Instant::now();
        let answer = played_hastily::<W>(vec![Step::Hold]).await;
        assert_doubt(&answer, FailurePhase::Exchange, None);
        assert!(started.elapsed() >= HASTY, "connect and read limits together");

        let listener = W::playing(vec![vec![Step::Read, Step::Hold]]).await;
        let answer = look_up(&W::hasty_at(listener.address())).await;
        assert_blind(&answer);
        assert_phase(&answer.evidence, FailurePhase::Exchange, None);
    }

    async fn a_head_that_trickles_ends_in_doubt_at_the_limit<W: Wire>() {
        let answer = played_hastily::<W>(vec![ok::<W>("X: "), Step::Drip(b'x')]).await;
        assert_doubt(&answer, FailurePhase::Exchange, None);
    }

    async fn a_body_that_breaks_off_leaves_doubt_whatever_the_status<W: Wire>() {
        for status in [W::OK].into_iter().chain(W::ERRORS) {
            let mut cut = json(status, &W::success_body());
            cut.pop();
            for end in [vec![], vec![Step::Reset]] {
                let answer = played::<W>([vec![Step::Write(cut.clone())], end].concat()).await;
                assert_doubt(&answer, FailurePhase::Body, Some(status));
            }
        }
        let chunk = ok::<W>("Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n");
        assert_doubt(&played::<W>(vec![chunk]).await, FailurePhase::Body, Some(W::OK));
    }

    async fn a_body_that_trickles_without_end_leaves_doubt_at_the_limit<W: Wire>() {
        let answer = played_hastily::<W>(vec![ok::<W>("Connection: close\r\n\r\n{"), Step::Drip(b' ')]).await;
        assert_doubt(&answer, FailurePhase::Body, Some(W::OK));
    }

    async fn a_body_that_is_too_large_leaves_doubt<W: Wire>() {
        let body = W::success_body();
        let told = ok::<W>(&format!("Content-Length: {}\r\n\r\n", BODY_BYTES_MAX + 1));
        assert_doubt(&played::<W>(vec![told, Step::Hold]).await, FailurePhase::Body, Some(W::OK));

        let padding = " ".repeat(BODY_BYTES_MAX + 1);
        let untold = ok::<W>(&format!("Connection: close\r\n\r\n{body}{padding}"));
        assert_doubt(&played::<W>(vec![untold]).await, FailurePhase::Body, Some(W::OK));

        let padding = " ".repeat(BODY_BYTES_MAX - body.len());
        let most = Step::Write(http(W::OK, "", &format!("{body}{padding}")));
        assert!(W::is_taken(&played::<W>(vec![most]).await.faces[0]));
    }

    async fn a_send_that_is_dropped_is_not_sent_again<W: Wire>() {
        let listener = W::playing(vec![vec![Step::Read, Step::Hold]]).await;
        let client = W::at(listener.address());
        assert_eq!(client.prepare().await, None);
        tokio::select! {
            answer = send(&client) => panic!("{answer:?}"),
            () = listener.requested(W::tokens() + 1) => {}
        }
        assert_calls::<W>(&listener, 1);
    }

    async fn redirects_are_answers_and_are_not_followed<W: Wire>() {
        let target = Listener::answer(W::success()).await;
        for status in [300, 301, 302, 303, 304, 307, 308] {
            let headers = format!("Location: http://{}/elsewhere\r\n", target.address());
            let answer = W::sent(http(status, &headers, "")).await;
            assert_doubt(&answer, FailurePhase::Parse, Some(status));
        }
        assert_eq!(target.connections(), 0);
    }

    async fn one_connection_serves_refunds_that_follow_each_other<W: Wire>() {
        let pair = [Step::Read, Step::Write(W::success())];
        let listener = W::playing(vec![[pair.clone(), pair].concat()]).await;
        let client = W::at(listener.address());
        for _ in 0..2 {
            assert!(W::is_taken(&prepare_and_send(&client).await.faces[0]));
        }
        assert_eq!((listener.connections(), listener.requests().len()), (W::tokens() + 1, W::tokens() + 2));
    }

    async fn a_resend_is_the_same_bytes<W: Wire>() {
        let mut requests = Vec::new();
        for resends in [0, 3] {
            let listener = W::answered(W::success()).await;
            let client = W::at(listener.address());
            assert_eq!(client.prepare().await, None);
            client.send(&[W::refund()], resends).await;
            let request = listener.requests().pop().unwrap();
            requests.push(request.replace(&listener.address().to_string(), "host"));
        }
        assert_eq!(requests[0], requests[1]);
    }
}
