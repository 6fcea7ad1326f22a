//! The Afterpay client beside a bare socket: the exact bytes that it sends, and what it makes of any answer.

#[cfg(test)]
#[path = "provider_afterpay"]
mod cases {
    mod answers;
    mod faults;
    mod fixture;
    mod listener;
    mod secrets;
    mod wire;
}
