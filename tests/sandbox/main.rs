//! The sandbox itself, on the wire.

#[cfg(all(test, feature = "sandbox"))]
mod contract;
#[cfg(all(test, feature = "sandbox"))]
mod control;
#[cfg(all(test, feature = "sandbox"))]
mod faults;
#[cfg(all(test, feature = "sandbox"))]
mod wire;
