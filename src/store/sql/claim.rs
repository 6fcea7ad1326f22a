//! Handing out due work.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{
    Alias, Asterisk, Expr, ExprTrait, Func, LockBehavior, LockType, Query, SelectStatement, UnionType,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::entity::refund;
use super::fault::Fault;
use super::transaction::Tx;
use super::{accounts, leases};
use crate::domain::admission::{AccountState, Claimable};
use crate::domain::batch;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::timestamp::Timestamp;
use crate::store::row::{Call, Desk, Row, calls, may_go, of_bucket};
use crate::store::wake::Wakes;
use crate::store::{ClaimAsk, Claimed, Result};

/// Which refunds of an account are asked for. Literal, not bound: only so can partial indexes serve.
const SENDING: &str = "state = 'sending'";
const NOT_SENDING: &str = "state <> 'sending'";
const STARTED: &str = "state <> 'pending' AND state <> 'sending'";
const PENDING: &str = "state = 'pending'";

/// In which order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The longest due first.
    Due,
    /// The oldest first, as `row::age` says: sorted, which a slot is worth.
    Age,
}

/// Leases what is due: first SENDING refunds whose worker is gone, then what each account's state allows.
pub(super) async fn claim(tx: &Tx, ask: &ClaimAsk) -> Result<(Vec<Claimed>, Wakes), Fault> {
    let now = tx.now().await?;
    let mut desks = desks(tx, ask).await?;
    if desks.is_empty() {
        return Ok((Vec::new(), Wakes::default()));
    }
    ask_for_slots(tx, ask, &mut desks, now).await?;
    let due = candidates(tx, &desks, now).await?;
    let mut calls = calls(due, &desks, now);
    let mut states: BTreeMap<&str, AccountState> =
        desks.iter().map(|desk| (desk.name().as_str(), desk.state.clone())).collect();
    settle_probes(tx, ask, &mut calls, &desks, &mut states, now).await?;
    let ids: Vec<RefundId> = calls.iter().flat_map(|call| &call.rows).map(|row| row.refund.id).collect();
    leases::take(tx, ask, &ids, now).await?;
    calls.extend(follow_ups(tx, ask, &desks, &calls, now).await?);
    let claimed = calls
        .iter()
        .map(|call| {
            let state = call.account().and_then(|name| states.get(name.as_str()));
            call.handed_out(&ask.worker, state.cloned().unwrap_or_default(), now)
        })
        .collect();
    Ok((claimed, Wakes::default()))
}

/// The accounts with room, as they stand.
async fn desks<'a>(tx: &Tx, ask: &'a ClaimAsk) -> Result<Vec<Desk<'a>>, Fault> {
    let with_room = || ask.rooms.iter().filter(|(_, room)| *room > 0).map(|(account, _)| account);
    let names: Vec<&str> = with_room().map(|account| account.identity.name.as_str()).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let states = accounts::states(tx, names).await?;
    let rates = with_room().filter_map(|account| account.admission.rate.as_ref());
    let buckets: BTreeSet<&str> = rates.map(|rate| rate.bucket.as_str()).collect();
    let buckets: HashMap<String, Timestamp> = accounts::buckets(tx, buckets).await?;
    Ok(Desk::all_of(ask, |account| {
        let state = states.get(account.identity.name.as_str()).cloned().unwrap_or_default();
        let rate = account.admission.rate.as_ref();
        (state, rate.and_then(|rate| buckets.get(&rate.bucket).copied()))
    }))
}

/// Sees whose slots are asked for already. Asked only while a slot is free and could be gone for. Two
/// replicas that claim at the same moment may both go for it: the slot is spent once, whoever comes first.
async fn ask_for_slots(tx: &Tx, ask: &ClaimAsk, desks: &mut [Desk<'_>], now: Timestamp) -> Result<(), Fault> {
    let going = desks.iter().filter(|desk| desk.fills_calls(now)).filter_map(Desk::shared_bucket);
    let names: BTreeSet<&str> =
        going.flat_map(|bucket| of_bucket(ask, bucket)).map(AccountName::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    let made_ready: Vec<String> = refund::Entity::find()
        .select_only()
        .column(refund::Column::Account)
        .distinct()
        .filter(refund::Column::Account.is_in(names))
        .filter(Expr::cust(PENDING))
        .filter(refund::Column::DueUs.gt(now.micros()))
        // A running lease ends no later than this.
        .filter(refund::Column::DueUs.lte(now.plus(ask.lease).micros()))
        .filter(refund::Column::LeaseWorker.is_not_null())
        .into_tuple()
        .all(&tx.conn)
        .await?;
    for desk in desks {
        let bucket = desk.shared_bucket();
        let mut others = bucket.into_iter().flat_map(|bucket| of_bucket(ask, bucket));
        desk.slot_asked_for = others.any(|name| made_ready.iter().any(|account| account == name.as_str()));
    }
    Ok(())
}

/// One statement for all accounts. Rows that another transaction works on are passed over.
async fn candidates(tx: &Tx, desks: &[Desk<'_>], now: Timestamp) -> Result<Vec<Row>, Fault> {
    // Wrapped, so that no planner goes by the account: what is SENDING, or may not be sent any more, is
    // little, what an account has due may be much.
    let account = || Expr::expr(Func::coalesce([Expr::col(refund::Column::Account), Expr::val("")]));
    let names = || desks.iter().map(|desk| desk.name().as_str());
    let rooms = desks.iter().map(|desk| desk.room).fold(0, usize::saturating_add);
    let mut select = from(due(now, rooms, SENDING, By::Due).filter(account().is_in(names())));
    let held_up = desks.iter().filter(|desk| desk.claimable(now) != Claimable::All);
    let held_up: Vec<&str> = held_up.map(|desk| desk.name().as_str()).collect();
    if !held_up.is_empty() {
        let past = due(now, rooms, PENDING, By::Age).filter(refund::Column::SendBeforeUs.lte(now.micros()));
        select.union(UnionType::All, from(past.filter(account().is_in(held_up))));
    }
    for desk in desks {
        let (one, each): (usize, usize) = (1, desk.room);
        let wanted: &[(usize, &'static str, By)] = match desk.claimable(now) {
            Claimable::All if desk.fills_calls(now) => {
                &[(each, STARTED, By::Due), (batch::CANDIDATES_MAX, PENDING, By::Age)]
            }
            Claimable::All => &[(each, NOT_SENDING, By::Due)],
            Claimable::Started => &[(each, STARTED, By::Due)],
            Claimable::Probe => &[(one, PENDING, By::Due), (one, STARTED, By::Due)],
            Claimable::Nothing => &[],
        };
        for (limit, which, by) in wanted {
            let of_account =
                due(now, *limit, which, *by).filter(refund::Column::Account.eq(desk.name().as_str()));
            select.union(UnionType::All, from(of_account));
        }
    }
    rows_of(tx, &select).await
}

fn due(now: Timestamp, limit: usize, which: &'static str, by: By) -> sea_orm::Select<refund::Entity> {
    let due =
        refund::Entity::find().filter(refund::Column::DueUs.lte(now.micros())).filter(Expr::cust(which));
    let in_order = match by {
        By::Due => due.order_by_asc(refund::Column::DueUs),
        By::Age => due.order_by_asc(refund::Column::CreatedUs).order_by_asc(refund::Column::Id),
    };
    in_order
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
}

fn from(select: sea_orm::Select<refund::Entity>) -> SelectStatement {
    Query::select().column(Asterisk).from_subquery(select.into_query(), Alias::new("found")).to_owned()
}

/// Final refunds that are looked at again, where there is room left: leased.
async fn follow_ups(
    tx: &Tx,
    ask: &ClaimAsk,
    desks: &[Desk<'_>],
    calls: &[Call],
    now: Timestamp,
) -> Result<Vec<Call>, Fault> {
    let mut selects = desks.iter().filter_map(|desk| {
        let limit = desk.room_for_follow_ups(calls, now)?;
        let due = refund::Entity::find()
            .filter(refund::Column::Account.eq(desk.name().as_str()))
            .filter(refund::Column::FollowUs.lte(now.micros()))
            .order_by_asc(refund::Column::FollowUs)
            .limit(u64::try_from(limit).unwrap_or(u64::MAX))
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        Some(from(due))
    });
    let Some(mut select) = selects.next() else { return Ok(Vec::new()) };
    for other in selects {
        select.union(UnionType::All, other);
    }
    let rows = rows_of(tx, &select).await?;
    let ids: Vec<RefundId> = rows.iter().map(|row| row.refund.id).collect();
    leases::take_followed(tx, &ids, now.plus(ask.lease)).await?;
    Ok(rows.into_iter().map(Call::follow_up).collect())
}

async fn rows_of(tx: &Tx, select: &SelectStatement) -> Result<Vec<Row>, Fault> {
    let found = tx.conn.query_all(select).await?;
    found.iter().map(|found| Ok(Row::try_from(refund::Model::from_query_result(found, "")?)?)).collect()
}

/// Of accounts that only a probe may try: looks again under their locks, keeps what they allow, and notes the
/// probes.
async fn settle_probes<'a>(
    tx: &Tx,
    ask: &ClaimAsk,
    calls: &mut Vec<Call>,
    desks: &[Desk<'a>],
    states: &mut BTreeMap<&'a str, AccountState>,
    now: Timestamp,
) -> Result<(), Fault> {
    let probed =
        |desk: &&Desk<'_>| calls.iter().any(|call| call.probe && call.account() == Some(desk.name()));
    let probing: Vec<&Desk<'a>> = desks.iter().filter(probed).collect();
    if probing.is_empty() {
        return Ok(());
    }
    let locked = accounts::lock_states(tx, probing.iter().map(|desk| desk.name().as_str()).collect()).await?;
    for desk in probing {
        let name = desk.name().as_str();
        let state = locked.get(name).cloned().unwrap_or_default();
        let claimable = state.claimable(desk.bucket_next_free, now);
        calls.retain(|call| {
            let is_its = call.probe && call.account() == Some(desk.name());
            !is_its || call.rows.iter().all(|row| may_go(row.refund.state.kind(), claimable))
        });
        for call in calls.iter_mut().filter(|call| call.probe && call.account() == Some(desk.name())) {
            call.probe = claimable == Claimable::Probe;
            if call.probe {
                accounts::save(tx, name, &state.probe_taken(ask.lease, now)).await?;
            }
        }
        states.insert(name, state);
    }
    Ok(())
}
