//! What every request must carry before the API looks at it, and what it asks for.
//!
//! The order of checks is \[assumed]: path, credentials, merchant, method, `Accept`, `Content-Type`.

use axum::http::Method;
use percent_encoding::percent_decode_str;

use super::{
    Worldline,
    problem::{self, Problem},
    token::Scope,
};
use crate::sandbox::{WORLDLINE_MID, WORLDLINE_TOKEN, provider::Incoming};

/// What a request asks for.
pub(super) enum Route {
    Token,
    Refund(String),
    Order(String),
}

/// Why a request is not looked at.
pub(super) enum Turned {
    Problem(&'static Problem),
    /// A path that the API does not have.
    NoSuchPath,
}

impl Route {
    fn of(path: &str) -> Option<(Self, Option<u64>)> {
        if path == "/api/v2/oauth2/tokens" {
            return Some((Self::Token, None));
        }
        let (mid, rest) = path.strip_prefix("/api/v2/merchants/")?.split_once("/orders/")?;
        let mid = mid.parse().ok()?;
        match rest.split_once('/') {
            None => Some((Self::Order(decoded(rest)?), Some(mid))),
            Some((id, "refunds")) => Some((Self::Refund(decoded(id)?), Some(mid))),
            Some(_) => None,
        }
    }
}

/// The order that a path is about.
pub(super) fn order_of(path: &str) -> Option<String> {
    match Route::of(path)?.0 {
        Route::Refund(id) | Route::Order(id) => Some(id),
        Route::Token => None,
    }
}

/// An order id stands percent-encoded in the path [doc: order ids are URL-encoded in links].
fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

pub(super) fn admit(worldline: &Worldline, incoming: &Incoming) -> Result<Route, Turned> {
    let (route, mid) = Route::of(&incoming.path).ok_or(Turned::NoSuchPath)?;
    let scope = match route {
        Route::Token => None,
        Route::Refund(_) => Some(Scope::Refund),
        Route::Order(_) => Some(Scope::Order),
    };
    if let Some(scope) = scope {
        authorize(worldline, incoming, scope).map_err(Turned::Problem)?;
    }
    if mid.is_some_and(|mid| mid != WORLDLINE_MID) {
        return Err(Turned::Problem(&problem::FOREIGN_MID));
    }
    let (method, media_type) = match route {
        Route::Token => (Method::POST, Some("application/x-www-form-urlencoded")),
        Route::Refund(_) => (Method::POST, Some("application/json")),
        Route::Order(_) => (Method::GET, None),
    };
    if incoming.method != method {
        return Err(Turned::Problem(&problem::METHOD_NOT_ALLOWED));
    }
    if !incoming.header("accept").is_none_or(accepts_json) {
        return Err(Turned::Problem(&problem::NOT_ACCEPTABLE));
    }
    let given = incoming.header("content-type").map(essence);
    if media_type.is_some_and(|wanted| given.as_deref() != Some(wanted)) {
        return Err(Turned::Problem(&problem::UNSUPPORTED_MEDIA_TYPE));
    }
    Ok(route)
}

/// The account's own token may do everything; an exchanged one what its scope says, while it lives.
fn authorize(worldline: &Worldline, incoming: &Incoming, scope: Scope) -> Result<(), &'static Problem> {
    let given = incoming.header("authorization").and_then(|value| value.split_once(' '));
    let token = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token);
    let token = token.map(str::trim).ok_or(&problem::UNAUTHORIZED)?;
    if token == WORLDLINE_TOKEN {
        return Ok(());
    }
    let state = worldline.state();
    let now_ms = worldline.shared.lock().now_ms();
    let scopes = state.tokens.scopes(token, now_ms).ok_or(&problem::UNAUTHORIZED)?;
    if scopes.contains(&scope) { Ok(()) } else { Err(&problem::TOKEN_SCOPE) }
}

fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn accepts_json(accept: &str) -> bool {
    accept
        .split(',')
        .any(|range| ["application/json", "application/*", "*/*"].contains(&essence(range).as_str()))
}
