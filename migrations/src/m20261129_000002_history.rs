//! What happened to a refund, in chained entries; decisions of people; final refunds that are followed up.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000002_history"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, REFUNDS).await?;
        dialect::run(manager, &[HISTORY]).await?;
        dialect::run(manager, DISCREPANCIES).await
    }
}

/// A refund that was accepted before has no entries of what came before: it is told from `events` and
/// `attempts`, which are written as ever.
const REFUNDS: &[&str] = &[
    "ALTER TABLE refunds ADD COLUMN history_number {int} NOT NULL DEFAULT 0 CHECK (history_number >= 0)",
    "ALTER TABLE refunds ADD COLUMN history_hash TEXT
     CHECK ((history_hash IS NULL) = (history_number = 0))",
    "ALTER TABLE refunds ADD COLUMN follow_us {int} CHECK (follow_us IS NULL OR due_us IS NULL)",
    "ALTER TABLE refunds ADD COLUMN freed {bool} NOT NULL DEFAULT FALSE
     CHECK (freed = FALSE OR state = 'reversed')",
    "CREATE INDEX refunds_follow ON refunds (account, follow_us) WHERE follow_us IS NOT NULL",
    "CREATE INDEX refunds_pending ON refunds (account, created_us, id) WHERE state = 'pending'",
    "CREATE INDEX refunds_open_by_id ON refunds (id) WHERE due_us IS NOT NULL",
    "CREATE INDEX refunds_retry_of ON refunds (retry_of) WHERE retry_of IS NOT NULL",
];

/// Only ever added to. The text is kept as it was sealed.
const HISTORY: &str = "
CREATE TABLE history (
    refund_id {uuid} NOT NULL REFERENCES refunds (id),
    number {int} NOT NULL CHECK (number >= 1),
    text TEXT NOT NULL,
    hash TEXT NOT NULL CHECK (LENGTH(hash) = 64),
    PRIMARY KEY (refund_id, number)
) {strict}";

/// `provider_refund_id` is empty where the provider names none: one effect opens one discrepancy.
const DISCREPANCIES: &[&str] = &[
    "
CREATE TABLE discrepancies (
    refund_id {uuid} NOT NULL REFERENCES refunds (id),
    number {int} NOT NULL CHECK (number >= 1),
    account TEXT NOT NULL,
    currency TEXT,
    amount_minor {int} CHECK (amount_minor >= 0),
    provider_refund_id TEXT NOT NULL,
    opened_us {int} NOT NULL,
    closed_us {int},
    closed_by TEXT,
    close_note TEXT,
    PRIMARY KEY (refund_id, number),
    CONSTRAINT discrepancies_once UNIQUE (refund_id, provider_refund_id),
    CONSTRAINT discrepancies_closing_is_whole CHECK ((closed_us IS NULL) = (closed_by IS NULL)
        AND (closed_us IS NULL) = (close_note IS NULL))
) {strict}",
    "CREATE INDEX discrepancies_open ON discrepancies (opened_us, refund_id, number) WHERE closed_us IS NULL",
    "CREATE INDEX discrepancies_all ON discrepancies (opened_us, refund_id, number)",
];
