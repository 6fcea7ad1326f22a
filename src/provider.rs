//! Providers: the trait, and one client per provider. The only room that speaks HTTP to the outside.

use async_trait::async_trait;

use crate::domain::answer::{Answer, Evidence, LookupAnswer, Signal};
use crate::domain::refund::Refund;

pub mod afterpay;
pub mod airalo;
pub mod assumption;
mod error;
pub mod http;
mod json;
pub mod moyasar;
mod reversal;
pub mod worldline;

pub use error::Error;

/// Why a send cannot be made now: the token could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unready {
    /// The record of the round trip.
    pub evidence: Evidence,
    /// What it tells of the account.
    pub signals: Vec<Signal>,
}

/// One account at one provider.
///
/// No method fails: whatever happens on the wire has a face. None repeats a request.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Gets ready what a send needs before it spends a slot: a token that is not about to expire. `Some`
    /// says why it is not ready; nothing was asked of any refund.
    async fn prepare(&self) -> Option<Unready> {
        None
    }

    /// One round trip that asks the provider to give money back for these refunds (one, unless the provider
    /// takes batches). The answer has one face per refund, in order.
    async fn send(&self, refunds: &[Refund], resend_count: u32) -> Answer;

    /// Reads the order of a refund, or of its eSIMs: one round trip, or one per eSIM. Says what was seen,
    /// and what it means for this refund by the provider's rules and by the refund's baseline and items; of a
    /// success, whether it was taken back.
    async fn look_up(&self, refund: &Refund) -> LookupAnswer;
}
