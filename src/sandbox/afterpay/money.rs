//! Afterpay's money object: decimal text with two places, held as integer minor units.

use serde::Serialize;
use serde_json::Value;

use super::problem::{self, Problem};

/// Currencies that the sandbox's merchant may use [doc: the API's enum].
const CURRENCIES: [&str; 5] = ["AUD", "NZD", "USD", "CAD", "GBP"];
/// A currency that Afterpay knows and this merchant may not use [doc: money object].
const FOREIGN_CURRENCIES: [&str; 1] = ["EUR"];
/// Digits before the point that are taken; more would not be money.
const WHOLE_DIGITS_MAX: usize = 12;

/// An amount as the API writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Money {
    pub(super) amount: String,
    pub(super) currency: String,
}

impl Money {
    pub(super) fn new(minor: i64, currency: &str) -> Self {
        Self { amount: decimal(minor), currency: currency.to_owned() }
    }
}

/// The amount and currency of a request's money object, or what the money table says of it.
pub(super) fn read(object: Option<&Value>) -> Result<(i64, String), &'static Problem> {
    let field = |name| object.and_then(|object| object.get(name)).filter(|value| !value.is_null());
    let amount = field("amount").ok_or(&problem::AMOUNT_MISSING)?;
    // A JSON number is refused [assumed]: a client that sends one has let its money become a float.
    let minor = minor(amount.as_str().ok_or(&problem::AMOUNT_INVALID)?)?;
    let currency = field("currency").ok_or(&problem::CURRENCY_MISSING)?;
    let currency = currency.as_str().ok_or(&problem::CURRENCY_UNKNOWN)?;
    if FOREIGN_CURRENCIES.contains(&currency) {
        return Err(&problem::CURRENCY_UNSUPPORTED);
    }
    if !CURRENCIES.contains(&currency) {
        return Err(&problem::CURRENCY_UNKNOWN);
    }
    if minor <= 0 {
        return Err(&problem::AMOUNT_NOT_POSITIVE);
    }
    Ok((minor, currency.to_owned()))
}

/// Minor units of a decimal text.
pub(super) fn minor(text: &str) -> Result<i64, &'static Problem> {
    if text.contains(',') {
        return Err(&problem::AMOUNT_COMMA);
    }
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || whole.len() > WHOLE_DIGITS_MAX {
        return Err(&problem::AMOUNT_INVALID);
    }
    if fraction.len() > 2 {
        return Err(&problem::AMOUNT_TOO_FINE);
    }
    let unsigned: i64 = format!("{whole}{fraction:0<2}").parse().map_err(|_| &problem::AMOUNT_INVALID)?;
    Ok(sign * unsigned)
}

/// `10.00` for 1000 minor units.
pub(super) fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Problem, decimal, minor, read};

    #[test]
    fn decimals_become_minor_units_and_come_back_with_two_places() {
        for (text, units, back) in [
            ("10", 1_000, "10.00"),
            ("10.0", 1_000, "10.00"),
            ("10.05", 1_005, "10.05"),
            ("0.01", 1, "0.01"),
            ("007.5", 750, "7.50"),
            ("-1.05", -105, "-1.05"),
        ] {
            assert_eq!(minor(text).map_err(Problem::face), Ok(units), "{text}");
            assert_eq!(decimal(units), back);
        }
    }

    #[test]
    fn the_money_table_is_kept() {
        let faults = [
            (json!(null), "amount.amount Amount field required"),
            (json!({"currency": "AUD"}), "amount.amount Amount field required"),
            (
                json!({"amount": "", "currency": "AUD"}),
                "amount.amount Amount field must be a valid ISO 4217 format value",
            ),
            (
                json!({"amount": "1e3", "currency": "AUD"}),
                "amount.amount Amount field must be a valid ISO 4217 format value",
            ),
            (
                json!({"amount": 10, "currency": "AUD"}),
                "amount.amount Amount field must be a valid ISO 4217 format value",
            ),
            (json!({"amount": "1.001", "currency": "AUD"}), "amount. must be a valid ISO 4217 format value"),
            (
                json!({"amount": "1,000.00", "currency": "AUD"}),
                "Amount must be a valid ISO 4217 format value",
            ),
            (json!({"amount": "1.00"}), "amount.currency Currency field required"),
            (
                json!({"amount": "1.00", "currency": "aud"}),
                "amount.currency Currency not supported for this merchant",
            ),
            (json!({"amount": "1.00", "currency": "EUR"}), "An error occurred"),
            (json!({"amount": "0.00", "currency": "AUD"}), "amount must be greater than 0.00"),
            (json!({"amount": "-1.00", "currency": "AUD"}), "amount must be greater than 0.00"),
        ];
        for (object, message) in faults {
            assert_eq!(read(Some(&object)).map_err(|problem| problem.face().2), Err(message), "{object}");
        }
    }
}
