//! Rows of refunds and their events: read, locked in id order, written.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::{event, idempotency_key, refund};
use super::fault::Fault;
use super::row;
use super::transaction::Tx;
use crate::domain::event::Event;
use crate::domain::id::RefundId;
use crate::store::row::Row;
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

/// Inserts new refunds and their keys, many at a time, and their first events.
pub(super) async fn insert(tx: &Tx, rows: &[Row], events: Vec<Event>) -> Result<(), Fault> {
    for rows in rows.chunks(ROWS_MAX) {
        refund::Entity::insert_many(rows.iter().map(row::refund::whole))
            .exec_without_returning(&tx.conn)
            .await?;
        // In key order, so that two transactions with the same keys wait for each other only one way.
        let mut keys: Vec<_> = rows.iter().map(|row| &row.refund).collect();
        keys.sort_by(|a, b| (&a.caller, &a.request_id).cmp(&(&b.caller, &b.request_id)));
        let keys = keys.into_iter().map(|refund| idempotency_key::ActiveModel {
            caller: sea_orm::Set(refund.caller.as_str().to_owned()),
            request_id: sea_orm::Set(refund.request_id.as_str().to_owned()),
            refund_id: sea_orm::Set(refund.id.0),
        });
        idempotency_key::Entity::insert_many(keys).exec_without_returning(&tx.conn).await?;
    }
    append(tx, events).await
}

/// Writes what may change of a locked refund.
pub(super) async fn save(tx: &Tx, row: &Row) -> Result<(), Fault> {
    refund::Entity::update_many()
        .set(row::refund::changes(row))
        .filter(refund::Column::Id.eq(row.refund.id.0))
        .exec(&tx.conn)
        .await?;
    Ok(())
}

/// Appends events; the locks on their refunds keep each refund's in order.
pub(super) async fn append(tx: &Tx, events: Vec<Event>) -> Result<(), Fault> {
    let mut events = events.into_iter().map(row::event::whole).peekable();
    while events.peek().is_some() {
        event::Entity::insert_many(events.by_ref().take(ROWS_MAX)).exec_without_returning(&tx.conn).await?;
    }
    Ok(())
}
