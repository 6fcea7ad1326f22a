//! Log lines as they are written.

use super::*;

#[test]
fn a_log_line_carries_its_trace_and_the_fields_of_its_spans() {
    let listening = Listening::new(&Settings::default());
    let spans = listening.spans_of(|| {
        let attempt = spans::attempt_span(&[("r-1".to_owned(), None)], "afterpay-au", "afterpay", 1);
        attempt.in_scope(|| {
            let call = post(0);
            let text = "line one\n{\"level\":\"FAKE\"}";
            call.in_scope(|| tracing::info!(refund.state = "SENDING", answer = 201, "{text}"));
        });
        tracing::info!("outside");
    });
    let lines = listening.lines();
    let [inside, outside] = lines.as_slice() else { panic!("two lines: {lines:?}") };
    let call = &spans[0].span_context;
    assert_eq!(inside["trace_id"], call.trace_id().to_string());
    assert_eq!(inside["span_id"], call.span_id().to_string());
    assert_eq!(inside["refund.id"], "r-1");
    assert_eq!(inside["refund.account"], "afterpay-au");
    assert_eq!(inside["refund.attempt"], 1);
    assert_eq!(inside["refund.state"], "SENDING");
    assert_eq!(inside["answer"], 201);
    assert_eq!(inside["message"], "line one\n{\"level\":\"FAKE\"}");
    assert_eq!(inside["level"], "INFO");
    assert_eq!(inside["target"], module_path!());
    assert!(inside["timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(!outside.contains_key("trace_id"));
}

#[test]
fn no_key_stands_twice_in_a_line() {
    let listening = Listening::new(&Settings::default());
    listening.spans_of(|| {
        let attempt = spans::attempt_span(&[("r-1".to_owned(), None)], "afterpay-au", "afterpay", 1);
        attempt.in_scope(|| tracing::info!(refund.id = "r-2", level = "FAKE", trace_id = "0", "twice"));
    });
    let raw = listening.lines.0.lock().unwrap().clone();
    let raw = String::from_utf8(raw).unwrap();
    for key in ["refund.id", "level", "trace_id", "name", "otel.kind"] {
        assert_eq!(raw.matches(&format!("\"{key}\":")).count(), 1, "{key} in {raw}");
    }
    let [line] = &listening.lines()[..] else { panic!("one line") };
    assert_eq!(line["refund.id"], "r-1");
    assert_eq!(line["event.refund.id"], "r-2");
}

#[test]
fn a_quiet_filter_hides_events_but_no_span() {
    let quiet = Settings { log_filter: "warn".to_owned(), ..Settings::default() };
    let listening = Listening::new(&quiet);
    let spans = listening.spans_of(|| {
        let attempt = spans::attempt_span(&[("r-1".to_owned(), None)], "afterpay-au", "afterpay", 1);
        attempt.in_scope(|| {
            tracing::info!("not written");
            tracing::warn!("written");
        });
    });
    let lines = listening.lines();
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    assert_eq!(line["refund.id"], "r-1");
    assert_eq!(line["trace_id"], spans[0].span_context.trace_id().to_string());
    assert!(spans[0].events.is_empty(), "events are log lines, not part of the span");
}

#[test]
fn an_error_is_logged_with_its_causes() {
    let listening = Listening::new(&Settings::default());
    listening.spans_of(|| {
        let cause = io::Error::other("disk away");
        let error = Error::Flush(OTelSdkError::InternalFailure(cause.to_string()));
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::error!(error, "flush");
    });
    let text = listening.lines()[0]["error"].as_str().unwrap().to_owned();
    assert!(text.starts_with("the last spans could not be sent: "), "{text}");
    assert!(text.ends_with("disk away"), "{text}");
}
