//! What must never be on record, wherever a record is made; and what the spans of round trips hold.

use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;
use refunds::domain::answer::Face;
use refunds::provider::Error;
use url::Url;

use super::listener::{Listener, Step, closing};
use super::spans::{attributes, client_spans};
use super::wire::{Wire, look_up, on_every_provider, prepare_and_send};

/// The beginning of a card's number.
const CARD: &str = "4111 1111";

/// What a provider's client must keep to itself, and may tell.
pub(crate) trait Secrets: Wire {
    /// The secrets of the account, in each form in which they go over the wire.
    const SECRETS: &[&str];
    /// The names of the spans of a send and of a lookup, after that of the token.
    const SPANS: [&str; 2];
    /// The path of the send.
    const PATH: &str;

    /// An answer that refuses the refund, and its status.
    fn refusal() -> (u16, Vec<u8>);

    /// Answers that repeat one of the secrets, or the number of a card.
    fn leaks() -> Vec<Vec<u8>>;

    /// Settings that no client can be made of, beyond those that none can.
    fn wrong_settings() -> Vec<Self::Settings>;
}

/// What a client leaves on record.
pub(crate) struct Records {
    pub(crate) text: String,
    pub(crate) spans: Vec<SpanData>,
    pub(crate) listener: Listener,
}

/// The records of a client that prepares, sends for the third time and looks up, and gets these answers, each
/// on a connection of its own.
pub(crate) async fn records_of<W: Wire>(answers: Vec<Vec<u8>>, client: fn(SocketAddr) -> W) -> Records {
    let script = |bytes: &Vec<u8>| vec![Step::Read, Step::Write(closing(bytes))];
    let listener = Listener::play(answers.iter().map(script).collect()).await;
    let client = client(listener.address());
    let calls = async {
        let unready = client.prepare().await;
        (unready, client.send(&[W::refund()], 2).await, look_up(&client).await)
    };
    let (told, spans) = client_spans(calls).await;
    assert!(listener.requests().iter().all(|r| !r.contains("traceparent")), "no trace for third parties");
    let settings = W::settings("http://a.example");
    Records { text: format!("{settings:?} {client:?} {told:?} {spans:?}"), spans, listener }
}

/// Those of a send that is answered so, and of a lookup that is answered so too.
async fn records_of_both<W: Wire>(answer: Vec<u8>) -> Records {
    let answers = W::grant().into_iter().chain([answer.clone(), answer]);
    records_of::<W>(answers.collect(), W::at).await
}

/// The span of the send.
fn span_of_send<W: Secrets>(spans: &[SpanData]) -> &SpanData {
    assert_eq!(spans.len(), W::tokens() + 2, "{spans:?}");
    &spans[W::tokens()]
}

on_every_provider! {
    async fn each_round_trip_is_one_client_span_with_the_conventions_names<W: Secrets>() {
        let (status, refusal) = W::refusal();
        let Records { spans, listener, .. } = records_of_both::<W>(refusal).await;
        let span = span_of_send::<W>(&spans);
        let names: Vec<_> = spans.iter().rev().take(2).map(|span| span.name.as_ref()).collect();
        assert_eq!(names, [W::SPANS[1], W::SPANS[0]]);
        assert_eq!(span.status, Status::error(""));
        let (status, port) = (status.to_string(), listener.address().port());
        let expected = [
            ("error.type", status.as_str()),
            ("http.request.method", "POST"),
            ("http.request.resend_count", "2"),
            ("http.response.status_code", &status),
            ("server.address", "127.0.0.1"),
            ("server.port", &port.to_string()),
            ("url.full", &format!("http://127.0.0.1:{port}{}", W::PATH)),
            ("url.template", W::SPANS[0].strip_prefix("POST ").unwrap()),
        ];
        let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(attributes(span), expected);
    }

    async fn a_span_says_in_a_word_why_no_answer_came<W: Secrets>() {
        let status = W::OK.to_string();
        let cut = format!("HTTP/1.1 {status} X\r\nContent-Length: 9\r\n\r\n{{");
        for (end, word, status) in [
            (Step::Reset, "connection_broken", None),
            (Step::Write(cut.into()), "body_broken", Some(status.as_str())),
        ] {
            let script = vec![Step::Read, end];
            let listener = W::playing(vec![script]).await;
            let client = W::at(listener.address());
            let (_, spans) = client_spans(prepare_and_send(&client)).await;
            let [.., span] = spans.as_slice() else { panic!("{spans:?}") };
            assert_eq!(spans.len(), W::tokens() + 1);
            let found = |key: &str| attributes(span).into_iter().find(|(k, _)| k == key).map(|(_, v)| v);
            assert_eq!(found("error.type").as_deref(), Some(word));
            assert_eq!(found("http.response.status_code").as_deref(), status);
            assert_eq!(found("http.request.resend_count"), None);
        }
    }

    async fn no_record_holds_a_secret_even_if_the_provider_repeats_it<W: Secrets>() {
        for answer in [W::success()].into_iter().chain(W::leaks()) {
            let records = records_of_both::<W>(answer).await;
            span_of_send::<W>(&records.spans);
            for secret in W::SECRETS.iter().chain([&CARD]) {
                assert!(!records.text.contains(secret), "{}", records.text);
            }
        }
    }

    async fn a_reset_leaves_neither_address_of_the_order_nor_secret_in_the_evidence<W: Secrets>() {
        let listener = W::playing(vec![vec![Step::Read, Step::Reset]]).await;
        let answer = prepare_and_send(&W::at(listener.address())).await;
        assert_eq!(answer.faces, [Face::Unknown]);
        let text = answer.evidence.provider_text.unwrap();
        assert!(text.contains("error sending request: "), "{text}");
        for untold in W::SECRETS.iter().chain([&"http://", &W::ORDER]) {
            assert!(!text.contains(untold), "{text}");
        }
    }

    async fn settings_that_cannot_work_are_refused_without_repeating_a_secret<W: Secrets>() {
        let base = || W::settings("https://provider.example");
        let mut wrong = W::wrong_settings();
        let mut with_a_password = Url::parse("https://m@a.example").unwrap();
        with_a_password.set_password(Some(W::SECRETS[0])).unwrap();
        for url in [with_a_password, Url::parse("ftp://a.example").unwrap()] {
            let mut settings = base();
            *W::base_url(&mut settings) = url;
            wrong.push(settings);
        }
        for limit in 0..3 {
            let mut settings = base();
            *W::limits(&mut settings)[limit] = Duration::ZERO;
            wrong.push(settings);
        }
        for settings in wrong {
            let told = format!("{settings:?}");
            let error: Error = W::made(settings).expect_err(&told);
            let told = format!("{error} {error:?}");
            assert!(W::SECRETS.iter().all(|secret| !told.contains(secret)), "{told}");
        }
        assert!(W::made(base()).is_ok());
    }
}
