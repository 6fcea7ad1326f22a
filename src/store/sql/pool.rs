//! The connections to the database, given up together when one of them broke: what cut one cut the others
//! too, or will answer from a server that is no longer the writer. And no wait for them is endless.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sea_orm::sqlx::Connection;
use sea_orm::sqlx::postgres::{PgConnection, PgPoolOptions};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use tokio::time::timeout;

use super::fault::Fault;
use crate::store::Result;

/// How long the database may be silent under a step, after a connection to it is had: longer than it works on
/// one statement before it says that this took too long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long it may take to say that it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an idle connection may take to show that it lives.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a connection may be idle and still be trusted without a ping.
const PING_AFTER_IDLE: Duration = Duration::from_secs(30);
/// Connections younger than this are not given up together: where each of them fails, new ones do no better.
const AGE_MIN: Duration = Duration::from_secs(1);

/// The connections, as they are now.
pub(super) struct Pool {
    current: RwLock<Arc<Connections>>,
    /// How to open them anew; SQLite's one connection is never given up.
    anew: Option<ConnectOptions>,
    acquire_timeout: Duration,
}

/// Connections that were opened one after the other and are given up together.
pub(super) struct Connections {
    pub(super) db: DatabaseConnection,
    opened: Instant,
    marks: Arc<Marks>,
}

/// What is held against connections.
pub(super) struct Marks {
    broken: AtomicBool,
    began: Instant,
    /// Until when, in milliseconds after `began`, one may come back in the middle of an answer.
    doubted_until_ms: AtomicU64,
}

impl Pool {
    /// SQLite's one connection.
    pub(super) fn of_one(db: DatabaseConnection, acquire_timeout: Duration) -> Self {
        let connections = Connections { db, opened: Instant::now(), marks: Arc::new(Marks::new()) };
        Self { current: RwLock::new(Arc::new(connections)), anew: None, acquire_timeout }
    }

    /// Connections to PostgreSQL, of which one is opened now.
    pub(super) async fn open(connect: ConnectOptions, acquire_timeout: Duration) -> Result<Self, DbErr> {
        let opened = Arc::new(Connections::open(connect.clone()).await?);
        let mut anew = connect;
        anew.connect_lazy(true);
        Ok(Self { current: RwLock::new(opened), anew: Some(anew), acquire_timeout })
    }

    /// The connections to use now: new ones in the place of those that broke.
    pub(super) async fn current(&self) -> Result<Arc<Connections>, DbErr> {
        let current = self.read();
        match &self.anew {
            Some(anew) if current.are_given_up() => self.renewed(&current, anew.clone()).await,
            Some(_) | None => Ok(current),
        }
    }

    /// Ends the connections.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        self.read().db.close_by_ref().await
    }

    /// What `work` on `connections` comes to, or that the database is silent. Work that is dropped leaves a
    /// connection behind that may still be answering.
    pub(super) async fn answered<T>(
        &self,
        connections: &Connections,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        connections.answer(work, self.acquire_timeout + ANSWER_TIMEOUT).await
    }

    /// The same for the question whether it is ready, which is asked again soon.
    pub(super) async fn answered_soon<T>(
        &self,
        connections: &Connections,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        connections.answer(work, self.acquire_timeout + READY_TIMEOUT).await
    }

    fn read(&self) -> Arc<Connections> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn renewed(
        &self,
        broken: &Arc<Connections>,
        anew: ConnectOptions,
    ) -> Result<Arc<Connections>, DbErr> {
        let fresh = Arc::new(Connections::open(anew).await?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Others may have found it out at the same time: the first one's are everyone's.
        if Arc::ptr_eq(&current, broken) {
            *current = fresh;
            tracing::warn!("a connection to the database broke: all are opened anew");
            let broken = Arc::clone(broken);
            tokio::spawn(async move { timeout(ANSWER_TIMEOUT, broken.db.close_by_ref()).await });
        }
        Ok(Arc::clone(&current))
    }
}

impl Connections {
    async fn open(mut connect: ConnectOptions) -> Result<Self, DbErr> {
        let marks = Arc::new(Marks::new());
        let (before, after) = (Arc::clone(&marks), Arc::clone(&marks));
        connect.test_before_acquire(false).map_sqlx_postgres_before_acquire(move |connection, meta| {
            let marks = Arc::clone(&before);
            Box::pin(async move {
                Ok(meta.idle_for < PING_AFTER_IDLE || lives(connection, PING_TIMEOUT, &marks).await)
            })
        });
        connect.map_sqlx_postgres_pool_opts(move |options: PgPoolOptions| {
            let marks = Arc::clone(&after);
            options.after_release(move |connection, _meta| {
                let marks = Arc::clone(&marks);
                // The pool itself waits without end for one that is in the middle of an answer.
                Box::pin(async move {
                    let given_up = marks.broken.load(Ordering::SeqCst);
                    Ok(!given_up && (!marks.are_doubted() || lives(connection, ANSWER_TIMEOUT, &marks).await))
                })
            })
        });
        Ok(Self { db: Database::connect(connect).await?, opened: Instant::now(), marks })
    }

    fn are_given_up(&self) -> bool {
        self.marks.broken.load(Ordering::SeqCst) && self.opened.elapsed() >= AGE_MIN
    }

    async fn answer<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
        patience: Duration,
    ) -> Result<T, Fault> {
        let mut work = pin!(work);
        // Dropped before the work, so that its connection does not come back unmarked.
        let mut left_alone = LeftAlone(Some(&self.marks));
        let answer = timeout(patience, &mut work).await.unwrap_or(Err(Fault::Silence));
        if let Err(fault) = &answer
            && fault.breaks_connections()
        {
            self.marks.broken.store(true, Ordering::SeqCst);
        }
        if !matches!(answer, Err(Fault::Silence)) {
            left_alone.0 = None;
        }
        answer
    }
}

/// Whether a connection answers; one that does not is not alone.
async fn lives(connection: &mut PgConnection, patience: Duration, marks: &Marks) -> bool {
    let lives = matches!(timeout(patience, connection.ping()).await, Ok(Ok(())));
    if !lives {
        marks.broken.store(true, Ordering::SeqCst);
    }
    lives
}

impl Marks {
    fn new() -> Self {
        Self { broken: AtomicBool::new(false), began: Instant::now(), doubted_until_ms: AtomicU64::new(0) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn doubt(&self) {
        let span_ms = u64::try_from(ANSWER_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
        self.doubted_until_ms.store(self.now_ms().saturating_add(span_ms), Ordering::SeqCst);
    }

    fn are_doubted(&self) -> bool {
        self.now_ms() < self.doubted_until_ms.load(Ordering::SeqCst)
    }
}

/// Doubts the connections when it is dropped before it is told not to.
struct LeftAlone<'a>(Option<&'a Marks>);

impl Drop for LeftAlone<'_> {
    fn drop(&mut self) {
        if let Some(marks) = self.0 {
            marks.doubt();
        }
    }
}
