//! What is Moyasar's own.

mod answers;
mod fixture;
mod lookups;
mod secrets;
mod wire;
