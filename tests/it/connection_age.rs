//! A connection that is old is given up in good order: its client makes a new one, and nothing is cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use refunds::grpc::proto::refund_service_client::RefundServiceClient;
use refunds::grpc::proto::stream_refund_status_request::Target;
use refunds::grpc::proto::{CreateRefundRequest, GetRefundRequest, StreamRefundStatusRequest};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_types::StatusExt;

use super::support::app::{PATIENCE, TestApp, request};
use super::support::on_every_app;

/// The connections that the client of this test has to make: the first, and one for each that got old.
const CONNECTIONS: usize = 4;
/// Messages by which a stream shows that it lives.
const SIGNS_OF_LIFE: usize = 3;

/// Passes connections on to a server and counts them.
async fn relay(to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut there = TcpStream::connect(to).await.unwrap();
                let _ended = tokio::io::copy_bidirectional(&mut here, &mut there).await;
            });
        }
    });
    (address, count)
}

/// Waits until there are so many.
async fn reaches(what: &str, count: &AtomicUsize, least: usize) {
    let deadline = Instant::now() + PATIENCE;
    while count.load(Ordering::SeqCst) < least {
        assert!(Instant::now() < deadline, "{what}: {} of {least}", count.load(Ordering::SeqCst));
        sleep(Duration::from_millis(10)).await;
    }
}

on_every_app! {
    async fn calls_move_on_from_an_old_connection_and_its_stream_stays(app: &mut TestApp) {
        app.pause().await;
        app.set(&[
            ("REFUNDS__SERVER__MAX_CONNECTION_AGE_MS", "1000"),
            ("REFUNDS__SERVER__STREAM_HEARTBEAT_MS", "100"),
        ]);
        app.resume().await;
        let server = app.address.trim_start_matches("http://").parse().unwrap();
        let (address, connections) = relay(server).await;
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let mut client = RefundServiceClient::new(channel);

        let held_back = prost_types::Timestamp { seconds: 4_070_908_800, nanos: 0 };
        let later = CreateRefundRequest { not_before: Some(held_back), ..request("r1", "1001", 1_000) };
        let refund_id = app.create(later).await.unwrap().refund.unwrap().refund_id;
        let target = Some(Target::RefundId(refund_id.clone()));
        let watch = StreamRefundStatusRequest { target, ..StreamRefundStatusRequest::default() };
        let mut stream = client.stream_refund_status(watch).await.unwrap().into_inner();
        let told = Arc::new(AtomicUsize::new(0));
        let listening = tokio::spawn({
            let told = Arc::clone(&told);
            async move {
                loop {
                    match stream.message().await {
                        Ok(Some(_)) => told.fetch_add(1, Ordering::SeqCst),
                        Ok(None) => return None,
                        Err(status) => return Some(status),
                    };
                }
            }
        });

        let deadline = Instant::now() + PATIENCE;
        while connections.load(Ordering::SeqCst) < CONNECTIONS {
            assert!(Instant::now() < deadline, "no connection gets old");
            let read = GetRefundRequest { refund_id: refund_id.clone(), ..GetRefundRequest::default() };
            match client.get_refund(read).await {
                Ok(_) => sleep(Duration::from_millis(10)).await,
                // A call that found its connection closed and never left: this client repeats nothing.
                Err(status) => {
                    assert!(matches!(status.code(), Code::Unavailable | Code::Cancelled), "{status:?}");
                }
            }
        }
        let so_far = told.load(Ordering::SeqCst);
        reaches("the stream of the first connection", &told, so_far + SIGNS_OF_LIFE).await;

        app.pause().await;
        let status = timeout(PATIENCE, listening).await.unwrap().unwrap().unwrap();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "DRAINING");
    }
}
