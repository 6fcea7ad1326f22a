//! One refund in a collector and in the log: who called, what was asked of the provider, and nothing secret.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use refunds::grpc::proto::{GetRefundRequest, GetRefundResponse};
use serde_json::Value;
use tonic::Code;

use super::support::app::{request, with_token};
use super::support::collector::{Attribute, Collector, Spanned};
use super::support::on_every_url;
use super::support::process::{Process, Scene, TOKEN, client, succeeded};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const CARD: &str = "4111111111111111";
const CREATE: &str = "refunds.v1.RefundService/CreateRefund";
const SEND: &str = "POST /v2/payments/{orderId}/refund";
const LOOK: &str = "GET /v2/payments/{orderId}";

/// A service that exports to a collector.
struct Told {
    collector: Collector,
    scene: Scene,
    service: Process,
    address: String,
}

/// What it told until its end.
struct Ended {
    spans: Vec<Spanned>,
    exported: String,
    lines: Vec<BTreeMap<String, Value>>,
    log: String,
    sandbox: std::net::SocketAddr,
    address: String,
}

impl Told {
    async fn start(url: &str, log_filter: &str) -> Self {
        let collector = Collector::start().await;
        let scene = Scene::set(url).await;
        let settings = [
            ("REFUNDS__TELEMETRY__OTLP_ENDPOINT", collector.endpoint.as_str()),
            ("REFUNDS__TELEMETRY__LOG_FILTER", log_filter),
            ("REFUNDS__SERVER__DRAIN_DELAY_MS", "0"),
        ];
        let (service, address) = scene.serve(&settings).await;
        Self { collector, scene, service, address }
    }

    /// Creates a refund as a caller whose trace is [`TRACE`], and waits for its success.
    async fn refund(&self, request_id: &str, order: &str) -> GetRefundResponse {
        let mut message = with_token(request(request_id, order, 1_000), TOKEN);
        let parent = format!("00-{TRACE}-{PARENT}-01");
        message.metadata_mut().insert("traceparent", parent.parse().unwrap());
        let created = client(&self.address).create_refund(message).await.unwrap().into_inner();
        succeeded(&self.address, &created.refund.unwrap().refund_id).await
    }

    async fn end(mut self) -> Ended {
        self.service.signal("TERM").await;
        assert_eq!(self.service.end().await, Some(0));
        let parse = |line: &String| match serde_json::from_str(line) {
            Ok(fields) => fields,
            Err(error) => panic!("no JSON object: {line}: {error}"),
        };
        Ended {
            spans: self.collector.spans(),
            exported: self.collector.text(),
            lines: self.service.seen.iter().map(parse).collect(),
            log: self.service.seen.join("\n"),
            sandbox: self.scene.sandbox,
            address: self.address,
        }
    }
}

impl Ended {
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Spanned> {
        self.spans.iter().filter(move |span| span.name == name)
    }

    /// The attempts at a refund and, below each, its round trips, in order of time.
    fn attempts(&self, refund_id: &str) -> Vec<(&Spanned, Vec<&Spanned>)> {
        let attempts = self.named("attempt").filter(|span| span.text("refund.id") == refund_id);
        let below = |id: &str| self.spans.iter().filter(|span| span.parent == id).collect::<Vec<_>>();
        attempts.map(|span| (span, below(&span.id))).collect()
    }

    fn assert_holds_no(&self, secrets: &[&str]) {
        for secret in secrets {
            for (what, text) in [("a span", &self.exported), ("the log", &self.log)] {
                let line = text.lines().find(|line| line.contains(secret));
                assert!(line.is_none(), "{secret} in {what}: {line:?}");
            }
        }
    }
}

fn text(value: &str) -> Attribute {
    Attribute::Text(value.to_owned())
}

fn attributes(expected: &[(&str, Attribute)]) -> BTreeMap<String, Attribute> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// Of each round trip its name, whether it failed, and how often it had been sent before.
fn outline<'a>(trips: &[&'a Spanned]) -> Vec<(&'a str, bool, Option<&'a Attribute>)> {
    let resends = |trip: &'a Spanned| trip.attributes.get("http.request.resend_count");
    trips.iter().map(|trip| (trip.name.as_str(), trip.is_error, resends(trip))).collect()
}

fn basic() -> String {
    let (user, secret) = (refunds::sandbox::AFTERPAY_MERCHANT_ID, refunds::sandbox::AFTERPAY_SECRET);
    STANDARD.encode(format!("{user}:{secret}"))
}

on_every_url! {
    async fn a_call_and_its_attempt_are_two_traces_with_a_link(url: &str) {
        let told = Told::start(url, "info").await;
        let got = told.refund("r1", "1001").await;
        let id = got.refund.as_ref().unwrap().refund_id.clone();
        let ended = told.end().await;

        let [server] = ended.named(CREATE).collect::<Vec<_>>()[..] else { panic!("{:#?}", ended.spans) };
        assert_eq!((server.trace.as_str(), server.parent.as_str()), (TRACE, PARENT));
        assert_eq!((server.kind, server.is_error), (SpanKind::Server.into(), false));
        let (host, port) = ended.address.split_once(':').unwrap();
        let mut common = server.attributes.clone();
        assert!(common.remove("network.peer.port").is_some());
        let expected = [
            ("rpc.system.name", text("grpc")),
            ("rpc.method", text(CREATE)),
            ("rpc.status_code", text("OK")),
            ("server.address", text(host)),
            ("server.port", Attribute::Int(port.parse().unwrap())),
            ("network.peer.address", text("127.0.0.1")),
            ("refund.id", text(&id)),
            ("refund.account", text("afterpay")),
            ("caller", text("shop")),
        ];
        assert_eq!(common, attributes(&expected));

        let [(attempt, trips)] = &ended.attempts(&id)[..] else { panic!("one attempt: {:#?}", ended.spans) };
        assert_ne!(attempt.trace, TRACE);
        assert_eq!((attempt.parent.as_str(), attempt.is_error), ("", false));
        assert_eq!(attempt.links, [(TRACE.to_owned(), server.id.clone())]);
        let expected = [
            ("refund.id", text(&id)),
            ("refund.account", text("afterpay")),
            ("refund.provider", text("afterpay")),
            ("refund.attempt", Attribute::Int(1)),
        ];
        assert_eq!(attempt.attributes, attributes(&expected));
        let names: Vec<_> = trips.iter().map(|trip| trip.name.as_str()).collect();
        assert_eq!(names, [LOOK, SEND], "the look before the send is part of the attempt");
        for (trip, method, path, template, status) in [
            (trips[0], "GET", "/afterpay/v2/payments/1001", "/v2/payments/{orderId}", 200),
            (trips[1], "POST", "/afterpay/v2/payments/1001/refund", "/v2/payments/{orderId}/refund", 201),
        ] {
            assert_eq!((trip.kind, trip.is_error, trip.events), (SpanKind::Client.into(), false, 0));
            assert_eq!(trip.trace, attempt.trace);
            let expected = [
                ("http.request.method", text(method)),
                ("url.full", text(&format!("http://{}{path}", ended.sandbox))),
                ("url.template", text(template)),
                ("server.address", text("127.0.0.1")),
                ("server.port", Attribute::Int(ended.sandbox.port().into())),
                ("http.response.status_code", Attribute::Int(status)),
            ];
            assert_eq!(trip.attributes, attributes(&expected));
        }
        // What the API tells leads to the same traces.
        assert!(got.attempts.iter().all(|a| a.trace_id == attempt.trace), "{got:#?}");
        let traces: Vec<_> = got.events.iter().map(|event| event.trace_id.as_str()).collect();
        assert_eq!(traces, [TRACE, &attempt.trace, &attempt.trace]);
    }

    async fn a_lost_answer_is_an_error_and_its_resend_says_so(url: &str) {
        let told = Told::start(url, "info").await;
        let id = told.refund("r1", "9940001").await.refund.unwrap().refund_id;
        let ended = told.end().await;
        let attempts = ended.attempts(&id);
        let [(first, lost), (second, resent)] = &attempts[..] else { panic!("two: {attempts:#?}") };
        assert!(first.is_error && first.text("error.type") == "unknown", "{first:?}");
        assert!(!second.is_error && !second.attributes.contains_key("error.type"), "{second:?}");
        assert_eq!(second.attributes["refund.attempt"], Attribute::Int(2));
        assert_ne!(first.trace, second.trace);
        assert_eq!(first.links, second.links);
        assert_eq!(outline(lost), [(LOOK, false, None), (SEND, true, None)]);
        let once_before = Some(&Attribute::Int(1));
        assert_eq!(outline(resent), [(LOOK, false, None), (SEND, false, once_before)]);
        assert_eq!(lost[1].text("error.type"), "timeout");
        assert!(!lost[1].attributes.contains_key("http.response.status_code"));
        let failed: Vec<_> = ended.spans.iter().filter(|span| span.is_error).map(|span| &span.name).collect();
        assert_eq!(failed.len(), 2, "{failed:?}");
    }

    async fn every_line_is_json_and_tells_whose_it_is(url: &str) {
        let told = Told::start(url, "info").await;
        let id = told.refund("r1", "9941001").await.refund.unwrap().refund_id;
        let ended = told.end().await;
        let line = |message: &str, name: &str| {
            let found = ended.lines.iter().filter(|line| line["message"] == message && line["name"] == name);
            found.collect::<Vec<_>>()
        };
        let (calls, steps) = (line("call", "rpc"), line("step", "attempt"));
        let created: Vec<_> = calls.iter().filter(|call| call["rpc.method"] == CREATE).collect();
        let [created] = created[..] else { panic!("{calls:#?}") };
        assert_eq!((created["trace_id"].as_str(), created["code"].as_str()), (Some(TRACE), Some("OK")));
        let words: Vec<_> = steps.iter().map(|step| step["outcome"].as_str().unwrap()).collect();
        assert_eq!(words, ["seen", "unknown", "succeeded"]);
        let of = |line: &BTreeMap<String, Value>| (line["trace_id"].clone(), line["span_id"].clone());
        for line in calls.iter().chain(&steps) {
            assert_eq!(line["refund.id"], id.as_str(), "{line:?}");
            assert_eq!(line["refund.account"], "afterpay", "{line:?}");
            assert_eq!(line["caller"], "shop", "{line:?}");
            let (trace, span) = of(line);
            let its = ended.spans.iter().find(|its| span == its.id.as_str());
            assert_eq!(its.map(|its| its.trace.as_str()), trace.as_str(), "no such span: {line:?}");
        }
        assert!(calls.len() > 1 && calls.iter().all(|call| call["took_ms"].is_u64()));
    }

    async fn no_secret_reaches_a_span_or_a_line(url: &str) {
        // The libraries' own lines too: whoever looks for a fault turns the log up.
        let told = Told::start(url, "trace").await;
        told.refund("r1", "9941001").await;
        // An account that is refused, a caller that is nobody, and a card number wherever text is taken.
        let refused = with_token(request("r2", "9911001", 1_000), TOKEN);
        client(&told.address).create_refund(refused).await.unwrap();
        let nobody = with_token(request("r3", "1001", 1_000), "nobodys-token");
        let status = client(&told.address).create_refund(nobody).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        let mut cards = request("r4", "1001", 1_000);
        cards.metadata = HashMap::from([("pan", CARD), (CARD, "x")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        cards.notes = format!("card {CARD}");
        cards.provider_reason = CARD.to_owned();
        cards.email = format!("{CARD}@example.com");
        let status = client(&told.address).create_refund(with_token(cards, TOKEN)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(!format!("{status:?}").contains(CARD), "{status:?}");
        told.scene.sent("9911001").await;
        let ended = told.end().await;
        ended.assert_holds_no(&[refunds::sandbox::AFTERPAY_SECRET, &basic(), TOKEN, "nobodys-token", CARD]);
        assert!(ended.lines.iter().any(|line| line["level"] == "TRACE"), "it was to be verbose");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_there_is_not_makes_no_name_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("refunds.sqlite").display());
    let told = Told::start(&url, "info").await;
    for path in ["/refunds.v1.RefundService/Nonsense", "/refunds.v1.Nonsense/CreateRefund", "/x/y"] {
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", told.address)).unwrap();
        let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<GetRefundRequest, GetRefundRequest>::default();
        let path = http::uri::PathAndQuery::from_static(path);
        let status =
            client.unary(with_token(GetRefundRequest::default(), TOKEN), path, codec).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
    let ended = told.end().await;
    let spans: Vec<_> = ended.spans.iter().collect();
    assert_eq!(spans.len(), 3, "{spans:#?}");
    for span in spans {
        assert_eq!((span.name.as_str(), span.text("rpc.method")), ("_OTHER", "_OTHER"));
        assert_eq!(span.text("rpc.status_code"), "UNIMPLEMENTED");
        assert!(span.is_error && span.text("error.type") == "UNIMPLEMENTED");
    }
}
