//! How much chaos, and which.

use std::time::Duration;

use crate::support::database::Kind;

/// The lease of most of a run.
pub(crate) const SHORT_LEASE: Duration = Duration::from_secs(2);
/// The lease that the service has by default.
pub(crate) const DEFAULT_LEASE: Duration = Duration::from_secs(15);
/// Replicas on a database that takes several.
pub(crate) const REPLICAS: usize = 3;

/// Refunds and kills per database.
const SHORT: (u64, u64) = (400, 12);
const FULL: (u64, u64) = (20_000, 200);
/// Of a full run, in a hundred: the share that runs with the default lease.
const DEFAULT_LEASE_SHARE: u64 = 5;

/// What a run is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Whether it is the whole run.
    pub(crate) full: bool,
    /// What the faults are drawn by.
    pub(crate) seed: u64,
    /// Refunds to be acknowledged, at least.
    pub(crate) refunds: u64,
    /// Replicas to be killed, at least.
    pub(crate) kills: u64,
    /// On which databases.
    pub(crate) databases: Vec<Kind>,
    /// The program of the replicas, where another build of it is to be tried.
    pub(crate) binary: String,
}

impl Settings {
    /// Those of the environment; `None` when no chaos is asked for.
    pub(crate) fn read() -> Option<Self> {
        let full = match variable("CHAOS")?.as_str() {
            "short" => false,
            "full" => true,
            other => panic!("CHAOS must be short or full, not {other}"),
        };
        let (refunds, kills) = if full { FULL } else { SHORT };
        let databases = match variable("CHAOS_DATABASE").as_deref() {
            None => vec![Kind::Postgres, Kind::Sqlite],
            Some("postgres") => vec![Kind::Postgres],
            Some("sqlite") => vec![Kind::Sqlite],
            Some(other) => panic!("CHAOS_DATABASE must be sqlite or postgres, not {other}"),
        };
        let seed = number("CHAOS_SEED").unwrap_or_else(|| rand::random_range(1..1_000_000));
        let refunds = number("CHAOS_REFUNDS").unwrap_or(refunds);
        let kills = number("CHAOS_KILLS").unwrap_or(kills);
        let binary = variable("CHAOS_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_refunds").to_owned());
        Some(Self { full, seed, refunds, kills, databases, binary })
    }

    /// The parts of a run: lease, refunds and kills of each.
    pub(crate) fn parts(&self) -> Vec<(Duration, u64, u64)> {
        if !self.full {
            return vec![(SHORT_LEASE, self.refunds, self.kills)];
        }
        let share = |all: u64| all * DEFAULT_LEASE_SHARE / 100;
        vec![
            (SHORT_LEASE, self.refunds - share(self.refunds), self.kills - share(self.kills)),
            (DEFAULT_LEASE, share(self.refunds), share(self.kills)),
        ]
    }
}

#[expect(clippy::disallowed_methods, reason = "this is how a run is told what it is")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}
