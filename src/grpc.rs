//! Wire in, wire out. Turns calls into use cases and what comes of them into messages; decides nothing.

mod account_service;
mod auth;
mod deadline;
mod operator_service;
mod read;
mod refund_service;
mod status;
mod trace;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::service::Service;

pub use auth::Authenticate;
pub use status::{Reason, reasons_table};

/// The generated messages and services.
#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::allow_attributes,
    unused_qualifications,
    reason = "generated code"
)]
pub mod proto {
    tonic::include_proto!("refunds.v1");

    /// Every message and service of this package and what it imports, for reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/refunds_descriptor.bin"));
}

use proto::account_service_server::AccountServiceServer;
use proto::operator_service_server::OperatorServiceServer;
use proto::refund_service_server::RefundServiceServer;

/// What this server answers.
const DESCRIPTORS: &[&[u8]] = &[
    proto::DESCRIPTORS,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// The names that health is told for; the empty one is that of the whole server.
const NAMES: &[&str] =
    &["", "refunds.v1.RefundService", "refunds.v1.AccountService", "refunds.v1.OperatorService"];
/// The name whose health says that the process lives, whatever became of the database.
pub const LIVENESS: &str = "liveness";

/// The server's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The largest request, bytes.
    pub message_bytes_max: usize,
    /// Calls and streams at the same time on one connection.
    pub concurrent_streams_max: u32,
    /// How old a connection gets before its client is asked to make a new one.
    pub connection_age_max: Duration,
    /// The longest a unary call may take, whatever its caller allows.
    pub unary_deadline_max: Duration,
    /// How long after health turned away calls are still taken.
    pub drain_delay: Duration,
}

/// The server failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The transport broke.
    #[error("the gRPC server failed")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors do not make a reflection service.
    #[error("reflection cannot be built")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The descriptors are none.
    #[error("the descriptors cannot be read")]
    Descriptors(#[from] prost::DecodeError),
}

/// Health as callers and Kubernetes see it.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    leaving: Arc<Mutex<bool>>,
}

impl Health {
    fn new(reporter: HealthReporter) -> Self {
        Self { reporter, leaving: Arc::default() }
    }

    /// Says whether calls are welcome. From the end's beginning on they are not, whatever is said here.
    pub async fn set_serving(&self, serving: bool) {
        let leaving = self.leaving.lock().await;
        if !*leaving {
            self.tell(serving).await;
        }
    }

    /// Says that the process lives, until its end.
    async fn live(&self) {
        self.reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
    }

    /// Turns away for good.
    async fn leave(&self) {
        let mut leaving = self.leaving.lock().await;
        *leaving = true;
        self.tell(false).await;
    }

    /// Ends what watches: an open stream would hold up the shutdown for all of its grace.
    async fn dismiss(&mut self) {
        for name in NAMES {
            self.reporter.clear_service_status(name).await;
        }
        self.reporter.clear_service_status(LIVENESS).await;
    }

    async fn tell(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in NAMES {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// Serves until `stop`. Then health turns away, and after the drain delay no new call is taken, streams end
/// with a token to go on from, and what is in flight finishes. `drain` is cancelled when streams are to end.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    authenticate: Arc<dyn Authenticate>,
    settings: Settings,
    health_sender: tokio::sync::oneshot::Sender<Health>,
    stop: CancellationToken,
    drain: CancellationToken,
) -> Result<(), Error> {
    let address: Option<SocketAddr> = listener.local_addr().ok();
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let mut health = Health::new(reporter);
    health.set_serving(false).await;
    health.live().await;
    let _unwatched = health_sender.send(health.clone());
    let bytes_max = settings.message_bytes_max;
    let interceptor = auth::Interceptor::new(authenticate);
    let refunds = RefundServiceServer::new(refund_service::Handler::new(Arc::clone(&service)))
        .max_decoding_message_size(bytes_max);
    let accounts = AccountServiceServer::new(account_service::Handler::new(Arc::clone(&service)))
        .max_decoding_message_size(bytes_max);
    let operators = OperatorServiceServer::new(operator_service::Handler::new(service))
        .max_decoding_message_size(bytes_max);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Without them a generic client shows the details of an error as base64.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let ending = async move {
        stop.cancelled().await;
        health.leave().await;
        tokio::time::sleep(settings.drain_delay).await;
        drain.cancel();
        health.dismiss().await;
    };
    Server::builder()
        .max_concurrent_streams(settings.concurrent_streams_max)
        // Without `max_connection_age_grace`: with it no GOAWAY is sent and the socket is dropped.
        .max_connection_age(settings.connection_age_max)
        // Outermost: every call has a span, a line, and an error with details, whoever made it.
        .layer(trace::TraceLayer::new(address, DESCRIPTORS)?)
        // Inside the transport's own timeout, which would answer CANCELLED.
        .layer(deadline::DeadlineLayer::new(settings.unary_deadline_max))
        .add_service(InterceptedService::new(refunds, interceptor.clone()))
        .add_service(InterceptedService::new(accounts, interceptor.clone()))
        .add_service(InterceptedService::new(operators, interceptor))
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), ending)
        .await?;
    Ok(())
}
