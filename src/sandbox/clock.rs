//! The time that the sandbox lives in, as milliseconds since the Unix epoch, and how providers write it.

use time::{
    OffsetDateTime, format_description::StaticFormatDescription, format_description::well_known::Rfc3339,
    macros::format_description,
};

/// Milliseconds of one day.
pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

const NANOS_PER_MS: i128 = 1_000_000;
const STAMP: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const SECONDS: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
const YEAR_AND_DAY: StaticFormatDescription = format_description!("[year repr:last_two][ordinal]");

/// The system's time. The sandbox's own is [`super::shared::Inner::now_ms`], which adds the clock offset.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox stands outside the service and has a clock of its own"
)]
pub(super) fn system_ms() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / NANOS_PER_MS).unwrap_or(i64::MAX)
}

/// `2021-08-25T14:56:33.753Z`, as in Afterpay's recorded answers.
pub(super) fn stamp(ms: i64) -> String {
    formatted(ms, STAMP)
}

fn formatted(ms: i64, form: StaticFormatDescription) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * NANOS_PER_MS)
        .ok()
        .and_then(|at| at.format(&form).ok())
        .unwrap_or_default()
}

/// `2024-09-15T12:27:45Z`, as in Moyasar's example.
pub(super) fn stamp_seconds(ms: i64) -> String {
    formatted(ms, SECONDS)
}

/// `24259` for the 259th day of 2024, as retrieval references begin.
pub(super) fn year_and_day(ms: i64) -> String {
    formatted(ms, YEAR_AND_DAY)
}

/// Reads an RFC 3339 time.
pub(super) fn parse_stamp(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / NANOS_PER_MS).ok()
}

#[cfg(test)]
mod tests {
    use super::{parse_stamp, stamp, stamp_seconds, year_and_day};

    #[test]
    fn a_stamp_has_milliseconds_and_reads_back() {
        assert_eq!(stamp(1_629_903_393_753), "2021-08-25T14:56:33.753Z");
        assert_eq!(parse_stamp("2021-08-25T14:56:33.753Z"), Some(1_629_903_393_753));
        assert_eq!(stamp(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_stamp_of_seconds_and_the_day_of_the_year_have_fixed_widths() {
        assert_eq!(stamp_seconds(1_726_403_265_999), "2024-09-15T12:27:45Z");
        assert_eq!(
            (year_and_day(1_726_403_265_999), year_and_day(0)),
            ("24259".to_owned(), "70001".to_owned())
        );
    }
}
