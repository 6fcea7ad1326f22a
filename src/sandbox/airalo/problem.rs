//! Airalo's refusals, in the four shapes that its documents show.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::sandbox::reply::Plain;

/// The reasons that a refund request may give [doc: request refund].
macro_rules! reasons {
    () => {
        "INSTALLATION_FAILURE, NO_COVERAGE, APN_FAILURE, TRIP_CANCELLATION, INTERMITTENT_CONNECTION, \
         BLOCKED_NETWORK, CHANGE_OF_PLAN, DELETED_ESIM, EARLY_EXPIRY, HOTSPOT_NOT_WORKING, IMSI_CHANGE, \
         INCOMPATIBLE_DEVICE, LOCKED_DEVICE, NO_VOICE_TEXT_SERVICES, OVERCHARGED, SLOW_SPEED, \
         TOP_UP_PACKAGE_FAILURE, UNKNOWN_CHARGES, WRONG_PURCHASE, UNABLE_TO_ACCESS_APPS, \
         SERVICE_DEGRADATION, QR_ISSUE_PARTNERS, OTHERS"
    };
}

/// Whether `reason` is one of the 23 that are documented.
pub(super) fn is_reason(reason: &str) -> bool {
    reasons!().split(", ").any(|known| known == reason)
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// `{"data":[],"meta":{"message":..}}`
    Message(u16, Cow<'static, str>),
    /// 422 `{"data":{"<field>":".."},"meta":{"message":"the parameter is invalid"}}`
    Field(&'static str, &'static str),
    /// The same for several fields at once.
    Fields(Vec<(String, &'static str)>),
    /// `{"code":..,"reason":..}`
    Coded(u16, u16, Cow<'static, str>),
    /// `{"message":..}`
    Bare(u16, &'static str),
}

impl Problem {
    /// 422 that names the eSIMs of others.
    pub(super) fn foreign(iccids: &[String]) -> Self {
        let message = format!("The following ICCIDs do not belong to your company: {}", iccids.join(", "));
        Self::Message(422, message.into())
    }

    /// 422 with code 73 [doc: error handling]; it is not listed for refunds.
    pub(super) fn recycled(iccid: &str) -> Self {
        let reason =
            format!("The eSIM with iccid {iccid} has been recycled. It can no longer be used or topped up.");
        Self::Coded(422, 73, reason.into())
    }

    pub(super) fn answer(&self) -> Plain {
        match self {
            Self::Message(status, message) => {
                json(*status, &json!({"data": [], "meta": {"message": message}}))
            }
            Self::Field(field, text) => fields(&Map::from_iter([((*field).to_owned(), json!(text))])),
            Self::Fields(list) => {
                fields(&list.iter().map(|(field, text)| (field.clone(), json!(text))).collect())
            }
            Self::Coded(status, code, reason) => json(*status, &json!({"code": code, "reason": reason})),
            Self::Bare(status, message) => json(*status, &json!({"message": message})),
        }
    }
}

fn fields(data: &Map<String, Value>) -> Plain {
    json(422, &json!({"data": data, "meta": {"message": "the parameter is invalid"}}))
}

/// Compact JSON, as the published answers of live calls are.
pub(super) fn json<T: Serialize>(status: u16, value: &T) -> Plain {
    let body = serde_json::to_vec(value).unwrap_or_else(|error| {
        tracing::error!(%error, "sandbox cannot write a body");
        Vec::new()
    });
    Plain::json(status, body)
}

const fn message(status: u16, text: &'static str) -> Problem {
    Problem::Message(status, Cow::Borrowed(text))
}

// Credentials and tokens [doc: request access token, error handling].
pub(super) static UNAUTHENTICATED: Problem = message(
    401,
    "Authentication failed. This could be due to an expired token, please generate a new token. If the issue \
     persists, verify your client_id and client_secret are correct.",
);
pub(super) static WRONG_SECRET: Problem = message(401, "Client authentication failed");
pub(super) static WRONG_CLIENT: Problem = Problem::Field("client_id", "The selected client id is invalid.");
/// Wording \[assumed].
pub(super) static WRONG_GRANT: Problem = Problem::Field("grant_type", "The selected grant type is invalid.");

/// Code and text [doc: error handling]; that they come in the coded shape is \[assumed].
pub(super) static NOT_ALLOWLISTED: Problem = Problem::Coded(
    403,
    89,
    Cow::Borrowed(
        "Your IP address is not permitted to access the Partner API. Add it to your API IP allowlist in the \
         Partner Platform, or contact your account manager.",
    ),
);

// Request Refund [doc: request refund].
pub(super) static TOO_MANY_ATTEMPTS: Problem = Problem::Bare(429, "Too Many Attempts.");
pub(super) static ICCIDS_REQUIRED: Problem = message(422, "The iccids field is required.");
pub(super) const REASON_INVALID_TEXT: &str =
    concat!("The selected reason is invalid. It must be one of the following: ", reasons!());
pub(super) static REASON_INVALID: Problem = Problem::Field("reason", REASON_INVALID_TEXT);

// Fields whose refusals are not published: the shape of the reason's, the wording [assumed].
pub(super) const REASON_REQUIRED_TEXT: &str = "The reason field is required.";
pub(super) const ICCIDS_NOT_LIST_TEXT: &str = "The iccids must be an array.";
pub(super) const ICCIDS_TOO_MANY_TEXT: &str = "The iccids may not have more than 5 items.";
pub(super) const ICCID_INVALID_TEXT: &str = "The iccid must be a string of digits.";
pub(super) const NOTES_TOO_LONG_TEXT: &str = "The notes may not be greater than 255 characters.";
pub(super) const NOTES_REQUIRED_TEXT: &str = "The notes field is required when reason is OTHERS.";
pub(super) const EMAIL_INVALID_TEXT: &str = "The email must be a valid email address.";
pub(super) static NOTES_TOO_LONG: Problem = Problem::Field("notes", NOTES_TOO_LONG_TEXT);
pub(super) static EMAIL_INVALID: Problem = Problem::Field("email", EMAIL_INVALID_TEXT);
pub(super) static ICCIDS_TOO_MANY: Problem = Problem::Field("iccids", ICCIDS_TOO_MANY_TEXT);

/// [doc: error handling]; not listed for refunds.
pub(super) static UNEXPECTED: Problem = Problem::Coded(
    422,
    53,
    Cow::Borrowed(
        "Something unexpected happened. We're working to resolve the issue. Please try again later.",
    ),
);

/// The shape [doc: usage endpoint].
pub(super) static NOT_FOUND: Problem = message(404, "messages.resource_not_found");

// What the framework behind the API says when left alone [assumed].
pub(super) static BAD_REQUEST: Problem = Problem::Bare(400, "Bad Request");
pub(super) static METHOD_NOT_ALLOWED: Problem =
    Problem::Bare(405, "The method is not supported for this route.");
pub(super) static SERVER_ERROR: Problem = Problem::Bare(500, "Server Error");

#[cfg(test)]
mod tests {
    use super::{Problem, REASON_INVALID, is_reason};

    #[test]
    fn the_refusal_of_a_reason_names_all_23() {
        let text = String::from_utf8(REASON_INVALID.answer().body).unwrap();
        assert_eq!(text.matches(", ").count(), 22);
        assert!(text.ends_with(r#"OTHERS"},"meta":{"message":"the parameter is invalid"}}"#), "{text}");
        assert!(is_reason("OTHERS") && is_reason("SERVICE_DEGRADATION") && !is_reason("SERVICE_ISSUES"));
    }

    #[test]
    fn foreign_esims_are_named_as_published() {
        let iccids = ["894000000000001", "894000000000002"].map(str::to_owned);
        let text = String::from_utf8(Problem::foreign(&iccids).answer().body).unwrap();
        assert_eq!(
            text,
            "{\"data\":[],\"meta\":{\"message\":\"The following ICCIDs do not belong to your company: \
             894000000000001, 894000000000002\"}}"
        );
    }
}
