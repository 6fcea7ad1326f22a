//! Worldline's signed tokens from end to end: the client's assertions at the sandbox, which other hands
//! wrote, and a change of keys without a restart.

use std::path::Path;

use refunds::grpc::proto::refund::State;
use serde_json::json;

use super::faults::wish;
use super::support::app::TestApp;
use super::support::on_every_app;
use super::support::sandbox::http;

/// The two pairs of keys that the sandbox's own tests use.
fn key(name: &str) -> String {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/worldline_keys");
    std::fs::read_to_string(keys.join(name)).unwrap()
}

async fn registered(app: &TestApp, public: &str) {
    http(app.sandbox.address(), "PUT", "/control/worldline/keys", &key(public)).await;
}

/// Gives money back on an order, by an account.
async fn refunded(app: &TestApp, account: &str, order: &str) {
    let mut request = wish(order, "worldline", order);
    account.clone_into(&mut request.account);
    let refund = app.create(request).await.unwrap().refund.unwrap();
    app.wait_for(&refund.refund_id, State::Succeeded).await;
    assert_eq!(app.effects(order).await.len(), 1);
}

on_every_app! {
    async fn tokens_are_signed_for_by_either_algorithm_and_keys_change_without_a_restart(app: &mut TestApp) {
        app.pause().await;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.pem");
        std::fs::write(&file, key("first.pem")).unwrap();
        for (account, algorithm) in [("pss", "ps256"), ("pkcs", "rs256")] {
            app.add_account_with(account, "worldline", &[
                ("SECRET_FILE", file.to_str().unwrap()),
                ("WORLDLINE__ISSUER", "application-1@123456789"),
                ("WORLDLINE__ALGORITHM", algorithm),
                ("WORLDLINE__REQUEST_ID_CONFIRMED", "true"),
            ]);
        }
        app.resume().await;
        // Tokens that end soon, so that the next refund needs a new one.
        app.sandbox.settings(&json!({ "worldline_token_life_s": 1 })).await;
        registered(app, "first.pub.pem").await;
        refunded(app, "pss", "wl-1-pss").await;
        refunded(app, "pkcs", "wl-1-pkcs").await;

        std::fs::write(&file, key("second.pem")).unwrap();
        http(app.sandbox.address(), "DELETE", "/control/worldline/keys", "").await;
        registered(app, "second.pub.pem").await;
        refunded(app, "pss", "wl-1-pss-changed").await;
        refunded(app, "pkcs", "wl-1-pkcs-changed").await;
    }

    async fn a_key_that_is_not_registered_blocks_the_account_and_fails_nothing(app: &mut TestApp) {
        app.pause().await;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.pem");
        std::fs::write(&file, key("first.pem")).unwrap();
        app.add_account_with("pss", "worldline", &[
            ("SECRET_FILE", file.to_str().unwrap()),
            ("WORLDLINE__ISSUER", "application-1@123456789"),
        ]);
        app.resume().await;
        let mut request = wish("r1", "worldline", "wl-1-unknown-key");
        "pss".clone_into(&mut request.account);
        let refund = app.create(request).await.unwrap().refund.unwrap();
        let blocked = |refund: &refunds::grpc::proto::Refund| {
            refund.waits_for() == refunds::grpc::proto::Wait::AccountBlocked
        };
        let refund = app.wait_until(&refund.refund_id, "blocked", blocked).await;
        assert_eq!(refund.state(), State::Pending);
        registered(app, "first.pub.pem").await;
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        assert_eq!(app.effects("wl-1-unknown-key").await.len(), 1);
    }
}
