//! Watch all refunds that match a filter: first what is not final, then every change by its position among
//! all.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use crate::domain::Rule;
use crate::domain::event::EventFilter;
use crate::domain::id::{AccountName, CallerName, OrderId, RefundId};
use crate::domain::money::Money;
use crate::store::Changed;

use super::{BUFFER_SIZE, Gone, Start, Token, WatchItem, Watched, wrong_token};
use crate::service::{Caller, Error, Service};

/// Positions, and open refunds, that are looked through at once, whatever of them matches.
const WINDOW: u64 = 500;

/// Which refunds are watched: those that match all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchFilter {
    /// Of this caller.
    pub caller: Option<CallerName>,
    /// Of this account.
    pub account: Option<AccountName>,
    /// Of this order of the account.
    pub order_id: Option<OrderId>,
}

/// A stream of a filter at work.
struct Watcher {
    service: Arc<Service>,
    filter: EventFilter,
    /// What tokens are bound to.
    watched: String,
    position: i64,
    /// Of which refund which event a snapshot told: not to be told again.
    told: HashMap<RefundId, i64>,
    out: mpsc::Sender<Result<Watched, Error>>,
    _permit: OwnedSemaphorePermit,
}

/// What a stream begins with.
enum Begin {
    /// A snapshot, after that refund of it.
    Snapshot(Option<RefundId>),
    /// What is new.
    News,
}

/// Why a stream ends: its reader left, or this is its last message.
enum End {
    Gone,
    Error(Error),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<crate::store::Error> for End {
    fn from(error: crate::store::Error) -> Self {
        Self::Error(error.into())
    }
}

impl Service {
    /// Watches all refunds that match and that the caller may read. Does not end by itself.
    pub(super) async fn watch_filter(
        self: &Arc<Self>,
        caller: &Caller,
        asked: WatchFilter,
        start: &Start,
    ) -> Result<mpsc::Receiver<Result<Watched, Error>>, Error> {
        caller.needs_a_right()?;
        let watched = Token::watched(&caller.name, &asked);
        let resumed = match start {
            Start::Snapshot | Start::Now => None,
            Start::Resume(token) => Some(Token::of_filter(token, &caller.name, &asked).map_err(wrong_token)?),
        };
        let filter = self.readable(caller, asked)?;
        if self.drain.is_cancelled() {
            return Err(Error::Draining);
        }
        // Subscribed before the first read: a change in between is looked for twice rather than missed.
        let changes = self.store.changes();
        let kept = self.store.positions().await?;
        let (position, begin) = match (resumed, start) {
            (Some((position, place)), _) => {
                if position > kept.last {
                    return Err(wrong_token(Rule::new("is from the future")));
                }
                let next = position.saturating_add(1);
                if position < kept.last && kept.first.is_none_or(|first| next < first) {
                    return Err(Error::HistoryGone);
                }
                (position, place.map_or(Begin::News, |told| Begin::Snapshot(Some(told))))
            }
            (None, Start::Snapshot) => (kept.last, Begin::Snapshot(None)),
            (None, Start::Now | Start::Resume(_)) => (kept.last, Begin::News),
        };
        let permit = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Error::TooManyStreams)?;
        let (out, messages) = mpsc::channel(BUFFER_SIZE);
        let (service, told) = (Arc::clone(self), HashMap::new());
        let stream = Watcher { service, filter, watched, position, told, out, _permit: permit };
        tokio::spawn(stream.run(begin, changes));
        Ok(messages)
    }

    /// A filter in the form that the store compares, narrowed to what the caller may read.
    fn readable(&self, caller: &Caller, asked: WatchFilter) -> Result<EventFilter, Error> {
        let WatchFilter { caller: owner, account, order_id } = asked;
        let mut filter = EventFilter { caller: owner, account, ..EventFilter::default() };
        if !(caller.read_all || caller.operate) {
            // Another's refunds are not told apart from none.
            filter.nothing = filter.caller.as_ref().is_some_and(|owner| *owner != caller.name);
            filter.caller = Some(caller.name.clone());
        }
        if let Some(name) = &filter.account {
            let provider = self.account_of(caller, name)?.identity.provider;
            filter.order_key = order_id.map(|order_id| provider.canonical_order(&order_id));
        }
        Ok(filter)
    }
}

impl Watcher {
    async fn run(mut self, begin: Begin, changes: Receiver<Changed>) {
        let ended = self.tell_all(begin, changes).await;
        if let Err(End::Error(error)) = ended {
            let _reader_left = self.out.send(Err(error)).await;
        }
    }

    async fn tell_all(&mut self, begin: Begin, mut changes: Receiver<Changed>) -> Result<(), End> {
        if let Begin::Snapshot(after) = begin {
            self.tell_snapshot(after).await?;
        }
        let limits = self.service.limits;
        let mut quiet_since = Instant::now();
        loop {
            let more = self.tell_news(&mut quiet_since).await?;
            self.may_go_on()?;
            if quiet_since.elapsed() >= limits.heartbeat {
                let now = self.service.store.now().await?;
                self.send(WatchItem::Heartbeat(now), None, None).await?;
                quiet_since = Instant::now();
            }
            // One that catches up reads on at once, and lives by its heartbeats all the same.
            if more {
                continue;
            }
            let until = (Instant::now() + limits.poll).min(quiet_since + limits.heartbeat);
            tokio::select! {
                biased;
                () = self.service.drain.cancelled() => return Err(End::Error(Error::Draining)),
                () = self.out.closed() => return Err(End::Gone),
                () = placed(&mut changes) => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// What matches and is not final, by id. What changes meanwhile has a position after the one that was
    /// kept before, and is told afterwards.
    async fn tell_snapshot(&mut self, mut after: Option<RefundId>) -> Result<(), End> {
        loop {
            self.may_go_on()?;
            let page = self.service.store.open_refunds(&self.filter, after, WINDOW).await?;
            let Some(looked_to) = page.looked_to else {
                return Ok(self.send(WatchItem::SnapshotEnd, None, None).await?);
            };
            for refund in page.refunds {
                let id = refund.id;
                self.told.insert(refund.id, refund.sequence);
                let amount = refund.content.payment().map(|payment| payment.amount);
                self.send(WatchItem::Snapshot(Box::new(refund)), amount, Some(id)).await?;
            }
            after = Some(looked_to);
        }
    }

    fn may_go_on(&self) -> Result<(), End> {
        if self.service.drain.is_cancelled() {
            Err(End::Error(Error::Draining))
        } else if self.out.is_closed() {
            Err(End::Gone)
        } else {
            Ok(())
        }
    }

    /// Tells what came since; whether anything was looked through.
    async fn tell_news(&mut self, quiet_since: &mut Instant) -> Result<bool, End> {
        let matching = self.service.store.events_matching(&self.filter, self.position, WINDOW).await?;
        let next = self.position.saturating_add(1);
        if matching.looked_from.is_some_and(|first| first != next) {
            return Err(End::Error(Error::HistoryGone));
        }
        let moved = matching.looked_to > self.position;
        for (event, amount) in matching.events {
            self.position = event.position.unwrap_or(self.position);
            match self.told.get(&event.refund_id) {
                Some(told) if event.sequence <= *told => continue,
                Some(_) | None => {}
            }
            self.told.remove(&event.refund_id);
            self.send(WatchItem::Change(Box::new(event)), amount, None).await?;
            *quiet_since = Instant::now();
        }
        self.position = matching.looked_to;
        Ok(moved)
    }

    async fn send(
        &self,
        item: WatchItem,
        amount: Option<Money>,
        snapshot: Option<RefundId>,
    ) -> Result<(), Gone> {
        let token = Token::Filter { position: self.position, snapshot, watched: self.watched.clone() };
        self.out.send(Ok(Watched { item, amount, token })).await.map_err(|_| Gone)
    }
}

/// Returns when events got their positions, or when wakes may have been missed.
async fn placed(changes: &mut Receiver<Changed>) {
    loop {
        match changes.recv().await {
            Ok(Changed::Here(_) | Changed::Elsewhere(_)) => {}
            Ok(Changed::Placed | Changed::Any) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
