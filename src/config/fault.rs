//! What is wrong with a configuration, told all at once.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;

use super::Error;

/// One thing that is wrong, at one key. It never holds the value: the value may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The key: `accounts.afterpay-au.timeouts.read_ms`.
    pub key: String,
    /// What it must be instead.
    pub rule: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.rule)
    }
}

/// The faults, one per line.
pub(super) fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
}

impl Faults {
    pub(super) fn add(&mut self, key: impl Into<String>, rule: impl Into<String>) {
        self.found.push(Fault {
            key: key.into(),
            rule: rule.into(),
        });
    }

    /// A required key is absent. Silent if the key was there and wrong: that is one fault, not two.
    pub(super) fn missing(&mut self, key: &str) {
        if !self.found.iter().any(|fault| fault.key == key) {
            self.add(key, "missing");
        }
    }

    /// The value must lie in the range.
    pub(super) fn within<T>(&mut self, key: &str, value: T, range: &RangeInclusive<T>)
    where
        T: PartialOrd + Display + Copy,
    {
        if !range.contains(&value) {
            self.add(key, format!("must be from {} to {}", range.start(), range.end()));
        }
    }

    pub(super) fn into_result<T>(mut self, value: T) -> Result<T, Error> {
        self.found.sort();
        self.found.dedup();
        if self.found.is_empty() {
            Ok(value)
        } else {
            Err(Error::Invalid(self.found))
        }
    }
}
