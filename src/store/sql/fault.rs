//! What went wrong in a transaction, and whether another try can mend it.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

use crate::domain::refund::IllegalTransition;
use crate::store::Error;

/// An error inside a transaction.
#[derive(Debug)]
pub(super) enum Fault {
    /// What the store says.
    Store(Error),
    /// What the database said.
    Database(DbErr),
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<IllegalTransition> for Fault {
    fn from(error: IllegalTransition) -> Self {
        Self::Store(error.into())
    }
}

impl Fault {
    /// Whether the transaction certainly did nothing and lost only a race, so that it is worth repeating at
    /// once.
    pub(super) fn is_lost_race(&self) -> bool {
        match self {
            Self::Store(_) => false,
            Self::Database(error) => {
                matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
                    || database_error(error).is_some_and(is_race)
            }
        }
    }

    /// What the store tells of it.
    pub(super) fn told(self, context: &'static str) -> Error {
        match self {
            Self::Store(error) => error,
            Self::Database(error) => told(context, error),
        }
    }
}

/// What the store tells of a database error.
pub(super) fn told(context: &'static str, error: DbErr) -> Error {
    let away = is_away(&error);
    let source = Box::new(error);
    if away { Error::Away { context, source } } else { Error::Refused { context, source } }
}

fn is_away(error: &DbErr) -> bool {
    if let Some(error) = database_error(error) {
        return is_race(error) || is_passing(error);
    }
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => matches!(
            **e,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        ),
        _not_of_the_connection => false,
    }
}

fn database_error(error: &DbErr) -> Option<&dyn DatabaseError> {
    let (DbErr::Exec(RuntimeErr::SqlxError(e))
    | DbErr::Query(RuntimeErr::SqlxError(e))
    | DbErr::Conn(RuntimeErr::SqlxError(e))) = error
    else {
        return None;
    };
    match &**e {
        sqlx::Error::Database(e) => Some(&**e),
        _not_from_the_database => None,
    }
}

/// The primary result code of SQLite (its extended codes hold it in the low byte).
fn sqlite_code(error: &dyn DatabaseError) -> Option<i32> {
    error.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    let code: i32 = error.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// Two transactions met: PostgreSQL's serialization failure, deadlock, lock not available. SQLite's one
/// writer meets nobody, and what another program does to its file has been waited for already.
fn is_race(error: &dyn DatabaseError) -> bool {
    sqlite_code(error).is_none() && matches!(error.code().as_deref(), Some("40001" | "40P01" | "55P03"))
}

/// The database itself is in no state to work, for now.
///
/// PostgreSQL: connection exceptions (08), a read-only standby (25006), no resources (53), a canceled or shut
/// down session (57), system errors (58). SQLite: busy (5), locked (6), out of memory (7), read-only (8),
/// interrupted (9), input or output (10), full (13), cannot open (14), protocol (15).
fn is_passing(error: &dyn DatabaseError) -> bool {
    match sqlite_code(error) {
        Some(code) => matches!(code, 5..=10 | 13..=15),
        None => error.code().is_some_and(|code| {
            code == "25006" || ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))
        }),
    }
}
