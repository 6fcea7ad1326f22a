//! Airalo's Partner API: tokens, Request Refund, and the reading of orders and of the balance.
//!
//! Order of checks \[assumed]: path and method, token, allowlist, rate limit; then the behaviour of the first
//! eSIM of the batch that misbehaves; then iccids, the other fields, ownership. A refund request is answered
//! at once and decided later: its outcome shows in the orders' status and in the balance alone.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    faults::{Answer, Commit, Described, Lookup, Script, Scripts, Step},
    ledger::Line,
    provider::{Answered, Answering, Incoming, Provider, Refused, pairs},
    reply::{Plain, Reply},
    shared::Shared,
};
use limit::{Counters, Gate, Limiter, TooEarly};
use order::{Change, Kind, Made};
use problem::Problem;
use refund::Said;
use table::{Own, Row};

mod form;
mod limit;
mod order;
mod problem;
mod read;
mod refund;
mod review;
mod table;
mod token;

/// The provider's name and path prefix.
pub(super) const NAME: &str = "airalo";

/// Stands where an ICCID does, for the script of token calls.
const TOKEN_CALLS: &str = "token";

/// The table of behaviours.
pub(super) fn described() -> Vec<Described> {
    table::rows().map(Row::describe).collect()
}

/// Airalo, imitated.
#[derive(Debug)]
pub(super) struct Airalo {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

/// eSIMs that a test made, how far all are in their scripts, and what the door remembers.
#[derive(Debug, Default)]
struct State {
    made: HashMap<String, Made>,
    scripts: Scripts<Own>,
    limiter: Limiter,
    counters: Counters,
    /// Tokens that are refused though their time has not run out.
    revoked: HashSet<String>,
    /// How many tokens were given out.
    tokens: u64,
}

/// What a request asks for.
enum Route<'a> {
    Token,
    Refund,
    Orders,
    Order(&'a str),
    Balance,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        match path {
            "/v2/token" => Some(Self::Token),
            "/v2/refund" => Some(Self::Refund),
            "/v2/orders" => Some(Self::Orders),
            "/v2/balance" => Some(Self::Balance),
            _ => path.strip_prefix("/v2/orders/").map(Self::Order),
        }
    }

    fn gate(&self) -> Gate {
        match self {
            Self::Token => Gate::Token,
            Self::Refund => Gate::Refund,
            Self::Orders | Self::Order(_) | Self::Balance => Gate::Lookup,
        }
    }
}

impl State {
    fn script(&self, iccid: &str) -> Script<Own> {
        if let Some(names) = self.made.get(iccid).and_then(|made| made.behaviours.as_ref()) {
            return names.iter().filter_map(|name| table::by_name(name)).collect();
        }
        order::misbehaviour(iccid).and_then(table::script).unwrap_or_default()
    }

    fn lookup(&self, iccid: &str) -> Lookup {
        let script = self.script(iccid);
        script.iter().map(|row| row.lookup).find(|lookup| *lookup != Lookup::Usual).unwrap_or(Lookup::Usual)
    }

    /// Whether an eSIM exists and is the company's own.
    fn owns(&self, iccid: &str) -> bool {
        order::is_possible(iccid)
            && self.made.get(iccid).map_or(Kind::of(iccid) != Kind::Foreign, |made| !made.foreign)
    }
}

impl Airalo {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a used-up step down.
    fn note(&self, id: &str, step: &Step<Own>) {
        if let Some(taken) = step.taken {
            let line = Line::Step { provider: NAME.to_owned(), id: id.to_owned(), calls: step.call, taken };
            if let Err(error) = self.shared.lock().ledger.write(&line) {
                tracing::error!(%error, "sandbox cannot write a step down");
            }
        }
    }

    /// 429 of a behaviour.
    fn limited(&self) -> Plain {
        let seconds = self.shared.lock().settings.retry_after_s.to_string();
        problem::TOO_MANY_ATTEMPTS.answer().with_header("retry-after", &seconds)
    }

    /// Checks the token and the allowlist; answers with the token's id.
    fn admit(&self, incoming: &Incoming) -> Result<String, &'static Problem> {
        let state = self.state();
        let inner = self.shared.lock();
        let id = token::id(incoming, &inner.settings, inner.now_ms());
        let id = id.filter(|id| !state.revoked.contains(id)).ok_or(&problem::UNAUTHENTICATED)?;
        if inner.settings.allowlisted { Ok(id) } else { Err(&problem::NOT_ALLOWLISTED) }
    }

    /// Counts a call of a gate that is limited at the door.
    fn pass(&self, gate: Gate, incoming: &Incoming) -> Result<(), TooEarly> {
        let mut state = self.state();
        let inner = self.shared.lock();
        let now_ms = inner.now_ms();
        if let Err(early) = state.limiter.check(gate, incoming.peer, &inner.settings, now_ms) {
            state.counters.of(gate).limited += 1;
            return Err(early);
        }
        state.limiter.spend(gate, incoming.peer, &inner.settings, now_ms);
        Ok(())
    }

    async fn token(&self, incoming: &Incoming) -> Answered {
        if let Err(early) = self.pass(Gate::Token, incoming) {
            return answered(early.answer(&self.shared.lock().settings));
        }
        let form = token::form(incoming).await;
        let row = {
            let mut state = self.state();
            let script = state.script(TOKEN_CALLS);
            let step = state.scripts.own_step(TOKEN_CALLS, || script);
            self.note(TOKEN_CALLS, &step);
            step.row.unwrap_or(&table::OK)
        };
        if row.commit == Commit::Late {
            let slow_ms = self.shared.lock().settings.slow_ms;
            self.shared.pause(slow_ms).await;
        }
        let said = match token::check_client(&form) {
            Ok(()) if row.commit != Commit::Never => {
                let mut state = self.state();
                let inner = self.shared.lock();
                state.tokens += 1;
                state.counters.tokens.granted += 1;
                let plain = token::grant(&inner.settings, inner.now_ms(), state.tokens);
                Said::Other(plain.status, plain.body)
            }
            Ok(()) => Said::Other(500, Vec::new()),
            Err(problem) => Said::Refused(problem.clone()),
        };
        if matches!(row.answer, Answer::Own(Own::RateLimited | Own::RateLimitedBare)) {
            self.state().counters.tokens.limited_by_behaviour += 1;
        }
        let reply = refund::dress(self, row, said, &[]);
        Answered { reply, behaviour: (row.name != table::OK.name).then_some(row.name) }
    }

    async fn respond(&self, incoming: &Incoming) -> Answered {
        let Some(route) = Route::of(&incoming.path) else {
            return answered(problem::NOT_FOUND.answer());
        };
        let gate = route.gate();
        self.state().counters.of(gate).received += 1;
        let method = if gate == Gate::Lookup { Method::GET } else { Method::POST };
        if incoming.method != method {
            return answered(problem::METHOD_NOT_ALLOWED.answer());
        }
        if gate == Gate::Token {
            return self.token(incoming).await;
        }
        let token = match self.admit(incoming) {
            Ok(token) => token,
            Err(problem) => return answered(problem.answer()),
        };
        if gate == Gate::Lookup
            && let Err(early) = self.pass(gate, incoming)
        {
            return answered(early.answer(&self.shared.lock().settings));
        }
        match route {
            Route::Token | Route::Refund => refund::post(self, &token, incoming).await,
            Route::Orders => read::list(self, incoming),
            Route::Order(id) => read::one(self, id, incoming),
            Route::Balance => answered(read::balance(self)),
        }
    }
}

impl Provider for Airalo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn order_of(&self, path: &str) -> Option<String> {
        path.strip_prefix("/v2/orders/").map(str::to_owned)
    }

    fn subject_of(&self, incoming: &Incoming) -> Option<String> {
        match Route::of(&incoming.path)? {
            Route::Token => Some(TOKEN_CALLS.to_owned()),
            Route::Refund => mentioned(&String::from_utf8_lossy(&incoming.body)),
            Route::Orders => pairs(&incoming.query)
                .into_iter()
                .find(|(name, _)| name == "filter[iccid]")
                .map(|pair| pair.1),
            Route::Order(id) => Some(id.to_owned()),
            Route::Balance => None,
        }
    }

    fn answer(self: Arc<Self>, incoming: Incoming) -> Answering {
        Box::pin(async move { self.respond(&incoming).await })
    }

    fn behaviours(&self) -> Vec<Described> {
        described()
    }

    fn counters(&self) -> Value {
        json!(self.state().counters)
    }

    fn put_order(&self, id: &str, change: &Value) -> Result<Value, Refused> {
        let refused = |error: serde_json::Error| Refused(error.to_string());
        let change = Change::deserialize(change).map_err(refused)?;
        if id != TOKEN_CALLS && !order::is_possible(id) {
            return Err(Refused(format!("{id}: an eSIM here has 10 to 20 digits, the first 894 or 8999")));
        }
        for name in change.behaviours.iter().flatten() {
            known(name)?;
        }
        let restart = change.behaviours.is_some();
        let mut state = self.state();
        let made = state.made.get(id).cloned().unwrap_or_default().changed(change)?;
        let data = serde_json::to_value(&made).map_err(refused)?;
        let line = Line::Order { provider: NAME.to_owned(), id: id.to_owned(), data: data.clone() };
        let written = self.shared.lock().ledger.write(&line);
        written.map_err(|error| Refused(error.to_string()))?;
        state.make(id, made, restart);
        Ok(data)
    }

    fn script_next(&self, names: &[String]) -> Result<(), Refused> {
        let rows = names.iter().map(|name| known(name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(row) = rows.iter().find(|row| table::is_of_esim(row)) {
            return Err(Refused(format!("{}: is a property of an eSIM, not of a call", row.name)));
        }
        self.state().scripts.push_next(rows);
        Ok(())
    }

    fn restore(&self, line: &Line) {
        let mut state = self.state();
        match line {
            Line::Order { provider, id, data } if provider == NAME => match Made::deserialize(data) {
                Ok(made) => {
                    let restart = made.behaviours.is_some();
                    state.make(id, made, restart);
                }
                Err(error) => tracing::error!(%error, iccid = %id, "sandbox cannot read an eSIM back"),
            },
            Line::Step { provider, id, calls, taken } if provider == NAME => {
                let script = state.script(id);
                state.scripts.restore(id, || script, *calls, *taken);
            }
            Line::Effect(effect) if effect.provider == NAME => {
                for iccid in &effect.iccids {
                    let script = state.script(iccid);
                    state.scripts.restore(iccid, || script, effect.call, 0);
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

impl State {
    fn make(&mut self, id: &str, made: Made, restart: bool) {
        self.made.insert(id.to_owned(), made);
        if restart {
            let script = self.script(id);
            self.scripts.set(id, script);
        }
    }
}

fn answered(plain: Plain) -> Answered {
    Answered { reply: Reply::Plain(plain), behaviour: None }
}

fn known(name: &str) -> Result<&'static Row, Refused> {
    table::by_name(name).ok_or_else(|| Refused(format!("{name}: is not a behaviour of {NAME}")))
}

/// The ICCIDs in a multipart body, read roughly: for the list of calls alone.
fn mentioned(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("name=\"iccids\"")?;
    let list = rest.split_once('[')?.1.split_once(']')?.0;
    let iccids: Vec<&str> =
        list.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| !digits.is_empty()).collect();
    Some(iccids.join(",")).filter(|iccids| !iccids.is_empty())
}
