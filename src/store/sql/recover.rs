//! After a restore: what may have been sent in the lost time is unknown.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::begin::insert_attempt;
use super::entity::refund;
use super::fault::Fault;
use super::refunds;
use super::transaction::Tx;
use crate::domain::account::Account;
use crate::domain::id::RefundId;
use crate::domain::plan::Jitter;
use crate::domain::refund::StateKind;
use crate::domain::timestamp::Timestamp;
use crate::store::row::Row;
use crate::store::wake::Wakes;
use crate::store::{Recovery, Result};

pub(super) async fn recover(
    tx: &Tx,
    restored_to: Timestamp,
    accounts: &[Account],
    jitter: Jitter,
) -> Result<(Recovery, Wakes), Fault> {
    let after_restore_point = ids(
        refund::Entity::find()
            .filter(refund::Column::DueUs.is_not_null())
            .filter(refund::Column::UpdatedUs.gt(restored_to.micros())),
        tx,
    )
    .await?;
    let open = [StateKind::Pending, StateKind::Sending].map(StateKind::word);
    let models = refund::Entity::find()
        .filter(refund::Column::State.is_in(open))
        .order_by_asc(refund::Column::Id)
        .lock_exclusive()
        .all(&tx.conn)
        .await?;
    let now = tx.now().await?;
    let mut made_unknown = Vec::new();
    for model in models {
        let row = Row::try_from(model)?;
        let restored = row.restored(restored_to, accounts, jitter, now)?;
        if let Some(attempt) = &restored.attempt {
            insert_attempt(tx, attempt).await?;
        }
        refunds::save(tx, &restored.row).await?;
        refunds::append(tx, restored.events).await?;
        made_unknown.push(row.refund.id);
    }
    let wakes = Wakes { changed: made_unknown.clone(), due: true, ..Wakes::default() };
    Ok((Recovery { made_unknown, after_restore_point }, wakes))
}

async fn ids(select: sea_orm::Select<refund::Entity>, tx: &Tx) -> Result<Vec<RefundId>, Fault> {
    let ids: Vec<uuid::Uuid> = select
        .select_only()
        .column(refund::Column::Id)
        .order_by_asc(refund::Column::Id)
        .into_tuple()
        .all(&tx.conn)
        .await?;
    Ok(ids.into_iter().map(RefundId).collect())
}
