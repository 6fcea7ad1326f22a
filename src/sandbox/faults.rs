//! Misbehaviour as data: what a behaviour does, how often, and which step of an order's script comes next.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use super::reply::{Plain, Reply};

/// One row of a provider's table of behaviours. `R` holds the answers that only this provider can give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour<R: 'static> {
    /// Two digits, as they stand in an order id.
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) commit: Commit,
    pub(super) answer: Answer<R>,
    pub(super) times: Times,
    pub(super) key: KeyMemory,
    pub(super) lookup: Lookup,
    pub(super) about: &'static str,
}

/// Whether and when the refund takes effect. All but `Never` go through the provider's own checks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commit {
    /// The answer is given in place of the provider's own checks.
    Never,
    AtOnce,
    /// After the setting `slow_ms`; until then the same key is answered as being in process.
    Late,
}

/// What the caller gets to see.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer<R: 'static> {
    /// What the provider would say.
    Usual,
    /// An answer that this provider alone gives.
    Own(R),
    /// The connection is held for `hold_ms`, then reset.
    Hold,
    /// The connection is reset at once.
    Reset,
    /// Half of the body, then a reset.
    ResetInBody,
    /// The usual status with a body that is not JSON.
    Garbage,
    /// 200 with a page of HTML.
    HtmlOk,
    /// `Content-Length` names the whole body, half of it comes, then the connection ends in good order.
    Truncated,
    /// The usual answer with a field of several MB.
    Oversized,
    /// A body that goes on byte by byte for ever.
    Endless,
    /// 302 to another path of the same provider.
    Redirect,
    /// The usual status without a body.
    Empty,
}

/// For how many calls of an order a behaviour holds when it is taken from the order's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    First(usize),
    Always,
}

/// How an order treats idempotency keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyMemory {
    Kept,
    /// Every call has an effect of its own.
    Ignored,
    /// Kept for the setting `key_memory_ms`.
    Forgotten,
}

/// How an order answers lookups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Usual,
    /// The first so many answer 500.
    Fails(u32),
    /// Refunds made here are never shown.
    HidesRefunds,
    /// What became of a refund shows later than it happened: by `later_ms`, or the provider's own setting.
    Lags,
    NotFound,
    /// Another order's data come back.
    OtherOrder,
    Holds,
    /// The first so many answer 429.
    Limited(u32),
}

impl<R: Copy> Behaviour<R> {
    pub(super) const fn key(mut self, key: KeyMemory) -> Self {
        self.key = key;
        self
    }

    pub(super) const fn lookup(mut self, lookup: Lookup) -> Self {
        self.lookup = lookup;
        self
    }

    /// A row for documents and for `GET /control/{provider}/behaviours`.
    pub(super) fn describe(&self) -> Described {
        let times = match self.times {
            Times::First(1) => "first".to_owned(),
            Times::First(count) => format!("first {count}"),
            Times::Always => "every".to_owned(),
        };
        Described { code: self.code, name: self.name, times, about: self.about }
    }

    /// Whether the row says something about the order as a whole, not about one call.
    pub(super) fn is_of_order(&self) -> bool {
        self.key != KeyMemory::Kept || self.lookup != Lookup::Usual
    }
}

impl<R> Answer<R> {
    /// Does to an answer what all providers' networks can do to it. An `Own` answer is the provider's to give
    /// before.
    pub(super) fn mangle(&self, usual: Plain) -> Reply {
        match self {
            Self::Usual | Self::Own(_) => Reply::Plain(usual),
            Self::Hold => Reply::Hold,
            Self::Reset => Reply::Reset,
            Self::ResetInBody => Reply::ResetInBody(usual),
            Self::Garbage => Reply::Plain(usual.with_body(br#"{"refundId" : "12, <<>> not json"#.to_vec())),
            Self::HtmlOk => Reply::Plain(Plain::html(200, "Welcome")),
            Self::Truncated => Reply::Truncated(usual),
            Self::Oversized => Reply::Plain(usual.padded()),
            Self::Endless => Reply::Endless(usual),
            Self::Redirect => Reply::Plain(Plain::empty(302).with_header("location", "redirected")),
            Self::Empty => Reply::Plain(Plain::empty(usual.status)),
        }
    }
}

/// A behaviour as documents show it.
#[derive(Debug, Serialize)]
pub(super) struct Described {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) times: String,
    pub(super) about: &'static str,
}

/// Rows of a table, one per call; the last is repeated. An empty script is ordinary behaviour.
pub(super) type Script<R> = Vec<&'static Behaviour<R>>;

/// The script that a code in an order id stands for: the behaviour as often as its row says, then `after`.
pub(super) fn script_of<R>(row: &'static Behaviour<R>, after: &'static Behaviour<R>) -> Script<R> {
    match row.times {
        Times::Always => vec![row],
        Times::First(count) => {
            let mut script = vec![row; count];
            script.push(after);
            script
        }
    }
}

/// How far each order of a provider is in its script.
#[derive(Debug)]
pub(super) struct Scripts<R: 'static> {
    /// Behaviours for the next calls of whatever order; they come before the orders' own.
    next: VecDeque<&'static Behaviour<R>>,
    orders: HashMap<String, Progress<R>>,
}

#[derive(Debug)]
struct Progress<R: 'static> {
    script: Script<R>,
    calls: u32,
    taken: usize,
    reads: u32,
}

/// What one call is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<R: 'static> {
    /// None is ordinary behaviour.
    pub(super) row: Option<&'static Behaviour<R>>,
    /// The number of this call on its order, from 1.
    pub(super) call: u32,
    /// Steps of the order's script used up, when this call used one up.
    pub(super) taken: Option<usize>,
}

impl<R> Default for Scripts<R> {
    fn default() -> Self {
        Self { next: VecDeque::new(), orders: HashMap::new() }
    }
}

impl<R> Scripts<R> {
    /// Counts a call on `order` and says how it is to be answered.
    pub(super) fn step(&mut self, order: &str, script: impl FnOnce() -> Script<R>) -> Step<R> {
        match self.take_next() {
            row @ Some(_) => Step { row, call: self.count(order, script), taken: None },
            None => self.own_step(order, script),
        }
    }

    /// Takes the behaviour that stands before the next call of whatever order.
    pub(super) fn take_next(&mut self) -> Option<&'static Behaviour<R>> {
        self.next.pop_front()
    }

    /// Counts a call on `order` that uses up no step; answers with its number, from 1.
    pub(super) fn count(&mut self, order: &str, script: impl FnOnce() -> Script<R>) -> u32 {
        let progress = self.progress(order, script);
        progress.calls += 1;
        progress.calls
    }

    /// Counts a call on `order` and takes the next step of the order's own script.
    pub(super) fn own_step(&mut self, order: &str, script: impl FnOnce() -> Script<R>) -> Step<R> {
        let progress = self.progress(order, script);
        progress.calls += 1;
        let call = progress.calls;
        let row = progress.script.get(progress.taken).or(progress.script.last()).copied();
        let taken = (progress.taken < progress.script.len()).then(|| {
            progress.taken += 1;
            progress.taken
        });
        Step { row, call, taken }
    }

    /// Counts a lookup of `order`, from 1.
    pub(super) fn read(&mut self, order: &str, script: impl FnOnce() -> Script<R>) -> u32 {
        let progress = self.progress(order, script);
        progress.reads += 1;
        progress.reads
    }

    /// Gives an order a script and starts it from the beginning. The numbers of its calls go on.
    pub(super) fn set(&mut self, order: &str, script: Script<R>) {
        let calls = self.orders.get(order).map_or(0, |progress| progress.calls);
        self.orders.insert(order.to_owned(), Progress { script, calls, taken: 0, reads: 0 });
    }

    /// Puts an order where it was before a restart.
    pub(super) fn restore(
        &mut self,
        order: &str,
        script: impl FnOnce() -> Script<R>,
        calls: u32,
        taken: usize,
    ) {
        let progress = self.progress(order, script);
        progress.calls = progress.calls.max(calls);
        progress.taken = progress.taken.max(taken);
    }

    pub(super) fn push_next(&mut self, rows: impl IntoIterator<Item = &'static Behaviour<R>>) {
        self.next.extend(rows);
    }

    fn progress(&mut self, order: &str, script: impl FnOnce() -> Script<R>) -> &mut Progress<R> {
        self.orders.entry(order.to_owned()).or_insert_with(|| Progress {
            script: script(),
            calls: 0,
            taken: 0,
            reads: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Behaviour, Commit, KeyMemory, Lookup, Scripts, Times, script_of};

    const fn row(name: &'static str, times: Times) -> Behaviour<()> {
        Behaviour {
            code: "00",
            name,
            commit: Commit::AtOnce,
            answer: Answer::Usual,
            times,
            key: KeyMemory::Kept,
            lookup: Lookup::Usual,
            about: "",
        }
    }
    static OK: Behaviour<()> = row("ok", Times::Always);
    static TWICE: Behaviour<()> = row("twice", Times::First(2));

    fn names(scripts: &mut Scripts<()>, calls: usize) -> Vec<(&'static str, u32)> {
        (0..calls)
            .map(|_| scripts.step("1", || script_of(&TWICE, &OK)))
            .map(|step| (step.row.map_or("none", |row| row.name), step.call))
            .collect()
    }

    #[test]
    fn a_script_goes_on_with_its_last_step() {
        let mut scripts = Scripts::default();
        assert_eq!(names(&mut scripts, 4), [("twice", 1), ("twice", 2), ("ok", 3), ("ok", 4)]);
    }

    #[test]
    fn what_comes_next_for_any_order_uses_up_no_step() {
        let mut scripts = Scripts::default();
        scripts.push_next([&OK]);
        assert_eq!(names(&mut scripts, 4), [("ok", 1), ("twice", 2), ("twice", 3), ("ok", 4)]);
    }

    #[test]
    fn a_restored_order_does_not_repeat_its_faults() {
        let mut scripts = Scripts::default();
        scripts.restore("1", || script_of(&TWICE, &OK), 2, 2);
        assert_eq!(names(&mut scripts, 1), [("ok", 3)]);
    }
}
