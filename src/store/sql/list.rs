//! Lists: pages of refunds by the one index that the query says, never by a scan of the table.
//!
//! A page of a query reads at most [`EXAMINED_MAX`] refunds of that index, newest first, and keeps those that
//! fit the rest of the query.
//!
//! [`EXAMINED_MAX`]: crate::store::EXAMINED_MAX

mod statement;

use sea_orm::sea_query::SelectStatement;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, StatementBuilder};

use super::entity::refund;
use super::fault::Fault;
use super::row::Reading;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::query::{Place, Query};
use crate::domain::refund::{Refund, StateKind};
use crate::domain::timestamp::Timestamp;
use crate::store::page::{cut, next_after, overdue_place};
use crate::store::row::Row;
use crate::store::{Page, Result, Standing};

pub(super) async fn list<C: ConnectionTrait>(
    db: &C,
    query: &Query,
    after: Option<Place>,
    limit: u64,
) -> Result<Page, Fault> {
    let mut refunds = read(db, &statement::page(query, after, limit)).await?;
    if let Some(next) = cut(&mut refunds, limit, Place::of) {
        return Ok(Page { refunds, next: Some(next) });
    }
    let end = match db.query_one(&statement::end(query, after)).await? {
        Some(end) => {
            let time = Timestamp::from_micros(end.try_get("", "created_us")?);
            Some(Place { time, id: RefundId(end.try_get("", "id")?) })
        }
        None => None,
    };
    let next = next_after(&refunds, end);
    Ok(Page { refunds, next })
}

pub(super) async fn overdue<C: ConnectionTrait>(
    db: &C,
    account: Option<&AccountName>,
    after: Option<Place>,
    limit: u64,
    now: Timestamp,
) -> Result<Page, Fault> {
    let mut refunds = read(db, &statement::overdue(account, after, limit, now)).await?;
    let next = cut(&mut refunds, limit, overdue_place);
    Ok(Page { refunds, next })
}

pub(super) async fn standings<C: ConnectionTrait>(db: &C, now: Timestamp) -> Result<Vec<Standing>, Fault> {
    let mut standings: Vec<Standing> = Vec::new();
    for row in db.query_all(&statement::standings(now)).await? {
        let (account, state): (String, String) = (row.try_get("", "account")?, row.try_get("", "state")?);
        let at = Reading::new("refunds", &account);
        let account = at.need("account", AccountName::parse(&account).ok())?;
        let state = at.need("state", StateKind::from_word(&state))?;
        let number = |column: &str| row.try_get::<i64>("", column);
        let natural = |column: &str| number(column).map(|number| u64::try_from(number).unwrap_or(0));
        let oldest = Timestamp::from_micros(number("oldest_us")?);
        if standings.last().is_none_or(|last| last.account != account) {
            standings.push(Standing::empty(account));
        }
        if let Some(standing) = standings.last_mut() {
            standing.count(state, natural("refunds")?, oldest, natural("overdue")?);
        }
    }
    Ok(standings)
}

async fn read<C: ConnectionTrait>(db: &C, statement: &SelectStatement) -> Result<Vec<Refund>, Fault> {
    let found = db.query_all(statement).await?;
    let refund = |found| Ok(Row::try_from(refund::Model::from_query_result(found, "")?)?.refund);
    found.iter().map(refund).collect()
}

/// What lists ask, for a check of how a database goes about it.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'q> {
    /// The refunds of a page.
    Page(&'q Query),
    /// The end of what a page looks at.
    End(&'q Query),
    /// Overdue refunds of an account, or of all.
    Overdue(Option<&'q AccountName>),
    /// How many refunds are open.
    Standings,
}

impl Asked<'_> {
    /// The statement, as it is sent.
    pub fn statement(
        self,
        backend: DbBackend,
        after: Option<Place>,
        limit: u64,
        now: Timestamp,
    ) -> Statement {
        let statement = match self {
            Self::Page(query) => statement::page(query, after, limit),
            Self::End(query) => statement::end(query, after),
            Self::Overdue(account) => statement::overdue(account, after, limit, now),
            Self::Standings => statement::standings(now),
        };
        StatementBuilder::build(&statement, &backend)
    }
}
