//! What the callers know: every wish that they ever had, and what they were told of it.

use std::sync::Mutex;

use refunds::grpc::proto::CreateRefundRequest;
use tokio::time::Instant;

/// What a wish is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A good order of its own.
    Plain,
    /// An order that misbehaves as its code says.
    Odd(&'static str),
    /// One of several on a good order, who together ask for more than there is.
    Crowd,
    /// One of two for the same eSIM.
    Shared,
}

/// What the caller was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing yet, or nothing that still holds: it is owed.
    Owed,
    /// It is durable.
    Acknowledged { refund_id: String },
    /// Refused for good.
    Refused { reason: String },
}

/// One wish.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) request: CreateRefundRequest,
    pub(crate) sort: Sort,
    pub(crate) fate: Fate,
    /// When it was acknowledged last.
    pub(crate) acknowledged: Option<Instant>,
    /// The key that a provider sees, once it is known: the same for ever.
    pub(crate) provider_key: Option<String>,
    /// Whether the database forgot it once.
    pub(crate) forgotten: bool,
}

/// All wishes.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Vec<Entry>>);

impl Book {
    /// Writes a wish down, before anybody is called.
    pub(crate) fn add(&self, request: CreateRefundRequest, sort: Sort) -> usize {
        let mut entries = self.0.lock().unwrap();
        entries.push(Entry {
            request,
            sort,
            fate: Fate::Owed,
            acknowledged: None,
            provider_key: None,
            forgotten: false,
        });
        entries.len() - 1
    }

    pub(crate) fn entry(&self, number: usize) -> Entry {
        self.0.lock().unwrap()[number].clone()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Notes an acknowledgement; what contradicts an earlier one.
    pub(crate) fn acknowledge(&self, number: usize, refund_id: &str, key: &str) -> Option<String> {
        let entry = &mut self.0.lock().unwrap()[number];
        let request = &entry.request.request_id;
        let contradiction = match (&entry.fate, &entry.provider_key) {
            (Fate::Acknowledged { refund_id: known }, _) if known != refund_id => {
                Some(format!("{request} was {known} and is {refund_id}"))
            }
            (_, Some(known)) if known != key => Some(format!("{request} had the key {known} and has {key}")),
            (Fate::Refused { reason }, _) => Some(format!("{request} was refused ({reason}) and is there")),
            (Fate::Owed | Fate::Acknowledged { .. }, _) => None,
        };
        entry.fate = Fate::Acknowledged { refund_id: refund_id.to_owned() };
        entry.acknowledged = Some(Instant::now());
        entry.provider_key = Some(key.to_owned());
        contradiction
    }

    /// Notes a refusal; what contradicts it.
    pub(crate) fn refuse(&self, number: usize, reason: &str) -> Option<String> {
        let entry = &mut self.0.lock().unwrap()[number];
        let request = &entry.request.request_id;
        let contradiction = match &entry.fate {
            Fate::Acknowledged { refund_id } => {
                Some(format!("{request} is {refund_id} and is refused: {reason}"))
            }
            Fate::Owed | Fate::Refused { .. } => None,
        };
        if contradiction.is_none() {
            entry.fate = Fate::Refused { reason: reason.to_owned() };
        }
        contradiction
    }

    /// The database lost what was acknowledged after a time: that is owed again.
    pub(crate) fn forget_after(&self, time: Instant) -> Vec<usize> {
        let mut owed = Vec::new();
        for (number, entry) in self.0.lock().unwrap().iter_mut().enumerate() {
            let told = entry.acknowledged.is_some_and(|at| at >= time);
            if told {
                entry.fate = Fate::Owed;
                entry.forgotten = true;
                owed.push(number);
            }
        }
        owed
    }

    /// How many are acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        let entries = self.0.lock().unwrap();
        entries.iter().filter(|entry| matches!(entry.fate, Fate::Acknowledged { .. })).count()
    }
}
