//! `POST /v1/orders/{id}/refund`.

use serde_json::{Map, Value};

use super::{
    Moyasar, ids,
    object::OrderObject,
    problem::{self, Problem},
    settle::{Done, Request, settle_in_turn, settle_late},
    table::{self, Alteration, Own, Row},
};
use crate::sandbox::{
    body::compact,
    faults::{Answer, Commit},
    provider::{Answered, Incoming},
    reply::{Plain, Reply},
};

/// A request body; its fields are checked when the refund is settled.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) amount: Option<Value>,
    transaction_id: Option<Value>,
}

impl Asked {
    /// A body that is not said to be JSON is not looked into, and lacks the amount then \[assumed].
    fn read(incoming: &Incoming) -> Result<Self, &'static Problem> {
        let media_type = incoming.header("content-type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Ok(Self { amount: None, transaction_id: None });
        }
        let mut fields: Map<String, Value> =
            serde_json::from_slice(&incoming.body).map_err(|_| &problem::INVALID_JSON)?;
        Ok(Self { amount: fields.remove("amount"), transaction_id: fields.remove("transaction_id") })
    }

    /// The id sent; none when there is none or it is no id.
    pub(super) fn id(&self) -> Option<String> {
        self.uuid().ok().flatten()
    }

    /// The id sent. That text which is no UUID is refused, and null is as if not sent, is \[assumed].
    pub(super) fn uuid(&self) -> Result<Option<String>, &'static Problem> {
        match &self.transaction_id {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => ids::canonical(text).map(Some).ok_or(&problem::ID_NOT_UUID),
            Some(_) => Err(&problem::ID_NOT_UUID),
        }
    }
}

/// Answers one refund call, by the order's behaviour.
pub(super) async fn post(moyasar: &Moyasar, order_id: &str, incoming: &Incoming) -> Answered {
    let asked = match Asked::read(incoming) {
        Ok(asked) => asked,
        Err(problem) => return Answered { reply: Reply::Plain(problem.answer()), behaviour: None },
    };
    let step = moyasar.step(order_id);
    let row = step.row.unwrap_or(&table::OK);
    let request = Request { order_id, asked: &asked, row, call: step.call };
    let said = match row.commit {
        Commit::Never => Some(None),
        Commit::AtOnce => settle_in_turn(moyasar, request).await.map(Some),
        Commit::Late => settle_late(moyasar, request).await.map(Some),
    };
    let reply = match said {
        None => Reply::Reset,
        Some(said) => dress(moyasar, row, said).await,
    };
    Answered { reply, behaviour: (row.name != table::OK.name).then_some(row.name) }
}

/// Gives what the API says the form that the behaviour wants.
async fn dress(moyasar: &Moyasar, row: &Row, said: Option<Result<Done, &'static Problem>>) -> Reply {
    let plain = |said: Option<Result<Done, &'static Problem>>| match said {
        Some(Ok(done)) => Plain::json(200, compact(&done.order)),
        Some(Err(problem)) => problem.answer(),
        None => Plain::empty(500),
    };
    let Answer::Own(own) = row.answer else {
        return row.answer.mangle(plain(said));
    };
    Reply::Plain(match own {
        Own::Problem(problem) => problem.answer(),
        Own::Blocked => {
            let block_ms = moyasar.shared.lock().settings.block_ms;
            if !moyasar.shared.pause(block_ms).await {
                return Reply::Reset;
            }
            problem::STILL_PROCESSING.answer()
        }
        Own::RateLimited => {
            let seconds = moyasar.shared.lock().settings.retry_after_s.to_string();
            problem::TOO_MANY_REQUESTS.answer().with_header("retry-after", &seconds)
        }
        Own::Html(status, title) => Plain::html(status, title),
        Own::Bare(status) => Plain::empty(status),
        Own::Alter(alteration) => plain(said.map(|said| said.map(|done| altered(done, alteration)))),
        Own::Becomes(_) | Own::ServerId => plain(said),
        Own::BecomesUnseen(_) | Own::ServerIdUnseen => return Reply::Hold,
    })
}

fn altered(done: Done, alteration: Alteration) -> Done {
    let Done { mut order, place } = done;
    if alteration == Alteration::NoTransaction {
        if let (Some(transactions), Some(place)) = (&mut order.transactions, place) {
            transactions.remove(place);
        }
        return Done { order, place: None };
    }
    change(&mut order, place, alteration);
    Done { order, place }
}

fn change(order: &mut OrderObject, place: Option<usize>, alteration: Alteration) {
    let refund = order.transactions.as_mut().zip(place).and_then(|(all, place)| all.get_mut(place));
    match (alteration, refund) {
        (Alteration::TransactionId, Some(refund)) => refund.id = ids::made(&refund.id, 0),
        (Alteration::Amount, Some(refund)) => refund.amount += 1,
        (Alteration::Type, Some(refund)) => refund.r#type = "void",
        (Alteration::NoTransactions, _) => order.transactions = None,
        (Alteration::Currency, _) => {
            let another = if order.currency == "SAR" { "USD" } else { "SAR" };
            another.clone_into(&mut order.currency);
        }
        (Alteration::OrderId, _) => order.id = ids::another_order(&order.id),
        (
            Alteration::NoTransaction | Alteration::TransactionId | Alteration::Amount | Alteration::Type,
            _,
        ) => {}
    }
}
