//! The paths that a Rust source names.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::tokens;

/// A path that a source names, from the crate's root or from a foreign crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) parts: Vec<String>,
    pub(crate) is_import: bool,
    pub(crate) in_test: bool,
}

/// The paths that a source names, imports expanded, `super` and local names resolved.
pub(crate) fn named_paths(text: &str, modules: &[String]) -> Vec<Named> {
    let tokens = tokens(text);
    let token = |at: usize| tokens.get(at).map_or("", |(_, token)| token.as_str());
    let mut named = Vec::new();
    let mut locals: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut own: BTreeSet<&str> = BTreeSet::new();
    for at in (0..tokens.len()).filter(|at| token(*at) == "mod" && is_name(token(at + 1))) {
        own.insert(token(at + 1));
    }
    let mut here = modules.to_vec();
    let (mut depth, mut opened) = (0_usize, Vec::new());
    let mut at = 0;
    while let Some((line, word)) = tokens.get(at) {
        let in_test = here.iter().any(|module| module.starts_with("test"));
        let next = token(at + 1);
        let before = at.checked_sub(1).map_or("", token);
        let begins =
            before != "." && (before != "::" || at.checked_sub(2).is_none_or(|at| !ends_path(token(at))));
        at += 1;
        if word == "{" {
            depth += 1;
        } else if word == "}" {
            depth = depth.saturating_sub(1);
            if opened.pop_if(|opening| *opening == depth).is_some() {
                here.pop();
            }
        } else if word == "mod" && token(at + 1) == "{" {
            here.push(next.to_owned());
            opened.push(depth);
        } else if word == "use" && next != "<" {
            let mut imports = Vec::new();
            use_tree(&tokens, &mut at, &[], &mut imports);
            for (line, parts, name) in imports {
                if parts.first().is_some_and(|first| !own.contains(first.as_str())) {
                    let parts = from_root(parts, &here);
                    locals.insert(name, parts.clone());
                    named.push(Named { line, parts, is_import: true, in_test });
                }
            }
        } else if is_name(word) && next == "::" && begins {
            let mut parts = vec![word.clone()];
            while token(at) == "::" && is_name(token(at + 1)) {
                parts.push(token(at + 1).to_owned());
                at += 2;
            }
            if !own.contains(word.as_str()) {
                named.push(Named { line: *line, parts: from_root(parts, &here), is_import: false, in_test });
            }
        }
    }
    for path in named.iter_mut().filter(|path| !path.is_import) {
        if let Some(whole) = path.parts.first().and_then(|first| locals.get(first)) {
            path.parts.splice(..1, whole.iter().cloned());
        }
    }
    named
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn ends_path(token: &str) -> bool {
    is_name(token) || token == ">"
}

/// `self` and `super` written from the crate's root.
fn from_root(parts: Vec<String>, here: &[String]) -> Vec<String> {
    let relative = parts.iter().take_while(|part| *part == "self" || *part == "super").count();
    if relative == 0 {
        return parts;
    }
    let climbed = parts.iter().take(relative).filter(|part| *part == "super").count();
    let kept = here.iter().take(here.len().saturating_sub(climbed));
    ["crate".to_owned()].iter().chain(kept).chain(parts.iter().skip(relative)).cloned().collect()
}

/// The paths of one `use`, each with its line and the name that it brings in; `at` is left after the tree.
fn use_tree(
    tokens: &[(usize, String)],
    at: &mut usize,
    above: &[String],
    imports: &mut Vec<(usize, Vec<String>, String)>,
) {
    let mut parts = above.to_vec();
    while let Some((line, word)) = tokens.get(*at) {
        *at += 1;
        let token = |at: usize| tokens.get(at).map_or("", |(_, token)| token.as_str());
        if word == "{" {
            while token(*at) != "}" && *at < tokens.len() {
                use_tree(tokens, at, &parts, imports);
                *at += usize::from(token(*at) == ",");
            }
            *at += 1;
            return;
        }
        if word != "::" {
            if word != "self" || parts.is_empty() {
                parts.push(word.clone());
            }
            if token(*at) != "::" {
                let alias = if token(*at) == "as" { token(*at + 1).to_owned() } else { String::new() };
                *at += if alias.is_empty() { 0 } else { 2 };
                let name = if alias.is_empty() { parts.last().cloned().unwrap_or_default() } else { alias };
                imports.push((*line, parts, name));
                return;
            }
        }
    }
}
