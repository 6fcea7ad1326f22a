//! Accounts: who they are at their provider, what the provider can do, and the limits that we keep.

use std::time::Duration;

use super::admission::{AdmissionPolicy, Rate};
use super::id::{AccountName, OrderId};
use super::money::Currency;
use super::plan::Schedule;
use super::reason::{Reason, words};

words! {
    /// The four providers.
    ProviderKind {
        /// Airalo Partner API.
        Airalo = "airalo",
        /// Afterpay (Clearpay in the United Kingdom).
        Afterpay = "afterpay",
        /// Worldline One Commerce Hub.
        Worldline = "worldline",
        /// Moyasar Payment Gateway.
        Moyasar = "moyasar",
    }
}

impl ProviderKind {
    /// The one form in which an order id keys the over-refund guard. Afterpay's ids are numbers and Moyasar's
    /// are UUIDs, so that two spellings of one order must meet in one guard.
    pub fn canonical_order(self, order: &OrderId) -> String {
        match self {
            Self::Afterpay => {
                let digits = order.as_str().trim_start_matches('0');
                if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
            }
            Self::Moyasar => order.as_str().to_ascii_lowercase(),
            Self::Airalo | Self::Worldline => order.as_str().to_owned(),
        }
    }
}

/// Who an account is; stored with each of its refunds, and not to be changed while refunds are open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountIdentity {
    /// Its name in the configuration.
    pub name: AccountName,
    /// Where it is an account.
    pub provider: ProviderKind,
    /// The merchant's identity at the provider.
    pub merchant: String,
    /// Where its requests go.
    pub base_url: String,
}

/// How it is known that a provider heeds our key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProof {
    /// The provider's documents promise it.
    ByDocuments,
    /// An answer once held a transaction with the key that was sent.
    OnceEchoed,
    /// Only the account's configuration can say that the provider confirmed it; this one says whether it
    /// does.
    WhenConfirmed(bool),
    /// There is no key: never resent.
    Never,
}

/// What a provider counts money in on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoneyUnit {
    /// Decimal text or number of major units.
    Major,
    /// Whole minor units.
    Minor,
    /// The provider decides the sum.
    None,
}

/// Which shape of target a provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetShape {
    /// A payment, by order and amount.
    Payment,
    /// eSIMs, by ICCID.
    Esims,
}

/// What an account can do: data that the engine obeys and that `AccountService` and `docs/providers.md` show.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, shown as such")]
pub struct Capabilities {
    /// Which shape of target it takes.
    pub shape: TargetShape,
    /// How its key is proven.
    pub key: KeyProof,
    /// How long after the first possible send the same key may be sent again.
    pub resend_window: Option<Duration>,
    /// Whether an order or payment can be read back.
    pub lookup: bool,
    /// Whether what is read back names our key; if not, one refund per order at a time.
    pub echoes_key: bool,
    /// Whether the refusal of a resend, together with a later lookup that lacks our key, is the fate of all
    /// sends.
    pub absence_proves_refusal: bool,
    /// Whether a lookup shows that a success was taken back.
    pub shows_reversals: bool,
    /// Whether the provider's people decide each refund.
    pub person_reviews: bool,
    /// Whether less than the whole may be refunded.
    pub partial: bool,
    /// Whether an order may have several refunds.
    pub several_per_order: bool,
    /// Whether one transaction of an order may be named.
    pub takes_transaction_id: bool,
    /// What one call may hold: refunds of payments, or eSIMs of whole refunds.
    pub batch_max: usize,
    /// The currencies it takes; `None` when the provider's list is its own affair.
    pub currencies: Option<Vec<Currency>>,
    /// How long after the purchase a refund is taken.
    pub refund_window: Option<Duration>,
    /// What money is counted in on the wire.
    pub unit: MoneyUnit,
    /// The largest amount of one refund, minor units, where the provider names one.
    pub amount_minor_max: Option<i64>,
    /// The provider's own reasons, where it wants one.
    pub reasons: Option<OwnReasons>,
}

impl Capabilities {
    /// Whether of several refunds of an order one alone is under way: what is read back would not tell which
    /// of them it shows.
    pub fn one_at_a_time(&self) -> bool {
        self.several_per_order && !self.echoes_key && self.shape == TargetShape::Payment
    }
}

/// A provider's own list of reasons. The canonical ones are told by a table of its client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnReasons {
    /// The words that it takes.
    pub words: &'static [&'static str],
    /// The one of them that needs notes.
    pub needs_notes: &'static str,
    /// The canonical reasons that become that one and bring no notes of their own.
    pub canonical_need_notes: &'static [Reason],
}

/// An account as the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who it is.
    pub identity: AccountIdentity,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Calls at the same time, per process.
    pub concurrency_max: usize,
    /// Open refunds that it may have waiting.
    pub queue_max: u64,
    /// When things are tried again and looked up.
    pub schedule: Schedule,
    /// Breaker, probes, budgets.
    pub admission: AdmissionPolicy,
    /// How long a connection may take: what a slot must still be good for when a send begins.
    pub connect: Duration,
    /// How long an answer may take: what was sent may be at work for as long after its worker gave it up.
    pub answer: Duration,
    /// The budget of lookups, where the provider or the configuration names one.
    pub lookup_rate: Option<Rate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_order_meet_in_one_guard() {
        let canonical = |p: ProviderKind, o: &str| p.canonical_order(&OrderId::parse(o).unwrap());
        assert_eq!(canonical(ProviderKind::Afterpay, "00100"), canonical(ProviderKind::Afterpay, "100"));
        assert_eq!(canonical(ProviderKind::Afterpay, "000"), "0");
        assert_eq!(
            canonical(ProviderKind::Moyasar, "0191F5A7"),
            canonical(ProviderKind::Moyasar, "0191f5a7")
        );
        assert_ne!(canonical(ProviderKind::Worldline, "A"), canonical(ProviderKind::Worldline, "a"));
    }
}
