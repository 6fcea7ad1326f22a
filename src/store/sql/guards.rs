//! Over-refund guards: locked in key order, written only when they changed.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Expr, LockBehavior, LockType, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::entity::{discrepancy, guard, refund};
use super::fault::Fault;
use super::row;
use super::transaction::Tx;
use crate::domain::account::ProviderKind;
use crate::domain::guard::Guard;
use crate::domain::refund::Refund;
use crate::domain::sight::OrderSnapshot;
use crate::domain::timestamp::Timestamp;
use crate::store::Result;
use crate::store::row::{GuardKey, Row, moved_after_all};

/// Which refunds of an order are woken. Literal, not bound: only so can partial indexes serve.
const WAITING: &str = "wait = 'order' AND state = 'pending'";

/// Guards in one statement.
const KEYS_MAX: usize = 1_000;

pub(super) fn is(key: &GuardKey) -> Condition {
    Condition::all()
        .add(guard::Column::Provider.eq(key.provider))
        .add(guard::Column::Merchant.eq(&key.merchant))
        .add(guard::Column::OrderKey.eq(&key.order_key))
}

/// The guards of a transaction as they were locked and as they have become.
#[derive(Debug, Default)]
pub(super) struct Guards {
    stored: BTreeMap<GuardKey, Guard>,
    now: BTreeMap<GuardKey, Guard>,
}

impl Guards {
    /// Locks those that exist.
    pub(super) async fn lock(tx: &Tx, keys: &BTreeSet<GuardKey>) -> Result<Self, Fault> {
        let mut stored = BTreeMap::new();
        let keys: Vec<_> = keys.iter().collect();
        for keys in keys.chunks(KEYS_MAX) {
            let models = guard::Entity::find()
                .filter(any_of(keys))
                .order_by_asc(guard::Column::Provider)
                .order_by_asc(guard::Column::Merchant)
                .order_by_asc(guard::Column::OrderKey)
                .lock_exclusive()
                .all(&tx.conn)
                .await?;
            for model in models {
                let at = row::Reading::new("guards", &model.order_key);
                let provider = at.need("provider", ProviderKind::from_word(&model.provider))?;
                let key = GuardKey {
                    provider: provider.word(),
                    merchant: model.merchant.clone(),
                    order_key: model.order_key.clone(),
                };
                stored.insert(key, Guard::try_from(model)?);
            }
        }
        Ok(Self { now: stored.clone(), stored })
    }

    pub(super) fn get(&self, key: &GuardKey) -> Option<&Guard> {
        self.now.get(key)
    }

    pub(super) fn set(&mut self, key: GuardKey, guard: Guard) {
        self.now.insert(key, guard);
    }

    /// Writes what changed. A new guard that another made meanwhile is a lost race.
    pub(super) async fn save(&self, tx: &Tx) -> Result<(), Fault> {
        let mut new = Vec::new();
        for (key, guard) in &self.now {
            match self.stored.get(key) {
                None => new.push(row::guard::whole(key, guard)),
                Some(stored) if stored == guard => {}
                Some(_) => {
                    guard::Entity::update_many()
                        .set(row::guard::changes(guard))
                        .filter(is(key))
                        .exec(&tx.conn)
                        .await?;
                }
            }
        }
        let mut new = new.into_iter().peekable();
        while new.peek().is_some() {
            guard::Entity::insert_many(new.by_ref().take(KEYS_MAX)).exec_without_returning(&tx.conn).await?;
        }
        Ok(())
    }
}

/// One list per merchant: a term per key would nest as deep as there are keys.
fn any_of(keys: &[&GuardKey]) -> Condition {
    let mut orders: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for key in keys {
        let of_merchant = orders.entry((key.provider, &key.merchant)).or_default();
        of_merchant.push(&key.order_key);
    }
    orders.into_iter().fold(Condition::any(), |any, ((provider, merchant), orders)| {
        any.add(
            Condition::all()
                .add(guard::Column::Provider.eq(provider))
                .add(guard::Column::Merchant.eq(merchant))
                .add(guard::Column::OrderKey.is_in(orders)),
        )
    })
}

fn of_order(key: &GuardKey) -> Condition {
    Condition::all()
        .add(refund::Column::Provider.eq(key.provider))
        .add(refund::Column::Merchant.eq(&key.merchant))
        .add(refund::Column::OrderKey.eq(&key.order_key))
}

/// All our refunds of an order. Its guard is locked, so that the answer holds until the end of the
/// transaction.
pub(super) async fn refunds_of(tx: &Tx, key: &GuardKey) -> Result<Vec<Refund>, Fault> {
    let all = refund::Entity::find().filter(of_order(key)).all(&tx.conn).await?;
    all.into_iter().map(|model| Ok(Row::try_from(model)?.refund)).collect()
}

/// Has those of an order's refunds looked at that are FAILED or CANCELED and listed as effected: money moved
/// that should not have. A row that another works on is passed over; the next look finds it.
pub(super) async fn follow_listed(
    tx: &Tx,
    snapshot: &OrderSnapshot,
    of_order: &[Refund],
    now: Timestamp,
) -> Result<(), Fault> {
    let listed: Vec<_> = of_order.iter().filter(|refund| moved_after_all(refund, snapshot)).collect();
    if listed.is_empty() {
        return Ok(());
    }
    let ids_listed = || listed.iter().map(|refund| refund.id.0);
    let noticed = Query::select()
        .column(discrepancy::Column::RefundId)
        .from(discrepancy::Entity)
        .cond_where(discrepancy::Column::RefundId.is_in(ids_listed()))
        .to_owned();
    let idle = Condition::any()
        .add(refund::Column::FollowUs.is_null())
        .add(refund::Column::FollowUs.gt(now.micros()));
    let ids = refund::Entity::find()
        .select_only()
        .column(refund::Column::Id)
        .filter(refund::Column::Id.is_in(ids_listed()))
        .filter(refund::Column::Id.not_in_subquery(noticed))
        .filter(idle)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    refund::Entity::update_many()
        .col_expr(refund::Column::FollowUs, Expr::value(now.micros()))
        .filter(refund::Column::Id.in_subquery(ids))
        .exec(&tx.conn)
        .await?;
    Ok(())
}

/// Makes those due that wait for an order, whose guard is locked; tells whether there were any. Whoever is
/// locked by another is about to look at the order, and is passed over.
pub(super) async fn wake_waiting(tx: &Tx, key: &GuardKey, now: Timestamp) -> Result<bool, Fault> {
    let waiting = refund::Entity::find()
        .select_only()
        .column(refund::Column::Id)
        .filter(of_order(key))
        .filter(Expr::cust(WAITING))
        .filter(refund::Column::LeaseWorker.is_null())
        .filter(refund::Column::DueUs.gt(now.micros()))
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    let woken = refund::Entity::update_many()
        .col_expr(refund::Column::DueUs, Expr::value(now.micros()))
        .col_expr(refund::Column::PlannedUs, Expr::value(now.micros()))
        .filter(refund::Column::Id.in_subquery(waiting))
        .exec(&tx.conn)
        .await?;
    Ok(woken.rows_affected > 0)
}
