//! Answers, whole and broken, and how they are put on the wire.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{shared::Shared, wire::Switch};

/// The size of an oversized body's padding.
const OVERSIZE_BYTES: usize = 8 * 1024 * 1024;
/// The pause after half a body: the server writes it out only once there is nothing more to write.
const HALF_BODY_MS: u64 = 30;

/// What a caller gets.
#[derive(Debug)]
pub(super) enum Reply {
    Plain(Plain),
    /// Nothing for `hold_ms`, then a reset.
    Hold,
    /// A reset with no answer.
    Reset,
    /// Half of the body, then a reset.
    ResetInBody(Plain),
    /// Half of the body, then an orderly end.
    Truncated(Plain),
    /// The body, then blanks for ever.
    Endless(Plain),
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Plain {
    pub(super) fn json(status: u16, body: Vec<u8>) -> Self {
        Self::empty(status).with_header("content-type", "application/json").with_body(body)
    }

    /// A page as an edge in front of the provider sends it.
    pub(super) fn html(status: u16, title: &str) -> Self {
        let head = format!("<!DOCTYPE html>\n<html><head><title>{status} {title}</title></head>");
        let page = format!("{head}\n<body><h1>{title}</h1></body></html>\n");
        Self::empty(status)
            .with_header("content-type", "text/html; charset=UTF-8")
            .with_body(page.into_bytes())
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Vec::new() }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    pub(super) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// The same JSON object with one more field of [`OVERSIZE_BYTES`]; it stays well-formed.
    pub(super) fn padded(mut self) -> Self {
        if self.body.pop_if(|byte| *byte == b'}').is_some() {
            self.body.extend_from_slice(b",\"padding\" : \"");
            self.body.resize(self.body.len() + OVERSIZE_BYTES, b'x');
            self.body.extend_from_slice(b"\"}");
        }
        self
    }

    fn into_response(self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.headers;
        response
    }
}

impl Reply {
    /// How the call log names this end, and the status that was put on the wire.
    pub(super) fn summary(&self) -> (Option<u16>, &'static str) {
        match self {
            Self::Plain(plain) => (Some(plain.status), "answered"),
            Self::Hold => (None, "held"),
            Self::Reset => (None, "reset"),
            Self::ResetInBody(plain) => (Some(plain.status), "cut"),
            Self::Truncated(plain) => (Some(plain.status), "truncated"),
            Self::Endless(plain) => (Some(plain.status), "endless"),
        }
    }

    /// Puts the answer on the wire. A connection that was cut fails at the next write, whatever is returned
    /// here.
    pub(super) async fn send(self, shared: &Arc<Shared>, switch: &Switch) -> Response {
        match self {
            Self::Plain(mut plain) => {
                let body = std::mem::take(&mut plain.body);
                plain.into_response(Body::from(body))
            }
            Self::Hold => {
                let hold_ms = shared.lock().settings.hold_ms;
                shared.pause(hold_ms).await;
                switch.cut();
                Response::default()
            }
            Self::Reset => {
                switch.cut();
                Response::default()
            }
            Self::ResetInBody(plain) => {
                broken(plain, [Piece::Pause(HALF_BODY_MS), Piece::Cut], shared, switch)
            }
            Self::Truncated(plain) => broken(plain, [Piece::Pause(HALF_BODY_MS)], shared, switch),
            Self::Endless(mut plain) => {
                let drip_ms = shared.lock().settings.drip_ms;
                let start = Piece::Bytes(Bytes::from(std::mem::take(&mut plain.body)));
                plain.into_response(stream(VecDeque::from([start, Piece::Drip(drip_ms)]), shared, switch))
            }
        }
    }
}

/// Half of the body under the `Content-Length` of the whole, then `rest`.
fn broken<const N: usize>(plain: Plain, rest: [Piece; N], shared: &Arc<Shared>, switch: &Switch) -> Response {
    let mut plain = plain;
    let mut body = std::mem::take(&mut plain.body);
    if body.is_empty() {
        body = b"{}".to_vec();
    }
    plain.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    body.truncate(body.len() / 2);
    let mut pieces = VecDeque::from([Piece::Bytes(Bytes::from(body))]);
    pieces.extend(rest);
    plain.into_response(stream(pieces, shared, switch))
}

enum Piece {
    Bytes(Bytes),
    Pause(u64),
    Cut,
    /// A blank, a pause, and so on for ever.
    Drip(u64),
}

fn stream(pieces: VecDeque<Piece>, shared: &Arc<Shared>, switch: &Switch) -> Body {
    let state = (pieces, Arc::clone(shared), switch.clone());
    Body::from_stream(futures::stream::unfold(state, |(mut pieces, shared, switch)| async move {
        loop {
            let bytes = match pieces.pop_front()? {
                Piece::Bytes(bytes) => bytes,
                Piece::Pause(ms) => {
                    shared.pause(ms).await;
                    continue;
                }
                Piece::Cut => {
                    switch.cut();
                    // More than was promised would be an error of another kind: one byte meets the cut
                    // connection.
                    Bytes::from_static(b" ")
                }
                Piece::Drip(ms) => {
                    if !shared.pause(ms).await {
                        switch.cut();
                    }
                    pieces.push_back(Piece::Drip(ms));
                    Bytes::from_static(b" ")
                }
            };
            return Some((Ok::<_, Infallible>(bytes), (pieces, shared, switch)));
        }
    }))
}
