//! What this client takes for true without the contract saying so, to be confirmed with the provider.

use super::super::assumption::{Assumption, Mark};

const fn fact(fact: &'static str, mark: Mark, used_in: &'static str) -> Assumption {
    Assumption { fact, mark, used_in, setting: None }
}

const fn set_by(assumption: Assumption, setting: &'static str) -> Assumption {
    Assumption { setting: Some(setting), ..assumption }
}

/// All of it; the tables in `docs/providers/moyasar.md` carry marks of their own.
pub const ASSUMED: &[Assumption] = &[
    fact(
        "`transaction_id` is the id of the new refund transaction and the key of a repeat: the documents \
         call it the idempotency field of void and extend, and the contract's example shows one that is not \
         the server's",
        Mark::Infer,
        "nothing is resent until an answer has shown a transaction with the id that was sent",
    ),
    fact(
        "Any UUID is taken for it: the documents ask for version 7, the contract's example has version 4",
        Mark::Infer,
        "transaction_id is the key in its hyphenated form, version 4",
    ),
    set_by(
        fact(
            "An id is never forgotten, since it is the transaction's own",
            Mark::Infer,
            "the resend window, which only bounds how long a machine goes on",
        ),
        "resend_window_s",
    ),
    fact(
        "A repeat of an id whose refund is done answers 200 with the order as it stands",
        Mark::Infer,
        "reading the answer to a resend",
    ),
    fact(
        "A refusal is not tied to a key: that of a resend may be caused by the success of the first send",
        Mark::Assumed,
        "4xx declines are not conclusive; only our own failed transaction is",
    ),
    fact(
        "A known id may be refused with `errors.transaction_id`, as in 422 \"has already been taken\"",
        Mark::Assumed,
        "the table of answers: outcome unknown, the lookup decides",
    ),
    fact(
        "200 says that the refund was attempted: one that the issuer declined is a 200 with our transaction \
         failed",
        Mark::Infer,
        "reading a 2xx",
    ),
    fact(
        "The answer is one object; a list with just that object is read the same",
        Mark::Infer,
        "reading a 2xx and lookups",
    ),
    fact(
        "A transaction is reversed if it has reverse_reason or reversed_transaction_id, or another that has \
         not failed names it in reversed_transaction_id",
        Mark::Infer,
        "a reversed refund of ours is no success and no failure",
    ),
    fact(
        "What took all of a transaction back is approved, names it in reversed_transaction_id and is of as \
         much; where nothing names a transaction, its own reverse_reason says it",
        Mark::Infer,
        "a success of ours is reversed",
    ),
    fact(
        "A transaction that was approved and is failed now was taken back",
        Mark::Assumed,
        "a success of ours is reversed",
    ),
    fact(
        "A 400 whose message says \"processing\" in other words means the same as the documented one",
        Mark::Assumed,
        "the table of answers",
    ),
    fact(
        "More than remains is refused with 400 and a message, like every other business rule",
        Mark::Assumed,
        "such a refusal is `declined`, whatever the rule",
    ),
    fact("The text of a 404 is not published: any `message` is taken", Mark::Infer, "the table of answers"),
    fact(
        "A 401 or 403 without the provider's error object comes from an edge that knows of no refund",
        Mark::Assumed,
        "the table of answers",
    ),
    fact(
        "429 and Retry-After are not documented; without Retry-After the account keeps quiet for 30 s",
        Mark::Assumed,
        "the table of answers",
    ),
    fact(
        "One refund is at most 100000000 minor units, as authorize and void are",
        Mark::Infer,
        "a larger one is declined before anything is sent",
    ),
    fact(
        "The order that is read back has the id that was asked for; the contract's example has another",
        Mark::Assumed,
        "a lookup that shows another order tells no figures",
    ),
    fact(
        "captured_amount may leave out what `purchase` took: approved purchases count as captured too",
        Mark::Assumed,
        "the preflight and lookups",
    ),
    fact(
        "refunded_amount is the sum of the approved refunds; where these are more they count",
        Mark::Doc,
        "the preflight and lookups",
    ),
    set_by(
        fact(
            "No time limits are documented: 10 s to connect, 60 s for a refund, 20 s for a lookup",
            Mark::Assumed,
            "the time limits",
        ),
        "timeouts",
    ),
];
