//! What went wrong in a transaction, and whether another try can mend it.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlErr, sqlx};

use crate::domain::refund::IllegalTransition;
use crate::store::Error;

/// An error inside a transaction.
#[derive(Debug)]
pub(super) enum Fault {
    /// What the store says.
    Store(Error),
    /// What the database said.
    Database(DbErr),
    /// What became of the commit is not known.
    Unconfirmed(DbErr),
    /// The server does not take writes.
    ReadOnly,
    /// The database did not answer in time.
    Silence,
}

/// What is wrong with a database that says nothing of it.
#[derive(Debug, thiserror::Error)]
enum Ailment {
    #[error("the server is read-only")]
    ReadOnly,
    #[error("no answer in time")]
    Silence,
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
    /// What the failure of a commit is. Only where the database itself tells of a lost race did it do nothing
    /// for certain.
    pub(super) fn of_commit(error: DbErr) -> Self {
        if lost_race(&error) { Self::Database(error) } else { Self::Unconfirmed(error) }
    }

    /// Whether the transaction certainly did nothing and lost only a race, so that it is worth repeating at
    /// once.
    pub(super) fn is_lost_race(&self) -> bool {
        match self {
            Self::Database(error) => lost_race(error),
            Self::Store(_) | Self::Unconfirmed(_) | Self::ReadOnly | Self::Silence => false,
        }
    }

    /// Whether it was cut off before its commit: nothing was done, and another connection may do better.
    pub(super) fn is_cut_off(&self) -> bool {
        match self {
            Self::Database(error) => cut(error) || is_given_up(error),
            Self::ReadOnly => true,
            Self::Store(_) | Self::Unconfirmed(_) | Self::Silence => false,
        }
    }

    /// Whether connections that are as old are not to be trusted any more.
    pub(super) fn breaks_connections(&self) -> bool {
        match self {
            Self::Database(error) | Self::Unconfirmed(error) => cut(error),
            Self::ReadOnly | Self::Silence => true,
            Self::Store(_) => false,
        }
    }

    /// What the store tells of it.
    pub(super) fn told(self, context: &'static str) -> Error {
        match self {
            Self::Store(error) => error,
            Self::Database(error) | Self::Unconfirmed(error) => told(context, error),
            Self::ReadOnly => Error::Away { context, source: Box::new(Ailment::ReadOnly) },
            Self::Silence => Error::Away { context, source: Box::new(Ailment::Silence) },
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
    let passing = database_error(error).map(|error| is_race(error) || is_passing(error));
    match error {
        // Whoever cannot be let in now has done nothing, and may be let in later.
        DbErr::Conn(_) if !is_of_sqlite(error) => true,
        DbErr::Conn(_) => passing.unwrap_or(true),
        DbErr::ConnectionAcquire(_) => true,
        _of_a_statement => passing.unwrap_or_else(|| lost_connection(error)),
    }
}

/// What the driver says when there is no connection under a statement, or none any more.
fn lost_connection(error: &DbErr) -> bool {
    match error {
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

/// The connection ended under a statement, or leads to a server that does not take writes: PostgreSQL's
/// connection exceptions (08), a read-only standby (25006), a session ended for its silence (25P03) or by a
/// shutdown, a crash, or while starting (57P01 to 57P05).
fn cut(error: &DbErr) -> bool {
    if matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_)) {
        return false;
    }
    match database_error(error) {
        Some(error) => {
            sqlite_code(error).is_none()
                && error.code().is_some_and(|code| {
                    let code = &*code;
                    matches!(code, "25006" | "25P03") || code.starts_with("08") || code.starts_with("57P")
                })
        }
        None => lost_connection(error),
    }
}

/// The connections were given up between the moment they were chosen and that they were needed.
fn is_given_up(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
}

fn lost_race(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
        || database_error(error).is_some_and(is_race)
}

fn is_of_sqlite(error: &DbErr) -> bool {
    database_error(error).is_some_and(|error| sqlite_code(error).is_some())
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
/// PostgreSQL: connection exceptions (08), a read-only standby (25006), a session ended for its silence
/// (25P03), no resources (53), a canceled or shut down session (57), system errors (58). SQLite: busy (5),
/// locked (6), out of memory (7), read-only (8), interrupted (9), input or output (10), full (13), cannot
/// open (14), protocol (15).
fn is_passing(error: &dyn DatabaseError) -> bool {
    match sqlite_code(error) {
        Some(code) => matches!(code, 5..=10 | 13..=15),
        None => error.code().is_some_and(|code| {
            matches!(&*code, "25006" | "25P03")
                || ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))
        }),
    }
}
