//! Every request that a provider of the sandbox received, the newest [`CALLS_MAX`] of them.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// How many calls are kept; older ones are dropped and counted.
pub(super) const CALLS_MAX: usize = 10_000;
/// How much of a request's body is kept.
const BODY_KEPT_BYTES: usize = 64 * 1024;

/// One request and what became of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Call {
    /// From 1, in order of arrival.
    pub(super) number: u64,
    pub(super) provider: &'static str,
    /// The order, or the ICCIDs with a comma between them.
    pub(super) order_id: Option<String>,
    pub(super) at: String,
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    /// Names in lower case; of `authorization` only the scheme.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
    /// The behaviour that was applied; none for an ordinary answer.
    pub(super) behaviour: Option<&'static str>,
    /// The status answered; none while the call is open or when no answer was given.
    pub(super) status: Option<u16>,
    /// `open`, `answered`, `held`, `reset`, `cut`, `truncated`, `endless`.
    pub(super) ended: &'static str,
}

impl Call {
    /// Whether the call is about this order or eSIM.
    pub(super) fn concerns(&self, subject: &str) -> bool {
        self.order_id.as_deref().is_some_and(|own| own == subject || own.split(',').any(|one| one == subject))
    }
}

/// The calls of one sandbox.
#[derive(Debug, Default)]
pub(super) struct Calls {
    kept: VecDeque<Call>,
    received: u64,
}

impl Calls {
    /// Takes a call in and gives it its number.
    pub(super) fn receive(&mut self, mut call: Call) -> u64 {
        self.received += 1;
        call.number = self.received;
        call.body.truncate(call.body.floor_char_boundary(BODY_KEPT_BYTES));
        if self.kept.len() == CALLS_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(call);
        self.received
    }

    /// Says what became of a call, if it is still kept.
    pub(super) fn finish(
        &mut self,
        number: u64,
        behaviour: Option<&'static str>,
        status: Option<u16>,
        ended: &'static str,
    ) {
        let first = self.kept.front().map_or(0, |call| call.number);
        let position = number.checked_sub(first).and_then(|position| usize::try_from(position).ok());
        if let Some(call) = position.and_then(|position| self.kept.get_mut(position)) {
            call.behaviour = behaviour;
            call.status = status;
            call.ended = ended;
        }
    }

    pub(super) fn kept(&self) -> impl Iterator<Item = &Call> {
        self.kept.iter()
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Forgets the calls; numbers go on, so that a late answer finds no stranger.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}
