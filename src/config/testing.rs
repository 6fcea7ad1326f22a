//! `testing`: named points at which the process kills or stops itself, so that a test can look at what is
//! left, or at what a process does that slept past its lease.

use serde::Deserialize;

use super::fault::Faults;
use super::source::Source;

/// Where to crash and where to fall asleep, if anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Testing {
    /// The name of the crash point.
    pub kill_at: Option<String>,
    /// At which passing of it, from 1.
    pub kill_after_hits: u32,
    /// The name of the point at which it stops itself by SIGSTOP, until it is sent SIGCONT.
    pub stop_at: Option<String>,
    /// At which passing of it, from 1.
    pub stop_after_hits: u32,
}

impl Default for Testing {
    fn default() -> Self {
        Self { kill_at: None, kill_after_hits: 1, stop_at: None, stop_after_hits: 1 }
    }
}

impl Testing {
    pub(super) fn read(source: &mut Source, faults: &mut Faults) -> Self {
        let mut testing: Self = source.section("testing", faults);
        testing.kill_at = testing.kill_at.filter(|point| !point.is_empty());
        testing.stop_at = testing.stop_at.filter(|point| !point.is_empty());
        faults.within("testing.kill_after_hits", testing.kill_after_hits, &(1..=1_000_000));
        faults.within("testing.stop_after_hits", testing.stop_after_hits, &(1..=1_000_000));
        testing
    }
}
