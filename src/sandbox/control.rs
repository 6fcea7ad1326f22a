//! The sandbox's own endpoints: the ledger, the calls, and what a test may turn. They ask for no credentials.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    clock,
    ledger::Effect,
    provider::{Provider, Refused},
    shared::Shared,
};

/// The routes that are not a provider's.
pub(super) fn router(shared: &Arc<Shared>, providers: &[Arc<dyn Provider>]) -> Router {
    let desk = Desk { shared: Arc::clone(shared), providers: providers.into() };
    Router::new()
        .route("/", get(about))
        .route("/ledger", get(ledger))
        .route("/ledger/summary", get(summary))
        .route("/calls", get(calls))
        .route("/control/settings", get(settings).post(change_settings))
        .route("/control/reset", post(reset))
        .route("/control/{provider}/behaviours", get(behaviours))
        .route("/control/{provider}/counters", get(counters))
        .route("/control/{provider}/next", post(script_next))
        .route("/control/{provider}/orders/{id}", put(put_order))
        .with_state(desk)
}

#[derive(Clone)]
struct Desk {
    shared: Arc<Shared>,
    providers: Arc<[Arc<dyn Provider>]>,
}

/// A control call's answer: JSON, or `{"error": ..}` with a 4xx.
type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

impl Desk {
    fn provider(&self, name: &str) -> Result<&Arc<dyn Provider>, (StatusCode, Json<Value>)> {
        let found = self.providers.iter().find(|provider| provider.name() == name);
        found.ok_or_else(|| {
            failed(StatusCode::NOT_FOUND, &format!("{name}: is not a provider of this sandbox"))
        })
    }

    fn catch_up(&self) {
        self.providers.iter().for_each(|provider| provider.catch_up());
    }
}

fn failed(status: StatusCode, message: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({"error": message})))
}

fn refused(Refused(message): Refused) -> (StatusCode, Json<Value>) {
    failed(StatusCode::BAD_REQUEST, &message)
}

/// Read whatever the content type, so that a bare `curl -d` works.
fn parsed<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, (StatusCode, Json<Value>)> {
    serde_json::from_slice(body).map_err(|error| failed(StatusCode::BAD_REQUEST, &error.to_string()))
}

async fn about(State(desk): State<Desk>) -> Json<Value> {
    let providers: Vec<_> = desk.providers.iter().map(|provider| provider.name()).collect();
    let inner = desk.shared.lock();
    let (now, opened) = (clock::stamp(inner.now_ms()), clock::stamp(inner.ledger.opened_ms()));
    Json(json!({"sandbox": "refunds", "providers": providers, "now": now, "opened": opened}))
}

/// Which records to show; all when nothing is named.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    provider: Option<String>,
    order_id: Option<String>,
    request_id: Option<String>,
    merchant_reference: Option<String>,
    refund_merchant_reference: Option<String>,
}

impl Filter {
    fn takes(&self, effect: &Effect) -> bool {
        let same =
            |wanted: &Option<String>, value: Option<&String>| wanted.is_none() || wanted.as_ref() == value;
        same(&self.provider, Some(&effect.provider))
            && self.order_id.as_ref().is_none_or(|wanted| effect.concerns(wanted))
            && same(&self.request_id, effect.request_id.as_ref())
            && same(&self.merchant_reference, effect.merchant_reference.as_ref())
            && same(&self.refund_merchant_reference, effect.refund_merchant_reference.as_ref())
    }
}

async fn ledger(State(desk): State<Desk>, Query(filter): Query<Filter>) -> Json<Value> {
    desk.catch_up();
    let inner = desk.shared.lock();
    let effects: Vec<_> = inner.ledger.effects().iter().filter(|effect| filter.takes(effect)).collect();
    Json(json!({"effects": effects}))
}

async fn summary(State(desk): State<Desk>, Query(filter): Query<Filter>) -> Json<Value> {
    desk.catch_up();
    let inner = desk.shared.lock();
    let effects: Vec<_> = inner.ledger.effects().iter().filter(|effect| filter.takes(effect)).collect();
    let mut totals: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
    for effect in &effects {
        let total = totals.entry(&effect.provider).or_default().entry(&effect.currency).or_default();
        *total += effect.amount_minor;
    }
    let requests = counted(&effects, |effect| effect.request_id.as_slice());
    let references = counted(&effects, |effect| effect.merchant_reference.as_slice());
    let refund_references = counted(&effects, |effect| effect.refund_merchant_reference.as_slice());
    let iccids = counted(&effects, |effect| &effect.iccids);
    let doubled = [&requests, &references, &refund_references, &iccids].map(|counts| surplus(counts));
    Json(json!({
        "effects": effects.len(),
        "amount_minor": totals,
        "doubled": doubled.iter().max(),
        "by_request_id": requests,
        "by_merchant_reference": references,
        "by_refund_merchant_reference": refund_references,
        "by_iccid": iccids,
    }))
}

/// Effects per value of a field, within one provider; effects without the field are not counted.
fn counted<'a>(
    effects: &[&'a Effect],
    field: impl Fn(&'a Effect) -> &'a [String],
) -> BTreeMap<&'a str, BTreeMap<&'a str, usize>> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for effect in effects {
        for value in field(effect) {
            *counts.entry(&effect.provider).or_default().entry(value).or_default() += 1;
        }
    }
    counts
}

/// Effects that should not have happened: those beyond the first of each value.
fn surplus(counts: &BTreeMap<&str, BTreeMap<&str, usize>>) -> usize {
    counts.values().flat_map(BTreeMap::values).map(|count| count - 1).sum()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallFilter {
    provider: Option<String>,
    order_id: Option<String>,
}

async fn calls(State(desk): State<Desk>, Query(filter): Query<CallFilter>) -> Json<Value> {
    let inner = desk.shared.lock();
    let shown: Vec<_> = inner
        .calls
        .kept()
        .filter(|call| filter.provider.as_deref().is_none_or(|wanted| call.provider == wanted))
        .filter(|call| filter.order_id.as_deref().is_none_or(|wanted| call.concerns(wanted)))
        .collect();
    Json(json!({"calls": shown, "received": inner.calls.received()}))
}

async fn settings(State(desk): State<Desk>) -> Json<Value> {
    Json(json!(desk.shared.lock().settings))
}

async fn change_settings(State(desk): State<Desk>, body: Bytes) -> Answer {
    let change: Value = parsed(&body)?;
    let mut inner = desk.shared.lock();
    let changed = inner.settings.changed(&change);
    inner.settings = changed.map_err(|error| failed(StatusCode::BAD_REQUEST, &error.to_string()))?;
    Ok(Json(json!(inner.settings)))
}

async fn reset(State(desk): State<Desk>) -> Answer {
    for provider in desk.providers.iter() {
        provider.reset();
    }
    let cleared = desk.shared.reset();
    cleared.map_err(|error| failed(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))?;
    Ok(Json(json!({"reset": true})))
}

async fn behaviours(State(desk): State<Desk>, Path(name): Path<String>) -> Answer {
    Ok(Json(json!(desk.provider(&name)?.behaviours())))
}

async fn counters(State(desk): State<Desk>, Path(name): Path<String>) -> Answer {
    Ok(Json(desk.provider(&name)?.counters()))
}

async fn script_next(State(desk): State<Desk>, Path(name): Path<String>, body: Bytes) -> Answer {
    let mut asked: HashMap<String, Vec<String>> = parsed(&body)?;
    let names = asked.remove("behaviours").filter(|_| asked.is_empty());
    let names = names.ok_or_else(|| failed(StatusCode::BAD_REQUEST, r#"expected {"behaviours": [..]}"#))?;
    desk.provider(&name)?.script_next(&names).map_err(refused)?;
    Ok(Json(json!({"behaviours": names})))
}

async fn put_order(
    State(desk): State<Desk>,
    Path((name, id)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let change: Value = parsed(&body)?;
    desk.provider(&name)?.put_order(&id, &change).map(Json).map_err(refused)
}
