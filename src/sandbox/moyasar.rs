//! Moyasar's Payment Gateway: refunding an order, and showing one.
//!
//! Order of checks \[assumed]: credentials, path, method, permission, JSON; then the order's behaviour; then
//! order, amount, transaction id, a request in process, replay, refundable amount.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use super::{
    faults::{Described, KeyMemory, Lookup, Script, Scripts, Step},
    ledger::Line,
    provider::{Answered, Answering, Incoming, Provider, Refused},
    reply::Reply,
    shared::Shared,
};
use admit::{Route, admit};
use book::Book;
use order::{Change, Order};
use table::{Own, Row};

mod admit;
mod book;
mod ids;
mod object;
mod order;
mod problem;
mod read;
mod refund;
mod settle;
mod table;
mod transaction;

/// The provider's name and path prefix.
pub(super) const NAME: &str = "moyasar";

/// The table of behaviours.
pub(super) fn described() -> Vec<Described> {
    table::rows().map(Row::describe).collect()
}

/// Moyasar, imitated.
#[derive(Debug)]
pub(super) struct Moyasar {
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// Told whenever a request is no longer in process.
    ended: watch::Sender<()>,
}

/// Orders that a test made, how far all orders are in their scripts, and the refunds.
#[derive(Debug, Default)]
struct State {
    made: HashMap<String, Made>,
    scripts: Scripts<Own>,
    book: Book,
    /// Transaction ids of requests that are being worked on.
    in_process: HashSet<String>,
}

/// An order that a test made or changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Made {
    order: Order,
    /// None: those of the order's id.
    behaviours: Option<Vec<String>>,
}

impl State {
    fn order(&self, id: &str, opened_ms: i64) -> Option<Order> {
        self.made.get(id).map(|made| made.order.clone()).or_else(|| Order::by_id(id, opened_ms))
    }

    fn script(&self, id: &str) -> Script<Own> {
        if let Some(names) = self.made.get(id).and_then(|made| made.behaviours.as_ref()) {
            return names.iter().filter_map(|name| table::by_name(name)).collect();
        }
        order::behaviour_code(id).and_then(table::script).unwrap_or_default()
    }

    fn key_memory(&self, id: &str) -> KeyMemory {
        let script = self.script(id);
        script.iter().map(|row| row.key).find(|key| *key != KeyMemory::Kept).unwrap_or(KeyMemory::Kept)
    }

    fn lookup(&self, id: &str) -> Lookup {
        let script = self.script(id);
        script.iter().map(|row| row.lookup).find(|lookup| *lookup != Lookup::Usual).unwrap_or(Lookup::Usual)
    }
}

impl Moyasar {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, state: Mutex::default(), ended: watch::Sender::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refund call and says what it is to do; a used-up step is written down.
    fn step(&self, id: &str) -> Step<Own> {
        let mut state = self.state();
        let script = state.script(id);
        let step = state.scripts.step(id, || script);
        if let Some(taken) = step.taken {
            let line = Line::Step { provider: NAME.to_owned(), id: id.to_owned(), calls: step.call, taken };
            if let Err(error) = self.shared.lock().ledger.write(&line) {
                tracing::error!(%error, "sandbox cannot write a step down");
            }
        }
        step
    }
}

impl Provider for Moyasar {
    fn name(&self) -> &'static str {
        NAME
    }

    fn order_of(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix("/v1/orders/")?;
        Some(rest.split('/').next().unwrap_or(rest).to_ascii_lowercase())
    }

    fn answer(self: Arc<Self>, incoming: Incoming) -> Answering {
        Box::pin(async move {
            match admit(&incoming) {
                Ok(Route::Refund(id)) => refund::post(&self, &id, &incoming).await,
                Ok(Route::Order(id)) => read::order(&self, &id),
                Err(problem) => Answered { reply: Reply::Plain(problem.answer()), behaviour: None },
            }
        })
    }

    fn behaviours(&self) -> Vec<Described> {
        described()
    }

    fn put_order(&self, id: &str, change: &Value) -> Result<Value, Refused> {
        let refused = |error: serde_json::Error| Refused(error.to_string());
        let change = Change::deserialize(change).map_err(refused)?;
        let id = ids::canonical(id).ok_or_else(|| Refused(format!("{id}: an order id is a UUID")))?;
        for name in change.behaviours.iter().flatten() {
            known(name)?;
        }
        let mut state = self.state();
        let mut inner = self.shared.lock();
        let opened_ms = inner.ledger.opened_ms();
        let present = state.order(&id, opened_ms).unwrap_or_else(|| Order::plain(&id, opened_ms));
        let order = present.changed(&change, inner.now_ms())?;
        let restart = change.behaviours.is_some();
        let earlier = state.made.get(&id).and_then(|made| made.behaviours.clone());
        let made = Made { order, behaviours: change.behaviours.or(earlier) };
        let data = serde_json::to_value(&made).map_err(refused)?;
        let line = Line::Order { provider: NAME.to_owned(), id: id.clone(), data: data.clone() };
        inner.ledger.write(&line).map_err(|error| Refused(error.to_string()))?;
        state.made.insert(id.clone(), made);
        if restart {
            let script = state.script(&id);
            state.scripts.set(&id, script);
        }
        Ok(data)
    }

    fn script_next(&self, names: &[String]) -> Result<(), Refused> {
        let rows = names.iter().map(|name| known(name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(row) = rows.iter().find(|row| row.is_of_order()) {
            return Err(Refused(format!("{}: is a property of an order, not of a call", row.name)));
        }
        self.state().scripts.push_next(rows);
        Ok(())
    }

    fn catch_up(&self) {
        if let Err(error) = self.state().book.catch_up(&mut self.shared.lock()) {
            tracing::error!(%error, "sandbox cannot write an effect down");
        }
    }

    fn restore(&self, line: &Line) {
        let mut state = self.state();
        match line {
            Line::Order { provider, id, data } if provider == NAME => match Made::deserialize(data) {
                Ok(made) => {
                    let restart = made.behaviours.is_some();
                    state.made.insert(id.clone(), made);
                    if restart {
                        let script = state.script(id);
                        state.scripts.set(id, script);
                    }
                }
                Err(error) => tracing::error!(%error, order = %id, "sandbox cannot read an order back"),
            },
            Line::Record { provider, id, data } if provider == NAME => match state.book.restore(data) {
                Ok(call) => {
                    let script = state.script(id);
                    state.scripts.restore(id, || script, call, 0);
                }
                Err(error) => tracing::error!(%error, order = %id, "sandbox cannot read a refund back"),
            },
            Line::Step { provider, id, calls, taken } if provider == NAME => {
                let script = state.script(id);
                state.scripts.restore(id, || script, *calls, *taken);
            }
            Line::Effect(effect) if effect.provider == NAME => state.book.restore_effect(effect),
            Line::Opened { .. }
            | Line::Order { .. }
            | Line::Record { .. }
            | Line::Step { .. }
            | Line::Effect(_) => {}
        }
    }

    fn reset(&self) {
        *self.state() = State::default();
    }
}

fn known(name: &str) -> Result<&'static Row, Refused> {
    table::by_name(name).ok_or_else(|| Refused(format!("{name}: is not a behaviour of {NAME}")))
}
