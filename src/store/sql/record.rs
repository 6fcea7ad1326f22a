//! What came of a step: the round trip, each member's change, the guard, the account, in one transaction.

use std::collections::BTreeSet;

use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::begin::insert_attempt;
use super::entity::attempt;
use super::fault::Fault;
use super::guards::{self, Guards};
use super::transaction::Tx;
use super::{accounts, claims, discrepancies, refunds, row};
use crate::domain::account::Account;
use crate::domain::answer::{Signal, quiet_of_looks};
use crate::domain::attempt::AttemptEnd;
use crate::domain::id::AttemptId;
use crate::domain::timestamp::Timestamp;
use crate::store::row::{
    EsimKey, GuardKey, Row, Stepped, Written, figures_are_unclear, frees_order, marked, next_slot,
    own_seen_minor, wakes_followed,
};
use crate::store::wake::Wakes;
use crate::store::{AttemptRecord, Error, Record, Recorded, Result};

pub(super) async fn record(
    tx: &Tx,
    record: &Record,
    account: &Account,
) -> Result<(Vec<Recorded>, Wakes), Fault> {
    let ids: Vec<_> = record.members.iter().map(|m| m.lease.refund_id).collect();
    let locked = refunds::lock(tx, &ids).await?;
    let now = tx.now().await?;
    let mut wakes = Wakes::default();
    let (mut told, mut steps, mut late) = (Vec::new(), Vec::new(), Vec::new());
    for member in &record.members {
        let before = refunds::known(&locked, member.lease.refund_id)?;
        let noticed = discrepancies::known_of(tx, &before.refund).await?;
        match before.step(member, record, &noticed, account, now)? {
            Stepped::Applied(after) => {
                wakes.add(&after, now);
                told.push(Recorded::Applied(Box::new(after.row.refund.clone())));
                refunds::write(tx, &after).await?;
                steps.push((before, after));
            }
            Stepped::Late(evidence) => {
                told.push(Recorded::Stale);
                late.extend(evidence.map(|evidence| (before, evidence)));
            }
        }
    }
    let opened = steps.iter().chain(&late).filter(|(_, written)| written.discrepancy.is_some());
    wakes.noticed = opened.map(|(before, _)| before.refund.id).collect();
    wakes.grown = late.iter().map(|(_, written)| written.head()).collect();
    for (_, evidence) in &late {
        refunds::write(tx, evidence).await?;
    }
    for (before, after) in &steps {
        let given_up = EsimKey::given_up(&before.refund, &after.row.refund);
        claims::delete(tx, before.refund.id, &given_up).await?;
    }
    // A worker that lost every lease changes nothing but its own attempt, and tells of money that moved.
    let alone = steps.is_empty() && !record.members.is_empty();
    let noticed = late.into_iter().filter(|(_, evidence)| evidence.discrepancy.is_some());
    let told_of: Vec<_> = steps.into_iter().chain(noticed).collect();
    wakes.due |= tell_guards(tx, record, &told_of, account, now).await?;
    if !alone {
        tell_account(tx, &record.signals, account, now).await?;
        let ended = told_of.iter().map(|(before, _)| *before);
        if let Some((bucket, until)) = next_slot(&record.signals, ended, account, now) {
            accounts::put_off_bucket(tx, &bucket, until).await?;
        }
    }
    write_attempt(tx, record, told.contains(&Recorded::Stale)).await?;
    Ok((told, wakes))
}

/// Moves what the refunds hold, tells the guards what was seen of the order, and wakes who waits for an order
/// that is free now: under its guard, so that nobody decides to wait meanwhile. Tells whether anybody was
/// woken.
async fn tell_guards(
    tx: &Tx,
    record: &Record,
    steps: &[(&Row, Written)],
    account: &Account,
    now: Timestamp,
) -> Result<bool, Fault> {
    let frees = |before: &Row, after: &Written| frees_order(&before.refund, &after.row.refund, account);
    let touches = |before: &Row, after: &Written| {
        let moves = before.refund.held_minor() != after.row.refund.held_minor();
        record.snapshot.is_some() || moves || after.discrepancy.is_some() || frees(before, after)
    };
    let keys: BTreeSet<GuardKey> = steps
        .iter()
        .filter(|(before, after)| touches(before, after))
        .filter_map(|(before, _)| GuardKey::of_refund(&before.refund))
        .collect();
    if keys.is_empty() {
        return Ok(false);
    }
    let mut guards = Guards::lock(tx, &keys).await?;
    for (before, after) in steps {
        let Some(key) = GuardKey::of_refund(&before.refund).filter(|key| keys.contains(key)) else {
            continue;
        };
        let at = row::Reading::new("guards", &key.order_key);
        let guard = at.need("order_key", guards.get(&key))?;
        let guard = guard.moved(before.refund.held_minor(), after.row.refund.held_minor());
        let noticed_minor = after.discrepancy.as_ref().and_then(|noticed| noticed.amount_minor);
        guards.set(key, guard.with_external(noticed_minor.unwrap_or(0)));
    }
    if let Some(snapshot) = &record.snapshot {
        for key in keys {
            let all = guards::refunds_of(tx, &key).await?;
            if wakes_followed(steps) {
                guards::follow_listed(tx, snapshot, &all, now).await?;
            }
            if figures_are_unclear(account, &all) {
                continue;
            }
            let own = own_seen_minor(snapshot, &all);
            if let Some(guard) = guards.get(&key) {
                let guard = guard.observe(snapshot, own);
                guards.set(key, guard);
            }
        }
    }
    guards.save(tx).await?;
    let mut woken = false;
    for (before, _) in steps.iter().filter(|(before, after)| frees(before, after)) {
        if let Some(key) = GuardKey::of_refund(&before.refund) {
            woken |= guards::wake_waiting(tx, &key, now).await?;
        }
    }
    Ok(woken)
}

/// Tells the account what the answer told of it. Most answers tell nothing new, and then nothing is locked.
async fn tell_account(tx: &Tx, signals: &[Signal], account: &Account, now: Timestamp) -> Result<(), Fault> {
    if signals.is_empty() {
        return Ok(());
    }
    let name = account.identity.name.as_str();
    let states = accounts::states(tx, vec![name]).await?;
    let state = states.get(name).cloned().unwrap_or_default();
    if state.observe(signals, &account.admission, now) != state {
        let state = accounts::lock(tx, &account.identity, LockType::Update).await?;
        let after = state.observe(signals, &account.admission, now);
        accounts::save(tx, name, &after).await?;
    }
    if let (Some(quiet), Some(rate)) = (quiet_of_looks(signals), &account.lookup_rate) {
        accounts::put_off_bucket(tx, &rate.bucket, now.plus(quiet)).await?;
    }
    Ok(())
}

async fn write_attempt(tx: &Tx, record: &Record, stale: bool) -> Result<(), Fault> {
    match marked(record.attempt.clone(), stale) {
        None => Ok(()),
        // A record that comes again, after a commit whose confirmation was lost, finds its round trip
        // written.
        Some(AttemptRecord::Whole(whole)) => insert_attempt(tx, &whole).await.map(|_written| ()),
        Some(AttemptRecord::End(id, end)) => end_attempt(tx, id, &end).await,
    }
}

/// Late evidence is what really came of the attempt: it replaces what another inferred, and is not replaced
/// by it.
async fn end_attempt(tx: &Tx, id: AttemptId, end: &AttemptEnd) -> Result<(), Fault> {
    let mut update =
        attempt::Entity::update_many().set(row::attempt::end(Some(end))).filter(attempt::Column::Id.eq(id.0));
    if !end.late {
        update = update.filter(attempt::Column::Late.eq(false));
    }
    if update.exec(&tx.conn).await?.rows_affected == 0 {
        let known = attempt::Entity::find_by_id(id.0).one(&tx.conn).await?;
        known.ok_or_else(|| Error::Inconsistent { table: "attempts", column: "id", id: id.to_string() })?;
    }
    Ok(())
}
