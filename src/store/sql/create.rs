//! Accepting wishes: many in one transaction, each on its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use super::entity::{idempotency_key, refund};
use super::fault::Fault;
use super::guards::Guards;
use super::transaction::Tx;
use super::{claims, refunds};
use crate::domain::decision::{Acceptance, accept};
use crate::domain::id::{CallerName, RefundId, RequestId};
use crate::domain::refund::{NewRefund, Refund};
use crate::store::Result;
use crate::store::row::{EsimKey, GuardKey, Row, Written};
use crate::store::wake::Wakes;

type Scope = (CallerName, RequestId);

/// Decides row by row, in the order given, on guards that are locked in key order, and writes all at once.
pub(super) async fn create(tx: &Tx, batch: &[NewRefund]) -> Result<(Vec<Acceptance>, Wakes), Fault> {
    let keys: BTreeSet<GuardKey> = batch.iter().filter_map(guard_key).collect();
    let mut guards = Guards::lock(tx, &keys).await?;
    let esims: BTreeSet<EsimKey> = batch.iter().flat_map(esim_keys).collect();
    let mut taken = claims::taken(tx, &esims).await?;
    let mut claimed: BTreeMap<EsimKey, RefundId> = BTreeMap::new();
    // Read after the guards are locked and the claims are seen: a twin that held or made them has committed
    // by now.
    let mut accepted = accepted_before(tx, batch).await?;
    let now = tx.now().await?;
    let mut written = Vec::new();
    let mut wakes = Wakes::default();
    let mut acceptances = Vec::with_capacity(batch.len());
    for new in batch {
        let scope = (new.caller.clone(), new.request_id.clone());
        let key = guard_key(new);
        let guard = key.as_ref().and_then(|key| guards.get(key));
        let esims = esim_keys(new);
        let of_others: Vec<_> =
            esims.iter().filter(|key| taken.contains(key)).map(|key| key.iccid.clone()).collect();
        let mut acceptance = accept(new.clone(), accepted.get(&scope), guard, &of_others, now);
        if let Acceptance::Accepted { transition, guard } = &mut acceptance {
            let first = Written::accepted(transition);
            if let (Some(key), Some(guard)) = (key, guard) {
                guards.set(key, guard.clone());
            }
            accepted.insert(scope, first.row.refund.clone());
            taken.extend(esims.iter().cloned());
            claimed.extend(esims.into_iter().map(|key| (key, transition.refund.id)));
            wakes.add(&first, now);
            written.push(first);
        }
        acceptances.push(acceptance);
    }
    if !written.is_empty() {
        guards.save(tx).await?;
        refunds::insert(tx, &written).await?;
        claims::insert(tx, &claimed).await?;
    }
    Ok((acceptances, wakes))
}

/// What [`create`] would answer, now; writes nothing.
pub(super) async fn rehearse(tx: &Tx, new: &NewRefund) -> Result<Acceptance, Fault> {
    let keys: BTreeSet<GuardKey> = guard_key(new).into_iter().collect();
    let guards = Guards::lock(tx, &keys).await?;
    let guard = keys.first().and_then(|key| guards.get(key));
    let taken = claims::taken(tx, &esim_keys(new).into_iter().collect()).await?;
    let taken: Vec<_> = taken.into_iter().map(|key| key.iccid).collect();
    let accepted = accepted_before(tx, std::slice::from_ref(new)).await?;
    let existing = accepted.into_values().next();
    let now = tx.now().await?;
    Ok(accept(new.clone(), existing.as_ref(), guard, &taken, now))
}

fn guard_key(new: &NewRefund) -> Option<GuardKey> {
    GuardKey::of(&new.identity, &new.content)
}

fn esim_keys(new: &NewRefund) -> Vec<EsimKey> {
    EsimKey::all_of(&new.identity, &new.content)
}

async fn accepted_before(tx: &Tx, batch: &[NewRefund]) -> Result<HashMap<Scope, Refund>, Fault> {
    let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for new in batch {
        asked.entry(new.caller.as_str()).or_default().push(new.request_id.as_str());
    }
    let any = asked.into_iter().fold(Condition::any(), |any, (caller, request_ids)| {
        let of_caller = Condition::all()
            .add(idempotency_key::Column::Caller.eq(caller))
            .add(idempotency_key::Column::RequestId.is_in(request_ids));
        any.add(of_caller)
    });
    let mut ids = Query::select();
    ids.column(idempotency_key::Column::RefundId).from(idempotency_key::Entity).cond_where(any);
    let models = refund::Entity::find().filter(refund::Column::Id.in_subquery(ids)).all(&tx.conn).await?;
    models
        .into_iter()
        .map(|model| {
            let refund = Row::try_from(model)?.refund;
            Ok(((refund.caller.clone(), refund.request_id.clone()), refund))
        })
        .collect()
}
