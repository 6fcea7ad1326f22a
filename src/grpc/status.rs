//! The only place that writes a `tonic::Status`: a code, a reason of a closed list, and what a caller can do
//! about it.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::service::{Error, FieldFault};
use crate::store;
use crate::telemetry::Chain;

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "refunds.v1";
/// When to try again what a moment's trouble refused.
const RETRY_SOON: Duration = Duration::from_secs(1);
/// When to try again what a full queue refused.
const RETRY_LATER: Duration = Duration::from_secs(30);

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $code:ident;)+) => {
        /// Every reason of an error, in order of precedence: when several hold, the first is told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)+ }

        impl Reason {
            /// The word in `ErrorInfo.reason`.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The code that it comes with.
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)+ }
            }
        }

        /// The table of `docs/errors.md`: reason, code, meaning.
        pub fn reasons_table() -> Vec<(&'static str, Code, String)> {
            vec![$(($word, Code::$code, concat!($($doc),+).trim().to_owned()),)+]
        }
    };
}

reasons! {
    /// No credentials were given and there is no default caller.
    MissingCredentials = "MISSING_CREDENTIALS", Unauthenticated;
    /// The bearer token belongs to nobody.
    BadCredentials = "BAD_CREDENTIALS", Unauthenticated;
    /// There is no such method. Look at the service by reflection.
    UnknownMethod = "UNKNOWN_METHOD", Unimplemented;
    /// The request is larger than the service reads. Nothing was done.
    MessageTooLarge = "MESSAGE_TOO_LARGE", InvalidArgument;
    /// The request is not the message that the method takes. Nothing was done.
    MalformedMessage = "MALFORMED_MESSAGE", InvalidArgument;
    /// The deadline of the call passed. What it asked may have been done: repeat with the same `request_id`.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded;
    /// Fields break rules; `BadRequest` names each field and its rule. Nothing was done.
    InvalidField = "INVALID_FIELD", InvalidArgument;
    /// The caller lacks the right that `metadata.right` names.
    RightMissing = "RIGHT_MISSING", PermissionDenied;
    /// There is no such refund, or it is another caller's.
    RefundNotFound = "REFUND_NOT_FOUND", NotFound;
    /// The `request_id` was used with other content; `metadata.fields` names what differs,
    /// `metadata.refund_id` the refund.
    RequestIdReused = "REQUEST_ID_REUSED", AlreadyExists;
    /// The service is shutting down: go on at another replica, with the same `request_id` or resume token.
    Draining = "DRAINING", Unavailable;
    /// There is no such account, or the caller may not use it.
    AccountNotFound = "ACCOUNT_NOT_FOUND", NotFound;
    /// The purchase is outside the provider's refund window.
    RefundWindowExpired = "REFUND_WINDOW_EXPIRED", FailedPrecondition;
    /// The state of the refund, `metadata.state`, does not allow what was asked.
    StateForbids = "STATE_FORBIDS", FailedPrecondition;
    /// What was sent may still be on its way: nobody can say yet what became of it. `RetryInfo` says when.
    AttemptOnItsWay = "ATTEMPT_ON_ITS_WAY", FailedPrecondition;
    /// The provider of the refund cannot be asked what became of it.
    NoLookup = "NO_LOOKUP", FailedPrecondition;
    /// There is no such discrepancy.
    DiscrepancyNotFound = "DISCREPANCY_NOT_FOUND", NotFound;
    /// The account has as many open refunds as it may: repeat later with the same `request_id`.
    QueueFull = "QUEUE_FULL", ResourceExhausted;
    /// The order is known to be in another currency; `metadata.currency_code` names it.
    CurrencyMismatch = "CURRENCY_MISMATCH", FailedPrecondition;
    /// `expected_remaining` does not hold; `metadata.remaining_minor` says what remains, where it is known.
    ExpectedRemainingChanged = "EXPECTED_REMAINING_CHANGED", FailedPrecondition;
    /// More than remains to be refunded on the order; `metadata.remaining_minor` says what remains.
    AmountExceedsRemaining = "AMOUNT_EXCEEDS_REMAINING", FailedPrecondition;
    /// An eSIM is in another refund that is open or succeeded; `metadata.iccid` names it.
    EsimTaken = "ESIM_TAKEN", FailedPrecondition;
    /// As many streams are open as may be: repeat later, or at another replica.
    TooManyStreams = "TOO_MANY_STREAMS", ResourceExhausted;
    /// The history at the token's position is no longer kept: start by a snapshot.
    HistoryGone = "HISTORY_GONE", OutOfRange;
    /// The database cannot be reached: repeat with the same `request_id`.
    DatabaseAway = "DATABASE_AWAY", Unavailable;
    /// A fault of the service. It is in the log under the trace of the call.
    Internal = "INTERNAL", Internal;
}

fn build(
    reason: Reason,
    message: impl Into<String>,
    metadata: HashMap<String, String>,
    mut details: ErrorDetails,
) -> Status {
    details.set_error_info(reason.word(), DOMAIN, metadata);
    Status::with_error_details(reason.code(), message, details)
}

fn plain(reason: Reason, message: impl Into<String>) -> Status {
    build(reason, message, HashMap::new(), ErrorDetails::new())
}

fn retry(reason: Reason, message: impl Into<String>, after: Duration) -> Status {
    build(reason, message, HashMap::new(), ErrorDetails::with_retry_info(Some(after)))
}

fn precondition(reason: Reason, subject: &str, message: String, metadata: HashMap<String, String>) -> Status {
    let details = ErrorDetails::with_precondition_failure_violation(reason.word(), subject, message.clone());
    build(reason, message, metadata, details)
}

/// The call has no caller.
pub(super) fn unauthenticated(token_given: bool) -> Status {
    if token_given {
        plain(Reason::BadCredentials, "the bearer token belongs to nobody")
    } else {
        plain(Reason::MissingCredentials, "give a bearer token in the authorization header")
    }
}

/// The deadline passed.
pub(super) fn deadline_exceeded() -> Status {
    let message = "the deadline passed; repeat with the same request_id";
    retry(Reason::DeadlineExceeded, message, Duration::ZERO)
}

/// Fields break rules.
pub(super) fn invalid(faults: &[FieldFault]) -> Status {
    let mut details = ErrorDetails::new();
    for fault in faults {
        details.add_bad_request_violation(&fault.field, &fault.rule);
    }
    let message = faults.iter().map(|f| format!("{}: {}", f.field, f.rule)).collect::<Vec<_>>().join("; ");
    build(Reason::InvalidField, message, HashMap::new(), details)
}

/// What a status of the transport's own making becomes, so that every error has details.
pub(super) fn dressed(status: &Status) -> Option<Status> {
    if !status.details().is_empty() {
        return None;
    }
    let message = status.message();
    match status.code() {
        Code::Ok | Code::Cancelled => None,
        Code::Unimplemented => Some(plain(Reason::UnknownMethod, "there is no such method")),
        Code::OutOfRange | Code::ResourceExhausted => {
            Some(plain(Reason::MessageTooLarge, "the request is larger than the service reads"))
        }
        Code::Internal | Code::InvalidArgument
            if message.contains("decod") || message.contains("rotobuf") =>
        {
            Some(plain(Reason::MalformedMessage, "the request is not the message that the method takes"))
        }
        Code::DeadlineExceeded => Some(deadline_exceeded()),
        Code::Unauthenticated => Some(unauthenticated(true)),
        Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Some(build(Reason::Internal, message, HashMap::new(), ErrorDetails::new())),
    }
}

/// What a use case refused. The cause of a fault of ours is logged here, where it ends, and not told.
pub(super) fn of(error: Error) -> Status {
    let one = |key: &str, value: String| HashMap::from([(key.to_owned(), value)]);
    let message = error.to_string();
    match error {
        Error::Invalid(faults) => invalid(&faults),
        Error::RightMissing(right) => {
            build(Reason::RightMissing, message, one("right", right.to_owned()), ErrorDetails::new())
        }
        Error::AccountNotFound(account) => {
            let mut details = ErrorDetails::new();
            details.set_resource_info("account", account, "", "no such account");
            build(Reason::AccountNotFound, message, HashMap::new(), details)
        }
        Error::RefundNotFound => plain(Reason::RefundNotFound, message),
        Error::KeyReused { refund_id, fields } => {
            let mut metadata = one("fields", fields.join(","));
            metadata.insert("refund_id".to_owned(), refund_id.to_string());
            build(Reason::RequestIdReused, message, metadata, ErrorDetails::new())
        }
        Error::AmountExceedsRemaining { remaining_minor } => {
            let metadata = one("remaining_minor", remaining_minor.to_string());
            precondition(Reason::AmountExceedsRemaining, "payment.amount", message, metadata)
        }
        Error::EsimTaken { iccid } => {
            let metadata = one("iccid", iccid.as_str().to_owned());
            precondition(Reason::EsimTaken, "esims.iccids", message, metadata)
        }
        Error::ExpectedRemainingChanged { remaining_minor } => {
            let metadata =
                remaining_minor.map_or_else(HashMap::new, |r| one("remaining_minor", r.to_string()));
            precondition(Reason::ExpectedRemainingChanged, "expected_remaining", message, metadata)
        }
        Error::CurrencyMismatch { order } => {
            let metadata = one("currency_code", order.code().to_owned());
            precondition(Reason::CurrencyMismatch, "payment.amount.currency_code", message, metadata)
        }
        Error::RefundWindowExpired(_) => {
            precondition(Reason::RefundWindowExpired, "purchase_time", message, HashMap::new())
        }
        Error::StateForbids { state, what: _ } => {
            let metadata = one("state", state.word().to_owned());
            precondition(Reason::StateForbids, "refund_id", message, metadata)
        }
        Error::AttemptOnItsWay { wait } => {
            let mut details = ErrorDetails::with_precondition_failure_violation(
                Reason::AttemptOnItsWay.word(),
                "refund_id",
                message.clone(),
            );
            details.set_retry_info(Some(wait));
            build(Reason::AttemptOnItsWay, message, HashMap::new(), details)
        }
        Error::NoLookup => precondition(Reason::NoLookup, "refund_id", message, HashMap::new()),
        Error::DiscrepancyNotFound => plain(Reason::DiscrepancyNotFound, message),
        Error::QueueFull => retry(Reason::QueueFull, message, RETRY_LATER),
        Error::TooManyStreams => retry(Reason::TooManyStreams, message, RETRY_LATER),
        Error::HistoryGone => plain(Reason::HistoryGone, message),
        Error::Draining => retry(Reason::Draining, message, Duration::ZERO),
        Error::Store(error) => of_store(&error),
    }
}

fn of_store(error: &store::Error) -> Status {
    match error {
        store::Error::Away { .. } => {
            tracing::warn!(error = %Chain(error), "the database is away");
            retry(Reason::DatabaseAway, "the database cannot be reached now", RETRY_SOON)
        }
        store::Error::Inconsistent { .. }
        | store::Error::Schema(_)
        | store::Error::InUse(_)
        | store::Error::AccountChanged { .. }
        | store::Error::Illegal(_)
        | store::Error::Refused { .. } => {
            tracing::error!(error = %Chain(error), "the store failed a call");
            plain(Reason::Internal, "a fault of the service; it is in its log")
        }
    }
}
