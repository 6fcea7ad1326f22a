//! The clients of the providers beside a bare socket, in one binary: the exact bytes that they send, and what
//! they make of any answer.

#[cfg(test)]
mod afterpay;
#[cfg(test)]
mod airalo;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod listener;
#[cfg(test)]
mod moyasar;
#[cfg(test)]
mod refund;
#[cfg(test)]
#[cfg(feature = "sandbox")]
mod sandbox;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod spans;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod worldline;
