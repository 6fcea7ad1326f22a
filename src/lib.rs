//! The refund service.

pub mod domain;
pub mod provider;
pub mod store;
