//! Histories: every chain is whole, ends in the head of its refund, and tells its last state.

use std::collections::BTreeMap;

use refunds::domain::history::{Hash, Head, verify};
use refunds::domain::id::RefundId;
use sea_orm::{DbErr, QueryResult};
use uuid::Uuid;

use crate::findings::Wrong;
use crate::world::World;

const HEADS: &str = "SELECT id, state, sequence, history_number, history_hash FROM refunds";
const ENTRIES: &str = "SELECT refund_id, number, text, hash FROM history ORDER BY refund_id, number";

type Entry = (i64, String, Hash);

/// Checks every refund's.
pub(super) async fn judge(world: &World) {
    match faults(world).await {
        Ok(faults) => {
            for fault in faults {
                world.findings.add(Wrong::Gaps, fault);
            }
        }
        Err(error) => world.findings.add(Wrong::Gaps, format!("histories cannot be read: {error}")),
    }
}

async fn faults(world: &World) -> Result<Vec<String>, DbErr> {
    // Heads first: processes go on, and what they add after that is past its head and left out below.
    let heads = world.database.rows(HEADS, []).await?;
    let mut entries: BTreeMap<Uuid, Vec<Entry>> = BTreeMap::new();
    for row in world.database.rows(ENTRIES, []).await? {
        let (id, entry) = entry(&row)?;
        entries.entry(id).or_default().push(entry);
    }
    let mut faults = Vec::new();
    for row in heads {
        let id: Uuid = row.try_get("", "id")?;
        let hash: Option<String> = row.try_get("", "history_hash")?;
        let hash = hash.and_then(|hash| Hash::parse(&hash)).unwrap_or_default();
        let head = Head { number: row.try_get("", "history_number")?, hash };
        let mut chain = entries.remove(&id).unwrap_or_default();
        chain.retain(|(number, _, _)| *number <= head.number);
        let links = chain.iter().map(|(number, text, hash)| (*number, text.as_str(), *hash));
        if let Err(fault) = verify(RefundId(id), links, head) {
            faults.push(format!("{id}: {fault}"));
        }
        let (state, sequence): (String, i64) = (row.try_get("", "state")?, row.try_get("", "sequence")?);
        let told = format!(r#""sequence":{sequence},"#);
        let last = chain.iter().rev().find(|(_, text, _)| text.starts_with(r#"{"entry":"event""#));
        let tells = |(_, text, _): &&Entry| text.contains(&told) && text.contains(&format!(r#""{state}""#));
        if last.is_none_or(|last| !tells(&last)) {
            faults.push(format!("{id} is {state} at {sequence}, its history ends in {last:?}"));
        }
    }
    faults.extend(entries.into_keys().map(|id| format!("{id} has a history and is not there")));
    Ok(faults)
}

fn entry(row: &QueryResult) -> Result<(Uuid, Entry), DbErr> {
    let hash: String = row.try_get("", "hash")?;
    let hash = Hash::parse(&hash).unwrap_or_default();
    Ok((row.try_get("", "refund_id")?, (row.try_get("", "number")?, row.try_get("", "text")?, hash)))
}
