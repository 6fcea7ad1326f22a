//! JSON as providers send it: what decides has its type, what only describes is taken as it comes.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads JSON; the error is where it is wrong, and repeats nothing of it.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| format!("not the documented JSON at `{}`", error.path()))?;
    json.end().map_err(|_| "more than one JSON value".to_owned())?;
    Ok(value)
}

/// A field as text; nothing if it is missing, empty, or neither text nor a number.
pub(super) fn text<'a>(value: impl Into<Option<&'a Value>>) -> Option<String> {
    let text = match value.into()? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A field as a whole number, whether it came as a number or as its text.
pub(super) fn whole(value: &Value) -> Option<u64> {
    text(value)?.parse().ok()
}
