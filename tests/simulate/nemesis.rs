//! What befalls the replicas: they crash at any moment and at named points, stand still longer than their
//! leases, lose the store, and are started again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use refunds::service::Point;
use tokio::time::sleep;

use crate::replica::Replica;
use crate::support::chance::Chance;
use crate::world::World;

/// How long the faults go on.
const FAULTS: Duration = Duration::from_secs(150);

/// The replicas that run, or believe so.
pub(crate) struct Replicas {
    world: Arc<World>,
    poll: Duration,
    running: Mutex<(u64, Vec<Arc<Replica>>)>,
    /// All that ever ran.
    past: Mutex<Vec<Arc<Replica>>>,
}

impl Replicas {
    /// Two to five of them.
    pub(crate) fn start(world: &Arc<World>, chance: &mut Chance) -> Arc<Self> {
        let poll = chance.between(Duration::from_millis(200), Duration::from_secs(1));
        let replicas = Arc::new(Self {
            world: Arc::clone(world),
            poll,
            running: Mutex::default(),
            past: Mutex::default(),
        });
        for _ in 0..2 + chance.below(4) {
            replicas.add(poll);
        }
        replicas
    }

    fn add(&self, poll: Duration) {
        let mut running = self.running.lock().unwrap();
        running.0 += 1;
        let replica = Replica::start(&self.world, running.0, poll);
        self.past.lock().unwrap().push(Arc::clone(&replica));
        running.1.push(replica);
    }

    /// One of them, dead or alive: a caller cannot know.
    pub(crate) fn any(&self, chance: &mut Chance) -> Arc<Replica> {
        let running = &self.running.lock().unwrap().1;
        Arc::clone(chance.one_of(running))
    }

    /// Starts others for those that are dead.
    fn replace_dead(&self) {
        let dead = {
            let mut running = self.running.lock().unwrap();
            let before = running.1.len();
            running.1.retain(|replica| !replica.is_dead());
            before - running.1.len()
        };
        for _ in 0..dead {
            self.add(self.poll);
        }
    }

    /// Ends all and starts two that look for work now and then.
    pub(crate) fn begin_anew(&self, poll: Duration) {
        for replica in self.running.lock().unwrap().1.drain(..) {
            replica.crash("for the last time");
        }
        self.add(poll);
        self.add(poll);
    }

    /// What their engines counted.
    pub(crate) fn counted(&self) -> (u64, u64, u64) {
        self.past.lock().unwrap().iter().map(|replica| replica.counts()).fold((0, 0, 0), |sum, counts| {
            (sum.0 + counts.takeovers(), sum.1 + counts.fenced(), sum.2 + counts.withheld())
        })
    }
}

/// Faults, one after the other.
pub(crate) async fn rage(world: Arc<World>, replicas: Arc<Replicas>, mut chance: Chance) {
    let began = tokio::time::Instant::now();
    while began.elapsed() < FAULTS {
        let rest = chance.between(Duration::from_millis(500), Duration::from_secs(6));
        sleep(rest).await;
        let victim = replicas.any(&mut chance);
        match chance.below(100) {
            0..25 => victim.crash("at any moment"),
            25..50 => {
                victim.crash_at(*chance.one_of(Point::ALL));
            }
            50..70 => {
                let length = chance.between(world.lease / 2, world.lease * 3);
                victim.freeze(length);
            }
            70..80 => {
                let length = chance.between(Duration::from_millis(100), Duration::from_secs(10));
                world.begin_outage(length);
            }
            80..88 => {
                let account = &chance.one_of(&world.accounts).identity.name;
                let length = chance.between(Duration::from_secs(1), Duration::from_secs(30));
                world.bank().block(account, length);
            }
            _quiet => {}
        }
        let rest = chance.between(Duration::from_millis(100), Duration::from_secs(3));
        sleep(rest).await;
        replicas.replace_dead();
    }
    replicas.replace_dead();
}
