//! The schema, one file per change, for SQLite and PostgreSQL from one source.
//!
//! All times are whole microseconds since the Unix epoch (`_us`), all amounts whole minor units (`_minor`),
//! the words of states and reasons are those of the domain. Each law of the domain that one row alone can
//! break stands here again as a constraint, so that no other program breaks it either.

use std::collections::BTreeSet;

pub use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::sea_orm::{
    DatabaseConnection, EntityTrait, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{
    IntoSchemaManagerConnection, MigrationTrait, MigratorTrait, SchemaManager, seaql_migrations,
};

mod dialect;
mod m20261122_000001_begin;
mod m20261129_000002_history;
mod m20261129_000003_lists;

/// Where the names of applied changes are kept.
const NAMES_TABLE: &str = "seaql_migrations";

/// Every change of the schema, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_begin::Migration),
            Box::new(m20261129_000002_history::Migration),
            Box::new(m20261129_000003_lists::Migration),
        ]
    }
}

/// What the schema lacks of what this program knows, by name, in order; reads only. Changes that this program
/// does not know are no fault: an older program runs on a newer schema.
///
/// # Errors
/// What the database said.
pub async fn pending<'c>(db: impl IntoSchemaManagerConnection<'c>) -> Result<Vec<String>, DbErr> {
    let manager = SchemaManager::new(db);
    let applied: BTreeSet<String> = if manager.has_table(NAMES_TABLE).await? {
        let rows = seaql_migrations::Entity::find().all(manager.get_connection()).await?;
        rows.into_iter().map(|row| row.version).collect()
    } else {
        BTreeSet::new()
    };
    Ok(Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .filter(|name| !applied.contains(name))
        .collect())
}

/// Brings the schema up to what this program knows, all changes in one transaction; does nothing on a current
/// or a newer schema. One process at a time does it, others wait.
///
/// # Errors
/// What the database said; nothing is changed then.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = db
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    dialect::wait_for_turn(&transaction).await?;
    if !pending(&transaction).await?.is_empty() {
        Migrator::up(&transaction, None).await?;
    }
    transaction.commit().await
}
