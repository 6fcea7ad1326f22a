//! Pages: how large one is, and the token that the next one begins with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::domain::Rule;
use crate::domain::id::{CallerName, RefundId};
use crate::domain::query::Place;
use crate::domain::timestamp::Timestamp;

use super::{Error, FieldFault};

/// Refunds in a page when the caller does not say.
pub const PAGE_SIZE_DEFAULT: u64 = 50;
/// The most refunds in a page.
pub const PAGE_SIZE_MAX: u64 = 200;
/// The version of the token's form.
const TOKEN_VERSION: &str = "1";
/// Bytes of the hash in a token of whose pages it is of.
const HASH_BYTES: usize = 16;

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// The most refunds in it.
    pub(super) size: u64,
    token: Option<Token>,
}

/// The end of a page, of one list, as one caller saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    place: Place,
    list: String,
}

/// A list, by who asks and all that it is asked for: what a token is bound to.
#[derive(Debug)]
pub(super) struct List(Sha256);

impl Paging {
    /// Reads what a caller says of a page.
    ///
    /// # Errors
    /// Every fault of `page_size` and `page_token`.
    pub fn read(page_size: i32, page_token: &str) -> Result<Self, Vec<FieldFault>> {
        let mut faults = Vec::new();
        let size = match u64::try_from(page_size) {
            Ok(0) => PAGE_SIZE_DEFAULT,
            Ok(size) => size.min(PAGE_SIZE_MAX),
            Err(_) => {
                faults.push(FieldFault::new("page_size", "must not be negative"));
                PAGE_SIZE_DEFAULT
            }
        };
        let token = match page_token {
            "" => None,
            text => Token::decode(text).or_else(|| {
                faults.push(FieldFault::new("page_token", "is not a page token of this service"));
                None
            }),
        };
        if faults.is_empty() { Ok(Self { size, token }) } else { Err(faults) }
    }

    /// Where the page begins.
    ///
    /// # Errors
    /// When the token is of another list, or another caller's.
    pub(super) fn after(&self, list: &List) -> Result<Option<Place>, Error> {
        match &self.token {
            Some(token) if token.list != list.name() => {
                let rule =
                    Rule::new("is of another list: keep to the caller and the filters of the first page");
                Err(Error::Invalid(vec![FieldFault::new("page_token", rule.0)]))
            }
            token => Ok(token.as_ref().map(|token| token.place)),
        }
    }
}

impl List {
    /// A list of that name, for a caller.
    pub(super) fn new(name: &str, caller: &CallerName) -> Self {
        Self(Sha256::new()).with("list", Some(name)).with("for", Some(caller.as_str()))
    }

    /// Narrowed by a filter, if it is given. Parts are preceded by their length, so that no two lists read
    /// alike.
    pub(super) fn with(mut self, filter: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            for part in [filter, &value.to_string()] {
                self.0.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                self.0.update(part.as_bytes());
            }
        }
        self
    }

    /// The token that goes on after a place.
    pub(super) fn token(&self, place: Place) -> String {
        Token { place, list: self.name() }.encode()
    }

    /// What tells it apart, in short.
    pub(super) fn name(&self) -> String {
        let hash = self.0.clone().finalize();
        URL_SAFE_NO_PAD.encode(hash.iter().copied().take(HASH_BYTES).collect::<Vec<_>>())
    }
}

impl Token {
    /// The token as clients keep it. It grants nothing: who uses it is checked anew.
    fn encode(&self) -> String {
        let Place { time, id } = self.place;
        URL_SAFE_NO_PAD.encode(format!("{TOKEN_VERSION}.{}.{id}.{}", time.micros(), self.list))
    }

    fn decode(text: &str) -> Option<Self> {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let parts: Vec<&str> = plain.split('.').collect();
        let &[TOKEN_VERSION, time, id, list] = parts.as_slice() else { return None };
        let place = Place { time: Timestamp::from_micros(time.parse().ok()?), id: RefundId::parse(id).ok()? };
        Some(Self { place, list: list.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(caller: &str, account: Option<&str>, label: Option<&str>) -> List {
        let caller = CallerName::parse(caller).unwrap();
        List::new("refunds", &caller).with("account", account).with("label", label)
    }

    #[test]
    fn a_token_is_bound_to_its_caller_and_its_filters() {
        let place = Place { time: Timestamp::from_micros(7), id: RefundId(uuid::Uuid::from_u128(7)) };
        let own = list("shop", Some("a"), None);
        let paging = Paging::read(10, &own.token(place)).unwrap();
        assert_eq!(paging.after(&own).unwrap(), Some(place));
        let others = [
            list("other", Some("a"), None),
            list("shop", None, None),
            list("shop", None, Some("a")),
            list("shop", Some("a"), Some("")),
        ];
        for other in others {
            assert!(matches!(paging.after(&other), Err(Error::Invalid(_))), "{other:?}");
        }
    }

    #[test]
    fn sizes_are_bounded_and_all_faults_are_told() {
        let size = |asked| Paging::read(asked, "").unwrap().size;
        assert_eq!([0, 1, 200, 201, i32::MAX].map(size), [PAGE_SIZE_DEFAULT, 1, 200, 200, 200]);
        for text in ["nonsense", "?", "MS4x"] {
            let fields: Vec<_> = Paging::read(-1, text).unwrap_err().into_iter().map(|f| f.field).collect();
            assert_eq!(fields, ["page_size", "page_token"], "{text}");
        }
    }
}
