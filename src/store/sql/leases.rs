//! Leases: taken, kept, given back.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::entity::refund;
use super::fault::Fault;
use super::refunds;
use super::row::span_micros;
use super::transaction::Tx;
use crate::domain::id::RefundId;
use crate::domain::timestamp::Timestamp;
use crate::store::row::Row;
use crate::store::wake::Wakes;
use crate::store::{ClaimAsk, Lease, Result};

/// Leases locked rows to who asks.
pub(super) async fn take(tx: &Tx, ask: &ClaimAsk, ids: &[RefundId], now: Timestamp) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    refund::Entity::update_many()
        .col_expr(refund::Column::LeaseWorker, Expr::value(ask.worker.as_str()))
        .col_expr(refund::Column::LeaseToken, Expr::cust("lease_token + 1"))
        .col_expr(refund::Column::LeaseLengthUs, Expr::value(span_micros(ask.lease)))
        .col_expr(refund::Column::DueUs, Expr::value(now.plus(ask.lease).micros()))
        .filter(refund::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .exec(&tx.conn)
        .await?;
    Ok(())
}

/// Makes held leases run for `length` from now; tells which are held.
pub(super) async fn renew(tx: &Tx, leases: &[Lease], length: Duration) -> Result<(Vec<bool>, Wakes), Fault> {
    let (held, now) = held(tx, leases).await?;
    let longest = held.values().filter_map(|row| row.renewed(length, now).due).max();
    if let Some(end) = longest {
        refund::Entity::update_many()
            .col_expr(refund::Column::LeaseLengthUs, Expr::value(span_micros(length)))
            .col_expr(refund::Column::DueUs, Expr::value(end.micros()))
            .filter(refund::Column::Id.is_in(held.keys().map(|id| id.0)))
            .exec(&tx.conn)
            .await?;
    }
    let told = leases
        .iter()
        .map(|lease| held.get(&lease.refund_id).is_some_and(|row| row.is_held_by(lease)))
        .collect();
    Ok((told, Wakes::default()))
}

/// Gives held leases back, due at once.
pub(super) async fn release(tx: &Tx, leases: &[Lease]) -> Result<((), Wakes), Fault> {
    let (held, now) = held(tx, leases).await?;
    if !held.is_empty() {
        refund::Entity::update_many()
            .col_expr(refund::Column::LeaseWorker, Expr::value(Option::<String>::None))
            .col_expr(refund::Column::LeaseLengthUs, Expr::value(Option::<i64>::None))
            .col_expr(refund::Column::DueUs, Expr::value(now.micros()))
            .filter(refund::Column::Id.is_in(held.keys().map(|id| id.0)))
            .exec(&tx.conn)
            .await?;
    }
    let wakes = Wakes { due: !held.is_empty(), ..Wakes::default() };
    Ok(((), wakes))
}

/// Locks the rows of those leases that are held.
async fn held(tx: &Tx, leases: &[Lease]) -> Result<(BTreeMap<RefundId, Row>, Timestamp), Fault> {
    let ids: Vec<_> = leases.iter().map(|lease| lease.refund_id).collect();
    let mut rows = refunds::lock(tx, &ids).await?;
    let now = tx.now().await?;
    rows.retain(|_, row| leases.iter().any(|lease| row.is_held_by(lease)));
    Ok((rows, now))
}
