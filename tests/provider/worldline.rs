//! What is Worldline's own.

mod answers;
mod errors;
mod fixture;
mod lookups;
mod reversals;
mod secrets;
mod tokens;
mod wire;
