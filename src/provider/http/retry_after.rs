//! `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// The longest that a provider can keep an account quiet at once, seconds: a slip of theirs must not stop
/// it for a year.
pub(super) const RETRY_AFTER_S_MAX: u64 = 3_600;

const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// How long the answer asks for quiet. A date counts from the answer's own `Date`, so that no clock of ours
/// is needed and none has to agree with theirs.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().unwrap_or(u64::MAX)
    } else {
        let span = date(headers, &RETRY_AFTER)? - date(headers, &DATE)?;
        u64::try_from(span.whole_seconds()).unwrap_or(0)
    };
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX)))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<PrimitiveDateTime> {
    let text = headers.get(name)?.to_str().ok()?;
    PrimitiveDateTime::parse(text.trim(), HTTP_DATE).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn asked(retry_after_text: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after_text).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        retry_after(&headers).map(|d| d.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_understood() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked("120", None), Some(120));
        assert_eq!(asked("0", None), Some(0));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT", now), Some(30));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(0));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT", None), None);
        for text in ["", "soon", "-1", "1.5", "+5"] {
            assert_eq!(asked(text, now), None, "{text}");
        }
    }

    #[test]
    fn no_provider_stops_an_account_for_long() {
        assert_eq!(asked("99999999999999999999999", None), Some(RETRY_AFTER_S_MAX));
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked("Mon, 06 Nov 2034 08:49:37 GMT", now), Some(RETRY_AFTER_S_MAX));
    }
}
