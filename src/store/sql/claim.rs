//! Handing out due work, and keeping or giving back what was handed out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use sea_orm::sea_query::{
    Alias, Asterisk, Expr, ExprTrait, Func, LockBehavior, LockType, Query, SelectStatement, UnionType,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::entity::refund;
use super::fault::Fault;
use super::row::span_micros;
use super::transaction::Tx;
use super::{accounts, refunds};
use crate::domain::admission::{AccountState, Claimable};
use crate::domain::id::{AccountName, RefundId};
use crate::domain::refund::StateKind;
use crate::domain::timestamp::Timestamp;
use crate::store::row::Row;
use crate::store::wake::Wakes;
use crate::store::{ClaimAsk, Claimed, Lease, Result};

/// Which refunds of an account are asked for. Literal, not bound: only so can partial indexes serve.
const SENDING: &str = "state = 'sending'";
const NOT_SENDING: &str = "state <> 'sending'";
const STARTED: &str = "state <> 'pending' AND state <> 'sending'";

/// Leases what is due: first SENDING refunds whose worker is gone, then what each account's state allows.
pub(super) async fn claim(tx: &Tx, ask: &ClaimAsk) -> Result<(Vec<Claimed>, Wakes), Fault> {
    let mut rooms: BTreeMap<AccountName, usize> = BTreeMap::new();
    for (account, room) in ask.rooms.iter().filter(|(_, room)| *room > 0) {
        rooms.insert(account.clone(), *room);
    }
    if rooms.is_empty() {
        return Ok((Vec::new(), Wakes::default()));
    }
    let now = tx.now().await?;
    let states = accounts::states(tx, rooms.keys().map(AccountName::as_str).collect()).await?;
    let mut probing = BTreeSet::new();
    let mut due = candidates(tx, &rooms, &states, now, &mut probing).await?;
    due.sort_by_key(|row| (row.refund.state.kind() != StateKind::Sending, row.due, row.refund.id));
    due.retain(|row| match rooms.get_mut(&row.refund.identity.name) {
        Some(room) if *room > 0 => {
            *room -= 1;
            true
        }
        Some(_) | None => false,
    });
    let probed = settle_probes(tx, &mut due, &probing, ask.lease, now).await?;
    lease(tx, ask, &due, now).await?;
    let claimed = due
        .iter()
        .map(|row| {
            let probe = probed.contains(&row.refund.id);
            row.handed_out(&ask.worker, probe, now)
        })
        .collect();
    Ok((claimed, Wakes::default()))
}

/// One statement for all accounts. Rows that another transaction works on are passed over.
async fn candidates(
    tx: &Tx,
    rooms: &BTreeMap<AccountName, usize>,
    states: &HashMap<String, AccountState>,
    now: Timestamp,
    probing: &mut BTreeSet<AccountName>,
) -> Result<Vec<Row>, Fault> {
    let all = rooms.keys().map(AccountName::as_str);
    // Wrapped, so that no planner goes by the account: what is SENDING is little, what an account has due may
    // be much.
    let account = Func::coalesce([Expr::col(refund::Column::Account), Expr::val("")]);
    let run_out = due(now, rooms.values().sum(), SENDING).filter(Expr::expr(account).is_in(all));
    let mut select = from(run_out);
    for (account, room) in rooms {
        let state = states.get(account.as_str());
        let claimable = state.map_or(Claimable::All, |state| state.claimable(now));
        let (limit, which) = match claimable {
            Claimable::All => (*room, NOT_SENDING),
            Claimable::Started => (*room, STARTED),
            Claimable::Probe => {
                probing.insert(account.clone());
                (1, NOT_SENDING)
            }
            Claimable::Nothing => continue,
        };
        let of_account = due(now, limit, which).filter(refund::Column::Account.eq(account.as_str()));
        select.union(UnionType::All, from(of_account));
    }
    tx.conn
        .query_all(&select)
        .await?
        .iter()
        .map(|found| Ok(Row::try_from(refund::Model::from_query_result(found, "")?)?))
        .collect()
}

fn due(now: Timestamp, limit: usize, which: &'static str) -> sea_orm::Select<refund::Entity> {
    refund::Entity::find()
        .filter(refund::Column::DueUs.lte(now.micros()))
        .filter(Expr::cust(which))
        .order_by_asc(refund::Column::DueUs)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
}

fn from(select: sea_orm::Select<refund::Entity>) -> SelectStatement {
    Query::select().column(Asterisk).from_subquery(select.into_query(), Alias::new("found")).to_owned()
}

/// Of accounts that only a probe may try: looks again under their locks, keeps what they allow, and notes the
/// probes.
async fn settle_probes(
    tx: &Tx,
    due: &mut Vec<Row>,
    probing: &BTreeSet<AccountName>,
    lease: Duration,
    now: Timestamp,
) -> Result<BTreeSet<RefundId>, Fault> {
    let is_probe = |row: &Row| {
        row.refund.state.kind() != StateKind::Sending && probing.contains(&row.refund.identity.name)
    };
    let names: BTreeSet<&str> =
        due.iter().filter(|row| is_probe(row)).map(|row| row.refund.identity.name.as_str()).collect();
    let mut probed = BTreeSet::new();
    if names.is_empty() {
        return Ok(probed);
    }
    let states = accounts::lock_states(tx, names.into_iter().collect()).await?;
    due.retain(|row| {
        let state = states.get(row.refund.identity.name.as_str());
        let claimable = state.map_or(Claimable::All, |state| state.claimable(now));
        let keep = !is_probe(row)
            || match claimable {
                Claimable::All | Claimable::Probe => true,
                Claimable::Started => row.refund.state.kind() != StateKind::Pending,
                Claimable::Nothing => false,
            };
        if keep && is_probe(row) && claimable == Claimable::Probe {
            probed.insert(row.refund.id);
        }
        keep
    });
    for row in due.iter().filter(|row| probed.contains(&row.refund.id)) {
        let name = row.refund.identity.name.as_str();
        if let Some(state) = states.get(name) {
            accounts::save(tx, name, &state.probe_taken(lease, now)).await?;
        }
    }
    Ok(probed)
}

async fn lease(tx: &Tx, ask: &ClaimAsk, rows: &[Row], now: Timestamp) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(());
    }
    refund::Entity::update_many()
        .col_expr(refund::Column::LeaseWorker, Expr::value(ask.worker.as_str()))
        .col_expr(refund::Column::LeaseToken, Expr::cust("lease_token + 1"))
        .col_expr(refund::Column::LeaseLengthUs, Expr::value(span_micros(ask.lease)))
        .col_expr(refund::Column::DueUs, Expr::value(now.plus(ask.lease).micros()))
        .filter(refund::Column::Id.is_in(rows.iter().map(|row| row.refund.id.0)))
        .exec(&tx.conn)
        .await?;
    Ok(())
}

/// Makes held leases run for `length` from now; tells which are held.
pub(super) async fn renew(tx: &Tx, leases: &[Lease], length: Duration) -> Result<(Vec<bool>, Wakes), Fault> {
    let (held, now) = held(tx, leases).await?;
    let longest = held.values().filter_map(|row| row.renewed(length, now).due).max();
    if let Some(end) = longest {
        refund::Entity::update_many()
            .col_expr(refund::Column::LeaseLengthUs, Expr::value(span_micros(length)))
            .col_expr(refund::Column::DueUs, Expr::value(end.micros()))
            .filter(refund::Column::Id.is_in(held.keys().map(|id| id.0)))
            .exec(&tx.conn)
            .await?;
    }
    let told = leases
        .iter()
        .map(|lease| held.get(&lease.refund_id).is_some_and(|row| row.is_held_by(lease)))
        .collect();
    Ok((told, Wakes::default()))
}

/// Gives held leases back, due at once.
pub(super) async fn release(tx: &Tx, leases: &[Lease]) -> Result<((), Wakes), Fault> {
    let (held, now) = held(tx, leases).await?;
    if !held.is_empty() {
        refund::Entity::update_many()
            .col_expr(refund::Column::LeaseWorker, Expr::value(Option::<String>::None))
            .col_expr(refund::Column::LeaseLengthUs, Expr::value(Option::<i64>::None))
            .col_expr(refund::Column::DueUs, Expr::value(now.micros()))
            .filter(refund::Column::Id.is_in(held.keys().map(|id| id.0)))
            .exec(&tx.conn)
            .await?;
    }
    let wakes = Wakes { due: !held.is_empty(), ..Wakes::default() };
    Ok(((), wakes))
}

/// Locks the rows of those leases that are held.
async fn held(tx: &Tx, leases: &[Lease]) -> Result<(BTreeMap<RefundId, Row>, Timestamp), Fault> {
    let ids: Vec<_> = leases.iter().map(|lease| lease.refund_id).collect();
    let mut rows = refunds::lock(tx, &ids).await?;
    let now = tx.now().await?;
    rows.retain(|_, row| leases.iter().any(|lease| row.is_held_by(lease)));
    Ok((rows, now))
}
