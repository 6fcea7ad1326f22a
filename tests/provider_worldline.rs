//! The Worldline client beside a bare socket: the exact bytes that it sends, and what it makes of any answer.

#[cfg(test)]
#[path = "provider_worldline"]
mod cases {
    mod answers;
    mod errors;
    mod faults;
    mod fixture;
    #[path = "../provider_afterpay/listener.rs"]
    mod listener;
    mod lookups;
    mod secrets;
    mod tokens;
    mod wire;
}
