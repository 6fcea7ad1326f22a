//! The way of one replica to the store: it takes time, it may break before the step or after it, the replica
//! may crash or stand still on it, and each step that was done is held against the laws.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refunds::domain::account::{Account, AccountIdentity};
use refunds::domain::admission::{AccountState, Amendment, Rate};
use refunds::domain::decision::{Acceptance, Intent};
use refunds::domain::discrepancy::Discrepancy;
use refunds::domain::event::{Actor, Event, EventFilter};
use refunds::domain::guard::Guard;
use refunds::domain::history::History;
use refunds::domain::id::{AccountName, CallerName, RefundId, RequestId};
use refunds::domain::plan::Jitter;
use refunds::domain::query::{Place, Query};
use refunds::domain::refund::{NewRefund, Refund};
use refunds::domain::ruling::Ruling;
use refunds::domain::timestamp::Timestamp;
use refunds::store::{
    Begun, Chain, Changed, ClaimAsk, Claimed, Closed, Error, Lease, Matching, OpenPage, Page, Positions,
    Record, Recorded, Recovery, Result, RuledAs, Standing, Store,
};
use tokio::sync::broadcast;
use tokio::time::sleep;

use crate::replica::Replica;

/// What may happen on the way, in a thousand times.
#[derive(Debug, Clone, Copy)]
struct Odds {
    crash: u32,
    freeze: u32,
    away: u32,
    unconfirmed: u32,
    slow: u32,
}

/// A step that changes what is known of refunds.
const DEAR: Odds = Odds { crash: 3, freeze: 3, away: 5, unconfirmed: 5, slow: 30 };
/// A step that reads, or is made all the time.
const PLAIN: Odds = Odds { crash: 0, freeze: 0, away: 2, unconfirmed: 0, slow: 5 };

const USUAL_MAX: Duration = Duration::from_millis(3);
const SLOW_MAX: Duration = Duration::from_millis(1_500);

/// The store as one replica reaches it.
pub(crate) struct Gate {
    replica: Arc<Replica>,
}

impl Gate {
    pub(crate) fn new(replica: Arc<Replica>) -> Self {
        Self { replica }
    }

    async fn step<T: Send>(
        &self,
        what: &'static str,
        odds: Odds,
        step: impl Future<Output = Result<T>> + Send,
        held_against_the_laws: impl FnOnce(&T) + Send,
    ) -> Result<T> {
        self.way(what, odds).await;
        if self.replica.world.is_away() || self.happens(odds.away) {
            return Err(away(what));
        }
        let done = step.await?;
        held_against_the_laws(&done);
        self.way(what, odds).await;
        if self.happens(odds.unconfirmed) {
            self.replica.world.tell(&self.replica.name, format_args!("{what}: the confirmation is lost"));
            return Err(away(what));
        }
        Ok(done)
    }

    /// One way, there or back.
    async fn way(&self, what: &'static str, odds: Odds) {
        let replica = &self.replica;
        replica.alive().await;
        let longest = if self.happens(odds.slow) { SLOW_MAX } else { USUAL_MAX };
        let takes = replica.chance().between(Duration::ZERO, longest);
        sleep(takes).await;
        if self.happens(odds.crash) {
            replica.crash(what);
        }
        if self.happens(odds.freeze) {
            let lease = replica.world.lease;
            let length = replica.chance().between(lease / 2, lease * 3);
            replica.freeze(length);
        }
        replica.alive().await;
    }

    fn happens(&self, often: u32) -> bool {
        !self.replica.world.is_calm() && self.replica.chance().in_thousand(often)
    }
}

fn away(context: &'static str) -> Error {
    Error::Away { context, source: "the simulation says so".into() }
}

#[async_trait]
impl Store for Gate {
    async fn now(&self) -> Result<Timestamp> {
        self.replica.alive().await;
        self.replica.world.store.now().await
    }

    async fn ready(&self) -> Result<()> {
        self.step("ready", PLAIN, self.replica.world.store.ready(), |()| {}).await
    }

    async fn register(&self, accounts: &[AccountIdentity]) -> Result<()> {
        self.replica.world.store.register(accounts).await
    }

    async fn create(&self, batch: Vec<NewRefund>) -> Result<Vec<Acceptance>> {
        let world = &self.replica.world;
        self.step("create", DEAR, world.store.create(batch.clone()), |done| {
            for acceptance in done {
                world.laws().accepted(world, acceptance);
            }
        })
        .await
    }

    async fn find(&self, id: RefundId) -> Result<Option<Refund>> {
        self.step("find", PLAIN, self.replica.world.store.find(id), |_| {}).await
    }

    async fn find_by_request(&self, caller: &CallerName, request_id: &RequestId) -> Result<Option<Refund>> {
        let found = self.replica.world.store.find_by_request(caller, request_id);
        self.step("find_by_request", PLAIN, found, |_| {}).await
    }

    async fn history(&self, id: RefundId) -> Result<History> {
        self.step("history", PLAIN, self.replica.world.store.history(id), |_| {}).await
    }

    async fn claim(&self, ask: &ClaimAsk) -> Result<Vec<Claimed>> {
        let world = &self.replica.world;
        let odds = PLAIN;
        self.step("claim", odds, world.store.claim(ask), |done| {
            for claimed in done {
                world.laws().claimed(world, claimed, ask.lease);
            }
        })
        .await
    }

    async fn renew(&self, leases: &[Lease], lease: Duration) -> Result<Vec<bool>> {
        let world = &self.replica.world;
        self.step("renew", DEAR, world.store.renew(leases, lease), |done| {
            for (held, _) in leases.iter().zip(done).filter(|(_, renewed)| **renewed) {
                world.laws().leases.renewed(world, held, lease);
            }
        })
        .await
    }

    async fn release(&self, leases: &[Lease]) -> Result<()> {
        let world = &self.replica.world;
        self.step("release", DEAR, world.store.release(leases), |()| {
            for lease in leases {
                world.laws().leases.released(lease);
            }
        })
        .await
    }

    async fn begin(&self, leases: &[Lease], intent: &Intent, account: &Account) -> Result<Vec<Begun>> {
        let world = &self.replica.world;
        self.step("begin", DEAR, world.store.begin(leases, intent, account), |done| {
            for (lease, begun) in leases.iter().zip(done) {
                world.laws().begun(world, lease, begun, intent);
            }
        })
        .await
    }

    async fn next_slot(&self, rate: &Rate) -> Result<Option<Duration>> {
        self.step("next_slot", PLAIN, self.replica.world.store.next_slot(rate), |_| {}).await
    }

    async fn spend(&self, rate: &Rate) -> Result<Option<Duration>> {
        self.step("spend", PLAIN, self.replica.world.store.spend(rate), |_| {}).await
    }

    async fn record(&self, record: Record, account: &Account) -> Result<Vec<Recorded>> {
        let world = &self.replica.world;
        let members = record.members.clone();
        self.step("record", DEAR, world.store.record(record, account), |done| {
            for (member, recorded) in members.iter().zip(done) {
                world.laws().recorded(world, member, recorded);
            }
        })
        .await
    }

    async fn rule(&self, id: RefundId, ruling: &Ruling, account: Option<&Account>) -> Result<RuledAs> {
        let world = &self.replica.world;
        self.step("rule", DEAR, world.store.rule(id, ruling, account), |done| {
            if let RuledAs::Done(refund) = done {
                world.laws().ruled(world, refund);
            }
        })
        .await
    }

    async fn amend(&self, identity: &AccountIdentity, amendment: &Amendment) -> Result<AccountState> {
        self.step("amend", PLAIN, self.replica.world.store.amend(identity, amendment), |_| {}).await
    }

    async fn discrepancies(
        &self,
        account: Option<&AccountName>,
        open: bool,
        after: Option<Place>,
        limit: u64,
    ) -> Result<Vec<Discrepancy>> {
        self.replica.world.store.discrepancies(account, open, after, limit).await
    }

    async fn close(&self, id: RefundId, number: i64, actor: &Actor, note: &str) -> Result<Closed> {
        self.replica.world.store.close(id, number, actor, note).await
    }

    async fn rehearse(&self, new: NewRefund) -> Result<Acceptance> {
        self.step("rehearse", PLAIN, self.replica.world.store.rehearse(new), |_| {}).await
    }

    async fn ahead(&self, accounts: &[AccountName], refund: &Refund) -> Result<u64> {
        self.replica.world.store.ahead(accounts, refund).await
    }

    async fn retries_of(&self, id: RefundId) -> Result<Vec<RefundId>> {
        self.replica.world.store.retries_of(id).await
    }

    async fn chains(&self, after: Option<RefundId>, limit: u64) -> Result<Vec<Chain>> {
        self.replica.world.store.chains(after, limit).await
    }

    async fn events_after(&self, id: RefundId, sequence: i64, limit: u64) -> Result<Vec<Event>> {
        let events = self.replica.world.store.events_after(id, sequence, limit);
        self.step("events_after", PLAIN, events, |_| {}).await
    }

    async fn events_from(&self, position: i64, limit: u64) -> Result<Vec<Event>> {
        let events = self.replica.world.store.events_from(position, limit);
        self.step("events_from", PLAIN, events, |_| {}).await
    }

    async fn events_matching(&self, filter: &EventFilter, position: i64, limit: u64) -> Result<Matching> {
        let step = self.replica.world.store.events_matching(filter, position, limit);
        self.step("events_matching", PLAIN, step, |_| {}).await
    }

    async fn open_refunds(
        &self,
        filter: &EventFilter,
        after: Option<RefundId>,
        limit: u64,
    ) -> Result<OpenPage> {
        let step = self.replica.world.store.open_refunds(filter, after, limit);
        self.step("open_refunds", PLAIN, step, |_| {}).await
    }

    async fn positions(&self) -> Result<Positions> {
        self.step("positions", PLAIN, self.replica.world.store.positions(), |_| {}).await
    }

    async fn sequence_events(&self, limit: u64) -> Result<u64> {
        self.step("sequence_events", PLAIN, self.replica.world.store.sequence_events(limit), |_| {}).await
    }

    async fn account_state(&self, account: &AccountName) -> Result<AccountState> {
        self.step("account_state", PLAIN, self.replica.world.store.account_state(account), |_| {}).await
    }

    async fn standings(&self) -> Result<Vec<Standing>> {
        self.step("standings", PLAIN, self.replica.world.store.standings(), |_| {}).await
    }

    async fn list(&self, query: &Query, after: Option<Place>, limit: u64) -> Result<Page> {
        self.step("list", PLAIN, self.replica.world.store.list(query, after, limit), |_| {}).await
    }

    async fn overdue(&self, account: Option<&AccountName>, after: Option<Place>, limit: u64) -> Result<Page> {
        let overdue = self.replica.world.store.overdue(account, after, limit);
        self.step("overdue", PLAIN, overdue, |_| {}).await
    }

    async fn guard(&self, identity: &AccountIdentity, order_key: &str) -> Result<Option<Guard>> {
        self.step("guard", PLAIN, self.replica.world.store.guard(identity, order_key), |_| {}).await
    }

    async fn recover(
        &self,
        restored_to: Timestamp,
        accounts: &[Account],
        jitter: Jitter,
    ) -> Result<Recovery> {
        self.replica.world.store.recover(restored_to, accounts, jitter).await
    }

    fn changes(&self) -> broadcast::Receiver<Changed> {
        self.replica.world.store.changes()
    }

    fn due_work(&self) -> broadcast::Receiver<()> {
        self.replica.world.store.due_work()
    }
}
