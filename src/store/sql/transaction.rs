//! Transactions: opened so that SQLite takes the write lock at once, repeated when they only lost a race.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};

use super::fault::Fault;
use crate::domain::timestamp::Timestamp;
use crate::store::TimeSource;

/// How often a transaction that lost a race is tried in all.
pub(super) const TRIES_MAX: u32 = 8;

/// An open transaction, with the store's clock in it.
pub(super) struct Tx {
    pub(super) conn: DatabaseTransaction,
    time: TimeSource,
}

impl Tx {
    /// Opens one. SQLite takes its write lock here: a lock that is taken later fails at once when another has
    /// it.
    pub(super) async fn open(db: &DatabaseConnection, time: &TimeSource) -> Result<Self, Fault> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Self { conn: db.begin_with_options(options).await?, time: time.clone() })
    }

    /// The store's clock now. To be asked after the locks that the decision waits for.
    pub(super) async fn now(&self) -> Result<Timestamp, Fault> {
        now(&self.conn, &self.time).await
    }

    /// Makes it durable. An error may hide a commit that came about.
    pub(super) async fn commit(self) -> Result<(), Fault> {
        Ok(self.conn.commit().await?)
    }
}

/// The store's clock: the shared database's, else this process's, unless it is set by hand.
pub(super) async fn now<C: ConnectionTrait>(conn: &C, time: &TimeSource) -> Result<Timestamp, Fault> {
    let backend = conn.get_database_backend();
    if backend != DbBackend::Postgres || matches!(time, TimeSource::Manual(_)) {
        return Ok(time.local());
    }
    let sql = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT AS now_us";
    let row = conn
        .query_one_raw(Statement::from_string(backend, sql))
        .await?
        .ok_or_else(|| sea_orm::DbErr::RecordNotFound("the database's clock".to_owned()))?;
    Ok(Timestamp::from_micros(row.try_get("", "now_us")?))
}

/// Runs `$work` in a transaction `$tx` of `$store` and commits it; again when it lost a race; then wakes whom
/// its `Wakes` name. A closure would do if the futures that it returns could be said to be `Send`.
macro_rules! in_transaction {
    ($store:expr, $context:literal, |$tx:ident| $work:expr) => {{
        let mut tries = 1_u32;
        loop {
            let tried = async {
                let $tx = Tx::open(&$store.db, &$store.time).await?;
                let done = $work.await?;
                $tx.commit().await?;
                Ok::<_, Fault>(done)
            }
            .await;
            match tried {
                Ok((done, wakes)) => {
                    $store.wake(wakes);
                    break Ok(done);
                }
                Err(fault) if tries < $crate::store::sql::transaction::TRIES_MAX && fault.is_lost_race() => {
                    tries += 1
                }
                Err(fault) => break Err(fault.told($context)),
            }
        }
    }};
}
pub(super) use in_transaction;
