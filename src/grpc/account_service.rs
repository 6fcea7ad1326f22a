//! `refunds.v1.AccountService`: reads the request, asks the use case, writes the answer.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::service::Service;

use super::auth::caller;
use super::proto;
use super::proto::account_service_server::AccountService;

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
impl AccountService for Handler {
    async fn list_accounts(
        &self,
        request: Request<proto::ListAccountsRequest>,
    ) -> Result<Response<proto::ListAccountsResponse>, Status> {
        let _caller = caller(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn get_account(
        &self,
        request: Request<proto::GetAccountRequest>,
    ) -> Result<Response<proto::GetAccountResponse>, Status> {
        let _caller = caller(&request)?;
        Err(Status::unimplemented("not yet"))
    }
}
