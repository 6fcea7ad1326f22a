//! What the two databases spell differently.

use sea_orm_migration::SchemaManager;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr};

/// The key of the advisory lock under which PostgreSQL's schema is changed.
const LOCK_KEY: i64 = 7_733_863_001;

/// Waits until no other process changes the schema; the turn ends with the transaction.
pub(crate) async fn wait_for_turn(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        // A change of a large table, or the wait for another process's, may take longer than any call of the
        // service.
        let sql = format!("SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({LOCK_KEY})");
        transaction.execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Runs statements that are written once: `{uuid}`, `{int}`, `{json}`, `{bool}`, `{auto}` stand for types and
/// `{strict}`, at the end of a table, makes SQLite hold its types as PostgreSQL does; `{clustered}` also
/// keeps its rows in the primary key alone. `{json_entries}` and `{json_items}` give the `key` and `value` of
/// an object's entries, and the `value` of a list's items.
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let words: [(&str, &str); 9] = match manager.get_database_backend() {
        DbBackend::Postgres => [
            ("{uuid}", "UUID"),
            ("{int}", "BIGINT"),
            ("{json}", "JSONB"),
            ("{bool}", "BOOLEAN"),
            ("{auto}", "BIGSERIAL PRIMARY KEY"),
            ("{strict}", ""),
            ("{clustered}", ""),
            ("{json_entries}", "jsonb_each_text"),
            ("{json_items}", "jsonb_array_elements_text"),
        ],
        DbBackend::Sqlite => [
            ("{uuid}", "BLOB"),
            ("{int}", "INTEGER"),
            ("{json}", "TEXT"),
            ("{bool}", "INTEGER"),
            ("{auto}", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("{strict}", "STRICT"),
            ("{clustered}", "STRICT, WITHOUT ROWID"),
            ("{json_entries}", "json_each"),
            ("{json_items}", "json_each"),
        ],
        _ => return Err(DbErr::Migration("neither SQLite nor PostgreSQL".to_owned())),
    };
    for statement in statements {
        let sql = words.iter().fold((*statement).to_owned(), |sql, (word, text)| sql.replace(word, text));
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}
