//! What becomes of a refund once its request is in order: the faces that its transactions show, and when.

use serde::{Deserialize, Serialize};

/// The `status` of a transaction [doc: transaction model; `Rejected` from the older schema].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    Processed,
    Declined,
    Rejected,
    Registered,
    SystemError,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Processed => "Processed",
            Self::Declined => "Declined",
            Self::Rejected => "Rejected",
            Self::Registered => "Registered",
            Self::SystemError => "System Error",
        }
    }
}

/// How a transaction looks, and whether its money has gone back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Face {
    pub(super) status: Status,
    pub(super) code: u32,
    /// The money went back, whatever the status says.
    pub(super) gives: bool,
    /// A later `Cancel` transaction refers to it.
    pub(super) canceled: bool,
}

impl Face {
    const fn new(status: Status, code: u32, gives: bool) -> Self {
        Self { status, code, gives, canceled: false }
    }

    pub(super) const fn declined(code: u32) -> Self {
        Self::new(Status::Declined, code, false)
    }

    /// Whether the amount is no longer free for other refunds.
    pub(super) fn reserves(self) -> bool {
        self.gives || self.status == Status::Registered
    }

    /// Whether the order's `refundedAmount` counts it: requested with success, cleared or not [doc: order
    /// model; that `Registered` counts is inferred from it].
    pub(super) fn counts(self) -> bool {
        matches!(self.status, Status::Processed | Status::Registered) && !self.canceled
    }
}

/// The kind of the transactions that give the money back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Credit,
    Payout,
}

/// When the faces change.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// At this repetition of the request under the same key.
    Replays(u32),
    /// At this lookup of the order.
    Reads(u32),
    /// `review_ms` after the request.
    Reviewed,
    /// `reversal_ms` after the request.
    Reversed,
}

/// A refund made by somebody else, once per order, seen first when a refund of ours arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// Of 100 minor units.
    Small,
    /// Of the same amount as ours.
    Same,
}

/// The course of a refund. Of faces, the last holds for all further transactions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    /// In two halves, whatever the payments would allow.
    pub(super) halves: bool,
    pub(super) first: &'static [Face],
    pub(super) then: Option<(When, &'static [Face])>,
    pub(super) foreign: Option<Foreign>,
}

pub(super) const GIVEN: Face = Face::new(Status::Processed, 0, true);
pub(super) const REGISTERED: Face = Face::new(Status::Registered, 0, false);
const REFUSED: Face = Face::declined(22_027);
const REJECTED: Face = Face::new(Status::Rejected, 22_027, false);
/// Taken back, as a `Cancel` transaction shows.
const CANCELED: Face = Face { canceled: true, ..Face::new(Status::Processed, 0, false) };
/// Taken back: the credit itself is declined after all.
const BOUNCED: Face = Face::declined(22_039);

/// An error of the network or the bank: nothing has happened.
const fn error(code: u32) -> Face {
    Face::new(Status::SystemError, code, false)
}

/// The same to look at, and the money went back.
const fn error_given(code: u32) -> Face {
    Face::new(Status::SystemError, code, true)
}

const fn all(first: &'static [Face]) -> Plan {
    Plan { kind: Kind::Credit, halves: false, first, then: None, foreign: None }
}

const fn turning(first: &'static [Face], when: When, then: &'static [Face]) -> Plan {
    Plan { then: Some((when, then)), ..all(first) }
}

const fn halved(plan: Plan) -> Plan {
    Plan { halves: true, ..plan }
}

const fn after(foreign: Foreign, plan: Plan) -> Plan {
    Plan { foreign: Some(foreign), ..plan }
}

const SUCCESS: Plan = all(&[GIVEN]);
pub(super) static PROCESSED: Plan = SUCCESS;
pub(super) static PAYOUT: Plan = Plan { kind: Kind::Payout, ..all(&[GIVEN]) };

pub(super) static DECLINED: Plan = all(&[REFUSED]);
pub(super) static REJECTS: Plan = all(&[REJECTED]);
pub(super) static DECLINED_EXCEEDS: Plan = all(&[Face::declined(22_041)]);
pub(super) static DECLINED_DUPLICATE: Plan = all(&[Face::declined(11_001)]);
pub(super) static DECLINED_MERCHANT: Plan = turning(&[Face::declined(24_001)], When::Replays(1), &[GIVEN]);
pub(super) static DECLINED_AUTHENTICATION: Plan =
    turning(&[Face::declined(39_002)], When::Replays(1), &[GIVEN]);

pub(super) static BANK_UNREACHABLE: Plan = turning(&[error(22_021)], When::Replays(1), &[GIVEN]);
pub(super) static NOTHING_SENT: Plan = turning(&[error(22_014)], When::Replays(1), &[GIVEN]);
pub(super) static UNKNOWN: Plan = turning(&[error(22_037)], When::Replays(1), &[GIVEN]);
pub(super) static UNKNOWN_GIVEN: Plan = turning(&[error_given(22_037)], When::Replays(1), &[GIVEN]);
pub(super) static UNKNOWN_DECLINED: Plan = turning(&[error(33_004)], When::Replays(1), &[REFUSED]);
pub(super) static UNKNOWN_ALWAYS: Plan = all(&[error(33_004)]);
pub(super) static UNKNOWN_GIVEN_ALWAYS: Plan = all(&[error_given(33_004)]);

pub(super) static REPLAYS_PROCESSED: Plan = turning(&[REGISTERED], When::Replays(2), &[GIVEN]);
pub(super) static REPLAYS_DECLINED: Plan = turning(&[REGISTERED], When::Replays(2), &[REFUSED]);
pub(super) static READS_PROCESSED: Plan = turning(&[REGISTERED], When::Reads(2), &[GIVEN]);
pub(super) static READS_DECLINED: Plan = turning(&[REGISTERED], When::Reads(2), &[REFUSED]);
pub(super) static REVIEW_PROCESSED: Plan = turning(&[REGISTERED], When::Reviewed, &[GIVEN]);
pub(super) static REVIEW_DECLINED: Plan = turning(&[REGISTERED], When::Reviewed, &[REFUSED]);
pub(super) static REGISTERED_ALWAYS: Plan = all(&[REGISTERED]);

pub(super) static SPLIT_DECLINED: Plan = halved(all(&[GIVEN, REFUSED]));
pub(super) static SPLIT_PENDING: Plan = halved(turning(&[GIVEN, REGISTERED], When::Reviewed, &[GIVEN]));
pub(super) static SPLIT_PENDING_DECLINED: Plan =
    halved(turning(&[GIVEN, REGISTERED], When::Reviewed, &[GIVEN, REFUSED]));
pub(super) static SPLIT_ALL_DECLINED: Plan = halved(all(&[REFUSED, Face::declined(22_030)]));
pub(super) static SPLIT_UNKNOWN: Plan = halved(turning(&[GIVEN, error(22_037)], When::Replays(1), &[GIVEN]));

pub(super) static TAKEN_BACK: Plan = turning(&[GIVEN], When::Reversed, &[CANCELED]);
pub(super) static BOUNCES: Plan = turning(&[GIVEN], When::Reversed, &[BOUNCED]);

pub(super) static FOREIGN: Plan = after(Foreign::Small, SUCCESS);
pub(super) static FOREIGN_DECLINED: Plan = after(Foreign::Same, all(&[Face::declined(22_041)]));
pub(super) static FOREIGN_LOST: Plan = after(Foreign::Same, SUCCESS);

/// The published text of a status code.
pub(super) fn describe(code: u32) -> &'static str {
    match code {
        0 => "Transaction Accepted",
        11_001 => "Duplicate transaction found",
        11_011 => "Invalid currency",
        11_023 => "Invalid input",
        22_014 => "Server error, nothing sent to the acquirer",
        22_021 => "Bank temporarily unreachable",
        22_026 => "Invalid order ID",
        22_033 => "Reference transaction not found",
        22_037 => "No response from the bank before the client's timeout",
        22_041 => "Sum of credits exceeds the debited amount",
        22_047 => "Currency differs from the reference transaction",
        24_001 => "Invalid merchant ID",
        33_004 => "Transaction status unknown",
        33_020 => "Transaction already in progress",
        39_002 => "Authentication problem",
        _ => "Transaction refused",
    }
}
