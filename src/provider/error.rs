//! Why a client could not be built. Nothing that happens on the wire is an error of this room: it has a face.

use reqwest::header::InvalidHeaderValue;

/// A setting from which no client can be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base URL cannot be one.
    #[error("the base URL {0}")]
    BaseUrl(&'static str),
    /// The merchant identity cannot be one.
    #[error("the merchant identity {0}")]
    Merchant(&'static str),
    /// The secret is empty.
    #[error("the secret is empty")]
    Secret,
    /// A private key cannot sign. The key is not repeated.
    #[error("the private key {0}")]
    Key(String),
    /// The name of a header that a setting asks for cannot be one.
    #[error("`{0}` is no name of a header that may be set")]
    HeaderName(String),
    /// A value cannot be sent as a header. The value is not repeated: it may be secret.
    #[error("the value of the header {name} has characters that no header may have")]
    Header {
        /// The header.
        name: String,
        /// What is wrong.
        #[source]
        source: InvalidHeaderValue,
    },
    /// A time limit is zero.
    #[error("the time limit `{0}` is zero")]
    Limit(&'static str),
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[source] reqwest::Error),
}
