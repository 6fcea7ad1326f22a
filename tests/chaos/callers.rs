//! Callers: each keeps its wish before it calls, and repeats it until it is acknowledged or refused for good.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use refunds::grpc::proto::create_refund_request::Target as Wanted;
use refunds::grpc::proto::refund::Target as Kept;
use refunds::grpc::proto::refund_service_client::RefundServiceClient;
use refunds::grpc::proto::{CreateRefundRequest, CreateRefundResponse, GetRefundRequest, Refund};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::book::{Fate, Sort};
use crate::findings::Wrong;
use crate::settings::REPLICAS;
use crate::streams;
use crate::support::app::with_token;
use crate::support::chance::Chance;
use crate::support::process::TOKEN;
use crate::wishes::Wish;
use crate::world::{World, count};

/// Callers at the same time.
pub(crate) const CALLERS: u64 = 20;
/// Callers wait while so many refunds wait for the engine.
const BACKLOG_MAX: u64 = 150;
/// What a caller tells itself while there is no replica.
const NOBODY: &str = "nobody listens";
const DEADLINE: Duration = Duration::from_secs(5);
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// How long a caller waits that does not wait for the answer, at most.
const PATIENCE_MAX: Duration = Duration::from_millis(60);
/// Of a hundred: callers who go away, who call twice at once, who read at every replica, who watch.
const GO_AWAY: u32 = 12;
const TWICE: u32 = 8;
const READ: u32 = 30;
const WATCH: u32 = 15;
/// The rest between two repeats of what was acknowledged long ago.
const REPEAT_EVERY: Duration = Duration::from_millis(150);

/// One caller, until there is enough.
pub(crate) async fn call(world: Arc<World>, mut chance: Chance) {
    while !world.enough.is_cancelled() {
        if world.backlog.load(Ordering::SeqCst) > BACKLOG_MAX {
            tokio::time::sleep(AGAIN_AFTER.1).await;
            continue;
        }
        let Wish { request, sort, .. } = world.wishes.next();
        let number = world.book.add(request, sort);
        create(&world, number, &mut chance).await;
        let entry = world.book.entry(number);
        let Fate::Acknowledged { refund_id } = entry.fate else { continue };
        if chance.below(100) < READ {
            for slot in 0..world.replicas.len() {
                read(&world, slot, number).await;
            }
        }
        if chance.below(100) < WATCH {
            count(&world.counts.streams);
            let chance = world.chance(1_000_000 + u64::try_from(number).unwrap());
            tokio::spawn(streams::watch(Arc::clone(&world), refund_id, chance));
        }
    }
}

/// Repeats what was acknowledged, however long ago that was.
pub(crate) async fn repeat(world: Arc<World>, mut chance: Chance) {
    while !world.enough.is_cancelled() {
        tokio::time::sleep(REPEAT_EVERY).await;
        let all = u32::try_from(world.book.len()).unwrap();
        if all == 0 {
            continue;
        }
        let number = usize::try_from(chance.below(all)).unwrap();
        if matches!(world.book.entry(number).fate, Fate::Acknowledged { .. }) {
            count(&world.counts.repeats);
            create(&world, number, &mut chance).await;
        }
    }
}

/// Calls until the wish is acknowledged or refused for good.
pub(crate) async fn create(world: &World, number: usize, chance: &mut Chance) {
    let entry = world.book.entry(number);
    while !world.over.is_cancelled() {
        let mood = chance.below(100);
        let one = some_client(world, chance);
        let answered = if mood < GO_AWAY && world.is_faulty() {
            count(&world.counts.canceled);
            let patience = chance.between(Duration::ZERO, PATIENCE_MAX);
            // Dropped where it stands, as when a client goes away.
            timeout(patience, ask(one, &entry.request)).await.ok().into_iter().collect()
        } else if mood < GO_AWAY + TWICE {
            count(&world.counts.twins);
            let other = some_client(world, chance);
            let (one, other) = tokio::join!(ask(one, &entry.request), ask(other, &entry.request));
            vec![one, other]
        } else {
            vec![ask(one, &entry.request).await]
        };
        let mut done = false;
        for answer in answered {
            done |= judge(world, number, answer);
        }
        if done {
            return;
        }
        tokio::time::sleep(chance.between(AGAIN_AFTER.0, AGAIN_AFTER.1)).await;
    }
}

fn some_client(world: &World, chance: &mut Chance) -> Option<RefundServiceClient<Channel>> {
    let most = u32::try_from(REPLICAS).unwrap();
    let first = usize::try_from(chance.below(most)).unwrap();
    let count = world.replicas.len();
    (0..count).find_map(|next| world.replicas[(first + next) % count].client())
}

async fn ask(
    client: Option<RefundServiceClient<Channel>>,
    request: &CreateRefundRequest,
) -> Result<CreateRefundResponse, Status> {
    let mut client = client.ok_or_else(|| Status::unavailable(NOBODY))?;
    let mut message = with_token(request.clone(), TOKEN);
    message.set_timeout(DEADLINE);
    match timeout(DEADLINE + Duration::from_secs(1), client.create_refund(message)).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("gave up")),
    }
}

/// Notes an answer. Whether the caller is done.
fn judge(world: &World, number: usize, answer: Result<CreateRefundResponse, Status>) -> bool {
    let entry = world.book.entry(number);
    let contradiction = match answer {
        Ok(created) => {
            let refund = created.refund.unwrap();
            if let Some(other) = difference(&entry.request, &refund) {
                world.findings.add(Wrong::Lost, other);
            }
            world.book.acknowledge(number, &refund.refund_id, &refund.provider_key)
        }
        Err(status) if is_passing(world, &status) => return false,
        Err(status) => {
            let reason = reason_of(&status);
            let allowed = match entry.sort {
                Sort::Crowd => reason == "AMOUNT_EXCEEDS_REMAINING",
                Sort::Shared => reason == "ESIM_TAKEN",
                Sort::Plain | Sort::Odd(_) => false,
            };
            if !allowed {
                let detail = format!("{:?} of {:?} was refused: {status:?}", entry.request, entry.sort);
                world.findings.add(Wrong::Lost, detail);
            }
            world.book.refuse(number, &reason)
        }
    };
    if let Some(contradiction) = contradiction {
        world.findings.add(Wrong::Lost, contradiction);
    }
    true
}

fn reason_of(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// What the guide for callers says to repeat, or what nobody of the service said.
fn is_passing(world: &World, status: &Status) -> bool {
    let reason = reason_of(status);
    if status.message() == NOBODY {
        return true;
    }
    world.findings.note(&format!("answers {:?} {reason}", status.code()), || format!("{status:?}"));
    match status.code() {
        // `INTERNAL` is a fault, says the guide, after which the same request is safe.
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::Internal => true,
        // The client's own words for a connection that broke.
        Code::Unknown => reason.is_empty(),
        _for_good => false,
    }
}

/// What of a refund is not what was wished.
fn difference(wish: &CreateRefundRequest, refund: &Refund) -> Option<String> {
    let same_target = match (&wish.target, &refund.target) {
        (Some(Wanted::Payment(wanted)), Some(Kept::Payment(kept))) => wanted == kept,
        (Some(Wanted::Esims(wanted)), Some(Kept::Esims(kept))) => wanted == kept,
        _otherwise => false,
    };
    let same = same_target && wish.request_id == refund.request_id && wish.account == refund.account;
    (!same).then(|| format!("{wish:?} is answered by {refund:?}"))
}

/// Reads an acknowledged refund at one replica: it must be there. Whether the replica answered.
pub(crate) async fn read(world: &World, slot: usize, number: usize) -> bool {
    let Fate::Acknowledged { refund_id } = world.book.entry(number).fate else { return true };
    let restores = world.restores();
    let Some(mut client) = world.replicas[slot].client() else { return false };
    let message = GetRefundRequest { refund_id: refund_id.clone(), ..GetRefundRequest::default() };
    let mut message = with_token(message, TOKEN);
    message.set_timeout(DEADLINE);
    let Ok(answer) = timeout(DEADLINE + Duration::from_secs(1), client.get_refund(message)).await else {
        return false;
    };
    count(&world.counts.reads);
    let entry = world.book.entry(number);
    let forgotten = world.restores() != restores || entry.fate != Fate::Acknowledged { refund_id };
    let wrong = match answer {
        Ok(got) => difference(&entry.request, &got.into_inner().refund.unwrap()),
        Err(status) if is_passing(world, &status) => return false,
        Err(status) => Some(format!("{} cannot be read: {status:?}", entry.request.request_id)),
    };
    if let Some(wrong) = wrong.filter(|_| !forgotten) {
        world.findings.add(Wrong::Lost, wrong);
    }
    true
}
