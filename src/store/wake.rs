//! Waking who waits for changes and for due work, after commit. A wake may be missed by one who is slow:
//! whoever waits also looks from time to time.

use tokio::sync::broadcast;

use crate::domain::id::RefundId;

/// Changes that a slow listener may lag behind before it misses some.
const CHANGES_MAX: usize = 4_096;
/// The same of due work; one who lags has missed nothing that the next look does not show.
const DUE_WORK_MAX: usize = 16;

/// Whom a finished transaction wakes.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    /// Refunds with a new event.
    pub(super) changed: Vec<RefundId>,
    /// Something is due at once.
    pub(super) due: bool,
}

/// Both kinds of wakes.
#[derive(Debug)]
pub(super) struct Bell {
    changes: broadcast::Sender<RefundId>,
    due_work: broadcast::Sender<()>,
}

impl Default for Bell {
    fn default() -> Self {
        Self { changes: broadcast::Sender::new(CHANGES_MAX), due_work: broadcast::Sender::new(DUE_WORK_MAX) }
    }
}

impl Bell {
    /// Rings for refunds that changed, and once if work is due. Nobody listening is fine.
    pub(super) fn ring(&self, wakes: Wakes) {
        for id in wakes.changed {
            let _unheard = self.changes.send(id);
        }
        if wakes.due {
            let _unheard = self.due_work.send(());
        }
    }

    pub(super) fn changes(&self) -> broadcast::Receiver<RefundId> {
        self.changes.subscribe()
    }

    pub(super) fn due_work(&self) -> broadcast::Receiver<()> {
        self.due_work.subscribe()
    }
}
