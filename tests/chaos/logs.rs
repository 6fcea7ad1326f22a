//! What the processes told of themselves: the law of states and the constraints of the database hold even
//! where a guard before them fails, so that a try against them is a finding though nothing came of it.

use std::collections::HashSet;

use crate::findings::Wrong;
use crate::world::World;

/// Faults of the program, by the words of its errors.
const FAULTS: &[(&str, Wrong)] = &[
    // A change of state by who had no right to it.
    ("cannot take the change", Wrong::Gaps),
    ("inconsistent row", Wrong::Lost),
    ("the database refused", Wrong::Stuck),
    ("panicked at", Wrong::Stuck),
];

/// Looks through what every process wrote; the same trouble of a process is told once.
pub(crate) fn judge(world: &World) {
    for file in std::fs::read_dir(&world.logs).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut told = HashSet::new();
        for line in text.lines() {
            for (words, wrong) in FAULTS.iter().filter(|(words, _)| line.contains(words)) {
                if told.insert(words) {
                    world.findings.add(*wrong, format!("{}: {line}", path.display()));
                }
            }
        }
    }
}
