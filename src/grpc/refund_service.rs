//! `refunds.v1.RefundService`: reads the request, asks the use case, writes the answer.

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use crate::service::{Error, Service, WatchTarget, Wish};
use crate::telemetry::spans;

use super::auth::{actor, caller, trace};
use super::proto::refund_service_server::RefundService;
use super::{proto, read, status, write};

/// The handlers.
pub(super) struct Handler {
    service: Arc<Service>,
}

impl Handler {
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self { service }
    }
}

#[tonic::async_trait]
impl RefundService for Handler {
    type StreamRefundStatusStream =
        Pin<Box<dyn Stream<Item = Result<proto::StreamRefundStatusResponse, Status>> + Send>>;

    async fn create_refund(
        &self,
        request: Request<proto::CreateRefundRequest>,
    ) -> Result<Response<proto::CreateRefundResponse>, Status> {
        let caller = caller(&request)?;
        let (request_id, content) = read::create(request.into_inner()).map_err(|f| status::invalid(&f))?;
        spans::record_account(content.account.as_str());
        let wish = Wish { request_id, content, trace: trace() };
        let created = self.service.create(&caller, wish).await.map_err(status::of)?;
        spans::record_refund(&created.refund.id.to_string());
        let head = created.refund.history;
        tracing::info!(
            replayed = created.replayed,
            history.number = head.number,
            history.hash = %head.hash,
            "refund accepted"
        );
        Ok(Response::new(proto::CreateRefundResponse {
            refund: Some(write::refund(created.refund)),
            replayed: created.replayed,
        }))
    }

    async fn get_refund(
        &self,
        request: Request<proto::GetRefundRequest>,
    ) -> Result<Response<proto::GetRefundResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut faults = Vec::new();
        let id = read::refund_id(&request.refund_id).map_err(|f| faults.extend(f)).ok();
        let view = proto::RefundView::try_from(request.view).ok();
        if view.is_none() {
            faults.push(crate::service::FieldFault::new("view", "must be one of RefundView"));
        }
        let (Some(id), Some(view)) = (id, view) else { return Err(status::invalid(&faults)) };
        let full = match view {
            proto::RefundView::Full => true,
            proto::RefundView::Unspecified | proto::RefundView::Basic => false,
        };
        spans::record_refund(&id.to_string());
        let got = self.service.get(&caller, id, full).await.map_err(status::of)?;
        spans::record_account(got.refund.content.account.as_str());
        Ok(Response::new(write::got(got)))
    }

    async fn list_refunds(
        &self,
        request: Request<proto::ListRefundsRequest>,
    ) -> Result<Response<proto::ListRefundsResponse>, Status> {
        let caller = caller(&request)?;
        let (filter, paging) = read::list(request.into_inner()).map_err(|f| status::invalid(&f))?;
        let page = self.service.list(&caller, filter, &paging).await.map_err(status::of)?;
        Ok(Response::new(proto::ListRefundsResponse {
            refunds: page.refunds.into_iter().map(write::refund).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn cancel_refund(
        &self,
        request: Request<proto::CancelRefundRequest>,
    ) -> Result<Response<proto::CancelRefundResponse>, Status> {
        let caller = caller(&request)?;
        let id = read::refund_id(&request.get_ref().refund_id).map_err(|f| status::invalid(&f))?;
        spans::record_refund(&id.to_string());
        let canceled = self.service.cancel(&caller, id, actor(&caller)).await.map_err(status::of)?;
        Ok(Response::new(proto::CancelRefundResponse { refund: Some(write::refund(canceled)) }))
    }

    async fn validate_refund(
        &self,
        request: Request<proto::ValidateRefundRequest>,
    ) -> Result<Response<proto::ValidateRefundResponse>, Status> {
        let caller = caller(&request)?;
        if !caller.refund {
            return Err(status::of(Error::RightMissing("refund")));
        }
        let wished = request.into_inner().refund.unwrap_or_default();
        let (request_id, content) = match read::create(wished) {
            Ok(read) => read,
            Err(faults) => {
                let refusal = Some(write::refusal(&status::invalid(&faults)));
                return Ok(Response::new(proto::ValidateRefundResponse {
                    refusal,
                    ..proto::ValidateRefundResponse::default()
                }));
            }
        };
        spans::record_account(content.account.as_str());
        let wish = Wish { request_id, content, trace: None };
        let validated = self.service.validate(&caller, wish).await.map_err(status::of)?;
        Ok(Response::new(write::validated(validated)))
    }

    async fn stream_refund_status(
        &self,
        request: Request<proto::StreamRefundStatusRequest>,
    ) -> Result<Response<Self::StreamRefundStatusStream>, Status> {
        let caller = caller(&request)?;
        let watch = read::watch(request.into_inner()).map_err(|faults| status::of(Error::Invalid(faults)))?;
        if let WatchTarget::Refund(id) = &watch.target {
            spans::record_refund(&id.to_string());
        }
        let messages = self.service.watch(&caller, watch).await.map_err(status::of)?;
        let stream =
            ReceiverStream::new(messages).map(|message| message.map(write::watched).map_err(status::of));
        Ok(Response::new(Box::pin(stream)))
    }
}
