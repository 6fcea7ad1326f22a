//! The store in memory: the same laws, nothing durable, and the same run from the same calls. For simulation
//! and tests.

mod begin;
mod claim;
mod list;
mod people;
mod steps;
mod watched;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::row::GuardKey;
use super::wake::{Bell, Wakes};
use super::{
    Begun, Chain, Changed, ClaimAsk, Claimed, Closed, Lease, Matching, OpenPage, Page, Positions, Record,
    Recorded, Recovery, Result, RuledAs, Standing, Store, TimeSource,
};
use crate::domain::account::{Account, AccountIdentity};
use crate::domain::admission::{AccountState, Amendment, Rate};
use crate::domain::decision::{Acceptance, Intent};
use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::{Actor, Event, EventFilter};
use crate::domain::guard::Guard;
use crate::domain::history::History;
use crate::domain::id::{AccountName, CallerName, RefundId, RequestId};
use crate::domain::plan::Jitter;
use crate::domain::query::{Place, Query};
use crate::domain::refund::{NewRefund, Refund};
use crate::domain::ruling::Ruling;
use crate::domain::timestamp::Timestamp;
use world::World;

/// Keeps refunds for as long as it lives.
#[derive(Debug)]
pub struct MemoryStore {
    world: Mutex<World>,
    time: TimeSource,
    bell: Bell,
}

impl MemoryStore {
    /// An empty one on a clock.
    pub fn new(time: TimeSource) -> Self {
        Self { world: Mutex::new(World::default()), time, bell: Bell::default() }
    }

    /// Every step computes first and writes last, so that a panic in between leaves a whole world behind.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One transaction.
    fn change<T>(&self, work: impl FnOnce(&mut World, Timestamp) -> Result<(T, Wakes)>) -> Result<T> {
        let (done, wakes) = work(&mut self.world(), self.time.local())?;
        self.bell.ring(wakes);
        Ok(done)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn now(&self) -> Result<Timestamp> {
        Ok(self.time.local())
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    async fn register(&self, accounts: &[AccountIdentity]) -> Result<()> {
        self.change(|world, _| world.register(accounts))
    }

    async fn create(&self, batch: Vec<NewRefund>) -> Result<Vec<Acceptance>> {
        self.change(|world, now| Ok(world.create(batch, now)))
    }

    async fn find(&self, id: RefundId) -> Result<Option<Refund>> {
        Ok(self.world().rows.get(&id).map(|row| row.refund.clone()))
    }

    async fn find_by_request(&self, caller: &CallerName, request_id: &RequestId) -> Result<Option<Refund>> {
        Ok(self.world().with_key(caller, request_id).cloned())
    }

    async fn history(&self, id: RefundId) -> Result<History> {
        self.world().history(id)
    }

    async fn claim(&self, ask: &ClaimAsk) -> Result<Vec<Claimed>> {
        self.change(|world, now| Ok((world.claim(ask, now), Wakes::default())))
    }

    async fn renew(&self, leases: &[Lease], lease: Duration) -> Result<Vec<bool>> {
        self.change(|world, now| Ok((world.renew(leases, lease, now), Wakes::default())))
    }

    async fn release(&self, leases: &[Lease]) -> Result<()> {
        self.change(|world, now| Ok(((), world.release(leases, now))))
    }

    async fn begin(&self, leases: &[Lease], intent: &Intent, account: &Account) -> Result<Vec<Begun>> {
        self.change(|world, now| world.begin(leases, intent, account, now))
    }

    async fn next_slot(&self, rate: &Rate) -> Result<Option<Duration>> {
        self.change(|world, now| Ok((world.next_slot(rate, now), Wakes::default())))
    }

    async fn spend(&self, rate: &Rate) -> Result<Option<Duration>> {
        self.change(|world, now| Ok((world.spend(rate, now), Wakes::default())))
    }

    async fn record(&self, record: Record, account: &Account) -> Result<Vec<Recorded>> {
        self.change(|world, now| world.record(&record, account, now))
    }

    async fn rule(&self, id: RefundId, ruling: &Ruling, account: Option<&Account>) -> Result<RuledAs> {
        self.change(|world, now| world.rule(id, ruling, account, now))
    }

    async fn amend(&self, identity: &AccountIdentity, amendment: &Amendment) -> Result<AccountState> {
        self.change(|world, _| Ok(world.amend(identity, amendment)))
    }

    async fn discrepancies(
        &self,
        account: Option<&AccountName>,
        open: bool,
        after: Option<Place>,
        limit: u64,
    ) -> Result<Vec<Discrepancy>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.world().list_discrepancies(account, open, after, limit))
    }

    async fn close(&self, id: RefundId, number: i64, actor: &Actor, note: &str) -> Result<Closed> {
        self.change(|world, now| Ok((world.close(id, number, actor, note, now), Wakes::default())))
    }

    async fn rehearse(&self, new: NewRefund) -> Result<Acceptance> {
        Ok(self.world().rehearse(new, self.time.local()))
    }

    async fn ahead(&self, accounts: &[AccountName], refund: &Refund) -> Result<u64> {
        Ok(self.world().ahead(accounts, refund))
    }

    async fn retries_of(&self, id: RefundId) -> Result<Vec<RefundId>> {
        Ok(self.world().retries_of(id))
    }

    async fn chains(&self, after: Option<RefundId>, limit: u64) -> Result<Vec<Chain>> {
        Ok(self.world().chains(after, usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    async fn events_after(&self, id: RefundId, sequence: i64, limit: u64) -> Result<Vec<Event>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.world().events_after(id, sequence).take(limit).cloned().collect())
    }

    async fn events_from(&self, position: i64, limit: u64) -> Result<Vec<Event>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.world().events_from(position).take(limit).cloned().collect())
    }

    async fn events_matching(&self, filter: &EventFilter, position: i64, limit: u64) -> Result<Matching> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.world().events_matching(filter, position, limit))
    }

    async fn open_refunds(
        &self,
        filter: &EventFilter,
        after: Option<RefundId>,
        limit: u64,
    ) -> Result<OpenPage> {
        Ok(self.world().open_refunds(filter, after, usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    async fn positions(&self) -> Result<Positions> {
        Ok(self.world().positions())
    }

    async fn sequence_events(&self, limit: u64) -> Result<u64> {
        self.change(|world, _| {
            let placed = world.sequence_events(limit);
            Ok((placed, Wakes { placed: placed > 0, ..Wakes::default() }))
        })
    }

    async fn account_state(&self, account: &AccountName) -> Result<AccountState> {
        Ok(self.world().account_state(account))
    }

    async fn standings(&self) -> Result<Vec<Standing>> {
        Ok(self.world().standings(self.time.local()))
    }

    async fn list(&self, query: &Query, after: Option<Place>, limit: u64) -> Result<Page> {
        Ok(self.world().list(query, after, limit))
    }

    async fn overdue(&self, account: Option<&AccountName>, after: Option<Place>, limit: u64) -> Result<Page> {
        Ok(self.world().overdue(account, after, limit, self.time.local()))
    }

    async fn guard(&self, identity: &AccountIdentity, order_key: &str) -> Result<Option<Guard>> {
        let key = GuardKey::new(identity, order_key.to_owned());
        Ok(self.world().guards.get(&key).cloned())
    }

    async fn recover(
        &self,
        restored_to: Timestamp,
        accounts: &[Account],
        jitter: Jitter,
    ) -> Result<Recovery> {
        self.change(|world, now| world.recover(restored_to, accounts, jitter, now))
    }

    fn changes(&self) -> broadcast::Receiver<Changed> {
        self.bell.changes()
    }

    fn due_work(&self) -> broadcast::Receiver<()> {
        self.bell.due_work()
    }
}
