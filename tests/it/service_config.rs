//! The service config that callers use as it is: what it says of each method fits what the method is.

use std::time::Duration;

use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};
use refunds::config::server::Server;
use refunds::grpc::proto::DESCRIPTORS;
use serde_json::Value;

const CONFIG: &str = include_str!("../../deploy/client/service-config.json");
/// The services that the config is for: those that programs call.
const SERVICES: [&str; 2] = ["refunds.v1.RefundService", "refunds.v1.AccountService"];

/// The methods of these services, each with its service's name.
fn methods() -> Vec<(&'static str, MethodDescriptorProto)> {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let services = files.into_iter().filter(|f| f.package() == "refunds.v1").flat_map(|f| f.service);
    let named = services.filter_map(|service| {
        let name = SERVICES.iter().find(|name| name.rsplit('.').next() == Some(service.name()))?;
        Some(service.method.into_iter().map(|method| (*name, method)))
    });
    named.flatten().collect()
}

/// What the config says of a method: the entry that names it, else that of its service.
fn entry<'a>(config: &'a Value, service: &str, method: &str) -> &'a Value {
    let entries = config["methodConfig"].as_array().unwrap();
    let of = |named: Value| entries.iter().find(|entry| entry["name"].as_array().unwrap().contains(&named));
    of(serde_json::json!({ "service": service, "method": method }))
        .or_else(|| of(serde_json::json!({ "service": service })))
        .unwrap()
}

fn seconds(text: &Value) -> Duration {
    Duration::from_secs_f64(text.as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap())
}

#[test]
fn every_unary_call_is_repeated_when_nobody_took_it_and_no_stream_is() {
    let config: Value = serde_json::from_str(CONFIG).unwrap();
    let longest = Duration::from_millis(Server::default().unary_deadline_max_ms);
    let (mut unary, mut streams) = (0, 0);
    for (service, method) in methods() {
        let said = entry(&config, service, method.name());
        if method.server_streaming() {
            streams += 1;
            assert_eq!(said.get("retryPolicy"), None, "{}: only its caller knows the token", method.name());
            assert_eq!(said.get("timeout"), None, "{}: it lasts", method.name());
        } else {
            unary += 1;
            let retry = &said["retryPolicy"];
            assert_eq!(
                retry["retryableStatusCodes"],
                serde_json::json!(["UNAVAILABLE"]),
                "{}",
                method.name()
            );
            // More than five are taken for five.
            assert!((2..=5).contains(&retry["maxAttempts"].as_u64().unwrap()), "{}", method.name());
            // The service may not be the first to give up, and all waits fit before the caller does.
            let timeout = seconds(&said["timeout"]);
            assert!(timeout < longest, "{}: {timeout:?}", method.name());
            let attempts = u32::try_from(retry["maxAttempts"].as_u64().unwrap()).unwrap();
            assert!(seconds(&retry["maxBackoff"]) * (attempts - 1) < timeout, "{}", method.name());
        }
    }
    assert!(unary > 0 && streams > 0, "{unary} and {streams}");
}

#[test]
fn it_names_methods_that_there_are() {
    let config: Value = serde_json::from_str(CONFIG).unwrap();
    let known: Vec<_> =
        methods().into_iter().map(|(service, method)| (service, method.name().to_owned())).collect();
    for entry in config["methodConfig"].as_array().unwrap() {
        for name in entry["name"].as_array().unwrap() {
            let service = name["service"].as_str().unwrap();
            let method = name.get("method").map(|method| method.as_str().unwrap());
            let is = |(of, known): &&(&str, String)| *of == service && method.is_none_or(|m| m == known);
            assert!(known.iter().any(|known| is(&known)), "{name}");
        }
    }
}
