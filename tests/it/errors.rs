//! `docs/errors.md` lists every reason of an error, in order of precedence.
//!
//! Written from the code: `UPDATE_DOCS=1 cargo test --test it errors::`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use refunds::grpc::reasons_table;

const HEAD: &str = "\
# Errors

Every error carries a `google.rpc.ErrorInfo` of the domain `refunds.v1` with one of these reasons. They
stand in order of precedence: when several hold, the first is told. Besides, `BadRequest` names each faulty
field at once, `PreconditionFailure` says what a refused state is about, and `RetryInfo` stands where the same
call is right later. Repeat `UNAVAILABLE`, `DEADLINE_EXCEEDED` and `RESOURCE_EXHAUSTED`, always with the same
`request_id`.

This page is written from the code: `UPDATE_DOCS=1 cargo test --test it errors::`.

| Reason | Code | Means |
|---|---|---|
";

/// The name of a code as it is written everywhere but in Rust.
fn written(code: tonic::Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (reason, code, meaning) in reasons_table() {
        writeln!(page, "| `{reason}` | `{}` | {} |", written(code), meaning.replace('|', "\\|")).unwrap();
    }
    page
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the variable asks the test to write")]
fn the_page_of_errors_is_the_code_s_own_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(written == page(), "docs/errors.md is not current: UPDATE_DOCS=1 cargo test --test it errors::");
}

#[test]
fn reasons_are_words_of_their_own_and_each_says_what_it_means() {
    let table = reasons_table();
    for (n, (reason, code, meaning)) in table.iter().enumerate() {
        assert!(reason.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{reason}");
        assert!(!table[..n].iter().any(|(other, ..)| other == reason), "{reason} twice");
        assert!(meaning.ends_with('.') && *code != tonic::Code::Ok, "{reason}");
    }
}
