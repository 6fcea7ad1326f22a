//! The refund service.

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
