//! A run on each database, and what came of it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::callers::{self, CALLERS};
use crate::catalogue::CATALOGUES;
use crate::database::Database;
use crate::findings::{Findings, Wrong};
use crate::postgres::Postgres;
use crate::proxy::Proxy;
use crate::reader::Reader;
use crate::replicas::{self, Order, Replica};
use crate::settings::{REPLICAS, SHORT_LEASE, Settings};
use crate::support::chance::Chance;
use crate::support::database::Kind;
use crate::support::process::{PATIENCE, Process, Scene};
use crate::support::sandbox::http;
use crate::takeover::Takeovers;
use crate::wishes::Wishes;
use crate::world::{Calm, Counts, World, counted};
use crate::{faults, restore, verdict};

/// Short times, no limits: what the sandbox does by itself is not what is tried here.
const SANDBOX: &str = r#"{"hold_ms": 3000, "slow_ms": 500, "later_ms": 500, "review_ms": 500,
    "block_ms": 300, "reversal_ms": 3000, "refund_limit": 0, "token_limit": 0}"#;
const TELL_EVERY: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A run that comes no further for so long is a finding, not a run without end.
const STILL_MAX: Duration = Duration::from_mins(10);

/// What a run counted.
#[derive(Debug, Default)]
struct Outcome {
    kills: u64,
    refunds: usize,
    wrong: [usize; 6],
    takeover: Duration,
}

impl Outcome {
    fn line(&self) -> String {
        let wrong = Wrong::ALL.iter().zip(self.wrong).map(|(kind, count)| format!("{} {count}", kind.word()));
        let wrong = wrong.collect::<Vec<_>>().join(", ");
        let (kills, refunds, takeover) = (self.kills, self.refunds, self.takeover.as_secs_f64());
        format!("chaos: kills {kills}, refunds {refunds}, {wrong}, takeover_p99_s {takeover:.2}")
    }

    fn is_good(&self) -> bool {
        self.wrong.iter().all(|count| *count == 0)
    }
}

/// Runs what the environment asks for; fails if anything was found.
pub(crate) fn main() -> ExitCode {
    let Some(settings) = Settings::read() else {
        println!("chaos: not asked for; CHAOS=short takes minutes, CHAOS=full is the whole run");
        return ExitCode::SUCCESS;
    };
    println!("chaos: {settings:?}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut sum = Outcome::default();
    for kind in &settings.databases {
        let outcome = runtime.block_on(run(*kind, &settings));
        println!("{} ({kind:?})", outcome.line());
        sum.kills += outcome.kills;
        sum.refunds += outcome.refunds;
        sum.takeover = sum.takeover.max(outcome.takeover);
        for (sum, wrong) in sum.wrong.iter_mut().zip(outcome.wrong) {
            *sum += wrong;
        }
    }
    println!("{}", sum.line());
    if sum.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(kind: Kind, settings: &Settings) -> Outcome {
    let logs = tempfile::tempdir().unwrap();
    let (world, tasks) = build(kind, settings, &logs).await;
    let began = Instant::now();
    prove_keys(&world).await;
    world.faulty.store(true, Ordering::SeqCst);
    let mut load: Vec<JoinHandle<()>> = (0..CALLERS)
        .map(|n| tokio::spawn(callers::call(Arc::clone(&world), world.chance(100 + n))))
        .collect();
    load.push(tokio::spawn(callers::repeat(Arc::clone(&world), world.chance(50))));
    load.push(tokio::spawn(faults::strike(Arc::clone(&world), world.chance(51))));
    let (mut refunds, mut kills) = (0, 0);
    for (part, (lease, part_refunds, part_kills)) in settings.parts().into_iter().enumerate() {
        world.lease_ms.store(u64::try_from(lease.as_millis()).unwrap(), Ordering::SeqCst);
        if part > 0 {
            // Leases are set at the start of a process.
            for replica in &world.replicas {
                replica.order(Order::Kill);
            }
        }
        let half = (refunds + part_refunds / 2, kills + part_kills / 2);
        (refunds, kills) = (refunds + part_refunds, kills + part_kills);
        if part == 0 && world.is_postgres() {
            until_counted(&world, half).await;
            restore::restore(Arc::clone(&world)).await;
        }
        until_counted(&world, (refunds, kills)).await;
    }
    eprintln!("chaos: enough after {:?}: everything is mended", began.elapsed());
    world.enough.cancel();
    world.faulty.store(false, Ordering::SeqCst);
    join_all(load).await;
    world.to_sandbox.heal();
    world.to_database.iter().for_each(Proxy::heal);
    verdict::settle(&world).await;
    verdict::judge(&world).await;
    let outcome = tell(&world, began);
    world.over.cancel();
    join_all(tasks).await;
    if !outcome.is_good() {
        println!("chaos: what the processes told is kept in {}", logs.keep().display());
    }
    outcome
}

/// Everything in place, and nothing wrong yet.
async fn build(kind: Kind, settings: &Settings, logs: &TempDir) -> (Arc<World>, Vec<JoinHandle<()>>) {
    let postgres = if kind == Kind::Postgres { Some(Postgres::start().await.unwrap()) } else { None };
    let url = url(postgres.as_ref(), logs);
    let scene = Scene::set(&url).await;
    http(scene.sandbox, "POST", "/control/settings", SANDBOX).await;
    for catalogue in CATALOGUES {
        catalogue.check(scene.sandbox).await;
    }
    let (code, told) = Process::run(&["migrate"], &scene.variables(&[])).await;
    assert_eq!(code, Some(0), "{told}");
    let chance = |purpose| Chance::new(settings.seed, purpose);
    let mut to_database = Vec::new();
    let replicas = if kind == Kind::Postgres { REPLICAS } else { 1 };
    if let Some(postgres) = &postgres {
        for slot in 0..REPLICAS {
            to_database
                .push(Proxy::start(postgres.address(), chance(10 + u64::try_from(slot).unwrap())).await);
        }
    }
    let (replicas, orders): (Vec<_>, Vec<_>) = (0..replicas).map(Replica::new).unzip();
    let world = Arc::new(World {
        kind,
        settings: settings.clone(),
        to_sandbox: Proxy::start(scene.sandbox, chance(1)).await,
        scene,
        logs: logs.path().to_owned(),
        book: Book::default(),
        wishes: Wishes::new(chance(2)),
        findings: Findings::default(),
        takeovers: Takeovers::default(),
        replicas,
        database: Database::connect(&url).await,
        reader: Reader::default(),
        postgres: postgres.map(Mutex::new),
        to_database,
        counts: Counts::default(),
        calm: Calm::default(),
        lease_ms: AtomicU64::new(u64::try_from(SHORT_LEASE.as_millis()).unwrap()),
        backlog: AtomicU64::new(0),
        restores: AtomicU64::new(0),
        faulty: AtomicBool::new(false),
        enough: CancellationToken::new(),
        over: CancellationToken::new(),
    });
    let tasks = keep_all(&world, orders);
    (world, tasks)
}

fn url(postgres: Option<&Postgres>, directory: &TempDir) -> String {
    match postgres {
        Some(postgres) => format!("postgres://postgres@{}/refunds", postgres.address()),
        None => format!("sqlite://{}?mode=rwc", directory.path().join("refunds.sqlite").display()),
    }
}

fn keep_all(world: &Arc<World>, orders: Vec<mpsc::UnboundedReceiver<Order>>) -> Vec<JoinHandle<()>> {
    let mut tasks: Vec<_> = orders
        .into_iter()
        .enumerate()
        .map(|(slot, orders)| {
            let chance = world.chance(20 + u64::try_from(slot).unwrap());
            tokio::spawn(replicas::keep(Arc::clone(world), slot, orders, chance))
        })
        .collect();
    tasks.push(tokio::spawn(Reader::run(Arc::clone(world))));
    tasks
}

/// Before anything goes wrong, the provider that has to shows that it heeds our keys.
async fn prove_keys(world: &Arc<World>) {
    let mut chance = world.chance(3);
    for wish in world.wishes.proofs() {
        let number = world.book.add(wish.request, wish.sort);
        callers::create(world, number, &mut chance).await;
    }
    let deadline = Instant::now() + PATIENCE;
    let open = "SELECT COUNT(*) FROM refunds WHERE state <> 'succeeded'";
    while world.database.number(open).await.unwrap() > 0 {
        assert!(Instant::now() < deadline, "the first refunds did not succeed");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until so much has happened.
async fn until_counted(world: &World, (refunds, kills): (u64, u64)) {
    let (mut moved, mut told, mut before) = (Instant::now(), Instant::now(), (0, 0));
    loop {
        let now = (u64::try_from(world.book.acknowledged()).unwrap(), counted(&world.counts.kills));
        if now.0 >= refunds && now.1 >= kills {
            return;
        }
        if now != before {
            (moved, before) = (Instant::now(), now);
        }
        if moved.elapsed() > STILL_MAX {
            let detail = format!("no further than {now:?} of {refunds} refunds and {kills} kills");
            return world.findings.add(Wrong::Stuck, detail);
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let backlog = world.backlog.load(Ordering::SeqCst);
            eprintln!("chaos: {:?}, refunds {}, kills {}, waiting {backlog}", world.kind, now.0, now.1);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Tells what happened and what was found.
fn tell(world: &World, began: Instant) -> Outcome {
    let c = &world.counts;
    let cuts: u64 = world.to_database.iter().map(Proxy::cuts).sum();
    println!(
        "chaos: {:?} in {:.0?}: kills at points {}, stops {} and at points {}, restarts {}, restores {}, \
         cuts to the sandbox {} and the database {cuts}",
        world.kind,
        began.elapsed(),
        counted(&c.kills_at_points),
        counted(&c.stops),
        counted(&c.stops_at_points),
        counted(&c.restarts),
        world.restores(),
        world.to_sandbox.cuts(),
    );
    println!(
        "chaos: calls given up {}, twins {}, repeats {}, reads {}, streams {}, resumed {}",
        counted(&c.canceled),
        counted(&c.twins),
        counted(&c.repeats),
        counted(&c.reads),
        counted(&c.streams),
        counted(&c.resumes),
    );
    for note in world.findings.notes() {
        println!("chaos: note: {note}");
    }
    let (count, takeover) = world.takeovers.p99(true);
    let (others, other) = world.takeovers.p99(false);
    println!("chaos: {count} takeovers, with the default lease {others}, 99 of 100 within {other:.2?}");
    Outcome {
        kills: counted(&c.kills),
        refunds: world.book.acknowledged(),
        wrong: Wrong::ALL.map(|wrong| world.findings.count(wrong)),
        takeover,
    }
}
