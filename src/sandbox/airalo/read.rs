//! `GET /v2/orders`, `GET /v2/orders/{id}` and `GET /v2/balance`.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::Serialize;
use serde_json::{Number, Value, json};
use time::{format_description::StaticFormatDescription, macros::format_description};

use super::{
    Airalo, NAME, State,
    limit::Gate,
    order::{self, Order},
    problem::{self, Problem},
    refund::written,
};
use crate::sandbox::{
    clock::DAY_MS,
    faults::Lookup,
    provider::{Answered, Incoming},
    reply::{Plain, Reply},
    shared::Inner,
};

/// Orders on a page when nothing is asked [doc: future orders].
const LIMIT: usize = 25;
/// How old eSIMs are when the ledger begins.
const AGE_DAYS: i64 = 10;
const CREATED_AT: StaticFormatDescription =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
const CODE_DATE: StaticFormatDescription = format_description!("[year][month][day]");

/// An Order object [doc: order list]; `sims` and `status` only when included.
#[derive(Debug, Serialize)]
struct OrderObject {
    id: u64,
    created_at: String,
    code: String,
    description: Option<String>,
    r#type: &'static str,
    package_id: &'static str,
    quantity: usize,
    package: &'static str,
    esim_type: &'static str,
    validity: &'static str,
    price: String,
    data: &'static str,
    currency: &'static str,
    manual_installation: &'static str,
    qrcode_installation: &'static str,
    installation_guides: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    sims: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
}

#[derive(Serialize)]
struct List {
    data: Vec<OrderObject>,
    links: Value,
    meta: Value,
}

/// What a request for orders asks for.
#[derive(Debug, Default)]
struct Asked {
    iccid: Option<String>,
    status: Option<String>,
    sims: bool,
    with_status: bool,
    limit: Option<usize>,
    page: Option<usize>,
}

impl Asked {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        let mut wrong = Vec::new();
        for (name, value) in super::pairs(query) {
            let number = value.parse::<usize>().ok().filter(|number| *number > 0);
            match name.as_str() {
                "filter[iccid]" => asked.iccid = Some(value).filter(|value| !value.is_empty()),
                "filter[order_status]" => asked.status = Some(value).filter(|value| !value.is_empty()),
                "include" => {
                    asked.sims = value.split(',').any(|one| one == "sims");
                    asked.with_status = value.split(',').any(|one| one == "status");
                }
                "limit" if number.is_none() => wrong.push((name, "The limit must be an integer.")),
                "limit" => asked.limit = number,
                "page" if number.is_none() => wrong.push((name, "The page must be an integer.")),
                "page" => asked.page = number,
                _ => {}
            }
        }
        if wrong.is_empty() { Ok(asked) } else { Err(Problem::Fields(wrong)) }
    }
}

/// Orders whose eSIMs have the digits asked for anywhere in their ICCIDs.
pub(super) fn list(airalo: &Airalo, incoming: &Incoming) -> Answered {
    let asked = match Asked::read(&incoming.query) {
        Ok(asked) => asked,
        Err(problem) => return Answered { reply: Reply::Plain(problem.answer()), behaviour: None },
    };
    let mut state = airalo.state();
    let exact = asked.iccid.clone().filter(|iccid| state.owns(iccid));
    let (reply, behaviour) = unless_odd(airalo, &mut state, exact.as_deref());
    if let Some(reply) = reply {
        return Answered { reply, behaviour };
    }
    let inner = airalo.shared.lock();
    let hidden = exact.filter(|iccid| state.lookup(iccid) == Lookup::OtherOrder);
    let mut orders = matching(&state, &inner, asked.iccid.as_deref());
    orders.retain(|order| !hidden.as_ref().is_some_and(|iccid| order.iccids.contains(iccid)));
    orders.retain(|order| {
        let slug = state.shown(&inner, order).slug();
        asked.status.as_deref().is_none_or(|wanted| wanted == slug)
    });
    orders.sort_by_key(|order| Reverse((created_ms(&inner, order), order.id)));
    let plain = page(&state, &inner, incoming, &asked, &orders);
    drop(inner);
    state.counters.lookups.granted += 1;
    Answered { reply: Reply::Plain(plain), behaviour }
}

/// One order.
pub(super) fn one(airalo: &Airalo, id: &str, incoming: &Incoming) -> Answered {
    let mut state = airalo.state();
    let found = id.parse().ok().and_then(Order::by_id);
    let found = found.filter(|order| order.iccids.iter().all(|iccid| state.owns(iccid)));
    let (Ok(asked), Some(mut order)) = (Asked::read(&incoming.query), found) else {
        return Answered { reply: Reply::Plain(problem::NOT_FOUND.answer()), behaviour: None };
    };
    let odd = order.iccids.iter().find(|iccid| state.lookup(iccid) != Lookup::Usual).cloned();
    let (reply, behaviour) = unless_odd(airalo, &mut state, odd.as_deref());
    if let Some(reply) = reply {
        return Answered { reply, behaviour };
    }
    if let Some(other) = odd.filter(|iccid| state.lookup(iccid) == Lookup::OtherOrder)
        && let Some(longer) = Order::of(&longer(&other)).into_iter().next()
    {
        order = longer;
    }
    let inner = airalo.shared.lock();
    let object = object(&state, &inner, &order, &asked);
    drop(inner);
    state.counters.lookups.granted += 1;
    let plain = problem::json(200, &json!({"data": object, "meta": {"message": "success"}}));
    Answered { reply: Reply::Plain(plain), behaviour }
}

/// The company's credit. That the amount is a JSON number is \[doc], that it may have a fraction \[assumed].
pub(super) fn balance(airalo: &Airalo) -> Plain {
    let mut state = airalo.state();
    let minor = state.balance_minor(&airalo.shared.lock());
    let text = order::decimal(minor);
    let amount = text.strip_suffix(".00").unwrap_or(&text).parse::<Number>().ok();
    state.counters.lookups.granted += 1;
    let balances = json!({"name": "balance", "availableBalance": {"amount": amount, "currency": "USD"}});
    problem::json(200, &json!({"data": {"balances": balances}, "meta": {"message": "success"}}))
}

/// The answer that the eSIM's behaviour puts in place of a lookup's, and the behaviour's name.
fn unless_odd(
    airalo: &Airalo,
    state: &mut State,
    iccid: Option<&str>,
) -> (Option<Reply>, Option<&'static str>) {
    let Some(iccid) = iccid else { return (None, None) };
    let script = state.script(iccid);
    let name = script.iter().find(|row| row.lookup != Lookup::Usual).map(|row| row.name);
    let lookup = state.lookup(iccid);
    let reads = match lookup {
        Lookup::Fails(_) | Lookup::Limited(_) => state.scripts.read(iccid, || script),
        _ => 0,
    };
    let reply = match lookup {
        Lookup::Fails(count) if reads <= count => Some(Reply::Plain(problem::SERVER_ERROR.answer())),
        Lookup::Limited(count) if reads <= count => {
            state.counters.of(Gate::Lookup).limited_by_behaviour += 1;
            Some(Reply::Plain(airalo.limited()))
        }
        Lookup::NotFound => Some(Reply::Plain(problem::NOT_FOUND.answer())),
        Lookup::Holds => Some(Reply::Hold),
        Lookup::Fails(_)
        | Lookup::Limited(_)
        | Lookup::Usual
        | Lookup::HidesRefunds
        | Lookup::OtherOrder
        | Lookup::Lags => None,
    };
    (reply, name)
}

/// An ICCID that has another one in it.
fn longer(iccid: &str) -> String {
    format!("{iccid}0")
}

/// The orders of every eSIM that the sandbox has heard of and whose ICCID has these digits, of the eSIM with
/// exactly this ICCID, and of one with a longer ICCID.
fn matching(state: &State, inner: &Inner, digits: Option<&str>) -> Vec<Order> {
    let effects = inner.ledger.effects().iter().filter(|effect| effect.provider == NAME);
    let known = effects.flat_map(|effect| &effect.iccids).chain(state.made.keys());
    let mut iccids: Vec<String> =
        known.filter(|iccid| digits.is_none_or(|digits| iccid.contains(digits))).cloned().collect();
    iccids.extend(digits.into_iter().flat_map(|digits| [digits.to_owned(), longer(digits)]));
    let owned = iccids.iter().filter(|iccid| state.owns(iccid));
    let orders: BTreeMap<u64, Order> =
        owned.flat_map(|iccid| Order::of(iccid)).map(|order| (order.id, order)).collect();
    orders.into_values().collect()
}

fn page(state: &State, inner: &Inner, incoming: &Incoming, asked: &Asked, orders: &[Order]) -> Plain {
    let (limit, page) = (asked.limit.unwrap_or(LIMIT), asked.page.unwrap_or(1));
    let start = limit.saturating_mul(page - 1);
    let data: Vec<_> = orders.iter().skip(start).take(limit).collect();
    let last = orders.len().div_ceil(limit).max(1);
    let host = incoming.header("host").unwrap_or("localhost");
    let path = format!("http://{host}/{NAME}/v2/orders");
    let others = incoming.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("page="));
    let others: String = others.flat_map(|pair| [pair, "&"]).collect();
    let link = |number: usize| format!("{path}?{others}page={number}");
    let from = (!data.is_empty()).then_some(start + 1);
    let links = json!({
        "first": link(1),
        "last": link(last),
        "prev": (page > 1).then(|| link(page - 1)),
        "next": (page < last).then(|| link(page + 1)),
    });
    let meta = json!({
        "message": "success", "current_page": page, "from": from, "last_page": last, "path": path,
        "per_page": limit.to_string(), "to": from.map(|_| start + data.len()), "total": orders.len(),
    });
    let data = data.into_iter().map(|order| object(state, inner, order, asked)).collect();
    problem::json(200, &List { data, links, meta })
}

fn created_ms(inner: &Inner, order: &Order) -> i64 {
    inner.ledger.opened_ms() - (AGE_DAYS - i64::from(order.place)) * DAY_MS
}

fn object(state: &State, inner: &Inner, order: &Order, asked: &Asked) -> OrderObject {
    let created_ms = created_ms(inner, order);
    let made = order.iccids.first().and_then(|iccid| state.made.get(iccid));
    let status = state.shown(inner, order);
    let topup = order.is_topup();
    OrderObject {
        id: order.id,
        created_at: written(created_ms, CREATED_AT),
        code: format!("{}-{:06}", written(created_ms, CODE_DATE), order.id % 1_000_000),
        description: None,
        r#type: if topup { "topup" } else { "sim" },
        package_id: if topup { "kallur-digital-7days-1gb-topup" } else { "kallur-digital-7days-1gb" },
        quantity: order.iccids.len(),
        package: "Kallur Digital-1 GB - 7 Days",
        esim_type: "Prepaid",
        validity: "7",
        price: order::decimal(order.price_minor(made)),
        data: "1 GB",
        currency: "USD",
        manual_installation: "",
        qrcode_installation: "",
        installation_guides: json!({"en": "https://sandbox.airalo.com/installation-guide"}),
        sims: asked.sims.then(|| {
            order.shown().iter().map(|iccid| sim(order.id, iccid, &written(created_ms, CREATED_AT))).collect()
        }),
        status: asked.with_status.then(|| json!({"name": status.label(), "slug": status.slug()})),
    }
}

fn sim(id: u64, iccid: &str, created_at: &str) -> Value {
    json!({
        "id": id, "created_at": created_at, "iccid": iccid, "lpa": "lpa.airalo.com", "imsis": null,
        "matching_id": "TEST", "qrcode": "LPA:1$lpa.airalo.com$TEST",
        "qrcode_url": "https://sandbox.airalo.com/qr", "airalo_code": null, "apn_type": "automatic",
        "apn_value": null, "is_roaming": true, "confirmation_code": null,
    })
}
