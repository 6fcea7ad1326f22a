//! The refund service.
#[cfg(feature = "sandbox")]
pub mod sandbox;
