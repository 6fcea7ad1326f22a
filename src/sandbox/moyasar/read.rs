//! `GET /v1/orders/{id}`.

use super::{
    Moyasar, State, ids,
    object::shown,
    problem::{self, Problem},
    settle::unwritten,
};
use crate::sandbox::{
    body::compact,
    faults::Lookup,
    provider::Answered,
    reply::{Plain, Reply},
    shared::Inner,
};

/// One order, as its behaviour shows it.
pub(super) fn order(moyasar: &Moyasar, id: &str) -> Answered {
    let mut state = moyasar.state();
    let (script, lookup) = (state.script(id), state.lookup(id));
    let behaviour = script.iter().find(|row| row.lookup != Lookup::Usual).map(|row| row.name);
    let reply = match lookup {
        Lookup::Fails(count) if state.scripts.read(id, || script) <= count => {
            Reply::Plain(problem::INTERNAL.answer())
        }
        Lookup::Holds => Reply::Hold,
        Lookup::Fails(_)
        | Lookup::Usual
        | Lookup::HidesRefunds
        | Lookup::Lags
        | Lookup::Limited(_)
        | Lookup::NotFound
        | Lookup::OtherOrder => {
            let shown = if lookup == Lookup::OtherOrder { ids::another_order(id) } else { id.to_owned() };
            let found = find(&mut state, &mut moyasar.shared.lock(), &shown);
            Reply::Plain(found.unwrap_or_else(Problem::answer))
        }
    };
    Answered { reply, behaviour }
}

fn find(state: &mut State, inner: &mut Inner, id: &str) -> Result<Plain, &'static Problem> {
    state.book.catch_up(inner).map_err(|error| unwritten(&error))?;
    let lookup = state.lookup(id);
    let order = state.order(id, inner.ledger.opened_ms()).filter(|_| lookup != Lookup::NotFound);
    let order = order.ok_or(&problem::NOT_FOUND)?;
    let settings = &inner.settings;
    let own_lag_ms = if lookup == Lookup::Lags { settings.later_ms } else { 0 };
    let lag_ms = i64::try_from(settings.lookup_lag_ms.max(own_lag_ms)).unwrap_or(i64::MAX);
    let seen_ms = inner.now_ms().saturating_sub(lag_ms);
    let refunds = state.book.of_order(id).filter(|_| lookup != Lookup::HidesRefunds);
    let (order, _) = shown(id, &order, refunds, None, seen_ms);
    Ok(Plain::json(200, compact(&order)))
}
