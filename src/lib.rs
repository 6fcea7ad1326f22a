//! The refund service.

pub mod config;
pub mod telemetry;
