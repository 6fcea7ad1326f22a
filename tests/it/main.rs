//! The service from outside, in one binary: the databases, the store's contract, and whole processes.

#[cfg(test)]
mod account_service;
#[cfg(test)]
mod airalo_batches;
#[cfg(test)]
mod airalo_budget;
#[cfg(test)]
mod airalo_week;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod calling;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod connection_age;
#[cfg(test)]
mod create;
#[cfg(test)]
mod database_away;
#[cfg(test)]
mod discrepancies;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod history;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod list;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod overdue;
#[cfg(test)]
mod reflection;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod reversals;
#[cfg(test)]
mod service_config;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod store_contract;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod stream_filter;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trace;
#[cfg(test)]
mod validate;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod worldline_tokens;
