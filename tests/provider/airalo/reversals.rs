//! Successes looked at again: what takes one back, and what does not.

use refunds::domain::answer::{Finding, LookupAnswer, Reversal};
use refunds::domain::refund::{Item, ItemState, Refund, Success};
use refunds::domain::sight::{Baseline, EsimSight};
use refunds::provider::airalo::{Airalo, capabilities};

use super::fixture::{A, B, refund_of};
use super::lookups::{looked_up, page, sight};
use crate::listener::{closing, json};
use crate::refund::{no_successes, successes};
use crate::wire::Wire;

fn answers(pages: &[String]) -> Vec<Vec<u8>> {
    pages.iter().map(|page| closing(&json(200, page))).collect()
}

/// A refund that was sent when its eSIMs looked so, after a lookup that was answered so; and the success that
/// it found.
async fn made(before: Vec<EsimSight>, pages: &[String]) -> (Refund, Success) {
    let iccids: Vec<&str> = before.iter().map(|sight| sight.iccid.as_str()).collect();
    let refund = refund_of(&iccids);
    let refund = Refund { baseline: Baseline { transactions: Vec::new(), esims: before }, ..refund };
    let (answer, _) = looked_up(&refund, &answers(pages)).await;
    let (Finding::Succeeded(success) | Finding::PartlySucceeded(success)) = answer.finding else {
        panic!("{answer:?}")
    };
    (Refund { items: success.items.clone(), ..refund }, success)
}

/// A success of one eSIM, whose order was `completed` before.
async fn one(status: &str) -> (Refund, Success) {
    made(vec![sight(A, 1, "completed")], &[page(A, 1, status)]).await
}

/// A success of two eSIMs in orders of their own.
async fn two() -> (Refund, Success) {
    let before = vec![sight(A, 1, "completed"), sight(B, 2, "completed")];
    made(before, &[page(A, 1, "refunded"), page(B, 2, "refunded")]).await
}

/// What is found of every form of the success, always the same.
async fn found((refund, success): &(Refund, Success), pages: &[String]) -> LookupAnswer {
    let mut all = Vec::new();
    for refund in successes(refund, success) {
        all.push(looked_up(&refund, &answers(pages)).await.0);
    }
    let first = all.remove(0);
    assert!(all.iter().all(|other| *other == first), "{first:?} {all:?}");
    first
}

#[tokio::test]
async fn a_success_whose_orders_are_completed_again_is_reversed() {
    let can = capabilities(&Airalo::settings("https://a.example"));
    assert!(can.shows_reversals && can.person_reviews);
    let told = |text: &str| {
        Finding::Reversed(Reversal { provider_code: Some("completed".to_owned()), text: text.to_owned() })
    };
    let text = "refunded before and completed again: the order 1 of 894000000000001";
    for status in ["refunded", "partially_refunded"] {
        let answer = found(&one(status).await, &[page(A, 1, "completed")]).await;
        assert_eq!(answer.finding, told(text));
        assert_eq!(answer.evidence.provider_text.as_deref(), Some(text));
        assert_eq!(answer.evidence.provider_code.as_deref(), Some("completed"));
    }
    let both = [page(A, 1, "completed"), page(B, 2, "completed")];
    let text = "refunded before and completed again: the order 1 of 894000000000001, \
                the order 2 of 894000000000002";
    let two = two().await;
    assert_eq!(found(&two, &both).await.finding, told(text));
    for refund in no_successes(&two.0) {
        let (answer, _) = looked_up(&refund, &answers(&both)).await;
        assert_eq!(answer.finding, Finding::Absent);
    }
}

#[tokio::test]
async fn one_of_two_esims_that_is_completed_again_is_told_to_people_alone() {
    for status in ["refunded", "partially_refunded", "failed"] {
        let answer = found(&two().await, &[page(A, 1, "completed"), page(B, 2, status)]).await;
        assert!(!matches!(answer.finding, Finding::Reversed(_)), "{answer:?}");
        let text = answer.evidence.provider_text.unwrap();
        assert!(text.contains("the order 1 of 894000000000001; not so: 894000000000002"), "{text}");
    }
}

#[tokio::test]
async fn nothing_else_takes_a_success_back() {
    let several = page(A, 1, "completed").replace("\"total\":1", "\"total\":2").replacen(
        "{\"data\":[",
        &format!(r#"{{"data":[{{"id":7,"sims":[{{"iccid":"{A}"}}],"status":{{"slug":"completed"}}}},"#),
        1,
    );
    for page in [
        page(A, 1, "refunded"),
        page(A, 1, "partially_refunded"),
        page(A, 1, "failed"),
        page(A, 1, "Completed"),
        // Another order, none, one that is not shown to be the eSIM's, and one of several.
        page(A, 2, "completed"),
        page(B, 1, "completed"),
        r#"{"data":[],"meta":{"total":0}}"#.to_owned(),
        page(A, 1, "completed").replace(&format!(r#"{{"id":1,"iccid":"{A}"}}"#), ""),
        several,
        // Nothing that can be read.
        "{}".to_owned(),
        page(A, 1, "completed").replace("\"total\":1", "\"total\":2"),
    ] {
        let answer = found(&one("refunded").await, std::slice::from_ref(&page)).await;
        assert!(!matches!(answer.finding, Finding::Reversed(_)), "{page} {answer:?}");
        assert!(answer.evidence.provider_code.is_none());
    }
    for bytes in [json(404, ""), json(500, ""), json(429, "")] {
        let (refund, success) = one("refunded").await;
        for refund in successes(&refund, &success) {
            assert_eq!(looked_up(&refund, std::slice::from_ref(&bytes)).await.0.finding, Finding::Nothing);
        }
    }
}

#[tokio::test]
async fn an_order_that_nobody_saw_refunded_was_not_taken_back() {
    let completed = [page(A, 1, "completed")];
    let (refund, success) = one("refunded").await;
    let item = |state, code: Option<&str>| Item {
        state,
        provider_code: code.map(str::to_owned),
        ..refund.items[0].clone()
    };
    for items in [
        vec![],
        vec![item(ItemState::Pending, Some("refunded"))],
        vec![item(ItemState::Succeeded, Some("completed"))],
        vec![item(ItemState::Succeeded, None)],
    ] {
        let unseen = (Refund { items, ..refund.clone() }, success.clone());
        assert_eq!(found(&unseen, &completed).await.finding, Finding::Absent);
    }
    let unknown = (Refund { baseline: Baseline::default(), ..refund }, success);
    assert_eq!(found(&unknown, &completed).await.finding, Finding::Absent);
    // Part of it had been refunded for others: what is left of it says nothing of ours.
    let before = || vec![sight(A, 1, "partially_refunded")];
    for status in ["partially_refunded", "completed"] {
        let part = made(before(), &[page(A, 1, "refunded")]).await;
        let answer = found(&part, &[page(A, 1, status)]).await;
        assert!(!matches!(answer.finding, Finding::Reversed(_)), "{answer:?}");
    }
}

#[cfg(feature = "sandbox")]
mod beside_the_sandbox {
    use refunds::domain::answer::Face;
    use refunds::provider::Provider;
    use refunds::provider::airalo::Settings;
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;
    use crate::sandbox::{Running, reversal};

    #[tokio::test]
    async fn an_approval_that_is_taken_back_later() {
        let sandbox = Running::start().await;
        sandbox.settings(&json!({"review_ms": 60_000, "reversal_ms": 60_000})).await;
        let base = sandbox.base_url("airalo").parse().unwrap();
        let secret = SecretString::from("sandbox-secret");
        let client = Airalo::new(Settings::new(base, "sandbox-client".to_owned(), secret)).unwrap();
        let mut refund = refund_of(&["8999630000000001"]);
        refund.baseline = client.look_up(&refund).await.sight.baseline(&[]);
        let faces = client.send(std::slice::from_ref(&refund), 0).await.faces;
        assert!(matches!(faces.as_slice(), [Face::InReview(_)]), "{faces:?}");
        assert_eq!(client.look_up(&refund).await.finding, Finding::Absent);

        sandbox.settings(&json!({"clock_offset_s": 61})).await;
        let answer = client.look_up(&refund).await;
        let Finding::Succeeded(success) = answer.finding else { panic!("{answer:?}") };
        refund.items.clone_from(&success.items);
        for refund in successes(&refund, &success) {
            assert!(matches!(client.look_up(&refund).await.finding, Finding::Succeeded(_)));
        }

        sandbox.settings(&json!({"clock_offset_s": 122})).await;
        for refund in successes(&refund, &success) {
            let answer = client.look_up(&refund).await;
            assert_eq!(reversal(&answer).provider_code.as_deref(), Some("completed"));
        }
        for refund in no_successes(&refund) {
            assert_eq!(client.look_up(&refund).await.finding, Finding::Absent);
        }
    }
}
