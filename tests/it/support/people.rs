//! What people decide, over gRPC: a caller as `dev`, an operator with the operator's token.

use std::fmt::Debug;

use prost_types::Timestamp;
use refunds::config::dev::OPERATOR_TOKEN;
use refunds::grpc::proto::operator_service_client::OperatorServiceClient;
use refunds::grpc::proto::{
    BatchResolveRefundsRequest, BatchResolveResult, CancelRefundRequest, CheckRefundRequest,
    CloseDiscrepancyRequest, CreateRefundRequest, CreateRefundResponse, Discrepancy, Money, Outcome,
    PauseAccountRequest, Refund, ResolveRefundRequest, ResumeAccountRequest, RetryRefundRequest,
    RetryRefundResponse, StatusEvent, ValidateRefundRequest, ValidateRefundResponse, refund::State,
};
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::app::{LOOK_EVERY, PATIENCE, TestApp, with_token};

impl TestApp {
    /// A client of the operators' service, without a token: `dev`.
    pub(crate) async fn operators(&self) -> OperatorServiceClient<Channel> {
        OperatorServiceClient::new(self.channel().await)
    }

    pub(crate) async fn cancel(&self, refund_id: &str) -> Result<Refund, Status> {
        let request = CancelRefundRequest { refund_id: refund_id.to_owned() };
        let told = self.client().await.cancel_refund(request).await?;
        Ok(told.into_inner().refund.unwrap())
    }

    pub(crate) async fn cancel_as_operator(&self, refund_id: &str) -> Refund {
        let request = with_token(CancelRefundRequest { refund_id: refund_id.to_owned() }, OPERATOR_TOKEN);
        self.client().await.cancel_refund(request).await.unwrap().into_inner().refund.unwrap()
    }

    pub(crate) async fn validate(&self, wish: CreateRefundRequest) -> ValidateRefundResponse {
        let request = ValidateRefundRequest { refund: Some(wish) };
        self.client().await.validate_refund(request).await.unwrap().into_inner()
    }

    /// What remains on the order of a wish, minor units, where that is known.
    pub(crate) async fn remaining(&self, wish: &CreateRefundRequest) -> Option<i64> {
        let wish = CreateRefundRequest { request_id: "asks-what-remains".to_owned(), ..wish.clone() };
        self.validate(wish).await.remaining.map(|money| money.amount_minor)
    }

    /// Creates a refund that must be accepted.
    pub(crate) async fn accepted(&self, wish: CreateRefundRequest) -> Refund {
        let CreateRefundResponse { refund, replayed } = self.create(wish).await.unwrap();
        assert!(!replayed);
        refund.unwrap()
    }

    pub(crate) async fn resolve(&self, request: ResolveRefundRequest) -> Result<Refund, Status> {
        let told = self.operators().await.resolve_refund(with_token(request, OPERATOR_TOKEN)).await?;
        Ok(told.into_inner().refund.unwrap())
    }

    pub(crate) async fn batch_resolve(
        &self,
        requests: Vec<ResolveRefundRequest>,
    ) -> Result<Vec<BatchResolveResult>, Status> {
        let request = with_token(BatchResolveRefundsRequest { requests }, OPERATOR_TOKEN);
        Ok(self.operators().await.batch_resolve_refunds(request).await?.into_inner().results)
    }

    pub(crate) async fn retry(&self, request: RetryRefundRequest) -> Result<RetryRefundResponse, Status> {
        let told = self.operators().await.retry_refund(with_token(request, OPERATOR_TOKEN)).await?;
        Ok(told.into_inner())
    }

    pub(crate) async fn check(&self, refund_id: &str) -> Result<Refund, Status> {
        let request =
            CheckRefundRequest { refund_id: refund_id.to_owned(), note: "The customer asks.".to_owned() };
        let told = self.operators().await.check_refund(with_token(request, OPERATOR_TOKEN)).await?;
        Ok(told.into_inner().refund.unwrap())
    }

    /// Has an operator pause an account.
    pub(crate) async fn hold_up(&self, account: &str, until: Option<Timestamp>) -> Result<(), Status> {
        let (account, note) = (account.to_owned(), "The provider is being moved.".to_owned());
        let request = with_token(PauseAccountRequest { account, note, until }, OPERATOR_TOKEN);
        self.operators().await.pause_account(request).await.map(|_told| ())
    }

    /// Has an operator resume an account.
    pub(crate) async fn let_go(&self, account: &str) {
        let (account, note) = (account.to_owned(), "It was moved.".to_owned());
        let request = ResumeAccountRequest { account, note, key_heeded: false };
        self.operators().await.resume_account(with_token(request, OPERATOR_TOKEN)).await.unwrap();
    }

    pub(crate) async fn close(&self, discrepancy_id: &str, note: &str) -> Result<Discrepancy, Status> {
        let request =
            CloseDiscrepancyRequest { discrepancy_id: discrepancy_id.to_owned(), note: note.to_owned() };
        let told = self.operators().await.close_discrepancy(with_token(request, OPERATOR_TOKEN)).await?;
        Ok(told.into_inner().discrepancy.unwrap())
    }

    /// The states that a refund has been in, in order.
    pub(crate) async fn states(&self, refund_id: &str) -> Vec<State> {
        self.full(refund_id).await.events.iter().map(StatusEvent::state).collect()
    }

    /// How often a refund was looked up.
    pub(crate) async fn looks(&self, refund_id: &str) -> usize {
        let attempts = self.full(refund_id).await.attempts;
        attempts.iter().filter(|attempt| attempt.kind == "lookup").count()
    }

    /// Waits until a refund was looked up so often.
    pub(crate) async fn looked_up(&self, refund_id: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.looks(refund_id).await < times {
            let full = self.full(refund_id).await;
            assert!(Instant::now() < deadline, "not looked up {times} times: {full:#?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// So many seconds from now, by the clock of the store.
    pub(crate) fn in_seconds(&self, seconds: i64) -> Timestamp {
        Timestamp { seconds: self.clock.now().micros() / 1_000_000 + seconds, nanos: 0 }
    }
}

/// What an operator says of a refund, with evidence and a note.
pub(crate) fn resolution(refund_id: &str, outcome: Outcome) -> ResolveRefundRequest {
    ResolveRefundRequest {
        refund_id: refund_id.to_owned(),
        outcome: outcome.into(),
        amount_succeeded: None,
        provider_refund_id: String::new(),
        evidence: "Ticket 4711 of the provider's support.".to_owned(),
        note: "The provider was asked.".to_owned(),
    }
}

/// An operator's wish to try a refund again.
pub(crate) fn retry_of(request_id: &str, refund_id: &str) -> RetryRefundRequest {
    RetryRefundRequest {
        request_id: request_id.to_owned(),
        refund_id: refund_id.to_owned(),
        amount: None,
        evidence: String::new(),
        note: "The customer waits.".to_owned(),
    }
}

/// Euros, minor units.
pub(crate) fn eur(amount_minor: i64) -> Money {
    Money { currency_code: "EUR".to_owned(), amount_minor }
}

/// The code and the reason of a refusal.
pub(crate) fn why(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().unwrap().reason)
}

/// The metadata of a refusal under a key.
pub(crate) fn named(status: &Status, key: &str) -> String {
    status.get_details_error_info().unwrap().metadata[key].clone()
}

/// The fields that a refusal names.
pub(crate) fn faulty(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

/// That a state does not allow it, and that the refusal names the state.
pub(crate) fn assert_state_forbids<T: Debug>(told: Result<T, Status>, state: &str) {
    let status = told.unwrap_err();
    assert_eq!(why(&status), (Code::FailedPrecondition, "STATE_FORBIDS".to_owned()), "{status:?}");
    assert_eq!(named(&status, "state"), state);
}
