//! Which seeds are played, and what is said of them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::run::{self, Figures};

/// Seeds of a run that names none: a test among others.
const SEEDS: u64 = 60;

/// Faults after which no more seeds are played.
const FAULTS_MAX: usize = 10;

/// What is asked.
#[derive(Debug)]
struct Asked {
    from: u64,
    seeds: u64,
    time: Duration,
}

#[expect(clippy::disallowed_methods, reason = "how a run is told its seeds")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.trim().parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Plays what is asked for.
pub(crate) fn play() -> ExitCode {
    if let Some(seed) = number("SIMULATE_SEED") {
        return one(seed);
    }
    let asked = Asked {
        from: number("SIMULATE_FROM").unwrap_or(1),
        seeds: number("SIMULATE_SEEDS").unwrap_or(SEEDS),
        time: Duration::from_secs(number("SIMULATE_SECONDS").unwrap_or(0)),
    };
    // A seed that does not replay is worth nothing.
    let (once, again) = (run::run(asked.from, false), run::run(asked.from, false));
    if once.trail != again.trail {
        println!("simulate: seed {} does not replay", asked.from);
        return ExitCode::FAILURE;
    }
    many(&asked)
}

fn one(seed: u64) -> ExitCode {
    let outcome = run::run(seed, true);
    for fault in &outcome.faults {
        println!("seed {seed}: {fault}");
    }
    println!("seed {seed}: {}, faults {}", outcome.figures, outcome.faults.len());
    if outcome.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What came of all seeds.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    figures: Figures,
    faults: Vec<(u64, String)>,
}

/// As many seeds as are asked for, on every core.
fn many(asked: &Asked) -> ExitCode {
    let (next, began) = (AtomicU64::new(asked.from), Instant::now());
    let sum: Mutex<Sum> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            let enough = seed - asked.from >= asked.seeds && began.elapsed() >= asked.time;
            if enough || sum.lock().unwrap().faults.len() >= FAULTS_MAX {
                return;
            }
            let outcome = run::run(seed, false);
            let mut sum = sum.lock().unwrap();
            sum.seeds += 1;
            sum.figures += outcome.figures;
            sum.faults.extend(outcome.faults.into_iter().map(|fault| (seed, fault)));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let Sum { seeds, figures, mut faults } = sum.into_inner().unwrap();
    faults.sort();
    for (seed, fault) in &faults {
        println!("seed {seed}: {fault} (replays with: just simulate {seed})");
    }
    let took_s = began.elapsed().as_secs();
    println!("simulate: seeds {seeds}, {figures}, faults {}, in {took_s} s", faults.len());
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
