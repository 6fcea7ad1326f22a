//! Lists: the same pages as on a database, by looking at everything.

use std::collections::BTreeMap;

use super::world::World;
use crate::domain::id::AccountName;
use crate::domain::query::{Place, Query};
use crate::domain::refund::Refund;
use crate::domain::timestamp::Timestamp;
use crate::store::page::{Drive, cut, next_after, overdue_place};
use crate::store::{EXAMINED_MAX, Page, Standing};

impl World {
    pub(super) fn list(&self, query: &Query, after: Option<Place>, limit: u64) -> Page {
        let within = Drive::of(query).within(query);
        let follows = |refund: &&Refund| after.is_none_or(|after| Place::of(refund) < after);
        let refunds = self.rows.values().map(|row| &row.refund);
        let mut examined: Vec<&Refund> =
            refunds.filter(follows).filter(|refund| within.fits(refund)).collect();
        examined.sort_by_key(|refund| std::cmp::Reverse(Place::of(refund)));
        let examined_max = usize::try_from(EXAMINED_MAX).unwrap_or(usize::MAX);
        let looked_at_last = examined_max.checked_sub(1).and_then(|last| examined.get(last));
        let fitting = examined.iter().take(examined_max).filter(|refund| query.fits(refund));
        let mut refunds: Vec<Refund> = fitting.map(|refund| (*refund).clone()).collect();
        let looked_at_last = looked_at_last.map(|refund| Place::of(refund));
        let next = cut(&mut refunds, limit, Place::of).or_else(|| next_after(&refunds, looked_at_last));
        Page { refunds, next }
    }

    pub(super) fn overdue(
        &self,
        account: Option<&AccountName>,
        after: Option<Place>,
        limit: u64,
        now: Timestamp,
    ) -> Page {
        let is_of = |refund: &&Refund| account.is_none_or(|account| *account == refund.identity.name);
        let refunds = self.rows.values().map(|row| &row.refund).filter(is_of);
        let mut overdue: Vec<(Place, &Refund)> = refunds
            .filter_map(|refund| Some((Place { time: refund.overdue?, id: refund.id }, refund)))
            .collect();
        overdue.retain(|(place, _)| place.time <= now && after.is_none_or(|after| *place > after));
        overdue.sort_by_key(|(place, _)| *place);
        let mut refunds = overdue.into_iter().map(|(_, refund)| refund.clone()).collect();
        let next = cut(&mut refunds, limit, overdue_place);
        Page { refunds, next }
    }

    pub(super) fn standings(&self, now: Timestamp) -> Vec<Standing> {
        let mut standings: BTreeMap<&AccountName, Standing> = BTreeMap::new();
        for (_, id) in self.due.values().flatten() {
            let Some(refund) = self.rows.get(id).map(|row| &row.refund) else { continue };
            let name = &refund.identity.name;
            let standing = standings.entry(name).or_insert_with(|| Standing::empty(name.clone()));
            let overdue = u64::from(refund.overdue.is_some_and(|at| at <= now));
            standing.count(refund.state.kind(), 1, refund.create_time, overdue);
        }
        standings.into_values().collect()
    }
}
