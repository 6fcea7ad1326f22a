//! What all parts of a run share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::database::Database;
use crate::findings::Findings;
use crate::postgres::Postgres;
use crate::proxy::Proxy;
use crate::reader::Reader;
use crate::replicas::Replica;
use crate::settings::Settings;
use crate::support::chance::Chance;
use crate::support::database::Kind;
use crate::support::process::Scene;
use crate::takeover::Takeovers;
use crate::wishes::Wishes;

/// One run on one database.
pub(crate) struct World {
    pub(crate) kind: Kind,
    pub(crate) settings: Settings,
    pub(crate) scene: Scene,
    /// Where the processes write what they tell.
    pub(crate) logs: PathBuf,
    pub(crate) book: Book,
    pub(crate) wishes: Wishes,
    pub(crate) findings: Findings,
    pub(crate) takeovers: Takeovers,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) database: Database,
    pub(crate) reader: Reader,
    pub(crate) postgres: Option<Mutex<Postgres>>,
    /// Between the replicas and the sandbox: one, since an account's address is part of its refunds.
    pub(crate) to_sandbox: Proxy,
    /// Between each replica and PostgreSQL.
    pub(crate) to_database: Vec<Proxy>,
    pub(crate) counts: Counts,
    pub(crate) calm: Calm,
    pub(crate) lease_ms: AtomicU64,
    /// Refunds that wait for the engine.
    pub(crate) backlog: AtomicU64,
    /// How often the database was restored.
    pub(crate) restores: AtomicU64,
    /// Whether faults are still drawn.
    pub(crate) faulty: AtomicBool,
    /// No new wishes.
    pub(crate) enough: CancellationToken,
    /// Everything ends.
    pub(crate) over: CancellationToken,
}

/// What happened, counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) kills: AtomicU64,
    pub(crate) kills_at_points: AtomicU64,
    pub(crate) stops: AtomicU64,
    pub(crate) stops_at_points: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) canceled: AtomicU64,
    pub(crate) twins: AtomicU64,
    pub(crate) repeats: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) streams: AtomicU64,
    pub(crate) resumes: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}

pub(crate) fn counted(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

impl World {
    /// The chance of one purpose.
    pub(crate) fn chance(&self, purpose: u64) -> Chance {
        Chance::new(self.settings.seed, purpose)
    }

    /// How many replicas work, and what waits.
    pub(crate) fn now(&self) -> (usize, u64) {
        let working = self.replicas.iter().filter(|replica| replica.working_since().is_some()).count();
        (working, counted(&self.backlog))
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms.load(Ordering::SeqCst))
    }

    pub(crate) fn is_faulty(&self) -> bool {
        self.faulty.load(Ordering::SeqCst)
    }

    /// Whether a kill from outside is due: they keep pace with refunds, so that work is done between them and
    /// traps have time to spring.
    pub(crate) fn may_kill(&self) -> bool {
        let (refunds, kills) = (self.settings.refunds, self.settings.kills);
        let done = u64::try_from(self.book.acknowledged()).unwrap();
        self.is_faulty() && counted(&self.counts.kills) * refunds <= kills * done + refunds
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.kind == Kind::Postgres
    }

    pub(crate) fn restores(&self) -> u64 {
        self.restores.load(Ordering::SeqCst)
    }
}

/// Whether the ground holds: while the database is away nobody can take anything over.
#[derive(Debug, Default)]
pub(crate) struct Calm {
    under_way: AtomicUsize,
    begun: AtomicU64,
}

/// The ground shakes as long as this lives.
pub(crate) struct Quake<'a>(&'a Calm);

impl Calm {
    pub(crate) fn shake(&self) -> Quake<'_> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        self.begun.fetch_add(1, Ordering::SeqCst);
        Quake(self)
    }

    /// How many quakes began so far; `None` while one lasts.
    pub(crate) fn now(&self) -> Option<u64> {
        (self.under_way.load(Ordering::SeqCst) == 0).then(|| self.begun.load(Ordering::SeqCst))
    }
}

impl Drop for Quake<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}
