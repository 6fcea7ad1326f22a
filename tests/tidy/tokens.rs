//! The words and signs of a Rust source.

/// Names, `::` and single signs with their lines; comments, strings, characters and lifetimes are left out.
pub(crate) fn tokens(text: &str) -> Vec<(usize, String)> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal_length(rest) {
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { name.max(first.len_utf8()) };
            let (token, _) = rest.split_at(length);
            if !token.trim().is_empty() {
                tokens.push((line, token.to_owned()));
            }
            length
        };
        let (passed, left) = rest.split_at(length);
        line += passed.matches('\n').count();
        rest = left;
    }
    tokens
}

/// The length of the string, character or lifetime that a text begins with.
fn literal_length(text: &str) -> Option<usize> {
    let unprefixed = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - unprefixed.len();
    if let Some(raw) = unprefixed.strip_prefix('r').filter(|_| prefix < 2) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let inner = raw.trim_start_matches('#').strip_prefix('"');
        return inner.and_then(|inner| Some(prefix + 2 + hashes + inner.find(&end)? + end.len()));
    }
    if let Some(inner) = unprefixed.strip_prefix('"').filter(|_| prefix < 2) {
        let mut escaped = false;
        let end = inner.find(|sign| {
            let ends = sign == '"' && !escaped;
            escaped = sign == '\\' && !escaped;
            ends
        });
        return end.map(|end| prefix + end + 2);
    }
    let inner = unprefixed.strip_prefix('\'').filter(|_| prefix < 2)?;
    if let Some(escaped) = inner.strip_prefix('\\') {
        let after = escaped.char_indices().nth(1).map(|(at, _)| at)?;
        return escaped.get(after..)?.find('\'').map(|end| prefix + 2 + after + end + 1);
    }
    let letter = inner.chars().next()?;
    let is_letter = inner.get(letter.len_utf8()..).is_some_and(|rest| rest.starts_with('\''));
    Some(prefix + 1 + if is_letter { letter.len_utf8() + 1 } else { 0 })
}
