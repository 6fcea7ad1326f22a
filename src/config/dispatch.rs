//! `dispatch`: the engine that sends refunds.

use serde::Deserialize;

use super::Environment;
use super::fault::Faults;
use super::source::Source;

/// Longest name of a worker, characters.
pub const WORKER_NAME_MAX: usize = 128;

/// How due work is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// How long a worker owns a refund without a sign of life, milliseconds.
    pub lease_ms: u64,
    /// How often due work is looked for when nobody calls, milliseconds.
    pub poll_ms: u64,
    /// The name that leases are taken under; differs between processes.
    pub worker_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    lease_ms: u64,
    poll_ms: u64,
    worker_name: Option<String>,
}

impl Default for Section {
    fn default() -> Self {
        Self { lease_ms: 15_000, poll_ms: 1_000, worker_name: None }
    }
}

impl Dispatch {
    pub(super) fn read(source: &mut Source, environment: &Environment, faults: &mut Faults) -> Self {
        let section: Section = source.section("dispatch", faults);
        faults.within("dispatch.lease_ms", section.lease_ms, &(1_000..=600_000));
        faults.within("dispatch.poll_ms", section.poll_ms, &(10..=1_000));
        let worker_name = section.worker_name.unwrap_or_else(|| environment.process_name());
        let plain = worker_name.chars().all(|c| c.is_ascii_graphic());
        if worker_name.is_empty() || worker_name.len() > WORKER_NAME_MAX || !plain {
            let rule = format!("must be 1 to {WORKER_NAME_MAX} visible ASCII characters");
            faults.add("dispatch.worker_name", rule);
        }
        Self { lease_ms: section.lease_ms, poll_ms: section.poll_ms, worker_name }
    }
}
