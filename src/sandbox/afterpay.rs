//! Afterpay's Online API: Create Refund and the reading of payments.
//!
//! Order of checks \[assumed]: credentials, path and method, `Accept`, `Content-Type`, `User-Agent`, JSON;
//! then the order's behaviour; then replay, money, lengths, order, currency, age, available amount.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    faults::{Described, KeyMemory, Lookup, Script, Scripts, Step},
    ledger::Line,
    provider::{Answered, Answering, Incoming, Provider, Refused},
    reply::{Plain, Reply},
    shared::Shared,
};
use admit::{Route, Turned, admit};
use payment::{Change, Payment};
use problem::Problem;
use table::{Own, Row};

mod admit;
mod money;
mod payment;
mod problem;
mod read;
mod refund;
mod settle;
mod table;

/// The provider's name and path prefix.
pub(super) const NAME: &str = "afterpay";

/// The table of behaviours.
pub(super) fn described() -> Vec<Described> {
    table::rows().map(Row::describe).collect()
}

/// Afterpay, imitated.
#[derive(Debug)]
pub(super) struct Afterpay {
    shared: Arc<Shared>,
    state: Mutex<Orders>,
    ids: AtomicU64,
}

/// Orders that a test made, and how far all orders are in their scripts.
#[derive(Debug, Default)]
struct Orders {
    made: HashMap<String, Made>,
    scripts: Scripts<Own>,
    /// Keys of requests that are being worked on.
    in_process: HashSet<settle::Key>,
}

/// An order that a test made or changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Made {
    payment: Payment,
    /// None: those of the order's id.
    behaviours: Option<Vec<String>>,
}

impl Orders {
    fn payment(&self, id: &str, opened_ms: i64) -> Option<Payment> {
        self.made.get(id).map(|made| made.payment.clone()).or_else(|| Payment::by_id(id, opened_ms))
    }

    fn script(&self, id: &str) -> Script<Own> {
        if let Some(names) = self.made.get(id).and_then(|made| made.behaviours.as_ref()) {
            return names.iter().filter_map(|name| table::by_name(name)).collect();
        }
        let code = id.strip_prefix("99").and_then(|rest| rest.get(..2));
        code.and_then(table::script).unwrap_or_default()
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

impl Afterpay {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, state: Mutex::default(), ids: AtomicU64::new(0) }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refund call and says what it is to do; a used-up step is written down.
    fn step(&self, id: &str) -> Step<Own> {
        let mut orders = self.orders();
        let script = orders.script(id);
        let step = orders.scripts.step(id, || script);
        if let Some(taken) = step.taken {
            let line = Line::Step { provider: NAME.to_owned(), id: id.to_owned(), calls: step.call, taken };
            if let Err(error) = self.shared.lock().ledger.write(&line) {
                tracing::error!(%error, "sandbox cannot write a step down");
            }
        }
        step
    }

    fn problem(&self, problem: &Problem) -> Plain {
        self.marked(problem.answer(&self.hex_id()))
    }

    /// An answer of the API itself, as opposed to one of the edge, carries a correlation id.
    fn marked(&self, plain: Plain) -> Plain {
        plain.with_header("http-correlation-id", &self.hex_id())
    }

    /// 16 hexadecimal digits that do not come twice in one run.
    fn hex_id(&self) -> String {
        format!("{:016x}", scatter(self.ids.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Provider for Afterpay {
    fn name(&self) -> &'static str {
        NAME
    }

    fn order_of(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix("/v2/payments/")?;
        Some(rest.split('/').next().unwrap_or(rest).to_owned())
    }

    fn answer(self: Arc<Self>, incoming: Incoming) -> Answering {
        Box::pin(async move {
            let plain = match admit(&incoming) {
                Ok(Route::Refund(id)) => return refund::post(&self, &id, &incoming).await,
                Ok(Route::Payment(id)) => return read::payment(&self, &id),
                Ok(Route::Payments) => read::payments(&self, &incoming.query),
                Err(Turned::Problem(problem)) => self.problem(problem),
                Err(Turned::Edge) => Plain::html(403, "Forbidden"),
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
        if id.is_empty() || !is_numeric(id) {
            return Err(Refused(format!("{id}: an order id is made of digits")));
        }
        for name in change.behaviours.iter().flatten() {
            known(name)?;
        }
        let mut orders = self.orders();
        let mut inner = self.shared.lock();
        let opened_ms = inner.ledger.opened_ms();
        let present = orders.payment(id, opened_ms).unwrap_or_else(|| Payment::plain(id, opened_ms));
        let payment = present.changed(&change, inner.now_ms())?;
        let restart = change.behaviours.is_some();
        let earlier = orders.made.get(id).and_then(|made| made.behaviours.clone());
        let made = Made { payment, behaviours: change.behaviours.or(earlier) };
        let data = serde_json::to_value(&made).map_err(refused)?;
        let line = Line::Order { provider: NAME.to_owned(), id: id.to_owned(), data: data.clone() };
        inner.ledger.write(&line).map_err(|error| Refused(error.to_string()))?;
        orders.made.insert(id.to_owned(), made);
        if restart {
            let script = orders.script(id);
            orders.scripts.set(id, script);
        }
        Ok(data)
    }

    fn script_next(&self, names: &[String]) -> Result<(), Refused> {
        let rows = names.iter().map(|name| known(name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(row) = rows.iter().find(|row| row.is_of_order()) {
            return Err(Refused(format!("{}: is a property of an order, not of a call", row.name)));
        }
        self.orders().scripts.push_next(rows);
        Ok(())
    }

    fn restore(&self, line: &Line) {
        let mut orders = self.orders();
        match line {
            Line::Order { provider, id, data } if provider == NAME => match Made::deserialize(data) {
                Ok(made) => {
                    let restart = made.behaviours.is_some();
                    orders.made.insert(id.clone(), made);
                    if restart {
                        let script = orders.script(id);
                        orders.scripts.set(id, script);
                    }
                }
                Err(error) => tracing::error!(%error, order = %id, "sandbox cannot read an order back"),
            },
            Line::Step { provider, id, calls, taken } if provider == NAME => {
                let script = orders.script(id);
                orders.scripts.restore(id, || script, *calls, *taken);
            }
            Line::Effect(effect) if effect.provider == NAME => {
                let script = orders.script(&effect.order_id);
                orders.scripts.restore(&effect.order_id, || script, effect.call, 0);
            }
            Line::Opened { .. }
            | Line::Order { .. }
            | Line::Step { .. }
            | Line::Record { .. }
            | Line::Effect(_) => {}
        }
    }

    fn reset(&self) {
        *self.orders() = Orders::default();
    }
}

fn known(name: &str) -> Result<&'static Row, Refused> {
    table::by_name(name).ok_or_else(|| Refused(format!("{name}: is not a behaviour of {NAME}")))
}

fn is_numeric(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Spreads neighbouring numbers over all 64 bits (the finishing steps of `SplitMix64`).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
