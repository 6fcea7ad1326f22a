//! The store's clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::timestamp::Timestamp;

/// Where the store reads its clock.
#[derive(Clone, Default)]
pub enum TimeSource {
    /// The database's own clock where replicas share it (PostgreSQL), else this process's.
    #[default]
    Database,
    /// A clock of the caller's, for tests and simulation.
    Manual(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

impl TimeSource {
    /// The clock where no database has one.
    pub(super) fn local(&self) -> Timestamp {
        match self {
            Self::Database => process_clock(),
            Self::Manual(clock) => clock(),
        }
    }
}

impl fmt::Debug for TimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "Database",
            Self::Manual(_) => "Manual",
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "SQLite is a part of this process: its clock is the store's, and TimeSource::Manual replaces it"
)]
fn process_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::EPOCH.plus(since)
}
