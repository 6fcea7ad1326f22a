//! The Moyasar client beside a bare socket: the exact bytes that it sends, and what it makes of any answer.

#[cfg(test)]
#[path = "provider_moyasar"]
mod cases {
    mod answers;
    mod faults;
    mod fixture;
    #[path = "../provider_afterpay/listener.rs"]
    mod listener;
    mod lookups;
    mod secrets;
    mod wire;
}
