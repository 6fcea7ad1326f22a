//! Text that people write: bounded, printable, and never a card number.

use std::collections::BTreeMap;

use super::Rule;

/// Entries of `metadata`.
pub const METADATA_ENTRIES_MAX: usize = 20;
/// Bytes of a metadata key.
pub const METADATA_KEY_BYTES_MAX: usize = 40;
/// Bytes of a metadata value.
pub const METADATA_VALUE_BYTES_MAX: usize = 500;
/// Characters of `notes`, Airalo's limit and so everyone's.
pub const NOTES_CHARS_MAX: usize = 255;
/// Characters of a provider's own reason.
pub const PROVIDER_REASON_CHARS_MAX: usize = 64;
/// Bytes of an email address (RFC 5321, path limit).
pub const EMAIL_BYTES_MAX: usize = 254;

/// Digits of the shortest and the longest card number of a known brand.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;

/// Checks a free text of at most `chars_max` characters: no control characters, no card number.
pub fn check(text: &str, chars_max: usize) -> Result<(), Rule> {
    if text.chars().count() > chars_max {
        return Err(Rule::new(format!("must have at most {chars_max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Rule::new("must hold no control characters"));
    }
    if holds_card_number(text) {
        return Err(Rule::new("must hold no card number"));
    }
    Ok(())
}

/// Checks metadata; the faults name the key, or the whole when there are too many entries.
pub fn check_metadata(metadata: &BTreeMap<String, String>) -> Vec<(Option<String>, Rule)> {
    let mut faults = Vec::new();
    if metadata.len() > METADATA_ENTRIES_MAX {
        faults.push((None, Rule::new(format!("must have at most {METADATA_ENTRIES_MAX} entries"))));
    }
    for (key, value) in metadata {
        let key_fault = check(key, METADATA_KEY_BYTES_MAX).and_then(|()| {
            if key.is_empty() || key.len() > METADATA_KEY_BYTES_MAX {
                Err(Rule::new(format!("key must have 1 to {METADATA_KEY_BYTES_MAX} bytes")))
            } else {
                Ok(())
            }
        });
        let value_fault = check(value, METADATA_VALUE_BYTES_MAX).and_then(|()| {
            if value.len() > METADATA_VALUE_BYTES_MAX {
                Err(Rule::new(format!("must have at most {METADATA_VALUE_BYTES_MAX} bytes")))
            } else {
                Ok(())
            }
        });
        // A key that may be a card number is not repeated in the fault that refuses it.
        let named = if key_fault.is_ok() { Some(key.clone()) } else { None };
        faults
            .extend([key_fault, value_fault].into_iter().filter_map(Result::err).map(|r| (named.clone(), r)));
    }
    faults
}

/// Checks the form of an email address: one `@` between a local part and a domain with a dot, no spaces.
pub fn check_email(text: &str) -> Result<(), Rule> {
    let rule = || Rule::new("must be an email address");
    check(text, EMAIL_BYTES_MAX)?;
    let (local, domain) = text.split_once('@').ok_or_else(rule)?;
    let labels_fine = domain.contains('.')
        && domain.split('.').all(|l| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-'));
    if local.is_empty() || !labels_fine || text.len() > EMAIL_BYTES_MAX || local.contains(char::is_whitespace)
    {
        return Err(rule());
    }
    Ok(())
}

/// Whether the text holds a number with a known card brand's prefix and length that passes the Luhn check.
/// Digits may be grouped by single spaces, dots or hyphens; a number begins and ends with its groups.
pub fn holds_card_number(text: &str) -> bool {
    grouped_digits(text).iter().any(|groups| {
        (0..groups.len()).any(|first| {
            let mut digits = String::new();
            groups.iter().skip(first).any(|group| {
                digits.push_str(group);
                CARD_DIGITS.contains(&digits.len()) && card_validate::Validate::from(&digits).is_ok()
            })
        })
    })
}

/// Runs of digit groups that only a single separator parts.
fn grouped_digits(text: &str) -> Vec<Vec<String>> {
    let mut runs: Vec<Vec<String>> = Vec::new();
    let mut previous: [Option<char>; 2] = [None, None];
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10).and_then(|d| char::from_digit(d, 10)) {
            let [before, last] = previous;
            let digit_before = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
            if digit_before(last) {
                if let Some(group) = runs.last_mut().and_then(|run| run.last_mut()) {
                    group.push(digit);
                }
            } else if digit_before(before) && last.is_some_and(|c| " -.\u{a0}".contains(c)) {
                if let Some(run) = runs.last_mut() {
                    run.push(digit.to_string());
                }
            } else {
                runs.push(vec![digit.to_string()]);
            }
        }
        previous = [previous[1], Some(c)];
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_found_however_they_are_grouped() {
        for text in [
            "4111111111111111",
            "card 4111 1111 1111 1111 exp 12/28",
            "4111-1111-1111-1111-12",
            "pan=5555555555554444;",
            "378282246310005",
            "6011 1111 1111 1117",
        ] {
            assert!(holds_card_number(text), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_not_cards() {
        for text in [
            "",
            "order 100101768366",
            "4111111111111112",
            "2026-11-22 10:30:00",
            "+61 400 000 000",
            "0191f5a7-44d3-7430-8739-2d80821416bf",
        ] {
            assert!(!holds_card_number(text), "{text}");
        }
    }

    #[test]
    fn metadata_faults_come_all_at_once_and_never_repeat_a_card_number() {
        let metadata = BTreeMap::from([
            ("4111111111111111".to_owned(), "x".to_owned()),
            ("pan".to_owned(), "4111111111111111".to_owned()),
            ("bell".to_owned(), "\u{7}".to_owned()),
            ("fine".to_owned(), "yes".to_owned()),
        ]);
        let faults = check_metadata(&metadata);
        assert_eq!(faults.len(), 3);
        assert!(faults.iter().all(|(_, rule)| !rule.0.contains("4111")));
        assert!(faults.iter().any(|(key, _)| key.is_none()));
    }

    #[test]
    fn email_addresses_are_checked() {
        assert!(check_email("jane.doe@example.com").is_ok());
        for text in ["jane", "@example.com", "jane@", "jane@com", "ja ne@example.com", "jane@exa mple.com"] {
            assert!(check_email(text).is_err(), "{text}");
        }
    }
}
