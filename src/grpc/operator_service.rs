//! `refunds.v1.OperatorService`: reads the request, asks the use case, writes the answer.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::domain::id::AccountName;
use crate::service::{Caller, Service};
use crate::telemetry::spans;

use super::auth::{actor, caller, trace};
use super::proto::operator_service_server::OperatorService;
use super::read::operator;
use super::{proto, read, status, write};

/// The handlers.
pub(super) struct Handler {
    service: Arc<Service>,
}

impl Handler {
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self { service }
    }

    async fn account(&self, caller: &Caller, name: &AccountName) -> Result<proto::Account, Status> {
        self.service.account(caller, name).await.map(write::account).map_err(status::of)
    }

    async fn resolve(
        &self,
        caller: &Caller,
        request: proto::ResolveRefundRequest,
    ) -> Result<proto::Refund, Status> {
        let resolution = operator::resolution(request).map_err(|f| status::invalid(&f))?;
        let resolved = self.service.resolve(caller, resolution, actor(caller)).await;
        resolved.map(write::refund).map_err(status::of)
    }
}

#[tonic::async_trait]
impl OperatorService for Handler {
    async fn list_overdue(
        &self,
        request: Request<proto::ListOverdueRequest>,
    ) -> Result<Response<proto::ListOverdueResponse>, Status> {
        let caller = caller(&request)?;
        let (account, paging) = read::overdue(request.get_ref()).map_err(|f| status::invalid(&f))?;
        let page = self.service.overdue(&caller, account.as_ref(), &paging).await.map_err(status::of)?;
        Ok(Response::new(proto::ListOverdueResponse {
            refunds: page.refunds.into_iter().map(write::refund).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn resolve_refund(
        &self,
        request: Request<proto::ResolveRefundRequest>,
    ) -> Result<Response<proto::ResolveRefundResponse>, Status> {
        let caller = caller(&request)?;
        spans::record_refund(&request.get_ref().refund_id);
        let refund = self.resolve(&caller, request.into_inner()).await?;
        Ok(Response::new(proto::ResolveRefundResponse { refund: Some(refund) }))
    }

    async fn batch_resolve_refunds(
        &self,
        request: Request<proto::BatchResolveRefundsRequest>,
    ) -> Result<Response<proto::BatchResolveRefundsResponse>, Status> {
        use proto::batch_resolve_result::Result as Wire;
        let caller = caller(&request)?;
        let requests = operator::batch(request.into_inner()).map_err(|f| status::invalid(&f))?;
        caller.must_operate().map_err(status::of)?;
        let mut results = Vec::with_capacity(requests.len());
        for request in requests {
            let refund_id = request.refund_id.clone();
            let result = match self.resolve(&caller, request).await {
                Ok(refund) => Wire::Refund(refund),
                Err(status) => Wire::Refusal(write::refusal(&status)),
            };
            results.push(proto::BatchResolveResult { refund_id, result: Some(result) });
        }
        Ok(Response::new(proto::BatchResolveRefundsResponse { results }))
    }

    async fn retry_refund(
        &self,
        request: Request<proto::RetryRefundRequest>,
    ) -> Result<Response<proto::RetryRefundResponse>, Status> {
        let caller = caller(&request)?;
        let retry = operator::retry(request.into_inner(), trace()).map_err(|f| status::invalid(&f))?;
        spans::record_refund(&retry.refund_id.to_string());
        let created = self.service.retry(&caller, retry, actor(&caller)).await.map_err(status::of)?;
        let (replayed, head) = (created.replayed, created.refund.history);
        tracing::info!(
            refund.id = %created.refund.id,
            replayed,
            history.number = head.number,
            history.hash = %head.hash,
            "refund accepted"
        );
        let refund = Some(write::refund(created.refund));
        Ok(Response::new(proto::RetryRefundResponse { refund, replayed }))
    }

    async fn check_refund(
        &self,
        request: Request<proto::CheckRefundRequest>,
    ) -> Result<Response<proto::CheckRefundResponse>, Status> {
        let caller = caller(&request)?;
        let (id, note) = operator::check(request.into_inner()).map_err(|f| status::invalid(&f))?;
        spans::record_refund(&id.to_string());
        let refund = self.service.check_now(&caller, id, note, actor(&caller)).await.map_err(status::of)?;
        Ok(Response::new(proto::CheckRefundResponse { refund: Some(write::refund(refund)) }))
    }

    async fn pause_account(
        &self,
        request: Request<proto::PauseAccountRequest>,
    ) -> Result<Response<proto::PauseAccountResponse>, Status> {
        let caller = caller(&request)?;
        let (account, note, until) = operator::pause(request.get_ref()).map_err(|f| status::invalid(&f))?;
        spans::record_account(account.as_str());
        self.service.pause(&caller, &account, note, until).await.map_err(status::of)?;
        let account = Some(self.account(&caller, &account).await?);
        Ok(Response::new(proto::PauseAccountResponse { account }))
    }

    async fn resume_account(
        &self,
        request: Request<proto::ResumeAccountRequest>,
    ) -> Result<Response<proto::ResumeAccountResponse>, Status> {
        let caller = caller(&request)?;
        let (account, note, key_heeded) =
            operator::resume(request.get_ref()).map_err(|f| status::invalid(&f))?;
        spans::record_account(account.as_str());
        self.service.resume(&caller, &account, &note, key_heeded).await.map_err(status::of)?;
        let account = Some(self.account(&caller, &account).await?);
        Ok(Response::new(proto::ResumeAccountResponse { account }))
    }

    async fn list_discrepancies(
        &self,
        request: Request<proto::ListDiscrepanciesRequest>,
    ) -> Result<Response<proto::ListDiscrepanciesResponse>, Status> {
        let caller = caller(&request)?;
        let (account, open, paging) =
            operator::discrepancies(request.get_ref()).map_err(|f| status::invalid(&f))?;
        let listed = self.service.discrepancies(&caller, account.as_ref(), open, &paging).await;
        let (found, next_page_token) = listed.map_err(status::of)?;
        let discrepancies = found.into_iter().map(write::discrepancy).collect();
        Ok(Response::new(proto::ListDiscrepanciesResponse { discrepancies, next_page_token }))
    }

    async fn close_discrepancy(
        &self,
        request: Request<proto::CloseDiscrepancyRequest>,
    ) -> Result<Response<proto::CloseDiscrepancyResponse>, Status> {
        let caller = caller(&request)?;
        let (id, number, note) = operator::close(request.get_ref()).map_err(|f| status::invalid(&f))?;
        spans::record_refund(&id.to_string());
        let closed = self.service.close_discrepancy(&caller, id, number, &note, &actor(&caller)).await;
        let discrepancy = Some(write::discrepancy(closed.map_err(status::of)?));
        Ok(Response::new(proto::CloseDiscrepancyResponse { discrepancy }))
    }
}
