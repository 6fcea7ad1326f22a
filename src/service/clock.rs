//! Where time, identifiers and chance come from: arguments everywhere else, so that a seed replays.

use std::time::Duration;

use rand::RngCore;
use uuid::Uuid;

use crate::domain::id::{AttemptId, RefundId};
use crate::domain::plan::Jitter;
use crate::domain::timestamp::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since the machine started, time asleep included: what a lease is measured on, since a process
    /// that was suspended must know that it was.
    fn boottime(&self) -> Duration;
}

/// Gives identifiers and chance.
pub trait Ids: Send + Sync + 'static {
    /// A new refund's id: version 7, so that indexes grow at their end.
    fn refund_id(&self) -> RefundId;

    /// A new attempt's id.
    fn attempt_id(&self) -> AttemptId;

    /// A number that spreads waits.
    fn jitter(&self) -> Jitter;
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH.plus(since)
    }

    fn boottime(&self) -> Duration {
        let at = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(at.tv_sec).unwrap_or(0);
        Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(at.tv_nsec).unwrap_or(0))
    }
}

/// Random identifiers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    fn refund_id(&self) -> RefundId {
        RefundId(Uuid::now_v7())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    fn attempt_id(&self) -> AttemptId {
        AttemptId(Uuid::now_v7())
    }

    fn jitter(&self) -> Jitter {
        Jitter(rand::rng().next_u32())
    }
}
