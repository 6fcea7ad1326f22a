//! What lists ask. What drives a page stands apart from the rest of its query by a subquery with a limit,
//! which no planner looks through.

use sea_orm::sea_query::{
    Alias, Asterisk, ColumnRef, Expr, ExprTrait, IntoColumnRef, IntoTableRef, JoinType, Order, Query as Sql,
    SelectStatement, SubQueryStatement, TableRef, UnionType,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryTrait};

use crate::domain::id::{AccountName, Iccid};
use crate::domain::query::{Label, OrderOf, Place, Query};
use crate::domain::refund::StateKind;
use crate::domain::timestamp::Timestamp;
use crate::store::EXAMINED_MAX;
use crate::store::page::Drive;
use crate::store::sql::entity::{refund, refund_esim, refund_label};

/// What a page looks at.
const FOUND: &str = "found";
/// The conditions of the indexes of all refunds, which whoever is to go by them has to name: see the
/// migration. That of open refunds is `planned_us`.
const BY_TIME: &str = "sequence >= 1";
const BY_ACCOUNT: &str = "sends >= 0";
const BY_CALLER: &str = "lease_token >= 0";

/// The refunds of a page, and one more if there is one.
pub(super) fn page(query: &Query, after: Option<Place>, limit: u64) -> SelectStatement {
    let (source, found) = (Source::of(query), || Alias::new(FOUND));
    let (mut page, columns_of) = match source.table {
        Table::Refunds => {
            let mut page = Sql::select();
            page.column(Asterisk).from_subquery(source.window(query, after, What::Rows), found());
            (page, FOUND)
        }
        Table::Labels | Table::Esims => {
            let mut page = refund::Entity::find().into_query();
            let places = source.window(query, after, What::Places);
            let is_found = column_of("refunds", refund::Column::Id).eq(column_of(FOUND, refund::Column::Id));
            page.join_subquery(JoinType::InnerJoin, places, found(), is_found);
            (page, "refunds")
        }
    };
    for condition in rest(query, columns_of) {
        page.and_where(condition);
    }
    newest_first(
        &mut page,
        [refund::Column::CreatedUs, refund::Column::Id].map(|c| (found(), c).into_column_ref()),
    );
    page.limit(limit.saturating_add(1));
    page
}

/// The last place that a page looks at; nothing when there are fewer.
pub(super) fn end(query: &Query, after: Option<Place>) -> SelectStatement {
    let mut end = Source::of(query).window(query, after, What::Places);
    end.limit(1).offset(EXAMINED_MAX.saturating_sub(1));
    end
}

/// Overdue refunds, and one more if there is one. The account is looked for in the index alone.
pub(super) fn overdue(
    account: Option<&AccountName>,
    after: Option<Place>,
    limit: u64,
    now: Timestamp,
) -> SelectStatement {
    use refund::Column::{Account, Id, OverdueUs};
    let mut page = refund::Entity::find().into_query();
    page.and_where(OverdueUs.lte(now.micros()))
        .and_where_option(account.map(|name| Account.eq(name.as_str())))
        .and_where_option(after.map(|after| pair([OverdueUs, Id].map(own)).gt(value_of(after))))
        .order_by(own(OverdueUs), Order::Asc)
        .order_by(own(Id), Order::Asc)
        .limit(limit.saturating_add(1));
    page
}

/// The open refunds of each account in each state, counted, by account: from the index alone.
pub(super) fn standings(now: Timestamp) -> SelectStatement {
    use refund::Column::{Account, CreatedUs, OverdueUs, PlannedUs, State};
    let is_overdue = Expr::case(OverdueUs.lte(now.micros()), 1).finally(0);
    Sql::select()
        .columns([own(Account), own(State)])
        .expr_as(Expr::col(Asterisk).count(), "refunds")
        .expr_as(Expr::col(own(CreatedUs)).min(), "oldest_us")
        .expr_as(Expr::expr(is_overdue).sum(), "overdue")
        .from(refund::Entity)
        .and_where(PlannedUs.is_not_null())
        .group_by_columns([own(Account), own(State)])
        .order_by(own(Account), Order::Asc)
        .to_owned()
}

/// Where the refunds of a page are found: ranges of an index, which do not overlap.
struct Source {
    table: Table,
    ranges: Vec<Vec<Expr>>,
}

#[derive(Clone, Copy)]
enum Table {
    Refunds,
    Labels,
    Esims,
}

#[derive(Clone, Copy)]
enum What {
    /// Whole refunds, out of the table of refunds.
    Rows,
    /// When they were accepted and which they are.
    Places,
}

impl Source {
    fn of(query: &Query) -> Self {
        use refund::Column::{
            Account, Caller, Merchant, OrderKey, PlannedUs, Provider, ProviderRefundId, ReviewReference,
            State,
        };
        let refunds = |ranges| Self { table: Table::Refunds, ranges };
        match Drive::of(query) {
            Drive::Order(OrderOf { provider, merchant, key }) => refunds(vec![vec![
                Provider.eq(provider.word()),
                Merchant.eq(merchant.as_str()),
                OrderKey.eq(key.as_str()),
            ]]),
            // One of the two, as the state is.
            Drive::ProviderRefundId(id) => {
                refunds([ProviderRefundId, ReviewReference].map(|column| vec![column.eq(id)]).into())
            }
            Drive::Open(states) => {
                let whose = [
                    query.account.as_ref().map(|name| Account.eq(name.as_str())),
                    query.caller.as_ref().map(|name| Caller.eq(name.as_str())),
                    query.provider.map(|provider| Provider.eq(provider.word())),
                ];
                let open = |state: &StateKind| {
                    let is_open = [State.eq(state.word()), PlannedUs.is_not_null()];
                    is_open.into_iter().chain(whose.iter().flatten().cloned()).collect()
                };
                refunds(states.iter().map(open).collect())
            }
            Drive::Account(name) => refunds(vec![vec![Account.eq(name.as_str()), Expr::cust(BY_ACCOUNT)]]),
            Drive::Caller(name) => refunds(vec![vec![Caller.eq(name.as_str()), Expr::cust(BY_CALLER)]]),
            Drive::All => refunds(vec![vec![Expr::cust(BY_TIME)]]),
            Drive::Label(label) => Self { table: Table::Labels, ranges: vec![is_label(label)] },
            Drive::Esim(iccid) => Self { table: Table::Esims, ranges: vec![is_esim(iccid)] },
        }
    }

    /// The newest of all ranges, as many as a page looks at.
    fn window(&self, query: &Query, after: Option<Place>, what: What) -> SelectStatement {
        let place = self.table.place();
        let mut scans = self.ranges.iter().map(|conditions| {
            let mut scan = self.table.select(what);
            let created = Expr::col(self.table.created());
            for condition in conditions {
                scan.and_where(condition.clone());
            }
            scan.and_where_option(query.created_from.map(|from| created.clone().gte(from.micros())))
                .and_where_option(query.created_until.map(|until| created.lt(until.micros())))
                .and_where_option(after.map(|after| pair(place.clone()).lt(value_of(after))));
            newest_first(&mut scan, place.clone());
            scan.limit(EXAMINED_MAX);
            scan
        });
        let first = scans.next().unwrap_or_default();
        let others: Vec<SelectStatement> = scans.collect();
        if others.is_empty() {
            return first;
        }
        // Whole in a subquery, so that PostgreSQL merges them in order instead of sorting them.
        let part = |scan| Sql::select().column(Asterisk).from_subquery(scan, Alias::new("part")).to_owned();
        let mut all = part(first);
        all.unions(others.into_iter().map(|scan| (UnionType::All, part(scan))));
        let mut merged = Sql::select();
        merged.column(Asterisk).from_subquery(all, Alias::new("parts"));
        newest_first(
            &mut merged,
            [refund::Column::CreatedUs, refund::Column::Id].map(IntoColumnRef::into_column_ref),
        );
        merged.limit(EXAMINED_MAX);
        merged
    }
}

impl Table {
    fn created(self) -> ColumnRef {
        let [created, _id] = self.place();
        created
    }

    /// The columns of a place.
    fn place(self) -> [ColumnRef; 2] {
        match self {
            Self::Refunds => [refund::Column::CreatedUs, refund::Column::Id].map(own),
            Self::Labels => {
                use refund_label::Column::{CreatedUs, RefundId};
                [CreatedUs, RefundId].map(|column| (refund_label::Entity, column).into_column_ref())
            }
            Self::Esims => {
                use refund_esim::Column::{CreatedUs, RefundId};
                [CreatedUs, RefundId].map(|column| (refund_esim::Entity, column).into_column_ref())
            }
        }
    }

    fn named(self) -> TableRef {
        match self {
            Self::Refunds => refund::Entity.into_table_ref(),
            Self::Labels => refund_label::Entity.into_table_ref(),
            Self::Esims => refund_esim::Entity.into_table_ref(),
        }
    }

    fn select(self, what: What) -> SelectStatement {
        match what {
            What::Rows => refund::Entity::find().into_query(),
            What::Places => {
                let [created, id] = self.place();
                let mut places = Sql::select();
                places
                    .expr_as(Expr::col(created), refund::Column::CreatedUs)
                    .expr_as(Expr::col(id), refund::Column::Id)
                    .from(self.named());
                places
            }
        }
    }
}

/// What of a query the index does not know, of the columns of `refunds` under that name.
fn rest(query: &Query, of: &'static str) -> Vec<Expr> {
    use refund::Column::{
        Account, Caller, Merchant, OrderKey, Provider, ProviderRefundId, ReviewReference, State,
    };
    let known = Drive::of(query).within(query);
    let is = |column, value: &str| column_of(of, column).eq(value);
    let mut conditions = Vec::new();
    if let (Some(name), None) = (&query.caller, &known.caller) {
        conditions.push(is(Caller, name.as_str()));
    }
    if let (Some(name), None) = (&query.account, &known.account) {
        conditions.push(is(Account, name.as_str()));
    }
    if let (Some(provider), None) = (query.provider, known.provider) {
        conditions.push(is(Provider, provider.word()));
    }
    if let (Some(OrderOf { provider, merchant, key }), None) = (&query.order, &known.order) {
        conditions.extend([is(Provider, provider.word()), is(Merchant, merchant), is(OrderKey, key)]);
    }
    if let (Some(id), None) = (&query.provider_refund_id, &known.provider_refund_id) {
        conditions.push(is(ProviderRefundId, id).or(is(ReviewReference, id)));
    }
    if !query.states.is_empty() && known.states.is_empty() {
        conditions.push(column_of(of, State).is_in(query.states.iter().map(|state| state.word())));
    }
    if let (Some(iccid), None) = (&query.iccid, &known.iccid) {
        conditions.push(is_among(Table::Esims, is_esim(iccid), of));
    }
    if let (Some(label), None) = (&query.label, &known.label) {
        conditions.push(is_among(Table::Labels, is_label(label), of));
    }
    conditions
}

fn is_label(label: &Label) -> Vec<Expr> {
    vec![
        refund_label::Column::Key.eq(label.key.as_str()),
        refund_label::Column::Value.eq(label.value.as_str()),
    ]
}

fn is_esim(iccid: &Iccid) -> Vec<Expr> {
    vec![refund_esim::Column::Iccid.eq(iccid.as_str())]
}

/// Whether a refund is in a table under these conditions: by its primary key for each refund, which `EXISTS`
/// would leave to the planner.
fn is_among(table: Table, conditions: Vec<Expr>, of: &'static str) -> Expr {
    let [created, id] = table.place();
    let mut entry = Sql::select();
    entry.expr(Expr::col(id.clone())).from(table.named());
    for condition in conditions {
        entry.and_where(condition);
    }
    entry
        .and_where(Expr::col(created).eq(column_of(of, refund::Column::CreatedUs)))
        .and_where(Expr::col(id).eq(column_of(of, refund::Column::Id)));
    let entry = Expr::SubQuery(None, Box::new(SubQueryStatement::SelectStatement(entry)));
    column_of(of, refund::Column::Id).eq(entry)
}

fn newest_first(select: &mut SelectStatement, place: [ColumnRef; 2]) {
    for column in place {
        select.order_by(column, Order::Desc);
    }
}

fn own(column: refund::Column) -> ColumnRef {
    (refund::Entity, column).into_column_ref()
}

fn column_of(table: &'static str, column: refund::Column) -> Expr {
    Expr::col((Alias::new(table), column))
}

fn pair(columns: [ColumnRef; 2]) -> Expr {
    Expr::tuple(columns.map(Expr::col))
}

fn value_of(place: Place) -> Expr {
    Expr::tuple([Expr::value(place.time.micros()), Expr::value(place.id.0)])
}
