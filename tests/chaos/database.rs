//! The database past the service: what stands in its tables.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as SeaDatabase, DatabaseConnection, DbBackend, DbErr,
    IsolationLevel, QueryResult, Statement, TransactionTrait, Value,
};
use uuid::Uuid;

/// One row of `refunds`.
#[derive(Debug, Clone)]
pub(crate) struct RefundRow {
    pub(crate) id: Uuid,
    pub(crate) request_id: String,
    pub(crate) account: String,
    pub(crate) provider: String,
    pub(crate) merchant: String,
    pub(crate) provider_key: Uuid,
    pub(crate) order_key: Option<String>,
    pub(crate) order_id: Option<String>,
    pub(crate) iccids: Option<String>,
    pub(crate) amount_minor: Option<i64>,
    pub(crate) success_minor: Option<i64>,
    pub(crate) state: String,
    pub(crate) wait: Option<String>,
    pub(crate) sequence: i64,
    pub(crate) due_us: Option<i64>,
    pub(crate) leased: bool,
    pub(crate) refused: bool,
}

impl RefundRow {
    pub(crate) fn is_final(&self) -> bool {
        self.due_us.is_none()
    }

    /// Its eSIMs, if it is of eSIMs.
    pub(crate) fn esims(&self) -> Vec<String> {
        self.iccids.as_deref().map_or_else(Vec::new, |json| serde_json::from_str(json).unwrap())
    }
}

/// One row of `events`.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) refund_id: Uuid,
    pub(crate) sequence: i64,
    pub(crate) position: Option<i64>,
    pub(crate) previous: Option<String>,
    pub(crate) state: String,
    pub(crate) time_us: i64,
}

/// A send, or what a restore puts in its place.
#[derive(Debug, Clone)]
pub(crate) struct SendRow {
    pub(crate) refund_id: Uuid,
    pub(crate) kind: String,
    pub(crate) outcome: Option<String>,
}

/// One row of `guards`: provider, merchant and order, and what it counts.
#[derive(Debug, Clone)]
pub(crate) struct GuardRow {
    pub(crate) order: (String, String, String),
    pub(crate) own_minor: i64,
    pub(crate) captured_minor: Option<i64>,
}

/// The tables at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) refunds: Vec<RefundRow>,
    /// Each refund's in order.
    pub(crate) events: Vec<EventRow>,
    /// In order of their beginning.
    pub(crate) sends: Vec<SendRow>,
    pub(crate) guards: Vec<GuardRow>,
}

/// A connection of the run's own.
pub(crate) struct Database(DatabaseConnection);

impl Database {
    pub(crate) async fn connect(url: &str) -> Self {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(3))
            .connect_timeout(Duration::from_secs(3))
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|options| options.busy_timeout(Duration::from_secs(10)));
        Self(SeaDatabase::connect(options).await.unwrap())
    }

    /// The rows of a query; `$1` and so on stand for the values.
    pub(crate) async fn rows(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let backend = self.0.get_database_backend();
        self.0.query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await
    }

    /// A number.
    pub(crate) async fn number(&self, sql: &str) -> Result<i64, DbErr> {
        let rows = self.rows(sql, []).await?;
        rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))
    }

    /// Everything, as it stood at one moment.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, DbErr> {
        let isolation = match self.0.get_database_backend() {
            DbBackend::Postgres => Some(IsolationLevel::RepeatableRead),
            // A reader of SQLite sees what was when it began.
            _one_writer => None,
        };
        let at_once = self.0.begin_with_config(isolation, None).await?;
        let snapshot = Snapshot {
            refunds: all(&at_once, REFUNDS, refund).await?,
            events: all(&at_once, EVENTS, event).await?,
            sends: all(&at_once, SENDS, send).await?,
            guards: all(&at_once, GUARDS, guard).await?,
        };
        at_once.commit().await?;
        Ok(snapshot)
    }

    /// Events by their place among all, after a position.
    pub(crate) async fn events_from(&self, position: i64, limit: i64) -> Result<Vec<EventRow>, DbErr> {
        let sql = "SELECT refund_id, sequence, position, previous, state, time_us FROM events
                WHERE position > $1 ORDER BY position LIMIT $2";
        self.rows(sql, [position.into(), limit.into()]).await?.iter().map(event).collect()
    }

    /// The history of a refund, for people.
    pub(crate) async fn story(&self, id: Uuid) -> Result<String, DbErr> {
        let events = "SELECT sequence, state, actor, time_us, note, failure_text FROM events
                WHERE refund_id = $1 ORDER BY sequence";
        let attempts = "SELECT kind, started_us, took_us, outcome, phase, http_status, provider_text, late
                FROM attempts JOIN attempt_members ON attempt_id = attempts.id
                WHERE refund_id = $1 ORDER BY started_us";
        let mut story = Vec::new();
        for row in self.rows(events, [id.into()]).await? {
            let (sequence, time): (i64, i64) = (row.try_get("", "sequence")?, row.try_get("", "time_us")?);
            let state: String = row.try_get("", "state")?;
            let note: Option<String> = row.try_get("", "note")?;
            let failure: Option<String> = row.try_get("", "failure_text")?;
            story.push((time, format!("{time} {sequence} {state} {note:?} {failure:?}")));
        }
        for row in self.rows(attempts, [id.into()]).await? {
            let (kind, time): (String, i64) = (row.try_get("", "kind")?, row.try_get("", "started_us")?);
            let outcome: Option<String> = row.try_get("", "outcome")?;
            let phase: Option<String> = row.try_get("", "phase")?;
            let status: Option<i64> = row.try_get("", "http_status")?;
            let took: Option<i64> = row.try_get("", "took_us")?;
            let said: Option<String> = row.try_get("", "provider_text")?;
            let late: bool = row.try_get("", "late")?;
            let end = format!("{outcome:?} {phase:?} {status:?} took {took:?} late {late} {said:?}");
            story.push((time, format!("{time} {kind}: {end}")));
        }
        story.sort();
        let lines: Vec<String> = story.into_iter().map(|(_, line)| line).collect();
        Ok(format!("\n      {}", lines.join("\n      ")))
    }
}

const REFUNDS: &str = "SELECT id, request_id, account, provider, merchant, provider_key, order_key, order_id,
    CAST(iccids AS TEXT) AS iccids, amount_minor, success_minor, state, wait, sequence, due_us, lease_worker,
    refusal_reason FROM refunds";
const EVENTS: &str = "SELECT refund_id, sequence, position, previous, state, time_us FROM events
    ORDER BY refund_id, sequence";
const SENDS: &str = "SELECT refund_id, kind, outcome FROM attempts
    JOIN attempt_members ON attempt_id = attempts.id
    WHERE kind IN ('send', 'resend', 'restore') ORDER BY started_us";
const GUARDS: &str = "SELECT provider, merchant, order_key, own_minor, captured_minor FROM guards";

async fn all<T>(
    connection: &impl ConnectionTrait,
    sql: &str,
    read: impl Fn(&QueryResult) -> Result<T, DbErr>,
) -> Result<Vec<T>, DbErr> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_all_raw(statement).await?.iter().map(read).collect()
}

fn send(row: &QueryResult) -> Result<SendRow, DbErr> {
    Ok(SendRow {
        refund_id: row.try_get("", "refund_id")?,
        kind: row.try_get("", "kind")?,
        outcome: row.try_get("", "outcome")?,
    })
}

fn guard(row: &QueryResult) -> Result<GuardRow, DbErr> {
    Ok(GuardRow {
        order: (row.try_get("", "provider")?, row.try_get("", "merchant")?, row.try_get("", "order_key")?),
        own_minor: row.try_get("", "own_minor")?,
        captured_minor: row.try_get("", "captured_minor")?,
    })
}

fn refund(row: &QueryResult) -> Result<RefundRow, DbErr> {
    let worker: Option<String> = row.try_get("", "lease_worker")?;
    let refusal: Option<String> = row.try_get("", "refusal_reason")?;
    Ok(RefundRow {
        id: row.try_get("", "id")?,
        request_id: row.try_get("", "request_id")?,
        account: row.try_get("", "account")?,
        provider: row.try_get("", "provider")?,
        merchant: row.try_get("", "merchant")?,
        provider_key: row.try_get("", "provider_key")?,
        order_key: row.try_get("", "order_key")?,
        order_id: row.try_get("", "order_id")?,
        iccids: row.try_get("", "iccids")?,
        amount_minor: row.try_get("", "amount_minor")?,
        success_minor: row.try_get("", "success_minor")?,
        state: row.try_get("", "state")?,
        wait: row.try_get("", "wait")?,
        sequence: row.try_get("", "sequence")?,
        due_us: row.try_get("", "due_us")?,
        leased: worker.is_some(),
        refused: refusal.is_some(),
    })
}

fn event(row: &QueryResult) -> Result<EventRow, DbErr> {
    Ok(EventRow {
        refund_id: row.try_get("", "refund_id")?,
        sequence: row.try_get("", "sequence")?,
        position: row.try_get("", "position")?,
        previous: row.try_get("", "previous")?,
        state: row.try_get("", "state")?,
        time_us: row.try_get("", "time_us")?,
    })
}
