//! What this client takes for true without the contract saying so, to be confirmed with the provider.

use super::super::assumption::{Assumption, Mark};

const fn fact(fact: &'static str, mark: Mark, used_in: &'static str) -> Assumption {
    Assumption { fact, mark, used_in, setting: None }
}

const fn assumed(text: &'static str, used_in: &'static str) -> Assumption {
    fact(text, Mark::Assumed, used_in)
}

const fn set_by(assumption: Assumption, setting: &'static str) -> Assumption {
    Assumption { setting: Some(setting), ..assumption }
}

/// All of it; the tables of answers in `docs/providers/worldline.md` carry marks of their own.
pub const ASSUMED: &[Assumption] = &[
    set_by(assumed("The live address is https://api.payments.worldline.com", "every request"), "base_url"),
    set_by(
        assumed(
            "requestId is a string at the top of the body: its REST place is not published",
            "the request",
        ),
        "worldline.request_id_place",
    ),
    set_by(
        assumed("The provider heeds requestId at that place", "resends, and whether a decline is final"),
        "worldline.request_id_confirmed",
    ),
    assumed("requestId may have the 36 characters of a UUID", "the request"),
    set_by(
        assumed("A requestId is remembered for at least an hour; no limit is published", "the resend window"),
        "resend_window_s",
    ),
    assumed("One transaction is named by a number `transactionId` at the top of the body", "the request"),
    fact(
        "A refund answers with the order in the shape of a lookup, its transactions included",
        Mark::Infer,
        "reading an answer",
    ),
    assumed("Any 2xx is such an answer", "reading an answer"),
    fact(
        "Ours are the Credit and Payout transactions that the order did not list before the first send",
        Mark::Infer,
        "reading an answer",
    ),
    fact("A repeat with the same requestId has no side effect", Mark::Contract, "resends"),
    fact(
        "Its answer lists the transactions of the first request, perhaps further on",
        Mark::Infer,
        "resends",
    ),
    fact(
        "Processed with code 0 is final; Registered is open; Declined and Rejected are final",
        Mark::Infer,
        "reading an answer",
    ),
    assumed("`Paid`, a status of an older list, is not taken for a success", "reading an answer"),
    fact(
        "Processed and Declined side by side end the refund with the processed sum",
        Mark::Assumed,
        "success",
    ),
    fact(
        "The status codes of 2015 still hold; the provider's page agrees as far as it shows them",
        Mark::Doc,
        "the table of codes",
    ),
    assumed("An error names its code as code, statusCode or errorCode", "the table of answers"),
    assumed("The codes of merchants and of authentication speak of the account", "the table of codes"),
    assumed(
        "A 401 or 403 without the provider's error object comes from an edge that knows of no refund",
        "the table of answers",
    ),
    assumed(
        "429 and Retry-After: without Retry-After the account keeps quiet for 30 s",
        "the table of answers",
    ),
    fact(
        "capturedAmount counts captures and debits, refundedAmount what was asked for, cleared or not",
        Mark::Infer,
        "the preflight and lookups",
    ),
    fact("A lookup lists every transaction of the order", Mark::Infer, "the preflight and lookups"),
    assumed(
        "A Credit or Payout that was Processed and is Declined now, by a code that declines, was taken back",
        "a success of ours is reversed",
    ),
    assumed(
        "A Cancel that is Processed with code 0 and names a Credit or Payout in refTransactionId took that \
         much of it back, and refundedAmount counts it no more",
        "a success of ours is reversed; the refunds of the order",
    ),
    fact("Reading an order asks no bank: it shows the platform's own state", Mark::Doc, "lookups"),
    set_by(
        assumed("Tokens are had at /api/v2/oauth2/tokens below the base URL", "tokens"),
        "worldline.token_url",
    ),
    assumed("A token is asked for by the form of RFC 7523 and answered by that of RFC 6749", "tokens"),
    assumed("A token that names no end holds for 300 s", "tokens"),
    assumed("The scope of a refund is named like that of a lookup; a space separates the two", "tokens"),
];
