//! Worldline One Commerce Hub's payment REST API: `RefundOrder`, the reading of an order, the exchange of an
//! assertion for a token.
//!
//! What its documents leave open is \[assumed] and listed in `docs/sandbox.md`.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    faults::{Described, KeyMemory, Lookup, Script, Scripts, Step},
    ledger::Line,
    provider::{Answered, Answering, Incoming, Provider, Refused},
    reply::{Plain, Reply},
    shared::{Inner, Shared},
};
use admit::{Route, Turned, admit};
use book::{Book, Refund};
use order::{Change, Order};
use plan::When;
use show::OrderObject;
use table::{Own, Row};
use token::Tokens;

mod admit;
mod book;
mod money;
mod order;
mod plan;
mod problem;
mod read;
mod refund;
mod settle;
mod show;
mod table;
mod token;

/// The provider's name and path prefix.
pub(super) const NAME: &str = "worldline";

/// The table of behaviours.
pub(super) fn described() -> Vec<Described> {
    table::rows().map(Row::describe).collect()
}

/// Worldline, imitated.
#[derive(Debug)]
pub(super) struct Worldline {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

/// All that Worldline knows, beside what stands in the ledger.
#[derive(Debug, Default)]
struct State {
    made: HashMap<String, Made>,
    scripts: Scripts<Own>,
    book: Book,
    tokens: Tokens,
    /// Keys of requests that are being worked on.
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
        order::code_of(id).and_then(table::script).unwrap_or_default()
    }

    fn key_memory(&self, id: &str) -> KeyMemory {
        let script = self.script(id);
        script.iter().map(|row| row.key).find(|key| *key != KeyMemory::Kept).unwrap_or(KeyMemory::Kept)
    }

    fn lookup(&self, id: &str) -> Lookup {
        let script = self.script(id);
        script.iter().map(|row| row.lookup).find(|lookup| *lookup != Lookup::Usual).unwrap_or(Lookup::Usual)
    }

    /// Writes a refund down that was asked for again or looked up, and turns it when that is due.
    fn advance(&mut self, inner: &mut Inner, refund: Refund, due: bool) {
        let order = self.order(&refund.order_id, inner.ledger.opened_ms());
        let refund = match order.filter(|_| due) {
            Some(order) => self.book.turned(&order, refund, inner.now_ms()),
            None => refund,
        };
        if let Err(problem) = self.book.save(inner, refund) {
            tracing::error!(?problem, "sandbox cannot write down what became of a refund");
        }
    }

    /// Turns the refunds whose time has come.
    fn catch_up(&mut self, inner: &mut Inner) {
        let ago_ms = |ms| inner.now_ms().saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX));
        let reviewed_ms = ago_ms(inner.settings.review_ms);
        let reversed_ms = ago_ms(inner.settings.reversal_ms);
        let is_due = |refund: &&Refund| match refund.turn() {
            Some((When::Reviewed, _)) => refund.at_ms <= reviewed_ms,
            Some((When::Reversed, _)) => refund.at_ms <= reversed_ms,
            Some((When::Replays(_) | When::Reads(_), _)) | None => false,
        };
        let due: Vec<Refund> = self.book.pending().filter(is_due).cloned().collect();
        for refund in due {
            self.advance(inner, refund, true);
        }
    }

    fn restart(&mut self, id: &str) {
        let script = self.script(id);
        self.scripts.set(id, script);
    }
}

impl Worldline {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, state: Mutex::default() }
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

    /// Makes these the registered keys.
    fn keep_keys(&self, state: &mut State, pems: Vec<String>) -> Result<Value, Refused> {
        let (provider, id) = (NAME.to_owned(), String::new());
        let line = Line::Record { provider, id, data: json!({"keys": pems}) };
        self.shared.lock().ledger.write(&line).map_err(|error| Refused(error.to_string()))?;
        state.tokens.set_pems(pems);
        Ok(state.tokens.shown())
    }
}

/// 200 with an order.
fn answer(order: &OrderObject) -> Plain {
    Plain::json(200, serde_json::to_vec(order).unwrap_or_default())
}

impl Provider for Worldline {
    fn name(&self) -> &'static str {
        NAME
    }

    fn order_of(&self, path: &str) -> Option<String> {
        admit::order_of(path)
    }

    fn answer(self: Arc<Self>, incoming: Incoming) -> Answering {
        Box::pin(async move {
            let plain = match admit(&self, &incoming) {
                Ok(Route::Refund(id)) => return refund::post(&self, &id, &incoming).await,
                Ok(Route::Order(id)) => return read::order(&self, &id),
                Ok(Route::Token) => return token::answer(&self, &incoming),
                Err(Turned::Problem(problem)) => problem.answer(),
                Err(Turned::NoSuchPath) => Plain::html(404, "Not Found"),
            };
            Answered { reply: Reply::Plain(plain), behaviour: None }
        })
    }

    fn behaviours(&self) -> Vec<Described> {
        described()
    }

    fn put_order(&self, id: &str, change: &Value) -> Result<Value, Refused> {
        let refused = |error: serde_json::Error| Refused(error.to_string());
        let change = Change::deserialize(change).map_err(refused)?;
        if id.chars().count() > order::ORDER_ID_MAX_CHARS {
            return Err(Refused(format!("{id}: has more than {} characters", order::ORDER_ID_MAX_CHARS)));
        }
        for name in change.behaviours.iter().flatten() {
            known(name)?;
        }
        let mut state = self.state();
        let mut inner = self.shared.lock();
        let opened_ms = inner.ledger.opened_ms();
        let present = state.order(id, opened_ms).unwrap_or_else(|| Order::plain(opened_ms));
        let order = present.changed(&change)?;
        let elsewhere = change.refund_elsewhere.as_ref();
        let elsewhere = elsewhere.map(|text| order::minor("refund_elsewhere", text, &order.currency));
        let elsewhere = elsewhere.transpose()?;
        if elsewhere.is_some_and(|minor| state.book.split(id, &order.payments(id), minor, false).is_none()) {
            return Err(Refused("refund_elsewhere exceeds what is left".to_owned()));
        }
        let restart = change.behaviours.is_some();
        let earlier = state.made.get(id).and_then(|made| made.behaviours.clone());
        let made = Made { order, behaviours: change.behaviours.or(earlier) };
        let data = serde_json::to_value(&made).map_err(refused)?;
        let line = Line::Order { provider: NAME.to_owned(), id: id.to_owned(), data: data.clone() };
        inner.ledger.write(&line).map_err(|error| Refused(error.to_string()))?;
        state.made.insert(id.to_owned(), made);
        if restart {
            state.restart(id);
        }
        if let Some(minor) = elsewhere {
            settle::elsewhere(&mut state, &mut inner, id, minor)
                .map_err(|problem| Refused(format!("refund_elsewhere: {problem:?}")))?;
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
        let mut state = self.state();
        state.catch_up(&mut self.shared.lock());
    }

    fn add_key(&self, pem: &[u8]) -> Result<Value, Refused> {
        let mut state = self.state();
        let pems = state.tokens.with_pem(pem)?;
        self.keep_keys(&mut state, pems)
    }

    fn forget_keys(&self) -> Result<Value, Refused> {
        self.keep_keys(&mut self.state(), Vec::new())
    }

    fn restore(&self, line: &Line) {
        let mut state = self.state();
        if let Some(refund) = book::restored(line) {
            let (id, call) = (refund.order_id.clone(), refund.call);
            state.book.put(refund);
            let script = state.script(&id);
            state.scripts.restore(&id, || script, call, 0);
            return;
        }
        match line {
            Line::Order { provider, id, data } if provider == NAME => match Made::deserialize(data) {
                Ok(made) => {
                    let restart = made.behaviours.is_some();
                    state.made.insert(id.clone(), made);
                    if restart {
                        state.restart(id);
                    }
                }
                Err(error) => tracing::error!(%error, order = %id, "sandbox cannot read an order back"),
            },
            Line::Step { provider, id, calls, taken } if provider == NAME => {
                let script = state.script(id);
                state.scripts.restore(id, || script, *calls, *taken);
            }
            Line::Record { provider, data, .. } if provider == NAME => {
                let pems = data.get("keys").map(Vec::<String>::deserialize);
                if let Some(Ok(pems)) = pems {
                    state.tokens.set_pems(pems);
                }
            }
            Line::Opened { .. }
            | Line::Order { .. }
            | Line::Step { .. }
            | Line::Record { .. }
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
