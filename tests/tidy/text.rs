//! Lines, columns, words and names.

use super::{Faults, ends};

const CODE_LINES_MAX: usize = 400;
const CODE_COLUMNS_MAX: usize = 110;
const PROSE_COLUMNS_MAX: usize = 120;

/// Files that may be longer than the rest: path, lines, reason.
const LONG_FILES: &[(&str, usize, &str)] = &[];

/// Words that a public repository does not hold, split so that this file does not hold them either.
const WORDS: &[(&str, &str)] = &[
    (concat!("FIX", "ME"), "open work is an issue, not a comment"),
    (concat!("TO", "DO"), "open work is an issue, not a comment"),
    (concat!("// X", "XX"), "open work is an issue, not a comment"),
    (concat!("HA", "CK"), "open work is an issue, not a comment"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/tmp/", "wt"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

pub(crate) fn check_name(path: &str, faults: &mut Faults) {
    if path.ends_with("/mod.rs") {
        faults.add(path, 1, "a room is `room.rs` beside `room/`, never `mod.rs`".to_owned());
    }
    for part in path.split('/') {
        let stem = part.split('.').next().unwrap_or(part);
        if EMPTY_NAMES.contains(&stem) {
            faults.add(path, 1, format!("`{stem}` does not say what is inside"));
        }
    }
}

/// Lines, columns and words.
pub(crate) fn check_text(path: &str, text: &str, faults: &mut Faults) {
    let code = path.starts_with(".ci/") || ends(path, &["rs", "proto", "sh", "justfile"]);
    let prose = ends(path, &["md"]);
    if code {
        let exception = LONG_FILES.iter().find(|(long, _, _)| *long == path);
        let lines_max = exception.map_or(CODE_LINES_MAX, |(_, lines, _)| *lines);
        let lines = text.lines().count();
        if lines > lines_max {
            faults.add(path, lines, format!("a file has at most {lines_max} lines"));
        }
    }
    let mut fenced = false;
    for (line, number) in text.lines().zip(1..) {
        fenced ^= prose && line.trim_start().starts_with("```");
        let free = prose && (fenced || line.trim_start().starts_with('|'));
        let columns_max = if prose { PROSE_COLUMNS_MAX } else { CODE_COLUMNS_MAX };
        if (code || prose) && !free && line.chars().count() > columns_max {
            faults.add(path, number, format!("a line has at most {columns_max} columns"));
        }
        for (word, why) in WORDS.iter().filter(|(word, _)| line.contains(word)) {
            faults.add(path, number, format!("`{word}`: {why}"));
        }
    }
}
