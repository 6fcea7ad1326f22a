//! The simulation: the real domain, service and engine over a store in memory and providers in memory, on one
//! seed.
//!
//! Chance draws how long each step takes, which answers are lost or late, and where replicas crash or stand
//! still. After each step the laws are checked; at the end, faults lifted, every refund must have come to an
//! end that the laws allow.
//!
//! | Variable | What it does |
//! |---|---|
//! | `SIMULATE_SEED` | this one seed, told step by step |
//! | `SIMULATE_FROM` | the first seed, 1 if not given |
//! | `SIMULATE_SEEDS` | so many seeds at least |
//! | `SIMULATE_SECONDS` | more seeds, until so much time has passed |

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod bank;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod nemesis;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod run;
#[cfg(test)]
mod seeds;
#[cfg(test)]
#[path = "../it/support"]
#[expect(dead_code, reason = "the simulation needs a part of it")]
mod support {
    pub(crate) mod chance;
    pub(crate) mod clock;
    pub(crate) mod samples;
}
#[cfg(test)]
mod watchers;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod world;

fn main() -> std::process::ExitCode {
    seeds::play()
}
