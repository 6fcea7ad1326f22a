//! What is Moyasar's own.

mod answers;
mod fixture;
mod lookups;
mod reversals;
mod secrets;
mod wire;
