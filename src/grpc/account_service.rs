//! `refunds.v1.AccountService`: reads the request, asks the use case, writes the answer.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::service::Service;
use crate::telemetry::spans;

use super::auth::caller;
use super::proto::account_service_server::AccountService;
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
impl AccountService for Handler {
    async fn list_accounts(
        &self,
        request: Request<proto::ListAccountsRequest>,
    ) -> Result<Response<proto::ListAccountsResponse>, Status> {
        let caller = caller(&request)?;
        let seen = self.service.accounts(&caller).await.map_err(status::of)?;
        let accounts = seen.into_iter().map(write::account).collect();
        Ok(Response::new(proto::ListAccountsResponse { accounts }))
    }

    async fn get_account(
        &self,
        request: Request<proto::GetAccountRequest>,
    ) -> Result<Response<proto::GetAccountResponse>, Status> {
        let caller = caller(&request)?;
        let name = read::account_name(&request.get_ref().name).map_err(|f| status::invalid(&f))?;
        spans::record_account(name.as_str());
        let seen = self.service.account(&caller, &name).await.map_err(status::of)?;
        Ok(Response::new(proto::GetAccountResponse { account: Some(write::account(seen)) }))
    }
}
