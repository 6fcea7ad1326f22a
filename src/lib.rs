//! The refund service: a map of its rooms. `docs/architecture.md` follows one refund through them.
//!
//! - [`domain`]: nouns and laws; no I/O, no async, no clock.
//! - [`service`]: verbs, one file per use case; owns the clock and the source of ids.
//! - [`store`]: keeps refunds; the only room that knows SQL.
//! - [`provider`]: one client per provider; the only room that speaks HTTP to the outside.
//! - [`dispatch`]: the engine: claim, look, intend, call, record.
//! - [`grpc`]: wire in, wire out.
//! - [`telemetry`] and [`config`]: traces and logs out, settings in.
//! - `sandbox`: the providers imitated, sharing no type with the clients.
//! - [`app`]: wiring and commands.
//!
//! Who may know whom: `app` knows all; `grpc` and `dispatch` know `service`; `service` knows `domain` and the
//! trait of `store`; `dispatch` also the trait of `provider`; `domain`, `config`, `telemetry` and `sandbox`
//! know no other room. `tests/tidy` holds every line to this.

pub mod app;
pub mod config;
pub mod dispatch;
pub mod domain;
pub mod grpc;
pub mod provider;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod service;
pub mod store;
pub mod telemetry;
