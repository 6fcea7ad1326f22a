//! Discrepancies: money seen to move on a refund that is FAILED or CANCELED. The state stays; a person is
//! told and says what became of it.

use super::id::{AccountName, RefundId};
use super::money::Currency;
use super::timestamp::Timestamp;

/// Money that moved on a refund that says it did not. Told by the refund and the number of the entry of its
/// history that noticed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// The refund.
    pub refund_id: RefundId,
    /// The entry of its history, from 1.
    pub number: i64,
    /// The account.
    pub account: AccountName,
    /// The currency of the refund; `None` for eSIMs.
    pub currency: Option<Currency>,
    /// How much moved, minor units, where the provider says.
    pub amount_minor: Option<i64>,
    /// The provider's id of the refund, where it says.
    pub provider_refund_id: Option<String>,
    /// When it was noticed.
    pub opened: Timestamp,
    /// How it was settled; `None` while it is open.
    pub closed: Option<Closing>,
}

impl Discrepancy {
    /// The same, settled.
    #[must_use]
    pub fn closed(self, time: Timestamp, by: &str, note: &str) -> Self {
        let closing = Closing { time, by: by.to_owned(), note: note.to_owned() };
        Self { closed: Some(closing), ..self }
    }
}

/// How a discrepancy was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub time: Timestamp,
    /// By whom.
    pub by: String,
    /// What was done.
    pub note: String,
}
