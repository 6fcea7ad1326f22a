//! The commands, as processes: what they refuse before they touch anything, and what they leave behind.

use std::path::Path;

use refunds::service::{Clock, Point, SystemClock};
use tokio::net::TcpListener;

use super::support::app::request;
use super::support::database::Kind;
use super::support::on_every_url;
use super::support::process::{KILL_AT, Process, Scene, client, create, full, succeeded};
use super::support::sandbox::effects;
use super::support::url::TestUrl;

/// What the one who started it can mend.
const USAGE: Option<i32> = Some(64);
const LISTEN: &str = "REFUNDS__SERVER__LISTEN";

/// A scene whose database is a SQLite file in a directory.
async fn scene_in(directory: &Path) -> Scene {
    Scene::set(&format!("sqlite://{}?mode=rwc", directory.join("refunds.sqlite").display())).await
}

fn assert_says(output: &str, all: &[&str]) {
    for text in all {
        assert!(output.contains(text), "{text} in:\n{output}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_configuration_is_told_at_once_before_any_port_is_bound() {
    let directory = tempfile::tempdir().unwrap();
    let scene = scene_in(directory.path()).await;
    // Had it tried to bind, that would be its complaint.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let faults = [
        (LISTEN, &*taken.local_addr().unwrap().to_string()),
        ("REFUNDS__DISPATCH__LEASE_MS", "1"),
        ("REFUNDS__SERVER__STREAMS_MAX", "hunter2"),
        ("REFUNDS__SERVER__NONSENSE", "hunter2"),
        ("REFUNDS__NONSENSE__KEY", "hunter2"),
        ("REFUNDS__ACCOUNTS__AFTERPAY__SECRET_FILE", "/nowhere/hunter2"),
        ("REFUNDS__ACCOUNTS__AFTERPAY__TIMEOUTS__READ_MS", "0"),
        ("REFUNDS__CALLERS__DEFAULT_CALLER", "hunter2"),
    ];
    for command in ["serve", "migrate", "check-config"] {
        let (code, output) = Process::run(&[command], &scene.variables(&faults)).await;
        assert_eq!(code, USAGE, "{output}");
        let keys = [
            "dispatch.lease_ms: ",
            "server.streams_max: ",
            "server.nonsense: ",
            "nonsense: unknown section",
            "accounts.afterpay.secret_file: ",
            "accounts.afterpay.timeouts.read_ms: ",
            "callers.default_caller: ",
        ];
        assert_says(&output, &keys);
        assert!(!output.replace("/nowhere/hunter2", "").contains("hunter2"), "a value is told:\n{output}");
        assert!(!directory.path().join("refunds.sqlite").exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_arguments_are_told_and_help_is_no_fault() {
    for arguments in [&["nonsense"][..], &[], &["serve", "--nonsense"], &["recover"]] {
        let (code, output) = Process::run(arguments, &[]).await;
        assert_eq!(code, USAGE, "{arguments:?}: {output}");
        assert_says(&output, &["Usage:"]);
    }
    let (code, output) = Process::run(&["recover", "--restored-to", "yesterday"], &[]).await;
    assert_eq!(code, USAGE);
    assert_says(&output, &["2026-11-22T10:00:00Z"]);
    for arguments in [["--help"], ["--version"]] {
        let (code, output) = Process::run(&arguments, &[]).await;
        assert_eq!(code, Some(0), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_is_checked_without_touching_anything() {
    let directory = tempfile::tempdir().unwrap();
    let scene = scene_in(directory.path()).await;
    let (code, output) = Process::run(&["check-config"], &scene.variables(&[])).await;
    assert_eq!(
        (code, output.as_str()),
        (Some(0), "no faults; accounts: afterpay, airalo, moyasar, worldline")
    );
    for (fault, told) in [
        (("REFUNDS__DISPATCH__POLL_MS", "0"), "dispatch.poll_ms"),
        ((KILL_AT, "before_breakfast"), "testing.kill_at: must be one of after_create, after_claim"),
        (
            ("REFUNDS__TESTING__STOP_AT", "at_noon"),
            "testing.stop_at: must be one of after_create, after_claim",
        ),
        (("REFUNDS__TELEMETRY__LOG_FILTER", "info,="), "log filter"),
        (("REFUNDS__ACCOUNTS__AFTERPAY__MERCHANT", "a:b"), "merchant"),
        (("REFUNDS__ACCOUNTS__AFTERPAY__PROVIDER", "nobody"), "accounts.afterpay.provider"),
    ] {
        for command in ["check-config", "serve"] {
            let (code, output) = Process::run(&[command], &scene.variables(&[fault])).await;
            assert_eq!(code, USAGE, "{command} {fault:?}: {output}");
            assert_says(&output, &[told]);
        }
    }
    assert!(!directory.path().join("refunds.sqlite").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_loopback_nothing_is_plain_text_or_nameless_unless_asked_for_by_name() {
    const ALLOW: (&str, &str) = ("REFUNDS__SERVER__ALLOW_NON_LOOPBACK_PLAINTEXT", "true");
    let directory = tempfile::tempdir().unwrap();
    let scene = scene_in(directory.path()).await;
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let (code, output) = Process::run(&["serve"], &scene.variables(&[(LISTEN, listen)])).await;
        assert_eq!(code, USAGE, "{output}");
        assert_says(&output, &["server.listen: ", "allow_non_loopback_plaintext"]);
    }
    let nameless = [(LISTEN, "0.0.0.0:0"), ALLOW, ("REFUNDS__CALLERS__DEFAULT_CALLER", "shop")];
    let (code, output) = Process::run(&["serve"], &scene.variables(&nameless)).await;
    assert_eq!(code, USAGE, "{output}");
    assert_says(&output, &["callers.default_caller: "]);
    assert!(!output.contains("server.listen: "), "{output}");
    let (_service, address) = scene.serve(&[(LISTEN, "0.0.0.0:0"), ALLOW]).await;
    create(&address.replace("0.0.0.0", "127.0.0.1"), "r1", "1001").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_one_sqlite_file_is_refused_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let scene = scene_in(directory.path()).await;
    let (mut first, address) = scene.serve(&[]).await;
    let id = create(&address, "r1", "9942001").await.unwrap().refund.unwrap().refund_id;
    let data = directory.path().to_str().unwrap();
    let commands = [
        &["serve"][..],
        &["migrate"],
        &["recover", "--restored-to", "2026-11-22T10:00:00Z"],
        &["dev", "--data-dir", data],
        &["dev", "--data-dir", data, "--fresh"],
    ];
    for command in commands {
        let elsewhere = [("REFUNDS__SANDBOX__LISTEN", "127.0.0.1:0")];
        // `dev` has a configuration of its own.
        let variables = match command {
            ["dev", ..] => elsewhere.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec(),
            _of_the_file => scene.variables(&elsewhere),
        };
        let (code, output) = Process::run(command, &variables).await;
        assert_eq!(code, Some(1), "{command:?}: {output}");
        assert_says(&output, &["another process is using", "refunds.sqlite"]);
    }
    succeeded(&address, &id).await;
    // It still has its file, and not only what it holds open.
    first.kill().await;
    let (_next, address) = scene.serve(&[]).await;
    assert!(create(&address, "r1", "9942001").await.unwrap().replayed);
    assert_eq!(effects(scene.sandbox, "9942001").await.len(), 1);
}

/// `serve` refuses a schema that is not there, and takes the one that `migrate` made.
async fn migrated_by_its_own_command(kind: Kind) {
    let Some(database) = TestUrl::empty(kind).await else { return };
    let scene = Scene::set(&database.url).await;
    let by_hand = [("REFUNDS__DATABASE__MIGRATE_ON_START", "false")];
    let recover = ["recover", "--restored-to", "2026-11-22T10:00:00Z"];
    for command in [&["serve"][..], &recover] {
        let (code, output) = Process::run(command, &scene.variables(&by_hand)).await;
        assert_eq!(code, Some(1), "{output}");
        assert_says(&output, &["the schema is not current", "refunds migrate", "m20261122_000001"]);
        assert!(!output.contains("serving"), "{output}");
    }
    for _ in 0..2 {
        let (code, output) = Process::run(&["migrate"], &scene.variables(&by_hand)).await;
        assert_eq!((code, output.as_str()), (Some(0), "the schema is current"));
    }
    let (mut service, address) = scene.serve(&by_hand).await;
    let id = create(&address, "r1", "1001").await.unwrap().refund.unwrap().refund_id;
    succeeded(&address, &id).await;
    service.kill().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_is_made_by_its_own_command_on_sqlite() {
    migrated_by_its_own_command(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_is_made_by_its_own_command_on_postgres() {
    migrated_by_its_own_command(Kind::Postgres).await;
}

/// A backup from when a refund stood at a point; what came after it is lost, if anything did.
async fn restored(url: &str, point: Point, order: &str, something_is_lost: bool) {
    let scene = Scene::set(url).await;
    let (mut service, address) = scene.serve(&[(KILL_AT, point.name())]).await;
    let _ended_with_the_process = create(&address, "r1", order).await;
    assert_eq!(service.end().await, None, "it was to be killed");
    let backup = TestUrl::copy_of(url).await;
    let restored_to = SystemClock.now().to_string();
    if something_is_lost {
        let (mut service, address) = scene.serve(&[]).await;
        let id = create(&address, "r1", order).await.unwrap().refund.unwrap().refund_id;
        succeeded(&address, &id).await;
        service.kill().await;
        assert_eq!(effects(scene.sandbox, order).await.len(), 1);
    }
    let on_backup = [("REFUNDS__DATABASE__URL", backup.url.as_str())];
    let recover = ["recover", "--restored-to", &restored_to];
    let (code, output) = Process::run(&recover, &scene.variables(&on_backup)).await;
    assert_eq!(code, Some(0), "{output}");
    assert_says(
        &output,
        &["1 refunds may have been sent", "are UNKNOWN now", "each with its own request_id"],
    );
    let (mut service, address) = scene.serve(&on_backup).await;
    let again = create(&address, "r1", order).await.unwrap();
    let id = again.refund.unwrap().refund_id;
    assert!(again.replayed && output.contains(&id), "{id} in {output}");
    let got = succeeded(&address, &id).await;
    let states: Vec<_> = got.events.iter().map(|event| event.state().as_str_name()).collect();
    let unknown = states.iter().position(|state| *state == "STATE_UNKNOWN").unwrap();
    let before = states[..unknown].iter().all(|state| ["STATE_PENDING", "STATE_SENDING"].contains(state));
    assert!(before && states[unknown..].iter().all(|state| *state != "STATE_PENDING"), "{states:?}");
    let kind = if point == Point::AfterCreate { "restore" } else { "send" };
    assert!(got.attempts.iter().any(|a| a.kind == kind && a.outcome != "succeeded"), "{got:#?}");
    assert_eq!(effects(scene.sandbox, order).await.len(), 1, "{got:#?}");
    service.kill().await;
    backup.remove().await;
}

on_every_url! {
    async fn a_refund_sent_in_the_time_that_was_lost_is_not_sent_again(url: &str) {
        restored(url, Point::AfterCreate, "1001", true).await;
    }

    async fn a_refund_under_way_in_the_time_that_was_lost_is_not_sent_again(url: &str) {
        restored(url, Point::AfterIntent, "1001", true).await;
    }

    async fn a_refund_that_was_not_sent_in_the_time_that_was_lost_is_sent(url: &str) {
        restored(url, Point::AfterCreate, "1001", false).await;
    }

    async fn a_restore_leaves_alone_what_is_final(url: &str) {
        let scene = Scene::set(url).await;
        let (mut service, address) = scene.serve(&[]).await;
        let id = create(&address, "r1", "1001").await.unwrap().refund.unwrap().refund_id;
        let before = succeeded(&address, &id).await;
        service.kill().await;
        let recover = ["recover", "--restored-to", "2020-01-01T00:00:00Z"];
        let (code, output) = Process::run(&recover, &scene.variables(&[])).await;
        assert_eq!(code, Some(0), "{output}");
        assert_says(&output, &["0 refunds may have been sent"]);
        let (_service, address) = scene.serve(&[]).await;
        assert_eq!(full(&address, &id).await, before);
    }
}

/// Starts `dev`; the process, where it listens, and its sandbox.
async fn dev(directory: &Path, more: &[&str]) -> (Process, String, std::net::SocketAddr) {
    let variables = [LISTEN, "REFUNDS__SANDBOX__LISTEN"].map(|k| (k.to_owned(), "127.0.0.1:0".to_owned()));
    let arguments = [&["dev", "--data-dir", directory.to_str().unwrap()], more].concat();
    let mut process = Process::start(&arguments, &variables);
    let (address, sandbox) = process
        .line("of where it serves", |line| {
            let (address, rest) = line.strip_prefix("refunds is serving on ")?.split_once(' ')?;
            Some((address.to_owned(), rest.split_once("http://")?.1.parse().unwrap()))
        })
        .await;
    (process, address, sandbox)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_keeps_its_refunds_until_it_is_told_to_forget() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("not/yet/there");
    let mut ids = Vec::new();
    for (more, replayed) in [(&[][..], false), (&[], true), (&["--fresh"], false)] {
        let (mut process, address, sandbox) = dev(&data, more).await;
        let known = effects(sandbox, "1001").await.len();
        assert_eq!(known, usize::from(replayed), "{more:?}: the ledger");
        // Without a token it is a call of `dev`.
        let created =
            client(&address).create_refund(request("r1", "1001", 1_000)).await.unwrap().into_inner();
        assert_eq!(created.replayed, replayed, "{more:?}");
        let refund = created.refund.unwrap();
        assert_eq!(refund.caller, "dev");
        ids.push(refund.refund_id);
        while effects(sandbox, "1001").await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(effects(sandbox, "1001").await.len(), 1, "{more:?}");
        process.signal("TERM").await;
        assert_eq!(process.end().await, Some(0), "{}", process.seen.join("\n"));
    }
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
}
