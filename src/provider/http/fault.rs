//! Why a round trip ended without a whole answer.

use std::error::Error as _;

use reqwest::Response;

use super::{BODY_BYTES_MAX, Outcome, TEXT_CHARS_MAX};
use crate::domain::answer::FailurePhase;

/// Why there is no whole answer.
pub(super) struct Fault {
    /// How it ended.
    pub(super) outcome: Outcome,
    /// For the span: a word.
    pub(super) word: &'static str,
    /// For the record.
    pub(super) text: String,
    /// The status, if a head came.
    pub(super) status: Option<u16>,
}

impl Fault {
    /// Sorts the client's own error. A connection taken from the pool that breaks is no failed connect: the
    /// request may have arrived on it.
    pub(super) fn before_head(error: reqwest::Error) -> Self {
        let (is_connect, is_timeout) = (error.is_connect(), error.is_timeout());
        let text = error_text(error);
        if is_connect {
            let word = if is_timeout { "connect_timeout" } else { "connect" };
            return Self { outcome: Outcome::NotConnected, word, text, status: None };
        }
        Self::exchange("connection_broken", text)
    }

    pub(super) fn exchange(word: &'static str, text: String) -> Self {
        Self { outcome: Outcome::Broken(FailurePhase::Exchange), word, text, status: None }
    }

    pub(super) fn body(status: u16, word: &'static str, text: String) -> Self {
        Self { outcome: Outcome::Broken(FailurePhase::Body), word, text, status: Some(status) }
    }
}

/// The body up to [`BODY_BYTES_MAX`], or a word and a text for why not.
pub(super) async fn read_body(mut response: Response) -> Result<Vec<u8>, (&'static str, String)> {
    let too_large = || ("body_too_large", format!("the body is larger than {BODY_BYTES_MAX} bytes"));
    let told = response.content_length().and_then(|length| usize::try_from(length).ok());
    if told.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(told.unwrap_or_default());
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_BYTES_MAX => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(("body_broken", error_text(error))),
        }
    }
}

/// The error and its causes in one line, without the URL.
fn error_text(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.chars().take(TEXT_CHARS_MAX).collect()
}
