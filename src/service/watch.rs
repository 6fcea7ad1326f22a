//! Watch a refund, or all that match a filter: each change once and in order, resumable by a token.

mod filtered;
mod token;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};
use tokio::time::Instant;

use crate::domain::Rule;
use crate::domain::event::Event;
use crate::domain::id::{CallerName, RefundId};
use crate::domain::money::Money;
use crate::domain::refund::Refund;
use crate::domain::timestamp::Timestamp;
use crate::store::Changed;

use super::{Caller, Error, FieldFault, Service};

pub use filtered::WatchFilter;
pub use token::Token;

/// Events read at once.
const PAGE_SIZE: u64 = 100;
/// Messages that wait for a slow reader.
const BUFFER_SIZE: usize = 16;

/// Where a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// By how things stand.
    Snapshot,
    /// With what follows.
    Now,
    /// Right after a token.
    Resume(String),
}

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// What of it.
    pub target: WatchTarget,
    /// Where to start.
    pub start: Start,
    /// Stay after the final state.
    pub follow_reversals: bool,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchTarget {
    /// One refund.
    Refund(RefundId),
    /// All that match.
    Filter(WatchFilter),
}

/// One message, and the token that goes on after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The message.
    pub item: WatchItem,
    /// The amount of the refund watched, for the currency of what went back; `None` for eSIMs.
    pub amount: Option<Money>,
    /// The token.
    pub token: Token,
}

/// A message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchItem {
    /// How a refund stands at the start.
    Snapshot(Box<Refund>),
    /// The snapshot is complete.
    SnapshotEnd,
    /// A change.
    Change(Box<Event>),
    /// Nothing new.
    Heartbeat(Timestamp),
}

/// A stream at work.
struct Watcher {
    service: Arc<Service>,
    caller: CallerName,
    refund_id: RefundId,
    watch: Watch,
    amount: Option<Money>,
    sequence: i64,
    out: mpsc::Sender<Result<Watched, Error>>,
    _permit: OwnedSemaphorePermit,
}

/// The reader went away.
struct Gone;

fn wrong_token(rule: Rule) -> Error {
    Error::Invalid(vec![FieldFault::new("resume_token", rule.0)])
}

impl Service {
    /// Watches a refund. The receiver gets messages until the refund is final, the service drains or the
    /// store fails; an error is the last message.
    pub async fn watch(
        self: &Arc<Self>,
        caller: &Caller,
        watch: Watch,
    ) -> Result<mpsc::Receiver<Result<Watched, Error>>, Error> {
        match &watch.target {
            WatchTarget::Refund(id) => self.watch_refund(caller, *id, watch).await,
            WatchTarget::Filter(filter) => self.watch_filter(caller, filter.clone(), &watch.start).await,
        }
    }

    async fn watch_refund(
        self: &Arc<Self>,
        caller: &Caller,
        refund_id: RefundId,
        watch: Watch,
    ) -> Result<mpsc::Receiver<Result<Watched, Error>>, Error> {
        let resumed = match &watch.start {
            Start::Snapshot | Start::Now => None,
            Start::Resume(token) => {
                Some(Token::of_refund(token, &caller.name, refund_id).map_err(wrong_token)?)
            }
        };
        // Subscribed before the first read: a change in between is seen twice rather than missed, and told
        // once.
        let changes = self.store.changes();
        let refund = self.visible(caller, refund_id).await?;
        if self.drain.is_cancelled() {
            return Err(Error::Draining);
        }
        let sequence = resumed.unwrap_or(refund.sequence);
        if sequence > refund.sequence {
            return Err(wrong_token(Rule::new("is from the future")));
        }
        let permit = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Error::TooManyStreams)?;
        let (out, messages) = mpsc::channel(BUFFER_SIZE);
        let service = Arc::clone(self);
        let amount = refund.content.payment().map(|p| p.amount);
        let caller = caller.name.clone();
        let watcher = Watcher { service, caller, refund_id, watch, amount, sequence, out, _permit: permit };
        tokio::spawn(async move {
            let _gone = watcher.run(refund, changes).await;
        });
        Ok(messages)
    }
}

impl Watcher {
    async fn run(mut self, refund: Refund, changes: broadcast::Receiver<Changed>) -> Result<(), Gone> {
        let mut ended = refund.state.kind().is_final() && self.sequence == refund.sequence;
        if self.watch.start == Start::Snapshot {
            self.send(WatchItem::Snapshot(Box::new(refund))).await?;
            self.send(WatchItem::SnapshotEnd).await?;
        }
        let mut changes = changes;
        let mut quiet_since = Instant::now();
        while !ended || self.watch.follow_reversals {
            match self.tell_news().await? {
                News::Told { last_is_final } => {
                    quiet_since = Instant::now();
                    ended = last_is_final;
                    continue;
                }
                News::Failed(error) => {
                    self.out.send(Err(error)).await.map_err(|_| Gone)?;
                    return Ok(());
                }
                News::None => {}
            }
            let limits = self.service.limits;
            if quiet_since.elapsed() >= limits.heartbeat {
                match self.service.store.now().await {
                    Ok(now) => self.send(WatchItem::Heartbeat(now)).await?,
                    Err(error) => {
                        self.out.send(Err(error.into())).await.map_err(|_| Gone)?;
                        return Ok(());
                    }
                }
                quiet_since = Instant::now();
            }
            let until = (Instant::now() + limits.poll).min(quiet_since + limits.heartbeat);
            tokio::select! {
                biased;
                () = self.service.drain.cancelled() => {
                    return self.out.send(Err(Error::Draining)).await.map_err(|_| Gone);
                }
                () = self.out.closed() => return Err(Gone),
                () = changed(&mut changes, self.refund_id) => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
        Ok(())
    }

    /// Tells the events that came since, in order.
    async fn tell_news(&mut self) -> Result<News, Gone> {
        let read = self.service.store.events_after(self.refund_id, self.sequence, PAGE_SIZE).await;
        let events = match read {
            Ok(events) => events,
            Err(error) => return Ok(News::Failed(error.into())),
        };
        let mut last_is_final = None;
        for event in events {
            if event.sequence != self.sequence + 1 {
                return Ok(News::Failed(Error::HistoryGone));
            }
            self.sequence = event.sequence;
            last_is_final = Some(event.state.is_final());
            self.send(WatchItem::Change(Box::new(event))).await?;
        }
        Ok(last_is_final.map_or(News::None, |last_is_final| News::Told { last_is_final }))
    }

    async fn send(&self, item: WatchItem) -> Result<(), Gone> {
        let token =
            Token::Refund { id: self.refund_id, sequence: self.sequence, caller: self.caller.clone() };
        self.out.send(Ok(Watched { item, amount: self.amount, token })).await.map_err(|_| Gone)
    }
}

enum News {
    None,
    Told { last_is_final: bool },
    Failed(Error),
}

/// Returns when this refund changed, or when wakes may have been missed.
async fn changed(changes: &mut broadcast::Receiver<Changed>, id: RefundId) {
    loop {
        match changes.recv().await {
            Ok(other) if !other.concerns(id) => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
