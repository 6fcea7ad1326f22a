//! Round trips as they are written.

use std::collections::BTreeMap;

use super::Row;
use crate::domain::account::Account;
use crate::domain::answer::{Signal, quiet_of_sends};
use crate::domain::attempt::{Attempt, AttemptEnd};
use crate::domain::decision::Intent;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::refund::State;
use crate::domain::sight::Sight;
use crate::domain::timestamp::Timestamp;
use crate::store::AttemptRecord;

/// The attempt that an intent becomes, with those who go and what was seen for each of them.
pub(in crate::store) fn attempt_of(
    intent: &Intent,
    members: &[(RefundId, Option<&Sight>)],
    account: &AccountName,
    now: Timestamp,
) -> Attempt {
    // What was seen of several is told by the look of each: a call's members may be of different callers.
    let preflight = match members {
        [(_, Some(sight))] => sight.in_one_line(),
        _several_or_unseen => None,
    };
    let mut ids: Vec<RefundId> = members.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    Attempt {
        id: intent.attempt,
        kind: intent.kind,
        account: account.clone(),
        members: ids,
        started: now,
        end: None,
        trace_id: intent.trace_id.clone(),
        preflight,
    }
}

/// When the account's bucket has its next slot at the earliest, by what a record tells: the quiet that its
/// provider asked for, and the end of a call that took long.
pub(in crate::store) fn next_slot<'a>(
    signals: &[Signal],
    ended: impl IntoIterator<Item = &'a Row>,
    account: &Account,
    now: Timestamp,
) -> Option<(String, Timestamp)> {
    let rate = account.admission.rate.as_ref()?;
    let spent = ended.into_iter().filter_map(|row| match &row.refund.state {
        State::Sending { started, .. } => Some(*started),
        State::Pending { .. }
        | State::Unknown { .. }
        | State::InReview { .. }
        | State::Succeeded(_)
        | State::PartiallySucceeded(_)
        | State::Failed(_)
        | State::Canceled
        | State::Reversed(_) => None,
    });
    let after = spent.filter_map(|spent| rate.next_after(spent, now)).max();
    let quiet = quiet_of_sends(signals).map(|quiet| now.plus(quiet));
    Some((rate.bucket.clone(), quiet.max(after)?))
}

/// When the buckets of accounts have their next slots if one was spent of each just now.
pub(in crate::store) fn next_slots(accounts: &[Account], now: Timestamp) -> BTreeMap<String, Timestamp> {
    let mut slots: BTreeMap<String, Timestamp> = BTreeMap::new();
    for rate in accounts.iter().filter_map(|account| account.admission.rate.as_ref()) {
        let next_free = slots.entry(rate.bucket.clone()).or_insert(now);
        *next_free = (*next_free).max(now.plus(rate.every));
    }
    slots
}

/// Marks what is written of a round trip as late when a member's lease was lost.
pub(in crate::store) fn marked(attempt: Option<AttemptRecord>, stale: bool) -> Option<AttemptRecord> {
    let late = |end: AttemptEnd| AttemptEnd { late: end.late || stale, ..end };
    attempt.map(|attempt| match attempt {
        AttemptRecord::End(id, end) => AttemptRecord::End(id, late(end)),
        AttemptRecord::Whole(mut whole) => {
            whole.end = whole.end.map(late);
            whole.members.sort_unstable();
            AttemptRecord::Whole(whole)
        }
    })
}
