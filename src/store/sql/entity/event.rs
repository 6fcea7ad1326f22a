//! Rows of `events`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub refund_id: Uuid,
    pub sequence: i64,
    pub position: Option<i64>,
    pub previous: Option<String>,
    pub state: String,
    pub failure_reason: Option<String>,
    pub failure_code: Option<String>,
    pub failure_text: Option<String>,
    pub success_minor: Option<i64>,
    pub provider_refund_id: Option<String>,
    pub completed_us: Option<i64>,
    pub note: Option<String>,
    pub actor: String,
    pub trace_id: Option<String>,
    pub time_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
