//! After a restore: what may have been sent in the lost time is unknown.

use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::begin::insert_attempt;
use super::entity::refund;
use super::fault::Fault;
use super::transaction::Tx;
use super::{accounts, refunds};
use crate::domain::account::Account;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::plan::Jitter;
use crate::domain::refund::StateKind;
use crate::domain::timestamp::Timestamp;
use crate::store::row::{Row, next_slots};
use crate::store::wake::Wakes;
use crate::store::{Recovery, Result};

pub(super) async fn recover(
    tx: &Tx,
    restored_to: Timestamp,
    configured: &[Account],
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
    let (mut made_unknown, mut grown) = (Vec::new(), Vec::new());
    for model in models {
        let row = Row::try_from(model)?;
        let restored = row.restored(restored_to, configured, jitter, now)?;
        if let Some(attempt) = &restored.attempt {
            insert_attempt(tx, attempt).await?;
        }
        refunds::write(tx, &restored.written).await?;
        grown.push(restored.written.head());
        made_unknown.push(row.refund.id);
    }
    let paused = hold_up(tx, restored_to, configured, now).await?;
    let wakes = Wakes { changed: made_unknown.clone(), due: true, grown, ..Wakes::default() };
    Ok((Recovery { made_unknown, after_restore_point, paused }, wakes))
}

/// Pauses accounts whose provider does not show our key, and lets every rate budget begin anew.
async fn hold_up(
    tx: &Tx,
    restored_to: Timestamp,
    configured: &[Account],
    now: Timestamp,
) -> Result<Vec<AccountName>, Fault> {
    let mut silent: Vec<_> = configured.iter().filter(|account| !account.capabilities.echoes_key).collect();
    silent.sort_by(|a, b| a.identity.name.cmp(&b.identity.name));
    let mut paused = Vec::new();
    for Account { identity, .. } in silent {
        let state = accounts::lock(tx, identity, LockType::Update).await?;
        if let Some(state) = state.paused_by_restore(restored_to) {
            accounts::save(tx, identity.name.as_str(), &state).await?;
            paused.push(identity.name.clone());
        }
    }
    for (bucket, until) in next_slots(configured, now) {
        accounts::put_off_bucket(tx, &bucket, until).await?;
    }
    Ok(paused)
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
