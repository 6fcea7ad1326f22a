//! The body of a refund request: `multipart/form-data` with the bytes that curl makes of the contract's
//! example.
//!
//! Built by hand because the bytes are the contract: no part has a type of its own, as those of a library
//! would.

use super::reason;
use super::settings::ICCIDS_PER_CALL_MAX;
use crate::domain::id::{Iccid, ProviderKey};
use crate::domain::refund::Refund;

/// Why a refund has no place here.
pub(super) const NOT_ESIMS: &str = "Airalo refunds eSIMs";

/// Between two eSIMs: the contract's example has two blanks, which mean nothing to a reader of JSON.
/// \[contract]
const BETWEEN_ICCIDS: &str = ",  ";

/// Why a call cannot be written.
pub(super) enum Unfit {
    /// These refunds cannot share it.
    Call(&'static str),
    /// The provider would refuse each of them.
    Refunds(String),
}

/// The body of the call for these refunds.
pub(super) fn form_of(refunds: &[Refund]) -> Result<Form, Unfit> {
    let Some((first, others)) = refunds.split_first() else { return Err(Unfit::Call("no refund was given")) };
    let shared = |refund: &Refund| {
        let content = &refund.content;
        (content.reason, content.provider_reason.clone(), content.notes.clone(), content.email.clone())
    };
    if others.iter().any(|other| shared(other) != shared(first)) {
        return Err(Unfit::Call("the refunds differ in reason, notes or email"));
    }
    if refunds.iter().any(|refund| refund.content.iccids().is_empty()) {
        return Err(Unfit::Call(NOT_ESIMS));
    }
    let iccids: Vec<&Iccid> = refunds.iter().flat_map(|refund| refund.content.iccids()).collect();
    if iccids.len() > ICCIDS_PER_CALL_MAX {
        return Err(Unfit::Call("more eSIMs than a call may hold"));
    }
    let told = reason::told(&first.content).map_err(Unfit::Refunds)?;
    let email = first.content.email.as_deref().filter(|email| !email.is_empty());
    let fields = Fields { iccids: &iccids, reason: told.reason, notes: told.notes, email };
    form(first.key, &fields)
        .ok_or_else(|| Unfit::Refunds("notes and email must hold no control characters".to_owned()))
}

/// What the contract names `iccids`, `reason`, `notes` and `email`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) iccids: &'a [&'a Iccid],
    pub(super) reason: &'a str,
    pub(super) notes: &'a str,
    pub(super) email: Option<&'a str>,
}

/// A body and its media type, which names the boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) media_type: String,
    pub(super) body: Vec<u8>,
}

/// The form of a call whose oldest refund has this key: the same bytes for the same call.
///
/// `None` if a value holds a control character. Accepted refunds hold none; without a line break no value
/// can end its part.
pub(super) fn form(key: ProviderKey, fields: &Fields<'_>) -> Option<Form> {
    if [fields.notes, fields.email.unwrap_or_default()].iter().any(|text| text.contains(char::is_control)) {
        return None;
    }
    let boundary = format!("------------------------{}", key.0.simple());
    let (iccids, reason) = (json_array(fields.iccids), format!("\"{}\"", fields.reason));
    let parts = [("iccids", iccids.as_str()), ("reason", reason.as_str()), ("notes", fields.notes)];
    let email = fields.email.map(|email| ("email", email));
    let mut body = String::new();
    for (name, value) in parts.into_iter().chain(email) {
        body.extend(["--", &boundary, "\r\nContent-Disposition: form-data; name=\"", name, "\"\r\n\r\n"]);
        body.extend([value, "\r\n"]);
    }
    body.extend(["--", &boundary, "--\r\n"]);
    Some(Form { media_type: format!("multipart/form-data; boundary={boundary}"), body: body.into_bytes() })
}

/// An array of JSON as text. Digits need no escapes.
fn json_array(iccids: &[&Iccid]) -> String {
    let quoted: Vec<String> = iccids.iter().map(|iccid| format!("\"{iccid}\"")).collect();
    format!("[{}]", quoted.join(BETWEEN_ICCIDS))
}
