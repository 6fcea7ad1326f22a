//! Ids and numbers that the gateway gives; the same for the same thing always.

/// The lengths of the parts of a hyphenated UUID.
const UUID_PARTS: [usize; 5] = [8, 4, 4, 4, 12];

/// A UUID in lower case; none when `text` is not a hyphenated UUID. That ids are compared without regard to
/// case is \[assumed].
pub(super) fn canonical(text: &str) -> Option<String> {
    let parts: Vec<_> = text.split('-').collect();
    let well_formed = parts.iter().map(|part| part.len()).eq(UUID_PARTS)
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    well_formed.then(|| text.to_ascii_lowercase())
}

/// A UUID of version 7, the form of all ids of the gateway's own [doc: the refund page's example].
pub(super) fn made(about: &str, at_ms: i64) -> String {
    let at_ms = u64::try_from(at_ms).unwrap_or_default();
    let [first, second] = [1, 2].map(|step| scattered(about, step));
    let (early, late) = ((at_ms >> 16) & 0xffff_ffff, at_ms & 0xffff);
    let version = 0x7000 | (first & 0x0fff);
    let variant = 0x8000 | (first >> 16 & 0x3fff);
    format!("{early:08x}-{late:04x}-{version:04x}-{variant:04x}-{:012x}", second & 0xffff_ffff_ffff)
}

/// So many decimal digits.
pub(super) fn digits(about: &str, width: u64) -> String {
    (1..=width).map(|step| (scattered(about, step) % 10).to_string()).collect()
}

/// The id of an order that is not this one.
pub(super) fn another_order(id: &str) -> String {
    let rest = id.get(4..).unwrap_or_default();
    if id.starts_with("0191") { format!("0194{rest}") } else { format!("0191{rest}") }
}

/// The text's FNV-1a hash, spread over all 64 bits (the finishing steps of `SplitMix64`).
fn scattered(text: &str, step: u64) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut mixed = hash.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
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
