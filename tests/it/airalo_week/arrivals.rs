//! The refunds of a week: bursts after outages, and the few of every day.

use std::time::Duration;

use refunds::domain::account::AccountIdentity;
use refunds::domain::content::Content;
use refunds::domain::id::{Iccid, RequestId};
use refunds::domain::reason::Reason;
use refunds::service::Wish;

use crate::support::chance::Chance;
use crate::support::samples::{esims, iccid};

/// Refunds of the week.
pub(super) const REFUNDS: usize = 2_000;
/// When outages are over and everybody asks: hours from the start of the week, and how many ask.
const BURSTS: [(u64, usize); 5] = [(9, 350), (38, 250), (61, 450), (106, 200), (133, 350)];
/// Within how long they ask.
const BURST: Duration = Duration::from_mins(40);
/// How long refunds come; the rest of the week the queue drains.
const COMING: Duration = Duration::from_hours(156);
/// Of a thousand refunds of a burst those that give its reason.
const AGREEING: u32 = 920;
/// Of a thousand refunds those of one eSIM, of two, of three, of four; the rest are of five.
const SIZES: [u32; 4] = [560, 220, 100, 60];
const REASONS: [Reason; 5] = [
    Reason::WrongPurchase,
    Reason::InstallationFailure,
    Reason::IncompatibleDevice,
    Reason::Canceled,
    Reason::RequestedByCustomer,
];

/// What an eSIM is to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The company's own, in an order of its own.
    Own,
    /// No order shows it.
    NotSeen,
    /// Shown as the company's own, and yet refused as foreign.
    ForeignInTheCall,
    /// Its order was refunded before.
    RefundedBefore,
}

/// Told by the number alone, so that every part of the simulation knows it.
pub(super) fn fate_of(iccid: &Iccid) -> Fate {
    let number: u64 = iccid.as_str()[4..].parse().unwrap();
    match (number % 101, number % 103, number % 107) {
        (7, _, _) => Fate::NotSeen,
        (_, 7, _) => Fate::ForeignInTheCall,
        (_, _, 7) => Fate::RefundedBefore,
        _none => Fate::Own,
    }
}

/// A refund that will be asked for.
#[derive(Debug)]
pub(super) struct Arrival {
    /// How long after the start of the week.
    pub(super) at: Duration,
    pub(super) wish: Wish,
}

/// The refunds of a seed's week in order of their coming, for one account mostly, and another behind the same
/// address.
pub(super) fn of_week(seed: u64, account: &AccountIdentity, other: &AccountIdentity) -> Vec<Arrival> {
    let mut chance = Chance::new(seed, 2);
    let mut asked: Vec<(Duration, &AccountIdentity, Reason)> = Vec::new();
    for (hour, count) in BURSTS {
        let reason = [Reason::NoCoverage, Reason::PoorService][asked.len() % 2];
        for _ in 0..count {
            let at = Duration::from_hours(hour) + chance.between(Duration::ZERO, BURST);
            let reason = if chance.in_thousand(AGREEING) { reason } else { any_reason(&mut chance) };
            asked.push((at, account, reason));
        }
    }
    while asked.len() < REFUNDS {
        let at = chance.between(Duration::ZERO, COMING);
        let account = if chance.in_thousand(700) { account } else { other };
        asked.push((at, account, any_reason(&mut chance)));
    }
    asked.sort_by_key(|(at, ..)| *at);
    let mut numbers = 0..;
    asked
        .into_iter()
        .enumerate()
        .map(|(n, (at, account, reason))| {
            let iccids: Vec<_> = numbers.by_ref().take(size(&mut chance)).map(iccid).collect();
            let iccids: Vec<_> = iccids.iter().map(String::as_str).collect();
            let content = Content { reason, ..esims(account, &iccids).content };
            let request_id = RequestId::parse(&format!("week-{n}")).unwrap();
            Arrival { at, wish: Wish { request_id, content, trace: None } }
        })
        .collect()
}

fn any_reason(chance: &mut Chance) -> Reason {
    *chance.one_of(&REASONS)
}

fn size(chance: &mut Chance) -> usize {
    let mut drawn = chance.below(1_000);
    for (size, share) in (1..).zip(SIZES) {
        if drawn < share {
            return size;
        }
        drawn -= share;
    }
    5
}
