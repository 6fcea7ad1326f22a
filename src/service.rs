//! Verbs: one file per use case. Decides who may do what; holds no state but what it was built with.

mod accounts;
mod clock;
mod create;
mod discrepancies;
mod get;
mod interrupt;
mod list;
mod operate;
mod paging;
mod pause;
mod queue;
mod retry_of;
mod rules;
mod validate;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::domain::account::Account;
use crate::domain::id::{AccountName, CallerName, Iccid, RefundId};
use crate::domain::money::Currency;
use crate::domain::refund::StateKind;
use crate::store::{self, Store};

pub use accounts::{Budget, Seen};
pub use clock::{Clock, Ids, SystemClock, SystemIds};
pub use create::{Created, Wish};
pub use get::Got;
pub use interrupt::{Interrupt, Point, Uninterrupted};
pub use list::{Filter, Listed};
pub use operate::{Resolution, Retry};
pub use paging::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, Paging};
pub use queue::Waiting;
pub use validate::Validated;
pub use watch::{Start, Token, Watch, WatchFilter, WatchItem, WatchTarget, Watched};

/// A fault of one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFault {
    /// The field, by its path in the API.
    pub field: String,
    /// The rule, in a sentence.
    pub rule: String,
}

impl FieldFault {
    /// A fault.
    pub fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { field: field.into(), rule: rule.into() }
    }
}

/// Why a call was refused. `grpc::status` gives each its code and reason; `docs/errors.md` lists them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields break rules; all of them are named.
    #[error("{} field(s) break rules", .0.len())]
    Invalid(Vec<FieldFault>),
    /// The caller lacks a right.
    #[error("the right {0} is missing")]
    RightMissing(&'static str),
    /// No such account, or none that the caller may use.
    #[error("no such account")]
    AccountNotFound(String),
    /// No such refund, or another caller's.
    #[error("no such refund")]
    RefundNotFound,
    /// The key was used for something else.
    #[error("the request id was used with other content: {}", fields.join(", "))]
    KeyReused {
        /// The refund that has the key.
        refund_id: RefundId,
        /// The fields that differ.
        fields: Vec<&'static str>,
    },
    /// More than remains on the order.
    #[error("{remaining_minor} minor units remain to be refunded on the order")]
    AmountExceedsRemaining {
        /// What remains.
        remaining_minor: i64,
    },
    /// An eSIM is in another refund that is open or succeeded.
    #[error("the eSIM {iccid} is in another refund")]
    EsimTaken {
        /// The eSIM.
        iccid: Iccid,
    },
    /// `expected_remaining` does not hold.
    #[error("expected_remaining does not hold")]
    ExpectedRemainingChanged {
        /// What remains, if anybody knows.
        remaining_minor: Option<i64>,
    },
    /// The order is known to be in another currency.
    #[error("the order is in {order}")]
    CurrencyMismatch {
        /// The order's.
        order: Currency,
    },
    /// The purchase is outside the provider's refund window.
    #[error("{0}")]
    RefundWindowExpired(String),
    /// The state of the refund does not allow it.
    #[error("a refund that is {state} cannot be {what}")]
    StateForbids {
        /// The state.
        state: StateKind,
        /// What was asked, as a participle.
        what: &'static str,
    },
    /// What was sent may still be on its way.
    #[error("what was sent may still be on its way: only its end shows what became of it")]
    AttemptOnItsWay {
        /// How long until it cannot be.
        wait: Duration,
    },
    /// The provider of the refund cannot be asked for it.
    #[error("the provider of the refund cannot be asked what became of it")]
    NoLookup,
    /// There is no such discrepancy.
    #[error("no such discrepancy")]
    DiscrepancyNotFound,
    /// The account has as many open refunds as it may.
    #[error("the queue of the account is full")]
    QueueFull,
    /// As many streams are open as may be.
    #[error("too many streams are open")]
    TooManyStreams,
    /// A resume token older than the history kept.
    #[error("the history before the token's position is no longer kept")]
    HistoryGone,
    /// The service is shutting down.
    #[error("the service is shutting down")]
    Draining,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Who is behind a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The stable configured name.
    pub name: CallerName,
    /// May create refunds, and read and watch its own.
    pub refund: bool,
    /// May read everyone's.
    pub read_all: bool,
    /// May decide what the machine may not.
    pub operate: bool,
    /// The accounts that it may use; `None` for all.
    pub accounts: Option<BTreeSet<AccountName>>,
}

impl Caller {
    fn may_use(&self, account: &AccountName) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
    }

    /// # Errors
    /// When it is no operator.
    pub fn must_operate(&self) -> Result<(), Error> {
        if self.operate { Ok(()) } else { Err(Error::RightMissing("operate")) }
    }

    /// # Errors
    /// When it has no right at all.
    fn needs_a_right(&self) -> Result<(), Error> {
        if self.refund || self.read_all || self.operate { Ok(()) } else { Err(Error::RightMissing("refund")) }
    }

    fn may_read(&self, owner: &CallerName) -> bool {
        self.read_all || self.operate || self.name == *owner
    }
}

/// The limits of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Streams open at the same time.
    pub streams_max: usize,
    /// How often a quiet stream tells that it lives.
    pub heartbeat: Duration,
    /// How often a stream looks for changes that no wake told of.
    pub poll: Duration,
}

/// The use cases.
pub struct Service {
    store: Arc<dyn Store>,
    accounts: BTreeMap<AccountName, Account>,
    ids: Arc<dyn Ids>,
    interrupt: Arc<dyn Interrupt>,
    limits: Limits,
    streams: Arc<Semaphore>,
    depths: create::Depths,
    drain: CancellationToken,
}

impl Service {
    /// A service over a store, for these accounts, until `drain`.
    pub fn new(
        store: Arc<dyn Store>,
        accounts: impl IntoIterator<Item = Account>,
        ids: Arc<dyn Ids>,
        interrupt: Arc<dyn Interrupt>,
        limits: Limits,
        drain: CancellationToken,
    ) -> Self {
        Self {
            store,
            accounts: accounts.into_iter().map(|a| (a.identity.name.clone(), a)).collect(),
            ids,
            interrupt,
            limits,
            streams: Arc::new(Semaphore::new(limits.streams_max)),
            depths: create::Depths::default(),
            drain,
        }
    }
}
