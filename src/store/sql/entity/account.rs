//! Rows of `accounts`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub provider: String,
    pub merchant: String,
    pub base_url: String,
    pub paused_by: Option<String>,
    pub paused_note: Option<String>,
    pub paused_until_us: Option<i64>,
    pub blocked_cause: Option<String>,
    pub blocked_since_us: Option<i64>,
    pub probe_at_us: Option<i64>,
    pub probes: Option<i64>,
    pub failures: i64,
    pub open_until_us: Option<i64>,
    pub throttled_until_us: Option<i64>,
    pub retry_spent_milli: i64,
    pub retry_reckoned_us: Option<i64>,
    pub key_heeded: Option<bool>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
