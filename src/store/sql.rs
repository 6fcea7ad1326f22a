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
mod entity;
mod events;
mod fault;
mod guards;
mod leases;
mod notices;
mod read;
mod record;
mod recover;
mod refunds;
mod row;
mod transaction;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};
use tokio::sync::broadcast;

use super::row::GuardKey;
use super::wake::{Bell, Wakes};
use super::{
    Begun, Changed, ClaimAsk, Claimed, Depth, Error, History, Lease, Record, Recorded, Recovery, Result,
    Store, TimeSource,
};
use crate::domain::account::{Account, AccountIdentity};
use crate::domain::admission::{AccountState, Rate};
use crate::domain::decision::{Acceptance, Intent};
use crate::domain::event::Event;
use crate::domain::guard::Guard;
use crate::domain::id::{AccountName, CallerName, RefundId, RequestId};
use crate::domain::plan::Jitter;
use crate::domain::refund::{NewRefund, Refund};
use crate::domain::timestamp::Timestamp;
use fault::{Fault, told};
use notices::Notices;
use transaction::{Tx, in_transaction};

pub use connect::{CONNECTIONS_MAX, Options, forget};

/// Keeps refunds in SQLite or PostgreSQL.
pub struct SqlStore {
    db: DatabaseConnection,
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
        let shared = opened.db.get_database_backend() == DbBackend::Postgres;
        let notices = if shared && options.listen {
            let started = Notices::start(url, Arc::clone(&bell));
            Some(started.map_err(|error| told("reading the database's address", connect::fault(error)))?)
        } else {
            None
        };
        Ok(Self { db: opened.db, time: options.time, bell, notices, _lock: opened.lock })
    }

    /// Brings the schema up to what this program knows; a newer one is left alone.
    pub async fn migrate(&self) -> Result<()> {
        migrations::up(&self.db).await.map_err(|error| told("changing the schema", error))
    }

    /// Whether the schema is at least the one this program knows.
    ///
    /// # Errors
    /// [`Error::Schema`] names what is missing.
    pub async fn check_schema(&self) -> Result<()> {
        let pending = migrations::pending(&self.db)
            .await
            .map_err(|error| told("reading the schema's version", error))?;
        if pending.is_empty() {
            Ok(())
        } else {
            Err(Error::Schema(format!("not yet applied: {}", pending.join(", "))))
        }
    }

    /// Ends the connections; every later call answers [`Error::Away`].
    pub async fn close(&self) -> Result<()> {
        if let Some(notices) = &self.notices {
            notices.stop();
        }
        self.db.close_by_ref().await.map_err(|error| told("closing the database", error))
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn now(&self) -> Result<Timestamp> {
        transaction::now(&self.db, &self.time).await.map_err(|fault| fault.told("reading the clock"))
    }

    async fn ready(&self) -> Result<()> {
        let ping = self.db.execute_unprepared("SELECT 1").await;
        ping.map_err(|error| told("asking whether the database answers", error))?;
        self.check_schema().await
    }

    async fn register(&self, accounts: &[AccountIdentity]) -> Result<()> {
        in_transaction!(self, "making accounts known", |tx| accounts::register(&tx, accounts))
    }

    async fn create(&self, batch: Vec<NewRefund>) -> Result<Vec<Acceptance>> {
        let together = self.create_together(&batch).await;
        match together {
            Err(Error::Refused { .. } | Error::Inconsistent { .. }) if batch.len() > 1 => {}
            told => return told,
        }
        // One of them breaks the statement for all: each alone, so that it takes no other down.
        let mut acceptances = Vec::with_capacity(batch.len());
        for new in &batch {
            acceptances.push(self.create_together(std::slice::from_ref(new)).await);
        }
        let acceptances: Result<Vec<_>> = acceptances.into_iter().collect();
        acceptances.map(|acceptances| acceptances.into_iter().flatten().collect())
    }

    async fn find(&self, id: RefundId) -> Result<Option<Refund>> {
        let found = read::find(&self.db, id).await;
        found.map_err(|fault| fault.told("reading a refund"))
    }

    async fn find_by_request(&self, caller: &CallerName, request_id: &RequestId) -> Result<Option<Refund>> {
        let found = read::find_by_request(&self.db, caller, request_id).await;
        found.map_err(|fault| fault.told("reading a refund by its key"))
    }

    async fn history(&self, id: RefundId) -> Result<History> {
        let history = read::history(&self.db, id).await;
        history.map_err(|fault| fault.told("reading a refund's history"))
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
        let free = read::next_slot(&self.db, rate).await.map_err(|fault| fault.told("reading a budget"))?;
        let now = self.now().await?;
        Ok(free.filter(|free| *free > now).map(|free| free.since(now)))
    }

    async fn spend(&self, rate: &Rate) -> Result<Option<Duration>> {
        in_transaction!(self, "spending a slot", |tx| accounts::spend(&tx, rate))
    }

    async fn record(&self, record: Record, account: &Account) -> Result<Vec<Recorded>> {
        in_transaction!(self, "recording a step", |tx| record::record(&tx, &record, account))
    }

    async fn events_after(&self, id: RefundId, sequence: i64, limit: u64) -> Result<Vec<Event>> {
        let events = read::events_after(&self.db, id, sequence, Some(limit)).await;
        events.map_err(|fault| fault.told("reading events"))
    }

    async fn events_from(&self, position: i64, limit: u64) -> Result<Vec<Event>> {
        let events = read::events_from(&self.db, position, limit).await;
        events.map_err(|fault| fault.told("reading events by position"))
    }

    async fn sequence_events(&self, limit: u64) -> Result<u64> {
        in_transaction!(self, "placing events", |tx| events::sequence(&tx, limit))
    }

    async fn account_state(&self, account: &AccountName) -> Result<AccountState> {
        let state = read::account_state(&self.db, account).await;
        state.map_err(|fault| fault.told("reading an account"))
    }

    async fn depths(&self) -> Result<Vec<Depth>> {
        let depths = read::depths(&self.db).await;
        depths.map_err(|fault| fault.told("counting open refunds"))
    }

    async fn guard(&self, identity: &AccountIdentity, order_key: &str) -> Result<Option<Guard>> {
        let key = GuardKey::new(identity, order_key.to_owned());
        let guard = read::guard(&self.db, &key).await;
        guard.map_err(|fault| fault.told("reading a guard"))
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
