//! What a log line tells of the history of a refund.

use serde_json::Value;

use super::names;

/// The refund, the number of the last entry of its history, and its hash, where a line of the JSON log tells
/// them.
pub fn head_of_line(line: &str) -> Option<(String, i64, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| line.get(key)?.as_str();
    // A line in the span of a call of many refunds names its own beside the span's.
    let own = format!("event.{}", names::REFUND_ID);
    let id = text(&own).or_else(|| text(names::REFUND_ID))?;
    let number = line.get(names::LOG_HISTORY_NUMBER)?.as_i64()?;
    Some((id.to_owned(), number, text(names::LOG_HISTORY_HASH)?.to_owned()))
}
