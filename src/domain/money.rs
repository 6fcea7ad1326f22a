//! Money: whole minor units of an ISO 4217 currency. Floats appear nowhere and nothing is rounded.

use std::fmt;

use rust_decimal::Decimal;

use super::Rule;

/// The largest amount of one refund, in minor units: every amount fits 15 significant digits.
pub const AMOUNT_MINOR_MAX: i64 = 999_999_999_999_999;

/// An ISO 4217 currency that has a minor unit (funds codes and metals have none and are refused).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The currency of an upper-case alphabetic code.
    pub fn parse(code: &str) -> Result<Self, Rule> {
        let currency = iso_currency::Currency::from_code(code)
            .ok_or_else(|| Rule::new("must be an ISO 4217 alphabetic code in upper case, such as AUD"))?;
        if currency.exponent().is_none() {
            return Err(Rule::new(format!("{code} has no minor unit and cannot be refunded")));
        }
        Ok(Self(currency))
    }

    /// The alphabetic code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the decimal point of a major unit: 0, 2, 3 or 4.
    pub fn exponent(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(0))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount of money, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    currency: Currency,
    minor: i64,
}

impl Money {
    /// An amount of zero or more, at most [`AMOUNT_MINOR_MAX`].
    pub fn new(currency: Currency, minor: i64) -> Result<Self, Rule> {
        if !(0..=AMOUNT_MINOR_MAX).contains(&minor) {
            return Err(Rule::new(format!("must be from 0 to {AMOUNT_MINOR_MAX} minor units")));
        }
        Ok(Self { currency, minor })
    }

    /// The exact amount of a decimal number of major units. More digits than the currency has are an error.
    pub fn from_major(currency: Currency, major: Decimal) -> Result<Self, Rule> {
        let major = major.normalize();
        let exponent = currency.exponent();
        if major.scale() > exponent {
            return Err(Rule::new(format!("{currency} has {exponent} decimal places, {major} has more")));
        }
        let factor = Decimal::from(10_i64.pow(exponent));
        let minor = major
            .checked_mul(factor)
            .and_then(|minor| i64::try_from(minor).ok())
            .ok_or_else(|| Rule::new(format!("{major} {currency} is too large")))?;
        Self::new(currency, minor)
    }

    /// Parses a decimal number of major units, such as "10.50".
    pub fn parse_major(currency: Currency, text: &str) -> Result<Self, Rule> {
        let major = Decimal::from_str_exact(text)
            .map_err(|_| Rule::new(format!("\"{text}\" is not a decimal number")))?;
        Self::from_major(currency, major)
    }

    /// The exact decimal number of major units, with all the digits that the currency has.
    pub fn major(self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent())
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Minor units.
    pub fn minor(self) -> i64 {
        self.minor
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.major(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    #[test]
    fn exponents_are_those_of_the_standard() {
        let expected = [
            ("IQD", 3),
            ("LYD", 3),
            ("ISK", 0),
            ("MGA", 2),
            ("KWD", 3),
            ("JPY", 0),
            ("CLF", 4),
            ("UYW", 4),
            ("BHD", 3),
            ("JOD", 3),
            ("OMR", 3),
            ("TND", 3),
            ("CLP", 0),
            ("HUF", 2),
            ("UGX", 0),
            ("UYI", 0),
            ("AUD", 2),
            ("NZD", 2),
            ("USD", 2),
            ("CAD", 2),
            ("GBP", 2),
            ("EUR", 2),
            ("SAR", 2),
            ("MRU", 2),
            ("BIF", 0),
            ("DJF", 0),
            ("GNF", 0),
            ("KMF", 0),
            ("KRW", 0),
            ("PYG", 0),
            ("RWF", 0),
            ("VND", 0),
            ("VUV", 0),
            ("XAF", 0),
            ("XOF", 0),
            ("XPF", 0),
        ];
        for (code, exponent) in expected {
            assert_eq!(currency(code).exponent(), exponent, "{code}");
        }
    }

    #[test]
    fn codes_without_a_minor_unit_and_unknown_codes_are_refused() {
        for code in ["XAU", "XXX", "aud", "AU", "", "ZZZ"] {
            assert!(Currency::parse(code).is_err(), "{code}");
        }
    }

    #[test]
    fn too_many_digits_are_an_error_and_trailing_zeros_are_not() {
        assert!(Money::parse_major(currency("AUD"), "10.505").is_err());
        assert!(Money::parse_major(currency("JPY"), "1.5").is_err());
        assert_eq!(Money::parse_major(currency("JPY"), "1.000").unwrap().minor(), 1);
        assert_eq!(Money::parse_major(currency("AUD"), "10.0").unwrap().minor(), 1000);
        assert_eq!(Money::parse_major(currency("CLF"), "0.0001").unwrap().minor(), 1);
        for text in ["-1", "1e3", "1,000.00", "", "ten", "99999999999999999999999999"] {
            assert!(Money::parse_major(currency("AUD"), text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn major_units_go_there_and_back(minor in 0..=AMOUNT_MINOR_MAX,
                                         code in prop::sample::select(vec!["JPY", "AUD", "KWD", "UYW"])) {
            let money = Money::new(currency(code), minor).unwrap();
            prop_assert_eq!(Money::parse_major(money.currency(), &money.major().to_string()).unwrap(), money);
            prop_assert_eq!(money.major().scale(), money.currency().exponent());
        }
    }
}
