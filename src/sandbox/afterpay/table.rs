//! The table of Afterpay's behaviours: the one place that says what each code does.

use super::problem::{self, Problem};
use crate::sandbox::faults::{Answer, Behaviour, Commit, KeyMemory, Lookup, Script, Times, script_of};
use Alteration as A;
use Answer::{
    Empty, Endless, Garbage, Hold, HtmlOk, Oversized, Redirect, Reset, ResetInBody, Truncated, Usual,
};
use Commit::{AtOnce, Late, Never};

/// Answers that only Afterpay gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own {
    Problem(&'static Problem),
    /// 429 with `Retry-After`.
    RateLimited,
    /// A page of the edge in front of the API.
    Html(u16, &'static str),
    /// A status alone.
    Bare(u16),
    /// The usual 201, changed.
    Alter(Alteration),
}

/// What is wrong with a 201.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alteration {
    NoRefundId,
    NoEcho,
    RequestId,
    Amount,
    Currency,
    MerchantReference,
    RefundMerchantReference,
}

pub(super) type Row = Behaviour<Own>;

/// The behaviour of an order without faults.
pub(super) static OK: Row = always("00", "ok", AtOnce, Usual, "Nothing: as an order of kind 1");

/// The row of a two-digit code.
pub(super) fn by_code(code: &str) -> Option<&'static Row> {
    rows().find(|row| row.code == code)
}

/// The row of a name.
pub(super) fn by_name(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name)
}

/// All rows, in the order of their codes.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    std::iter::once(&OK).chain(TABLE)
}

/// The script that a code in an order id stands for.
pub(super) fn script(code: &str) -> Option<Script<Own>> {
    by_code(code).map(|row| script_of(row, &OK))
}

const fn always(
    code: &'static str,
    name: &'static str,
    commit: Commit,
    answer: Answer<Own>,
    about: &'static str,
) -> Row {
    let (times, key, lookup) = (Times::Always, KeyMemory::Kept, Lookup::Usual);
    Behaviour { code, name, commit, answer, times, key, lookup, about }
}

const fn first(
    code: &'static str,
    name: &'static str,
    commit: Commit,
    answer: Answer<Own>,
    about: &'static str,
) -> Row {
    many(code, name, commit, answer, about, 1)
}

const fn many(
    code: &'static str,
    name: &'static str,
    commit: Commit,
    answer: Answer<Own>,
    about: &'static str,
    times: usize,
) -> Row {
    Behaviour { times: Times::First(times), ..always(code, name, commit, answer, about) }
}

const fn says(problem: &'static Problem) -> Answer<Own> {
    Answer::Own(Own::Problem(problem))
}

const fn html(status: u16, title: &'static str) -> Answer<Own> {
    Answer::Own(Own::Html(status, title))
}

const fn bare(status: u16) -> Answer<Own> {
    Answer::Own(Own::Bare(status))
}

const fn altered(alteration: Alteration) -> Answer<Own> {
    Answer::Own(Own::Alter(alteration))
}

#[rustfmt::skip] // It is read as a table.
static TABLE: &[Row] = &[
    always("10", "invalid_amount", Never, says(&problem::EXCEEDS_AVAILABLE), "422 `invalid_amount`"),
    first("11", "unauthorized", Never, says(&problem::UNAUTHORIZED), "401 `unauthorized`"),
    first("12", "insufficient_permissions", Never, says(&problem::INSUFFICIENT_PERMISSIONS), "403, JSON"),
    first("13", "forbidden_html", Never, html(403, "Forbidden"), "403, HTML of the edge"),
    always("14", "not_found", Never, says(&problem::NOT_FOUND), "404 `not_found`"),
    first("15", "not_acceptable", Never, says(&problem::NOT_ACCEPTABLE), "406"),
    first("16", "conflict", Never, says(&problem::CONFLICT), "409, without effect"),
    first("17", "conflict_after_commit", AtOnce, says(&problem::CONFLICT), "Takes effect, answers 409"),
    always("18", "precondition_failed", Never, says(&problem::PRECONDITION_FAILED),
        "412 `precondition_failed`"),
    first("19", "unsupported_media_type", Never, says(&problem::UNSUPPORTED_MEDIA_TYPE), "415"),
    always("20", "invalid_object", Never, says(&problem::OTHER_CURRENCY), "422 `invalid_object`"),
    always("21", "refund_timelimit_exceeded", Never, says(&problem::TIME_LIMIT),
        "422 `refund_timelimit_exceeded`"),
    always("22", "unsupported_currency", Never, says(&problem::CURRENCY_UNSUPPORTED),
        "422 `unsupported_currency`"),
    first("23", "invalid_json", Never, says(&problem::INVALID_JSON), "400 `invalid_json`"),
    first("24", "method_not_allowed", Never, says(&problem::METHOD_NOT_ALLOWED), "405"),
    first("25", "rate_limited", Never, Answer::Own(Own::RateLimited),
        "429 with `Retry-After: {retry_after_s}`"),
    first("26", "rate_limited_bare", Never, says(&problem::TOO_MANY_REQUESTS), "429 without `Retry-After`"),
    first("27", "error_500_empty", Never, bare(500), "500 without a body, no effect"),
    first("28", "error_500", Never, says(&problem::INTERNAL), "500, JSON, no effect"),
    first("29", "error_500_after_commit", AtOnce, says(&problem::INTERNAL),
        "Takes effect, answers 500, JSON"),
    many("30", "unavailable", Never, html(503, "Service Unavailable"), "503, HTML, no effect", 2),
    first("31", "edge_timeout", Never, html(524, "A timeout occurred"), "524, HTML, no effect"),
    first("32", "edge_timeout_after_commit", AtOnce, html(524, "A timeout occurred"),
        "Takes effect, 524, HTML"),
    first("33", "bad_gateway_after_commit", AtOnce, html(502, "Bad gateway"), "Takes effect, 502, HTML"),
    first("40", "timeout_before_commit", Never, Hold, "No effect, no answer: held for `hold_ms`, then reset"),
    first("41", "timeout_after_commit", AtOnce, Hold,
        "Takes effect, no answer: held for `hold_ms`, then reset"),
    first("42", "slow", Late, Usual, "Takes effect and answers after `slow_ms`; until then the key gets 409"),
    first("43", "reset_before_commit", Never, Reset, "No effect, the connection is reset"),
    first("44", "reset_after_commit", AtOnce, Reset, "Takes effect, the connection is reset"),
    first("45", "reset_in_body", AtOnce, ResetInBody, "Takes effect, 201, reset after half of the body"),
    first("46", "garbage_after_commit", AtOnce, Garbage, "Takes effect, 201 whose body is no JSON"),
    first("47", "html_after_commit", AtOnce, HtmlOk, "Takes effect, 200 with HTML"),
    first("48", "truncated_after_commit", AtOnce, Truncated,
        "Takes effect, 201, half of the promised body, then end"),
    first("49", "oversized_after_commit", AtOnce, Oversized, "Takes effect, 201 with 8 MiB of valid JSON"),
    first("50", "endless_after_commit", AtOnce, Endless, "Takes effect, 201, a byte per `drip_ms` for ever"),
    first("51", "redirect", Never, Redirect, "302 to `redirected`, no effect"),
    first("52", "empty_after_commit", AtOnce, Empty, "Takes effect, 201 without a body"),
    first("53", "no_refund_id", AtOnce, altered(A::NoRefundId), "Takes effect, 201 without `refundId`"),
    first("54", "no_echo", AtOnce, altered(A::NoEcho),
        "Takes effect, 201 with `refundId` and `refundedAt` alone"),
    first("55", "wrong_request_id", AtOnce, altered(A::RequestId),
        "Takes effect, 201 with another `requestId`"),
    first("56", "wrong_amount", AtOnce, altered(A::Amount), "Takes effect, 201 with an amount 0.01 higher"),
    first("57", "wrong_currency", AtOnce, altered(A::Currency), "Takes effect, 201 in another currency"),
    first("58", "wrong_reference", AtOnce, altered(A::MerchantReference),
        "Takes effect, other `merchantReference`"),
    first("59", "wrong_refund_reference", AtOnce, altered(A::RefundMerchantReference),
        "Takes effect, other `refundMerchantReference`"),
    always("60", "ignores_key", AtOnce, Usual, "Every call has an effect of its own").key(KeyMemory::Ignored),
    first("61", "ignores_key_timeout", AtOnce, Hold, "As 41, and every call has an effect of its own")
        .key(KeyMemory::Ignored),
    always("62", "forgets_key", AtOnce, Usual, "The key is forgotten after `key_memory_ms`")
        .key(KeyMemory::Forgotten),
    first("63", "forgets_key_timeout", AtOnce, Hold, "As 41, and the key is forgotten after `key_memory_ms`")
        .key(KeyMemory::Forgotten),
    always("70", "lookup_500", AtOnce, Usual, "The first 3 lookups answer 500").lookup(Lookup::Fails(3)),
    always("71", "lookup_hides", AtOnce, Hold, "As 41, on every call; lookups never show the refund")
        .lookup(Lookup::HidesRefunds),
    always("72", "lookup_404", AtOnce, Usual, "Lookups answer 404").lookup(Lookup::NotFound),
    always("73", "lookup_other_order", AtOnce, Usual, "Lookups show another order")
        .lookup(Lookup::OtherOrder),
    always("74", "lookup_timeout", AtOnce, Usual, "Lookups are held for `hold_ms`, then reset")
        .lookup(Lookup::Holds),
    always("80", "always_conflict", Never, says(&problem::CONFLICT), "409, without effect"),
    always("81", "always_500", Never, bare(500), "500 without a body, no effect"),
    always("82", "always_timeout", Never, Hold, "As 40"),
    always("83", "always_timeout_after_commit", AtOnce, Hold, "As 41: only a lookup tells"),
    always("84", "always_unavailable", Never, html(503, "Service Unavailable"), "503, HTML, no effect"),
    always("85", "always_rate_limited", Never, Answer::Own(Own::RateLimited), "As 25"),
    always("86", "always_unauthorized", Never, says(&problem::UNAUTHORIZED), "401 `unauthorized`"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::rows;

    #[test]
    fn codes_and_names_are_distinct_and_codes_have_two_digits() {
        let codes: HashSet<_> = rows().map(|row| row.code).collect();
        let names: HashSet<_> = rows().map(|row| row.name).collect();
        assert_eq!((codes.len(), names.len()), (rows().count(), rows().count()));
        assert!(codes.iter().all(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_digit())));
    }

    #[test]
    fn rows_stand_in_the_order_of_their_codes() {
        assert!(rows().map(|row| row.code).is_sorted());
    }
}
