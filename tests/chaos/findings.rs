//! What was found wrong.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Details told of each kind.
const TOLD_MAX: usize = 20;
/// Characters of a note.
const NOTE_MAX: usize = 400;

/// The kinds of what must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// An acknowledged refund is not there, or is another, or a good wish was refused.
    Lost,
    /// A refund had a second effect, or was sent past its lease.
    Doubled,
    /// More was given back than may be, or the guard does not count what lives.
    Over,
    /// A refund rests though something could be done, or its end contradicts the ledger.
    Stuck,
    /// A change of state was not told, or is against the table.
    Gaps,
    /// A change of state was told twice or out of order.
    Repeats,
}

impl Wrong {
    pub(crate) const ALL: [Self; 6] =
        [Self::Lost, Self::Doubled, Self::Over, Self::Stuck, Self::Gaps, Self::Repeats];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Over => "over",
            Self::Stuck => "stuck",
            Self::Gaps => "gaps",
            Self::Repeats => "repeats",
        }
    }
}

/// All that was found, and what is only worth a look.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    wrong: Mutex<BTreeMap<Wrong, Vec<String>>>,
    notes: Mutex<BTreeMap<String, (u64, String)>>,
}

impl Findings {
    /// Something is wrong.
    pub(crate) fn add(&self, wrong: Wrong, detail: String) {
        let mut all = self.wrong.lock().unwrap();
        let of_kind = all.entry(wrong).or_default();
        if of_kind.len() < TOLD_MAX {
            eprintln!("chaos: {}: {detail}", wrong.word());
        }
        of_kind.push(detail);
    }

    /// Something is worth a look: counted by what it is, with its first case.
    pub(crate) fn note(&self, what: &str, detail: impl FnOnce() -> String) {
        let mut notes = self.notes.lock().unwrap();
        let note = notes.entry(what.to_owned()).or_insert_with(|| {
            let first: String = detail().chars().take(NOTE_MAX).collect();
            (0, first)
        });
        note.0 += 1;
    }

    pub(crate) fn count(&self, wrong: Wrong) -> usize {
        self.wrong.lock().unwrap().get(&wrong).map_or(0, Vec::len)
    }

    /// The notes, a line each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let notes = self.notes.lock().unwrap();
        notes.iter().map(|(what, (count, first))| format!("{what}: {count}, first: {first}")).collect()
    }
}
