//! What every request must carry, and what it asks for.
//!
//! Order of checks \[assumed]: credentials, path, method, permission.

use axum::http::Method;

use super::{
    ids,
    problem::{self, Problem},
};
use crate::sandbox::{MOYASAR_KEY, MOYASAR_READ_ONLY_KEY, provider::Incoming};

/// What a request asks for; ids in their canonical form.
pub(super) enum Route {
    Refund(String),
    Order(String),
}

/// Checks what every request must carry, then finds what it asks for.
pub(super) fn admit(incoming: &Incoming) -> Result<Route, &'static Problem> {
    let key = bearer(incoming).filter(|key| [MOYASAR_KEY, MOYASAR_READ_ONLY_KEY].contains(key));
    let key = key.ok_or(&problem::UNAUTHENTICATED)?;
    let route = Route::of(&incoming.path).ok_or(&problem::NOT_FOUND)?;
    let method = if matches!(route, Route::Refund(_)) { Method::POST } else { Method::GET };
    if incoming.method != method {
        return Err(&problem::METHOD_NOT_ALLOWED);
    }
    // Keys carry permissions [doc: the acquirer's API].
    if matches!(route, Route::Refund(_)) && key != MOYASAR_KEY {
        return Err(&problem::FORBIDDEN);
    }
    Ok(route)
}

fn bearer(incoming: &Incoming) -> Option<&str> {
    let (scheme, key) = incoming.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

impl Route {
    /// An id that is no UUID is the id of no order \[assumed].
    fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v1/orders/")?;
        match rest.split_once('/') {
            None => ids::canonical(rest).map(Self::Order),
            Some((id, "refund")) => ids::canonical(id).map(Self::Refund),
            Some(_) => None,
        }
    }
}
