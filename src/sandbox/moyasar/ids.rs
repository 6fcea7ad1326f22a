//! Ids and numbers that the gateway gives; the same for the same thing always.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The hyphenated form of a UUID.
const UUID_CHARS: usize = 36;

/// A UUID in lower case; none when `text` is not a hyphenated UUID. That ids are compared without regard to
/// case is [assumed].
pub(super) fn canonical(text: &str) -> Option<String> {
    if text.len() != UUID_CHARS {
        return None;
    }
    Uuid::try_parse(text).ok().map(|id| id.to_string())
}

/// A `UUIDv7`, the form of all ids of the gateway's own [doc: the refund page's example].
pub(super) fn made(about: &str, at_ms: i64) -> String {
    let hash = Sha256::digest(about);
    let random = hash.first_chunk::<10>().copied().unwrap_or_default();
    let at_ms = u64::try_from(at_ms).unwrap_or_default();
    Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid().to_string()
}

/// So many decimal digits.
pub(super) fn digits(about: &str, width: usize) -> String {
    let hash = Sha256::digest(about);
    let digits = hash.iter().map(|byte| char::from(b'0' + byte % 10));
    digits.take(width).collect()
}

/// The id of an order that is not this one.
pub(super) fn another_order(id: &str) -> String {
    let rest = id.get(4..).unwrap_or_default();
    if id.starts_with("0191") { format!("0194{rest}") } else { format!("0191{rest}") }
}

#[cfg(test)]
mod tests {
    use super::{another_order, canonical, digits, made};

    #[test]
    fn only_hyphenated_uuids_are_ids_and_case_does_not_matter() {
        let id = "0191f5a7-44d3-7430-8739-2d80821416bf";
        assert_eq!(canonical(id).as_deref(), Some(id));
        assert_eq!(canonical(&id.to_uppercase()).as_deref(), Some(id));
        for bad in ["", "1", &id.replace('-', ""), &format!("{{{id}}}"), &id.replace('f', "g")] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
    }

    #[test]
    fn made_ids_are_of_version_7_and_carry_their_time() {
        let id = made("a", 1_726_403_265_000);
        assert_eq!((&id[..8], &id[14..15]), ("0191f5a7", "7"));
        assert_eq!(canonical(&id), Some(id.clone()));
        assert_ne!(made("b", 1_726_403_265_000), id);
    }

    #[test]
    fn numbers_have_the_width_asked_for() {
        assert_eq!(digits("a", 12).len(), 12);
        assert!(digits("a", 12).bytes().all(|byte| byte.is_ascii_digit()));
    }

    #[test]
    fn another_order_exists_and_is_another() {
        let rest = "f5a7-44d3-7430-8739-2d80821416bf";
        assert_eq!(another_order(&format!("0191{rest}")), format!("0194{rest}"));
        assert_eq!(another_order(&format!("9973{rest}")), format!("0191{rest}"));
    }
}
