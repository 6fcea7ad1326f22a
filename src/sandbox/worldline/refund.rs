//! `POST /api/v2/merchants/{mid}/orders/{orderId}/refunds`.

use serde_json::{Map, Value};

use super::{
    Worldline, money,
    order::ORDER_ID_MAX_CHARS,
    problem::{self, Problem},
    settle::{Settled, foreign, settle, settle_late},
    show::OrderObject,
    table::{self, Alteration, Own, Row},
};
use crate::sandbox::{
    faults::{Answer, Commit},
    provider::{Answered, Incoming, pairs},
    reply::{Plain, Reply},
};

/// Length of a request id [assumed: the documents name none].
const REQUEST_ID_MAX_CHARS: usize = 64;

/// A request whose parts have the right form.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) request_id: Option<String>,
    pub(super) minor: i64,
    pub(super) currency: String,
    pub(super) transaction_id: Option<u64>,
}

/// Answers one refund call, by the order's behaviour.
pub(super) async fn post(worldline: &Worldline, id: &str, incoming: &Incoming) -> Answered {
    let places = worldline.shared.lock().settings.request_id_places.clone();
    let asked = match Asked::read(id, incoming, &places) {
        Ok(asked) => asked,
        Err(problem) => return Answered { reply: Reply::Plain(problem.answer()), behaviour: None },
    };
    let step = worldline.step(id);
    let row = step.row.unwrap_or(&table::OK);
    let said = match row.commit {
        Commit::Never => {
            foreign(worldline, id, &asked, table::plan(row));
            Some(None)
        }
        Commit::AtOnce => settle(worldline, id, &asked, row, step.call, None).map(Some),
        Commit::Late => settle_late(worldline, id, &asked, row, step.call).await.map(Some),
    };
    let reply = said.map_or(Reply::Reset, |said| dress(worldline, row, said));
    Answered { reply, behaviour: (row.name != table::OK.name).then_some(row.name) }
}

/// Gives what the API says the form that the behaviour wants.
fn dress(worldline: &Worldline, row: &Row, said: Option<Result<Settled, &'static Problem>>) -> Reply {
    let form = |settled: Settled| match row.answer {
        Answer::Own(Own::Alter(alteration)) => altered(settled, alteration),
        Answer::Own(Own::CourseListed(_)) => settled.listed,
        _ => settled.usual,
    };
    let usual = match said {
        Some(Ok(settled)) => super::answer(&form(settled)),
        Some(Err(problem)) => problem.answer(),
        None => Plain::empty(500),
    };
    spoil(worldline, row, usual)
}

/// Puts what a behaviour answers in the place of the usual answer.
pub(super) fn spoil(worldline: &Worldline, row: &Row, usual: Plain) -> Reply {
    let Answer::Own(own) = row.answer else {
        return row.answer.mangle(usual);
    };
    Reply::Plain(match own {
        Own::Problem(problem) => problem.answer(),
        Own::Named(problem, names) => problem.named(names),
        Own::RateLimited => {
            let seconds = worldline.shared.lock().settings.retry_after_s.to_string();
            problem::TOO_MANY_REQUESTS.answer().with_header("retry-after", &seconds)
        }
        Own::Html(status, title) => Plain::html(status, title),
        Own::Bare(status) => Plain::empty(status),
        Own::Alter(_) | Own::Course(_) | Own::CourseListed(_) => usual,
        Own::CourseHeld(_) => return Reply::Hold,
    })
}

fn altered(settled: Settled, alteration: Alteration) -> OrderObject {
    let mut order = settled.usual;
    match alteration {
        Alteration::WholeOrder => return settled.whole,
        Alteration::Before => return settled.before,
        Alteration::NoTransactions => order.transaction_references = Some(Vec::new()),
        Alteration::NoList => order.transaction_references = None,
        Alteration::OrderId => "another-order".clone_into(&mut order.order_id),
        Alteration::Amount | Alteration::Currency | Alteration::Status => {
            for transaction in order.transaction_references.iter_mut().flatten() {
                let other = if transaction.currency == "USD" { "EUR" } else { "USD" };
                match alteration {
                    Alteration::Amount => transaction.amount = settled.higher.clone(),
                    Alteration::Currency => other.clone_into(&mut transaction.currency),
                    _ => transaction.status = "Accepted",
                }
            }
        }
    }
    order
}

impl Asked {
    fn read(id: &str, incoming: &Incoming, places: &[String]) -> Result<Self, &'static Problem> {
        let fields: Map<String, Value> =
            serde_json::from_slice(&incoming.body).map_err(|_| &problem::NOT_JSON)?;
        if id.is_empty() || id.chars().count() > ORDER_ID_MAX_CHARS {
            return Err(&problem::ORDER_ID_INVALID);
        }
        let (minor, currency) = money::read(fields.get("amount"))?;
        let transaction_id = match fields.get("transactionId") {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.as_u64().ok_or(&problem::TRANSACTION_ID_INVALID)?),
        };
        let body = Value::Object(fields);
        let found = places.iter().find_map(|place| look_up(place, incoming, &body));
        let request_id = match found {
            None => None,
            Some(Value::String(text)) if text.chars().count() <= REQUEST_ID_MAX_CHARS => Some(text),
            Some(_) => return Err(&problem::REQUEST_ID_INVALID),
        };
        // An empty one is as if it were not given [assumed].
        Ok(Self { request_id: request_id.filter(|text| !text.is_empty()), minor, currency, transaction_id })
    }
}

/// What stands at a place of the setting `request_id_places`.
fn look_up(place: &str, incoming: &Incoming, body: &Value) -> Option<Value> {
    if let Some(name) = place.strip_prefix("header:") {
        return incoming.header(name).map(Value::from);
    }
    if let Some(name) = place.strip_prefix("query:") {
        let found = pairs(&incoming.query).into_iter().find(|(key, _)| key == name);
        return found.map(|(_, value)| Value::from(value));
    }
    body.pointer(place).filter(|value| !value.is_null()).cloned()
}
