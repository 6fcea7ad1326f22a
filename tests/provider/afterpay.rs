//! What is Afterpay's own.

mod answers;
mod fixture;
mod secrets;
mod wire;
