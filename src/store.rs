//! Where refunds live: the trait, and its forms. The only room that knows SQL.
//!
//! Methods are intentions. Each is one transaction and takes a batch; no transaction leaves the room. What a
//! row lock decides is decided by `domain::decision`. The clock is the store's own: the database's where
//! replicas share it.

mod history;
pub mod memory;
mod page;
mod row;
mod ruled;
pub mod sql;
mod time;
mod wake;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::domain::account::{Account, AccountIdentity};
use crate::domain::admission::{AccountState, Amendment, Rate};
use crate::domain::decision::{Acceptance, Intent};
use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::{Actor, Event, EventFilter};
use crate::domain::guard::Guard;
use crate::domain::history::History;
use crate::domain::id::{AccountName, CallerName, RefundId, RequestId};
use crate::domain::money::Money;
use crate::domain::plan::Jitter;
use crate::domain::query::{Place, Query};
use crate::domain::refund::{IllegalTransition, NewRefund, Refund};
use crate::domain::ruling::Ruling;
use crate::domain::timestamp::Timestamp;

pub use history::Sealed;
pub use page::{EXAMINED_MAX, Page, Standing};
pub use ruled::{Chain, Closed, RuledAs};
pub use time::TimeSource;
pub use wake::Changed;
pub use work::{AttemptRecord, Begun, ClaimAsk, Claimed, Held, Lease, Member, Record, Recorded, Recovery};

/// Why the store could not do it. Nothing is half done after any of these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, is busy, or ended the transaction: the same call may succeed later.
    #[error("the database is away: {context}")]
    Away {
        /// What was being done.
        context: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row says what no code of ours writes.
    #[error("inconsistent row: {table}.{column} of {id}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        id: String,
    },
    /// The schema is not the one this program knows.
    #[error("the schema is not current, run `refunds migrate`: {0}")]
    Schema(String),
    /// Another process has the SQLite file.
    #[error("another process is using {0}")]
    InUse(String),
    /// An account's merchant or base URL changed while it has open refunds.
    #[error("account {account}: {field} changed from {stored} to {configured} while {open} refunds are open")]
    AccountChanged {
        /// The account.
        account: AccountName,
        /// `merchant`, `base_url` or `provider`.
        field: &'static str,
        /// As stored with the refunds.
        stored: String,
        /// As configured now.
        configured: String,
        /// How many are open.
        open: u64,
    },
    /// The law of states forbids it: a fault in this program.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The database refused it as a breach of a constraint, or in a way that no retry mends: a fault in this
    /// program.
    #[error("the database refused: {context}")]
    Refused {
        /// What was being done.
        context: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Events that match a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    /// Each with the amount of its refund; `None` for eSIMs.
    pub events: Vec<(Event, Option<Money>)>,
    /// The first position that was looked through: what is kept may begin later than was asked.
    pub looked_from: Option<i64>,
    /// The last one: whoever goes on after it misses none.
    pub looked_to: i64,
}

/// Open refunds that match a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPage {
    /// By id.
    pub refunds: Vec<Refund>,
    /// The last that was looked at; `None` if there was none: this is the end.
    pub looked_to: Option<RefundId>,
}

/// The positions that are given and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positions {
    /// The first that is kept; `None` if none is.
    pub first: Option<i64>,
    /// The last that was given; 0 if none was.
    pub last: i64,
}

/// Keeps refunds.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The store's clock.
    async fn now(&self) -> Result<Timestamp>;

    /// Whether the database answers and its schema is at least the one this program knows.
    async fn ready(&self) -> Result<()>;

    /// Makes accounts known: their state rows exist after it.
    ///
    /// # Errors
    /// [`Error::AccountChanged`] when an account with open refunds has another merchant or base URL now.
    async fn register(&self, accounts: &[AccountIdentity]) -> Result<()>;

    /// Accepts wishes, each on its own: one that is refused takes no other down. In the order given; a twin
    /// in the batch is a replay.
    async fn create(&self, batch: Vec<NewRefund>) -> Result<Vec<Acceptance>>;

    /// The refund with that id.
    async fn find(&self, id: RefundId) -> Result<Option<Refund>>;

    /// The refund that has a caller's key.
    async fn find_by_request(&self, caller: &CallerName, request_id: &RequestId) -> Result<Option<Refund>>;

    /// Everything known of a refund.
    async fn history(&self, id: RefundId) -> Result<History>;

    /// Leases due work, oldest due first, at most the room of each account. Never a refund that another has a
    /// running lease on. Unsent refunds that may share a call are filled into calls by age, and for the slots
    /// of a budget one such call is handed out at a time, whichever account or worker it is for. Tells of an
    /// account that is blocked, broken or paused only what `AccountState::claimable` allows; SENDING refunds
    /// whose lease ran out are handed out whatever the account's state.
    async fn claim(&self, ask: &ClaimAsk) -> Result<Vec<Claimed>>;

    /// Makes leases run for `lease` from now. Tells for each whether it is still held.
    async fn renew(&self, leases: &[Lease], lease: Duration) -> Result<Vec<bool>>;

    /// Gives leases back: the refunds are due at once. A lease that was lost is left alone.
    async fn release(&self, leases: &[Lease]) -> Result<()>;

    /// One transaction for all members of a call: checks their leases, tells the guards what the preflights
    /// saw, asks `domain::decision::begin`, and writes one intent, one slot and SENDING for those who go,
    /// and for the others that they wait or have failed. A member whose lease was lost is left out.
    async fn begin(&self, leases: &[Lease], intent: &Intent, account: &Account) -> Result<Vec<Begun>>;

    /// How long until a budget has a slot; `None` if it has one now.
    async fn next_slot(&self, rate: &Rate) -> Result<Option<Duration>>;

    /// Spends a slot of a budget that is not a send's; `Some` says how long until there is one.
    async fn spend(&self, rate: &Rate) -> Result<Option<Duration>>;

    /// One transaction: the end of a round trip, each member's change, the guard, the account. A member whose
    /// lease was lost is not changed, and then the round trip is kept as late evidence.
    async fn record(&self, record: Record, account: &Account) -> Result<Vec<Recorded>>;

    /// What a person decides of a refund, under its row lock: a worker that has it loses it by a change of
    /// its state. `account` is that of the refund as configured, if it still is.
    async fn rule(&self, id: RefundId, ruling: &Ruling, account: Option<&Account>) -> Result<RuledAs>;

    /// Pauses or resumes an account; its state after it.
    async fn amend(&self, identity: &AccountIdentity, amendment: &Amendment) -> Result<AccountState>;

    /// Discrepancies after a place, the oldest first, at most `limit`; with `open` only those that are.
    async fn discrepancies(
        &self,
        account: Option<&AccountName>,
        open: bool,
        after: Option<Place>,
        limit: u64,
    ) -> Result<Vec<Discrepancy>>;

    /// Closes a discrepancy, with the decision on the record of its refund.
    async fn close(&self, id: RefundId, number: i64, actor: &Actor, note: &str) -> Result<Closed>;

    /// What [`Store::create`] would answer, with no trace left.
    async fn rehearse(&self, new: NewRefund) -> Result<Acceptance>;

    /// How many refunds of some accounts that were never sent were accepted before that one and wait.
    async fn ahead(&self, accounts: &[AccountName], refund: &Refund) -> Result<u64>;

    /// The refunds that try a refund again, the oldest first.
    async fn retries_of(&self, id: RefundId) -> Result<Vec<RefundId>>;

    /// Refunds with their chains, by id, after one, at most `limit`.
    async fn chains(&self, after: Option<RefundId>, limit: u64) -> Result<Vec<Chain>>;

    /// Events of one refund after a sequence, in order, at most `limit`.
    async fn events_after(&self, id: RefundId, sequence: i64, limit: u64) -> Result<Vec<Event>>;

    /// Events of all refunds after a position, in order, at most `limit`: those that have a position, each of
    /// which follows the one before without a hole. Whoever goes on after the last that it read misses none,
    /// whichever transaction commits when.
    async fn events_from(&self, position: i64, limit: u64) -> Result<Vec<Event>>;

    /// Events after a position of refunds that match, in order, with the amounts of those refunds: of the
    /// next `limit` positions, whatever of them matches.
    async fn events_matching(&self, filter: &EventFilter, position: i64, limit: u64) -> Result<Matching>;

    /// Refunds that match and are not final, by id, after one: of the next `limit` that are not final,
    /// whatever of them matches.
    async fn open_refunds(
        &self,
        filter: &EventFilter,
        after: Option<RefundId>,
        limit: u64,
    ) -> Result<OpenPage>;

    /// Which positions there are.
    async fn positions(&self) -> Result<Positions>;

    /// Gives positions to events that have none: per-refund order, no holes. Tells how many it gave. Any
    /// replica may call it at any time; one at a time does it, and the others wait for their turn.
    async fn sequence_events(&self, limit: u64) -> Result<u64>;

    /// How an account stands; the default for one that is not known.
    async fn account_state(&self, account: &AccountName) -> Result<AccountState>;

    /// The open refunds of each account that has any, counted.
    async fn standings(&self) -> Result<Vec<Standing>>;

    /// A page of at most `limit` refunds that fit a query, newest first, those after a place. It looks at no
    /// more than [`EXAMINED_MAX`], and shows no refund twice over all pages.
    async fn list(&self, query: &Query, after: Option<Place>, limit: u64) -> Result<Page>;

    /// A page of at most `limit` open refunds that are overdue now, of one account or all, the longest
    /// overdue first, those after a place.
    async fn overdue(&self, account: Option<&AccountName>, after: Option<Place>, limit: u64) -> Result<Page>;

    /// The guard of an order.
    async fn guard(&self, identity: &AccountIdentity, order_key: &str) -> Result<Option<Guard>>;

    /// After a restore to `restored_to`, before any dispatch: what is PENDING or SENDING may have been sent
    /// in the time that was lost, so it becomes UNKNOWN, by the table (an intent of kind `restore`,
    /// unanswered). Accounts whose provider does not show our key are paused, and every rate budget begins
    /// anew: a slot may have been spent in that time.
    async fn recover(&self, restored_to: Timestamp, accounts: &[Account], jitter: Jitter)
    -> Result<Recovery>;

    /// Wakes: what may be new, for each change of this process and, where the database carries it, of others.
    /// One may be missing: whoever waits also looks from time to time.
    fn changes(&self) -> broadcast::Receiver<Changed>;

    /// Wakes: work may be due. The same holds.
    fn due_work(&self) -> broadcast::Receiver<()>;
}
