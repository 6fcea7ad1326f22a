//! `POST /v2/refund`.

use serde::Serialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::StaticFormatDescription, macros::format_description};

use super::{
    Airalo, NAME, State,
    form::Form,
    limit::{Gate, TooEarly},
    order,
    problem::{self, Problem},
    table::{self, Alteration, Own, Row},
};
use crate::sandbox::{
    clock,
    faults::{Answer, Commit},
    ledger::Effect,
    provider::{Answered, Incoming},
    reply::{Plain, Reply},
    shared::Inner,
};

/// The first refund of a ledger has the id of the published example.
const REFUND_ID_BASE: u64 = 12_344;
/// No seconds and no zone, as published; that it is UTC is \[assumed].
const CREATED_AT: StaticFormatDescription = format_description!("[year]-[month]-[day] [hour]:[minute]");

/// What a 202 says.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    refund_id: String,
    created_at: String,
}

/// What the API says to a call.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Accepted(Receipt),
    Refused(Problem),
    /// An answer of another endpoint, or none because a behaviour speaks in its place.
    Other(u16, Vec<u8>),
}

/// A refund call that has passed the door.
struct Entered {
    row: &'static Row,
    call: u32,
    /// The eSIM whose behaviour it is; none when it stood before the next call of whatever eSIM.
    decider: Option<String>,
}

/// Answers one refund call, by the behaviour of the first eSIM of the batch that misbehaves.
pub(super) async fn post(airalo: &Airalo, token: &str, incoming: &Incoming) -> Answered {
    let form = Form::multipart(incoming).await;
    let iccids = form.iccids();
    let entered = match enter(airalo, token, incoming, &iccids) {
        Ok(entered) => entered,
        Err(early) => {
            let plain = early.answer(&airalo.shared.lock().settings);
            return Answered { reply: Reply::Plain(plain), behaviour: None };
        }
    };
    let row = entered.row;
    let generation = airalo.shared.lock().generation;
    if row.commit == Commit::Late {
        let slow_ms = airalo.shared.lock().settings.slow_ms;
        if !airalo.shared.pause(slow_ms).await {
            return Answered { reply: Reply::Reset, behaviour: Some(row.name) };
        }
    }
    let named = named(&airalo.state(), &entered, &iccids);
    let said = match row.commit {
        Commit::Never => Some(Said::Other(500, Vec::new())),
        Commit::AtOnce | Commit::Late => settle(airalo, &form, &entered, &named, generation),
    };
    let reply = said.map_or(Reply::Reset, |said| dress(airalo, row, said, &named));
    Answered { reply, behaviour: (row.name != table::OK.name).then_some(row.name) }
}

/// Rate limit, then the behaviour. Only what passes the limit uses up a step, and what a behaviour turns away
/// as the door would does not count for the limit.
fn enter(airalo: &Airalo, token: &str, incoming: &Incoming, iccids: &[String]) -> Result<Entered, TooEarly> {
    let mut state = airalo.state();
    let inner = airalo.shared.lock();
    let (settings, now_ms) = (inner.settings.clone(), inner.now_ms());
    drop(inner);
    if let Err(early) = state.limiter.check(Gate::Refund, incoming.peer, &settings, now_ms) {
        state.counters.refunds.limited += 1;
        return Err(early);
    }
    let entered = airalo.step(&mut state, iccids);
    if !table::is_free(entered.row) {
        state.limiter.spend(Gate::Refund, incoming.peer, &settings, now_ms);
    }
    match entered.row.answer {
        Answer::Own(Own::ExpiredToken) => {
            state.revoked.insert(token.to_owned());
        }
        Answer::Own(Own::RateLimited | Own::RateLimitedBare) => {
            state.counters.refunds.limited_by_behaviour += 1;
        }
        _ => {}
    }
    Ok(entered)
}

impl Airalo {
    /// Counts a call on every eSIM of the batch; the first that misbehaves decides, and those behind it keep
    /// their steps.
    fn step(&self, state: &mut State, iccids: &[String]) -> Entered {
        let mut entered = Entered { row: &table::OK, call: 0, decider: None };
        let mut decided = false;
        if let Some(row) = state.scripts.take_next() {
            entered.row = row;
            decided = true;
        }
        for iccid in iccids {
            let script = state.script(iccid);
            let call = if decided {
                state.scripts.count(iccid, || script)
            } else {
                let step = state.scripts.own_step(iccid, || script);
                self.note(iccid, &step);
                if let Some(row) = step.row.filter(|row| table::decides(row)) {
                    entered.row = row;
                    entered.decider = Some(iccid.clone());
                    decided = true;
                }
                step.call
            };
            if entered.call == 0 {
                entered.call = call;
            }
        }
        entered
    }
}

/// The eSIMs that a refusal names: those that share the behaviour, and those that are truly foreign.
fn named(state: &State, entered: &Entered, iccids: &[String]) -> Vec<String> {
    let shares = |iccid: &String| match &entered.decider {
        None => true,
        Some(decider) => {
            iccid == decider || state.script(iccid).iter().any(|row| row.name == entered.row.name)
        }
    };
    iccids.iter().filter(|iccid| shares(iccid) || !state.owns(iccid)).cloned().collect()
}

/// All checks and, when they hold, the effect: in one piece. None: the sandbox was reset meanwhile.
fn settle(
    airalo: &Airalo,
    form: &Form,
    entered: &Entered,
    named: &[String],
    generation: u64,
) -> Option<Said> {
    let mut state = airalo.state();
    let mut inner = airalo.shared.lock();
    if inner.generation != generation {
        return None;
    }
    let mut iccids = match form.checked() {
        Ok(iccids) => iccids,
        Err(problem) => return Some(Said::Refused(problem)),
    };
    if matches!(entered.row.answer, Answer::Own(Own::ForeignNamed)) {
        iccids.retain(|iccid| !named.contains(iccid));
        if iccids.is_empty() {
            return Some(Said::Refused(Problem::foreign(named)));
        }
    }
    let foreign: Vec<String> = iccids.iter().filter(|iccid| !state.owns(iccid)).cloned().collect();
    if !foreign.is_empty() {
        return Some(Said::Refused(Problem::foreign(&foreign)));
    }
    Some(commit(&mut state, &mut inner, iccids, entered.call))
}

fn commit(state: &mut State, inner: &mut Inner, iccids: Vec<String>, call: u32) -> Said {
    let at_ms = inner.now_ms();
    let number = inner.ledger.next_number();
    let amount_minor = iccids.iter().map(|iccid| state.price_minor(iccid)).sum();
    let effect = Effect {
        number,
        provider: NAME.to_owned(),
        order_id: iccids.join(","),
        iccids,
        request_id: None,
        merchant_reference: None,
        refund_merchant_reference: None,
        provider_refund_id: REFUND_ID_BASE.saturating_add(number).to_string(),
        amount: order::decimal(amount_minor),
        amount_minor,
        currency: "USD".to_owned(),
        at: clock::stamp(at_ms),
        at_ms,
        call,
        detail: None,
    };
    let receipt =
        Receipt { refund_id: effect.provider_refund_id.clone(), created_at: written(at_ms, CREATED_AT) };
    match inner.ledger.commit(effect) {
        Ok(()) => {
            state.counters.refunds.granted += 1;
            Said::Accepted(receipt)
        }
        Err(error) => {
            tracing::error!(%error, "sandbox cannot write an effect down: it did not take place");
            Said::Refused(problem::SERVER_ERROR.clone())
        }
    }
}

/// Gives what the API says the form that the behaviour wants; `named` are the eSIMs that a refusal names.
pub(super) fn dress(airalo: &Airalo, row: &Row, said: Said, named: &[String]) -> Reply {
    let Answer::Own(own) = row.answer else {
        return row.answer.mangle(plain(said, None));
    };
    Reply::Plain(match own {
        Own::Problem(problem) => problem.answer(),
        Own::ExpiredToken => problem::UNAUTHENTICATED.answer(),
        Own::ForeignNamed => Problem::foreign(named).answer(),
        Own::Recycled => Problem::recycled(named.first().map_or("", String::as_str)).answer(),
        Own::RateLimited => airalo.limited(),
        Own::RateLimitedBare => problem::TOO_MANY_ATTEMPTS.answer(),
        Own::Html(status, title) => Plain::html(status, title),
        Own::Bare(status) => Plain::empty(status),
        Own::Alter(alteration) => plain(said, Some(alteration)),
        Own::Review(_) => plain(said, None),
    })
}

/// The documented 202, its fields in the documented order.
#[derive(Serialize)]
struct Accepted {
    data: Data,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Object {
        #[serde(skip_serializing_if = "Option::is_none")]
        refund_id: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        created_at: Option<String>,
    },
    List([u8; 0]),
}

fn plain(said: Said, alteration: Option<Alteration>) -> Plain {
    let receipt = match said {
        Said::Accepted(receipt) => receipt,
        Said::Refused(problem) => return problem.answer(),
        Said::Other(status, body) => return Plain::json(status, body),
    };
    let refund_id = match alteration {
        Some(Alteration::NoRefundId) => None,
        Some(Alteration::NullRefundId) => Some(Value::Null),
        Some(Alteration::NumericRefundId) => Some(json!(receipt.refund_id.parse::<u64>().unwrap_or(0))),
        _ => Some(json!(receipt.refund_id)),
    };
    let created_at = (alteration != Some(Alteration::NoCreatedAt)).then_some(receipt.created_at);
    let data = match alteration {
        Some(Alteration::DataList) => Data::List([]),
        _ => Data::Object { refund_id, created_at },
    };
    let meta = (alteration != Some(Alteration::NoMeta)).then(|| json!({"message": "success"}));
    let status = if alteration == Some(Alteration::Status200) { 200 } else { 202 };
    problem::json(status, &Accepted { data, meta })
}

/// A time as the API writes it.
pub(super) fn written(ms: i64, form: StaticFormatDescription) -> String {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1_000))
        .ok()
        .and_then(|at| at.format(&form).ok())
        .unwrap_or_default()
}
