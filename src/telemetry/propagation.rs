//! W3C Trace Context: read from a caller, kept with a refund, written to a provider.

use std::str::FromStr;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError};

use super::Error;

/// The header of [`TraceContext::traceparent`].
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header of [`TraceContext::tracestate`].
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The header of gRPC's older binary form.
pub const GRPC_TRACE_BIN: HeaderName = HeaderName::from_static("grpc-trace-bin");

/// The longest `tracestate` that is kept, bytes: what the recommendation asks every vendor to propagate.
pub const TRACESTATE_BYTES_MAX: usize = 512;

const TRACEPARENT_LEN: usize = 55;

const BINARY: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where a trace stood, as two strings that can be stored with a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// `00-<trace id>-<span id>-<flags>`, always of version 00.
    pub traceparent: String,
    /// The vendors' own part, at most [`TRACESTATE_BYTES_MAX`].
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// Reads the two headers' values. A `traceparent` that breaks the format in any way is none; a
    /// `tracestate` that does so is dropped alone.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let (trace_id, span_id, flags) = parts(traceparent)?;
        let state = tracestate
            .map(str::trim)
            .filter(|state| is_usable(state))
            .map(str::to_owned);
        Some(Self {
            traceparent: written(trace_id, span_id, flags),
            tracestate: state,
        })
    }

    /// Reads a request's headers: `traceparent` with `tracestate`, else `grpc-trace-bin`.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let parent = match (parents.next(), parents.next()) {
            (Some(parent), None) => parent.to_str().ok(),
            _ => None,
        };
        parent
            .and_then(|parent| Self::parse(parent, states(headers).as_deref()))
            .or_else(|| {
                let binary = headers.get(GRPC_TRACE_BIN)?;
                Self::from_binary(&BINARY.decode(binary.as_bytes()).ok()?)
            })
    }

    /// Reads the binary form: version 0, then field 0 (trace id), 1 (span id) and 2 (flags).
    fn from_binary(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[0, 0])?;
        let (trace_id, rest) = rest.split_first_chunk::<16>()?;
        let (span_id, rest) = rest.strip_prefix(&[1])?.split_first_chunk::<8>()?;
        let flags = match rest {
            [] => 0,
            [2, flags] => *flags,
            _ => return None,
        };
        let trace_id = TraceId::from_bytes(*trace_id);
        let span_id = SpanId::from_bytes(*span_id);
        let valid = trace_id != TraceId::INVALID && span_id != SpanId::INVALID;
        valid.then(|| Self {
            traceparent: written(trace_id, span_id, TraceFlags::new(flags)),
            tracestate: None,
        })
    }

    /// Where the current span stands; none outside every span.
    pub fn current() -> Option<Self> {
        Self::of(&Span::current())
    }

    /// Where a span stands. A span that is asked has begun: give it its parent before.
    pub fn of(span: &Span) -> Option<Self> {
        let context = span.context();
        let span = context.span();
        let place = span.span_context();
        let state = place.trace_state().header();
        place.is_valid().then(|| Self {
            traceparent: written(place.trace_id(), place.span_id(), place.trace_flags()),
            tracestate: (!state.is_empty()).then_some(state),
        })
    }

    fn span_context(&self) -> Option<SpanContext> {
        let (trace_id, span_id, flags) = parts(&self.traceparent)?;
        let state = self
            .tracestate
            .as_deref()
            .and_then(|state| TraceState::from_str(state).ok());
        Some(SpanContext::new(
            trace_id,
            span_id,
            flags,
            true,
            state.unwrap_or_default(),
        ))
    }
}

/// Writes the current span's place into the headers of an outgoing request.
pub fn inject(headers: &mut HeaderMap) {
    let Some(place) = TraceContext::current() else {
        return;
    };
    if let Ok(parent) = HeaderValue::try_from(place.traceparent) {
        headers.insert(TRACEPARENT, parent);
    }
    if let Some(Ok(state)) = place.tracestate.map(HeaderValue::try_from) {
        headers.insert(TRACESTATE, state);
    }
}

/// Lets a span continue a caller's trace. It must not have been entered, asked for its place, or logged in.
/// Where nobody listens to spans it does nothing.
///
/// # Errors
///
/// [`Error::SpanStarted`] if it has begun; it is then a trace of its own.
pub fn set_parent(span: &Span, parent: &TraceContext) -> Result<(), Error> {
    let Some(parent) = parent.span_context() else {
        return Ok(());
    };
    match span.set_parent(Context::new().with_remote_span_context(parent)) {
        Ok(()) | Err(SetParentError::LayerNotFound | SetParentError::SpanDisabled) => Ok(()),
        Err(SetParentError::AlreadyStarted) => Err(Error::SpanStarted),
    }
}

/// Points from a span to another trace.
pub fn add_link(span: &Span, other: &TraceContext) {
    if let Some(other) = other.span_context() {
        span.add_link(other);
    }
}

/// The trace that a span belongs to, 32 hexadecimal digits. A span that is asked has begun.
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let place = span.span_context();
    place.is_valid().then(|| place.trace_id().to_string())
}

fn parts(traceparent: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let (head, tail) = traceparent.trim().split_at_checked(TRACEPARENT_LEN)?;
    let mut fields = head.split('-');
    let (version, trace_id) = (fields.next()?, fields.next()?);
    let (span_id, flags) = (fields.next()?, fields.next()?);
    let hex = |field: &str, len: usize| {
        field.len() == len
            && field
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    // A later version may append fields, version 00 may not; version ff is forbidden.
    let tail_fits = tail.is_empty() || (version != "00" && tail.starts_with('-'));
    let shape = hex(version, 2) && hex(trace_id, 32) && hex(span_id, 16) && hex(flags, 2);
    if !shape || !tail_fits || version == "ff" || fields.next().is_some() {
        return None;
    }
    let trace_id = TraceId::from_hex(trace_id)
        .ok()
        .filter(|id| *id != TraceId::INVALID)?;
    let span_id = SpanId::from_hex(span_id)
        .ok()
        .filter(|id| *id != SpanId::INVALID)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((trace_id, span_id, TraceFlags::new(flags)))
}

fn written(trace_id: TraceId, span_id: SpanId, flags: TraceFlags) -> String {
    // Of the flags only "sampled" is defined in version 00.
    format!(
        "00-{trace_id}-{span_id}-{:02x}",
        (flags & TraceFlags::SAMPLED).to_u8()
    )
}

fn states(headers: &HeaderMap) -> Option<String> {
    let all: Option<Vec<_>> = headers
        .get_all(TRACESTATE)
        .iter()
        .map(|state| state.to_str().ok())
        .collect();
    all.filter(|all| !all.is_empty()).map(|all| all.join(","))
}

fn is_usable(state: &str) -> bool {
    let sized = !state.is_empty() && state.len() <= TRACESTATE_BYTES_MAX;
    sized && TraceState::from_str(state).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_pair_is_kept_as_it_is() {
        let place = TraceContext::parse(PARENT, Some("vendor=a,other=b")).unwrap();
        assert_eq!(place.traceparent, PARENT);
        assert_eq!(place.tracestate.as_deref(), Some("vendor=a,other=b"));
    }

    #[test]
    fn a_malformed_traceparent_is_no_parent() {
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01extra",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\u{e9}",
        ] {
            assert_eq!(TraceContext::parse(wrong, None), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_version_00() {
        let place = TraceContext::parse(&format!("01{}-more", &PARENT[2..]), None).unwrap();
        assert_eq!(place.traceparent, PARENT);
    }

    #[test]
    fn a_bad_tracestate_is_dropped_alone() {
        let long = format!("vendor={}", "x".repeat(TRACESTATE_BYTES_MAX));
        for wrong in ["", "no-equals-sign", "UPPER=1\n", &long] {
            let place = TraceContext::parse(PARENT, Some(wrong)).unwrap();
            assert_eq!(
                place,
                TraceContext {
                    traceparent: PARENT.to_owned(),
                    tracestate: None
                },
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn several_tracestate_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
        headers.append(TRACESTATE, HeaderValue::from_static("a=1"));
        headers.append(TRACESTATE, HeaderValue::from_static("b=2"));
        let place = TraceContext::from_headers(&headers).unwrap();
        assert_eq!(place.tracestate.as_deref(), Some("a=1,b=2"));
    }

    #[test]
    fn two_traceparent_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(PARENT));
        headers.append(TRACEPARENT, HeaderValue::from_static(PARENT));
        assert_eq!(TraceContext::from_headers(&headers), None);
    }

    #[test]
    fn the_binary_form_is_a_fallback_with_or_without_padding() {
        // Version 0, trace id 40..4f, span id 61..68, sampled: the example of the format's own description.
        let bytes: Vec<u8> = [0, 0]
            .into_iter()
            .chain(0x40..=0x4f)
            .chain([1])
            .chain(0x61..=0x68)
            .chain([2, 1])
            .collect();
        let padded = base64::engine::general_purpose::STANDARD.encode(bytes);
        for written in [padded.as_str(), padded.trim_end_matches('=')] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TRACE_BIN, HeaderValue::from_str(written).unwrap());
            let expected = "00-404142434445464748494a4b4c4d4e4f-6162636465666768-01";
            assert_eq!(
                TraceContext::from_headers(&headers).unwrap().traceparent,
                expected
            );
            headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
            assert_eq!(TraceContext::from_headers(&headers).unwrap().traceparent, PARENT);
        }
    }

    #[test]
    fn a_broken_binary_form_is_no_parent() {
        for wrong in [&[][..], &[0, 0, 1], &[1; 29], &[0; 29]] {
            assert_eq!(TraceContext::from_binary(wrong), None);
        }
    }
}
