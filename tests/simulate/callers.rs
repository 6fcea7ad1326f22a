//! Callers: each has its own record of what it asked and what it was told, repeats until it has an answer,
//! gives up in the middle of calls, asks twice at once, and reads elsewhere what it was acknowledged.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use refunds::domain::account::{Account, TargetShape};
use refunds::domain::content::Content;
use refunds::domain::event::Actor;
use refunds::domain::id::{CallerName, RefundId, RequestId};
use refunds::domain::money::Money;
use refunds::domain::refund::StateKind;
use refunds::service::{Caller, Created, Error, Wish};
use refunds::store;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::nemesis::Replicas;
use crate::support::chance::Chance;
use crate::support::samples::{aud, esims, iccid, payment};
use crate::watchers::watch;
use crate::world::World;

/// Within how long refunds are asked for.
const COMING: Duration = Duration::from_secs(100);
/// Orders of an account: few, so that refunds meet.
const ORDERS: u32 = 3;
/// eSIMs of a company.
const ESIMS: u32 = 12;
/// How long a caller waits for an answer, at least and at most.
const PATIENCE: [Duration; 2] = [Duration::from_millis(2), Duration::from_secs(4)];

/// What callers were told.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) acknowledged: Vec<(RequestId, Content, RefundId)>,
    pub(crate) refused: usize,
    pub(crate) replays: usize,
    pub(crate) faults: Vec<String>,
}

/// Who asks.
pub(crate) fn caller() -> Caller {
    let name = CallerName::parse("shop").unwrap();
    Caller { name, refund: true, read_all: false, operate: false, accounts: None }
}

/// One caller with a number of wishes.
pub(crate) struct Asking {
    pub(crate) world: Arc<World>,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) book: Arc<Mutex<Book>>,
    pub(crate) chance: Chance,
    pub(crate) number: u64,
    pub(crate) wishes: u32,
}

impl Asking {
    /// Asks for everything, until each wish is acknowledged or refused for good.
    pub(crate) async fn run(mut self) {
        let mut watches = JoinSet::new();
        for n in 0..self.wishes {
            let rest = self.chance.between(Duration::ZERO, COMING / self.wishes);
            sleep(rest).await;
            let wish = self.wish(n);
            if let Some(id) = self.insist(&wish).await {
                self.book.lock().unwrap().acknowledged.push((
                    wish.request_id.clone(),
                    wish.content.clone(),
                    id,
                ));
                if self.chance.in_thousand(500) {
                    let chance = Chance::new(self.world.seed, 10_000 + self.number * 100 + u64::from(n));
                    let (world, replicas) = (Arc::clone(&self.world), Arc::clone(&self.replicas));
                    watches.spawn(watch(world, replicas, chance, id));
                }
                self.hold_to_it(&wish, id).await;
            }
        }
        while watches.join_next().await.is_some() {}
    }

    fn wish(&mut self, n: u32) -> Wish {
        let account = self.chance.one_of(&self.world.accounts).clone();
        let request_id = RequestId::parse(&format!("caller-{}-{n}", self.number)).unwrap();
        let content = match account.capabilities.shape {
            TargetShape::Payment => self.payment(&account),
            TargetShape::Esims => self.esims(&account),
        };
        Wish { request_id, content, trace: None }
    }

    fn payment(&mut self, account: &Account) -> Content {
        let order = format!("{}", 1_000 + self.chance.below(ORDERS));
        let amount = *self.chance.one_of(&[100, 400, 900, 2_500]);
        let mut content = payment(&account.identity, &order, amount).content;
        // What a caller believes may be wrong in both directions.
        let believed = *self.chance.one_of(&[800, 1_000, 20_000]);
        content.captured_amount = self.chance.in_thousand(300).then(|| aud(believed));
        content
    }

    fn esims(&mut self, account: &Account) -> Content {
        let first = self.chance.below(ESIMS);
        let count = 1 + self.chance.below(2);
        let company = if account.identity.name.as_str() == "airalo" { 0 } else { 1_000 };
        let iccids: Vec<_> = (0..count).map(|n| iccid(company + first + n)).collect();
        let iccids: Vec<_> = iccids.iter().map(String::as_str).collect();
        esims(&account.identity, &iccids).content
    }

    /// Repeats with the same key until there is an answer; `None` if it is refused.
    async fn insist(&mut self, wish: &Wish) -> Option<RefundId> {
        loop {
            let patience = self.chance.between(PATIENCE[0], PATIENCE[1]);
            let twin = self.chance.in_thousand(200);
            let told = if twin {
                let (one, other) = (self.ask(wish, patience), self.ask(wish, patience));
                let (one, other) = tokio::join!(one, other);
                self.same(wish, one.as_ref(), other.as_ref());
                one.or(other)
            } else {
                self.ask(wish, patience).await
            };
            match told {
                Some(Ok(created)) => {
                    self.book.lock().unwrap().replays += usize::from(created.replayed);
                    return Some(created.refund.id);
                }
                Some(Err(Error::Store(store::Error::Away { .. }) | Error::Draining)) | None => {}
                Some(Err(
                    Error::AmountExceedsRemaining { .. }
                    | Error::EsimTaken { .. }
                    | Error::CurrencyMismatch { .. },
                )) => {
                    self.book.lock().unwrap().refused += 1;
                    return None;
                }
                Some(Err(error)) => {
                    self.fault(format!("{}: {error}", wish.request_id));
                    return None;
                }
            }
            let rest = self.chance.between(Duration::from_millis(10), Duration::from_secs(1));
            sleep(rest).await;
        }
    }

    /// One call at one replica, given up after a while wherever it stands.
    fn ask(
        &mut self,
        wish: &Wish,
        patience: Duration,
    ) -> impl Future<Output = Option<Result<Created, Error>>> + use<> {
        let replica = self.replicas.any(&mut self.chance);
        let wish = wish.clone();
        async move { timeout(patience, replica.service().create(&caller(), wish)).await.ok() }
    }

    fn same(
        &self,
        wish: &Wish,
        one: Option<&Result<Created, Error>>,
        other: Option<&Result<Created, Error>>,
    ) {
        if let (Some(Ok(one)), Some(Ok(other))) = (one, other)
            && (one.refund.id != other.refund.id || !(one.replayed || other.replayed))
        {
            self.fault(format!("{} is two refunds", wish.request_id));
        }
    }

    /// What was acknowledged is found anywhere at once, a repeat is a replay, other content a conflict.
    async fn hold_to_it(&mut self, wish: &Wish, id: RefundId) {
        for _ in 0..3 {
            let replica = self.replicas.any(&mut self.chance);
            let service = replica.service();
            match timeout(PATIENCE[1], service.get(&caller(), id, false)).await {
                Ok(Ok(_)) => break,
                Ok(Err(Error::Store(store::Error::Away { .. }))) | Err(_) => {}
                Ok(Err(error)) => self.fault(format!("{id} was acknowledged: {error}")),
            }
        }
        if self.chance.in_thousand(300) {
            match self.insist(wish).await {
                Some(again) if again == id => {}
                told => self.fault(format!("{}: {id}, and then {told:?}", wish.request_id)),
            }
        }
        if self.chance.in_thousand(120) {
            self.withdraw(id).await;
        }
        if self.chance.in_thousand(150) {
            let mut other = wish.clone();
            other.content.expected_remaining = Some(Money::clone(&aud(77)));
            if let Some(Ok(_)) = self.ask(&other, PATIENCE[1]).await {
                self.fault(format!("{} was used for something else", wish.request_id));
            }
        }
    }

    /// Withdraws it, if nothing was sent: whoever answers, it is canceled then, for good.
    async fn withdraw(&mut self, id: RefundId) {
        let replica = self.replicas.any(&mut self.chance);
        let (service, actor) = (replica.service(), Actor::of("shop"));
        match timeout(PATIENCE[1], service.cancel(&caller(), id, actor)).await {
            Ok(Ok(refund)) if refund.state.kind() != StateKind::Canceled => {
                self.fault(format!("{id} was withdrawn and is {}", refund.state.kind()));
            }
            Ok(Ok(_) | Err(Error::StateForbids { .. } | Error::Store(store::Error::Away { .. })))
            | Err(_) => {}
            Ok(Err(error)) => self.fault(format!("{id} cannot be withdrawn: {error}")),
        }
    }

    fn fault(&self, fault: String) {
        self.world.tell("caller", format_args!("{fault}"));
        self.book.lock().unwrap().faults.push(fault);
    }
}
