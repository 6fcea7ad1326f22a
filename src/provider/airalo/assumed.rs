//! What this client takes for true without the contract saying so, to be confirmed with the provider.

use super::super::assumption::{Assumption, Mark};

const fn fact(fact: &'static str, mark: Mark, used_in: &'static str) -> Assumption {
    Assumption { fact, mark, used_in, setting: None }
}

const fn set_by(assumption: Assumption, setting: &'static str) -> Assumption {
    Assumption { setting: Some(setting), ..assumption }
}

const CALL: &str = "the refund call";
const TABLE: &str = "the table of answers";
const TOKEN: &str = "the token";
const LOOKUP: &str = "the preflight and lookups";

/// All of it; the tables of answers in `docs/providers/airalo.md` carry marks of their own.
pub const ASSUMED: &[Assumption] = &[
    set_by(
        fact("A call that is refused with 422 took none of its eSIMs", Mark::Assumed, TABLE),
        "airalo.batch_422_atomic",
    ),
    fact(
        "A refund call that is answered 429 took nothing; without Retry-After the account keeps \
         quiet for 300 s",
        Mark::Doc,
        TABLE,
    ),
    set_by(
        fact(
            "One refund call in 5 minutes per address; a later page says 5 in a minute",
            Mark::Contract,
            "the budget",
        ),
        "rate",
    ),
    fact(
        "Nothing makes a repeat safe: no key, no rule on duplicates",
        Mark::Doc,
        "a refund is never sent again",
    ),
    fact("One refund_id stands for all eSIMs of the call", Mark::Infer, "the reference of the case"),
    fact("At most 5 eSIMs in a call", Mark::Doc, CALL),
    fact(
        "Two blanks after each comma of `iccids`, quotes around the reason, none around notes and email: as \
         in the contract's example",
        Mark::Contract,
        CALL,
    ),
    fact(
        "`notes` is sent even if empty, as in the contract's example; an empty `email` is left \
         out",
        Mark::Assumed,
        CALL,
    ),
    fact(
        "The header `url`, which the contract's example has, is the base URL and means nothing",
        Mark::Contract,
        CALL,
    ),
    fact(
        "A complaint that names foreign eSIMs, none of which was sent, answers nothing that was asked",
        Mark::Assumed,
        TABLE,
    ),
    fact(
        "Codes 13, 14, 43, 53, 73 and 89 are documented for other calls and mean the same here",
        Mark::Assumed,
        TABLE,
    ),
    fact(
        "A 401 or 403 without the provider's error object comes from an edge that knows of no refund",
        Mark::Assumed,
        TABLE,
    ),
    fact(
        "A token lives for `expires_in`, 24 h at most: the text says 24 h, the example 366 days; 1 h if \
         it is not said",
        Mark::Doc,
        TOKEN,
    ),
    fact("A new token does not end an older one", Mark::Assumed, TOKEN),
    fact("The header `airalo-signature` of the provider's libraries is not needed", Mark::Assumed, TOKEN),
    fact(
        "An order shows its refund by its status alone: `refunded`, `partially_refunded`",
        Mark::Doc,
        LOOKUP,
    ),
    fact("A refusal after the review shows nowhere", Mark::Assumed, LOOKUP),
    fact(
        "An order that was `completed`, then refunded, and is `completed` again was taken back; no read of \
         orders shows them older than one made before it",
        Mark::Assumed,
        "a success of ours is reversed",
    ),
    fact("`filter[iccid]` finds every order of an eSIM, top-ups too", Mark::Assumed, LOOKUP),
    fact(
        "An order that shows no eSIMs counts as one more of the eSIM, and proves nothing",
        Mark::Assumed,
        LOOKUP,
    ),
];
