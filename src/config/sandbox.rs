//! `sandbox`: the imitated providers.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use super::fault::Faults;
use super::source::Source;

/// Where the imitated providers answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    /// The address that is bound, port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for Sandbox {
    fn default() -> Self {
        // Below the range that the system gives to outgoing connections, so that none of them holds it.
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 18_080)),
        }
    }
}

impl Sandbox {
    pub(super) fn read(source: &mut Source, faults: &mut Faults) -> Self {
        source.section("sandbox", faults)
    }
}
