//! Notices between the processes on one PostgreSQL: what one did rings the bells of the others.
//!
//! They are sent after commit, past the pool, and save others only the wait for their next look: a notice
//! that cannot be sent or heard costs time, never a change. See `docs/decisions/0012`.

mod notice;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions as _, Executor as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::store::wake::{Bell, Wakes};
use notice::Notice;

/// What notices are sent on, in each database its own.
const CHANNEL: &str = "refunds";
/// How the two connections call themselves, for people who look at the database's.
const APPLICATION_NAME: &str = "refunds notices";
/// What follows a notice within this time shares the next one.
const GATHER_MS: u64 = 5;
/// How long the database may take to connect, to take a notice or to answer a ping.
const ANSWER_TIMEOUT_MS: u64 = 5_000;
/// After so long without a notice the connection is asked whether it still lives.
const SILENCE_MAX_MS: u64 = 30_000;
/// Rest after the first failure, and the longest.
const BACKOFF_MIN_MS: u64 = 100;
const BACKOFF_MAX_MS: u64 = 5_000;

const SEND: &str = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload";

/// Tells other processes of changes and hears of theirs, until it is dropped.
pub(super) struct Notices {
    outbox: Arc<Outbox>,
    tasks: [AbortOnDropHandle<()>; 2],
}

impl Notices {
    /// Begins, on two connections of its own to the database at a URL.
    ///
    /// # Errors
    /// The URL cannot be read. A database that is away is waited for.
    pub(super) fn start(url: &str, bell: Arc<Bell>) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url)?
            .application_name(APPLICATION_NAME)
            .options([("statement_timeout", ANSWER_TIMEOUT_MS.to_string())])
            .disable_statement_logging();
        let outbox = Arc::new(Outbox::default());
        let tag = tag();
        let hearing = tokio::spawn(hear(options.clone(), tag.clone(), bell));
        let telling = tokio::spawn(tell(options, tag, Arc::clone(&outbox)));
        Ok(Self { outbox, tasks: [hearing, telling].map(AbortOnDropHandle::new) })
    }

    /// Tells the others, when it can. Never waits.
    pub(super) fn tell(&self, wakes: &Wakes) {
        self.outbox.put(|notice| notice.add(wakes));
    }

    /// Ends both connections; what was not sent is not sent any more.
    pub(super) fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Tells this process's notices from others'. One that two processes share costs time only, so that chance
/// need not come from the source of ids.
fn tag() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// What is to be told next.
#[derive(Debug, Default)]
struct Outbox {
    notice: Mutex<Notice>,
    filled: Notify,
}

impl Outbox {
    fn put(&self, add: impl FnOnce(&mut Notice)) {
        let mut notice = self.notice();
        add(&mut notice);
        if !notice.is_empty() {
            self.filled.notify_one();
        }
    }

    async fn take(&self) -> Notice {
        loop {
            self.filled.notified().await;
            let notice = std::mem::take(&mut *self.notice());
            if !notice.is_empty() {
                return notice;
            }
        }
    }

    fn notice(&self) -> MutexGuard<'_, Notice> {
        self.notice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what is put into the outbox, for ever.
async fn tell(options: PgConnectOptions, tag: String, outbox: Arc<Outbox>) {
    let mut pool = one_connection(&options);
    let mut backoff = Backoff::default();
    loop {
        let notice = outbox.take().await;
        let payloads = notice.payloads(&tag);
        // Unnamed, so that a pooler may give each statement another connection.
        let send = sqlx::query(SEND).bind(CHANNEL).bind(payloads).persistent(false);
        match in_time(send.execute(&pool)).await {
            Ok(_) => {
                backoff.mended("notices reach the other processes again");
                backoff.restart();
                sleep(Duration::from_millis(GATHER_MS)).await;
            }
            Err(error) => {
                outbox.put(|later| later.merge(notice));
                let rest = backoff.failed(&error, "no notice reaches the other processes, they poll");
                // One that broke off in the middle of a statement is not to be trusted with the next.
                pool = one_connection(&options);
                sleep(rest).await;
            }
        }
    }
}

/// Rings for what others tell, for ever.
async fn hear(options: PgConnectOptions, tag: String, bell: Arc<Bell>) {
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let Err(error) = hear_until_lost(&options, &tag, &bell, &mut backoff).await;
        if began.elapsed() >= Duration::from_millis(BACKOFF_MAX_MS) {
            backoff.restart();
        }
        sleep(backoff.failed(&error, "notices of other processes are not heard, changes are polled for"))
            .await;
    }
}

async fn hear_until_lost(
    options: &PgConnectOptions,
    tag: &str,
    bell: &Bell,
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, sqlx::Error> {
    // A pool of its own each time: a listener goes back to the one that it came from, dead or alive.
    let pool = one_connection(options);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    in_time(listener.listen(CHANNEL)).await?;
    backoff.mended("notices of other processes are heard again");
    // What was told before this moment went unheard.
    bell.ring_for_anything();
    loop {
        match timeout(Duration::from_millis(SILENCE_MAX_MS), listener.try_recv()).await {
            Ok(received) => match received? {
                Some(told) => heard(told.payload(), tag, bell),
                None => return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
            },
            Err(_silence) => {
                in_time(listener.execute("SELECT 1")).await?;
            }
        }
    }
}

fn heard(payload: &str, own: &str, bell: &Bell) {
    match Notice::parse(payload) {
        Some((tag, _)) if tag == own => {}
        Some((_, notice)) => notice.ring(bell),
        // Of a later version, perhaps.
        None => bell.ring_for_anything(),
    }
}

fn one_connection(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_millis(ANSWER_TIMEOUT_MS))
        .connect_lazy_with(options.clone())
}

async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let done = timeout(Duration::from_millis(ANSWER_TIMEOUT_MS), work).await;
    done.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// Rests between failures, each twice as long as the one before, and tells the first of them.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
    told: bool,
}

impl Backoff {
    /// A failure: how long to rest.
    fn failed(&mut self, error: &sqlx::Error, what: &'static str) -> Duration {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(%error, "{what}");
        }
        let rest = BACKOFF_MIN_MS.saturating_mul(1 << self.failures.min(10)).min(BACKOFF_MAX_MS);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(rest)
    }

    /// It works again. Rests stay long until [`Self::restart`], for it may fail at once.
    fn mended(&mut self, what: &'static str) {
        if std::mem::take(&mut self.told) {
            tracing::info!("{what}");
        }
    }

    fn restart(&mut self) {
        self.failures = 0;
    }
}
