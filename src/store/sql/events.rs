//! Giving events their place among all: after commit, in per-refund order, without holes.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::fault::Fault;
use super::transaction::Tx;
use crate::store::Result;
use crate::store::wake::Wakes;

/// Whoever locks this row has the turn. Another waits for it, since what has been committed in the meantime
/// may have come too late for the one before.
pub(super) const TURN: &str = "SELECT last_position FROM event_positions WHERE id = 1";

/// An event's id is drawn under its refund's lock, so that the order of ids is each refund's order.
const PLACE: &str = "
UPDATE events SET position = placed.position
FROM (SELECT id, CAST($1 AS BIGINT) + ROW_NUMBER() OVER (ORDER BY id) AS position
      FROM (SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT $2) AS waiting) AS placed
WHERE events.id = placed.id";

const REMEMBER: &str = "UPDATE event_positions SET last_position = $1 WHERE id = 1";

pub(super) async fn sequence(tx: &Tx, limit: u64) -> Result<(u64, Wakes), Fault> {
    let backend = tx.conn.get_database_backend();
    let turn = match backend {
        DbBackend::Postgres => format!("{TURN} FOR UPDATE"),
        _one_writer => TURN.to_owned(),
    };
    let turn = tx.conn.query_one_raw(Statement::from_string(backend, turn)).await?;
    let turn = turn.ok_or_else(|| DbErr::RecordNotFound("the last position".to_owned()))?;
    let last: i64 = turn.try_get("", "last_position")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // A statement of its own: it sees what was committed before the turn was taken.
    let place = Statement::from_sql_and_values(backend, PLACE, [last.into(), limit.into()]);
    let placed = tx.conn.execute_raw(place).await?.rows_affected();
    if placed > 0 {
        let last = last.saturating_add(i64::try_from(placed).unwrap_or(i64::MAX));
        let remember = Statement::from_sql_and_values(backend, REMEMBER, [last.into()]);
        tx.conn.execute_raw(remember).await?;
    }
    Ok((placed, Wakes { placed: placed > 0, ..Wakes::default() }))
}
