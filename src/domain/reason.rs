//! Why money goes back: the canonical list, and why it did not.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every one, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word that stands for it in the database, in logs and in error details.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The one that a word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The caller's reason for a refund. Providers with lists of their own get the nearest entry.
    Reason {
        /// Not said.
        Unspecified = "unspecified",
        /// The customer asked for it.
        RequestedByCustomer = "requested_by_customer",
        /// The goods or the service never came.
        NotDelivered = "not_delivered",
        /// What came was faulty or not as described.
        Defective = "defective",
        /// Bought by mistake, or the wrong item.
        WrongPurchase = "wrong_purchase",
        /// The customer canceled the order, trip or plan.
        Canceled = "canceled",
        /// Charged twice.
        Duplicate = "duplicate",
        /// Charged too much, or for something unknown.
        Overcharged = "overcharged",
        /// The payment was fraudulent.
        Fraudulent = "fraudulent",
        /// An eSIM could not be installed.
        InstallationFailure = "installation_failure",
        /// There was no coverage or connection.
        NoCoverage = "no_coverage",
        /// The connection was slow, blocked or came and went.
        PoorService = "poor_service",
        /// The device is locked or cannot use it.
        IncompatibleDevice = "incompatible_device",
        /// None of these; `notes` says which.
        Other = "other",
    }
}

words! {
    /// Why a refund failed, the same words for all providers. The provider's own code and text stand beside
    /// it.
    FailureReason {
        /// More than can still be refunded on the order, says the provider.
        AmountExceedsRefundable = "amount_exceeds_refundable",
        /// The preflight saw that less remains than when the refund was accepted.
        RemainingChanged = "remaining_changed",
        /// The order has another currency.
        CurrencyMismatch = "currency_mismatch",
        /// The provider does not know the order.
        OrderNotFound = "order_not_found",
        /// The order exists but cannot be refunded (declined, not captured).
        OrderNotRefundable = "order_not_refundable",
        /// The provider's refund window is over.
        RefundWindowExpired = "refund_window_expired",
        /// The provider found the request itself wrong.
        RequestRejected = "request_rejected",
        /// The provider, the scheme or the issuer declined.
        Declined = "declined",
        /// `send_before` passed and nothing had been sent.
        SendBeforePassed = "send_before_passed",
        /// An operator recorded that nothing was effected.
        ResolvedByOperator = "resolved_by_operator",
    }
}
