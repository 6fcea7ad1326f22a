//! What is known at the end, and which refunds still rest though something could be done.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::book::{Entry, Sort};
use crate::catalogue::{CATALOGUES, Provider, provider_of, text};
use crate::database::{RefundRow, Snapshot};
use crate::support::sandbox::http;
use crate::world::World;

const GATHER_EVERY: Duration = Duration::from_millis(500);

/// Everything, read anew.
pub(crate) struct Evidence {
    pub(crate) tables: Snapshot,
    pub(crate) entries: HashMap<String, Entry>,
    /// Effects of payments by the key that the provider saw.
    pub(crate) by_key: BTreeMap<String, Vec<Value>>,
    /// Effects of eSIMs.
    pub(crate) by_esim: BTreeMap<String, Vec<Value>>,
    /// What each order gave back, minor units.
    pub(crate) by_order: BTreeMap<(Provider, String), i64>,
    /// Refunds that a restore made unknown.
    restored: HashSet<Uuid>,
}

impl Evidence {
    pub(crate) async fn gather(world: &World) -> Self {
        loop {
            match Self::read(world).await {
                Ok(evidence) => return evidence,
                Err(error) => world.findings.note("the database is away at the end", || error.to_string()),
            }
            tokio::time::sleep(GATHER_EVERY).await;
        }
    }

    async fn read(world: &World) -> Result<Self, sea_orm::DbErr> {
        let tables = world.database.snapshot().await?;
        let restored = tables.sends.iter().filter(|send| send.kind == "restore");
        let restored = restored.map(|send| send.refund_id).collect();
        let entries = world.book.entries().into_iter();
        let entries = entries.map(|entry| (entry.request.request_id.clone(), entry)).collect();
        let (mut by_key, mut by_esim, mut by_order) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for catalogue in CATALOGUES {
            let path = format!("/ledger?provider={}", catalogue.provider.word());
            let ledger = http(world.scene.sandbox, "GET", &path, "").await;
            let effects = ledger.as_array().or_else(|| ledger["effects"].as_array()).unwrap();
            for effect in effects {
                if catalogue.provider == Provider::Airalo {
                    for esim in effect["iccids"].as_array().unwrap() {
                        let esim = esim.as_str().unwrap().to_owned();
                        by_esim.entry(esim).or_insert_with(Vec::new).push(effect.clone());
                    }
                } else {
                    by_key.entry(text(effect, "request_id")).or_insert_with(Vec::new).push(effect.clone());
                    let order = (catalogue.provider, text(effect, "order_id"));
                    *by_order.entry(order).or_default() += effect["amount_minor"].as_i64().unwrap();
                }
            }
        }
        Ok(Self { tables, entries, by_key, by_esim, by_order, restored })
    }

    /// The effects of a refund. Of an eSIM that was asked for twice, those of the eSIM.
    pub(crate) fn effects(&self, refund: &RefundRow) -> Vec<&Value> {
        let of_esims = refund.esims();
        let of_esims = of_esims.iter().filter_map(|esim| self.by_esim.get(esim)).flatten();
        let of_key = self.by_key.get(&refund.provider_key.to_string()).into_iter().flatten();
        of_esims.chain(of_key).collect()
    }

    /// What is not final though something could still be done.
    pub(crate) fn resting(&self) -> Vec<&RefundRow> {
        let open = || self.tables.refunds.iter().filter(|refund| !refund.is_final());
        let waiting: HashSet<Uuid> = open().filter(|r| self.waits_for_ever(r)).map(|r| r.id).collect();
        let behind = |refund: &RefundRow| {
            let order =
                |other: &RefundRow| other.order_key == refund.order_key && other.provider == refund.provider;
            refund.wait.as_deref() == Some("order")
                && open().any(|other| other.id != refund.id && order(other) && waiting.contains(&other.id))
        };
        open().filter(|refund| !waiting.contains(&refund.id) && !behind(refund)).collect()
    }

    /// Whether no machine may decide it: by what its provider does, or cannot tell.
    fn waits_for_ever(&self, refund: &RefundRow) -> bool {
        let provider = provider_of(&refund.account);
        let catalogue = provider.catalogue();
        if refund.account == catalogue.shut {
            return true;
        }
        let restored = self.restored.contains(&refund.id);
        let sort = self.entries.get(&refund.request_id).map(|entry| &entry.sort);
        if matches!(sort, Some(Sort::Odd(code)) if catalogue.may_wait.contains(code)) {
            return true;
        }
        let unknown = refund.state == "unknown";
        match provider {
            Provider::Afterpay => false,
            // A refusal of a resend may be caused by the success of the first send.
            Provider::Moyasar => unknown && refund.refused,
            // What a restore made unknown was never seen before its send.
            Provider::Worldline => unknown && (refund.refused || restored),
            // Never sent again; a change of its order alone tells.
            Provider::Airalo => unknown && (restored || self.effects(refund).is_empty()),
        }
    }

    /// A refund with its history, for people.
    pub(crate) async fn story(&self, refund: &RefundRow, world: &World) -> String {
        let story = world.database.story(refund.id).await.unwrap_or_else(|error| error.to_string());
        let effects = self.effects(refund);
        let sort = self.entries.get(&refund.request_id).map(|entry| &entry.sort);
        let what = refund.order_id.clone().unwrap_or_else(|| refund.esims().join(","));
        let state = (&refund.state, &refund.wait, refund.due_us, refund.leased);
        let about = format!("{} {} at {} on {what}, {sort:?}", refund.request_id, refund.id, refund.account);
        let ledger: Vec<String> = effects.iter().map(|effect| format!("\n      effect {effect}")).collect();
        format!("{about}: {state:?}{story}{}", ledger.concat())
    }
}
