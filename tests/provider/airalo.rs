//! What is Airalo's own.

mod answers;
mod batches;
mod fixture;
mod lookups;
mod reversals;
mod secrets;
mod tokens;
mod wire;
