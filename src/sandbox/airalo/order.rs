//! Which eSIMs exist and which orders they stand in.

use serde::{Deserialize, Serialize};

use super::table;
use crate::sandbox::provider::Refused;

/// ICCIDs that the sandbox knows have at most as many digits; a real one has 19 or 20.
const ICCID_DIGITS_MAX: usize = 20;
/// Shorter ones do not exist, so that a part of an ICCID is no eSIM itself.
const ICCID_DIGITS_MIN: usize = 10;
/// The price of an eSIM [doc: example of the order list].
const SIM_PRICE_MINOR: i64 = 950;
/// The price of each top-up.
const TOPUP_PRICE_MINOR: i64 = 500;

/// What an ICCID says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Alone in an order of its own.
    Single,
    /// In one order with the eSIM whose last digit is its neighbour.
    Pair,
    /// With two top-ups, each an order of its own.
    ToppedUp,
    /// Of another company.
    Foreign,
}

impl Kind {
    pub(super) fn of(iccid: &str) -> Self {
        match iccid.get(..4) {
            Some("8940") => Self::Single,
            Some("8941") => Self::Pair,
            Some("8942") => Self::ToppedUp,
            Some("8999") if misbehaviour(iccid).is_some_and(|code| table::by_code(code).is_some()) => {
                Self::Single
            }
            _ => Self::Foreign,
        }
    }
}

/// The code of an ICCID that misbehaves: `8999NN..`.
pub(super) fn misbehaviour(iccid: &str) -> Option<&str> {
    iccid.strip_prefix("8999").and_then(|rest| rest.get(..2))
}

/// Whether the sandbox can have an eSIM of this ICCID at all; the others are always foreign.
pub(super) fn is_possible(iccid: &str) -> bool {
    (ICCID_DIGITS_MIN..=ICCID_DIGITS_MAX).contains(&iccid.len())
        && iccid.bytes().all(|byte| byte.is_ascii_digit())
        && ["894", "8999"].iter().any(|prefix| iccid.starts_with(prefix))
}

/// One order at Airalo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: u64,
    /// 0 is the order of the eSIMs themselves, the others are top-ups.
    pub(super) place: u8,
    /// The eSIMs that it is about.
    pub(super) iccids: Vec<String>,
}

impl Order {
    /// The orders that an eSIM stands in, oldest first.
    pub(super) fn of(iccid: &str) -> Vec<Self> {
        let places = if Kind::of(iccid) == Kind::ToppedUp { 0..3 } else { 0..1 };
        let mut iccids = vec![iccid.to_owned()];
        if Kind::of(iccid) == Kind::Pair
            && let Some(partner) = partner(iccid)
        {
            iccids.push(partner);
            iccids.sort();
        }
        let order = |place| Some(Self { id: id_of(iccids.first()?, place)?, place, iccids: iccids.clone() });
        places.filter_map(order).collect()
    }

    /// The order of an id, whether or not its eSIMs exist.
    pub(super) fn by_id(id: u64) -> Option<Self> {
        let text = id.to_string();
        let (body, _) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let iccid = match body.split_at_checked(1)? {
            ("4", rest) => format!("894{rest}"),
            ("5", rest) => format!("8999{rest}"),
            _ => return None,
        };
        let possible = is_possible(&iccid);
        Self::of(&iccid).into_iter().find(|order| possible && order.id == id)
    }

    pub(super) fn is_topup(&self) -> bool {
        self.place > 0
    }

    /// The eSIMs that the answer shows: the newest top-up shows none, as in the published example.
    pub(super) fn shown(&self) -> &[String] {
        if self.place > 1 { &[] } else { &self.iccids }
    }

    /// The price of each of its eSIMs.
    pub(super) fn price_minor(&self, made: Option<&Made>) -> i64 {
        if self.is_topup() {
            TOPUP_PRICE_MINOR
        } else {
            made.and_then(|made| made.price_minor).unwrap_or(SIM_PRICE_MINOR)
        }
    }
}

/// An ICCID in another shape, with the place of the order behind it: a number that leads back to the ICCID.
fn id_of(iccid: &str, place: u8) -> Option<u64> {
    let body = iccid
        .strip_prefix("8999")
        .map(|rest| format!("5{rest}"))
        .or_else(|| iccid.strip_prefix("89").map(str::to_owned))?;
    format!("{body}{place}").parse().ok()
}

/// 0 and 1 stand in one order, 2 and 3, and so on.
fn partner(iccid: &str) -> Option<String> {
    let last = iccid.chars().last()?.to_digit(10)?;
    let stem = iccid.get(..iccid.len() - 1)?;
    Some(format!("{stem}{}", last ^ 1))
}

/// What became of an order [doc: order list].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Completed,
    Failed,
    PartiallyRefunded,
    Refunded,
}

impl Status {
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::PartiallyRefunded => "Partially refunded",
            Self::Refunded => "Refunded",
        }
    }
}

/// An eSIM that a test made or changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) price_minor: Option<i64>,
    /// Of the eSIM's orders before any refund.
    pub(super) status: Option<Status>,
    pub(super) foreign: bool,
    /// None: those of the ICCID.
    pub(super) behaviours: Option<Vec<String>>,
}

/// What `PUT /control/airalo/orders/{iccid}` may say; what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) price: Option<String>,
    pub(super) status: Option<Status>,
    pub(super) foreign: Option<bool>,
    /// Names of the table, one per refund call, the last repeated; an empty list is ordinary behaviour.
    pub(super) behaviours: Option<Vec<String>>,
}

impl Made {
    pub(super) fn changed(mut self, change: Change) -> Result<Self, Refused> {
        if let Some(price) = &change.price {
            let minor = minor(price).ok_or_else(|| Refused(format!("price: {price} is not like 9.50")))?;
            self.price_minor = Some(minor);
        }
        self.status = change.status.or(self.status);
        self.foreign = change.foreign.unwrap_or(self.foreign);
        self.behaviours = change.behaviours.or(self.behaviours);
        Ok(self)
    }
}

/// Minor units of `9.50`.
fn minor(text: &str) -> Option<i64> {
    let (whole, cents) = text.split_once('.')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let good = digits(whole) && digits(cents) && cents.len() == 2;
    format!("{whole}{cents}").parse().ok().filter(|_| good)
}

/// `9.50` for 950 minor units.
pub(super) fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

#[cfg(test)]
mod tests {
    use super::{Kind, Order, decimal, is_possible, minor};

    #[test]
    fn an_order_is_found_by_its_esim_and_by_its_id() {
        for iccid in
            ["894000000000001", "89410000000000000009", "8942000000000000001", "89994100000000000001"]
        {
            let orders = Order::of(iccid);
            assert_eq!(orders.len(), if Kind::of(iccid) == Kind::ToppedUp { 3 } else { 1 });
            for order in orders {
                assert!(order.iccids.contains(&iccid.to_owned()));
                assert!(i64::try_from(order.id).is_ok(), "{}", order.id);
                assert_eq!(Order::by_id(order.id), Some(order));
            }
        }
        assert_eq!(Order::of("894000000000001")[0].id, 40_000_000_000_010);
        for id in [0, 7, 9666, 40_000_000_000_011, 40_000_000_000_019, 41_000_000_000_010_010] {
            assert_eq!(Order::by_id(id), None, "{id}");
        }
    }

    #[test]
    fn two_neighbours_share_an_order() {
        assert_eq!(Order::of("894100000000008"), Order::of("894100000000009"));
        assert_ne!(Order::of("894100000000007"), Order::of("894100000000008"));
    }

    #[test]
    fn kinds_are_the_first_digits() {
        assert_eq!(Kind::of("894900000000001"), Kind::Foreign);
        assert_eq!(Kind::of("899901000000001"), Kind::Foreign, "a code that the table does not have");
        assert_eq!(Kind::of("899910000000001"), Kind::Single);
        assert!(is_possible("894300000000001") && !is_possible("8940") && !is_possible("890000000000001"));
    }

    #[test]
    fn prices_have_two_places() {
        assert_eq!((minor("9.50"), decimal(950)), (Some(950), "9.50".to_owned()));
        assert_eq!(["9", "9.5", "-9.50", ".50", "9,50"].map(minor), [None; 5]);
    }
}
