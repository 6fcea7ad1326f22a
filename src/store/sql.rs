//! The store on a database: SQLite for one process, PostgreSQL for any number of replicas, from one source.
//!
//! Locks are taken in one order everywhere: refunds by id, claims of eSIMs, guards, accounts, each by key,
//! rate budgets.

mod accounts;
mod begin;
mod claim;
mod claims;
mod connect;
mod create;
mod discrepancies;
mod entity;
mod events;
mod fault;
mod guards;
mod histories;
mod labels;
mod leases;
mod list;
mod notices;
mod pool;
mod read;
mod record;
mod recover;
mod refunds;
mod row;
mod rule;
mod transaction;
mod watched;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::row::GuardKey;
use super::wake::{Bell, Wakes};
use super::{
    Begun, Chain, Changed, ClaimAsk, Claimed, Closed, Error, Lease, Matching, OpenPage, Page, Positions,
    Record, Recorded, Recovery, Result, RuledAs, Standing, Store, TimeSource,
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
use fault::told;
use notices::Notices;
use pool::Pool;
use transaction::{Tx, in_transaction, reading, repeated};

pub use connect::{CONNECTIONS_MAX, Options, forget};
pub use list::Asked;

/// Keeps refunds in SQLite or PostgreSQL.
pub struct SqlStore {
    pool: Pool,
    time: TimeSource,
    bell: Arc<Bell>,
    /// Between this process and others, where there are others.
    notices: Option<Notices>,
    /// Keeps other processes off a SQLite file while this lives.
    _lock: Option<File>,
}

impl SqlStore {
    /// Opens the database at a URL: `sqlite:path`, `postgres://...`. A SQLite file is created if it is
    /// missing, and the leases of an earlier process end. The schema is left as it is: see [`Self::migrate`].
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has the SQLite file; [`Error::Away`] when the database does not
    /// answer.
    pub async fn connect(url: &str, options: Options) -> Result<Self> {
        let opened = connect::open(url, &options).await?;
        let bell = Arc::new(Bell::default());
        let notices = if opened.shared && options.listen {
            let started = Notices::start(url, Arc::clone(&bell));
            Some(started.map_err(|error| told("reading the database's address", connect::fault(error)))?)
        } else {
            None
        };
        Ok(Self { pool: opened.pool, time: options.time, bell, notices, _lock: opened.lock })
    }

    /// Brings the schema up to what this program knows; a newer one is left alone.
    pub async fn migrate(&self) -> Result<()> {
        let context = "changing the schema";
        let connections = self.pool.current().await.map_err(|error| told(context, error))?;
        migrations::up(&connections.db).await.map_err(|error| told(context, error))
    }

    /// Whether the schema is at least the one this program knows.
    ///
    /// # Errors
    /// [`Error::Schema`] names what is missing.
    pub async fn check_schema(&self) -> Result<()> {
        let pending = reading!(self, "reading the schema's version", |db| read::pending(db))?;
        schema_is_current(&pending)
    }

    /// Ends the connections; every later call answers [`Error::Away`].
    pub async fn close(&self) -> Result<()> {
        if let Some(notices) = &self.notices {
            notices.stop();
        }
        self.pool.close().await.map_err(|error| told("closing the database", error))
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn now(&self) -> Result<Timestamp> {
        reading!(self, "reading the clock", |db| transaction::now(db, &self.time))
    }

    async fn ready(&self) -> Result<()> {
        let pending = repeated!(self, "asking whether the database is ready", answered_soon, |db| {
            Tx::open(db, &self.time).await?.takes_writes().await?;
            read::pending(db).await
        })?;
        schema_is_current(&pending)
    }

    async fn register(&self, accounts: &[AccountIdentity]) -> Result<()> {
        in_transaction!(self, "making accounts known", |tx| accounts::register(&tx, accounts))
    }

    async fn create(&self, batch: Vec<NewRefund>) -> Result<Vec<Acceptance>> {
        let together = Box::pin(self.create_together(&batch)).await;
        match together {
            Err(Error::Refused { .. } | Error::Inconsistent { .. }) if batch.len() > 1 => {}
            told => return told,
        }
        // One of them breaks the statement for all: each alone, so that it takes no other down.
        let mut acceptances = Vec::with_capacity(batch.len());
        for new in &batch {
            let alone = self.create_together(std::slice::from_ref(new));
            acceptances.push(Box::pin(alone).await);
        }
        let acceptances: Result<Vec<_>> = acceptances.into_iter().collect();
        acceptances.map(|acceptances| acceptances.into_iter().flatten().collect())
    }

    async fn find(&self, id: RefundId) -> Result<Option<Refund>> {
        reading!(self, "reading a refund", |db| read::find(db, id))
    }

    async fn find_by_request(&self, caller: &CallerName, request_id: &RequestId) -> Result<Option<Refund>> {
        reading!(self, "reading a refund by its key", |db| read::find_by_request(db, caller, request_id))
    }

    async fn history(&self, id: RefundId) -> Result<History> {
        reading!(self, "reading a refund's history", |db| histories::history(db, id))
    }

    async fn claim(&self, ask: &ClaimAsk) -> Result<Vec<Claimed>> {
        in_transaction!(self, "claiming due work", |tx| claim::claim(&tx, ask))
    }

    async fn renew(&self, leases: &[Lease], lease: Duration) -> Result<Vec<bool>> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        in_transaction!(self, "renewing leases", |tx| leases::renew(&tx, leases, lease))
    }

    async fn release(&self, leases: &[Lease]) -> Result<()> {
        if leases.is_empty() {
            return Ok(());
        }
        in_transaction!(self, "giving leases back", |tx| leases::release(&tx, leases))
    }

    async fn begin(&self, leases: &[Lease], intent: &Intent, account: &Account) -> Result<Vec<Begun>> {
        in_transaction!(self, "writing an intent", |tx| begin::begin(&tx, leases, intent, account))
    }

    async fn next_slot(&self, rate: &Rate) -> Result<Option<Duration>> {
        let free = reading!(self, "reading a budget", |db| read::next_slot(db, rate))?;
        let now = self.now().await?;
        Ok(free.filter(|free| *free > now).map(|free| free.since(now)))
    }

    async fn spend(&self, rate: &Rate) -> Result<Option<Duration>> {
        in_transaction!(self, "spending a slot", |tx| accounts::spend(&tx, rate))
    }

    async fn record(&self, record: Record, account: &Account) -> Result<Vec<Recorded>> {
        in_transaction!(self, "recording a step", |tx| record::record(&tx, &record, account))
    }

    async fn rule(&self, id: RefundId, ruling: &Ruling, account: Option<&Account>) -> Result<RuledAs> {
        in_transaction!(self, "recording a decision", |tx| rule::rule(&tx, id, ruling, account))
    }

    async fn amend(&self, identity: &AccountIdentity, amendment: &Amendment) -> Result<AccountState> {
        in_transaction!(self, "changing an account", |tx| rule::amend(&tx, identity, amendment))
    }

    async fn discrepancies(
        &self,
        account: Option<&AccountName>,
        open: bool,
        after: Option<Place>,
        limit: u64,
    ) -> Result<Vec<Discrepancy>> {
        reading!(self, "listing discrepancies", |db| discrepancies::list(db, account, open, after, limit))
    }

    async fn close(&self, id: RefundId, number: i64, actor: &Actor, note: &str) -> Result<Closed> {
        in_transaction!(self, "closing a discrepancy", |tx| discrepancies::close(
            &tx, id, number, actor, note
        ))
    }

    async fn rehearse(&self, new: NewRefund) -> Result<Acceptance> {
        repeated!(self, "rehearsing a refund", answered, |db| {
            let tx = Tx::open(db, &self.time).await?;
            let acceptance = create::rehearse(&tx, &new).await?;
            tx.abandon().await?;
            Ok(acceptance)
        })
    }

    async fn ahead(&self, accounts: &[AccountName], refund: &Refund) -> Result<u64> {
        reading!(self, "counting a queue", |db| read::ahead(db, accounts, refund))
    }

    async fn retries_of(&self, id: RefundId) -> Result<Vec<RefundId>> {
        reading!(self, "reading retries", |db| read::retries_of(db, id))
    }

    async fn chains(&self, after: Option<RefundId>, limit: u64) -> Result<Vec<Chain>> {
        reading!(self, "reading histories", |db| histories::chains(db, after, limit))
    }

    async fn events_after(&self, id: RefundId, sequence: i64, limit: u64) -> Result<Vec<Event>> {
        reading!(self, "reading events", |db| read::events_after(db, id, sequence, Some(limit)))
    }

    async fn events_from(&self, position: i64, limit: u64) -> Result<Vec<Event>> {
        reading!(self, "reading events by position", |db| read::events_from(db, position, limit))
    }

    async fn events_matching(&self, filter: &EventFilter, position: i64, limit: u64) -> Result<Matching> {
        reading!(self, "reading events that match", |db| watched::matching(db, filter, position, limit))
    }

    async fn open_refunds(
        &self,
        filter: &EventFilter,
        after: Option<RefundId>,
        limit: u64,
    ) -> Result<OpenPage> {
        reading!(self, "reading open refunds", |db| watched::open_refunds(db, filter, after, limit))
    }

    async fn positions(&self) -> Result<Positions> {
        reading!(self, "reading positions", |db| watched::positions(db))
    }

    async fn sequence_events(&self, limit: u64) -> Result<u64> {
        in_transaction!(self, "placing events", |tx| events::sequence(&tx, limit))
    }

    async fn account_state(&self, account: &AccountName) -> Result<AccountState> {
        reading!(self, "reading an account", |db| read::account_state(db, account))
    }

    async fn standings(&self) -> Result<Vec<Standing>> {
        let now = self.now().await?;
        reading!(self, "counting open refunds", |db| list::standings(db, now))
    }

    async fn list(&self, query: &Query, after: Option<Place>, limit: u64) -> Result<Page> {
        reading!(self, "listing refunds", |db| list::list(db, query, after, limit))
    }

    async fn overdue(&self, account: Option<&AccountName>, after: Option<Place>, limit: u64) -> Result<Page> {
        let now = self.now().await?;
        reading!(self, "listing overdue refunds", |db| list::overdue(db, account, after, limit, now))
    }

    async fn guard(&self, identity: &AccountIdentity, order_key: &str) -> Result<Option<Guard>> {
        let key = GuardKey::new(identity, order_key.to_owned());
        reading!(self, "reading a guard", |db| read::guard(db, &key))
    }

    async fn recover(
        &self,
        restored_to: Timestamp,
        accounts: &[Account],
        jitter: Jitter,
    ) -> Result<Recovery> {
        in_transaction!(self, "recovering after a restore", |tx| recover::recover(
            &tx,
            restored_to,
            accounts,
            jitter
        ))
    }

    fn changes(&self) -> broadcast::Receiver<Changed> {
        self.bell.changes()
    }

    fn due_work(&self) -> broadcast::Receiver<()> {
        self.bell.due_work()
    }
}

impl SqlStore {
    /// Wakes who waits, here and elsewhere.
    fn wake(&self, wakes: Wakes) {
        if let Some(notices) = &self.notices {
            notices.tell(&wakes);
        }
        self.bell.ring(wakes);
    }

    async fn create_together(&self, batch: &[NewRefund]) -> Result<Vec<Acceptance>> {
        in_transaction!(self, "accepting refunds", |tx| create::create(&tx, batch))
    }
}

fn schema_is_current(pending: &[String]) -> Result<()> {
    if pending.is_empty() {
        Ok(())
    } else {
        Err(Error::Schema(format!("not yet applied: {}", pending.join(", "))))
    }
}
