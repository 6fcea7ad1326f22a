//! The table of Worldline's behaviours: the one place that says what each code does.
//!
//! Where Afterpay has the same fault it has the same code.

use super::{
    plan::{self, Plan},
    problem::{self, Names, Problem},
};
use crate::sandbox::faults::{Answer, Behaviour, Commit, KeyMemory, Lookup, Script, Times, script_of};
use Alteration as A;
use Answer::{
    Empty, Endless, Garbage, Hold, HtmlOk, Oversized, Redirect, Reset, ResetInBody, Truncated, Usual,
};
use Commit::{AtOnce, Late, Never};

/// Answers that only Worldline gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own {
    Problem(&'static Problem),
    /// An error whose parts go by other names.
    Named(&'static Problem, Names),
    /// 429 with `Retry-After`.
    RateLimited,
    /// A page of the edge in front of the API.
    Html(u16, &'static str),
    /// A status alone.
    Bare(u16),
    /// The usual 200, changed.
    Alter(Alteration),
    /// The refund takes this course.
    Course(&'static Plan),
    /// The refund takes this course, the answer lists those made by others since as well.
    CourseListed(&'static Plan),
    /// The refund takes this course, and nobody is told.
    CourseHeld(&'static Plan),
}

/// What is wrong with a 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alteration {
    WholeOrder,
    NoTransactions,
    NoList,
    Before,
    Amount,
    Currency,
    OrderId,
    Status,
}

pub(super) type Row = Behaviour<Own>;

/// The behaviour of an order without faults.
pub(super) static OK: Row = always("00", "ok", AtOnce, Usual, "Nothing: as an order of kind `wl-1-`");

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

/// The course of a refund under a behaviour.
pub(super) fn plan(row: &Row) -> &'static Plan {
    match row.answer {
        Answer::Own(Own::Course(plan) | Own::CourseListed(plan) | Own::CourseHeld(plan)) => plan,
        _ => &plan::PROCESSED,
    }
}

/// The course of a refund under the behaviour of a name.
pub(super) fn plan_of(name: &str) -> &'static Plan {
    by_name(name).map_or(&plan::PROCESSED, plan)
}

/// Whether a behaviour wants an order of two payments.
pub(super) fn is_halved(row: &Row) -> bool {
    plan(row).halves
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

/// Each request of the order takes the course; repetitions go on with it.
const fn course(code: &'static str, name: &'static str, plan: &'static Plan, about: &'static str) -> Row {
    always(code, name, AtOnce, Answer::Own(Own::Course(plan)), about)
}

const fn says(problem: &'static Problem) -> Answer<Own> {
    Answer::Own(Own::Problem(problem))
}

const fn named(problem: &'static Problem, names: Names) -> Answer<Own> {
    Answer::Own(Own::Named(problem, names))
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
    course("01", "declined", &plan::DECLINED, "200, `Declined` 22027"),
    course("02", "rejected", &plan::REJECTS, "200, `Rejected` 22027"),
    course("03", "declined_exceeds", &plan::DECLINED_EXCEEDS, "200, `Declined` 22041"),
    course("04", "declined_duplicate", &plan::DECLINED_DUPLICATE, "200, `Declined` 11001"),
    course("05", "declined_merchant", &plan::DECLINED_MERCHANT,
        "200, `Declined` 24001 (configuration); the same key again is `Processed`"),
    course("06", "declined_authentication", &plan::DECLINED_AUTHENTICATION,
        "200, `Declined` 39002 (configuration); the same key again is `Processed`"),
    course("07", "payout", &plan::PAYOUT, "Takes effect as `Payout` in place of `Credit`"),
    first("08", "whole_order", AtOnce, altered(A::WholeOrder),
        "Takes effect; the answer lists all transactions of the order, not only the new ones"),
    course("09", "replays_then_processed", &plan::REPLAYS_PROCESSED,
        "200, `Registered`; `Processed` when the same key comes for the third time"),
    course("10", "replays_then_declined", &plan::REPLAYS_DECLINED,
        "200, `Registered`; `Declined` 22027 when the same key comes for the third time"),
    first("11", "unauthorized", Never, says(&problem::UNAUTHORIZED), "401, 39002"),
    first("12", "foreign_merchant", Never, says(&problem::FOREIGN_MID), "403, 24001"),
    first("13", "forbidden_html", Never, html(403, "Forbidden"), "403, HTML of the edge"),
    always("14", "not_found", Never, says(&problem::ORDER_UNKNOWN), "404, 22026"),
    first("15", "not_acceptable", Never, says(&problem::NOT_ACCEPTABLE), "406"),
    first("16", "conflict", Never, says(&problem::CONFLICT), "409, 33020, without effect"),
    first("17", "conflict_after_commit", AtOnce, says(&problem::CONFLICT),
        "Takes effect, answers 409, 33020"),
    always("18", "exceeds", Never, says(&problem::EXCEEDS), "400, 22041"),
    first("19", "unsupported_media_type", Never, says(&problem::UNSUPPORTED_MEDIA_TYPE), "415"),
    always("20", "other_currency", Never, says(&problem::OTHER_CURRENCY), "400, 22047"),
    first("21", "duplicate", Never, says(&problem::DUPLICATE), "400, 11001, without effect"),
    first("22", "duplicate_after_commit", AtOnce, says(&problem::DUPLICATE),
        "Takes effect, answers 400, 11001"),
    always("23", "invalid_input", Never, says(&problem::AMOUNT_INVALID), "400, 11023"),
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
    first("34", "request_timeout", Never, says(&problem::REQUEST_TIMEOUT), "408, no effect"),
    first("35", "request_timeout_after_commit", AtOnce, says(&problem::REQUEST_TIMEOUT),
        "Takes effect, answers 408"),
    first("36", "in_progress", Never, says(&problem::IN_PROGRESS), "400, 33020, without effect"),
    first("37", "in_progress_after_commit", AtOnce, says(&problem::IN_PROGRESS),
        "Takes effect, answers 400, 33020"),
    always("38", "exceeds_error_code", Never, named(&problem::EXCEEDS, Names::ErrorCode),
        "As 18, in the names `errorCode` and `message`"),
    course("39", "reads_then_declined", &plan::READS_DECLINED,
        "200, `Registered`; `Declined` 22027 from the second lookup on"),
    first("40", "timeout_before_commit", Never, Hold, "No effect, no answer: held for `hold_ms`, then reset"),
    first("41", "timeout_after_commit", AtOnce, Hold,
        "Takes effect, no answer: held for `hold_ms`, then reset"),
    first("42", "slow", Late, Usual,
        "Takes effect and answers after `slow_ms`; until then the key gets 400, 33020"),
    first("43", "reset_before_commit", Never, Reset, "No effect, the connection is reset"),
    first("44", "reset_after_commit", AtOnce, Reset, "Takes effect, the connection is reset"),
    first("45", "reset_in_body", AtOnce, ResetInBody, "Takes effect, 200, reset after half of the body"),
    first("46", "garbage_after_commit", AtOnce, Garbage, "Takes effect, 200 whose body is no JSON"),
    first("47", "html_after_commit", AtOnce, HtmlOk, "Takes effect, 200 with HTML"),
    first("48", "truncated_after_commit", AtOnce, Truncated,
        "Takes effect, 200, half of the promised body, then end"),
    first("49", "oversized_after_commit", AtOnce, Oversized, "Takes effect, 200 with 8 MiB of valid JSON"),
    first("50", "endless_after_commit", AtOnce, Endless, "Takes effect, 200, a byte per `drip_ms` for ever"),
    first("51", "redirect", Never, Redirect, "302 to `redirected`, no effect"),
    first("52", "empty_after_commit", AtOnce, Empty, "Takes effect, 200 without a body"),
    first("53", "no_transactions", AtOnce, altered(A::NoTransactions),
        "Takes effect, 200 with empty `transactionReferences`"),
    first("54", "no_transaction_list", AtOnce, altered(A::NoList),
        "Takes effect, 200 without `transactionReferences`"),
    first("55", "order_as_before", AtOnce, altered(A::Before),
        "Takes effect, 200 with the order as it was before"),
    first("56", "wrong_amount", AtOnce, altered(A::Amount),
        "Takes effect, 200 whose transaction has one minor unit more"),
    first("57", "wrong_currency", AtOnce, altered(A::Currency),
        "Takes effect, 200 whose transaction has another currency"),
    first("58", "wrong_order", AtOnce, altered(A::OrderId), "Takes effect, 200 with another `orderId`"),
    first("59", "unknown_status", AtOnce, altered(A::Status),
        "Takes effect, 200 whose transaction is `Accepted`, a word of no list"),
    always("60", "ignores_key", AtOnce, Usual, "Every call has an effect of its own").key(KeyMemory::Ignored),
    first("61", "ignores_key_timeout", AtOnce, Hold, "As 41, and every call has an effect of its own")
        .key(KeyMemory::Ignored),
    always("62", "forgets_key", AtOnce, Usual, "The key is forgotten after `key_memory_ms`")
        .key(KeyMemory::Forgotten),
    first("63", "forgets_key_timeout", AtOnce, Hold, "As 41, and the key is forgotten after `key_memory_ms`")
        .key(KeyMemory::Forgotten),
    course("64", "bank_unreachable", &plan::BANK_UNREACHABLE,
        "200, `System Error` 22021; the same key again is `Processed`"),
    course("65", "nothing_sent", &plan::NOTHING_SENT,
        "200, `System Error` 22014, nothing sent; the same key again is `Processed`"),
    course("66", "unknown", &plan::UNKNOWN,
        "200, `System Error` 22037, no effect; the same key again is `Processed`"),
    course("67", "unknown_after_commit", &plan::UNKNOWN_GIVEN,
        "Takes effect, 200, `System Error` 22037; the same key again is `Processed`"),
    course("68", "unknown_then_declined", &plan::UNKNOWN_DECLINED,
        "200, `System Error` 33004, no effect; the same key again is `Declined` 22027"),
    course("69", "always_unknown", &plan::UNKNOWN_ALWAYS, "200, `System Error` 33004, no effect, for ever"),
    always("70", "lookup_500", AtOnce, Usual, "The first 3 lookups answer 500").lookup(Lookup::Fails(3)),
    always("71", "lookup_hides", AtOnce, Hold, "As 41, on every call; lookups never show the refund")
        .lookup(Lookup::HidesRefunds),
    always("72", "lookup_404", AtOnce, Usual, "Lookups answer 404").lookup(Lookup::NotFound),
    always("73", "lookup_other_order", AtOnce, Usual, "Lookups show another order")
        .lookup(Lookup::OtherOrder),
    always("74", "lookup_timeout", AtOnce, Usual, "Lookups are held for `hold_ms`, then reset")
        .lookup(Lookup::Holds),
    always("75", "lookup_lags", AtOnce, Usual, "Lookups show a refund only after `review_ms`")
        .lookup(Lookup::Lags),
    course("76", "always_unknown_after_commit", &plan::UNKNOWN_GIVEN_ALWAYS,
        "Takes effect, 200, `System Error` 33004, for ever"),
    course("77", "reversed", &plan::TAKEN_BACK,
        "Takes effect; after `reversal_ms` a `Cancel` takes it back and `refundedAmount` goes down"),
    course("78", "bounced", &plan::BOUNCES,
        "Takes effect; after `reversal_ms` the `Credit` is `Declined` 22039 and `refundedAmount` goes down"),
    always("79", "timeout_then_registered", AtOnce, Answer::Own(Own::CourseHeld(&plan::REVIEW_PROCESSED)),
        "As 87, and no answer on any call: only a lookup tells"),
    always("80", "always_conflict", Never, says(&problem::CONFLICT), "409, 33020, without effect"),
    always("81", "always_500", Never, bare(500), "500 without a body, no effect"),
    always("82", "always_timeout", Never, Hold, "As 40"),
    always("83", "always_timeout_after_commit", AtOnce, Hold, "As 41: only a lookup tells"),
    always("84", "always_unavailable", Never, html(503, "Service Unavailable"), "503, HTML, no effect"),
    always("85", "always_rate_limited", Never, Answer::Own(Own::RateLimited), "As 25"),
    always("86", "always_unauthorized", Never, says(&problem::UNAUTHORIZED), "401, 39002"),
    course("87", "registered_then_processed", &plan::REVIEW_PROCESSED,
        "200, `Registered`; `Processed` after `review_ms`"),
    course("88", "registered_then_declined", &plan::REVIEW_DECLINED,
        "200, `Registered`; `Declined` 22027 after `review_ms`"),
    course("89", "reads_then_processed", &plan::READS_PROCESSED,
        "200, `Registered`; `Processed` from the second lookup on"),
    course("90", "always_registered", &plan::REGISTERED_ALWAYS, "200, `Registered` for ever"),
    course("91", "split_declined", &plan::SPLIT_DECLINED,
        "Two halves: one `Processed`, one `Declined` 22027"),
    course("92", "split_pending", &plan::SPLIT_PENDING,
        "Two halves: one `Processed`, one `Registered`, which is `Processed` after `review_ms`"),
    course("93", "split_pending_declined", &plan::SPLIT_PENDING_DECLINED,
        "Two halves: one `Processed`, one `Registered`, which is `Declined` 22027 after `review_ms`"),
    course("94", "split_all_declined", &plan::SPLIT_ALL_DECLINED,
        "Two halves: `Declined` 22027 and `Declined` 22030"),
    course("95", "split_unknown", &plan::SPLIT_UNKNOWN,
        "Two halves: one `Processed`, one `System Error` 22037; the same key again: both `Processed`"),
    course("96", "foreign_refund", &plan::FOREIGN,
        "Somebody else's refund of 100 minor units comes just before; then takes effect"),
    always("97", "foreign_refund_listed", AtOnce, Answer::Own(Own::CourseListed(&plan::FOREIGN)),
        "As 96, and the answer lists the other refund too"),
    course("98", "foreign_refund_declined", &plan::FOREIGN_DECLINED,
        "Somebody else's refund of the same amount comes just before; ours is `Declined` 22041"),
    first("99", "foreign_refund_timeout", Never, Answer::Own(Own::CourseHeld(&plan::FOREIGN_LOST)),
        "Somebody else's refund of the same amount comes just before; as 40"),
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
