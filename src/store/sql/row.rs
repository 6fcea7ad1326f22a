//! Rows to domain and back. A row that the domain's laws do not allow is an error, not a guess.

pub(super) mod account;
pub(super) mod attempt;
pub(super) mod content;
pub(super) mod discrepancy;
pub(super) mod event;
pub(super) mod guard;
mod parts;
pub(super) mod refund;

use std::time::Duration;

use crate::domain::timestamp::Timestamp;
use crate::store::Error;

/// Which row is read, to name it when it is inconsistent.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    table: &'static str,
    id: String,
}

impl Reading {
    pub(super) fn new(table: &'static str, id: &impl ToString) -> Self {
        Self { table, id: id.to_string() }
    }

    /// A value that must be there, or must have parsed.
    pub(super) fn need<T>(&self, column: &'static str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| Error::Inconsistent { table: self.table, column, id: self.id.clone() })
    }

    /// A value that may be absent, but must parse if it is there.
    pub(super) fn may<T, U>(
        &self,
        column: &'static str,
        value: Option<T>,
        parse: impl FnOnce(T) -> Option<U>,
    ) -> Result<Option<U>, Error> {
        value.map(|value| self.need(column, parse(value))).transpose()
    }

    /// A counter.
    pub(super) fn count(&self, column: &'static str, value: i64) -> Result<u32, Error> {
        self.need(column, u32::try_from(value).ok())
    }
}

pub(super) fn micros_of(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::micros)
}

pub(super) fn time_of(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// A span in the column's microseconds, at least one.
pub(super) fn span_micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX).max(1)
}

pub(super) fn span_of(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
