//! The service from outside, in one binary: the databases, the store's contract, and whole processes.

#[cfg(test)]
mod afterpay_faults;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod create;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod store_contract;
#[cfg(test)]
mod support;
