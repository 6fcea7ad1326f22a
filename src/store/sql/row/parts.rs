//! What was seen before the first send, and the parts of a refund, as JSON columns of `refunds`. Nothing is
//! NULL.

use serde_json::{Map, Value, json};

use crate::domain::id::Iccid;
use crate::domain::refund::{Item, ItemState};
use crate::domain::sight::{Baseline, EsimOrder, EsimSight};

pub(super) fn baseline_json(baseline: &Baseline) -> Option<Value> {
    if *baseline == Baseline::default() {
        return None;
    }
    let order = |order: &EsimOrder| json!({"id": order.id, "status": order.status, "esims": order.esims});
    let esim = |esim: &EsimSight| {
        let orders: Vec<Value> = esim.orders.iter().map(order).collect();
        json!({"iccid": esim.iccid.as_str(), "orders": orders})
    };
    let esims: Vec<Value> = baseline.esims.iter().map(esim).collect();
    Some(json!({"transactions": baseline.transactions, "esims": esims}))
}

pub(super) fn baseline_of(json: &Value) -> Option<Baseline> {
    let map = json.as_object()?;
    Some(Baseline { transactions: list(map, "transactions", string)?, esims: list(map, "esims", esim_of)? })
}

fn esim_of(json: &Value) -> Option<EsimSight> {
    let map = json.as_object()?;
    let iccid = Iccid::parse(map.get("iccid")?.as_str()?).ok()?;
    Some(EsimSight { iccid, orders: list(map, "orders", order_of)? })
}

fn order_of(json: &Value) -> Option<EsimOrder> {
    let map = json.as_object()?;
    Some(EsimOrder {
        id: string(map.get("id")?)?,
        status: string(map.get("status")?)?,
        esims: usize::try_from(map.get("esims")?.as_u64()?).ok()?,
    })
}

pub(super) fn items_json(items: &[Item]) -> Option<Value> {
    let item = |item: &Item| {
        json!({
            "id": item.id,
            "state": item.state.word(),
            "amount_minor": item.amount_minor,
            "provider_code": item.provider_code,
        })
    };
    (!items.is_empty()).then(|| Value::Array(items.iter().map(item).collect()))
}

pub(super) fn items_of(json: &Value) -> Option<Vec<Item>> {
    json.as_array()?.iter().map(item_of).collect()
}

fn item_of(json: &Value) -> Option<Item> {
    let map = json.as_object()?;
    Some(Item {
        id: string(map.get("id")?)?,
        state: ItemState::from_word(map.get("state")?.as_str()?)?,
        amount_minor: match map.get("amount_minor")? {
            Value::Null => None,
            value => Some(value.as_i64()?),
        },
        provider_code: match map.get("provider_code")? {
            Value::Null => None,
            value => Some(string(value)?),
        },
    })
}

fn list<T>(map: &Map<String, Value>, key: &str, parse: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    map.get(key)?.as_array()?.iter().map(parse).collect()
}

fn string(json: &Value) -> Option<String> {
    json.as_str().map(str::to_owned)
}
