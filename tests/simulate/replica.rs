//! A replica: the real service and the real engine behind a gate that can crash it, or make it stand still,
//! between any two steps.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use refunds::dispatch::{Counts, Dispatcher, Line, Parts, Settings};
use refunds::service::{Interrupt, Limits, Point, Service};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::gate::Gate;
use crate::support::chance::Chance;
use crate::wire::Wire;
use crate::world::{World, WorldIds};

/// How often a quiet stream tells that it lives.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(3);

/// What becomes of a replica.
#[derive(Debug, Default)]
struct Fate {
    dead: bool,
    frozen_until: Option<Instant>,
    /// It crashes when it passes this point.
    crash_at: Option<Point>,
}

/// One process.
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) world: Arc<World>,
    fate: Mutex<Fate>,
    chance: Mutex<Chance>,
    service: OnceLock<Arc<Service>>,
    counts: OnceLock<Arc<Counts>>,
    stop: CancellationToken,
}

impl Replica {
    /// Starts one that looks for work every `poll`.
    pub(crate) fn start(world: &Arc<World>, number: u64, poll: Duration) -> Arc<Self> {
        let replica = Arc::new(Self {
            name: format!("replica-{number}"),
            world: Arc::clone(world),
            fate: Mutex::default(),
            chance: Mutex::new(Chance::new(world.seed, 100 + number)),
            service: OnceLock::new(),
            counts: OnceLock::new(),
            stop: CancellationToken::new(),
        });
        let store = Arc::new(Gate::new(Arc::clone(&replica)));
        let ids = Arc::new(WorldIds(Arc::clone(world)));
        let interrupt = Arc::new(At(Arc::clone(&replica)));
        let limits = Limits { streams_max: 1_000, heartbeat: HEARTBEAT, poll: Duration::from_secs(1) };
        let service = Service::new(
            store.clone(),
            world.accounts.clone(),
            ids.clone(),
            interrupt.clone(),
            limits,
            CancellationToken::new(),
        );
        let parts = Parts {
            store,
            clock: Arc::new(world.clock),
            ids,
            interrupt,
            settings: Settings { worker: replica.name.clone(), lease: world.lease, poll },
        };
        let wire = |account| Arc::new(Wire::new(Arc::clone(&replica), account));
        let lines = world.accounts.iter().map(|account| Line::new(account.clone(), wire(account.clone())));
        let dispatcher = Dispatcher::new(parts, lines.collect());
        let _first = replica.service.set(Arc::new(service));
        let _first = replica.counts.set(dispatcher.counts());
        tokio::spawn(dispatcher.run(replica.stop.clone(), Duration::from_mins(2)));
        replica
    }

    pub(crate) fn service(&self) -> Arc<Service> {
        Arc::clone(self.service.get().unwrap())
    }

    pub(crate) fn counts(&self) -> &Counts {
        self.counts.get().unwrap()
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn chance(&self) -> MutexGuard<'_, Chance> {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.fate().dead
    }

    /// Nothing that it does from here on has an effect.
    pub(crate) fn crash(&self, why: &str) {
        let mut fate = self.fate();
        if !fate.dead {
            fate.dead = true;
            self.world.tell(&self.name, format_args!("crashes {why}"));
            self.world.laws().figures.crashes += u64::from(!self.world.is_calm());
        }
    }

    pub(crate) fn crash_at(&self, point: Point) {
        self.fate().crash_at = Some(point);
    }

    /// It stands still for so long, as a process that is stopped.
    pub(crate) fn freeze(&self, length: Duration) {
        self.world.tell(&self.name, format_args!("stands still for {length:?}"));
        self.world.laws().figures.freezes += 1;
        self.fate().frozen_until = Some(Instant::now() + length);
    }

    /// Goes on at once if it lives, later if it stands still, never if it is dead.
    pub(crate) async fn alive(&self) {
        loop {
            let (dead, frozen_until) = {
                let fate = self.fate();
                (fate.dead, fate.frozen_until.filter(|until| *until > Instant::now()))
            };
            match (dead, frozen_until) {
                (true, _) => std::future::pending().await,
                (false, None) => return,
                (false, Some(until)) => {
                    sleep_until(until).await;
                    // What wakes first is chance.
                    let rest = self.chance().between(Duration::ZERO, Duration::from_millis(3));
                    sleep(rest).await;
                }
            }
        }
    }
}

/// The named points of a replica.
struct At(Arc<Replica>);

impl Interrupt for At {
    fn at(&self, point: Point) {
        let is_here = self.0.fate().crash_at == Some(point);
        if is_here && !self.0.world.is_calm() {
            self.0.crash(point.name());
        }
    }
}
