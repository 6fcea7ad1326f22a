//! Leases: taken, kept, given back.

use std::time::Duration;

use sea_orm::sea_query::{Expr, SimpleExpr};
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

/// Raised by each claim.
const NEXT_TOKEN: &str = "lease_token + 1";

/// Leases locked rows to who asks.
pub(super) async fn take(tx: &Tx, ask: &ClaimAsk, ids: &[RefundId], now: Timestamp) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    refund::Entity::update_many()
        .col_expr(refund::Column::LeaseWorker, Expr::value(ask.worker.as_str()))
        .col_expr(refund::Column::LeaseToken, Expr::cust(NEXT_TOKEN))
        .col_expr(refund::Column::LeaseLengthUs, Expr::value(span_micros(ask.lease)))
        .col_expr(refund::Column::DueUs, Expr::value(now.plus(ask.lease).micros()))
        .filter(refund::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .exec(&tx.conn)
        .await?;
    Ok(())
}

/// Leases locked rows of final refunds that are followed up.
pub(super) async fn take_followed(tx: &Tx, ids: &[RefundId], end: Timestamp) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    refund::Entity::update_many()
        .col_expr(refund::Column::LeaseToken, Expr::cust(NEXT_TOKEN))
        .col_expr(refund::Column::FollowUs, Expr::value(end.micros()))
        .filter(refund::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .exec(&tx.conn)
        .await?;
    Ok(())
}

/// Makes held leases run for `length` from now; tells which are held.
pub(super) async fn renew(tx: &Tx, leases: &[Lease], length: Duration) -> Result<(Vec<bool>, Wakes), Fault> {
    let (held, now) = held(tx, leases).await?;
    let end = |rows: &[Row]| {
        let ends = rows.iter().map(|row| row.renewed(length, now));
        ends.filter_map(|row| row.due.or(row.refund.follow)).max()
    };
    if let Some(end) = end(&held.open) {
        refund::Entity::update_many()
            .col_expr(refund::Column::LeaseLengthUs, Expr::value(span_micros(length)))
            .col_expr(refund::Column::DueUs, Expr::value(end.micros()))
            .filter(among(&held.open))
            .exec(&tx.conn)
            .await?;
    }
    if let Some(end) = end(&held.followed) {
        follow_at(tx, &held.followed, end).await?;
    }
    let rows = || held.open.iter().chain(&held.followed);
    let told = leases
        .iter()
        .map(|lease| rows().any(|row| row.refund.id == lease.refund_id && row.is_held_by(lease)))
        .collect();
    Ok((told, Wakes::default()))
}

/// Gives held leases back, due at once.
pub(super) async fn release(tx: &Tx, leases: &[Lease]) -> Result<((), Wakes), Fault> {
    let (held, now) = held(tx, leases).await?;
    let due = !held.open.is_empty() || !held.followed.is_empty();
    if !held.open.is_empty() {
        refund::Entity::update_many()
            .col_expr(refund::Column::LeaseWorker, Expr::value(Option::<String>::None))
            .col_expr(refund::Column::LeaseLengthUs, Expr::value(Option::<i64>::None))
            .col_expr(refund::Column::DueUs, Expr::value(now.micros()))
            .filter(among(&held.open))
            .exec(&tx.conn)
            .await?;
    }
    if !held.followed.is_empty() {
        follow_at(tx, &held.followed, now).await?;
    }
    Ok(((), Wakes { due, ..Wakes::default() }))
}

async fn follow_at(tx: &Tx, rows: &[Row], at: Timestamp) -> Result<(), Fault> {
    refund::Entity::update_many()
        .col_expr(refund::Column::FollowUs, Expr::value(at.micros()))
        .filter(among(rows))
        .exec(&tx.conn)
        .await?;
    Ok(())
}

fn among(rows: &[Row]) -> SimpleExpr {
    refund::Column::Id.is_in(rows.iter().map(|row| row.refund.id.0))
}

/// Rows whose leases are held.
struct HeldRows {
    open: Vec<Row>,
    /// Final, and followed up.
    followed: Vec<Row>,
}

/// Locks the rows of those leases that are held.
async fn held(tx: &Tx, leases: &[Lease]) -> Result<(HeldRows, Timestamp), Fault> {
    let ids: Vec<_> = leases.iter().map(|lease| lease.refund_id).collect();
    let rows = refunds::lock(tx, &ids).await?;
    let now = tx.now().await?;
    let held = rows.into_values().filter(|row| leases.iter().any(|lease| row.is_held_by(lease)));
    let (followed, open) = held.partition(Row::is_followed);
    Ok((HeldRows { open, followed }, now))
}
