//! The refund service.

pub mod config;
pub mod dispatch;
pub mod domain;
pub mod grpc;
pub mod provider;
pub mod service;
pub mod store;
pub mod telemetry;
