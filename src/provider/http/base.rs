//! Where an account's requests go: a checked base URL, and paths below it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::super::Error;

/// What is encoded in a path segment: all but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A base URL that holds no credentials, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Checks and wraps.
    ///
    /// # Errors
    /// [`Error::BaseUrl`] with the rule that it breaks.
    pub fn new(url: Url) -> Result<Self, Error> {
        let rule = if !matches!(url.scheme(), "http" | "https") {
            "must begin with https:// or http://"
        } else if !url.username().is_empty() || url.password().is_some() {
            "must hold no user or password"
        } else if url.query().is_some() || url.fragment().is_some() {
            "must have no query and no fragment"
        } else {
            return Ok(Self(url));
        };
        Err(Error::BaseUrl(rule))
    }

    /// The URL below the base with these path segments, each percent-encoded.
    ///
    /// `None` if one of them is empty, `.` or `..`: however it is written, a URL gives these another meaning.
    pub fn below(&self, segments: &[&str]) -> Option<Url> {
        let mut path = self.0.path().trim_end_matches('/').to_owned();
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                return None;
            }
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        let mut url = self.0.clone();
        url.set_path(&path);
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Result<BaseUrl, Error> {
        BaseUrl::new(Url::parse(text).unwrap())
    }

    #[test]
    fn segments_are_encoded_and_stay_segments() {
        for root in ["https://api.example.com/pre", "https://api.example.com/pre/"] {
            let url = base(root).unwrap().below(&["v2", "a/../b?c#d%2e;e:f@g", "~_.-"]);
            assert_eq!(
                url.unwrap().as_str(),
                "https://api.example.com/pre/v2/a%2F..%2Fb%3Fc%23d%252e%3Be%3Af%40g/~_.-"
            );
        }
    }

    #[test]
    fn a_segment_that_would_climb_is_no_segment() {
        for segment in ["", ".", ".."] {
            assert_eq!(base("https://a.example").unwrap().below(&["v2", segment, "refund"]), None);
        }
    }

    #[test]
    fn a_base_url_with_more_than_a_place_is_refused() {
        for text in [
            "ftp://a.example",
            "https://user@a.example",
            "https://:secret@a.example",
            "https://a.example/?q=1",
            "https://a.example/#f",
        ] {
            assert!(base(text).is_err(), "{text}");
        }
    }
}
