//! Resume tokens: a place in what one caller watches.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::WatchFilter;
use crate::domain::Rule;
use crate::domain::id::{CallerName, RefundId};
use crate::service::paging::List;

/// The form of a token of one refund.
const OF_REFUND: &str = "1";
/// The form of a token of a filter.
const OF_FILTER: &str = "2";
/// What stands for no place in a snapshot.
const NOWHERE: &str = "-";
/// Bytes of a hash in a token.
const HASH_BYTES: usize = 8;

/// A place in the events that one caller watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// In those of one refund.
    Refund {
        /// The refund.
        id: RefundId,
        /// The last event that was told.
        sequence: i64,
        /// Who watches.
        caller: CallerName,
    },
    /// In those of all that match a filter.
    Filter {
        /// The last position that was dealt with.
        position: i64,
        /// While the snapshot runs: the last refund of it that was told.
        snapshot: Option<RefundId>,
        /// What is watched, as it was asked, and by whom.
        watched: String,
    },
}

impl Token {
    /// The token as clients keep it. It grants nothing: who uses it is checked anew.
    pub fn encode(&self) -> String {
        let text = match self {
            Self::Refund { id, sequence, caller } => {
                format!("{OF_REFUND}.{id}.{sequence}.{}", hash(caller.as_str()))
            }
            Self::Filter { position, snapshot, watched } => {
                let snapshot = snapshot.map_or_else(|| NOWHERE.to_owned(), |id| id.to_string());
                format!("{OF_FILTER}.{position}.{snapshot}.{watched}")
            }
        };
        URL_SAFE_NO_PAD.encode(text)
    }

    /// The sequence in a token of that refund.
    pub(super) fn of_refund(text: &str, caller: &CallerName, refund_id: RefundId) -> Result<i64, Rule> {
        let plain = plain(text)?;
        let parts: Vec<&str> = plain.split('.').collect();
        match parts.as_slice() {
            &[OF_REFUND, id, sequence, owner] => {
                if owner != hash(caller.as_str()) {
                    return Err(Rule::new("belongs to another caller"));
                }
                if id != refund_id.to_string() {
                    return Err(Rule::new("belongs to another refund"));
                }
                sequence.parse().ok().filter(|s| *s >= 0).ok_or_else(malformed)
            }
            &[OF_FILTER, ..] => Err(Rule::new("belongs to a filter")),
            _other => Err(malformed()),
        }
    }

    /// The position, and the place in the snapshot, in a token of that filter.
    pub(super) fn of_filter(
        text: &str,
        caller: &CallerName,
        filter: &WatchFilter,
    ) -> Result<(i64, Option<RefundId>), Rule> {
        let plain = plain(text)?;
        let parts: Vec<&str> = plain.split('.').collect();
        match parts.as_slice() {
            &[OF_FILTER, position, snapshot, watched] => {
                if watched != Self::watched(caller, filter) {
                    return Err(Rule::new("belongs to another caller or filter"));
                }
                let position = position.parse().ok().filter(|p| *p >= 0).ok_or_else(malformed)?;
                let snapshot = match snapshot {
                    NOWHERE => None,
                    id => Some(RefundId::parse(id).map_err(|_| malformed())?),
                };
                Ok((position, snapshot))
            }
            &[OF_REFUND, ..] => Err(Rule::new("belongs to one refund")),
            _other => Err(malformed()),
        }
    }

    /// What a caller watches, in short.
    pub(super) fn watched(caller: &CallerName, filter: &WatchFilter) -> String {
        List::new("watched", caller)
            .with("caller", filter.caller.as_ref())
            .with("account", filter.account.as_ref())
            .with("order_id", filter.order_id.as_ref())
            .name()
    }
}

fn malformed() -> Rule {
    Rule::new("is not a resume token of this service")
}

fn plain(text: &str) -> Result<String, Rule> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
    String::from_utf8(bytes).map_err(|_| malformed())
}

fn hash(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.iter().copied().take(HASH_BYTES).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::OrderId;

    #[test]
    fn a_token_is_bound_to_its_caller_and_its_refund() {
        let caller = CallerName::parse("shop").unwrap();
        let id = RefundId(uuid::Uuid::from_u128(7));
        let token = Token::Refund { id, sequence: 3, caller: caller.clone() }.encode();
        assert_eq!(Token::of_refund(&token, &caller, id), Ok(3));
        assert!(Token::of_refund(&token, &CallerName::parse("other").unwrap(), id).is_err());
        assert!(Token::of_refund(&token, &caller, RefundId(uuid::Uuid::from_u128(8))).is_err());
        assert!(Token::of_filter(&token, &caller, &WatchFilter::default()).is_err());
        assert!(Token::of_refund("nonsense", &caller, id).is_err());
        assert!(Token::of_refund("", &caller, id).is_err());
    }

    #[test]
    fn a_token_is_bound_to_its_filter() {
        let caller = CallerName::parse("shop").unwrap();
        let filter = WatchFilter { order_id: OrderId::parse("7").ok(), ..WatchFilter::default() };
        let id = RefundId(uuid::Uuid::from_u128(7));
        let watched = Token::watched(&caller, &filter);
        let token = Token::Filter { position: 9, snapshot: Some(id), watched }.encode();
        assert_eq!(Token::of_filter(&token, &caller, &filter), Ok((9, Some(id))));
        assert!(Token::of_filter(&token, &caller, &WatchFilter::default()).is_err());
        assert!(Token::of_filter(&token, &CallerName::parse("other").unwrap(), &filter).is_err());
        assert!(Token::of_refund(&token, &caller, id).is_err());
    }
}
