//! Claim, intent, record.
