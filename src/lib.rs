//! The refund service.
