//! What all replicas of a run share.

use std::fmt::Arguments;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use refunds::domain::account::Account;
use refunds::domain::id::{AccountName, AttemptId, RefundId};
use refunds::domain::plan::Jitter;
use refunds::domain::refund::{Refund, StateKind};
use refunds::service::{Clock, Ids};
use refunds::store::Store;
use refunds::store::memory::MemoryStore;
use tokio::time::Instant;
use uuid::Uuid;

use crate::accounts::accounts;
use crate::bank::Bank;
use crate::laws::Laws;
use crate::support::chance::Chance;
use crate::support::clock::VirtualClock;

/// How long a lease may be, by the seed.
const LEASES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15)];

/// The world of one seed.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) clock: VirtualClock,
    pub(crate) store: MemoryStore,
    pub(crate) accounts: Vec<Account>,
    pub(crate) lease: Duration,
    /// When the store of all is away until.
    outage: Mutex<Option<Instant>>,
    /// No faults any more.
    calm: AtomicBool,
    /// Nothing more will happen.
    over: AtomicBool,
    laws: Mutex<Laws>,
    bank: Mutex<Bank>,
    trail: Mutex<u64>,
    told: bool,
    numbers: AtomicU64,
    jitter: Mutex<Chance>,
}

impl World {
    pub(crate) fn new(seed: u64, told: bool) -> Arc<Self> {
        let clock = VirtualClock::new();
        let mut chance = Chance::new(seed, 3);
        let lease = *chance.one_of(&LEASES);
        let accounts = accounts();
        Arc::new(Self {
            seed,
            clock,
            store: MemoryStore::new(clock.time_source()),
            bank: Mutex::new(Bank::new(seed)),
            accounts,
            lease,
            outage: Mutex::default(),
            calm: AtomicBool::new(false),
            over: AtomicBool::new(false),
            laws: Mutex::default(),
            trail: Mutex::new(0xcbf2_9ce4_8422_2325),
            told,
            numbers: AtomicU64::new(1),
            jitter: Mutex::new(Chance::new(seed, 4)),
        })
    }

    pub(crate) fn laws(&self) -> MutexGuard<'_, Laws> {
        self.laws.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bank(&self) -> MutexGuard<'_, Bank> {
        self.bank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn account(&self, name: &AccountName) -> &Account {
        self.accounts.iter().find(|account| account.identity.name == *name).unwrap()
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// Lifts all faults, for good.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::SeqCst);
        self.bank().calm_down();
    }

    /// Nothing more will happen: who waits for news need not.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Refunds that are UNKNOWN or in review.
    pub(crate) fn undecided(&self) -> Vec<RefundId> {
        let is = |id: &RefundId| {
            let kind = self.stored(*id).map(|refund| refund.state.kind());
            matches!(kind, Some(StateKind::Unknown | StateKind::InReview))
        };
        self.laws().refunds().into_iter().filter(is).collect()
    }

    pub(crate) fn stored(&self, id: RefundId) -> Option<Refund> {
        self.store.find(id).now_or_never().unwrap().unwrap()
    }

    pub(crate) fn is_final(&self, id: RefundId) -> bool {
        self.stored(id).is_some_and(|refund| refund.state.kind().is_final())
    }

    pub(crate) fn last_sequence(&self, id: RefundId) -> Option<i64> {
        self.stored(id).map(|refund| refund.sequence)
    }

    pub(crate) fn begin_outage(&self, length: Duration) {
        self.tell("world", format_args!("the store is away for {length:?}"));
        *self.outage.lock().unwrap() = Some(Instant::now() + length);
    }

    pub(crate) fn is_away(&self) -> bool {
        !self.is_calm() && self.outage.lock().unwrap().is_some_and(|until| until > Instant::now())
    }

    /// A step, for the trail by which two runs of a seed are held against each other, and for a reader.
    pub(crate) fn tell(&self, who: &str, what: Arguments<'_>) {
        let at = self.clock.boottime();
        let line = format!("{:>9.3} {who}: {what}", at.as_secs_f64());
        let mut trail = self.trail.lock().unwrap();
        *trail = line
            .bytes()
            .fold(*trail, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        if self.told {
            println!("{line}");
        }
    }

    pub(crate) fn trail(&self) -> u64 {
        *self.trail.lock().unwrap()
    }

    fn number(&self) -> u128 {
        u128::from(self.numbers.fetch_add(1, Ordering::SeqCst))
    }
}

/// Identifiers in order of their making, and jitter of the seed.
pub(crate) struct WorldIds(pub(crate) Arc<World>);

impl Ids for WorldIds {
    fn refund_id(&self) -> RefundId {
        RefundId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + self.0.number()))
    }

    fn attempt_id(&self) -> AttemptId {
        AttemptId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + self.0.number()))
    }

    fn jitter(&self) -> Jitter {
        let mut chance = self.0.jitter.lock().unwrap_or_else(PoisonError::into_inner);
        Jitter(chance.below(u32::MAX))
    }
}
