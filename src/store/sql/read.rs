//! Reads that lock nothing.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::entity::{account, event, guard, idempotency_key, rate_budget, refund};
use super::fault::Fault;
use super::guards;
use crate::domain::admission::{AccountState, Rate};
use crate::domain::event::Event;
use crate::domain::guard::Guard;
use crate::domain::id::{AccountName, CallerName, RefundId, RequestId};
use crate::domain::refund::Refund;
use crate::domain::timestamp::Timestamp;
use crate::store::Result;
use crate::store::row::{GuardKey, Row};

/// The changes of the schema that are not yet applied.
pub(super) async fn pending(db: &DatabaseConnection) -> Result<Vec<String>, Fault> {
    Ok(migrations::pending(db).await?)
}

pub(super) async fn find<C: ConnectionTrait>(db: &C, id: RefundId) -> Result<Option<Refund>, Fault> {
    refund_of(refund::Entity::find_by_id(id.0).one(db).await?)
}

pub(super) async fn find_by_request<C: ConnectionTrait>(
    db: &C,
    caller: &CallerName,
    request_id: &RequestId,
) -> Result<Option<Refund>, Fault> {
    let id = Query::select()
        .column(idempotency_key::Column::RefundId)
        .from(idempotency_key::Entity)
        .cond_where(idempotency_key::Column::Caller.eq(caller.as_str()))
        .cond_where(idempotency_key::Column::RequestId.eq(request_id.as_str()))
        .to_owned();
    refund_of(refund::Entity::find().filter(refund::Column::Id.in_subquery(id)).one(db).await?)
}

fn refund_of(model: Option<refund::Model>) -> Result<Option<Refund>, Fault> {
    Ok(model.map(Row::try_from).transpose()?.map(|row| row.refund))
}

/// How many of some accounts were accepted before a refund and wait, never sent.
pub(super) async fn ahead<C: ConnectionTrait>(
    db: &C,
    accounts: &[AccountName],
    refund: &Refund,
) -> Result<u64, Fault> {
    let at = refund.create_time.micros();
    let earlier = Condition::any()
        .add(refund::Column::CreatedUs.lt(at))
        .add(Condition::all().add(refund::Column::CreatedUs.eq(at)).add(refund::Column::Id.lt(refund.id.0)));
    Ok(refund::Entity::find()
        .filter(refund::Column::Account.is_in(accounts.iter().map(AccountName::as_str)))
        // Literal, not bound: only so can the partial index serve.
        .filter(Expr::cust("state = 'pending'"))
        .filter(refund::Column::CreatedUs.lte(at))
        .filter(earlier)
        .count(db)
        .await?)
}

pub(super) async fn retries_of<C: ConnectionTrait>(db: &C, id: RefundId) -> Result<Vec<RefundId>, Fault> {
    let ids: Vec<uuid::Uuid> = refund::Entity::find()
        .select_only()
        .column(refund::Column::Id)
        .filter(refund::Column::RetryOf.eq(id.0))
        .order_by_asc(refund::Column::CreatedUs)
        .order_by_asc(refund::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(RefundId).collect())
}

/// When a budget's next slot is free; `None` if nobody spent of it.
pub(super) async fn next_slot<C: ConnectionTrait>(db: &C, rate: &Rate) -> Result<Option<Timestamp>, Fault> {
    let budget = rate_budget::Entity::find_by_id(rate.bucket.as_str()).one(db).await?;
    Ok(budget.map(|budget| Timestamp::from_micros(budget.next_free_us)))
}

pub(super) async fn events_after<C: ConnectionTrait>(
    db: &C,
    id: RefundId,
    sequence: i64,
    limit: Option<u64>,
) -> Result<Vec<Event>, Fault> {
    let models = event::Entity::find()
        .filter(event::Column::RefundId.eq(id.0))
        .filter(event::Column::Sequence.gt(sequence))
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .all(db)
        .await?;
    models.into_iter().map(|model| Ok(Event::try_from(model)?)).collect()
}

/// By position alone: the order of ids is not the order of commits, and whoever reads on after the last id
/// that it saw skips what commits later.
pub(super) async fn events_from<C: ConnectionTrait>(
    db: &C,
    position: i64,
    limit: u64,
) -> Result<Vec<Event>, Fault> {
    let models = event::Entity::find()
        .filter(event::Column::Position.gt(position))
        .order_by_asc(event::Column::Position)
        .limit(limit)
        .all(db)
        .await?;
    models.into_iter().map(|model| Ok(Event::try_from(model)?)).collect()
}

pub(super) async fn account_state<C: ConnectionTrait>(
    db: &C,
    account: &AccountName,
) -> Result<AccountState, Fault> {
    match account::Entity::find_by_id(account.as_str()).one(db).await? {
        Some(model) => Ok(model.try_into()?),
        None => Ok(AccountState::default()),
    }
}

pub(super) async fn guard<C: ConnectionTrait>(db: &C, key: &GuardKey) -> Result<Option<Guard>, Fault> {
    let model = guard::Entity::find().filter(guards::is(key)).one(db).await?;
    Ok(model.map(Guard::try_from).transpose()?)
}
