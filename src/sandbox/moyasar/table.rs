//! The table of Moyasar's behaviours: the one place that says what each code does.

use super::{
    problem::{self, Problem},
    transaction::{Fate, Status},
};
use crate::sandbox::faults::{Answer, Behaviour, Commit, KeyMemory, Lookup, Script, Times, script_of};
use Alteration as A;
use Answer::{
    Empty, Endless, Garbage, Hold, HtmlOk, Oversized, Redirect, Reset, ResetInBody, Truncated, Usual,
};
use Commit::{AtOnce, Late, Never};
use Status::{Approved, Failed, Initiated, SystemError, Timeout, Unheard};

/// Answers that only Moyasar gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own {
    Problem(&'static Problem),
    /// 400 "still processing", after a wait of `block_ms`.
    Blocked,
    /// 429 with `Retry-After`.
    RateLimited,
    /// A page of the edge in front of the API.
    Html(u16, &'static str),
    /// A status alone.
    Bare(u16),
    /// The usual 200, changed.
    Alter(Alteration),
    /// The usual 200, showing a refund with this fate.
    Becomes(Fate),
    /// A refund with this fate, and no answer.
    BecomesUnseen(Fate),
    /// The gateway gives the refund an id of its own; the usual answer.
    ServerId,
    /// The same without an answer.
    ServerIdUnseen,
}

impl Own {
    /// What becomes of a refund that is made now.
    pub(super) fn fate(self) -> Fate {
        match self {
            Self::Becomes(fate) | Self::BecomesUnseen(fate) => fate,
            Self::Problem(_)
            | Self::Blocked
            | Self::RateLimited
            | Self::Html(..)
            | Self::Bare(_)
            | Self::Alter(_)
            | Self::ServerId
            | Self::ServerIdUnseen => Fate::just(Approved),
        }
    }
}

/// What is wrong with a 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alteration {
    TransactionId,
    NoTransaction,
    NoTransactions,
    Amount,
    Currency,
    OrderId,
    Type,
}

pub(super) type Row = Behaviour<Own>;

/// The behaviour of an order without faults.
pub(super) static OK: Row = always("00", "ok", AtOnce, Usual, "Nothing: as an order `0191...`");

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
    rows().find(|row| row.code == code).map(|row| script_of(row, &OK))
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

const fn becomes(fate: Fate) -> Answer<Own> {
    Answer::Own(Own::Becomes(fate))
}

const fn unseen(fate: Fate) -> Answer<Own> {
    Answer::Own(Own::BecomesUnseen(fate))
}

const fn at_first(status: Status) -> Fate {
    Fate::just(status)
}

#[rustfmt::skip] // It is read as a table.
static TABLE: &[Row] = &[
    always("10", "over_refund", Never, says(&problem::EXCEEDS_REFUNDABLE), "400, more than is refundable"),
    first("11", "unauthorized", Never, says(&problem::UNAUTHENTICATED), "401"),
    first("12", "forbidden", Never, says(&problem::FORBIDDEN), "403, JSON"),
    first("13", "forbidden_html", Never, html(403, "Forbidden"), "403, HTML of the edge"),
    always("14", "not_found", Never, says(&problem::NOT_FOUND), "404"),
    always("15", "invalid_amount", Never, says(&problem::AMOUNT_TOO_LOW), "422 with `errors.amount`"),
    always("16", "id_taken", Never, says(&problem::ID_TAKEN), "422 with `errors.transaction_id`"),
    many("17", "still_processing", Never, says(&problem::STILL_PROCESSING),
        "400 `Initial request is still processing.`, no effect", 3),
    many("18", "still_processing_after_commit", AtOnce, says(&problem::STILL_PROCESSING),
        "Takes effect, answers as 17", 3),
    first("19", "blocked", Never, Answer::Own(Own::Blocked), "As 17, after a wait of `block_ms`"),
    first("20", "blocked_after_commit", AtOnce, Answer::Own(Own::Blocked),
        "Takes effect, answers as 17 after a wait of `block_ms`"),
    always("21", "not_refundable", Never, says(&problem::NOT_REFUNDABLE), "400, a broken business rule"),
    first("22", "bad_request_html", Never, html(400, "Bad Request"), "400, HTML of the edge"),
    first("23", "refused_after_commit", AtOnce, says(&problem::EXCEEDS_REFUNDABLE),
        "Takes effect, answers as 10"),
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
    first("34", "request_timeout", Never, bare(408), "408 without a body, no effect"),
    first("35", "request_timeout_after_commit", AtOnce, bare(408), "Takes effect, 408 without a body"),
    first("36", "conflict_after_commit", AtOnce, says(&problem::CONFLICT), "Takes effect, answers 409, JSON"),
    first("37", "too_early", Never, bare(425), "425 without a body, no effect"),
    first("40", "timeout_before_commit", Never, Hold, "No effect, no answer: held for `hold_ms`, then reset"),
    first("41", "timeout_after_commit", AtOnce, Hold,
        "Takes effect, no answer: held for `hold_ms`, then reset"),
    first("42", "slow", Late, Usual,
        "Takes effect and answers after `slow_ms`; repeats wait `block_ms` for it, then are answered as 17"),
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
    first("53", "other_transaction_id", AtOnce, altered(A::TransactionId),
        "Takes effect, 200 that shows the refund under another id"),
    first("54", "no_transaction", AtOnce, altered(A::NoTransaction),
        "Takes effect, 200 without the refund in `transactions`"),
    first("55", "no_transactions", AtOnce, altered(A::NoTransactions),
        "Takes effect, 200 without `transactions`"),
    first("56", "wrong_amount", AtOnce, altered(A::Amount), "Takes effect, 200 with an amount 1 higher"),
    first("57", "wrong_currency", AtOnce, altered(A::Currency), "Takes effect, 200 in another currency"),
    first("58", "wrong_order", AtOnce, altered(A::OrderId), "Takes effect, 200 with another order's `id`"),
    first("59", "wrong_type", AtOnce, altered(A::Type), "Takes effect, 200 that calls the refund a void"),
    always("60", "ignores_key", AtOnce, Usual, "Every call has an effect of its own, all under the id sent")
        .key(KeyMemory::Ignored),
    first("61", "ignores_key_timeout", AtOnce, Hold, "As 41, and every call has an effect of its own")
        .key(KeyMemory::Ignored),
    always("62", "forgets_key", AtOnce, Usual, "The id is forgotten after `key_memory_ms`")
        .key(KeyMemory::Forgotten),
    first("63", "forgets_key_timeout", AtOnce, Hold, "As 41, and the id is forgotten after `key_memory_ms`")
        .key(KeyMemory::Forgotten),
    always("64", "server_id", AtOnce, Answer::Own(Own::ServerId),
        "Every call has an effect of its own, under an id of the gateway").key(KeyMemory::Ignored),
    always("65", "server_id_timeout", AtOnce, Answer::Own(Own::ServerIdUnseen), "As 64 and 41, on every call")
        .key(KeyMemory::Ignored),
    always("70", "lookup_500", AtOnce, Usual, "The first 3 lookups answer 500").lookup(Lookup::Fails(3)),
    always("71", "lookup_hides", AtOnce, Hold, "As 41, on every call; lookups never show the refund")
        .lookup(Lookup::HidesRefunds),
    always("72", "lookup_404", AtOnce, Usual, "Lookups answer 404").lookup(Lookup::NotFound),
    always("73", "lookup_other_order", AtOnce, Usual, "Lookups show another order")
        .lookup(Lookup::OtherOrder),
    always("74", "lookup_timeout", AtOnce, Usual, "Lookups are held for `hold_ms`, then reset")
        .lookup(Lookup::Holds),
    first("75", "lookup_lags", AtOnce, Hold, "As 41; lookups show the order as it was `later_ms` ago")
        .lookup(Lookup::Lags),
    always("79", "always_rate_limited", Never, Answer::Own(Own::RateLimited), "As 25"),
    always("80", "failed", AtOnce, becomes(at_first(Failed)),
        "200, the refund is `failed`, response code 05: no effect"),
    always("81", "initiated_then_approved", AtOnce, becomes(at_first(Initiated).then(Approved)),
        "200, `initiated`; after `later_ms` `approved`, and it takes effect"),
    always("82", "initiated_then_failed", AtOnce, becomes(at_first(Initiated).then(Failed)),
        "200, `initiated`; after `later_ms` `failed`: no effect"),
    always("83", "initiated", AtOnce, becomes(at_first(Initiated)), "200, `initiated` for ever: no effect"),
    always("84", "timeout_status", AtOnce, becomes(at_first(Timeout)), "200, `timeout` for ever: no effect"),
    always("85", "timeout_then_approved", AtOnce, becomes(at_first(Timeout).then(Approved)),
        "200, `timeout`; after `later_ms` `approved`, and it takes effect"),
    always("86", "timeout_then_reversed", AtOnce, becomes(at_first(Timeout).then_reversed()),
        "200, `timeout`; after `later_ms` a `reversal` names it: no effect"),
    always("87", "system_error", AtOnce, becomes(at_first(SystemError)),
        "200, `system_error` for ever: no effect"),
    always("88", "approved_then_reversed", AtOnce, becomes(at_first(Approved).then_reversed()),
        "Takes effect, 200; after `later_ms` a `reversal` names it and `refunded_amount` goes down"),
    first("89", "failed_timeout", AtOnce, unseen(at_first(Failed)), "As 80, and no answer as with 41"),
    first("90", "initiated_then_approved_timeout", AtOnce, unseen(at_first(Initiated).then(Approved)),
        "As 81, and no answer as with 41"),
    first("91", "initiated_then_failed_timeout", AtOnce, unseen(at_first(Initiated).then(Failed)),
        "As 82, and no answer as with 41"),
    always("92", "unheard_status", AtOnce, becomes(at_first(Unheard)),
        "200, a status that no document knows, for ever: no effect"),
    always("93", "always_still_processing", Never, says(&problem::STILL_PROCESSING), "As 17"),
    always("94", "always_still_processing_after_commit", AtOnce, says(&problem::STILL_PROCESSING),
        "As 18: only a lookup tells"),
    always("95", "always_500", Never, bare(500), "500 without a body, no effect"),
    always("96", "always_timeout", Never, Hold, "As 40"),
    always("97", "always_timeout_after_commit", AtOnce, Hold, "As 41: only a lookup tells"),
    always("98", "always_unavailable", Never, html(503, "Service Unavailable"), "503, HTML, no effect"),
    always("99", "always_unauthorized", Never, says(&problem::UNAUTHENTICATED), "401"),
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
