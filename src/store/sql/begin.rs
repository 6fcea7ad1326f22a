//! Intent before action: which refunds may be sent now in one call, decided and written in one transaction.

use std::collections::BTreeSet;

use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{EntityTrait, Set};

use super::entity::{attempt, attempt_member};
use super::fault::Fault;
use super::guards::{self, Guards};
use super::transaction::Tx;
use super::{accounts, claims, refunds, row};
use crate::domain::account::Account;
use crate::domain::admission::AccountState;
use crate::domain::attempt::Attempt;
use crate::domain::decision::{self, AccountRows, Intent, MemberRows, Verdict, Verdicts};
use crate::domain::refund::StateKind;
use crate::domain::sight::Sight;
use crate::domain::timestamp::Timestamp;
use crate::store::row::{EsimKey, GuardKey, OtherRefunds, Row, attempt_of, guard_after, own_seen_minor};
use crate::store::wake::Wakes;
use crate::store::{Begun, Lease, Result};

/// A member whose lease is held, with what is read for it under locks.
struct Member<'a> {
    row: &'a Row,
    sight: Option<&'a Sight>,
    key: Option<GuardKey>,
    own_seen_minor: i64,
    others: OtherRefunds,
}

/// The account's rows, locked.
struct Standing {
    state: AccountState,
    next_free: Option<Timestamp>,
}

pub(super) async fn begin(
    tx: &Tx,
    leases: &[Lease],
    intent: &Intent,
    account: &Account,
) -> Result<(Vec<Begun>, Wakes), Fault> {
    let ids: Vec<_> = leases.iter().map(|lease| lease.refund_id).collect();
    let locked = refunds::lock(tx, &ids).await?;
    let (mut begun, mut members) = (Vec::with_capacity(leases.len()), Vec::new());
    for (place, lease) in leases.iter().enumerate() {
        let row = refunds::known(&locked, lease.refund_id)?;
        begun.push(Begun::Stale);
        if row.is_held_by(lease) {
            let sight = intent.sights.get(place).and_then(Option::as_ref);
            let key = GuardKey::of_refund(&row.refund);
            members.push((
                place,
                Member { row, sight, key, own_seen_minor: 0, others: OtherRefunds::default() },
            ));
        }
    }
    if members.is_empty() {
        return Ok((begun, Wakes::default()));
    }
    let keys: BTreeSet<GuardKey> = members.iter().filter_map(|(_, member)| member.key.clone()).collect();
    let mut guards = Guards::lock(tx, &keys).await?;
    for (_, member) in &mut members {
        look_at_order(tx, member, account, intent.looked).await?;
    }
    let standing = lock_account(tx, &members, account).await?;
    let now = tx.now().await?;
    let rows: Vec<MemberRows<'_>> = members.iter().map(|(_, member)| member.rows(&guards)).collect();
    let account_rows = AccountRows { account, state: &standing.state, bucket_next_free: standing.next_free };
    let verdicts = decision::begin(intent, &rows, account_rows, now)?;
    let mut wakes = Wakes::default();
    let attempt = spend(tx, intent, account, &members, &verdicts, &standing, now).await?;
    for ((place, member), verdict) in members.iter().zip(verdicts.members) {
        if let (Some(key), Some(guard)) = (&member.key, &verdict.guard) {
            let (before, after) = (&member.row.refund, &verdict.transition.refund);
            guards.set(key.clone(), guard_after(guards.get(key), guard, before, after));
        }
        let told = write(tx, member.row, verdict, attempt.as_ref(), intent, &mut wakes, now).await?;
        if let Some(begun) = begun.get_mut(*place) {
            *begun = told;
        }
    }
    guards.save(tx).await?;
    Ok((begun, wakes))
}

impl Member<'_> {
    fn rows<'r>(&'r self, guards: &'r Guards) -> MemberRows<'r> {
        MemberRows {
            refund: &self.row.refund,
            sight: self.sight,
            guard: self.key.as_ref().and_then(|key| guards.get(key)),
            own_seen_minor: self.own_seen_minor,
            others: self.others.as_read(),
        }
    }
}

/// What of its order's other refunds matters, read after the guard is locked.
async fn look_at_order(
    tx: &Tx,
    member: &mut Member<'_>,
    account: &Account,
    looked: Option<Timestamp>,
) -> Result<(), Fault> {
    let Some(key) = &member.key else {
        return Ok(());
    };
    let order = member.sight.and_then(Sight::order);
    if let Some(snapshot) = order.filter(|order| !order.refunds.is_empty()) {
        member.own_seen_minor = own_seen_minor(snapshot, &guards::refunds_of(tx, key).await?);
    }
    if !account.capabilities.echoes_key {
        let refunds = guards::refunds_of(tx, key).await?;
        member.others = OtherRefunds::new(member.row.refund.id, &refunds, looked);
    }
    Ok(())
}

/// A first send changes nothing of the account's state, so that others may read it too; a resend spends retry
/// tokens.
async fn lock_account(
    tx: &Tx,
    members: &[(usize, Member<'_>)],
    account: &Account,
) -> Result<Standing, Fault> {
    let first = members.iter().all(|(_, member)| member.row.refund.state.kind() == StateKind::Pending);
    let lock = if first { LockType::Share } else { LockType::Update };
    let state = accounts::lock(tx, &account.identity, lock).await?;
    let next_free = match &account.admission.rate {
        None => None,
        Some(rate) => accounts::lock_bucket(tx, &rate.bucket).await?,
    };
    Ok(Standing { state, next_free })
}

/// Writes what those who go spend together, and their one attempt, which it gives; nothing if nobody goes.
async fn spend(
    tx: &Tx,
    intent: &Intent,
    account: &Account,
    members: &[(usize, Member<'_>)],
    verdicts: &Verdicts,
    standing: &Standing,
    now: Timestamp,
) -> Result<Option<Attempt>, Fault> {
    let Some(admitted) = &verdicts.admitted else {
        return Ok(None);
    };
    if admitted.account != standing.state {
        accounts::save(tx, account.identity.name.as_str(), &admitted.account).await?;
    }
    if let (Some(rate), Some(next_free)) = (&account.admission.rate, admitted.bucket_next_free) {
        accounts::save_bucket(tx, &rate.bucket, standing.next_free, next_free).await?;
    }
    let going: Vec<_> = members
        .iter()
        .zip(&verdicts.members)
        .filter(|(_, verdict)| verdict.goes)
        .map(|((_, member), _)| (member.row.refund.id, member.sight))
        .collect();
    let attempt = attempt_of(intent, &going, &account.identity.name, now);
    if !insert_attempt(tx, &attempt).await? {
        row::Reading::new("attempts", &attempt.id).need::<()>("id", None)?;
    }
    Ok(Some(attempt))
}

/// Writes what became of one member.
async fn write(
    tx: &Tx,
    row: &Row,
    verdict: Verdict,
    attempt: Option<&Attempt>,
    intent: &Intent,
    wakes: &mut Wakes,
    now: Timestamp,
) -> Result<Begun, Fault> {
    let goes = verdict.goes;
    claims::delete(tx, row.refund.id, &EsimKey::given_up(&row.refund, &verdict.transition.refund)).await?;
    let written = row.begun(verdict, attempt, intent.lease, now);
    wakes.add(&written, now);
    refunds::write(tx, &written).await?;
    let refund = Box::new(written.row.refund);
    Ok(if goes { Begun::Go(refund) } else { Begun::Stay(refund) })
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
