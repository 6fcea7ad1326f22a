//! Rows of `refunds`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refunds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub caller: String,
    pub request_id: String,
    pub account: String,
    pub provider: String,
    pub merchant: String,
    pub base_url: String,
    pub provider_key: Uuid,
    pub order_key: Option<String>,
    pub order_id: Option<String>,
    pub transaction_id: Option<String>,
    pub currency: Option<String>,
    pub amount_minor: Option<i64>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub iccids: Option<Json>,
    pub reason: String,
    pub provider_reason: Option<String>,
    pub notes: Option<String>,
    pub email: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub metadata: Json,
    pub purchased_us: Option<i64>,
    pub captured_currency: Option<String>,
    pub captured_minor: Option<i64>,
    pub expected_currency: Option<String>,
    pub expected_minor: Option<i64>,
    pub not_before_us: Option<i64>,
    pub asked_send_before_us: Option<i64>,
    pub retry_of: Option<Uuid>,
    pub trace_parent: Option<String>,
    pub trace_state: Option<String>,
    pub send_before_us: i64,
    pub created_us: i64,
    pub updated_us: i64,
    pub sequence: i64,
    pub sends: i64,
    pub idle_steps: i64,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub baseline: Option<Json>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub items: Option<Json>,
    pub alone: bool,
    pub planned_us: Option<i64>,
    pub overdue_us: Option<i64>,
    pub state: String,
    pub wait: Option<String>,
    pub attempt_id: Option<Uuid>,
    pub sending_us: Option<i64>,
    pub first_sent_us: Option<i64>,
    pub checks: Option<i64>,
    pub refusal_reason: Option<String>,
    pub refusal_code: Option<String>,
    pub refusal_text: Option<String>,
    pub refusal_us: Option<i64>,
    pub review_reference: Option<String>,
    pub success_minor: Option<i64>,
    pub provider_refund_id: Option<String>,
    pub completed_us: Option<i64>,
    pub failure_reason: Option<String>,
    pub failure_code: Option<String>,
    pub failure_text: Option<String>,
    pub due_us: Option<i64>,
    pub lease_worker: Option<String>,
    pub lease_token: i64,
    pub lease_length_us: Option<i64>,
    pub history_number: i64,
    pub history_hash: Option<String>,
    pub follow_us: Option<i64>,
    pub freed: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
