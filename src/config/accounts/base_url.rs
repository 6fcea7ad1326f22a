//! A provider's address: one that credentials may be sent to.

use url::{Host, Url};

use crate::config::fault::Faults;

/// Checks an address and answers it without a slash at its end.
///
/// An IP address says nothing about who answers there, and the link-local ones are where a cloud keeps its
/// own credentials; both are refused, the loopback of a test excepted.
pub(super) fn checked(key: &str, text: &str, faults: &mut Faults) -> String {
    if text.is_empty() {
        return String::new();
    }
    if let Err(rule) = check(text) {
        faults.add(key, rule);
    }
    text.trim_end_matches('/').to_owned()
}

fn check(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://provider.example")?;
    let loopback = match url.host().ok_or("must name a host")? {
        Host::Domain(name) => is_localhost(name),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let named = matches!(url.host(), Some(Host::Domain(_)));
    if !named && !loopback {
        return Err("must name a host, not an IP address");
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err("must be https; http only for loopback");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a query or fragment");
    }
    Ok(())
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_named_host_over_tls_and_loopback_are_taken() {
        for right in [
            "https://global-api.afterpay.com",
            "https://global-api.afterpay.com/",
            "https://provider.example:8443/api",
            "http://127.0.0.1:18080/afterpay",
            "http://[::1]:18080",
            "http://localhost:1",
            "https://127.0.0.1",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
    }

    #[test]
    fn what_credentials_must_not_be_sent_to_is_refused() {
        for wrong in [
            "global-api.afterpay.com",
            "http://global-api.afterpay.com",
            "http://localhost.example",
            "https://169.254.169.254",
            "https://0xA9FEA9FE",
            "https://2852039166/",
            "https://10.0.0.1",
            "https://[fe80::1]",
            "https://[::ffff:169.254.169.254]",
            "https://user@provider.example",
            "https://user:password@provider.example",
            "https://provider.example/?key=1",
            "https://provider.example/#a",
            "file:///etc/passwd",
            "ftp://localhost",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
