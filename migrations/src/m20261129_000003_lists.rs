//! What lists go by: the index of each filter that may drive a page, and tables of what a column cannot be an
//! index of.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000003_lists"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, FOUND_BY).await?;
        dialect::run(manager, INDEXES).await
    }
}

/// Entries of metadata, and eSIMs, of all refunds: each a range of its key, newest last. Filled from the
/// refunds that there are; a program that does not know these tables yet adds none.
const FOUND_BY: &[&str] = &[
    "
CREATE TABLE refund_labels (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    created_us {int} NOT NULL,
    refund_id {uuid} NOT NULL REFERENCES refunds (id),
    PRIMARY KEY (key, value, created_us, refund_id)
) {clustered}",
    "
INSERT INTO refund_labels (key, value, created_us, refund_id)
SELECT label.key, label.value, refunds.created_us, refunds.id
FROM refunds, {json_entries}(refunds.metadata) AS label",
    "
CREATE TABLE refund_esims (
    iccid TEXT NOT NULL,
    created_us {int} NOT NULL,
    refund_id {uuid} NOT NULL REFERENCES refunds (id),
    PRIMARY KEY (iccid, created_us, refund_id)
) {clustered}",
    "
INSERT INTO refund_esims (iccid, created_us, refund_id)
SELECT DISTINCT esim.value, refunds.created_us, refunds.id
FROM refunds, {json_items}(refunds.iccids) AS esim
WHERE refunds.iccids IS NOT NULL",
];

/// The conditions of the first four are true of every row, or of every open one by `planned_us`, and each
/// query that is to go by one of them names its condition. So a planner never walks all refunds, newest
/// first, in search of those of an account that was quiet for years, and claims no work by an index that is
/// not meant for it, however its statistics tempt it.
///
/// `refunds_open` holds what else is asked of open refunds, so that it alone answers how many there are, and
/// passes over what does not fit without a look at the row.
const INDEXES: &[&str] = &[
    "CREATE INDEX refunds_created ON refunds (created_us, id) WHERE sequence >= 1",
    "CREATE INDEX refunds_account_created ON refunds (account, created_us, id) WHERE sends >= 0",
    "CREATE INDEX refunds_caller_created ON refunds (caller, created_us, id) WHERE lease_token >= 0",
    "CREATE INDEX refunds_open ON refunds (state, created_us, id, account, caller, provider, overdue_us)
     WHERE planned_us IS NOT NULL",
    "CREATE INDEX refunds_overdue ON refunds (overdue_us, id, account) WHERE overdue_us IS NOT NULL",
    "CREATE INDEX refunds_provider_refund_id ON refunds (provider_refund_id, created_us, id)
     WHERE provider_refund_id IS NOT NULL",
    "CREATE INDEX refunds_review_reference ON refunds (review_reference, created_us, id)
     WHERE review_reference IS NOT NULL",
    "DROP INDEX refunds_order",
    "CREATE INDEX refunds_order ON refunds (provider, merchant, order_key, created_us, id)
     WHERE order_key IS NOT NULL",
    // As it was, made anew: of two that fit alike SQLite goes by the younger.
    "DROP INDEX refunds_order_waiting",
    "CREATE INDEX refunds_order_waiting ON refunds (provider, merchant, order_key)
     WHERE order_key IS NOT NULL AND wait = 'order'",
];
