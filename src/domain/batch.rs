//! Which refunds share a call: those of one account that agree on all that the call says once.

use super::content::Target;
use super::refund::{Refund, StateKind};

/// How many candidates are looked at for one call: enough to fill it, few enough to lock.
pub const CANDIDATES_MAX: usize = 50;

/// What a refund takes up in a call: its eSIMs, or one.
pub fn size(refund: &Refund) -> usize {
    match &refund.content.target {
        Target::Payment(_) => 1,
        Target::Esims(iccids) => iccids.len(),
    }
}

/// Whether two refunds may share a call.
pub fn agree(a: &Refund, b: &Refund) -> bool {
    let unsent = |refund: &Refund| refund.state.kind() == StateKind::Pending && !refund.alone;
    let (x, y) = (&a.content, &b.content);
    unsent(a)
        && unsent(b)
        && a.identity == b.identity
        && (x.reason, &x.provider_reason, &x.notes, &x.email)
            == (y.reason, &y.provider_reason, &y.notes, &y.email)
}

/// Fills calls of at most `room` from candidates, oldest first: the first that is left begins a call, and
/// whoever agrees with it and fits joins. Gives the places of each call's members.
pub fn fill(candidates: &[&Refund], room: usize, calls_max: usize) -> Vec<Vec<usize>> {
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    let mut calls = Vec::new();
    while calls.len() < calls_max && !left.is_empty() {
        let first = left.remove(0);
        let Some(begins) = candidates.get(first) else { continue };
        let (mut call, mut taken) = (vec![first], size(begins));
        left.retain(|place| {
            let Some(joins) = candidates.get(*place) else { return false };
            let fits = agree(begins, joins) && taken + size(joins) <= room;
            if fits {
                call.push(*place);
                taken += size(joins);
            }
            !fits
        });
        calls.push(call);
    }
    calls
}
