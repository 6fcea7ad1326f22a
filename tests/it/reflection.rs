//! Reflection: both versions list the services and describe the messages, so that generic clients need no
//! files.

use prost_types::FileDescriptorProto;
use tonic_reflection::pb::{v1, v1alpha};

use super::support::app::TestApp;
use super::support::database::Kind;

const SERVICES: [&str; 3] =
    ["refunds.v1.RefundService", "refunds.v1.AccountService", "refunds.v1.OperatorService"];
/// What errors carry.
const DETAILS: &str = "google.rpc.ErrorInfo";

/// Asks one version for its services and for the files of some symbols; a macro because the two share no
/// type.
macro_rules! reflected {
    ($version:ident, $app:expr) => {{
        use $version::server_reflection_request::MessageRequest;
        use $version::server_reflection_response::MessageResponse;
        let channel = $app.channel().await;
        let mut client = $version::server_reflection_client::ServerReflectionClient::new(channel);
        let symbols = SERVICES.into_iter().chain([DETAILS]);
        let files = symbols.map(|symbol| MessageRequest::FileContainingSymbol(symbol.to_owned()));
        let asks: Vec<_> = [MessageRequest::ListServices(String::new())].into_iter().chain(files).collect();
        let requests = asks
            .into_iter()
            .map(|ask| $version::ServerReflectionRequest { host: String::new(), message_request: Some(ask) });
        let answers = client.server_reflection_info(futures::stream::iter(requests)).await;
        let mut answers = answers.unwrap().into_inner();
        let (mut services, mut methods, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(answer) = answers.message().await.unwrap() {
            match answer.message_response.unwrap() {
                MessageResponse::ListServicesResponse(list) => {
                    services.extend(list.service.into_iter().map(|service| service.name));
                }
                MessageResponse::FileDescriptorResponse(files) => {
                    for file in files.file_descriptor_proto {
                        let file = <FileDescriptorProto as prost::Message>::decode(file.as_slice()).unwrap();
                        let package = file.package.unwrap_or_default();
                        let named = file.message_type.into_iter().filter_map(|message| message.name);
                        messages.extend(named.map(|name| format!("{package}.{name}")));
                        methods
                            .extend(file.service.into_iter().flat_map(|s| s.method).map(|m| m.name.unwrap()));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        (services, methods, messages)
    }};
}

#[tokio::test]
async fn both_versions_of_reflection_describe_the_service() {
    let app = TestApp::start(Kind::Sqlite).await.unwrap();
    for (services, methods, messages) in [reflected!(v1, app), reflected!(v1alpha, app)] {
        for name in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
            assert!(services.iter().any(|service| service == name), "{name} in {services:?}");
        }
        for name in ["CreateRefund", "ListRefunds", "StreamRefundStatus", "ListAccounts", "ListOverdue"] {
            assert!(methods.iter().any(|method| method == name), "{name} in {methods:?}");
        }
        for name in ["ErrorInfo", "BadRequest", "PreconditionFailure", "RetryInfo", "ResourceInfo"] {
            let name = format!("google.rpc.{name}");
            assert!(messages.contains(&name), "{name} in {messages:?}");
        }
    }
    app.finish().await;
}
