//! Discrepancies: known ones, lists, and their closing.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::discrepancy::{Column, Entity};
use super::fault::Fault;
use super::refunds;
use super::transaction::Tx;
use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::Actor;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::query::Place;
use crate::domain::refund::Refund;
use crate::store::wake::Wakes;
use crate::store::{Closed, Result};

/// The discrepancies of a refund that are known, by the provider's ids. Only what is final can have one.
pub(super) async fn known_of(tx: &Tx, refund: &Refund) -> Result<Vec<String>, Fault> {
    if !refund.state.kind().is_final() {
        return Ok(Vec::new());
    }
    let known = Entity::find().filter(Column::RefundId.eq(refund.id.0)).all(&tx.conn).await?;
    Ok(known.into_iter().map(|model| model.provider_refund_id).collect())
}

/// The oldest first; open ones alone, or all.
pub(super) async fn list<C: ConnectionTrait>(
    db: &C,
    account: Option<&AccountName>,
    open: bool,
    after: Option<Place>,
    limit: u64,
) -> Result<Vec<Discrepancy>, Fault> {
    let mut select =
        Entity::find().order_by_asc(Column::OpenedUs).order_by_asc(Column::RefundId).limit(limit);
    if let Some(account) = account {
        select = select.filter(Column::Account.eq(account.as_str()));
    }
    if open {
        // Literal, not bound: only so can the partial index serve.
        select = select.filter(Expr::cust("closed_us IS NULL"));
    }
    // One step opens one discrepancy of a refund at the most: no two share both.
    if let Some(Place { time, id }) = after {
        let same_time = Column::OpenedUs.eq(time.micros()).and(Column::RefundId.gt(id.0));
        let later = Condition::any().add(Column::OpenedUs.gt(time.micros())).add(same_time);
        select = select.filter(Column::OpenedUs.gte(time.micros())).filter(later);
    }
    let models = select.all(db).await?;
    models.into_iter().map(|model| Ok(Discrepancy::try_from(model)?)).collect()
}

/// Closes one, with the decision on the refund's record.
pub(super) async fn close(
    tx: &Tx,
    refund_id: RefundId,
    number: i64,
    actor: &Actor,
    note: &str,
) -> Result<(Closed, Wakes), Fault> {
    let locked = refunds::lock(tx, &[refund_id]).await?;
    let found = Entity::find_by_id((refund_id.0, number)).one(&tx.conn).await?;
    let (Some(row), Some(found)) = (locked.get(&refund_id), found) else {
        return Ok((Closed::NotFound, Wakes::default()));
    };
    let found = Discrepancy::try_from(found)?;
    if found.closed.is_some() {
        return Ok((Closed::Already(Box::new(found)), Wakes::default()));
    }
    let now = tx.now().await?;
    Entity::update_many()
        .col_expr(Column::ClosedUs, Expr::value(now.micros()))
        .col_expr(Column::ClosedBy, Expr::value(actor.name.as_str()))
        .col_expr(Column::CloseNote, Expr::value(note))
        .filter(Column::RefundId.eq(refund_id.0))
        .filter(Column::Number.eq(number))
        .exec(&tx.conn)
        .await?;
    let written = row.closing(actor, note, now);
    refunds::write(tx, &written).await?;
    let wakes = Wakes { grown: vec![written.head()], ..Wakes::default() };
    Ok((Closed::Now(Box::new(found.closed(now, &actor.name, note))), wakes))
}
