//! Which refunds are asked for, and a place among them.

use super::account::ProviderKind;
use super::id::{AccountName, CallerName, Iccid, RefundId};
use super::refund::{Refund, StateKind};
use super::timestamp::Timestamp;

/// Which refunds are asked for: those that fit all that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Of this caller.
    pub caller: Option<CallerName>,
    /// Of this account.
    pub account: Option<AccountName>,
    /// At this provider.
    pub provider: Option<ProviderKind>,
    /// Of this order.
    pub order: Option<OrderOf>,
    /// With this id at the provider.
    pub provider_refund_id: Option<String>,
    /// Of this eSIM.
    pub iccid: Option<Iccid>,
    /// In one of these states; in any when empty.
    pub states: Vec<StateKind>,
    /// Accepted at this time or later.
    pub created_from: Option<Timestamp>,
    /// Accepted before this time.
    pub created_until: Option<Timestamp>,
    /// With this entry of metadata.
    pub label: Option<Label>,
}

/// An order by what names it: an id means something at its merchant alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderOf {
    /// Where.
    pub provider: ProviderKind,
    /// Whose.
    pub merchant: String,
    /// The id in the form of [`ProviderKind::canonical_order`].
    pub key: String,
}

/// An entry of metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A place in an order of refunds by a time, and by id where that is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The time: when it was accepted, or when it is overdue.
    pub time: Timestamp,
    /// The refund.
    pub id: RefundId,
}

impl Place {
    /// Where a refund is among all, by when it was accepted.
    pub fn of(refund: &Refund) -> Self {
        Self { time: refund.create_time, id: refund.id }
    }
}

impl OrderOf {
    /// Whether a refund is of this order.
    pub fn has(&self, refund: &Refund) -> bool {
        refund.identity.provider == self.provider
            && refund.identity.merchant == self.merchant
            && refund.order_key().as_ref() == Some(&self.key)
    }
}

impl Label {
    /// Whether a refund has this entry.
    pub fn is_on(&self, refund: &Refund) -> bool {
        refund.content.metadata.get(&self.key) == Some(&self.value)
    }
}

impl Query {
    /// The states asked for, where none of them is final: refunds that are open are few among all.
    pub fn open_states(&self) -> Option<&[StateKind]> {
        let open = !self.states.is_empty() && self.states.iter().all(|state| !state.is_final());
        open.then_some(self.states.as_slice())
    }

    /// Whether a refund fits.
    pub fn fits(&self, refund: &Refund) -> bool {
        self.caller.as_ref().is_none_or(|caller| *caller == refund.caller)
            && self.account.as_ref().is_none_or(|account| *account == refund.identity.name)
            && self.provider.is_none_or(|provider| provider == refund.identity.provider)
            && self.order.as_ref().is_none_or(|order| order.has(refund))
            && self.provider_refund_id.as_ref().is_none_or(|id| refund.state.provider_refund_id() == Some(id))
            && self.iccid.as_ref().is_none_or(|iccid| refund.content.iccids().contains(iccid))
            && (self.states.is_empty() || self.states.contains(&refund.state.kind()))
            && self.created_from.is_none_or(|from| refund.create_time >= from)
            && self.created_until.is_none_or(|until| refund.create_time < until)
            && self.label.as_ref().is_none_or(|label| label.is_on(refund))
    }
}
