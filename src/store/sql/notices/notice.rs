//! What one process tells the others, and its form on the wire: the sender's tag, a letter for each kind of
//! news, and the ids of refunds that changed.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::domain::id::RefundId;
use crate::store::wake::{Bell, Wakes};

/// Refunds that are told one by one; of more it is told that anything may have changed.
const CHANGED_MAX: usize = 4_096;
/// Ids in one payload, which PostgreSQL wants below 8000 bytes.
const PAYLOAD_IDS_MAX: usize = 200;

const DUE: char = 'd';
const PLACED: char = 'p';
const ANYTHING: char = 'a';
/// Where there is no letter.
const NOTHING_ELSE: &str = "-";

/// News of a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Notice {
    changed: BTreeSet<RefundId>,
    due: bool,
    placed: bool,
    anything: bool,
}

impl Notice {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn add(&mut self, wakes: &Wakes) {
        let changed = wakes.changed.iter().copied().collect();
        self.merge(Self { changed, due: wakes.due, placed: wakes.placed, anything: false });
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.due |= other.due;
        self.placed |= other.placed;
        self.anything |= other.anything;
        self.changed.extend(other.changed);
        self.anything |= self.changed.len() > CHANGED_MAX;
        if self.anything {
            self.changed.clear();
        }
    }

    /// Rings for it.
    pub(super) fn ring(self, bell: &Bell) {
        if self.anything {
            bell.ring_for_anything();
        } else {
            let changed = self.changed.into_iter().collect();
            let (due, placed) = (self.due, self.placed);
            bell.ring_for_others(Wakes { changed, due, placed, ..Wakes::default() });
        }
    }

    /// Its form, in as many payloads as it needs.
    pub(super) fn payloads(&self, tag: &str) -> Vec<String> {
        let flags = [(self.due, DUE), (self.placed, PLACED), (self.anything, ANYTHING)];
        let letters: String =
            flags.into_iter().filter_map(|(is_so, letter)| is_so.then_some(letter)).collect();
        let mut letters = if letters.is_empty() { NOTHING_ELSE } else { &letters };
        let ids: Vec<String> = self.changed.iter().map(|id| format!(" {}", id.0.simple())).collect();
        let mut payloads = Vec::new();
        for part in ids.chunks(PAYLOAD_IDS_MAX) {
            payloads.push(format!("{tag} {letters}{}", part.concat()));
            // Once is enough.
            letters = NOTHING_ELSE;
        }
        if payloads.is_empty() {
            payloads.push(format!("{tag} {letters}"));
        }
        payloads
    }

    /// The tag and the news of a payload; letters of a later version are passed over.
    pub(super) fn parse(payload: &str) -> Option<(&str, Self)> {
        let mut parts = payload.split(' ');
        let (tag, letters) = (parts.next()?, parts.next()?);
        let changed = parts.map(|id| Uuid::try_parse(id).ok().map(RefundId)).collect::<Option<_>>()?;
        let has = |letter| letters.contains(letter);
        let (due, placed, anything) = (has(DUE), has(PLACED), has(ANYTHING));
        Some((tag, Self { changed, due, placed, anything }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refunds(count: usize) -> Vec<RefundId> {
        (0..count).map(|n| RefundId(Uuid::from_u128(u128::MAX - u128::try_from(n).unwrap()))).collect()
    }

    fn changed(count: usize) -> Notice {
        let mut notice = Notice::default();
        notice.add(&Wakes { changed: refunds(count), due: true, placed: false, ..Wakes::default() });
        notice
    }

    #[test]
    fn what_is_told_is_read_back_from_payloads_that_postgresql_takes() {
        for count in [0, 1, PAYLOAD_IDS_MAX, PAYLOAD_IDS_MAX + 1, CHANGED_MAX] {
            let told = changed(count);
            let mut heard = Notice::default();
            for payload in told.payloads("0123456789abcdef") {
                assert!(payload.len() < 8_000, "{} bytes", payload.len());
                let (tag, part) = Notice::parse(&payload).unwrap();
                assert_eq!(tag, "0123456789abcdef");
                heard.merge(part);
            }
            assert_eq!(heard, told);
        }
        let placed = Notice { placed: true, ..Notice::default() };
        assert_eq!(placed.payloads("t"), ["t p"]);
        assert_eq!(Notice::parse("t p"), Some(("t", placed)));
    }

    #[test]
    fn more_than_can_be_told_one_by_one_is_anything() {
        let mut notice = changed(CHANGED_MAX + 1);
        assert_eq!(notice.payloads("t"), ["t da"]);
        notice.add(&Wakes { changed: refunds(1), due: false, placed: false, ..Wakes::default() });
        assert_eq!(notice.payloads("t"), ["t da"]);
    }

    #[test]
    fn changes_of_one_moment_share_a_notice() {
        let mut notice = changed(2);
        notice.add(&Wakes { changed: refunds(3), due: false, placed: true, ..Wakes::default() });
        assert_eq!(notice.payloads("t").len(), 1);
        let (_, heard) =
            Notice::parse(&notice.payloads("t").concat()).map(|(t, n)| (t.to_owned(), n)).unwrap();
        assert_eq!(heard, Notice { changed: refunds(3).into_iter().collect(), placed: true, ..changed(0) });
    }

    #[test]
    fn what_is_not_understood_is_not_read_and_unknown_letters_are_passed_over() {
        assert_eq!(Notice::parse(""), None);
        assert_eq!(Notice::parse("tag"), None);
        assert_eq!(Notice::parse("tag - not-an-id"), None);
        assert_eq!(Notice::parse("tag xd"), Some(("tag", changed(0))));
    }
}
