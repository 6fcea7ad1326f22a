//! The laws of the tree: who may know whom, which room owns which crate, how long a file is, what stands
//! nowhere.
//!
//! The tables say what is allowed, each exception with its reason. Every fault of the tree is told at once.
//! Text is read, not types: a path that a macro builds is not seen.

mod links;
mod paths;
mod rooms;
mod text;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use links::check_links;
use rooms::{check_dependencies, check_paths};
use text::{check_name, check_text};

#[test]
fn the_tree_is_tidy() {
    let mut tree = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = ignored_directories(root);
    read_tree(root, "", &ignored, &mut tree).expect("the tree can be read");
    let mut faults = Faults::default();
    for (path, text) in &tree {
        check_name(path, &mut faults);
        check_text(path, text, &mut faults);
        if ends(path, &["rs"]) {
            check_paths(path, text, &mut faults);
        }
    }
    check_dependencies(tree.get("Cargo.toml").map_or("", String::as_str), &mut faults);
    check_links(&tree, &mut faults);
    assert!(faults.0.is_empty(), "{} faults:\n{}", faults.0.len(), faults.told());
}

/// What is wrong: path, line, rule.
#[derive(Default)]
struct Faults(BTreeSet<(String, usize, String)>);

impl Faults {
    fn add(&mut self, path: &str, line: usize, rule: String) {
        self.0.insert((path.to_owned(), line, rule));
    }

    fn told(&self) -> String {
        let lines: Vec<String> =
            self.0.iter().map(|(path, line, rule)| format!("{path}:{line}: {rule}")).collect();
        lines.join("\n")
    }
}

/// Whether a file has one of these endings.
fn ends(path: &str, endings: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
}

fn ignored_directories(root: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let directories = text.lines().filter_map(|line| line.strip_suffix('/'));
    directories.map(|name| name.trim_start_matches('/').to_owned()).chain([".git".to_owned()]).collect()
}

/// Every file that is text, by its path from the root.
fn read_tree(
    root: &Path,
    under: &str,
    ignored: &BTreeSet<String>,
    tree: &mut BTreeMap<String, String>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(under))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if under.is_empty() { name.clone() } else { format!("{under}/{name}") };
        if ignored.contains(&name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            read_tree(root, &path, ignored, tree)?;
        } else if let Ok(text) = String::from_utf8(fs::read(entry.path())?) {
            tree.insert(path, text);
        }
    }
    Ok(())
}

/// Lines and rules, up to the reason, of what is wrong with one file.
fn told(path: &str, text: &str) -> Vec<(usize, String)> {
    let mut faults = Faults::default();
    check_name(path, &mut faults);
    check_text(path, text, &mut faults);
    check_paths(path, text, &mut faults);
    let rule = |rule: String| rule.split(": ").next().unwrap_or_default().to_owned();
    faults.0.into_iter().map(|(_, line, text)| (line, rule(text))).collect()
}

#[test]
fn a_crate_out_of_its_room_is_told() {
    let text = "use {sea_orm::Set, std::fmt};\nfn f(at: ::tonic::A) {\nx.time::<u8>();\nstd::env::var();\n}";
    let lines: Vec<usize> = told("src/domain/money.rs", text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 2, 4]);
    assert_eq!(told("src/store/row.rs", "use sea_orm::Set;"), []);
    let text = "mod tests { use std::fs; }\n#[cfg(test)]\nfn f() { std::fs::a(); }\nfn g() { std::fs::a(); }";
    let lines: Vec<usize> = told("src/domain/id.rs", text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [4]);
    let own = "mod time;\nuse super::toml;\nfn f() { time::now(); toml::of(); }";
    assert_eq!(told("src/domain/id.rs", own), []);
}

#[test]
fn a_room_that_knows_too_much_is_told() {
    let text = "use crate::{domain::id, grpc};\nuse super::super::dispatch as d;\nfn f() { d::x(); }";
    let grpc = (1, "`service` may not know `grpc`".to_owned());
    let dispatch = (2, "`service` may not know `dispatch`".to_owned());
    let x = (3, "`service` may not know `dispatch::x`".to_owned());
    assert_eq!(told("src/service/get.rs", text), [grpc, dispatch, x]);
    let text = "use crate::store::{self};\nfn f(e: store::Error) {}\nfn g(s: store::Store) {}";
    assert_eq!(told("src/grpc/status.rs", text), [(3, "`grpc` may not know `store::Store`".to_owned())]);
}

#[test]
fn comments_and_strings_name_nothing() {
    let text = [
        "// sea_orm::Set",
        "/* tonic::Status */",
        r#"const A: &str = "\"tonic::A";"#,
        r##"const B: &str = r#""tonic::B"#;"##,
        r#"fn f<'a>(c: char) -> bool { c == '"' || c == '\'' || b'"' == 1 }"#,
        "fn g() { reqwest::get() }",
    ];
    let lines: Vec<usize> =
        told("src/domain/money.rs", &text.join("\n")).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [6]);
}

#[test]
fn long_lines_and_empty_names_are_told() {
    let name = (1, "`utils` does not say what is inside".to_owned());
    let columns = (1, "a line has at most 110 columns".to_owned());
    assert_eq!(told("src/domain/utils.rs", &"x".repeat(111)), [name, columns]);
    assert_eq!(told("docs/a.md", &format!("| {} |", "x".repeat(200))), []);
}
