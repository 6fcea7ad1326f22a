//! Rows of refunds with their histories and events: read, locked in id order, written.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::entity::{discrepancy, event, history, idempotency_key, refund};
use super::fault::Fault;
use super::labels;
use super::row;
use super::transaction::Tx;
use crate::domain::id::RefundId;
use crate::store::row::{Row, Written};
use crate::store::{Error, Result};

/// Rows in one statement: PostgreSQL takes 65,535 values, SQLite 32,766, and a refund has some 60.
const ROWS_MAX: usize = 200;

/// Locks refunds in id order; those that do not exist are missing from the answer.
pub(super) async fn lock(tx: &Tx, ids: &[RefundId]) -> Result<BTreeMap<RefundId, Row>, Fault> {
    let models = refund::Entity::find()
        .filter(refund::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .order_by_asc(refund::Column::Id)
        .lock_exclusive()
        .all(&tx.conn)
        .await?;
    rows(models)
}

fn rows(models: Vec<refund::Model>) -> Result<BTreeMap<RefundId, Row>, Fault> {
    models.into_iter().map(|model| Ok((RefundId(model.id), Row::try_from(model)?))).collect()
}

/// The row of a refund that a lease names; a lease of nothing is a fault of the caller's memory.
pub(super) fn known(rows: &BTreeMap<RefundId, Row>, id: RefundId) -> Result<&Row, Error> {
    rows.get(&id).ok_or_else(|| Error::Inconsistent { table: "refunds", column: "id", id: id.to_string() })
}

/// Inserts new refunds and their keys, many at a time, with what their histories and streams begin with.
pub(super) async fn insert(tx: &Tx, accepted: &[Written]) -> Result<(), Fault> {
    for accepted in accepted.chunks(ROWS_MAX) {
        let rows: Vec<_> = accepted.iter().map(|written| row::refund::whole(&written.row)).collect();
        refund::Entity::insert_many(rows).exec_without_returning(&tx.conn).await?;
        // In key order, so that two transactions with the same keys wait for each other only one way.
        let mut keys: Vec<_> = accepted.iter().map(|written| &written.row.refund).collect();
        keys.sort_by(|a, b| (&a.caller, &a.request_id).cmp(&(&b.caller, &b.request_id)));
        let keys = keys.into_iter().map(|refund| idempotency_key::ActiveModel {
            caller: Set(refund.caller.as_str().to_owned()),
            request_id: Set(refund.request_id.as_str().to_owned()),
            refund_id: Set(refund.id.0),
        });
        idempotency_key::Entity::insert_many(keys).exec_without_returning(&tx.conn).await?;
        labels::insert(tx, accepted).await?;
    }
    append(tx, accepted).await
}

/// Writes what becomes of a locked refund.
pub(super) async fn write(tx: &Tx, written: &Written) -> Result<(), Fault> {
    refund::Entity::update_many()
        .set(row::refund::changes(&written.row))
        .filter(refund::Column::Id.eq(written.row.refund.id.0))
        .exec(&tx.conn)
        .await?;
    append(tx, std::slice::from_ref(written)).await
}

/// Appends to histories and events; the locks on the refunds keep each refund's in order.
async fn append(tx: &Tx, written: &[Written]) -> Result<(), Fault> {
    let (mut entries, mut events, mut discrepancies) = (Vec::new(), Vec::new(), Vec::new());
    for written in written {
        entries.extend(written.sealed.iter().map(|sealed| history::ActiveModel {
            refund_id: Set(written.row.refund.id.0),
            number: Set(sealed.number),
            text: Set(sealed.text.clone()),
            hash: Set(sealed.hash.to_string()),
        }));
        events.extend(written.events.iter().cloned().map(row::event::whole));
        discrepancies.extend(written.discrepancy.as_ref().map(row::discrepancy::whole));
    }
    let mut entries = entries.into_iter().peekable();
    while entries.peek().is_some() {
        let some = entries.by_ref().take(ROWS_MAX);
        history::Entity::insert_many(some).exec_without_returning(&tx.conn).await?;
    }
    let mut events = events.into_iter().peekable();
    while events.peek().is_some() {
        event::Entity::insert_many(events.by_ref().take(ROWS_MAX)).exec_without_returning(&tx.conn).await?;
    }
    for new in discrepancies {
        discrepancy::Entity::insert(new).exec_without_returning(&tx.conn).await?;
    }
    Ok(())
}
