//! Chaos: real processes, a real PostgreSQL, the sandbox with its ledger, and everything that goes wrong.
//!
//! Callers create, repeat, cancel, read and watch while replicas are killed and stopped, connections are cut
//! and the database is restarted and once restored. At the end the callers' book, the database and the
//! ledger are compared. `CHAOS=short` takes minutes, `CHAOS=full` is the whole run; without it nothing is
//! done, so that the other tests stay quick.

#[cfg(test)]
mod book;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod database;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod findings;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod run;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod sleepers;
#[cfg(test)]
mod streams;
#[cfg(test)]
#[path = "../it"]
#[expect(dead_code, unused_imports, unused_macros, reason = "more than this run needs")]
mod it {
    pub(crate) mod support;
}
#[cfg(test)]
mod takeover;
#[cfg(test)]
mod verdict;
#[cfg(test)]
mod wishes;
#[cfg(test)]
mod world;

#[cfg(test)]
use it::support;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    run::main()
}
