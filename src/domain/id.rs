//! Names and identifiers, each its own type, so that none stands in another's place.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Rule;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// From its hyphenated text.
            pub fn parse(text: &str) -> Result<Self, Rule> {
                Uuid::try_parse(text).map(Self).map_err(|_| Rule::new("must be a UUID"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id! {
    /// One refund, for ever. A version 7 UUID, so that indexes grow at their end.
    RefundId
}
uuid_id! {
    /// One HTTP round trip to a provider.
    AttemptId
}
uuid_id! {
    /// The idempotency value that a provider sees for a refund; the same on every attempt.
    ProviderKey
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The longest accepted, in bytes.
            pub const LENGTH_MAX: usize = $max;

            /// Checks and wraps.
            pub fn parse(text: &str) -> Result<Self, Rule> {
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() || text.len() > Self::LENGTH_MAX || !text.chars().all(allowed) {
                    return Err(Rule::new(format!("must be 1 to {} {}", Self::LENGTH_MAX, $rule)));
                }
                Ok(Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// The stable configured name of the service or person behind a call.
    CallerName, 64, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c),
    "characters of a-z, 0-9, '.', '_' and '-'"
}
text_id! {
    /// One set of credentials at one provider, as the configuration names it.
    AccountName, 64, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c),
    "characters of a-z, 0-9, '.', '_' and '-'"
}
text_id! {
    /// The caller's idempotency key, chosen and stored by the caller before it calls.
    RequestId, 64, |c| c.is_ascii_graphic(), "printable ASCII characters without spaces"
}
text_id! {
    /// The provider's id of the order, as the caller gave it.
    OrderId, 64, |c| c.is_ascii_graphic(), "printable ASCII characters without spaces"
}
text_id! {
    /// The provider's id of one transaction of an order.
    TransactionId, 64, |c| c.is_ascii_graphic(), "printable ASCII characters without spaces"
}
text_id! {
    /// The number of an eSIM.
    Iccid, 22, |c| c.is_ascii_digit(), "digits"
}

impl ProviderKey {
    /// Derives the key from what stays the same when a caller repeats after a lost database: who called, with
    /// which request id, for which merchant. Each part is preceded by its length, so that no two triples read
    /// alike. The bits of a random UUID (version 4) mark the hash, the form that every provider here is known
    /// to take.
    pub fn derive(caller: &CallerName, request_id: &RequestId, merchant: &str) -> Self {
        let mut hash = Sha256::new();
        for part in ["refunds.v1", caller.as_str(), request_id.as_str(), merchant] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut bytes = [0_u8; 16];
        for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(caller: &str, request: &str, merchant: &str) -> ProviderKey {
        ProviderKey::derive(
            &CallerName::parse(caller).unwrap(),
            &RequestId::parse(request).unwrap(),
            merchant,
        )
    }

    #[test]
    fn a_key_depends_on_each_part_and_on_nothing_else() {
        assert_eq!(key("shop", "a1", "m"), key("shop", "a1", "m"));
        let keys =
            [key("shop", "a1", "m"), key("shop", "a1", "n"), key("shop", "a", "1m"), key("sho", "pa1", "m")];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|b| a != b));
        }
        assert_eq!(key("shop", "a1", "m").to_string(), "d0e0fbe9-d80d-475e-9c08-4b9632bf0296");
    }

    #[test]
    fn names_outside_their_alphabet_are_refused() {
        assert!(RequestId::parse("").is_err());
        assert!(RequestId::parse("a b").is_err());
        assert!(RequestId::parse("a\u{7}b").is_err());
        assert!(RequestId::parse(&"a".repeat(65)).is_err());
        assert!(RequestId::parse(&"a".repeat(64)).is_ok());
        assert!(AccountName::parse("Afterpay").is_err());
        assert!(Iccid::parse("89400000000000000x").is_err());
    }
}
