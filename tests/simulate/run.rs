//! One seed from its first refund to the end of its last.

use std::fmt;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use refunds::domain::refund::{Refund, StateKind, Wait};
use refunds::store::Store;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::callers::{Asking, Book};
use crate::laws::order_of;
use crate::nemesis::{Replicas, rage};
use crate::operators;
use crate::reader::read_all;
use crate::support::chance::Chance;
use crate::world::World;

/// How often the last replicas look for work: nothing hurries any more.
const CALM_POLL: Duration = Duration::from_secs(5);
/// How often it is looked whether everything has come to its end.
const LOOK_EVERY: Duration = Duration::from_mins(2);
/// After so long what has not come to its end does not.
const CALM_MAX: Duration = Duration::from_hours(3);
/// Longer than any reviewer of the run takes, and than any doubt is left to a machine.
const CALM_MIN: Duration = Duration::from_mins(30);

/// What happened in a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) refunds: u64,
    pub(crate) refused: u64,
    pub(crate) replays: u64,
    pub(crate) intents: u64,
    pub(crate) resends: u64,
    pub(crate) effects: u64,
    pub(crate) doubts: u64,
    pub(crate) crashes: u64,
    pub(crate) freezes: u64,
    pub(crate) takeovers: u64,
    pub(crate) fenced: u64,
    pub(crate) withheld: u64,
    pub(crate) streams: u64,
    pub(crate) rulings: u64,
    /// Refunds that wait for a person at the end.
    pub(crate) left: u64,
}

impl Figures {
    fn named(&self) -> [(&'static str, u64); 15] {
        [
            ("refunds", self.refunds),
            ("refused", self.refused),
            ("replays", self.replays),
            ("intents", self.intents),
            ("resends", self.resends),
            ("effects", self.effects),
            ("doubts", self.doubts),
            ("crashes", self.crashes),
            ("freezes", self.freezes),
            ("takeovers", self.takeovers),
            ("fenced", self.fenced),
            ("withheld", self.withheld),
            ("streams", self.streams),
            ("rulings", self.rulings),
            ("left to a person", self.left),
        ]
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.refunds += other.refunds;
        self.refused += other.refused;
        self.replays += other.replays;
        self.intents += other.intents;
        self.resends += other.resends;
        self.effects += other.effects;
        self.doubts += other.doubts;
        self.crashes += other.crashes;
        self.freezes += other.freezes;
        self.takeovers += other.takeovers;
        self.fenced += other.fenced;
        self.withheld += other.withheld;
        self.streams += other.streams;
        self.rulings += other.rulings;
        self.left += other.left;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<_> = self.named().iter().map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(&told.join(", "))
    }
}

/// What came of a seed.
pub(crate) struct Outcome {
    pub(crate) figures: Figures,
    pub(crate) faults: Vec<String>,
    /// A hash of every step.
    pub(crate) trail: u64,
}

/// Runs a seed in virtual time.
pub(crate) fn run(seed: u64, told: bool) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(play(seed, told))
}

async fn play(seed: u64, told: bool) -> Outcome {
    let world = World::new(seed, told);
    let identities: Vec<_> = world.accounts.iter().map(|account| account.identity.clone()).collect();
    world.store.register(&identities).await.unwrap();
    let mut chance = Chance::new(seed, 2);
    let replicas = Replicas::start(&world, &mut chance);
    let book = Arc::new(Mutex::new(Book::default()));
    let mut asking = JoinSet::new();
    for number in 0..3 {
        let asks = Asking {
            world: Arc::clone(&world),
            replicas: Arc::clone(&replicas),
            book: Arc::clone(&book),
            chance: Chance::new(seed, 10 + number),
            number,
            wishes: 3 + chance.below(8),
        };
        asking.spawn(asks.run());
    }
    asking.spawn(read_all(Arc::clone(&world), Arc::clone(&replicas), Chance::new(seed, 6)));
    rage(Arc::clone(&world), Arc::clone(&replicas), Chance::new(seed, 5)).await;
    world.tell("world", format_args!("the faults are over"));
    world.calm_down();
    replicas.begin_anew(CALM_POLL);
    settle(&world).await;
    // What was kept waiting by what a person decides goes on, and may need a person in its turn.
    let mut operator = Chance::new(seed, 7);
    while operators::decide(&world, &replicas, &mut operator).await > 0 {
        settle(&world).await;
    }
    world.end();
    // Streams tell what they have not told yet, and callers come to their end.
    let ended =
        tokio::time::timeout(Duration::from_mins(5), async { while asking.join_next().await.is_some() {} });
    let all_ended = ended.await.is_ok();
    judge(&world, &replicas, &book.lock().unwrap(), all_ended)
}

/// Waits until nothing is left to a machine.
async fn settle(world: &World) {
    let mut calm = Duration::ZERO;
    while calm < CALM_MAX {
        sleep(LOOK_EVERY).await;
        calm += LOOK_EVERY;
        if calm >= CALM_MIN && unsettled(world).is_empty() {
            break;
        }
    }
}

/// The end of a run: every refund once more against every law, and against what callers were told.
fn judge(world: &World, replicas: &Replicas, book: &Book, all_ended: bool) -> Outcome {
    let mut faults = book.faults.clone();
    if !all_ended {
        faults.push("a caller or a stream did not come to its end".to_owned());
    }
    for (request_id, content, id) in &book.acknowledged {
        let stored = world.store.find(*id).now_or_never().unwrap().unwrap();
        let is_whole =
            stored.is_some_and(|refund| refund.request_id == *request_id && refund.content == *content);
        if !is_whole {
            faults.push(format!("{request_id} was acknowledged as {id} and is lost"));
        }
    }
    let ids = world.laws().refunds();
    for id in &ids {
        world.laws().look_at(world, *id);
    }
    faults.extend(unsettled(world));
    faults.extend(world.laws().untold(world));
    let mut laws = world.laws();
    faults.extend(laws.faults());
    let mut figures = laws.figures.clone();
    figures.refunds = u64::try_from(ids.len()).unwrap();
    figures.refused = u64::try_from(book.refused).unwrap();
    figures.replays = u64::try_from(book.replays).unwrap();
    (figures.takeovers, figures.fenced, figures.withheld) = replicas.counted();
    let open = ids.iter().filter(|id| !world.is_final(**id)).count();
    figures.left = u64::try_from(open).unwrap();
    Outcome { figures, faults, trail: world.trail() }
}

/// Refunds that neither came to their end nor wait for what no machine may decide.
fn unsettled(world: &World) -> Vec<String> {
    let stored = |id| world.store.find(id).now_or_never().unwrap().unwrap();
    let all: Vec<Refund> = world.laws().refunds().into_iter().filter_map(stored).collect();
    let undecided = |refund: &Refund| matches!(refund.state.kind(), StateKind::Unknown | StateKind::InReview);
    let waits = |refund: &Refund| match refund.state.kind() {
        // The provider shows no end, and nothing may be sent again.
        StateKind::Unknown | StateKind::InReview => {
            let shows = world.account(&refund.content.account).capabilities.echoes_key
                || !refund.items.is_empty()
                || refund.order_key().is_none();
            !(shows && world.bank().is_decided(refund))
        }
        // One of its order waits for a person, and keeps it waiting.
        StateKind::Pending => {
            let order = order_of(refund);
            let busy = |other: &Refund| order.is_some() && order_of(other) == order && undecided(other);
            refund.state.wait() == Some(Wait::Order) && all.iter().any(busy)
        }
        StateKind::Sending => false,
        StateKind::Succeeded
        | StateKind::PartiallySucceeded
        | StateKind::Failed
        | StateKind::Canceled
        | StateKind::Reversed => true,
    };
    let stuck = all.iter().filter(|refund| !waits(refund));
    stuck.map(|refund| format!("{} does not come to its end: {:?}", refund.id, refund.state)).collect()
}
