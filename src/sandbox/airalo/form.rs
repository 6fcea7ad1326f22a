//! The multipart form of a refund request: what its parts say, and what is wrong with them.

use std::collections::HashMap;

use axum::{
    body::Body,
    extract::{FromRequest as _, Multipart, Request},
};
use serde_json::Value;

use super::problem::{self, Problem};
use crate::sandbox::provider::Incoming;

/// [doc: request refund]
const ICCIDS_MAX: usize = 5;
/// [doc: request refund]
const NOTES_MAX_CHARS: usize = 255;

/// The parts of one form, trimmed; an empty part is as if it were not there \[assumed].
#[derive(Debug, Default)]
pub(super) struct Form(HashMap<String, String>);

impl Form {
    /// Reads a multipart body. Of several parts of one name the last counts, files do not, and of a broken
    /// body what came before the break \[assumed]. Another content type has no parts.
    pub(super) async fn multipart(incoming: &Incoming) -> Self {
        let mut request = Request::new(Body::from(incoming.body.clone()));
        request.headers_mut().clone_from(&incoming.headers);
        let mut parts = HashMap::new();
        let Ok(mut multipart) = Multipart::from_request(request, &()).await else {
            return Self::default();
        };
        while let Ok(Some(part)) = multipart.next_field().await {
            let Some(name) = part.name().filter(|_| part.file_name().is_none()).map(str::to_owned) else {
                continue;
            };
            let Ok(text) = part.text().await else { break };
            parts.insert(name, text);
        }
        Self::of(parts)
    }

    /// Parts that came in another way.
    pub(super) fn of(parts: impl IntoIterator<Item = (String, String)>) -> Self {
        let trimmed = parts.into_iter().map(|(name, text)| (name, text.trim().to_owned()));
        Self(trimmed.filter(|(_, text)| !text.is_empty()).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The ICCIDs as far as they can be read, good or not: they say who is to misbehave.
    pub(super) fn iccids(&self) -> Vec<String> {
        self.listed().unwrap_or_default().into_iter().flatten().collect()
    }

    /// The ICCIDs of a form in which nothing is wrong.
    pub(super) fn checked(&self) -> Result<Vec<String>, Problem> {
        if self.get("iccids").is_none() || self.listed().is_some_and(|listed| listed.is_empty()) {
            return Err(problem::ICCIDS_REQUIRED.clone());
        }
        let mut wrong: Vec<(String, &'static str)> = Vec::new();
        let listed = self.listed();
        match &listed {
            None => wrong.push(("iccids".to_owned(), problem::ICCIDS_NOT_LIST_TEXT)),
            Some(listed) if listed.len() > ICCIDS_MAX => {
                wrong.push(("iccids".to_owned(), problem::ICCIDS_TOO_MANY_TEXT));
            }
            Some(listed) => {
                let bad = listed.iter().enumerate().filter(|(_, iccid)| iccid.is_none());
                wrong.extend(bad.map(|(at, _)| (format!("iccids.{at}"), problem::ICCID_INVALID_TEXT)));
            }
        }
        let reason = self.get("reason").map(unquoted).filter(|reason| !reason.is_empty());
        match reason {
            None => wrong.push(("reason".to_owned(), problem::REASON_REQUIRED_TEXT)),
            Some(reason) if !problem::is_reason(reason) => {
                wrong.push(("reason".to_owned(), problem::REASON_INVALID_TEXT));
            }
            Some(_) => {}
        }
        match self.get("notes") {
            None if reason == Some("OTHERS") => {
                wrong.push(("notes".to_owned(), problem::NOTES_REQUIRED_TEXT));
            }
            Some(notes) if notes.chars().count() > NOTES_MAX_CHARS => {
                wrong.push(("notes".to_owned(), problem::NOTES_TOO_LONG_TEXT));
            }
            None | Some(_) => {}
        }
        if self.get("email").is_some_and(|email| !is_address(email)) {
            wrong.push(("email".to_owned(), problem::EMAIL_INVALID_TEXT));
        }
        match listed {
            Some(listed) if wrong.is_empty() => Ok(listed.into_iter().flatten().collect()),
            _ => Err(Problem::Fields(wrong)),
        }
    }

    /// The entries of `iccids`, each none when it is not a string of digits; none when it is not a list.
    fn listed(&self) -> Option<Vec<Option<String>>> {
        let list: Vec<Value> = serde_json::from_str(self.get("iccids")?).ok()?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        Some(list.iter().map(|one| one.as_str().filter(|one| digits(one)).map(str::to_owned)).collect())
    }
}

/// The example of the documents puts the reason in quotes; without them it is taken as well \[assumed].
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn is_address(text: &str) -> bool {
    let (local, host) = text.rsplit_once('@').unwrap_or_default();
    !local.is_empty() && !local.contains('@') && !host.is_empty() && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::{Form, Problem, problem};

    fn form(parts: &[(&str, &str)]) -> Form {
        Form::of(parts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    #[test]
    fn the_published_example_is_a_good_form() {
        let example = form(&[
            ("iccids", r#"["894000000000001",  "894000000000002"]"#),
            ("reason", r#""INSTALLATION_FAILURE""#),
            ("notes", ""),
            ("email", "email@example.com"),
        ]);
        assert_eq!(example.checked(), Ok(vec!["894000000000001".to_owned(), "894000000000002".to_owned()]));
    }

    #[test]
    fn missing_iccids_come_before_everything_else() {
        for iccids in ["", "[]", " "] {
            assert_eq!(
                form(&[("iccids", iccids)]).checked(),
                Err(problem::ICCIDS_REQUIRED.clone()),
                "{iccids}"
            );
        }
    }

    #[test]
    fn all_wrong_fields_are_named_at_once() {
        let long = "x".repeat(256);
        let wrong = form(&[("iccids", r#"["1", 2, "a"]"#), ("notes", &long), ("email", "a@b@c")]);
        let Err(Problem::Fields(fields)) = wrong.checked() else { panic!("{wrong:?}") };
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["iccids.1", "iccids.2", "reason", "notes", "email"]);
        assert_eq!(wrong.iccids(), ["1"]);
    }

    #[test]
    fn other_reasons_need_notes_and_five_esims_are_enough() {
        let fields = |parts: &[(&str, &str)]| match form(parts).checked() {
            Err(Problem::Fields(fields)) => fields.into_iter().map(|(name, _)| name).collect(),
            _ => Vec::new(),
        };
        assert_eq!(fields(&[("iccids", r#"["1"]"#), ("reason", "OTHERS")]), ["notes"]);
        let long = "é".repeat(255);
        assert!(fields(&[("iccids", r#"["1"]"#), ("reason", "OTHERS"), ("notes", &long)]).is_empty());
        let six = r#"["1","2","3","4","5","6"]"#;
        assert_eq!(fields(&[("iccids", six), ("reason", "OVERCHARGED")]), ["iccids"]);
        assert_eq!(fields(&[("iccids", "8940"), ("reason", "SERVICE_ISSUES")]), ["iccids", "reason"]);
    }
}
