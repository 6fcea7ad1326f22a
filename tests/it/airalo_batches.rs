//! Refunds of eSIMs that share a call, and what each of them is told when the call goes wrong.

use std::time::Duration;

use prost_types::Timestamp;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundRequest, FailureReason, Reason, Refund, StatusEvent};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt;

use super::stream::{Seen, now, open, rest};
use super::support::app::{TestApp, esims_request};
use super::support::on_every_app;

/// How far the clock is put forward to let held refunds go, all in one moment.
const HELD_S: i64 = 3_600;

/// An account of its own beside a sandbox that takes calls as they come.
pub(super) async fn with_account(app: &mut TestApp, settings: &[(&str, &str)]) {
    app.pause().await;
    app.add_account("shop", "airalo");
    app.set(settings);
    app.sandbox.settings(&json!({ "refund_limit": 0, "token_limit": 0 })).await;
    app.resume().await;
}

/// Creates refunds that wait for the same moment, and lets it come.
async fn together(app: &TestApp, wishes: Vec<CreateRefundRequest>) -> Vec<Refund> {
    let refunds = held(app, wishes).await;
    app.clock.advance(Duration::from_secs(HELD_S.unsigned_abs()));
    refunds
}

async fn held(app: &TestApp, wishes: Vec<CreateRefundRequest>) -> Vec<Refund> {
    let seconds = app.clock.now().micros() / 1_000_000 + HELD_S;
    let mut refunds = Vec::new();
    for wish in wishes {
        let not_before = Some(Timestamp { seconds, nanos: 0 });
        let wish = CreateRefundRequest { not_before, ..wish };
        refunds.push(app.create(wish).await.unwrap().refund.unwrap());
    }
    refunds
}

/// Refunds of `shop`, each of these eSIMs, alike in all that a call says once.
fn alike(iccids: &[&[&str]]) -> Vec<CreateRefundRequest> {
    iccids.iter().map(|iccids| esims_request(&format!("of-{}", iccids.join("-")), "shop", iccids)).collect()
}

/// The eSIMs of each call that one was in.
async fn sent_with(app: &TestApp, iccid: &str) -> Vec<String> {
    let posts = app.sandbox.posts(iccid).await;
    posts.iter().map(|call| call["order_id"].as_str().unwrap().to_owned()).collect()
}

async fn states(app: &TestApp, refund: &Refund) -> Vec<State> {
    app.full(&refund.refund_id).await.events.iter().map(StatusEvent::state).collect()
}

async fn assert_failed(app: &TestApp, refund: &Refund, reason: FailureReason) {
    let refund = app.wait_for(&refund.refund_id, State::Failed).await;
    assert_eq!(refund.failure.unwrap().reason(), reason);
}

const REVIEWED: [State; 4] = [State::Pending, State::Sending, State::InReview, State::Succeeded];
const PROVEN: [State; 4] = [State::Pending, State::Sending, State::Unknown, State::Succeeded];

on_every_app! {
    async fn five_refunds_that_agree_share_a_call_and_keep_their_own_lives(app: &mut TestApp) {
        with_account(app, &[]).await;
        let iccids = ["8940000000001", "8940000000002", "8940000000003", "8940000000004", "8940000000005"];
        let refunds = held(app, alike(&iccids.each_ref().map(std::slice::from_ref))).await;
        let mut streams = Vec::new();
        for refund in &refunds {
            streams.push(open(app, now(&refund.refund_id)).await.unwrap());
        }
        app.clock.advance(Duration::from_secs(HELD_S.unsigned_abs()));
        let (mut ids, mut attempts) = (Vec::new(), Vec::new());
        for ((refund, iccid), stream) in refunds.iter().zip(iccids).zip(streams) {
            app.wait_for(&refund.refund_id, State::Succeeded).await;
            assert_eq!(states(app, refund).await, REVIEWED);
            let told: Vec<Seen> = rest(stream).await.into_iter().map(|(seen, _)| seen).collect();
            let all = [
                Seen::Status(State::Sending, 2),
                Seen::Status(State::InReview, 3),
                Seen::Status(State::Succeeded, 4),
            ];
            assert_eq!(told[told.len() - 3..], all);
            assert_eq!(sent_with(app, iccid).await, [iccids.join(",")]);
            assert_eq!(app.effects(iccid).await.len(), 1);
            let history = app.full(&refund.refund_id).await;
            let sends = history.attempts.iter().filter(|attempt| attempt.kind == "send");
            attempts.extend(sends.map(|attempt| attempt.attempt_id.clone()));
            ids.push(refund.refund_id.clone());
        }
        ids.dedup();
        assert_eq!((ids.len(), attempts.len()), (5, 5));
        attempts.dedup();
        assert_eq!(attempts.len(), 1, "one attempt, with a member for each");
    }

    async fn refunds_that_differ_in_what_a_call_says_once_share_none(app: &mut TestApp) {
        with_account(app, &[]).await;
        let iccids = ["8940000000001", "8940000000002", "8940000000003", "8940000000004", "8940000000005"];
        let mut wishes = alike(&iccids.each_ref().map(std::slice::from_ref));
        wishes[1].reason = Reason::WrongPurchase.into();
        wishes[2].notes = "The customer called.".to_owned();
        wishes[3].email = "customer@example.com".to_owned();
        for refund in together(app, wishes).await {
            app.wait_for(&refund.refund_id, State::Succeeded).await;
        }
        let mut calls = Vec::new();
        for iccid in iccids {
            calls.push(sent_with(app, iccid).await.join(" "));
        }
        let first = format!("{},{}", iccids[0], iccids[4]);
        assert_eq!(calls, [first.as_str(), iccids[1], iccids[2], iccids[3], first.as_str()]);
    }

    async fn a_refund_of_several_esims_is_in_one_call_whole(app: &mut TestApp) {
        with_account(app, &[]).await;
        let three = ["8940000000001", "8940000000002", "8940000000003"];
        let more = ["8940000000011", "8940000000012", "8940000000013"];
        let two = ["8940000000021", "8940000000022"];
        for refund in together(app, alike(&[&three, &more, &two])).await {
            app.wait_for(&refund.refund_id, State::Succeeded).await;
        }
        let full = format!("{},{}", three.join(","), two.join(","));
        for iccid in three.iter().chain(&two) {
            assert_eq!(sent_with(app, iccid).await, [full.as_str()]);
        }
        for iccid in more {
            assert_eq!(sent_with(app, iccid).await, [more.join(",")]);
        }
    }

    async fn foreign_esims_fail_the_refunds_that_hold_them_and_no_other(app: &mut TestApp) {
        with_account(app, &[]).await;
        let foreign = ["8940000000001", "89991000000001"];
        let fine = ["8940000000002", "8940000000003"];
        let refunds = together(app, alike(&[&fine[..1], &foreign, &fine[1..]])).await;
        assert_failed(app, &refunds[1], FailureReason::OrderNotFound).await;
        for (refund, iccid) in [&refunds[0], &refunds[2]].into_iter().zip(fine) {
            app.wait_for(&refund.refund_id, State::Succeeded).await;
            let again = [&[State::Pending, State::Sending][..], &REVIEWED].concat();
            assert_eq!(states(app, refund).await, again);
            let calls = [[fine[0], foreign[0], foreign[1], fine[1]].join(","), fine.join(",")];
            assert_eq!(sent_with(app, iccid).await, calls);
            assert_eq!(app.effects(iccid).await.len(), 1);
        }
        assert_eq!(app.effects(foreign[0]).await.len(), 0);
    }

    async fn where_a_refused_call_may_take_the_others_they_are_not_sent_again(app: &mut TestApp) {
        with_account(app, &[("REFUNDS__ACCOUNTS__SHOP__AIRALO__BATCH_422_ATOMIC", "false")]).await;
        let (taken, foreign) = (["8940000000001", "8940000000002"], ["89991100000001"]);
        let refunds = together(app, alike(&[&taken[..1], &foreign, &taken[1..]])).await;
        assert_failed(app, &refunds[1], FailureReason::OrderNotFound).await;
        for (refund, iccid) in [&refunds[0], &refunds[2]].into_iter().zip(taken) {
            app.wait_for(&refund.refund_id, State::Succeeded).await;
            assert_eq!(states(app, refund).await, PROVEN);
            assert_eq!((sent_with(app, iccid).await.len(), app.effects(iccid).await.len()), (1, 1));
        }
        // Of these nothing was taken, which nobody can know.
        let (left, foreign) = (["8940000000003"], ["89991000000001"]);
        let refunds = together(app, alike(&[&left, &foreign])).await;
        assert_failed(app, &refunds[1], FailureReason::OrderNotFound).await;
        looked_up_again(app, &refunds[0]).await;
        assert_eq!(app.get(&refunds[0].refund_id).await.state(), State::Unknown);
        assert_eq!((sent_with(app, left[0]).await.len(), app.effects(left[0]).await.len()), (1, 0));
    }

    async fn when_nobody_knows_whom_a_refusal_means_each_goes_alone(app: &mut TestApp) {
        with_account(app, &[]).await;
        for (code, reason) in
            [("16", FailureReason::RequestRejected), ("20", FailureReason::OrderNotRefundable)]
        {
            let (one, other) = (format!("89400000{code}001"), format!("89400000{code}002"));
            let refused = format!("8999{code}00000001");
            let esims = [one.as_str(), &refused, &other];
            let refunds = together(app, alike(&esims.each_ref().map(std::slice::from_ref))).await;
            assert_failed(app, &refunds[1], reason).await;
            app.wait_for(&refunds[0].refund_id, State::Succeeded).await;
            app.wait_for(&refunds[2].refund_id, State::Succeeded).await;
            for (iccid, effects) in esims.into_iter().zip([1, 0, 1]) {
                assert_eq!(sent_with(app, iccid).await, [esims.join(",").as_str(), iccid]);
                assert_eq!(app.effects(iccid).await.len(), effects, "{iccid}");
            }
        }
    }

    async fn a_lost_answer_leaves_each_to_its_own_order_and_sends_nothing_again(app: &mut TestApp) {
        with_account(app, &[]).await;
        let (lost, shown, rejected) = ("89994100000001", "8940000000001", "89996200000001");
        let refunds = together(app, alike(&[&[lost], &[shown], &[rejected]])).await;
        for refund in &refunds[..2] {
            app.wait_for(&refund.refund_id, State::Succeeded).await;
            assert_eq!(states(app, refund).await, PROVEN);
        }
        // The review of this one left no trace: its own order proves nothing, whatever the others' show.
        looked_up_again(app, &refunds[2]).await;
        assert_eq!(states(app, &refunds[2]).await, PROVEN[..3]);
        for iccid in [lost, shown, rejected] {
            assert_eq!(sent_with(app, iccid).await, [[lost, shown, rejected].join(",")]);
            assert_eq!(app.effects(iccid).await.len(), 1);
        }
    }

    async fn an_esim_is_in_one_refund_of_a_company_until_that_one_fails(app: &mut TestApp) {
        app.pause().await;
        for name in ["sister", "stranger"] {
            app.add_account(name, "airalo");
        }
        app.set(&[("REFUNDS__ACCOUNTS__SISTER__MERCHANT", "shop")]);
        with_account(app, &[]).await;
        let (fails, stays) = ("89991600000001", "8940000000001");
        let first = held(app, alike(&[&[fails, stays]])).await.remove(0);
        for (account, iccid) in [("shop", fails), ("sister", stays)] {
            let wish = esims_request(&format!("taken-{iccid}"), account, &["8940000000009", iccid]);
            let status = app.create(wish).await.unwrap_err();
            assert_eq!(status.code(), Code::FailedPrecondition);
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.metadata["iccid"].as_str()), ("ESIM_TAKEN", iccid));
        }
        let elsewhere = esims_request("elsewhere", "stranger", &["8940000000002"]);
        app.create(elsewhere).await.unwrap();
        app.clock.advance(Duration::from_secs(HELD_S.unsigned_abs()));
        assert_failed(app, &first, FailureReason::RequestRejected).await;
        // The keys of the refused ones are not used up.
        let again = esims_request(&format!("taken-{stays}"), "sister", &["8940000000009", stays]);
        let again = app.create(again).await.unwrap().refund.unwrap();
        app.wait_for(&again.refund_id, State::Succeeded).await;
        let status = app.create(esims_request("late", "shop", &[stays])).await.unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().reason, "ESIM_TAKEN");
    }
}

/// Waits until a refund that was sent was looked up often enough that nothing new will come of it.
async fn looked_up_again(app: &TestApp, refund: &Refund) {
    let sent = app.wait_for(&refund.refund_id, State::Unknown).await;
    let deadline = tokio::time::Instant::now() + super::support::app::PATIENCE;
    loop {
        let history = app.full(&sent.refund_id).await;
        if history.attempts.iter().filter(|attempt| attempt.kind == "lookup").count() >= 12 {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "was not looked up: {history:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
