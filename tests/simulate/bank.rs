//! The books of all providers: orders, transactions, keys, eSIMs. It takes whatever it is sent, more than an
//! order holds too: what must not happen shows here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use refunds::domain::account::{Account, KeyProof, ProviderKind};
use refunds::domain::answer::{BlockCause, Face, Review, Signal};
use refunds::domain::id::{AccountName, Iccid, RefundId};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Failure, Item, ItemState, Refund, StateKind, Success};
use refunds::domain::ruling::Outcome;
use tokio::time::Instant;

use crate::accounts::RESEND_WINDOW;
use crate::laws::order_of;
use crate::support::chance::Chance;

/// How much longer than a key may be used it is remembered: as long as a request may be on its way.
const KEY_MARGIN: Duration = Duration::from_secs(45);
/// What every order holds.
const CAPTURED: [i64; 3] = [1_000, 3_000, 10_000];

/// How a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    Done,
    /// A person decides by then: whether it goes back.
    Registered(Instant, bool),
    Refused,
}

/// What was made of a request.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    pub(crate) id: String,
    pub(crate) refund: RefundId,
    pub(crate) key: String,
    pub(crate) amount_minor: i64,
    pub(crate) stand: Stand,
    pub(crate) made: Instant,
}

impl Transaction {
    pub(crate) fn stands(&self) -> Stand {
        match self.stand {
            Stand::Registered(by, goes_back) if by <= Instant::now() => {
                if goes_back {
                    Stand::Done
                } else {
                    Stand::Refused
                }
            }
            stand => stand,
        }
    }

    pub(crate) fn item(&self) -> Item {
        let state = match self.stands() {
            Stand::Done => ItemState::Succeeded,
            Stand::Registered(..) => ItemState::Pending,
            Stand::Refused => ItemState::Failed,
        };
        let amount_minor = Some(self.amount_minor);
        Item { id: self.id.clone(), state, amount_minor, provider_code: None }
    }
}

/// An order.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) captured_minor: i64,
    /// Refunded elsewhere, before anything else.
    pub(crate) external_minor: i64,
    pub(crate) transactions: Vec<Transaction>,
    /// Every refund of it is refused.
    declines: bool,
}

/// An eSIM.
#[derive(Debug, Default)]
pub(crate) struct Esim {
    taken_for: Vec<RefundId>,
    /// When its order is refunded, if ever.
    refunded: Option<Instant>,
}

impl Esim {
    pub(crate) fn is_refunded(&self) -> bool {
        self.refunded.is_some_and(|at| at <= Instant::now())
    }
}

/// The books.
#[derive(Debug)]
pub(crate) struct Bank {
    pub(crate) chance: Chance,
    orders: BTreeMap<(String, String), Order>,
    esims: BTreeMap<Iccid, Esim>,
    /// Accounts of which an answer showed our key.
    echoed: BTreeSet<AccountName>,
    /// Accounts that are refused until then.
    blocked: BTreeMap<AccountName, Instant>,
    numbers: u32,
    calm: bool,
}

impl Bank {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed, 1),
            orders: BTreeMap::new(),
            esims: BTreeMap::new(),
            echoed: BTreeSet::new(),
            blocked: BTreeMap::new(),
            numbers: 0,
            calm: false,
        }
    }

    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        self.blocked.clear();
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm
    }

    pub(crate) fn echoed(&self, account: &AccountName) -> bool {
        self.echoed.contains(account)
    }

    pub(crate) fn block(&mut self, account: &AccountName, length: Duration) {
        self.blocked.insert(account.clone(), Instant::now() + length);
    }

    pub(crate) fn is_blocked(&self, account: &AccountName) -> bool {
        self.blocked.get(account).is_some_and(|until| *until > Instant::now())
    }

    /// The order of a refund; made when it is first asked for.
    pub(crate) fn order(&mut self, refund: &Refund) -> &mut Order {
        let key = order_of(refund).unwrap();
        let chance = &mut self.chance;
        self.orders.entry(key).or_insert_with(|| {
            let captured_minor = *chance.one_of(&CAPTURED);
            let external_minor = if chance.in_thousand(200) { captured_minor / 4 } else { 0 };
            let declines = chance.in_thousand(80);
            Order { captured_minor, external_minor, transactions: Vec::new(), declines }
        })
    }

    pub(crate) fn esim(&mut self, iccid: &Iccid) -> &mut Esim {
        self.esims.entry(iccid.clone()).or_default()
    }

    /// A request of one refund of a payment arrives. Gives the answer and how many effects the refund has.
    pub(crate) fn receive(&mut self, account: &Account, refund: &Refund) -> (Face, Vec<Signal>, usize) {
        let name = &account.identity.name;
        if self.is_blocked(name) {
            let cause = BlockCause::Credentials;
            return (Face::Blocked(cause), vec![Signal::Block(cause)], 0);
        }
        let key = refund.key.to_string();
        let heeds_keys = account.capabilities.key != KeyProof::Never;
        let remembered = self
            .order(refund)
            .transactions
            .iter()
            .find(|made| made.key == key && made.made + RESEND_WINDOW + KEY_MARGIN > Instant::now());
        let remembered = remembered.filter(|_| heeds_keys).cloned();
        let contrary = remembered.is_some() && !self.calm && self.chance.in_thousand(60);
        let is_echoing = account.capabilities.key == KeyProof::OnceEchoed;
        let signals =
            || if is_echoing { vec![Signal::Healthy, Signal::KeyHeeded] } else { vec![Signal::Healthy] };
        if contrary && account.identity.provider == ProviderKind::Afterpay {
            // Our own success leaves too little for the resend, as the provider sees it.
            let failure = refused(FailureReason::AmountExceedsRefundable);
            return (Face::Declined { failure, conclusive: false }, vec![Signal::Healthy], 0);
        }
        if is_echoing {
            self.echoed.insert(name.clone());
        }
        if let Some(made) = remembered {
            return (face(account, &made), signals(), 0);
        }
        let made = self.made(account, refund, key);
        let face = face(account, &made);
        let moves = made.stand != Stand::Refused;
        let transactions = &mut self.order(refund).transactions;
        transactions.push(made);
        let of_this = transactions.iter().filter(|made| made.refund == refund.id);
        let effects = of_this.filter(|made| made.stands() != Stand::Refused).count();
        (face, signals(), if moves { effects } else { 0 })
    }

    fn made(&mut self, account: &Account, refund: &Refund, key: String) -> Transaction {
        self.numbers += 1;
        let asked = refund.content.payment().unwrap().amount.minor();
        let in_part = account.identity.provider == ProviderKind::Worldline && self.chance.in_thousand(50);
        let reviewed = account.identity.provider != ProviderKind::Afterpay && self.chance.in_thousand(150);
        let by = self.chance.between(Duration::from_secs(5), Duration::from_mins(10));
        let goes_back = self.chance.in_thousand(700);
        let stand = match (self.order(refund).declines, reviewed) {
            (true, _) => Stand::Refused,
            (false, true) => Stand::Registered(Instant::now() + by, goes_back),
            (false, false) => Stand::Done,
        };
        let amount_minor = if in_part { (asked / 2).max(1) } else { asked };
        let (id, made) = (format!("t-{}", self.numbers), Instant::now());
        Transaction { id, refund: refund.id, key, amount_minor, stand, made }
    }

    /// A call of eSIMs arrives. Gives the answer for each refund, and how often its eSIMs were taken now.
    pub(crate) fn receive_esims(&mut self, refunds: &[Refund]) -> (Vec<Face>, Vec<(RefundId, usize)>) {
        let holds_foreign = |refund: &Refund| refund.content.iccids().iter().any(is_foreign);
        if refunds.iter().any(holds_foreign) {
            let face = |refund: &Refund| {
                if holds_foreign(refund) {
                    Face::Declined { failure: refused(FailureReason::OrderNotFound), conclusive: false }
                } else {
                    Face::NotSent { alone: false }
                }
            };
            return (refunds.iter().map(face).collect(), Vec::new());
        }
        let mut taken = Vec::new();
        for refund in refunds {
            for iccid in refund.content.iccids() {
                let after = self.chance.between(Duration::from_secs(30), Duration::from_mins(15));
                let decided = self.chance.in_thousand(850);
                let esim = self.esim(iccid);
                esim.taken_for.push(refund.id);
                if decided {
                    esim.refunded = esim.refunded.or(Some(Instant::now() + after));
                }
                taken.push((refund.id, esim.taken_for.len()));
            }
        }
        (vec![Face::InReview(Review::default()); refunds.len()], taken)
    }

    /// What a refund's state says against what truly moved.
    pub(crate) fn contradiction(&self, refund: &Refund) -> Option<String> {
        let (id, kind) = (refund.id, refund.state.kind());
        let moved = self.moved(refund);
        match kind {
            StateKind::Failed | StateKind::Canceled if moved.is_some() => {
                Some(format!("{id} is {kind} and the provider gave {moved:?} back"))
            }
            StateKind::Succeeded | StateKind::PartiallySucceeded => {
                let amount = refund.content.payment().map(|_| refund.held_minor());
                let agree = moved.is_some() && (amount.is_none() || amount == moved);
                (!agree)
                    .then(|| format!("{id} is {kind} with {amount:?} and the provider gave {moved:?} back"))
            }
            _undecided => None,
        }
    }

    /// Whether the provider came to an end with a refund that it took, and shows it when it is looked at.
    pub(crate) fn is_decided(&self, refund: &Refund) -> bool {
        let Some(key) = order_of(refund) else { return self.moved(refund).is_some() };
        let transactions = self.orders.get(&key).into_iter().flat_map(|order| &order.transactions);
        let mut ours = transactions.filter(|made| made.refund == refund.id).peekable();
        // Afterpay's payments show no refund that was refused: an answer alone tells of it.
        let shows_refusals = refund.identity.provider != ProviderKind::Afterpay;
        let is_shown = |made: &Transaction| match made.stands() {
            Stand::Done => true,
            Stand::Registered(..) => false,
            Stand::Refused => shows_refusals,
        };
        ours.peek().is_some() && ours.all(is_shown)
    }

    /// What became of a refund, by the books; `None` while that is not clear.
    pub(crate) fn truth(&self, refund: &Refund) -> Option<Outcome> {
        let whole = Outcome::Succeeded { amount_minor: None, provider_refund_id: None };
        let Some(key) = order_of(refund) else {
            let never = |iccid: &Iccid| self.esims.get(iccid).is_none_or(|esim| esim.refunded.is_none());
            let nothing = refund.content.iccids().iter().all(never).then_some(Outcome::Failed);
            return self.moved(refund).map(|_| whole).or(nothing);
        };
        let transactions = self.orders.get(&key).into_iter().flat_map(|order| &order.transactions);
        let mut ours = transactions.filter(|made| made.refund == refund.id);
        if ours.any(|made| matches!(made.stands(), Stand::Registered(..))) {
            return None;
        }
        let wanted = refund.content.payment().map(|payment| payment.amount.minor());
        Some(match self.moved(refund) {
            None => Outcome::Failed,
            moved if moved == wanted => whole,
            amount_minor => Outcome::PartiallySucceeded { amount_minor, provider_refund_id: None },
        })
    }

    /// How much the provider gave back for a refund; `None` if nothing.
    pub(crate) fn moved(&self, refund: &Refund) -> Option<i64> {
        let Some(key) = order_of(refund) else {
            let refunded = |iccid: &Iccid| self.esims.get(iccid).is_some_and(Esim::is_refunded);
            let ours = |iccid: &Iccid| self.esims[iccid].taken_for.contains(&refund.id);
            let all = refund.content.iccids().iter().all(|iccid| refunded(iccid) && ours(iccid));
            return all.then_some(0);
        };
        let transactions = self.orders.get(&key).into_iter().flat_map(|order| &order.transactions);
        let done = transactions.filter(|made| made.refund == refund.id && made.stands() == Stand::Done);
        done.map(|made| made.amount_minor).reduce(|a, b| a + b)
    }

    /// Orders of which more went back, or may still, than they hold.
    pub(crate) fn over(&self) -> Vec<String> {
        let moving = |order: &Order| {
            let moving = order.transactions.iter().filter(|made| made.stands() != Stand::Refused);
            moving.map(|made| made.amount_minor).sum::<i64>() + order.external_minor
        };
        let over = self.orders.iter().filter(|(_, order)| moving(order) > order.captured_minor);
        over.map(|((_, key), order)| {
            format!("{} of {} went back on {key}", moving(order), order.captured_minor)
        })
        .collect()
    }
}

/// Shown as the company's own, and yet refused as foreign.
fn is_foreign(iccid: &Iccid) -> bool {
    iccid.as_str().ends_with('7')
}

/// The answer for a transaction.
pub(crate) fn face(account: &Account, made: &Transaction) -> Face {
    let speaks_of_ours = account.identity.provider != ProviderKind::Afterpay;
    match made.stands() {
        Stand::Done => Face::Succeeded(success(account, made)),
        Stand::Registered(..) => Face::InReview(review(account, made)),
        Stand::Refused => {
            Face::Declined { failure: refused(FailureReason::OrderNotRefundable), conclusive: speaks_of_ours }
        }
    }
}

pub(crate) fn success(account: &Account, made: &Transaction) -> Success {
    Success {
        amount_minor: Some(made.amount_minor),
        provider_refund_id: Some(made.id.clone()),
        completed: None,
        items: parts(account, made),
    }
}

pub(crate) fn review(account: &Account, made: &Transaction) -> Review {
    Review { reference: Some(made.id.clone()), items: parts(account, made) }
}

/// Where no key is echoed a refund is known by its parts.
pub(crate) fn parts(account: &Account, made: &Transaction) -> Vec<Item> {
    if account.capabilities.echoes_key { Vec::new() } else { vec![made.item()] }
}

pub(crate) fn refused(reason: FailureReason) -> Failure {
    Failure { reason, provider_code: None, text: None }
}
