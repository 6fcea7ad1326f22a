//! Rows of `attempts`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub account: String,
    pub started_us: i64,
    pub trace_id: Option<String>,
    pub preflight: Option<String>,
    pub ended_us: Option<i64>,
    pub took_us: Option<i64>,
    pub outcome: Option<String>,
    pub phase: Option<String>,
    pub http_status: Option<i64>,
    pub provider_code: Option<String>,
    pub provider_text: Option<String>,
    pub correlation_id: Option<String>,
    pub late: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
