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
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        here: modules.to_vec(),
        depth: 0,
        blocks: Vec::new(),
        module_begins: false,
        test_begins: false,
        named: Vec::new(),
        locals: BTreeMap::new(),
    };
    while reader.step() {}
    let Reader { mut named, locals, .. } = reader;
    let own: BTreeSet<&str> =
        (1..tokens.len()).filter(|at| token(&tokens, at - 1) == "mod").map(|at| token(&tokens, at)).collect();
    named.retain(|path| path.parts.first().is_some_and(|first| !own.contains(first.as_str())));
    for path in named.iter_mut().filter(|path| !path.is_import) {
        if let Some(whole) = path.parts.first().and_then(|first| locals.get(first)) {
            path.parts.splice(..1, whole.iter().cloned());
        }
    }
    named
}

fn token(tokens: &[(usize, String)], at: usize) -> &str {
    tokens.get(at).map_or("", |(_, token)| token.as_str())
}

/// A pair of braces that begins a module, or something that only tests see.
struct Block {
    depth: usize,
    is_module: bool,
    is_test: bool,
}

struct Reader<'a> {
    tokens: &'a [(usize, String)],
    at: usize,
    /// The module that is read, from the crate's root.
    here: Vec<String>,
    depth: usize,
    blocks: Vec<Block>,
    module_begins: bool,
    test_begins: bool,
    named: Vec<Named>,
    /// What an import brought in, by its name here.
    locals: BTreeMap<String, Vec<String>>,
}

impl Reader<'_> {
    /// Reads one token, or a path whole. False at the end.
    fn step(&mut self) -> bool {
        let tokens = self.tokens;
        let Some((line, word)) = tokens.get(self.at) else { return false };
        let next = token(tokens, self.at + 1);
        let in_path = self.continues_a_path();
        self.at += 1;
        match word.as_str() {
            "{" => self.open(),
            "}" => self.close(),
            ";" => self.test_begins = false,
            "#" => self.test_begins |= self.attribute_is_cfg_test(),
            "mod" if token(tokens, self.at + 1) == "{" => {
                self.here.push(next.to_owned());
                self.module_begins = true;
            }
            "use" if next != "<" => {
                let mut imports = Vec::new();
                use_tree(tokens, &mut self.at, &[], &mut imports);
                for (line, parts, name) in imports {
                    let parts = from_root(parts, &self.here);
                    self.locals.insert(name, parts.clone());
                    self.name(line, parts, true);
                }
            }
            word if is_name(word) && next == "::" && !in_path => {
                let mut parts = vec![word.to_owned()];
                while token(tokens, self.at) == "::" && is_name(token(tokens, self.at + 1)) {
                    parts.push(token(tokens, self.at + 1).to_owned());
                    self.at += 2;
                }
                let parts = from_root(parts, &self.here);
                self.name(*line, parts, false);
            }
            _ => {}
        }
        true
    }

    fn name(&mut self, line: usize, parts: Vec<String>, is_import: bool) {
        let in_test = self.test_begins
            || self.blocks.iter().any(|block| block.is_test)
            || self.here.iter().any(|module| module == "tests");
        self.named.push(Named { line, parts, is_import, in_test });
    }

    fn open(&mut self) {
        let (is_module, is_test) = (self.module_begins, self.test_begins);
        if is_module || is_test {
            self.blocks.push(Block { depth: self.depth, is_module, is_test });
        }
        (self.module_begins, self.test_begins) = (false, false);
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        let depth = self.depth;
        if self.blocks.pop_if(|block| block.depth == depth).is_some_and(|block| block.is_module) {
            self.here.pop();
        }
    }

    fn attribute_is_cfg_test(&self) -> bool {
        let attribute =
            || (self.at..self.tokens.len()).map(|at| token(self.tokens, at)).take_while(|sign| *sign != "]");
        attribute().nth(1) == Some("cfg")
            && attribute().any(|sign| sign == "test")
            && !attribute().any(|sign| sign == "not")
    }

    /// Whether the token is a method, or a later part of a path.
    fn continues_a_path(&self) -> bool {
        let before = |back| self.at.checked_sub(back).map_or("", |at| token(self.tokens, at));
        before(1) == "." || (before(1) == "::" && (is_name(before(2)) || before(2) == ">"))
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
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
        if word == "{" {
            while token(tokens, *at) != "}" && *at < tokens.len() {
                use_tree(tokens, at, &parts, imports);
                *at += usize::from(token(tokens, *at) == ",");
            }
            *at += 1;
            return;
        }
        if word != "::" {
            if word != "self" || parts.is_empty() {
                parts.push(word.clone());
            }
            if token(tokens, *at) != "::" {
                let alias = if token(tokens, *at) == "as" {
                    token(tokens, *at + 1).to_owned()
                } else {
                    String::new()
                };
                *at += if alias.is_empty() { 0 } else { 2 };
                let name = if alias.is_empty() { parts.last().cloned().unwrap_or_default() } else { alias };
                imports.push((*line, parts, name));
                return;
            }
        }
    }
}
