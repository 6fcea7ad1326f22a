//! What callers wish, drawn by the seed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use refunds::grpc::proto::{CreateRefundRequest, Money};

use crate::book::Sort;
use crate::catalogue::{CATALOGUES, Catalogue, Provider};
use crate::support::app::{esim, payment};
use crate::support::chance::Chance;

/// Of a thousand draws: those for each provider's good orders, and then the others.
const PLAIN: [(Provider, u32); 4] =
    [(Provider::Afterpay, 270), (Provider::Moyasar, 240), (Provider::Worldline, 190), (Provider::Airalo, 60)];
const ODD_PAYMENT: u32 = 90;
const ODD_ESIM: u32 = 40;
const CROWD: u32 = 30;
const SHARED: u32 = 10;
/// Wishes on one order of a crowd, and the part of it that each asks for: two of them fit.
const CROWD_SIZE: usize = 4;
const CROWD_PART_PERCENT: i64 = 40;
/// An ordinary amount, minor units.
const AMOUNT_MINOR: i64 = 1_000;

/// A wish that nobody has yet called for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) request: CreateRefundRequest,
    pub(crate) provider: Provider,
    pub(crate) sort: Sort,
}

/// Whether a database that forgot such a wish, after it was sent, learns of that when its caller repeats it.
///
/// Where a provider does not name our keys, a repeat is a new refund to it. Of several on one order, what
/// one of them did in the forgotten time is to the others a refund made elsewhere: the guard may refuse the
/// repeat of the one for the room that it took itself.
pub(crate) fn is_findable(provider: Provider, sort: &Sort) -> bool {
    provider.names_keys() && *sort != Sort::Crowd
}

/// Draws wishes.
pub(crate) struct Wishes {
    inner: Mutex<Inner>,
    /// Whether only such wishes are made as can be lost and found.
    findable_only: AtomicBool,
}

struct Inner {
    chance: Chance,
    number: u64,
    ready: VecDeque<Wish>,
    /// The codes of each provider in the order of their turn.
    odd: BTreeMap<Provider, VecDeque<&'static str>>,
    /// What is to be asked once.
    shut: Vec<(Provider, &'static str)>,
}

impl Wishes {
    pub(crate) fn new(mut chance: Chance) -> Self {
        let odd = CATALOGUES.into_iter().map(|c| {
            let mut codes = c.odd_codes.to_vec();
            shuffle(&mut codes, &mut chance);
            (c.provider, codes.into())
        });
        let odd = odd.collect();
        let mut shut: Vec<_> =
            CATALOGUES.iter().flat_map(|c| c.shut_codes.iter().map(|code| (c.provider, *code))).collect();
        shuffle(&mut shut, &mut chance);
        let inner = Inner { chance, number: 0, ready: VecDeque::new(), odd, shut };
        Self { inner: Mutex::new(inner), findable_only: AtomicBool::new(false) }
    }

    /// The next wish.
    pub(crate) fn next(&self) -> Wish {
        let findable_only = self.findable_only.load(Ordering::SeqCst);
        let mut inner = self.inner.lock().unwrap();
        loop {
            let fits = |wish: &Wish| !findable_only || is_findable(wish.provider, &wish.sort);
            if let Some(place) = inner.ready.iter().position(fits) {
                return inner.ready.remove(place).unwrap();
            }
            inner.draw();
        }
    }

    /// Sets whether only such wishes are made as can be lost and found.
    pub(crate) fn make_findable_only(&self, findable_only: bool) {
        self.findable_only.store(findable_only, Ordering::SeqCst);
    }

    /// One good order of each account whose provider is to show that it heeds our keys.
    pub(crate) fn proofs(&self) -> Vec<Wish> {
        let mut inner = self.inner.lock().unwrap();
        let accounts = Provider::Moyasar.catalogue().accounts();
        accounts.map(|account| inner.plain(Provider::Moyasar, account)).collect()
    }
}

impl Inner {
    fn draw(&mut self) {
        let mut left = self.chance.below(1_000);
        for (provider, share) in PLAIN {
            if left < share {
                let account = *self.chance.one_of(provider.catalogue().plain);
                let wish = self.plain(provider, account);
                self.ready.push_back(wish);
                return;
            }
            left -= share;
        }
        if left < ODD_PAYMENT {
            let provider = [Provider::Afterpay, Provider::Moyasar, Provider::Worldline, Provider::Worldline];
            let provider = provider[usize::try_from(left % 4).unwrap()];
            return self.odd(provider);
        }
        left -= ODD_PAYMENT;
        if left < ODD_ESIM {
            return self.odd(Provider::Airalo);
        }
        left -= ODD_ESIM;
        if left < CROWD {
            return self.crowd();
        }
        left -= CROWD;
        if left < SHARED {
            return self.shared();
        }
        if let Some((provider, code)) = self.shut.pop() {
            self.misbehaving(provider, provider.catalogue().shut, code);
        }
    }

    fn odd(&mut self, provider: Provider) {
        let catalogue: &Catalogue = provider.catalogue();
        let codes = self.odd.get_mut(&provider).unwrap();
        codes.rotate_left(1);
        let code = *codes.back().unwrap();
        self.misbehaving(provider, catalogue.odd, code);
    }

    fn misbehaving(&mut self, provider: Provider, account: &'static str, code: &'static str) {
        let number = self.number();
        let order = provider.odd_order(code, number);
        let request = wish(&format!("odd-{number}"), provider, account, &order, AMOUNT_MINOR);
        self.ready.push_back(Wish { request, provider, sort: Sort::Odd(code) });
    }

    fn plain(&mut self, provider: Provider, account: &str) -> Wish {
        let number = self.number();
        let order = provider.plain_order(number);
        let amount = AMOUNT_MINOR + i64::from(self.chance.below(9_000));
        let request = wish(&format!("plain-{number}"), provider, account, &order, amount);
        Wish { request, provider, sort: Sort::Plain }
    }

    /// Several wishes on one order, at the accounts of one merchant, who together ask for too much.
    fn crowd(&mut self) {
        let providers = [Provider::Afterpay, Provider::Moyasar, Provider::Worldline];
        let provider = *self.chance.one_of(&providers);
        let order = provider.plain_order(self.number());
        let (currency, captured) = provider.captured();
        let told = self.chance.below(2) == 0;
        for _ in 0..CROWD_SIZE {
            let account = *self.chance.one_of(provider.catalogue().plain);
            let id = format!("crowd-{}", self.number());
            let mut request = wish(&id, provider, account, &order, captured * CROWD_PART_PERCENT / 100);
            request.captured_amount =
                told.then(|| Money { currency_code: currency.to_owned(), amount_minor: captured });
            self.ready.push_back(Wish { request, provider, sort: Sort::Crowd });
        }
    }

    /// Two wishes for one eSIM.
    fn shared(&mut self) {
        let provider = Provider::Airalo;
        let order = provider.plain_order(self.number());
        for _ in 0..2 {
            let account = *self.chance.one_of(provider.catalogue().plain);
            let request = wish(&format!("shared-{}", self.number()), provider, account, &order, 0);
            self.ready.push_back(Wish { request, provider, sort: Sort::Shared });
        }
    }

    fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

fn wish(id: &str, provider: Provider, account: &str, order: &str, minor: i64) -> CreateRefundRequest {
    match provider {
        Provider::Airalo => esim(id, account, order),
        Provider::Afterpay | Provider::Moyasar | Provider::Worldline => {
            payment(id, account, order, (provider.captured().0, minor))
        }
    }
}

fn shuffle<T>(items: &mut [T], chance: &mut Chance) {
    for place in (1..items.len()).rev() {
        let other = chance.below(u32::try_from(place + 1).unwrap());
        items.swap(place, usize::try_from(other).unwrap());
    }
}
