//! Rows of `refund_esims`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refund_esims")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub iccid: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub created_us: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub refund_id: Uuid,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
