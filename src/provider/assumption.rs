//! What a client takes for true though no contract says it: one table per client, shown in
//! `docs/providers/`, to be confirmed with the provider.

/// Where a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The provider's page of the endpoint itself.
    Contract,
    /// Other documents of the provider, its own libraries, or recorded traffic.
    Doc,
    /// Concluded from documented facts.
    Infer,
    /// Our choice where nothing is said.
    Assumed,
}

impl Mark {
    /// The mark as the documents show it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Contract => "[contract]",
            Self::Doc => "[doc]",
            Self::Infer => "[infer]",
            Self::Assumed => "[assumed]",
        }
    }
}

/// One such fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumption {
    /// The fact, in a sentence.
    pub fact: &'static str,
    /// Where it comes from.
    pub mark: Mark,
    /// Where in the client it matters.
    pub used_in: &'static str,
    /// The setting that changes it, if one does.
    pub setting: Option<&'static str>,
}

/// The table as Markdown, one row per assumption.
pub fn to_markdown(assumptions: &[Assumption]) -> String {
    let mut text = String::from("| Fact | Mark | Used in | Setting |\n|---|---|---|---|\n");
    for row in assumptions {
        let setting = row.setting.map_or("-".to_owned(), |key| format!("`{key}`"));
        text.extend(["| ", row.fact, " | ", row.mark.word(), " | ", row.used_in, " | ", &setting, " |\n"]);
    }
    text
}

/// Holds a section of a document, between markers of this name, against what the code says. With the
/// environment variable `UPDATE_DOCS=1` it rewrites the section instead.
#[cfg(test)]
pub(crate) fn hold_section(document: &str, name: &str, expected: &str) {
    let path = format!("{}/docs/{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (section, after) = rest.split_once(&end).unwrap();
    if section == expected {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "no configuration reaches a test")]
    let rewrite = std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1");
    assert!(rewrite, "docs/{document}, {name}: run the tests once with UPDATE_DOCS=1");
    std::fs::write(path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
}
