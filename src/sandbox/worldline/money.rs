//! Amounts as Worldline writes them: decimal JSON numbers in major units, held here as integer minor units.

use serde_json::{Number, Value};

use super::problem::{self, Problem};

/// Amounts are below 10^13 [doc: schema of `PayInfo`].
const WHOLE_DIGITS_MAX: usize = 13;
/// Currencies that the sandbox's merchant may use, and their decimals [ISO 4217].
const CURRENCIES: [(&str, usize); 10] = [
    ("EUR", 2),
    ("USD", 2),
    ("GBP", 2),
    ("SEK", 2),
    ("NOK", 2),
    ("DKK", 2),
    ("CHF", 2),
    ("PLN", 2),
    ("JPY", 0),
    ("KWD", 3),
];

/// The decimals of a currency; none when the sandbox's merchant does not have it.
pub(super) fn decimals(currency: &str) -> Option<usize> {
    CURRENCIES.iter().find(|(name, _)| *name == currency).map(|(_, decimals)| *decimals)
}

/// Minor units and currency of a request's `amount` object. Greater than 0 [assumed: the schema lets 0 pass].
pub(super) fn read(object: Option<&Value>) -> Result<(i64, String), &'static Problem> {
    let field = |name| object.and_then(|object| object.get(name)).filter(|value| !value.is_null());
    let amount = field("amount").ok_or(&problem::AMOUNT_MISSING)?;
    let currency = field("currency").and_then(Value::as_str).ok_or(&problem::CURRENCY_INVALID)?;
    let decimals = decimals(currency).ok_or(&problem::CURRENCY_INVALID)?;
    // A string is refused [assumed], and so is an exponent: who sends one writes money as a float.
    let Value::Number(number) = amount else {
        return Err(&problem::AMOUNT_INVALID);
    };
    let minor = minor(&number.to_string(), decimals)?;
    if minor == 0 { Err(&problem::AMOUNT_INVALID) } else { Ok((minor, currency.to_owned())) }
}

/// Minor units of a decimal text without a sign. Trailing zeros beyond the currency's decimals are too many
/// as well \[assumed].
pub(super) fn minor(text: &str, decimals: usize) -> Result<i64, &'static Problem> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || whole.len() > WHOLE_DIGITS_MAX {
        return Err(&problem::AMOUNT_INVALID);
    }
    if fraction.len() > decimals {
        return Err(&problem::AMOUNT_TOO_FINE);
    }
    format!("{whole}{fraction:0<decimals$}").parse().map_err(|_| &problem::AMOUNT_INVALID)
}

/// `10.50` for 1050 minor units of a currency with two decimals.
pub(super) fn decimal(minor: i64, decimals: usize) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The JSON number of an amount, with all decimals of its currency.
pub(super) fn number(minor: i64, currency: &str) -> Number {
    let text = decimal(minor, decimals(currency).unwrap_or_default());
    text.parse().unwrap_or_else(|_| Number::from(minor))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Problem, number, problem, read};

    fn amount(text: &str, currency: &str) -> Result<(i64, String), (u32, u16)> {
        let value: Value = serde_json::from_str(text).unwrap();
        let read = read(Some(&json!({"amount": value, "currency": currency})));
        read.map_err(|problem: &Problem| (problem.code, problem.status))
    }

    #[test]
    fn decimal_numbers_become_minor_units_and_come_back_with_all_places() {
        for (text, currency, units, back) in [
            ("10.50", "EUR", 1_050, "10.50"),
            ("10.5", "EUR", 1_050, "10.50"),
            ("10", "EUR", 1_000, "10.00"),
            ("0.01", "EUR", 1, "0.01"),
            ("1000", "JPY", 1_000, "1000"),
            ("1.005", "KWD", 1_005, "1.005"),
            ("9999999999999.99", "EUR", 999_999_999_999_999, "9999999999999.99"),
        ] {
            assert_eq!(amount(text, currency), Ok((units, currency.to_owned())), "{text}");
            assert_eq!(serde_json::to_string(&number(units, currency)).unwrap(), back);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for (text, currency) in [
            ("1.001", "EUR"),
            ("1.0", "JPY"),
            ("1.0000", "KWD"),
            ("0", "EUR"),
            ("-1", "EUR"),
            ("1e1", "EUR"),
            ("\"10.50\"", "EUR"),
            ("10000000000000", "JPY"),
        ] {
            assert_eq!(amount(text, currency), Err((11_023, 400)), "{text}");
        }
        assert_eq!(amount("1", "XXX"), Err((11_011, 400)));
        assert_eq!(read(None).map_err(|problem| problem.code), Err(problem::AMOUNT_MISSING.code));
    }
}
