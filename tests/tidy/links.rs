//! Links between pages.

use std::collections::{BTreeMap, BTreeSet};

use super::{Faults, ends};

/// A link to a file has a target, and each page below `docs/` is the target of one.
pub(crate) fn check_links(tree: &BTreeMap<String, String>, faults: &mut Faults) {
    let mut targets = BTreeSet::new();
    for (path, text) in tree.iter().filter(|(path, _)| ends(path, &["md"])) {
        for (line, number) in text.lines().zip(1..) {
            for link in line.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()) {
                if link.is_empty() || link.contains("://") || link.starts_with("mailto:") {
                    continue;
                }
                let target = resolved(path, link);
                let below = format!("{target}/");
                if !tree.contains_key(&target) && !tree.keys().any(|key| key.starts_with(&below)) {
                    faults.add(path, number, format!("the link to `{link}` leads nowhere"));
                }
                if target != *path {
                    targets.insert(target);
                }
            }
        }
    }
    let pages = tree.keys().filter(|path| path.starts_with("docs/") && ends(path, &["md"]));
    for page in pages.filter(|page| tree.contains_key("README.md") && !targets.contains(*page)) {
        faults.add(page, 1, "no page links here".to_owned());
    }
}

/// A relative link as a path from the root.
fn resolved(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
