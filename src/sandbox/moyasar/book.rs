//! All refund transactions of the gateway, and the ledger's share of them.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::{NAME, transaction::Transaction};
use crate::sandbox::{
    Error, clock,
    ledger::{Effect, Line},
    shared::Inner,
};

/// Transactions in the order in which they were asked for. Every use begins with [`Book::catch_up`].
#[derive(Debug, Default)]
pub(super) struct Book {
    /// The sandbox's count of resets that these transactions belong to.
    generation: u64,
    all: Vec<Transaction>,
    by_order: HashMap<String, Vec<usize>>,
    by_id: HashMap<String, Vec<usize>>,
    /// Transactions whose effect is not yet in the ledger, by its time.
    due: BTreeSet<(i64, usize)>,
}

impl Book {
    /// Forgets what belongs to a time before a reset, and enters the effects whose time has come.
    pub(super) fn catch_up(&mut self, inner: &mut Inner) -> Result<(), Error> {
        if self.generation != inner.generation {
            *self = Self { generation: inner.generation, ..Self::default() };
        }
        let now_ms = inner.now_ms();
        while let Some(&(at_ms, position)) = self.due.first().filter(|(at_ms, _)| *at_ms <= now_ms) {
            if let Some(transaction) = self.all.get(position) {
                let number = inner.ledger.next_number();
                inner.ledger.commit(effect(transaction, number, at_ms))?;
            }
            self.due.remove(&(at_ms, position));
        }
        Ok(())
    }

    /// Takes a transaction in. Nothing is taken in that could not be written down.
    pub(super) fn enter(&mut self, inner: &mut Inner, transaction: Transaction) -> Result<(), Error> {
        let data = serde_json::to_value(&transaction).map_err(|error| Error::LedgerWrite(error.into()))?;
        let (provider, id) = (NAME.to_owned(), transaction.order_id.clone());
        inner.ledger.write(&Line::Record { provider, id, data })?;
        self.remember(transaction);
        self.catch_up(inner)
    }

    /// Takes a transaction in that a ledger file holds. Its effect follows in the file, or is entered at the
    /// next use.
    pub(super) fn restore(&mut self, data: &Value) -> Result<u32, serde_json::Error> {
        let transaction = Transaction::deserialize(data)?;
        let call = transaction.call;
        self.remember(transaction);
        Ok(call)
    }

    /// An effect that a ledger file holds is not to be entered again.
    pub(super) fn restore_effect(&mut self, effect: &Effect) {
        let same_id = self.by_id.get(&effect.provider_refund_id).map(Vec::as_slice).unwrap_or_default();
        let due = same_id.iter().find_map(|&position| {
            let key = (self.all.get(position)?.effect_ms()?, position);
            self.due.contains(&key).then_some(key)
        });
        if let Some(key) = due {
            self.due.remove(&key);
        }
    }

    pub(super) fn next_serial(&self) -> u64 {
        u64::try_from(self.all.len()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The refunds of an order, oldest first.
    pub(super) fn of_order(&self, order_id: &str) -> impl Iterator<Item = &Transaction> {
        self.at(self.by_order.get(order_id))
    }

    /// The transactions with an id, oldest first; more than one where ids are ignored or forgotten.
    pub(super) fn with_id(&self, id: &str) -> impl Iterator<Item = &Transaction> {
        self.at(self.by_id.get(id))
    }

    fn at<'a>(&'a self, positions: Option<&'a Vec<usize>>) -> impl Iterator<Item = &'a Transaction> {
        let positions = positions.map(Vec::as_slice).unwrap_or_default();
        positions.iter().filter_map(|&position| self.all.get(position))
    }

    fn remember(&mut self, transaction: Transaction) {
        let position = self.all.len();
        self.by_order.entry(transaction.order_id.clone()).or_default().push(position);
        self.by_id.entry(transaction.id.clone()).or_default().push(position);
        if let Some(at_ms) = transaction.effect_ms() {
            self.due.insert((at_ms, position));
        }
        self.all.push(transaction);
    }
}

fn effect(transaction: &Transaction, number: u64, at_ms: i64) -> Effect {
    Effect {
        number,
        provider: NAME.to_owned(),
        order_id: transaction.order_id.clone(),
        iccids: Vec::new(),
        request_id: transaction.asked_id.clone(),
        merchant_reference: None,
        refund_merchant_reference: None,
        provider_refund_id: transaction.id.clone(),
        amount: transaction.amount_minor.to_string(),
        amount_minor: transaction.amount_minor,
        currency: transaction.currency.clone(),
        at: clock::stamp(at_ms),
        at_ms,
        call: transaction.call,
    }
}
