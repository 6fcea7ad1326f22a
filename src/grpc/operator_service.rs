//! `refunds.v1.OperatorService`: reads the request, asks the use case, writes the answer.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::service::Service;

use super::auth::caller;
use super::proto;
use super::proto::operator_service_server::OperatorService;

/// The handlers.
pub(super) struct Handler {
    _service: Arc<Service>,
}

impl Handler {
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self { _service: service }
    }
}

#[tonic::async_trait]
impl OperatorService for Handler {
    async fn list_overdue(
        &self,
        request: Request<proto::ListOverdueRequest>,
    ) -> Result<Response<proto::ListOverdueResponse>, Status> {
        let _caller = caller(&request)?;
        Err(Status::unimplemented("not yet"))
    }
}
