//! Airalo in virtual time: people who review, a network that dawdles, and a limit that is stricter than the
//! provider's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use refunds::domain::answer::{Answer, Evidence, Face, Finding, LookupAnswer, Review, Signal};
use refunds::domain::id::{Iccid, RefundId};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Failure, Refund, Success};
use refunds::domain::sight::{Baseline, EsimOrder, EsimSight, Sight};
use refunds::domain::timestamp::Timestamp;
use refunds::provider::{Provider, Unready, airalo};
use refunds::service::Clock;
use tokio::time::{Instant, sleep};

use super::arrivals::{Fate, fate_of};
use crate::support::chance::Chance;
use crate::support::clock::VirtualClock;

/// No two calls may arrive closer than this.
pub(super) const WINDOW: Duration = Duration::from_mins(5);
/// The longest that a connection takes: below the account's own limit.
const CONNECT_MAX: Duration = Duration::from_millis(3_900);
/// The longest that a call is on its way, now and then.
const WAY_MAX: Duration = Duration::from_secs(40);
/// The longest that an answer takes, now and then: with the way there below what a client waits.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// What a call and an answer mostly take.
const USUAL_MAX: Duration = Duration::from_secs(2);

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It arrives and is answered.
    Answered,
    /// There is no connection.
    NotConnected,
    /// It takes effect, and no answer comes.
    AnswerLost,
    /// 503, without an effect.
    Unavailable,
    /// It came too early: 429.
    TooMany,
}

impl Course {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotConnected => "not_connected",
            Self::AnswerLost => "answer_lost",
            Self::Unavailable => "unavailable",
            Self::TooMany => "too_many",
        }
    }
}

/// A call as the provider saw it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// When the client began it.
    pub(super) began: Timestamp,
    pub(super) course: Course,
    pub(super) refunds: Vec<RefundId>,
    pub(super) iccids: usize,
}

/// What the provider knows.
#[derive(Debug)]
pub(super) struct Book {
    chance: Chance,
    last_arrival: Option<Instant>,
    /// Whether two calls came too close to each other, each time.
    pub(super) too_many: usize,
    /// The least time between two arrivals.
    pub(super) closest: Option<Duration>,
    pub(super) calls: Vec<Call>,
    /// How often each eSIM was taken.
    pub(super) taken: BTreeMap<Iccid, usize>,
    /// What the reviewers decide of an eSIM, and when.
    decided: BTreeMap<Iccid, (Instant, &'static str)>,
    /// Refunds of which a call had no usable answer.
    pub(super) doubtful: BTreeSet<RefundId>,
    /// Those of them that were sent again.
    pub(super) resent: Vec<RefundId>,
    /// Calls of refunds that do not agree, or of too many eSIMs.
    pub(super) malformed: usize,
}

/// The provider, for all accounts and replicas.
#[derive(Debug, Clone)]
pub(super) struct Airalo {
    clock: VirtualClock,
    book: Arc<Mutex<Book>>,
}

/// How long the parts of a call take.
struct Trip {
    course: Course,
    connect: Duration,
    there: Duration,
    back: Duration,
}

impl Book {
    fn trip(&mut self) -> Trip {
        let course = match self.chance.below(1_000) {
            0..15 => Course::NotConnected,
            15..30 => Course::AnswerLost,
            30..40 => Course::Unavailable,
            _usual => Course::Answered,
        };
        let connect_max = if self.chance.in_thousand(150) { CONNECT_MAX } else { CONNECT_MAX / 20 };
        let (way_max, answer_max) =
            if self.chance.in_thousand(30) { (WAY_MAX, ANSWER_MAX) } else { (USUAL_MAX, USUAL_MAX) };
        let connect = self.chance.between(Duration::ZERO, connect_max);
        let there = self.chance.between(Duration::ZERO, way_max);
        Trip { course, connect, there, back: self.chance.between(Duration::ZERO, answer_max) }
    }

    /// The limit, at the door. Whatever comes counts.
    fn is_too_early(&mut self) -> bool {
        let now = Instant::now();
        let gap = self.last_arrival.replace(now).map(|last| now - last);
        self.closest = [self.closest, gap].into_iter().flatten().min();
        let early = gap.is_some_and(|gap| gap < WINDOW);
        self.too_many += usize::from(early);
        early
    }

    /// Takes the eSIMs of a call, all or none: gives those that are not the company's.
    fn take(&mut self, refunds: &[Refund]) -> Vec<Iccid> {
        let iccids: Vec<_> = refunds.iter().flat_map(|refund| refund.content.iccids()).cloned().collect();
        let foreign: Vec<_> =
            iccids.iter().filter(|iccid| fate_of(iccid) == Fate::ForeignInTheCall).cloned().collect();
        if foreign.is_empty() {
            for iccid in iccids {
                *self.taken.entry(iccid.clone()).or_default() += 1;
                let after = self.chance.between(Duration::from_hours(2), Duration::from_hours(72));
                let status = match self.chance.below(100) {
                    0..80 => EsimOrder::REFUNDED,
                    80..85 => EsimOrder::PARTIALLY_REFUNDED,
                    _never => continue,
                };
                self.decided.entry(iccid).or_insert((Instant::now() + after, status));
            }
        }
        foreign
    }

    fn sight(&self, iccid: &Iccid) -> EsimSight {
        let decided = self.decided.get(iccid).filter(|(at, _)| *at <= Instant::now());
        let status = match (fate_of(iccid), decided) {
            (Fate::NotSeen, _) => return EsimSight { iccid: iccid.clone(), orders: Vec::new() },
            (Fate::RefundedBefore, _) => EsimOrder::REFUNDED,
            (_, Some((_, status))) => status,
            (_, None) => "completed",
        };
        let order = EsimOrder { id: format!("of-{iccid}"), status: status.to_owned(), esims: 1 };
        EsimSight { iccid: iccid.clone(), orders: vec![order] }
    }
}

impl Airalo {
    pub(super) fn new(clock: VirtualClock, seed: u64) -> Self {
        let book = Book {
            chance: Chance::new(seed, 1),
            last_arrival: None,
            too_many: 0,
            closest: None,
            calls: Vec::new(),
            taken: BTreeMap::new(),
            decided: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            resent: Vec::new(),
            malformed: 0,
        };
        Self { clock, book: Arc::new(Mutex::new(book)) }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call, from its first byte to its answer.
    async fn call(&self, refunds: &[Refund], trip: Trip) -> (Course, Answer) {
        let all = |face: Face| vec![face; refunds.len()];
        let told = |course, faces, signal| (course, Answer::to_all(faces, Evidence::default(), vec![signal]));
        sleep(trip.connect).await;
        if trip.course == Course::NotConnected {
            return told(trip.course, all(Face::NotSent { alone: false }), Signal::Trouble);
        }
        sleep(trip.there).await;
        if self.book().is_too_early() {
            sleep(trip.back).await;
            return told(
                Course::TooMany,
                all(Face::NotSent { alone: false }),
                Signal::Throttle(airalo::QUIET),
            );
        }
        if trip.course == Course::Unavailable {
            sleep(trip.back).await;
            return told(trip.course, all(Face::Unknown), Signal::Trouble);
        }
        let foreign = self.book().take(refunds);
        if trip.course == Course::AnswerLost {
            sleep(airalo::READ.saturating_sub(trip.there)).await;
            return told(trip.course, all(Face::Unknown), Signal::Trouble);
        }
        sleep(trip.back).await;
        let face = |refund: &Refund| {
            if foreign.is_empty() {
                Face::InReview(Review::default())
            } else if refund.content.iccids().iter().any(|iccid| foreign.contains(iccid)) {
                let reason = FailureReason::OrderNotFound;
                let failure = Failure { reason, provider_code: None, text: None };
                Face::Declined { failure, conclusive: false }
            } else {
                Face::NotSent { alone: false }
            }
        };
        told(Course::Answered, refunds.iter().map(face).collect(), Signal::Healthy)
    }
}

#[async_trait]
impl Provider for Airalo {
    async fn prepare(&self) -> Option<Unready> {
        let refused = self.book().chance.in_thousand(5);
        refused.then(|| Unready { evidence: Evidence::default(), signals: vec![Signal::Trouble] })
    }

    async fn send(&self, refunds: &[Refund], _resend_count: u32) -> Answer {
        let began = self.clock.now();
        let ids: Vec<_> = refunds.iter().map(|refund| refund.id).collect();
        let trip = {
            let mut book = self.book();
            let again: Vec<_> = ids.iter().filter(|id| book.doubtful.contains(id)).copied().collect();
            book.resent.extend(again);
            book.trip()
        };
        let (course, answer) = self.call(refunds, trip).await;
        let mut book = self.book();
        let doubtful = ids.iter().zip(&answer.faces).filter(|(_, face)| **face == Face::Unknown);
        book.doubtful.extend(doubtful.map(|(id, _)| *id));
        let iccids = refunds.iter().map(|refund| refund.content.iccids().len()).sum();
        let alike = |other: &Refund| {
            let (one, other) = (&refunds[0].content, &other.content);
            (&one.account, one.reason) == (&other.account, other.reason)
        };
        let well_formed = refunds.iter().all(alike) && iccids <= airalo::ICCIDS_PER_CALL_MAX;
        book.malformed += usize::from(!well_formed);
        book.calls.push(Call { began, course, refunds: ids, iccids });
        answer
    }

    async fn look_up(&self, refund: &Refund) -> LookupAnswer {
        let mut esims = Vec::new();
        for iccid in refund.content.iccids() {
            let (took, fails) = {
                let chance = &mut self.book().chance;
                (chance.between(Duration::from_millis(50), USUAL_MAX / 2), chance.in_thousand(5))
            };
            sleep(took).await;
            if fails {
                return LookupAnswer::nothing(Evidence::default(), vec![Signal::Trouble]);
            }
            esims.push(self.book().sight(iccid));
        }
        let finding = finding(&refund.baseline, &esims);
        let (evidence, signals) = (Evidence::default(), vec![Signal::Healthy]);
        LookupAnswer { sight: Sight::Esims(esims), finding, evidence, signals }
    }
}

/// An order that changed since the first send proves its eSIM; each has one here, of its own.
fn finding(before: &Baseline, now: &[EsimSight]) -> Finding {
    let status = |sight: &EsimSight| sight.orders.first().map(|order| order.status.clone());
    let proven: Vec<_> = before
        .esims
        .iter()
        .zip(now)
        .filter(|(before, now)| status(before) != status(now))
        .filter_map(|(_, now)| status(now))
        .collect();
    let partly = proven.iter().any(|status| status == EsimOrder::PARTIALLY_REFUNDED);
    let success =
        Success { amount_minor: None, provider_refund_id: None, completed: None, items: Vec::new() };
    match proven.len() {
        0 => Finding::Absent,
        some if some < now.len() => Finding::InReview(Review::default()),
        _all if partly => Finding::PartlySucceeded(success),
        _all => Finding::Succeeded(success),
    }
}
