//! Watchers: a stream goes on at another replica with its last token, and tells each change once, in order.

use std::sync::Arc;
use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::stream_refund_status_request::Target;
use refunds::grpc::proto::stream_refund_status_response::Message;
use refunds::grpc::proto::{StreamRefundStatusRequest, StreamStart};
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::findings::Wrong;
use crate::support::app::with_token;
use crate::support::chance::Chance;
use crate::support::process::TOKEN;
use crate::world::{World, count};

/// With heartbeats every 5 s, nothing for so long is a dead replica.
const QUIET_MAX: Duration = Duration::from_secs(16);
const OPEN_PATIENCE: Duration = Duration::from_secs(6);
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// Of a hundred messages, after how many the watcher leaves and comes back elsewhere.
const LEAVE: u32 = 10;

/// What one watcher knows of its refund.
struct Watcher<'a> {
    world: &'a World,
    refund_id: &'a str,
    /// The last change told; none before the first message.
    last: Option<i64>,
    state: State,
    token: String,
}

/// Watches a refund until the stream says that it is final or the run ends.
pub(crate) async fn watch(world: Arc<World>, refund_id: String, mut chance: Chance) {
    let mut restores = world.restores();
    let mut watcher = Watcher::new(&world, &refund_id);
    while !world.over.is_cancelled() {
        if world.restores() != restores {
            // What was told may never have been, and the refund may be gone: this watcher is done.
            return;
        }
        restores = world.restores();
        match watcher.follow(&mut chance).await {
            Followed::Ended => break,
            Followed::Broken => {}
            Followed::Refused(_) if world.restores() != restores => return,
            Followed::Refused(status) => {
                let detail =
                    format!("the stream of {refund_id} at {:?} is refused: {status:?}", watcher.last);
                world.findings.add(Wrong::Gaps, detail);
                return;
            }
        }
        count(&world.counts.resumes);
        tokio::time::sleep(chance.between(AGAIN_AFTER.0, AGAIN_AFTER.1)).await;
    }
    if !world.over.is_cancelled() {
        watcher.check_end(restores).await;
    }
}

enum Followed {
    /// In good order.
    Ended,
    /// To be resumed.
    Broken,
    /// For good.
    Refused(Status),
}

impl<'a> Watcher<'a> {
    fn new(world: &'a World, refund_id: &'a str) -> Self {
        Self { world, refund_id, last: None, state: State::Unspecified, token: String::new() }
    }

    /// One stream, from its opening to its end.
    async fn follow(&mut self, chance: &mut Chance) -> Followed {
        let slot = chance.below(u32::try_from(self.world.replicas.len()).unwrap());
        let Some(mut client) = self.world.replicas[usize::try_from(slot).unwrap()].client() else {
            return Followed::Broken;
        };
        let request = StreamRefundStatusRequest {
            target: Some(Target::RefundId(self.refund_id.to_owned())),
            start: if self.token.is_empty() { StreamStart::Snapshot.into() } else { 0 },
            resume_token: self.token.clone(),
            follow_reversals: false,
        };
        let opening = client.stream_refund_status(with_token(request, TOKEN));
        let mut messages = match timeout(OPEN_PATIENCE, opening).await {
            Ok(Ok(opened)) => opened.into_inner(),
            Ok(Err(status)) => return broken(status),
            Err(_) => return Followed::Broken,
        };
        loop {
            match timeout(QUIET_MAX, messages.message()).await {
                Ok(Ok(Some(message))) => {
                    self.token.clone_from(&message.resume_token);
                    if let Some(message) = message.message {
                        self.hear(message);
                    }
                    if chance.below(100) < LEAVE {
                        return Followed::Broken;
                    }
                }
                Ok(Ok(None)) => return Followed::Ended,
                Ok(Err(status)) => return broken(status),
                Err(_) => return Followed::Broken,
            }
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Snapshot(item) => {
                let refund = item.refund.unwrap();
                self.last = Some(refund.sequence);
                self.state = refund.state();
            }
            Message::Status(change) => {
                let event = change.event.unwrap();
                let expected = self.last.map(|last| last + 1);
                if let Some(expected) = expected.filter(|expected| *expected != event.sequence) {
                    let wrong = if event.sequence < expected { Wrong::Repeats } else { Wrong::Gaps };
                    let detail = format!("{}: {} in place of {expected}", self.refund_id, event.sequence);
                    self.world.findings.add(wrong, detail);
                }
                self.last = Some(event.sequence);
                self.state = event.state();
            }
            Message::SnapshotEnd(_) | Message::Heartbeat(_) => {}
        }
    }

    /// A stream that ended told the last change.
    async fn check_end(&self, restores: u64) {
        let id: uuid::Uuid = self.refund_id.parse().unwrap();
        let sql = "SELECT sequence FROM refunds WHERE id = $1";
        let Ok(rows) = self.world.database.rows(sql, [id.into()]).await else { return };
        let sequence: Option<i64> = rows.first().map(|row| row.try_get("", "sequence").unwrap());
        if self.world.restores() == restores && sequence != self.last {
            let told = (self.last, self.state);
            let detail = format!("the stream of {} ended at {told:?}, not {sequence:?}", self.refund_id);
            self.world.findings.add(Wrong::Gaps, detail);
        }
    }
}

fn broken(status: Status) -> Followed {
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::Unknown
        | Code::Internal => Followed::Broken,
        _for_good => Followed::Refused(status),
    }
}
