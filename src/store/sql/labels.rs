//! What refunds are found by and a column of theirs cannot be an index of: entries of metadata, eSIMs.
//! Written with the refund and never changed.

use std::collections::BTreeSet;

use sea_orm::{EntityTrait, Set};

use super::entity::{refund_esim, refund_label};
use super::fault::Fault;
use super::transaction::Tx;
use crate::domain::id::Iccid;
use crate::store::Result;
use crate::store::row::Written;

/// Rows in one statement: SQLite takes 32,766 values, and a label has four.
const ROWS_MAX: usize = 1_000;

/// Writes those of new refunds.
pub(super) async fn insert(tx: &Tx, accepted: &[Written]) -> Result<(), Fault> {
    let refunds = || accepted.iter().map(|written| &written.row.refund);
    let labels: Vec<_> = refunds()
        .flat_map(|refund| {
            refund.content.metadata.iter().map(|(key, value)| refund_label::ActiveModel {
                key: Set(key.clone()),
                value: Set(value.clone()),
                created_us: Set(refund.create_time.micros()),
                refund_id: Set(refund.id.0),
            })
        })
        .collect();
    for labels in labels.chunks(ROWS_MAX) {
        refund_label::Entity::insert_many(labels.to_vec()).exec_without_returning(&tx.conn).await?;
    }
    let esims: Vec<_> = refunds()
        .flat_map(|refund| {
            let iccids: BTreeSet<&str> = refund.content.iccids().iter().map(Iccid::as_str).collect();
            iccids.into_iter().map(|iccid| refund_esim::ActiveModel {
                iccid: Set(iccid.to_owned()),
                created_us: Set(refund.create_time.micros()),
                refund_id: Set(refund.id.0),
            })
        })
        .collect();
    for esims in esims.chunks(ROWS_MAX) {
        refund_esim::Entity::insert_many(esims.to_vec()).exec_without_returning(&tx.conn).await?;
    }
    Ok(())
}
