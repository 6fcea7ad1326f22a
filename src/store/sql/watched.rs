//! What streams of a filter read: events by position, and what is not final. Each read costs what is new or
//! open, however many refunds there are.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use super::entity::{event, refund};
use super::events::TURN;
use super::fault::Fault;
use super::read::events_from;
use super::row;
use crate::domain::event::EventFilter;
use crate::domain::id::{AccountName, CallerName, RefundId};
use crate::domain::money::{Currency, Money};
use crate::store::row::Row;
use crate::store::{Matching, OpenPage, Positions, Result};

/// What of a refund says whether it matches, and its amount.
type Told = (uuid::Uuid, String, String, Option<String>, Option<String>, Option<i64>);

/// Looks through the next positions: their refunds are looked up by id, since no planner must ever begin with
/// all refunds of a caller.
pub(super) async fn matching<C: ConnectionTrait>(
    db: &C,
    filter: &EventFilter,
    position: i64,
    limit: u64,
) -> Result<Matching, Fault> {
    let events = events_from(db, position, limit).await?;
    let looked_from = events.first().and_then(|event| event.position);
    let looked_to = events.last().and_then(|event| event.position).unwrap_or(position);
    let ids: BTreeSet<uuid::Uuid> = events.iter().map(|event| event.refund_id.0).collect();
    if ids.is_empty() || filter.nothing {
        return Ok(Matching { events: Vec::new(), looked_from, looked_to });
    }
    let told: Vec<Told> = refund::Entity::find()
        .select_only()
        .columns([
            refund::Column::Id,
            refund::Column::Caller,
            refund::Column::Account,
            refund::Column::OrderKey,
            refund::Column::Currency,
            refund::Column::AmountMinor,
        ])
        .filter(refund::Column::Id.is_in(ids))
        .into_tuple()
        .all(db)
        .await?;
    let mut amounts: BTreeMap<RefundId, Option<Money>> = BTreeMap::new();
    for (id, caller, account, order_key, currency, amount_minor) in told {
        let at = row::Reading::new("refunds", &id);
        let caller = at.need("caller", CallerName::parse(&caller).ok())?;
        let account = at.need("account", AccountName::parse(&account).ok())?;
        if filter.takes(&caller, &account, order_key.as_deref()) {
            let currency = at.may("currency", currency, |code| Currency::parse(&code).ok())?;
            let amount = currency.zip(amount_minor).and_then(|(c, minor)| Money::new(c, minor).ok());
            amounts.insert(RefundId(id), amount);
        }
    }
    let matching = events.into_iter().filter_map(|event| {
        let amount = amounts.get(&event.refund_id)?;
        Some((event, *amount))
    });
    Ok(Matching { events: matching.collect(), looked_from, looked_to })
}

/// Filtered here: with a filter in the statement a planner sorts all that is open for each page.
pub(super) async fn open_refunds<C: ConnectionTrait>(
    db: &C,
    filter: &EventFilter,
    after: Option<RefundId>,
    limit: u64,
) -> Result<OpenPage, Fault> {
    let mut select = refund::Entity::find()
        // Literal, not bound: only so can the partial index serve.
        .filter(Expr::cust("due_us IS NOT NULL"))
        .order_by_asc(refund::Column::Id)
        .limit(limit);
    if let Some(after) = after {
        select = select.filter(refund::Column::Id.gt(after.0));
    }
    let models = select.all(db).await?;
    let looked_to = models.last().map(|model| RefundId(model.id));
    let rows = models.into_iter().map(Row::try_from).collect::<Result<Vec<Row>, _>>()?;
    let refunds = rows.into_iter().map(|row| row.refund).filter(|refund| filter.takes_refund(refund));
    Ok(OpenPage { refunds: refunds.collect(), looked_to })
}

pub(super) async fn positions<C: ConnectionTrait>(db: &C) -> Result<Positions, Fault> {
    let turn = db.query_one_raw(Statement::from_string(db.get_database_backend(), TURN)).await?;
    let turn = turn.ok_or_else(|| DbErr::RecordNotFound("the last position".to_owned()))?;
    let last = turn.try_get("", "last_position")?;
    let first: Option<Option<i64>> = event::Entity::find()
        .select_only()
        .column(event::Column::Position)
        .filter(event::Column::Position.is_not_null())
        .order_by_asc(event::Column::Position)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(Positions { first: first.flatten(), last })
}
