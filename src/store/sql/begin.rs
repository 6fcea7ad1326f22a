//! Intent before action: whether a refund may be sent now, decided and written in one transaction.

use std::collections::BTreeSet;

use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{EntityTrait, Set};

use super::entity::{attempt, attempt_member};
use super::fault::Fault;
use super::guards::{self, Guards};
use super::transaction::Tx;
use super::{accounts, refunds, row};
use crate::domain::account::Account;
use crate::domain::admission::AccountState;
use crate::domain::attempt::Attempt;
use crate::domain::decision::{self, Intent, IntentRows, Verdict};
use crate::domain::refund::StateKind;
use crate::domain::timestamp::Timestamp;
use crate::store::row::{GuardKey, Row, attempt_of, own_seen_minor};
use crate::store::wake::Wakes;
use crate::store::{Begun, Lease, Result};

/// The account's rows, locked.
struct AccountRows {
    state: AccountState,
    next_free: Option<Timestamp>,
}

pub(super) async fn begin(
    tx: &Tx,
    lease: &Lease,
    intent: &Intent,
    account: &Account,
) -> Result<(Begun, Wakes), Fault> {
    let locked = refunds::lock(tx, &[lease.refund_id]).await?;
    let row = refunds::known(&locked, lease.refund_id)?;
    if !row.is_held_by(lease) {
        return Ok((Begun::Stale, Wakes::default()));
    }
    let key = GuardKey::of_refund(&row.refund);
    let mut guards = Guards::lock(tx, &key.clone().into_iter().collect::<BTreeSet<_>>()).await?;
    let own_seen_minor = match (&key, &intent.snapshot) {
        (Some(key), Some(snapshot)) if !snapshot.refunds.is_empty() => {
            own_seen_minor(snapshot, guards::own_refunds(tx, key).await?)
        }
        _nothing_seen => 0,
    };
    let rows = lock_account(tx, row, account).await?;
    let now = tx.now().await?;
    let verdict = decision::begin(
        intent,
        IntentRows {
            refund: &row.refund,
            guard: key.as_ref().and_then(|key| guards.get(key)),
            own_seen_minor,
            account_state: &rows.state,
            bucket_next_free: rows.next_free,
        },
        account,
        now,
    )?;
    let (guard, transition) = match &verdict {
        Verdict::Go { transition, guard, .. } | Verdict::Stay { transition, guard } => (guard, transition),
    };
    if let (Some(key), Some(guard)) = (key, guard) {
        guards.set(key, guard.clone());
    }
    guards.save(tx).await?;
    refunds::append(tx, transition.event.clone().into_iter().collect()).await?;
    let mut wakes =
        Wakes { changed: transition.event.iter().map(|event| event.refund_id).collect(), due: false };
    match verdict {
        Verdict::Stay { transition, .. } => {
            let refund = transition.refund;
            wakes.due = refund.due.is_some_and(|due| due <= now);
            refunds::save(tx, &row.settled(refund.clone())).await?;
            Ok((Begun::Stay(Box::new(refund)), wakes))
        }
        Verdict::Go { transition, admitted, .. } => {
            if admitted.account != rows.state {
                accounts::save(tx, account.identity.name.as_str(), &admitted.account).await?;
            }
            if let (Some(rate), Some(next_free)) = (&account.admission.rate, admitted.bucket_next_free) {
                accounts::save_bucket(tx, &rate.bucket, rows.next_free, next_free).await?;
            }
            let attempt = attempt_of(intent, lease.refund_id, &account.identity.name, now);
            if !insert_attempt(tx, &attempt).await? {
                let at = row::Reading::new("attempts", &attempt.id);
                at.need::<()>("id", None)?;
            }
            let refund = transition.refund;
            refunds::save(tx, &row.kept(refund.clone(), intent.lease, now)).await?;
            Ok((Begun::Go(Box::new(refund)), wakes))
        }
    }
}

/// A first send changes nothing of the account's state, so that others may read it too; a resend spends retry
/// tokens.
async fn lock_account(tx: &Tx, row: &Row, account: &Account) -> Result<AccountRows, Fault> {
    let lock = match row.refund.state.kind() {
        StateKind::Pending => LockType::Share,
        _spends => LockType::Update,
    };
    let state = accounts::lock(tx, &account.identity, lock).await?;
    let next_free = match &account.admission.rate {
        None => None,
        Some(rate) => accounts::lock_bucket(tx, &rate.bucket).await?,
    };
    Ok(AccountRows { state, next_free })
}

/// Writes an attempt and its members, unless it is written already; tells whether it wrote.
pub(super) async fn insert_attempt(tx: &Tx, attempt: &Attempt) -> Result<bool, Fault> {
    let once = OnConflict::column(attempt::Column::Id).do_nothing().to_owned();
    let written = attempt::Entity::insert(row::attempt::whole(attempt))
        .on_conflict(once)
        .exec_without_returning(&tx.conn)
        .await?;
    if written == 0 {
        return Ok(false);
    }
    let members = attempt
        .members
        .iter()
        .map(|id| attempt_member::ActiveModel { attempt_id: Set(attempt.id.0), refund_id: Set(id.0) });
    attempt_member::Entity::insert_many(members).exec_without_returning(&tx.conn).await?;
    Ok(true)
}
