//! Claims of eSIMs: no eSIM of a company is in two refunds that live. The primary key is the law; whoever
//! loses a race for it looks again and is told.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, Set};

use super::entity::iccid_claim::{ActiveModel, Column, Entity};
use super::fault::Fault;
use super::transaction::Tx;
use crate::domain::id::RefundId;
use crate::store::Result;
use crate::store::row::EsimKey;

/// Claims in one statement.
const CLAIMS_MAX: usize = 1_000;

/// Those of some eSIMs that are claimed.
pub(super) async fn taken(tx: &Tx, keys: &BTreeSet<EsimKey>) -> Result<BTreeSet<EsimKey>, Fault> {
    let mut taken = BTreeSet::new();
    let keys: Vec<&EsimKey> = keys.iter().collect();
    for keys in keys.chunks(CLAIMS_MAX) {
        let models = Entity::find().filter(any_of(keys)).all(&tx.conn).await?;
        let claimed: BTreeSet<(&str, &str, &str)> =
            models.iter().map(|m| (m.provider.as_str(), m.merchant.as_str(), m.iccid.as_str())).collect();
        let is_claimed =
            |key: &&&EsimKey| claimed.contains(&(key.provider, key.merchant.as_str(), key.iccid.as_str()));
        taken.extend(keys.iter().filter(is_claimed).map(|key| (*key).clone()));
    }
    Ok(taken)
}

/// Claims eSIMs for refunds, in key order. One that another claimed meanwhile is a lost race.
pub(super) async fn insert(tx: &Tx, claims: &BTreeMap<EsimKey, RefundId>) -> Result<(), Fault> {
    let mut new = Vec::with_capacity(claims.len());
    for (key, id) in claims {
        new.push(ActiveModel {
            provider: Set(key.provider.to_owned()),
            merchant: Set(key.merchant.clone()),
            iccid: Set(key.iccid.as_str().to_owned()),
            refund_id: Set(id.0),
        });
    }
    for new in new.chunks(CLAIMS_MAX) {
        Entity::insert_many(new.iter().cloned()).exec_without_returning(&tx.conn).await?;
    }
    Ok(())
}

/// Gives up claims of a refund.
pub(super) async fn delete(tx: &Tx, refund_id: RefundId, keys: &[EsimKey]) -> Result<(), Fault> {
    if keys.is_empty() {
        return Ok(());
    }
    let keys: Vec<&EsimKey> = keys.iter().collect();
    Entity::delete_many()
        .filter(any_of(&keys))
        .filter(Column::RefundId.eq(refund_id.0))
        .exec(&tx.conn)
        .await?;
    Ok(())
}

/// One list per company: a term per key would nest as deep as there are keys.
fn any_of(keys: &[&EsimKey]) -> Condition {
    let mut iccids: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for key in keys {
        iccids.entry((key.provider, &key.merchant)).or_default().push(key.iccid.as_str());
    }
    iccids.into_iter().fold(Condition::any(), |any, ((provider, merchant), iccids)| {
        any.add(
            Condition::all()
                .add(Column::Provider.eq(provider))
                .add(Column::Merchant.eq(merchant))
                .add(Column::Iccid.is_in(iccids)),
        )
    })
}
