//! Access tokens: text in the form of a JWT that the sandbox can read back, also after a restart.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    form::Form,
    problem::{self, Problem},
};
use crate::sandbox::{
    AIRALO_CLIENT_ID, AIRALO_CLIENT_SECRET, provider::Incoming, reply::Plain, settings::Settings,
};

/// What a token says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: String,
    jti: String,
    iat_ms: i64,
}

/// The documented answer, its fields in the documented order.
#[derive(Serialize)]
struct Granted {
    data: Grant,
    meta: Value,
}

#[derive(Serialize)]
struct Grant {
    token_type: &'static str,
    expires_in: u64,
    access_token: String,
}

/// The fields of a token request: urlencoded, or multipart as in an older document.
pub(super) async fn form(incoming: &Incoming) -> Form {
    let kind = incoming.header("content-type").unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        let text = String::from_utf8_lossy(&incoming.body);
        return Form::of(super::pairs(&text));
    }
    Form::multipart(incoming).await
}

/// Checks a client's credentials; which of several faults is told is \[assumed], the field comes first.
pub(super) fn check_client(form: &Form) -> Result<(), &'static Problem> {
    match form.get("client_id") {
        Some(AIRALO_CLIENT_ID) => {}
        _ => return Err(&problem::WRONG_CLIENT),
    }
    if form.get("grant_type") != Some("client_credentials") {
        return Err(&problem::WRONG_GRANT);
    }
    if form.get("client_secret") != Some(AIRALO_CLIENT_SECRET) {
        return Err(&problem::WRONG_SECRET);
    }
    Ok(())
}

/// The answer that carries a new token; `number` tells it from those of the same millisecond.
pub(super) fn grant(settings: &Settings, now_ms: i64, number: u64) -> Plain {
    let claims =
        Claims { aud: AIRALO_CLIENT_ID.to_owned(), jti: format!("{now_ms:x}-{number:x}"), iat_ms: now_ms };
    let header = encoded(&json!({"typ": "JWT", "alg": "HS256"}));
    let body = encoded(&claims);
    let access_token = format!("{header}.{body}.{}", seal(&body));
    let data = Grant { token_type: "Bearer", expires_in: settings.token_expires_in_s, access_token };
    problem::json(200, &Granted { data, meta: json!({"message": "success"}) })
}

/// The id of a token that the sandbox gave out and whose time has not run out.
pub(super) fn id(incoming: &Incoming, settings: &Settings, now_ms: i64) -> Option<String> {
    let (scheme, token) = incoming.header("authorization")?.split_once(' ')?;
    let mut parts = token.trim().split('.');
    let (_, body, sealed) = (parts.next()?, parts.next()?, parts.next()?);
    if !scheme.eq_ignore_ascii_case("bearer") || sealed != seal(body) {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
    let life_ms = i64::try_from(settings.token_life_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
    (now_ms < claims.iat_ms.saturating_add(life_ms)).then_some(claims.jti)
}

fn encoded<T: Serialize>(value: &T) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

/// FNV-1a over the text and the secret: it keeps mistakes out, not forgers.
fn seal(text: &str) -> String {
    let sum =
        text.bytes().chain(AIRALO_CLIENT_SECRET.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    URL_SAFE_NO_PAD.encode(sum.to_be_bytes())
}
