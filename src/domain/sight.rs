//! What was seen of an order, or of the orders of eSIMs, and what it says of a refund.

use super::answer::Finding;
use super::id::Iccid;
use super::money::Currency;
use super::reason::FailureReason;
use super::refund::{Failure, Refund, Success};
use super::timestamp::Timestamp;

/// What a lookup saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The order, with its figures and refunds.
    Order(OrderSnapshot),
    /// The eSIMs of the refund, each with its orders.
    Esims(Vec<EsimSight>),
    /// The provider knows no such order. Evidence of nothing: reads may lag behind writes.
    NoOrder,
    /// Nothing was learned.
    Nothing,
}

/// An order as the provider shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSnapshot {
    /// Its currency.
    pub currency: Currency,
    /// Captured in all, minor units.
    pub captured_minor: i64,
    /// Refunded in all, by anyone, minor units.
    pub refunded_minor: i64,
    /// When the customer bought.
    pub purchase_time: Option<Timestamp>,
    /// The refunds it lists.
    pub refunds: Vec<SeenRefund>,
    /// Every transaction that it lists, by the provider's ids.
    pub transactions: Vec<String>,
}

/// An eSIM as the provider shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsimSight {
    /// The eSIM.
    pub iccid: Iccid,
    /// Its orders. None: it is not the company's.
    pub orders: Vec<EsimOrder>,
}

impl EsimSight {
    fn in_one_line(&self) -> String {
        let orders: Vec<String> =
            self.orders.iter().map(|order| format!("order {} {}", order.id, order.status)).collect();
        let orders = if orders.is_empty() { "no order".to_owned() } else { orders.join(", ") };
        format!("{}: {orders}", self.iccid)
    }

    /// Why this eSIM must not even be asked back, if so: it is not ours, or one of its orders was refunded
    /// before, so that nothing could ever tell a second refund from the first.
    pub fn objection(&self) -> Option<Failure> {
        let (reason, text) = if self.orders.is_empty() {
            (FailureReason::OrderNotFound, format!("no order of this company has the eSIM {}", self.iccid))
        } else {
            // A top-up is an order of its own: what was not given back with it may still be.
            let refunded = self.orders.first()?;
            if self.orders.iter().any(|order| order.status != EsimOrder::REFUNDED) {
                return None;
            }
            (
                FailureReason::OrderNotRefundable,
                format!("order {} of {} was refunded before", refunded.id, self.iccid),
            )
        };
        Some(Failure { reason, provider_code: None, text: Some(text) })
    }
}

impl EsimOrder {
    /// The status of an order whose whole price came back.
    pub const REFUNDED: &'static str = "refunded";
    /// The status of an order whose price came back in part.
    pub const PARTIALLY_REFUNDED: &'static str = "partially_refunded";
}

/// An order of an eSIM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsimOrder {
    /// The provider's id.
    pub id: String,
    /// Its status in the provider's word.
    pub status: String,
    /// How many eSIMs it has.
    pub esims: usize,
}

/// What the preflight saw before the first send, kept with the refund and never read anew: what differs
/// from it later came after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    /// The transactions of the order.
    pub transactions: Vec<String>,
    /// The eSIMs with their orders.
    pub esims: Vec<EsimSight>,
}

impl Sight {
    /// What it says of a refund where the provider lists refunds with our key.
    pub fn finding_by_key(&self, refund: &Refund) -> Finding {
        match self {
            Self::Order(order) => order.success_of(refund).map_or(Finding::Absent, Finding::Succeeded),
            Self::Esims(_) => Finding::Absent,
            // An order that cannot be read lacks nothing: only what was read does.
            Self::NoOrder | Self::Nothing => Finding::Nothing,
        }
    }

    /// What of it is kept as the baseline of a refund that is about to be sent. `others` are the parts of
    /// other refunds of ours on the order, which a read that lags may not show yet.
    pub fn baseline(&self, others: &[String]) -> Baseline {
        match self {
            Self::Order(order) => {
                let unseen = others.iter().filter(|id| !order.transactions.contains(id));
                let transactions = order.transactions.iter().chain(unseen).cloned().collect();
                Baseline { transactions, esims: Vec::new() }
            }
            Self::Esims(esims) => Baseline { transactions: Vec::new(), esims: esims.clone() },
            Self::NoOrder | Self::Nothing => Baseline::default(),
        }
    }

    /// What was seen, in one line for people.
    pub fn in_one_line(&self) -> Option<String> {
        match self {
            Self::Order(order) => Some(order.in_one_line()),
            Self::Esims(esims) => {
                let esims: Vec<String> = esims.iter().map(EsimSight::in_one_line).collect();
                Some(esims.join("; "))
            }
            Self::NoOrder => Some("no such order".to_owned()),
            Self::Nothing => None,
        }
    }

    /// The order, if one was seen.
    pub fn order(&self) -> Option<&OrderSnapshot> {
        match self {
            Self::Order(order) => Some(order),
            Self::Esims(_) | Self::NoOrder | Self::Nothing => None,
        }
    }
}

/// One refund as an order lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRefund {
    /// The provider's id.
    pub provider_refund_id: Option<String>,
    /// The key that it was sent with, as text.
    pub key: Option<String>,
    /// Our refund id, where the provider carries it.
    pub reference: Option<String>,
    /// How much, minor units.
    pub amount_minor: i64,
    /// When it was done.
    pub completed: Option<Timestamp>,
}

impl SeenRefund {
    /// Whether this was sent for that refund. References are hints for people, the key decides; where the
    /// entry carries no key at all, a reference does, or a transaction that is known as the refund's.
    pub fn is_of(&self, refund: &Refund) -> bool {
        match (&self.key, &self.reference) {
            (Some(seen), _) => seen.eq_ignore_ascii_case(&refund.key.to_string()),
            (None, Some(reference)) => *reference == refund.id.to_string(),
            (None, None) => self
                .provider_refund_id
                .as_ref()
                .is_some_and(|id| refund.items.iter().any(|item| item.id == *id)),
        }
    }
}

impl OrderSnapshot {
    fn in_one_line(&self) -> String {
        format!(
            "{}: captured {}, refunded {} minor units, {} refunds listed",
            self.currency,
            self.captured_minor,
            self.refunded_minor,
            self.refunds.len()
        )
    }

    /// The success of a refund that this order lists, if it does.
    pub fn success_of(&self, refund: &Refund) -> Option<Success> {
        let seen = self.refunds.iter().find(|seen| seen.is_of(refund))?;
        Some(Success {
            amount_minor: Some(seen.amount_minor),
            provider_refund_id: seen.provider_refund_id.clone(),
            completed: seen.completed,
            items: Vec::new(),
        })
    }

    /// How many effects this order lists for a refund: more than one says that the provider does not heed the
    /// key. Of entries with neither key nor reference several may be the parts of one effect: they are not
    /// counted.
    pub fn effects_of(&self, refund: &Refund) -> usize {
        let named = |seen: &&SeenRefund| seen.key.is_some() || seen.reference.is_some();
        self.refunds.iter().filter(named).filter(|seen| seen.is_of(refund)).count()
    }

    /// Whether these figures are known not to contain a refund of ours: none that is listed is it, and those
    /// that are listed make up the whole of what was refunded.
    pub fn is_free_of(&self, refund: &Refund) -> bool {
        let listed = self.refunds.iter().fold(0, |sum: i64, seen| sum.saturating_add(seen.amount_minor));
        self.refunds.iter().all(|seen| !seen.is_of(refund)) && self.refunded_minor <= listed
    }

    /// Why a refund of this order must not even be sent, if so.
    pub fn objection(&self, currency: Currency) -> Option<Failure> {
        (self.currency != currency).then(|| Failure {
            reason: FailureReason::CurrencyMismatch,
            provider_code: None,
            text: Some(format!("the order is in {}, the refund in {currency}", self.currency)),
        })
    }
}
