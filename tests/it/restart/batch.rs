//! Five refunds of Airalo in one call: each ends by the rules on its own, whatever became of the call.

use std::collections::BTreeSet;

use futures::future::join_all;
use refunds::grpc::proto::CreateRefundRequest;
use refunds::grpc::proto::refund::State;
use refunds::service::Point;

use super::super::support::app::esim;
use super::super::support::database::Kind;
use super::super::support::on_every_kind;
use super::super::support::process::{Process, Scene, ask, full, succeeded};
use super::super::support::sandbox::{came_us, posts};
use super::super::support::url::TestUrl;
use super::{End, FOUND, IN_DOUBT, Kill, REVIEWED, die, ends, lawful, replayed, scene, serve};

const ESIMS: [&str; 5] = [
    "89400000000000000001",
    "89400000000000000002",
    "89400000000000000003",
    "89400000000000000004",
    "89400000000000000005",
];
/// The same, of which one makes the call slow.
const SLOW_ESIMS: [&str; 5] = [
    "89400000000000000001",
    "89400000000000000002",
    "89994200000000000003",
    "89400000000000000004",
    "89400000000000000005",
];
const FIRST_ESIM: &str = "89400000000000000006";
const NEXT_ESIM: &str = "89400000000000000007";

/// One slot in an hour, at an egress address that no later service has.
const ELSEWHERE: &[(&str, &str)] = &[
    ("REFUNDS__ACCOUNTS__AIRALO__AIRALO__EGRESS", "elsewhere"),
    ("REFUNDS__ACCOUNTS__AIRALO__RATE__PER_MS", "3600000"),
];
/// The window of the later services.
const WINDOW: (&str, &str) = ("REFUNDS__ACCOUNTS__AIRALO__RATE__PER_MS", "3000");
const WINDOW_US: i64 = 3_000_000;

fn request(iccid: &str) -> CreateRefundRequest {
    esim(iccid, "airalo", iccid)
}

/// Five refunds whose call ended with its process, and the service that goes on with them.
struct Five {
    database: TestUrl,
    scene: Scene,
    esims: [&'static str; 5],
    ids: Vec<String>,
    service: Process,
    address: String,
}

impl Five {
    /// `None` when this run does not cover the kind. A process that only takes over may be killed as well.
    async fn killed(kind: Kind, kill: Kill, takeover: Option<&[(&str, &str)]>) -> Option<Self> {
        let database = TestUrl::fresh(kind).await?;
        let scene = scene(&database.url).await;
        let esims = if kill == Kill::InCall { SLOW_ESIMS } else { ESIMS };
        let ids = Self::created(&scene, esims).await;
        let (mut service, _) = serve(&scene, &[WINDOW], Some(kill)).await;
        die(&scene, &mut service, kill, esims[0]).await;
        if let Some(settings) = takeover {
            let kill = Kill::At(Point::AfterClaim);
            let (mut service, _) = serve(&scene, settings, Some(kill)).await;
            die(&scene, &mut service, kill, esims[0]).await;
        }
        let (service, address) = serve(&scene, &[WINDOW], None).await;
        for (esim, id) in esims.iter().zip(&ids) {
            replayed(&address, request(esim), Some(id)).await;
        }
        Some(Self { database, scene, esims, ids, service, address })
    }

    /// Creates them while nothing can be sent, so that one call carries all: the only slot is spent.
    async fn created(scene: &Scene, esims: [&'static str; 5]) -> Vec<String> {
        let (mut service, address) = serve(scene, ELSEWHERE, None).await;
        let create = async |esim: &str| ask(&address, request(esim)).await.unwrap().refund.unwrap().refund_id;
        succeeded(&address, &create(FIRST_ESIM).await).await;
        let ids = join_all(esims.iter().map(|esim| create(esim))).await;
        service.kill().await;
        ids
    }

    /// Waits for the end of each, and holds their one call against the rules.
    async fn check(&self, kill: Kill, begins: &[State], end: End) {
        let each = self.esims.iter().zip(&self.ids);
        let ended = each.map(|(esim, id)| ends(&self.scene, &self.address, id, esim, end));
        let ended = join_all(ended).await;
        let (mut intents, mut sends, mut calls) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (esim, got) in self.esims.iter().zip(&ended) {
            lawful(got, begins, &format!("{kill:?} {esim}"));
            let sending = got.events.iter().filter(|event| event.state() == State::Sending);
            intents.extend(sending.map(|event| event.time.unwrap().to_string()));
            let attempts = got.attempts.iter().filter(|attempt| attempt.kind == "send");
            sends.extend(attempts.map(|attempt| attempt.attempt_id.as_str()));
            let posts = posts(self.scene.sandbox, esim).await;
            calls.extend(posts.iter().map(|call| call["number"].as_u64().unwrap()));
        }
        assert_eq!((intents.len(), sends.len()), (1, 1), "{kill:?}: not one intent: {ended:#?}");
        let sent = usize::from(end != End::Unknown { sent: 0 });
        assert_eq!(calls.len(), sent, "{kill:?}: not one call: {ended:#?}");
    }

    async fn finish(mut self) {
        self.service.kill().await;
        self.database.remove().await;
    }
}

async fn check(kind: Kind, kill: Kill, takeover: Option<&[(&str, &str)]>, begins: &[State], end: End) {
    if let Some(five) = Five::killed(kind, kill, takeover).await {
        five.check(kill, begins, end).await;
        five.finish().await;
    }
}

on_every_kind! {
    async fn each_of_five_in_one_call_ends_by_the_rules_and_none_is_sent_twice(kind: Kind) {
        let sent_once = |point, begins| check(kind, Kill::At(point), None, begins, End::SucceededSentOnce);
        tokio::join!(
            sent_once(Point::AfterClaim, REVIEWED),
            sent_once(Point::AfterPreflight, REVIEWED),
            sent_once(Point::AfterAnswer, FOUND),
            sent_once(Point::AfterRecord, REVIEWED),
            check(kind, Kill::At(Point::AfterIntent), None, IN_DOUBT, End::Unknown { sent: 0 }),
            check(kind, Kill::InCall, None, FOUND, End::SucceededSentOnce),
        );
    }

    async fn killed_again_amid_the_takeovers_of_five_none_is_sent_twice(kind: Kind) {
        let third = Some(&[("REFUNDS__TESTING__KILL_AFTER_HITS", "3")][..]);
        let never_sent = End::Unknown { sent: 0 };
        tokio::join!(
            check(kind, Kill::At(Point::AfterIntent), third, IN_DOUBT, never_sent),
            check(kind, Kill::At(Point::AfterAnswer), third, FOUND, End::SucceededSentOnce),
        );
    }

    async fn the_slot_of_a_call_that_was_killed_before_its_first_byte_stays_spent(kind: Kind) {
        let Some(five) = Five::killed(kind, Kill::At(Point::AfterIntent), None).await else { return };
        let next = ask(&five.address, request(NEXT_ESIM)).await.unwrap().refund.unwrap();
        succeeded(&five.address, &next.refund_id).await;
        let killed = full(&five.address, &five.ids[0]).await;
        let intent = killed.events.iter().find(|event| event.state() == State::Sending).unwrap();
        let spent = intent.time.unwrap();
        let spent_us = spent.seconds * 1_000_000 + i64::from(spent.nanos) / 1_000;
        let calls = posts(five.scene.sandbox, NEXT_ESIM).await;
        let after_us = came_us(&calls[0]) - spent_us;
        assert!(after_us >= WINDOW_US, "the next call came {after_us} us after the slot was spent");
        five.finish().await;
    }
}
