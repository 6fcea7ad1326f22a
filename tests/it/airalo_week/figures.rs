//! What the week came to, from the refunds' own events and the provider's book.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use refunds::domain::admission::SLOT_AGE_MAX;
use refunds::domain::refund::{Refund, StateKind};
use refunds::domain::timestamp::Timestamp;
use refunds::store::Store;

use super::Week;
use super::provider::{Call, WINDOW};

/// The queue is full of agreeing refunds when so many wait.
const FULL: usize = 25;
/// What a call then holds on the average, at the least.
const ICCIDS_PER_CALL_MIN: f64 = 4.5;
/// How far apart calls then are on the average, at the most: a slot is 5 minutes and the 5 s that it may grow
/// old, five eSIMs are looked at for it, one a second, and now and then a call dawdles.
const GAP_MEAN_MAX: Duration = Duration::from_secs(320);
/// How often the oldest that wait may see younger ones of their kind go: while they rest after a failure.
const PASSED_OVER_MAX: usize = 3;
/// Events of one refund, at most.
const EVENTS_MAX: u64 = 1_000;

/// One refund's week.
struct Life {
    refund: Refund,
    /// When it was PENDING, from and until; the last may be open.
    pending: Vec<(Timestamp, Timestamp)>,
    /// When it was sent for the first time.
    sent: Option<Timestamp>,
}

impl Life {
    async fn of(week: &Week, refund: Refund) -> Self {
        let events = week.store.events_after(refund.id, 0, EVENTS_MAX).await.unwrap();
        let times = events.iter().map(|event| event.time);
        let until = times.skip(1).chain([Timestamp::from_micros(i64::MAX)]);
        let pending = events.iter().zip(until).filter(|(event, _)| event.state == StateKind::Pending);
        let pending = pending.map(|(event, until)| (event.time, until)).collect();
        let sent = events.iter().find(|event| event.state == StateKind::Sending).map(|event| event.time);
        Self { refund, pending, sent }
    }

    fn waits_at(&self, time: Timestamp) -> bool {
        self.pending.iter().any(|(from, until)| *from < time && time <= *until)
    }

    fn agrees(&self, other: &Self) -> bool {
        let group = |life: &Self| (life.refund.content.account.clone(), life.refund.content.reason);
        group(self) == group(other)
    }
}

/// The figures of a week.
pub(super) struct Figures {
    states: BTreeMap<String, usize>,
    courses: BTreeMap<&'static str, usize>,
    calls: usize,
    too_many: usize,
    closest: Duration,
    /// The least time between two sends, whether they came to the provider or not.
    closest_slots: Duration,
    malformed: usize,
    /// Of calls made while the queue was full of refunds that agree with theirs.
    full_calls: usize,
    full_iccids: usize,
    /// Between two calls while it was full.
    gaps: Vec<Duration>,
    longest_wait: Duration,
    /// How often a refund saw a call of its kind go without anybody as old as it.
    passed_over: usize,
    faults: Vec<String>,
}

impl Figures {
    pub(super) async fn of(week: &Week, ids: &[refunds::domain::id::RefundId]) -> Self {
        let mut lives = Vec::with_capacity(ids.len());
        for id in ids {
            let refund = week.store.find(*id).await.unwrap().unwrap();
            lives.push(Life::of(week, refund).await);
        }
        let place: BTreeMap<_, _> = ids.iter().zip(0..).map(|(id, n)| (*id, n)).collect();
        let book = week.provider.book();
        let mut figures = Self {
            states: BTreeMap::new(),
            courses: BTreeMap::new(),
            calls: book.calls.len(),
            too_many: book.too_many,
            closest: book.closest.unwrap_or_default(),
            closest_slots: book.calls.windows(2).map(|two| two[1].began.since(two[0].began)).min().unwrap(),
            malformed: book.malformed,
            full_calls: 0,
            full_iccids: 0,
            gaps: Vec::new(),
            longest_wait: Duration::ZERO,
            passed_over: 0,
            faults: Vec::new(),
        };
        let mut passed_over: BTreeMap<usize, usize> = BTreeMap::new();
        let mut before: Option<&Call> = None;
        for call in &book.calls {
            *figures.courses.entry(call.course.word()).or_default() += 1;
            let members: Vec<usize> = call.refunds.iter().map(|id| place[id]).collect();
            let first = &lives[members[0]];
            let agreeing: Vec<usize> = (0..lives.len())
                .filter(|n| lives[*n].waits_at(call.began) && lives[*n].agrees(first))
                .collect();
            if agreeing.len() >= FULL {
                figures.full_calls += 1;
                figures.full_iccids += call.iccids;
                figures.gaps.extend(before.map(|before| call.began.since(before.began)));
            }
            let oldest = members.iter().min().unwrap();
            for older in agreeing.iter().filter(|n| *n < oldest) {
                *passed_over.entry(*older).or_default() += 1;
            }
            before = Some(call).filter(|_| agreeing.len() >= FULL);
        }
        figures.passed_over = passed_over.values().copied().max().unwrap_or_default();
        for life in &lives {
            let state = life.refund.state.kind();
            *figures.states.entry(state.to_string()).or_default() += 1;
            let wait = life.sent.map(|sent| sent.since(life.refund.create_time)).unwrap_or_default();
            figures.longest_wait = figures.longest_wait.max(wait);
            let taken = |times| {
                life.refund.content.iccids().iter().all(|iccid| book.taken.get(iccid).copied() == times)
            };
            let fine = match state {
                StateKind::Succeeded | StateKind::PartiallySucceeded | StateKind::InReview => taken(Some(1)),
                StateKind::Failed => taken(None),
                StateKind::Unknown => {
                    book.doubtful.contains(&life.refund.id) && (taken(Some(1)) || taken(None))
                }
                StateKind::Pending | StateKind::Sending | StateKind::Canceled | StateKind::Reversed => false,
            };
            if !fine {
                figures.faults.push(format!("{} is {state}", life.refund.id));
            }
        }
        figures.faults.extend(book.resent.iter().map(|id| format!("{id} was sent again")));
        figures
    }

    fn iccids_per_full_call(&self) -> f64 {
        let number = |n: usize| f64::from(u32::try_from(n).unwrap());
        number(self.full_iccids) / number(self.full_calls)
    }

    fn mean_gap(&self) -> Duration {
        self.gaps.iter().sum::<Duration>() / u32::try_from(self.gaps.len()).unwrap().max(1)
    }

    pub(super) fn check(&self) {
        assert_eq!(self.faults, Vec::<String>::new());
        assert_eq!(self.too_many, 0, "calls that came too early");
        assert!(self.closest >= WINDOW);
        assert!(self.closest_slots >= WINDOW + SLOT_AGE_MAX, "a slot was given back, or has no margin");
        assert_eq!(self.malformed, 0, "calls of refunds that do not agree");
        assert!(self.full_calls > 100, "the queue was hardly ever full");
        assert!(self.iccids_per_full_call() >= ICCIDS_PER_CALL_MIN);
        assert!(self.mean_gap() <= GAP_MEAN_MAX, "slots lie idle");
        assert!(self.passed_over <= PASSED_OVER_MAX, "the oldest is left behind");
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gaps = self.gaps.clone();
        gaps.sort_unstable();
        writeln!(f, "{:?}; {} calls {:?}", self.states, self.calls, self.courses)?;
        writeln!(
            f,
            "answered 429: {}; the closest two calls: {:?}, slots: {:?}",
            self.too_many, self.closest, self.closest_slots
        )?;
        writeln!(
            f,
            "while {FULL} and more agreed: {} calls, {:.3} ICCIDs each; apart {:?}, median {:?}, most {:?}",
            self.full_calls,
            self.iccids_per_full_call(),
            self.mean_gap(),
            gaps.get(gaps.len() / 2),
            gaps.last(),
        )?;
        write!(f, "longest wait {:?}; passed over {} times at most", self.longest_wait, self.passed_over)
    }
}
