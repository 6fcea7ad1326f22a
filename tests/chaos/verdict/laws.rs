//! The laws, each held against all that is known.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::evidence::Evidence;
use crate::book::Fate;
use crate::catalogue::CATALOGUES;
use crate::database::{EventRow, GuardRow, RefundRow};
use crate::findings::Wrong;
use crate::world::World;

/// How long ago something that waits may have been due, when nothing else is going on.
const LATE_MAX_US: i64 = 60_000_000;

/// From which state to which: nothing else.
const TABLE: &[(&str, &[&str])] = &[
    ("pending", &["sending", "canceled", "failed"]),
    ("sending", &["pending", "unknown", "in_review", "succeeded", "partially_succeeded", "failed"]),
    ("unknown", &["sending", "in_review", "succeeded", "partially_succeeded", "failed"]),
    ("in_review", &["unknown", "succeeded", "partially_succeeded", "failed"]),
    ("succeeded", &["reversed"]),
    ("partially_succeeded", &["reversed"]),
];

fn succeeded(refund: &RefundRow) -> bool {
    ["succeeded", "partially_succeeded", "reversed"].contains(&refund.state.as_str())
}

fn failed(refund: &RefundRow) -> bool {
    ["failed", "canceled"].contains(&refund.state.as_str())
}

impl Evidence {
    /// What was acknowledged is there as it was wished; what was refused is not; nothing else is.
    pub(crate) fn nothing_is_lost(&self, world: &World) {
        let rows: HashMap<&str, &RefundRow> =
            self.tables.refunds.iter().map(|row| (row.request_id.as_str(), row)).collect();
        for (request_id, entry) in &self.entries {
            let row = rows.get(request_id.as_str());
            let wrong = match (&entry.fate, row) {
                (Fate::Acknowledged { refund_id }, None) => {
                    Some(format!("{request_id} was acknowledged as {refund_id} and is not there"))
                }
                (Fate::Acknowledged { refund_id }, Some(row)) if *refund_id != row.id.to_string() => {
                    Some(format!("{request_id} was acknowledged as {refund_id} and is {}", row.id))
                }
                (Fate::Acknowledged { .. }, Some(row)) => {
                    let key = entry.provider_key.as_ref();
                    (key != Some(&row.provider_key.to_string()))
                        .then(|| format!("{request_id} changed its key"))
                }
                (Fate::Refused { reason }, Some(row)) => {
                    Some(format!("{request_id} was refused ({reason}) and is {}", row.id))
                }
                (Fate::Owed, _) => Some(format!("{request_id} was never answered")),
                (Fate::Refused { .. }, None) => None,
            };
            if let Some(wrong) = wrong {
                world.findings.add(Wrong::Lost, wrong);
            }
        }
        for row in self.tables.refunds.iter().filter(|row| !self.entries.contains_key(&row.request_id)) {
            world.findings.add(Wrong::Lost, format!("nobody wished {} {}", row.request_id, row.id));
        }
        let keys: HashSet<String> =
            self.tables.refunds.iter().map(|row| row.provider_key.to_string()).collect();
        for effect in self.by_key.iter().filter(|(key, _)| !keys.contains(*key)).flat_map(|(_, all)| all) {
            world.findings.add(Wrong::Lost, format!("nobody knows of the effect {effect}"));
        }
    }

    /// No key and no eSIM has two effects.
    pub(crate) async fn nothing_is_doubled(&self, world: &World) {
        for refund in &self.tables.refunds {
            if self.effects(refund).len() > refund.esims().len().max(1) {
                world.findings.add(Wrong::Doubled, self.story(refund, world).await);
            }
        }
    }

    /// No order gave back more than was captured, each guard counts what lives, and no eSIM is in two
    /// refunds that live.
    pub(crate) fn nothing_is_over(&self, world: &World) {
        for ((provider, order), given) in &self.by_order {
            if *given > provider.captured().1 {
                world.findings.add(Wrong::Over, format!("{provider:?} gave {given} back on {order}"));
            }
        }
        let mut living: BTreeMap<(String, String, String), i64> = BTreeMap::new();
        let mut esims: HashMap<String, Vec<String>> = HashMap::new();
        for refund in
            self.tables.refunds.iter().filter(|refund| !failed(refund) && refund.state != "reversed")
        {
            if let (Some(order), Some(amount)) = (&refund.order_key, refund.amount_minor) {
                let held = if refund.is_final() { refund.success_minor.unwrap_or(amount) } else { amount };
                let guard = (refund.provider.clone(), refund.merchant.clone(), order.clone());
                *living.entry(guard).or_default() += held;
            }
            for esim in refund.esims() {
                esims.entry(esim).or_default().push(refund.request_id.clone());
            }
        }
        for (esim, holders) in esims.iter().filter(|(_, holders)| holders.len() > 1) {
            world.findings.add(Wrong::Over, format!("eSIM {esim} is in {holders:?}"));
        }
        let open = |order: &String| {
            self.tables.refunds.iter().any(|r| !r.is_final() && r.order_key.as_ref() == Some(order))
        };
        for GuardRow { order, own_minor: own, captured_minor: captured } in &self.tables.guards {
            let held = living.remove(order).unwrap_or_default();
            if held != *own {
                world.findings.add(Wrong::Over, format!("the guard of {order:?} counts {own}, {held} lives"));
            }
            if captured.is_some_and(|captured| held > captured) && !open(&order.2) {
                world.findings.add(Wrong::Over, format!("{held} of {captured:?} lives on {order:?}"));
            }
        }
        for (guard, held) in living.into_iter().filter(|(_, held)| *held > 0) {
            world.findings.add(Wrong::Over, format!("{held} lives on {guard:?}, which has no guard"));
        }
    }

    /// Nothing rests that could move, and no end contradicts the ledger.
    pub(crate) async fn nothing_is_stuck(&self, world: &World) {
        for refund in self.resting() {
            world.findings.add(Wrong::Stuck, self.story(refund, world).await);
        }
        let now = self.now_us(world).await;
        let shut = |refund: &RefundRow| CATALOGUES.iter().any(|c| c.shut == refund.account);
        for refund in self.tables.refunds.iter().filter(|refund| !shut(refund)) {
            if refund.due_us.is_some_and(|due| due + LATE_MAX_US < now) {
                let story = self.story(refund, world).await;
                world.findings.add(Wrong::Stuck, format!("nobody works on {story}"));
            }
        }
        // An eSIM that was asked for twice has the effect of the one that lives.
        let lives: HashSet<String> =
            self.tables.refunds.iter().filter(|r| !failed(r)).flat_map(RefundRow::esims).collect();
        for refund in &self.tables.refunds {
            let moved = !self.effects(refund).is_empty();
            let of_another = refund.esims().iter().any(|esim| lives.contains(esim));
            if (failed(refund) && moved && !of_another) || (succeeded(refund) && !moved) {
                let story = self.story(refund, world).await;
                world.findings.add(Wrong::Stuck, format!("its end contradicts the ledger: {story}"));
            }
        }
    }

    async fn now_us(&self, world: &World) -> i64 {
        let clock = if world.is_postgres() {
            "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT"
        } else {
            "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
        };
        world.database.number(clock).await.unwrap()
    }

    /// Each refund's changes are there without a hole, by the table, and nothing that may have been sent was
    /// ever taken for unsent.
    pub(crate) async fn every_change_is_told(&self, world: &World) {
        let mut of_refund: HashMap<uuid::Uuid, Vec<&EventRow>> = HashMap::new();
        for event in &self.tables.events {
            of_refund.entry(event.refund_id).or_default().push(event);
        }
        let mut sends: HashMap<uuid::Uuid, Vec<bool>> = HashMap::new();
        for send in &self.tables.sends {
            sends.entry(send.refund_id).or_default().push(send.outcome.is_some());
        }
        for refund in &self.tables.refunds {
            let events = of_refund.remove(&refund.id).unwrap_or_default();
            let outcomes: Vec<bool> = sends.remove(&refund.id).unwrap_or_default();
            let wrong = lawless(refund, &events).or_else(|| taken_for_unsent(&events, &outcomes));
            if let Some(wrong) = wrong {
                let story = self.story(refund, world).await;
                world.findings.add(Wrong::Gaps, format!("{wrong}: {story}"));
            }
        }
    }
}

fn is_taken_back(event: &EventRow) -> bool {
    event.previous.as_deref() == Some("sending") && event.state == "pending"
}

/// A send that went back to the queue had said that it was not sent; one without an end may have been.
fn taken_for_unsent(events: &[&EventRow], ended: &[bool]) -> Option<String> {
    let mut sent = 0;
    for event in events {
        if event.state == "sending" {
            sent += 1;
        } else if is_taken_back(event) && !ended.get(sent - 1).is_some_and(|ended| *ended) {
            return Some("taken for unsent".to_owned());
        }
    }
    None
}

/// What is against the table.
fn lawless(refund: &RefundRow, events: &[&EventRow]) -> Option<String> {
    let mut before: Option<&EventRow> = None;
    for (event, sequence) in events.iter().zip(1..) {
        if event.sequence != sequence {
            return Some(format!("{} in place of {sequence}", event.sequence));
        }
        if event.previous.as_deref() != before.map(|before| before.state.as_str()) {
            return Some(format!("{sequence} does not follow from what was before"));
        }
        let lawful = event.previous.as_ref().map_or(event.state == "pending", |previous| {
            let row = TABLE.iter().find(|(from, _)| from == previous);
            row.is_some_and(|(_, to)| to.contains(&event.state.as_str()))
        });
        if !lawful {
            return Some(format!("{:?} became {}", event.previous, event.state));
        }
        before = Some(*event);
    }
    let told = before.map(|last| (last.sequence, last.state.as_str()));
    (told != Some((refund.sequence, refund.state.as_str())))
        .then(|| "the last change was not told".to_owned())
}
