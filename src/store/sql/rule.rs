//! What people decide: of one refund under its row lock, of an account under its own.

use sea_orm::sea_query::LockType;

use super::fault::Fault;
use super::guards::{self, Guards};
use super::transaction::Tx;
use super::{accounts, claims, histories, refunds, row};
use crate::domain::account::{Account, AccountIdentity};
use crate::domain::admission::{AccountState, Amendment};
use crate::domain::history::History;
use crate::domain::id::RefundId;
use crate::domain::ruling::Ruling;
use crate::store::history::opened;
use crate::store::row::{EsimKey, GuardKey, frees_order};
use crate::store::wake::Wakes;
use crate::store::{Result, RuledAs};

pub(super) async fn rule(
    tx: &Tx,
    id: RefundId,
    ruling: &Ruling,
    account: Option<&Account>,
) -> Result<(RuledAs, Wakes), Fault> {
    let mut locked = refunds::lock(tx, &[id]).await?;
    let Some(before) = locked.remove(&id) else {
        return Ok((RuledAs::NotFound, Wakes::default()));
    };
    let earlier = if ruling.asks_history() {
        History::of(opened(id, histories::sealed_of(&tx.conn, id).await?)?).decisions
    } else {
        Vec::new()
    };
    let now = tx.now().await?;
    let mut wakes = Wakes::default();
    let written = match before.rule(ruling, account, &earlier, now) {
        Ok(written) => written,
        Err(told) => return Ok((told, wakes)),
    };
    wakes.add(&written, now);
    refunds::write(tx, &written).await?;
    let (before, after) = (before.refund, written.row.refund);
    claims::delete(tx, id, &EsimKey::given_up(&before, &after)).await?;
    let (held, holds) = (before.held_minor(), after.held_minor());
    let frees = account.is_some_and(|account| frees_order(&before, &after, account));
    if let Some(key) = GuardKey::of_refund(&after).filter(|_| held != holds || frees) {
        let mut guards = Guards::lock(tx, &[key.clone()].into()).await?;
        let at = row::Reading::new("guards", &key.order_key);
        let guard = at.need("order_key", guards.get(&key))?.moved(held, holds);
        guards.set(key.clone(), guard);
        guards.save(tx).await?;
        if frees {
            wakes.due |= guards::wake_waiting(tx, &key, now).await?;
        }
    }
    Ok((RuledAs::Done(Box::new(after)), wakes))
}

/// Pauses or resumes an account.
pub(super) async fn amend(
    tx: &Tx,
    identity: &AccountIdentity,
    amendment: &Amendment,
) -> Result<(AccountState, Wakes), Fault> {
    let state = accounts::lock(tx, identity, LockType::Update).await?.amended(amendment);
    accounts::save(tx, identity.name.as_str(), &state).await?;
    Ok((state, Wakes { due: true, ..Wakes::default() }))
}
