//! Histories: told from the chain, and of refunds that were accepted before there was one from the tables of
//! then.

use std::collections::BTreeMap;

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::{attempt, attempt_member, discrepancy, history, refund};
use super::fault::Fault;
use super::read::events_after;
use super::row;
use crate::domain::attempt::Attempt;
use crate::domain::discrepancy::Discrepancy;
use crate::domain::history::{Hash, History};
use crate::domain::id::RefundId;
use crate::store::history::{Sealed, opened};
use crate::store::row::Row;
use crate::store::{Chain, Result};

/// Everything known of a refund.
pub(super) async fn history<C: ConnectionTrait>(db: &C, id: RefundId) -> Result<History, Fault> {
    let mut told = History::of(opened(id, sealed_of(db, id).await?)?);
    // An older program in the same deployment writes no entries.
    let events = events_after(db, id, 0, None).await?;
    if !told.events.iter().map(|event| event.sequence).eq(events.iter().map(|event| event.sequence)) {
        told.events = events;
        told.attempts = attempts_of(db, id).await?;
    }
    let discrepancies = discrepancy::Entity::find()
        .filter(discrepancy::Column::RefundId.eq(id.0))
        .order_by_asc(discrepancy::Column::Number)
        .all(db)
        .await?;
    told.discrepancies = discrepancies.into_iter().map(Discrepancy::try_from).collect::<Result<_>>()?;
    Ok(told)
}

/// The entries of a refund, in order.
pub(super) async fn sealed_of<C: ConnectionTrait>(db: &C, id: RefundId) -> Result<Vec<Sealed>, Fault> {
    let models = history::Entity::find()
        .filter(history::Column::RefundId.eq(id.0))
        .order_by_asc(history::Column::Number)
        .all(db)
        .await?;
    models.into_iter().map(|model| Ok(sealed(model)?.1)).collect()
}

/// The chains of the refunds that follow one, by id.
pub(super) async fn chains<C: ConnectionTrait>(
    db: &C,
    after: Option<RefundId>,
    limit: u64,
) -> Result<Vec<Chain>, Fault> {
    let mut select = refund::Entity::find().order_by_asc(refund::Column::Id).limit(limit);
    if let Some(after) = after {
        select = select.filter(refund::Column::Id.gt(after.0));
    }
    let rows = select.all(db).await?;
    let ids: Vec<uuid::Uuid> = rows.iter().map(|model| model.id).collect();
    let entries = history::Entity::find()
        .filter(history::Column::RefundId.is_in(ids))
        .order_by_asc(history::Column::RefundId)
        .order_by_asc(history::Column::Number)
        .all(db)
        .await?;
    let mut by_refund: BTreeMap<RefundId, Vec<Sealed>> = BTreeMap::new();
    for model in entries {
        let (id, sealed) = sealed(model)?;
        by_refund.entry(id).or_default().push(sealed);
    }
    let chain = |model| {
        let refund = Row::try_from(model)?.refund;
        let entries = by_refund.remove(&refund.id).unwrap_or_default();
        Ok(Chain { refund, entries })
    };
    rows.into_iter().map(chain).collect()
}

fn sealed(model: history::Model) -> Result<(RefundId, Sealed)> {
    let at = row::Reading::new("history", &model.refund_id);
    let hash = at.need("hash", Hash::parse(&model.hash))?;
    Ok((RefundId(model.refund_id), Sealed { number: model.number, text: model.text, hash }))
}

async fn attempts_of<C: ConnectionTrait>(db: &C, id: RefundId) -> Result<Vec<Attempt>, Fault> {
    let mut of_refund = Query::select();
    of_refund
        .column(attempt_member::Column::AttemptId)
        .from(attempt_member::Entity)
        .cond_where(attempt_member::Column::RefundId.eq(id.0));
    let models = attempt::Entity::find()
        .filter(attempt::Column::Id.in_subquery(of_refund.clone()))
        .order_by_asc(attempt::Column::StartedUs)
        .order_by_asc(attempt::Column::Id)
        .all(db)
        .await?;
    let members = attempt_member::Entity::find()
        .filter(attempt_member::Column::AttemptId.in_subquery(of_refund))
        .order_by_asc(attempt_member::Column::RefundId)
        .all(db)
        .await?;
    let mut by_attempt: BTreeMap<uuid::Uuid, Vec<RefundId>> = BTreeMap::new();
    for member in members {
        by_attempt.entry(member.attempt_id).or_default().push(RefundId(member.refund_id));
    }
    let attempts = models
        .into_iter()
        .map(|model| {
            let members = by_attempt.remove(&model.id).unwrap_or_default();
            Ok(row::attempt::attempt_of(model, members)?)
        })
        .collect::<Result<Vec<Attempt>, Fault>>()?;
    Ok(attempts)
}
