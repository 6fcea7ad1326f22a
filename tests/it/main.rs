//! The service from outside, in one binary: the databases, the store's contract, and whole processes.

#[cfg(test)]
mod store_contract;
#[cfg(test)]
mod support;
