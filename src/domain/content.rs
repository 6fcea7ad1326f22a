//! What a caller asked for: the part of a refund that never changes and that a repeat is compared with.

use std::collections::{BTreeMap, BTreeSet};

use super::id::{AccountName, Iccid, OrderId, RefundId, TransactionId};
use super::money::Money;
use super::reason::Reason;
use super::timestamp::Timestamp;

/// eSIMs in one refund.
pub const ICCIDS_MAX: usize = 5;

/// What is refunded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Money of a payment.
    Payment(Payment),
    /// eSIMs: 1 to [`ICCIDS_MAX`], distinct; never split.
    Esims(Vec<Iccid>),
}

/// Money of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The provider's id of the order.
    pub order_id: OrderId,
    /// One transaction of the order, where the provider knows such.
    pub transaction_id: Option<TransactionId>,
    /// How much goes back; at least one minor unit.
    pub amount: Money,
}

/// A caller's wish, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Where the money was taken.
    pub account: AccountName,
    /// What is refunded.
    pub target: Target,
    /// Why.
    pub reason: Reason,
    /// The provider's own reason, which beats the mapping of `reason`.
    pub provider_reason: Option<String>,
    /// For people; some providers read it.
    pub notes: Option<String>,
    /// Where the provider may write to.
    pub email: Option<String>,
    /// The caller's own labels.
    pub metadata: BTreeMap<String, String>,
    /// When the customer bought.
    pub purchase_time: Option<Timestamp>,
    /// What the caller says was captured on the order.
    pub captured_amount: Option<Money>,
    /// What the caller says can still be refunded; the refund is refused when it no longer holds.
    pub expected_remaining: Option<Money>,
    /// Nothing is sent earlier.
    pub not_before: Option<Timestamp>,
    /// When this passes and nothing was sent, the refund fails.
    pub send_before: Option<Timestamp>,
    /// The refund that this one tries again.
    pub retry_of: Option<RefundId>,
}

impl Content {
    /// The payment, unless eSIMs are refunded.
    pub fn payment(&self) -> Option<&Payment> {
        match &self.target {
            Target::Payment(payment) => Some(payment),
            Target::Esims(_) => None,
        }
    }

    /// The eSIMs, if eSIMs are refunded.
    pub fn iccids(&self) -> &[Iccid] {
        match &self.target {
            Target::Payment(_) => &[],
            Target::Esims(iccids) => iccids,
        }
    }

    /// The fields, by their names in the API, in which a repeat differs from what was accepted.
    pub fn differences(&self, repeat: &Self) -> Vec<&'static str> {
        let mut fields = Vec::new();
        let mut differs = |name, different: bool| {
            if different {
                fields.push(name);
            }
        };
        differs("account", self.account != repeat.account);
        match (&self.target, &repeat.target) {
            (Target::Payment(a), Target::Payment(b)) => {
                differs("payment.order_id", a.order_id != b.order_id);
                differs("payment.transaction_id", a.transaction_id != b.transaction_id);
                differs("payment.amount", a.amount != b.amount);
            }
            // They are distinct: a set, in whatever order.
            (Target::Esims(a), Target::Esims(b)) => {
                let sorted = |iccids: &[Iccid]| iccids.iter().cloned().collect::<BTreeSet<_>>();
                differs("esims.iccids", sorted(a) != sorted(b));
            }
            (Target::Payment(_), Target::Esims(_)) | (Target::Esims(_), Target::Payment(_)) => {
                differs("target", true);
            }
        }
        differs("reason", self.reason != repeat.reason);
        differs("provider_reason", self.provider_reason != repeat.provider_reason);
        differs("notes", self.notes != repeat.notes);
        differs("email", self.email != repeat.email);
        differs("metadata", self.metadata != repeat.metadata);
        differs("purchase_time", self.purchase_time != repeat.purchase_time);
        differs("captured_amount", self.captured_amount != repeat.captured_amount);
        differs("expected_remaining", self.expected_remaining != repeat.expected_remaining);
        differs("not_before", self.not_before != repeat.not_before);
        differs("send_before", self.send_before != repeat.send_before);
        differs("retry_of", self.retry_of != repeat.retry_of);
        fields
    }
}
