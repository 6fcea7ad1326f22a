//! The way of one replica to a provider: what is on it goes on when the replica is gone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refunds::domain::account::{Account, TargetShape};
use refunds::domain::answer::{Answer, Evidence, Face, Finding, LookupAnswer, Review, Signal};
use refunds::domain::money::Currency;
use refunds::domain::refund::{Refund, Success};
use refunds::domain::sight::{EsimOrder, EsimSight, OrderSnapshot, SeenRefund, Sight};
use refunds::provider::{Provider, Unready};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::accounts::CONNECT_MAX;
use crate::bank::{Bank, Stand, Transaction, face, review, success};
use crate::replica::Replica;
use crate::world::World;

/// How long an answer is waited for.
const READ: Duration = Duration::from_secs(8);
const USUAL_MAX: Duration = Duration::from_millis(400);
const SLOW_MAX: Duration = Duration::from_secs(6);
/// The longest that a request whose sender has given up is on its way.
const LATE_MAX: Duration = Duration::from_secs(25);
/// How long a read does not show what was written.
const LAG: Duration = Duration::from_secs(2);

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Answered,
    NotConnected,
    /// 429: nothing was taken.
    TooMany,
    /// 503, without an effect.
    Unavailable,
    /// It never arrives.
    Lost,
    /// It arrives when nobody waits any more.
    Late,
    /// It takes effect, and no answer comes.
    AnswerLost,
    /// It arrives twice.
    Twice,
}

/// What an account's client is here.
pub(crate) struct Wire {
    replica: Arc<Replica>,
    account: Account,
}

impl Wire {
    pub(crate) fn new(replica: Arc<Replica>, account: Account) -> Self {
        Self { replica, account }
    }

    fn world(&self) -> &Arc<World> {
        &self.replica.world
    }

    fn course(&self) -> (Course, [Duration; 3]) {
        let mut bank = self.world().bank();
        let calm = bank.is_calm();
        let chance = &mut bank.chance;
        let course = match chance.below(1_000) {
            _any if calm => Course::Answered,
            0..40 => Course::NotConnected,
            40..70 => Course::TooMany,
            70..110 => Course::Unavailable,
            110..150 => Course::Lost,
            150..190 => Course::Late,
            190..270 => Course::AnswerLost,
            // Without a key to heed nobody sends a request a second time for us.
            270..290 if self.account.capabilities.batch_max == 1 => Course::Twice,
            _usual => Course::Answered,
        };
        let slow = !calm && chance.in_thousand(60);
        let longest = if slow { SLOW_MAX } else { USUAL_MAX };
        let connect = chance.between(Duration::ZERO, if slow { CONNECT_MAX } else { CONNECT_MAX / 20 });
        let there = match course {
            Course::Late => chance.between(READ, LATE_MAX),
            _in_time => chance.between(Duration::ZERO, longest),
        };
        (course, [connect, there, chance.between(Duration::ZERO, longest)])
    }

    async fn call(&self, refunds: &[Refund]) -> Answer {
        let (course, [connect, there, back]) = self.course();
        self.world().tell(&self.replica.name, format_args!("the call takes its course: {course:?}"));
        let all =
            |face: Face, signal| Answer::to_all(vec![face; refunds.len()], Evidence::default(), vec![signal]);
        let unsent = Face::NotSent { alone: false };
        match course {
            Course::NotConnected => {
                sleep(connect).await;
                all(unsent, Signal::Trouble)
            }
            Course::TooMany => {
                sleep(connect + there + back).await;
                all(unsent, Signal::Throttle(Duration::from_secs(3)))
            }
            Course::Unavailable => {
                sleep(connect + there + back).await;
                all(Face::Unknown, Signal::Trouble)
            }
            Course::Lost => {
                sleep(READ).await;
                all(Face::Unknown, Signal::Trouble)
            }
            Course::Answered | Course::Late | Course::AnswerLost | Course::Twice => {
                let (sender, answer) = oneshot::channel();
                let (world, account, members) =
                    (Arc::clone(self.world()), self.account.clone(), refunds.to_vec());
                tokio::spawn(async move {
                    sleep(connect + there).await;
                    let answer = arrive(&world, &account, &members);
                    if course == Course::Twice {
                        sleep(back * 2).await;
                        let _again = arrive(&world, &account, &members);
                    }
                    sleep(back).await;
                    if course != Course::AnswerLost {
                        let _nobody_waits = sender.send(answer);
                    }
                    sleep(READ).await;
                });
                match timeout(READ, answer).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) | Err(_) => all(Face::Unknown, Signal::Trouble),
                }
            }
        }
    }

    fn sight_of_order(&self, refund: &Refund) -> (Sight, Vec<Transaction>) {
        let mut bank = self.world().bank();
        let order = bank.order(refund);
        let visible: Vec<_> =
            order.transactions.iter().filter(|made| made.made + LAG <= Instant::now()).cloned().collect();
        let moving = || visible.iter().filter(|made| made.stands() != Stand::Refused);
        let echoes = self.account.capabilities.echoes_key;
        let seen = moving().map(|made| SeenRefund {
            provider_refund_id: Some(made.id.clone()),
            key: echoes.then(|| made.key.clone()),
            reference: None,
            amount_minor: made.amount_minor,
            completed: None,
        });
        let snapshot = OrderSnapshot {
            currency: Currency::parse("AUD").unwrap(),
            captured_minor: order.captured_minor,
            refunded_minor: order.external_minor + moving().map(|made| made.amount_minor).sum::<i64>(),
            purchase_time: None,
            refunds: seen.collect(),
            transactions: visible.iter().map(|made| made.id.clone()).collect(),
        };
        (Sight::Order(snapshot), visible)
    }

    /// By our key where it is echoed, else by the parts that are known as this refund's.
    fn finding(&self, refund: &Refund, visible: &[Transaction]) -> Finding {
        let is_ours = |made: &&Transaction| {
            if self.account.capabilities.echoes_key {
                made.key == refund.key.to_string()
            } else {
                refund.items.iter().any(|item| item.id == made.id)
            }
        };
        let Some(ours) = visible.iter().find(is_ours) else { return Finding::Absent };
        match ours.stands() {
            Stand::Done => Finding::Succeeded(success(&self.account, ours)),
            Stand::Registered(..) => Finding::InReview(review(&self.account, ours)),
            // A payment shows no refund that it refused.
            Stand::Refused => match face(&self.account, ours) {
                Face::Declined { failure, conclusive: true } => Finding::Declined(failure),
                _other => Finding::Absent,
            },
        }
    }
}

/// A call arrives at the provider.
fn arrive(world: &World, account: &Account, refunds: &[Refund]) -> Answer {
    let (faces, signals, effects) = match account.capabilities.shape {
        TargetShape::Payment => {
            let (face, signals, effects) = world.bank().receive(account, &refunds[0]);
            world.tell("provider", format_args!("takes {}: {face:?}, {effects}", refunds[0].id));
            (vec![face], signals, vec![(refunds[0].id, effects)])
        }
        TargetShape::Esims => {
            let (faces, taken) = world.bank().receive_esims(refunds);
            world.tell("provider", format_args!("takes eSIMs: {taken:?}"));
            (faces, vec![Signal::Healthy], taken)
        }
    };
    for (id, effects) in effects.into_iter().filter(|(_, effects)| *effects > 0) {
        world.laws().moved(world, id, effects);
    }
    let over = world.bank().over();
    for fault in over {
        world.laws().fault(world, fault);
    }
    Answer::to_all(faces, Evidence::default(), signals)
}

#[async_trait]
impl Provider for Wire {
    async fn prepare(&self) -> Option<Unready> {
        self.replica.alive().await;
        let refused = !self.world().is_calm() && self.replica.chance().in_thousand(10);
        refused.then(|| Unready { evidence: Evidence::default(), signals: vec![Signal::Trouble] })
    }

    async fn send(&self, refunds: &[Refund], _resend_count: u32) -> Answer {
        if self.replica.is_dead() {
            self.replica.alive().await;
        }
        let world = self.world();
        world.laws().first_byte(world, &self.replica.name, &self.account, refunds);
        let answer = self.call(refunds).await;
        self.replica.alive().await;
        answer
    }

    async fn look_up(&self, refund: &Refund) -> LookupAnswer {
        self.replica.alive().await;
        let (takes, fails) = {
            let mut bank = self.world().bank();
            let calm = bank.is_calm();
            let chance = &mut bank.chance;
            (chance.between(Duration::from_millis(20), USUAL_MAX), !calm && chance.in_thousand(50))
        };
        sleep(takes).await;
        self.replica.alive().await;
        if fails {
            return LookupAnswer::nothing(Evidence::default(), vec![Signal::Trouble]);
        }
        let (sight, finding) = match self.account.capabilities.shape {
            TargetShape::Payment => {
                let (sight, visible) = self.sight_of_order(refund);
                let finding = self.finding(refund, &visible);
                (sight, finding)
            }
            TargetShape::Esims => {
                let esims = self.sight_of_esims(refund);
                let finding = finding_of_esims(refund, &esims);
                (Sight::Esims(esims), finding)
            }
        };
        let (evidence, signals) = (Evidence::default(), vec![Signal::Healthy]);
        LookupAnswer { sight, finding, evidence, signals }
    }
}

impl Wire {
    fn sight_of_esims(&self, refund: &Refund) -> Vec<EsimSight> {
        let mut bank = self.world().bank();
        let sight = |bank: &mut Bank, iccid: &refunds::domain::id::Iccid| {
            let status = if bank.esim(iccid).is_refunded() { EsimOrder::REFUNDED } else { "completed" };
            let order = EsimOrder { id: format!("of-{iccid}"), status: status.to_owned(), esims: 1 };
            EsimSight { iccid: iccid.clone(), orders: vec![order] }
        };
        refund.content.iccids().iter().map(|iccid| sight(&mut bank, iccid)).collect()
    }
}

/// An order that changed since the first send proves its eSIM; each has one of its own.
fn finding_of_esims(refund: &Refund, now: &[EsimSight]) -> Finding {
    let before = &refund.baseline.esims;
    let changed = before.iter().zip(now).filter(|(before, now)| before != now).count();
    match changed {
        0 => Finding::Absent,
        some if some < now.len() => Finding::InReview(Review::default()),
        _all => Finding::Succeeded(Success {
            amount_minor: None,
            provider_refund_id: None,
            completed: None,
            items: Vec::new(),
        }),
    }
}
