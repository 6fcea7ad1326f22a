//! Providers: the trait, and one client per provider. The only room that speaks HTTP to the outside.

use async_trait::async_trait;

use crate::domain::account::Capabilities;
use crate::domain::answer::{Answer, LookupAnswer};
use crate::domain::refund::Refund;

pub mod afterpay;
pub mod assumption;
mod error;
pub mod http;

pub use error::Error;

/// One account at one provider.
///
/// Neither method fails: whatever happens on the wire has a face. Neither repeats a request.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What this account can do.
    fn capabilities(&self) -> &Capabilities;

    /// One round trip that asks the provider to give money back for these refunds (one, unless the provider
    /// takes batches). The answer has one face per refund, in order.
    async fn send(&self, refunds: &[Refund], resend_count: u32) -> Answer;

    /// One round trip that reads the order of a refund.
    async fn look_up(&self, refund: &Refund) -> LookupAnswer;
}
