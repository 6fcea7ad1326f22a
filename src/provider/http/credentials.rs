//! What an account proves itself with, and the guard that keeps it out of every record.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::super::Error;
use super::header_value;
use crate::domain::free_text::holds_card_number;

/// The longest text of a provider that is kept, characters.
pub const TEXT_CHARS_MAX: usize = 500;

/// Digits and separators of the longest card number: a text is searched this far beyond where it is cut.
const CARD_CHARS_MAX: usize = 40;

const WITHHELD: &str = "[withheld]";

/// Credentials as the wire wants them.
#[derive(Clone)]
pub struct Credentials {
    header: HeaderValue,
    secrets: Vec<SecretString>,
}

impl Credentials {
    /// HTTP Basic.
    ///
    /// # Errors
    /// An empty or colon-bearing user, or an empty secret.
    pub fn basic(user: &str, secret: &SecretString) -> Result<Self, Error> {
        if user.is_empty() {
            return Err(Error::Merchant("is empty"));
        }
        if user.contains(':') {
            return Err(Error::Merchant("holds a colon, which Basic credentials cannot carry"));
        }
        if secret.expose_secret().is_empty() {
            return Err(Error::Secret);
        }
        let token = STANDARD.encode(format!("{user}:{}", secret.expose_secret()));
        let mut header = header_value(&AUTHORIZATION, &format!("Basic {token}"))?;
        header.set_sensitive(true);
        let secrets = vec![secret.clone(), SecretString::from(token)];
        Ok(Self { header, secrets })
    }

    /// A bearer token (RFC 6750).
    ///
    /// # Errors
    /// An empty token, or one that no header can carry.
    pub fn bearer(token: &SecretString) -> Result<Self, Error> {
        if token.expose_secret().is_empty() {
            return Err(Error::Secret);
        }
        let mut header = header_value(&AUTHORIZATION, &format!("Bearer {}", token.expose_secret()))?;
        header.set_sensitive(true);
        Ok(Self { header, secrets: vec![token.clone()] })
    }

    /// The value of `Authorization`, marked as sensitive.
    pub fn authorization(&self) -> HeaderValue {
        self.header.clone()
    }

    /// A provider's text as it may be kept: one line, at most [`TEXT_CHARS_MAX`] characters, and nothing of
    /// it if it repeats our credentials or holds a card number.
    pub fn clean(&self, text: &str) -> String {
        if self.are_in(text) || holds_card_number(&line(text, TEXT_CHARS_MAX + CARD_CHARS_MAX)) {
            return WITHHELD.to_owned();
        }
        line(text, TEXT_CHARS_MAX)
    }

    /// A provider's id as it may be kept: like [`Credentials::clean`], but that a long number is no card.
    pub fn clean_id(&self, text: &str) -> String {
        if self.are_in(text) {
            return WITHHELD.to_owned();
        }
        line(text, TEXT_CHARS_MAX)
    }

    /// The same, and this secret is kept out of every record too.
    #[must_use]
    pub fn guarding(mut self, secret: &SecretString) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    fn are_in(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| text.contains(secret.expose_secret()))
    }
}

fn line(text: &str, chars_max: usize) -> String {
    let chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    chars.take(chars_max).collect()
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials::basic("m", &SecretString::from("s3cret")).unwrap()
    }

    #[test]
    fn basic_credentials_are_sensitive() {
        let header = credentials().authorization();
        assert_eq!(header.as_bytes(), b"Basic bTpzM2NyZXQ=");
        assert!(header.is_sensitive());
        assert_eq!(format!("{header:?} {:?}", credentials()), "Sensitive Credentials");
    }

    #[test]
    fn a_bearer_token_is_sensitive() {
        let credentials = Credentials::bearer(&SecretString::from("t0ken")).unwrap();
        let header = credentials.authorization();
        assert_eq!(header.as_bytes(), b"Bearer t0ken");
        assert!(header.is_sensitive());
        assert_eq!(credentials.clean("Bearer t0ken is not known"), WITHHELD);
        for token in ["", "t0ken\n", "t0k\u{e9}\u{7}n"] {
            assert!(Credentials::bearer(&SecretString::from(token)).is_err());
        }
    }

    #[test]
    fn credentials_that_cannot_be_sent_are_refused() {
        for (user, secret) in [("", "s"), ("a:b", "s"), ("a", "")] {
            assert!(Credentials::basic(user, &SecretString::from(secret)).is_err());
        }
    }

    #[test]
    fn a_text_is_one_short_line_and_repeats_no_secret() {
        let credentials = credentials();
        assert_eq!(credentials.clean("a\r\nb\u{1b}[31m"), "a  b [31m");
        assert_eq!(credentials.clean(&"é".repeat(600)).chars().count(), TEXT_CHARS_MAX);
        for text in ["your key s3cret is wrong", "Basic bTpzM2NyZXQ= refused", "card 4111 1111 1111 1111"] {
            assert_eq!(credentials.clean(text), WITHHELD, "{text}");
        }
        let cut = format!("{} 4111111111111111", "x".repeat(TEXT_CHARS_MAX - 8));
        assert_eq!(credentials.clean(&cut), WITHHELD);
        assert_eq!(credentials.clean_id("4111111111111111"), "4111111111111111");
        assert_eq!(credentials.clean_id("id-s3cret"), WITHHELD);
        let beyond = format!("{} s3cret", "x".repeat(TEXT_CHARS_MAX));
        assert_eq!(credentials.clean(&beyond), WITHHELD);
    }
}
