//! The refund service.

pub mod domain;
pub mod provider;
pub mod service;
pub mod store;
