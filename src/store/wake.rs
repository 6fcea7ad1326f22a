//! Waking who waits for changes and for due work, after commit. A wake may be missed by one who is slow, and
//! by one whose database does not carry it: whoever waits also looks from time to time.

use tokio::sync::broadcast;

use crate::domain::history::Head;
use crate::domain::id::RefundId;
use crate::domain::timestamp::Timestamp;
use crate::store::row::Written;

/// Changes that a slow listener may lag behind before it misses some.
const CHANGES_MAX: usize = 4_096;
/// The same of due work; one who lags has missed nothing that the next look does not show.
const DUE_WORK_MAX: usize = 16;

/// What may be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// This process committed a change of a refund.
    Here(RefundId),
    /// Another process did.
    Elsewhere(RefundId),
    /// Events got their positions, by whichever process.
    Placed,
    /// Wakes were lost: anything may have changed.
    Any,
}

impl Changed {
    /// Whether a refund may have changed.
    pub fn concerns(self, id: RefundId) -> bool {
        match self {
            Self::Here(changed) | Self::Elsewhere(changed) => changed == id,
            Self::Placed => false,
            Self::Any => true,
        }
    }
}

/// Whom a finished transaction wakes.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    /// Refunds with a new event.
    pub(super) changed: Vec<RefundId>,
    /// Something is due at once.
    pub(super) due: bool,
    /// Events got their positions.
    pub(super) placed: bool,
    /// Refunds on which money moved although it should not have: a person must be told.
    pub(super) noticed: Vec<RefundId>,
    /// Refunds whose histories grew by what no other line tells, with the new heads.
    pub(super) grown: Vec<(RefundId, Head)>,
}

impl Wakes {
    /// Adds what becomes of a refund: its events, and that it is due, if no worker has it.
    pub(super) fn add(&mut self, written: &Written, now: Timestamp) {
        self.changed.extend(written.events.iter().map(|event| event.refund_id));
        let next = written.row.due.or(written.row.refund.follow);
        self.due |= written.row.held.is_none() && next.is_some_and(|at| at <= now);
    }
}

/// Both kinds of wakes.
#[derive(Debug)]
pub(super) struct Bell {
    changes: broadcast::Sender<Changed>,
    due_work: broadcast::Sender<()>,
}

impl Default for Bell {
    fn default() -> Self {
        Self { changes: broadcast::Sender::new(CHANGES_MAX), due_work: broadcast::Sender::new(DUE_WORK_MAX) }
    }
}

impl Bell {
    /// Rings for what this process did. Nobody listening is fine.
    pub(super) fn ring(&self, wakes: Wakes) {
        for (id, head) in &wakes.grown {
            let Head { number, hash } = head;
            tracing::info!(refund.id = %id, history.number = number, history.hash = %hash, "a history grew");
        }
        for id in &wakes.noticed {
            tracing::error!(refund.id = %id, "money moved on a refund that did not succeed");
        }
        self.ring_as(wakes, Changed::Here);
    }

    /// Rings for what another process did.
    pub(super) fn ring_for_others(&self, wakes: Wakes) {
        self.ring_as(wakes, Changed::Elsewhere);
    }

    /// Rings for whatever may have happened unheard.
    pub(super) fn ring_for_anything(&self) {
        let _unheard = self.changes.send(Changed::Any);
        let _unheard = self.due_work.send(());
    }

    fn ring_as(&self, wakes: Wakes, changed: fn(RefundId) -> Changed) {
        for id in wakes.changed {
            let _unheard = self.changes.send(changed(id));
        }
        if wakes.placed {
            let _unheard = self.changes.send(Changed::Placed);
        }
        if wakes.due {
            let _unheard = self.due_work.send(());
        }
    }

    pub(super) fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    pub(super) fn due_work(&self) -> broadcast::Receiver<()> {
        self.due_work.subscribe()
    }
}
