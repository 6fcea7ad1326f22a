//! One JSON object per log line: the event's fields and its spans' fields side by side, and the trace.

use std::error;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use json_subscriber::{FieldWriter, JsonLayer};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::names;

/// Keys that an event or a span may not take.
const RESERVED: [&str; 6] = [
    names::LOG_TRACE_ID,
    names::LOG_SPAN_ID,
    names::LOG_TIMESTAMP,
    names::LOG_LEVEL,
    names::LOG_TARGET,
    names::LOG_SPAN_NAME,
];

/// Writes each event as one line of JSON.
pub(super) fn json<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup> + Send + Sync,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let registered = Registered::default();
    let mut lines = JsonLayer::new(writer);
    lines
        .with_timer(names::LOG_TIMESTAMP, SystemTime)
        .with_level(names::LOG_LEVEL)
        .with_target(names::LOG_TARGET)
        .with_top_level_flattened_span_list();
    let trace = registered.clone();
    lines.add_from_span(names::LOG_TRACE_ID, move |span: &SpanRef<'_, S>| {
        trace
            .span_context(span)
            .map(|context| context.trace_id().to_string())
    });
    let own = registered.clone();
    lines.add_from_span(names::LOG_SPAN_ID, move |span: &SpanRef<'_, S>| {
        own.span_context(span)
            .map(|context| context.span_id().to_string())
    });
    lines.add_multiple_dynamic_fields(|event: &Event<'_>, context: &Context<'_, S>, line| {
        event.record(&mut EventFields {
            span: context.event_span(event),
            line,
        });
    });
    registered.and_then(lines)
}

/// The subscriber that the layer ended up in: only it knows which OpenTelemetry span belongs to a span.
#[derive(Clone, Default)]
struct Registered {
    dispatch: Arc<OnceLock<WeakDispatch>>,
}

impl Registered {
    fn span_context<S>(&self, span: &SpanRef<'_, S>) -> Option<SpanContext>
    where
        S: for<'lookup> LookupSpan<'lookup>,
    {
        let dispatch = self.dispatch.get()?.upgrade()?;
        let context = tracing_opentelemetry::get_otel_context(&span.id(), &dispatch)?;
        let span_context = context.span().span_context().clone();
        span_context.is_valid().then_some(span_context)
    }
}

impl<S: Subscriber> Layer<S> for Registered {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // The first registration is the one; a second would be the same subscriber again.
        let _ = self.dispatch.set(dispatch.downgrade());
    }
}

/// Writes an event's fields. One that a span around it or the line itself has already is written as
/// `event.<key>`, for a key that stands twice in one object means something else to every reader.
struct EventFields<'a, 'w, 'l, S: for<'lookup> LookupSpan<'lookup>> {
    span: Option<SpanRef<'a, S>>,
    line: &'w mut FieldWriter<'l>,
}

impl<S: for<'lookup> LookupSpan<'lookup>> EventFields<'_, '_, '_, S> {
    fn write(&mut self, field: &Field, value: impl serde::Serialize) {
        let key = field.name();
        // The only error is a value that cannot be serialized; the writer then rolls itself back.
        let _ = if self.taken(key) {
            self.line.write_field(&format!("event.{key}"), value)
        } else {
            self.line.write_field(key, value)
        };
    }

    fn taken(&self, key: &str) -> bool {
        let in_a_span = |span: &SpanRef<'_, S>| {
            span.scope()
                .any(|span| span.metadata().fields().iter().any(|field| field.name() == key))
        };
        RESERVED.contains(&key) || self.span.as_ref().is_some_and(in_a_span)
    }
}

impl<S: for<'lookup> LookupSpan<'lookup>> Visit for EventFields<'_, '_, '_, S> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(source) = cause {
            text.push_str(": ");
            text.push_str(&source.to_string());
            cause = source.source();
        }
        self.write(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, format!("{value:?}"));
    }
}
