//! What replicas share of accounts: their state and their rate budgets.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::entity::{account, rate_budget, refund};
use super::fault::Fault;
use super::row;
use super::transaction::Tx;
use crate::domain::account::AccountIdentity;
use crate::domain::admission::{AccountState, Rate};
use crate::domain::timestamp::Timestamp;
use crate::store::wake::Wakes;
use crate::store::{Error, Result};

/// The states of accounts by name, as they are; unknown ones are missing.
pub(super) async fn states(tx: &Tx, names: Vec<&str>) -> Result<HashMap<String, AccountState>, Fault> {
    let models = account::Entity::find().filter(account::Column::Name.is_in(names)).all(&tx.conn).await?;
    by_name(models)
}

/// The same, locked in name order.
pub(super) async fn lock_states(tx: &Tx, names: Vec<&str>) -> Result<HashMap<String, AccountState>, Fault> {
    let models = account::Entity::find()
        .filter(account::Column::Name.is_in(names))
        .order_by_asc(account::Column::Name)
        .lock_exclusive()
        .all(&tx.conn)
        .await?;
    by_name(models)
}

fn by_name(models: Vec<account::Model>) -> Result<HashMap<String, AccountState>, Fault> {
    models.into_iter().map(|model| Ok((model.name.clone(), AccountState::try_from(model)?))).collect()
}

/// Locks one account's state; its row is made if it has none. A shared lock holds off changes and lets others
/// read.
pub(super) async fn lock(tx: &Tx, identity: &AccountIdentity, lock: LockType) -> Result<AccountState, Fault> {
    let find = || account::Entity::find_by_id(identity.name.as_str()).lock(lock).one(&tx.conn);
    if let Some(model) = find().await? {
        return Ok(model.try_into()?);
    }
    let new = row::account::whole(identity, &AccountState::default());
    account::Entity::insert(new)
        .on_conflict(OnConflict::column(account::Column::Name).do_nothing().to_owned())
        .exec_without_returning(&tx.conn)
        .await?;
    match find().await? {
        Some(model) => Ok(model.try_into()?),
        None => Ok(AccountState::default()),
    }
}

pub(super) async fn save(tx: &Tx, name: &str, state: &AccountState) -> Result<(), Fault> {
    account::Entity::update_many()
        .set(row::account::changes(state))
        .filter(account::Column::Name.eq(name))
        .exec(&tx.conn)
        .await?;
    Ok(())
}

/// When buckets have their next slot, as they are; those that nobody spent of are missing.
pub(super) async fn buckets(tx: &Tx, buckets: BTreeSet<&str>) -> Result<HashMap<String, Timestamp>, Fault> {
    if buckets.is_empty() {
        return Ok(HashMap::new());
    }
    let of_these = rate_budget::Column::Bucket.is_in(buckets);
    let models = rate_budget::Entity::find().filter(of_these).all(&tx.conn).await?;
    Ok(models.into_iter().map(|m| (m.bucket, Timestamp::from_micros(m.next_free_us))).collect())
}

/// Spends a slot, or tells how long until there is one.
pub(super) async fn spend(tx: &Tx, rate: &Rate) -> Result<(Option<Duration>, Wakes), Fault> {
    let stored = lock_bucket(tx, &rate.bucket).await?;
    let now = tx.now().await?;
    if let Some(next_free) = stored.filter(|next_free| *next_free > now) {
        return Ok((Some(next_free.since(now)), Wakes::default()));
    }
    save_bucket(tx, &rate.bucket, stored, now.plus(rate.every)).await?;
    Ok((None, Wakes::default()))
}

/// Locks a bucket: when its next slot is free; `None` while nobody spent one.
pub(super) async fn lock_bucket(tx: &Tx, bucket: &str) -> Result<Option<Timestamp>, Fault> {
    let model = rate_budget::Entity::find_by_id(bucket).lock_exclusive().one(&tx.conn).await?;
    Ok(model.map(|model| Timestamp::from_micros(model.next_free_us)))
}

/// Moves a locked bucket. One that another made meanwhile is a lost race.
pub(super) async fn save_bucket(
    tx: &Tx,
    bucket: &str,
    stored: Option<Timestamp>,
    next_free: Timestamp,
) -> Result<(), Fault> {
    let model =
        rate_budget::ActiveModel { bucket: Set(bucket.to_owned()), next_free_us: Set(next_free.micros()) };
    if stored.is_none() {
        rate_budget::Entity::insert(model).exec_without_returning(&tx.conn).await?;
    } else {
        rate_budget::Entity::update_many()
            .set(model)
            .filter(rate_budget::Column::Bucket.eq(bucket))
            .exec(&tx.conn)
            .await?;
    }
    Ok(())
}

/// Puts the next slot of a bucket off until then, never forward.
pub(super) async fn put_off_bucket(tx: &Tx, bucket: &str, until: Timestamp) -> Result<(), Fault> {
    let stored = lock_bucket(tx, bucket).await?;
    let next_free = stored.map_or(until, |stored| stored.max(until));
    save_bucket(tx, bucket, stored, next_free).await
}

/// Makes accounts known, all or none.
pub(super) async fn register(tx: &Tx, identities: &[AccountIdentity]) -> Result<((), Wakes), Fault> {
    let mut identities: Vec<_> = identities.iter().collect();
    identities.sort_by(|a, b| a.name.cmp(&b.name));
    for identity in identities {
        let stored =
            account::Entity::find_by_id(identity.name.as_str()).lock_exclusive().one(&tx.conn).await?;
        let Some(stored) = stored else {
            account::Entity::insert(row::account::whole(identity, &AccountState::default()))
                .exec_without_returning(&tx.conn)
                .await?;
            continue;
        };
        let provider = identity.provider.word();
        let fields = [
            ("provider", stored.provider.as_str(), provider),
            ("merchant", stored.merchant.as_str(), identity.merchant.as_str()),
            ("base_url", stored.base_url.as_str(), identity.base_url.as_str()),
        ];
        let Some((field, was, is)) = fields.into_iter().find(|(_, was, is)| was != is) else {
            continue;
        };
        let open = refund::Entity::find()
            .filter(refund::Column::Account.eq(identity.name.as_str()))
            .filter(refund::Column::DueUs.is_not_null())
            .count(&tx.conn)
            .await?;
        if open > 0 {
            return Err(Fault::Store(Error::AccountChanged {
                account: identity.name.clone(),
                field,
                stored: was.to_owned(),
                configured: is.to_owned(),
                open,
            }));
        }
        account::Entity::update_many()
            .set(account::ActiveModel {
                provider: Set(provider.to_owned()),
                merchant: Set(identity.merchant.clone()),
                base_url: Set(identity.base_url.clone()),
                ..account::ActiveModel::default()
            })
            .filter(account::Column::Name.eq(identity.name.as_str()))
            .exec(&tx.conn)
            .await?;
    }
    Ok(((), Wakes::default()))
}
