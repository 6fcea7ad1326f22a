//! `server`: the RPC server.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use super::fault::Faults;
use super::source::Source;

/// Where and how the service answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address that is bound; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether callers' tokens may travel in plain text beyond this host.
    pub allow_non_loopback_plaintext: bool,
    /// Longest request that is decoded, bytes.
    pub max_message_bytes: u32,
    /// Most concurrent calls on one connection.
    pub max_concurrent_streams: u32,
    /// How old a connection gets before its client is asked to make a new one, milliseconds; a tenth more or
    /// less, by chance of each process.
    pub max_connection_age_ms: u64,
    /// The deadline of a unary call that brings none or a longer one, milliseconds.
    pub unary_deadline_max_ms: u64,
    /// How often a quiet stream says that it lives, milliseconds.
    pub stream_heartbeat_ms: u64,
    /// Most open status streams of the process.
    pub streams_max: u32,
    /// How long round trips that have begun are waited for at shutdown, milliseconds.
    pub shutdown_grace_ms: u64,
    /// How long the service still answers after it said that it goes, milliseconds.
    pub drain_delay_ms: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_051)),
            allow_non_loopback_plaintext: false,
            max_message_bytes: 64 * 1024,
            max_concurrent_streams: 1_000,
            max_connection_age_ms: 420_000,
            unary_deadline_max_ms: 30_000,
            stream_heartbeat_ms: 15_000,
            streams_max: 10_000,
            // Afterpay's 10 s to connect and 70 s to read, and time to record the answer.
            shutdown_grace_ms: 90_000,
            drain_delay_ms: 5_000,
        }
    }
}

impl Server {
    pub(super) fn read(source: &mut Source, faults: &mut Faults) -> Self {
        let server: Self = source.section("server", faults);
        if !server.listen.ip().is_loopback() && !server.allow_non_loopback_plaintext {
            let rule = "beyond loopback tokens are plain text: set allow_non_loopback_plaintext to say so";
            faults.add("server.listen", rule);
        }
        faults.within("server.max_message_bytes", server.max_message_bytes, &(4_096..=4_194_304));
        faults.within("server.max_concurrent_streams", server.max_concurrent_streams, &(1..=100_000));
        faults.within("server.max_connection_age_ms", server.max_connection_age_ms, &(1_000..=86_400_000));
        faults.within("server.unary_deadline_max_ms", server.unary_deadline_max_ms, &(100..=300_000));
        faults.within("server.stream_heartbeat_ms", server.stream_heartbeat_ms, &(100..=600_000));
        faults.within("server.streams_max", server.streams_max, &(1..=1_000_000));
        faults.within("server.shutdown_grace_ms", server.shutdown_grace_ms, &(0..=600_000));
        faults.within("server.drain_delay_ms", server.drain_delay_ms, &(0..=60_000));
        server
    }
}
