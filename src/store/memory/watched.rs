//! What streams of a filter read.

use super::world::World;
use crate::domain::event::{Event, EventFilter};
use crate::domain::id::RefundId;
use crate::domain::money::Money;
use crate::domain::refund::Refund;
use crate::store::{Matching, OpenPage, Positions};

impl World {
    pub(super) fn events_matching(&self, filter: &EventFilter, position: i64, limit: usize) -> Matching {
        let events: Vec<&Event> = self.events_from(position).take(limit).collect();
        let looked_from = events.first().and_then(|event| event.position);
        let looked_to = events.last().and_then(|event| event.position).unwrap_or(position);
        let matching = events.into_iter().filter_map(|event| {
            let refund = &self.rows.get(&event.refund_id)?.refund;
            filter.takes_refund(refund).then(|| (event.clone(), amount_of(refund)))
        });
        Matching { events: matching.collect(), looked_from, looked_to }
    }

    pub(super) fn open_refunds(
        &self,
        filter: &EventFilter,
        after: Option<RefundId>,
        limit: usize,
    ) -> OpenPage {
        let rows = self.rows.values().filter(|row| after.is_none_or(|after| row.refund.id > after));
        let open: Vec<&Refund> =
            rows.filter(|row| row.due.is_some()).take(limit).map(|row| &row.refund).collect();
        let looked_to = open.last().map(|refund| refund.id);
        let matching = open.into_iter().filter(|refund| filter.takes_refund(refund));
        OpenPage { refunds: matching.cloned().collect(), looked_to }
    }

    pub(super) fn positions(&self) -> Positions {
        let last = self.last_position();
        Positions { first: (last > 0).then_some(1), last }
    }
}

fn amount_of(refund: &Refund) -> Option<Money> {
    refund.content.payment().map(|payment| payment.amount)
}
