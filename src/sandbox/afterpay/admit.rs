//! What every request must carry before the API looks at it, and what it asks for.

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::problem::{self, Problem};
use crate::sandbox::{AFTERPAY_MERCHANT_ID, AFTERPAY_SECRET, provider::Incoming};

/// Checks what every request must carry, in the API's order; then finds what it asks for.
pub(super) fn admit(incoming: &Incoming) -> Result<Route, Turned> {
    let credentials = STANDARD.encode(format!("{AFTERPAY_MERCHANT_ID}:{AFTERPAY_SECRET}"));
    let given = incoming.header("authorization").and_then(|value| value.split_once(' '));
    if !given
        .is_some_and(|(scheme, value)| scheme.eq_ignore_ascii_case("basic") && value.trim() == credentials)
    {
        return Err(Turned::Problem(&problem::UNAUTHORIZED));
    }
    let route = Route::of(&incoming.path).ok_or(Turned::Problem(&problem::NOT_FOUND))?;
    let is_post = matches!(route, Route::Refund(_));
    if incoming.method != if is_post { Method::POST } else { Method::GET } {
        return Err(Turned::Problem(&problem::METHOD_NOT_ALLOWED));
    }
    if !incoming.header("accept").is_none_or(accepts_json) {
        return Err(Turned::Problem(&problem::NOT_ACCEPTABLE));
    }
    if is_post && incoming.header("content-type").is_none_or(|value| essence(value) != "application/json") {
        return Err(Turned::Problem(&problem::UNSUPPORTED_MEDIA_TYPE));
    }
    if incoming.header("user-agent").is_none_or(str::is_empty) {
        return Err(Turned::Edge);
    }
    Ok(route)
}

/// Why a request is not looked at.
pub(super) enum Turned {
    Problem(&'static Problem),
    /// By the edge in front of the API, with HTML [assumed from reports].
    Edge,
}

/// What a request asks for.
pub(super) enum Route {
    Refund(String),
    Payment(String),
    Payments,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v2/payments")?;
        if rest.is_empty() {
            return Some(Self::Payments);
        }
        let rest = rest.strip_prefix('/')?;
        match rest.split_once('/') {
            None => Some(Self::Payment(rest.to_owned())),
            Some((id, "refund")) => Some(Self::Refund(id.to_owned())),
            Some(_) => None,
        }
    }
}

fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn accepts_json(accept: &str) -> bool {
    accept
        .split(',')
        .any(|range| ["application/json", "application/*", "*/*"].contains(&essence(range).as_str()))
}
