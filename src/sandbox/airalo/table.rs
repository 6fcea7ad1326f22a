//! The table of Airalo's behaviours: the one place that says what each code does.

use super::{
    problem::{self, Problem},
    review::Review,
};
use crate::sandbox::faults::{Answer, Behaviour, Commit, KeyMemory, Lookup, Script, Times, script_of};
use Alteration as A;
use Answer::{
    Empty, Endless, Garbage, Hold, HtmlOk, Oversized, Redirect, Reset, ResetInBody, Truncated, Usual,
};
use Commit::{AtOnce, Late, Never};
use Own::{ExpiredToken, ForeignNamed, RateLimited, RateLimitedBare, Recycled};

/// Answers that only Airalo gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own {
    Problem(&'static Problem),
    /// 401; the token that came with the call is good for nothing from here on.
    ExpiredToken,
    /// 422 that names the eSIMs of this behaviour as foreign.
    ForeignNamed,
    /// 422 with code 73.
    Recycled,
    /// 429 with `Retry-After`.
    RateLimited,
    /// 429 without.
    RateLimitedBare,
    /// A page of the edge in front of the API.
    Html(u16, &'static str),
    /// A status alone.
    Bare(u16),
    /// The usual 202, changed.
    Alter(Alteration),
    /// The usual 202, and what becomes of the request.
    Review(Review),
}

/// What is odd about a 202.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alteration {
    NoRefundId,
    NullRefundId,
    NumericRefundId,
    DataList,
    NoCreatedAt,
    NoMeta,
    Status200,
}

pub(super) type Row = Behaviour<Own>;

/// The behaviour of an eSIM without faults.
pub(super) static OK: Row = always("00", "ok", AtOnce, Usual, "Nothing: as an eSIM of kind `8940`");

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

/// The script that a code in an ICCID stands for.
pub(super) fn script(code: &str) -> Option<Script<Own>> {
    by_code(code).map(|row| script_of(row, &OK))
}

/// Whether the row changes what the call does; the others say something of the eSIM's later life.
pub(super) fn decides(row: &Row) -> bool {
    row.commit != AtOnce || !matches!(row.answer, Usual | Answer::Own(Own::Review(_)))
}

/// Whether the row is about the eSIM as a whole, not about one call.
pub(super) fn is_of_esim(row: &Row) -> bool {
    row.is_of_order() || matches!(row.answer, Answer::Own(Own::Review(_)))
}

/// Whether the call is turned away before it counts for the rate limit \[assumed].
pub(super) fn is_free(row: &Row) -> bool {
    let Answer::Own(own) = row.answer else { return false };
    match own {
        ExpiredToken | RateLimited | RateLimitedBare => true,
        Own::Problem(problem) => {
            matches!(problem, Problem::Coded(403, ..) | Problem::Bare(401 | 403, _))
        }
        Own::Html(status, _) => status == 403,
        ForeignNamed | Recycled | Own::Bare(_) | Own::Alter(_) | Own::Review(_) => false,
    }
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

const fn reviewed(code: &'static str, name: &'static str, review: Review, about: &'static str) -> Row {
    always(code, name, AtOnce, Answer::Own(Own::Review(review)), about)
}

const fn seen(code: &'static str, name: &'static str, lookup: Lookup, about: &'static str) -> Row {
    always(code, name, AtOnce, Usual, about).lookup(lookup)
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

const fn own(own: Own) -> Answer<Own> {
    Answer::Own(own)
}

const fn odd(alteration: Alteration) -> Answer<Own> {
    Answer::Own(Own::Alter(alteration))
}

#[rustfmt::skip] // It is read as a table.
static TABLE: &[Row] = &[
    always("10", "foreign_iccids", Never, own(ForeignNamed),
        "422 that names the eSIM as foreign; nothing is taken"),
    always("11", "foreign_others_taken", AtOnce, own(ForeignNamed),
        "As 10, but the other eSIMs of the batch take effect"),
    always("12", "iccids_required", Never, says(&problem::ICCIDS_REQUIRED),
        "422 `The iccids field is required.`"),
    always("13", "reason_invalid", Never, says(&problem::REASON_INVALID),
        "422 on `reason`, with the 23 reasons"),
    always("14", "notes_invalid", Never, says(&problem::NOTES_TOO_LONG), "422 on `notes`"),
    always("15", "email_invalid", Never, says(&problem::EMAIL_INVALID), "422 on `email`"),
    always("16", "iccids_too_many", Never, says(&problem::ICCIDS_TOO_MANY), "422 on `iccids`"),
    first("17", "not_allowlisted", Never, says(&problem::NOT_ALLOWLISTED), "403, code 89"),
    first("18", "forbidden_html", Never, html(403, "Forbidden"), "403, HTML of the edge"),
    first("19", "expired_token", Never, own(ExpiredToken), "401; the call's token is refused from here on"),
    always("20", "recycled_esim", Never, own(Recycled), "422, code 73"),
    first("21", "coded_error", Never, says(&problem::UNEXPECTED), "422, code 53"),
    always("22", "not_found", Never, says(&problem::NOT_FOUND), "404"),
    first("23", "bad_request", Never, says(&problem::BAD_REQUEST), "400, JSON"),
    first("24", "method_not_allowed", Never, says(&problem::METHOD_NOT_ALLOWED), "405, JSON"),
    first("25", "rate_limited", Never, own(RateLimited),
        "429 with `Retry-After: {retry_after_s}`, though the call is within the limit"),
    first("26", "rate_limited_bare", Never, own(RateLimitedBare), "As 25 without `Retry-After`"),
    first("27", "error_500_empty", Never, bare(500), "500 without a body, no effect"),
    first("28", "error_500", Never, says(&problem::SERVER_ERROR), "500, JSON, no effect"),
    first("29", "error_500_after_commit", AtOnce, says(&problem::SERVER_ERROR),
        "Takes effect, answers 500, JSON"),
    many("30", "unavailable", Never, html(503, "Service Unavailable"), "503, HTML, no effect", 2),
    first("31", "unavailable_after_commit", AtOnce, html(503, "Service Unavailable"),
        "Takes effect, 503, HTML"),
    first("32", "gateway_timeout", Never, html(504, "Gateway Timeout"), "504, HTML, no effect"),
    first("33", "gateway_timeout_after_commit", AtOnce, html(504, "Gateway Timeout"),
        "Takes effect, 504, HTML"),
    first("34", "bad_gateway", Never, html(502, "Bad Gateway"), "502, HTML, no effect"),
    first("35", "bad_gateway_after_commit", AtOnce, html(502, "Bad Gateway"), "Takes effect, 502, HTML"),
    first("36", "not_implemented", Never, bare(501), "501 without a body, no effect"),
    first("37", "request_timeout", Never, bare(408), "408 without a body, no effect"),
    first("38", "request_timeout_after_commit", AtOnce, bare(408), "Takes effect, 408 without a body"),
    first("40", "timeout_before_commit", Never, Hold, "No effect, no answer: held for `hold_ms`, then reset"),
    first("41", "timeout_after_commit", AtOnce, Hold,
        "Takes effect, no answer: held for `hold_ms`, then reset"),
    first("42", "slow", Late, Usual, "Takes effect and answers after `slow_ms`"),
    first("43", "reset_before_commit", Never, Reset, "No effect, the connection is reset"),
    first("44", "reset_after_commit", AtOnce, Reset, "Takes effect, the connection is reset"),
    first("45", "reset_in_body", AtOnce, ResetInBody, "Takes effect, 202, reset after half of the body"),
    first("46", "garbage_after_commit", AtOnce, Garbage, "Takes effect, 202 whose body is no JSON"),
    first("47", "html_after_commit", AtOnce, HtmlOk, "Takes effect, 200 with HTML"),
    first("48", "truncated_after_commit", AtOnce, Truncated,
        "Takes effect, 202, half of the promised body, then end"),
    first("49", "oversized_after_commit", AtOnce, Oversized, "Takes effect, 202 with 8 MiB of valid JSON"),
    first("50", "endless_after_commit", AtOnce, Endless, "Takes effect, 202, a byte per `drip_ms` for ever"),
    first("51", "redirect", Never, Redirect, "302 to `redirected`, no effect"),
    first("52", "empty_after_commit", AtOnce, Empty, "Takes effect, 202 without a body"),
    first("53", "no_refund_id", AtOnce, odd(A::NoRefundId), "Takes effect, 202 without `refund_id`"),
    first("54", "null_refund_id", AtOnce, odd(A::NullRefundId), "Takes effect, 202, `refund_id` is null"),
    first("55", "numeric_refund_id", AtOnce, odd(A::NumericRefundId),
        "Takes effect, 202, `refund_id` is a number"),
    first("56", "data_list", AtOnce, odd(A::DataList), "Takes effect, 202, `data` is `[]`"),
    first("57", "no_created_at", AtOnce, odd(A::NoCreatedAt), "Takes effect, 202 without `created_at`"),
    first("58", "no_meta", AtOnce, odd(A::NoMeta), "Takes effect, 202 without `meta`"),
    first("59", "status_200", AtOnce, odd(A::Status200), "Takes effect, the usual body with 200"),
    reviewed("60", "approved_at_once", Review::AtOnce, "Approved in the moment of the request"),
    reviewed("61", "approved_partially", Review::Partially,
        "After `review_ms` the order is `partially_refunded`, half of it is credited"),
    reviewed("62", "rejected", Review::Never, "The order stays `completed`: rejected, or never decided"),
    reviewed("63", "reversed", Review::Reversed,
        "Approved after `review_ms`; `reversal_ms` later `completed` again and the credit gone"),
    reviewed("64", "already_refunded", Review::RefundedBefore, "The order was `refunded` before any request"),
    reviewed("65", "already_partially_refunded", Review::PartiallyBefore,
        "The order was `partially_refunded` before any request; after `review_ms` it is `refunded`"),
    seen("70", "lookup_500", Lookup::Fails(3), "The first 3 lookups answer 500"),
    always("71", "lookup_hides", AtOnce, Hold, "As 41, on every call; lookups never show what became of it")
        .lookup(Lookup::HidesRefunds),
    seen("72", "lookup_404", Lookup::NotFound, "Lookups answer 404"),
    seen("73", "lookup_other_order", Lookup::OtherOrder, "Lookups show the orders of other eSIMs alone"),
    seen("74", "lookup_timeout", Lookup::Holds, "Lookups are held for `hold_ms`, then reset"),
    seen("75", "lookup_lags", Lookup::Lags, "Lookups show a decision `review_ms` after it fell"),
    seen("76", "lookup_rate_limited", Lookup::Limited(3),
        "The first 3 lookups answer 429 with `Retry-After`"),
    always("80", "always_expired_token", Never, own(ExpiredToken),
        "401; the call's token is refused from here on"),
    always("81", "always_500", Never, bare(500), "500 without a body, no effect"),
    always("82", "always_timeout", Never, Hold, "As 40"),
    always("83", "always_timeout_after_commit", AtOnce, Hold, "As 41: only a lookup tells"),
    always("84", "always_unavailable", Never, html(503, "Service Unavailable"), "503, HTML, no effect"),
    always("85", "always_rate_limited", Never, own(RateLimited), "As 25"),
    always("86", "always_not_allowlisted", Never, says(&problem::NOT_ALLOWLISTED), "403, code 89"),
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
