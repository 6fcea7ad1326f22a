//! `GET /api/v2/merchants/{mid}/orders/{orderId}`: the platform's own state of an order.

use super::{State, Worldline, plan::When, problem, show::View};
use crate::sandbox::{
    faults::Lookup,
    provider::Answered,
    reply::{Plain, Reply},
    shared::Inner,
};

/// One order, as its behaviour shows it.
pub(super) fn order(worldline: &Worldline, id: &str) -> Answered {
    let mut state = worldline.state();
    let (script, lookup) = (state.script(id), state.lookup(id));
    let behaviour = script.iter().find(|row| row.lookup != Lookup::Usual).map(|row| row.name);
    let early = match lookup {
        Lookup::Fails(count) | Lookup::Limited(count) => state.scripts.read(id, || script) <= count,
        _ => false,
    };
    let reply = match lookup {
        Lookup::Fails(_) if early => Reply::Plain(problem::INTERNAL.answer()),
        Lookup::Limited(_) if early => Reply::Plain(problem::TOO_MANY_REQUESTS.answer()),
        Lookup::Holds => Reply::Hold,
        Lookup::NotFound => Reply::Plain(problem::ORDER_UNKNOWN.answer()),
        Lookup::OtherOrder => Reply::Plain(shown(worldline, &mut state, &format!("wl-1-{id}"), lookup)),
        Lookup::Fails(_) | Lookup::Limited(_) | Lookup::Usual | Lookup::HidesRefunds | Lookup::Lags => {
            Reply::Plain(shown(worldline, &mut state, id, lookup))
        }
    };
    Answered { reply, behaviour }
}

fn shown(worldline: &Worldline, state: &mut State, id: &str, lookup: Lookup) -> Plain {
    let mut inner = worldline.shared.lock();
    state.catch_up(&mut inner);
    read(state, &mut inner, id);
    let Some(order) = state.order(id, inner.ledger.opened_ms()) else {
        return problem::ORDER_UNKNOWN.answer();
    };
    let settings = &inner.settings;
    let lag_ms = settings.lookup_lag_ms.max(if lookup == Lookup::Lags { settings.review_ms } else { 0 });
    let seen_ms = match lookup {
        Lookup::HidesRefunds => i64::MIN,
        _ => inner.now_ms().saturating_sub(i64::try_from(lag_ms).unwrap_or(i64::MAX)),
    };
    super::answer(&View::of(&state.book, id, &order, seen_ms).whole())
}

/// Counts a lookup for the refunds that wait for one.
fn read(state: &mut State, inner: &mut Inner, id: &str) {
    let waits = |when| matches!(when, When::Reads(_));
    let waiting: Vec<_> = state
        .book
        .of_order(id)
        .filter(|refund| refund.turn().is_some_and(|(when, _)| waits(when)))
        .cloned()
        .collect();
    for mut refund in waiting {
        refund.reads += 1;
        let due = refund.turn().is_some_and(|(when, _)| match when {
            When::Reads(count) => refund.reads >= count,
            When::Replays(_) | When::Reviewed | When::Reversed => false,
        });
        state.advance(inner, refund, due);
    }
}
