//! What is told about a configuration that is wrong.

use std::fmt::Write as _;

use super::*;

#[test]
fn all_faults_are_told_at_once() {
    let wrong = r#"
        [accounts.afterpay-au]
        provider = "afterpay"
        base_url = "http://provider.example"
        secret_file = "/nowhere/secret"
        timeouts = { read_ms = 1000, wirte_ms = 1 }
        resend_window_s = 86400
        currencies = ["aud"]
        rate = { requests = 0 }

        [accounts.other]
        provider = "paypal"
        merchant = 7
        base_url = "https://provider.example"
        secret_env = "UNSET"

        [server]
        listen = "0.0.0.0:50051"
        max_message_bytes = "64k"
        streams_max = true

        [dispatch]
        lease_ms = 999
        poll_ms = 1.5
        wrokers = 1

        [severs]
        a = 1
    "#;
    let callers = r#"
        [callers.Checkout]
        token_sha256 = ["11", "2222222222222222222222222222222222222222222222222222222222222222"]
        rights = ["refund", "delete"]
        accounts = ["afterpay-nz"]

        [callers.other]
        token_sha256 = ["2222222222222222222222222222222222222222222222222222222222222222"]
        accounts = ["*"]
    "#;
    let files = Files::new(wrong, callers);
    let told = files.faults(&[("REFUNDS__DATABASE__URL", "mysql://x"), ("REFUNDS__A.B", "1")]);
    insta::assert_snapshot!(told.join("\n"), @r#"
    callers.toml: callers.Checkout: the name must be 1 to 64 of a-z 0-9 . _ -
    callers.toml: callers.Checkout.accounts: no account has the name "afterpay-nz"
    callers.toml: callers.Checkout.rights: must be one of refund, read_all, operate
    callers.toml: callers.Checkout.token_sha256: each must be 64 hexadecimal digits
    callers.toml: callers.other.rights: missing
    callers.toml: callers.other.token_sha256: a hash that Checkout has too
    REFUNDS__A.B: from the environment: each part may hold letters, digits, - and _
    accounts.afterpay-au.base_url: must be https; http only for loopback
    accounts.afterpay-au.currencies: each must be three capital letters of ISO 4217
    accounts.afterpay-au.merchant: missing
    accounts.afterpay-au.rate: missing field `per_ms`
    accounts.afterpay-au.resend_window_s: must be from 0 to 82800
    accounts.afterpay-au.secret_file: /nowhere/secret: cannot be read: No such file or directory (os error 2)
    accounts.afterpay-au.site_url: missing
    accounts.afterpay-au.timeouts.read_ms: must be from 70000 to 300000
    accounts.afterpay-au.timeouts.wirte_ms: unknown key; known here are connect_ms, read_ms, lookup_read_ms
    accounts.other.merchant: must be a string
    accounts.other.provider: must be one of airalo, afterpay, worldline, moyasar
    accounts.other.secret_env: the variable UNSET is not set or empty
    database.url: must be sqlite:<path> or postgres://<user>@<host>/<database>
    dispatch.lease_ms: must be from 1000 to 600000
    dispatch.poll_ms: must be a whole number
    dispatch.wrokers: unknown key; known here are lease_ms, poll_ms, worker_name
    server.listen: beyond loopback tokens are plain text: set allow_non_loopback_plaintext to say so
    server.max_message_bytes: must be a whole number
    server.streams_max: must be a whole number
    severs: unknown section
    "#);
}

#[test]
fn a_fault_never_tells_the_value() {
    let wrong = "[database]\nurl = [\"p4ssword\"]\n[server]\nlisten = \"p4ssword\"";
    let files = Files::new(&format!("{ACCOUNT}{wrong}"), CALLERS);
    let told = files.load(&[("REFUNDS__SERVER__STREAMS_MAX", "p4ssword")]).unwrap_err();
    let told = format!("{told} {told:?}");
    assert!(!told.contains("p4ssword"), "{told}");
    assert!(told.contains("database.url: must be") && told.contains("streams_max: must be a whole number"));
}

#[test]
fn a_file_that_is_not_toml_is_told_by_its_line_without_its_text() {
    let error = Files::new("[server]\nlisten = p4ssword\n", CALLERS).load(&[]).unwrap_err();
    assert!(matches!(&error, Error::Malformed { line: 2, .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("p4ssword"), "{error:?}");
    let missing = Config::load(Some(Path::new("/nowhere/config.toml")), &Environment::default());
    assert!(matches!(missing, Err(Error::Unreadable { .. })));
}

#[test]
fn no_configuration_at_all_says_what_is_missing() {
    let Err(Error::Invalid(faults)) = Config::load(None, &Environment::default()) else {
        panic!("faults were expected")
    };
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["accounts", "callers.file"]);
}

#[test]
fn short_timeouts_are_for_those_who_ask_for_them() {
    let short = "allow_short_timeouts = true\ntimeouts = { connect_ms = 5, read_ms = 50 }
        schedule = { refusal_lookup_delay_ms = 10 }";
    let config = Files::new(&format!("{ACCOUNT}{short}\n[server]\nshutdown_grace_ms = 100"), CALLERS);
    assert_eq!(config.load(&[]).unwrap().accounts["afterpay-au"].timeouts.round_trip_ms(), 55);
    assert_eq!(
        faults_of("[server]\nshutdown_grace_ms = 79999", &[]),
        ["server.shutdown_grace_ms: must cover the longest round trip of an account, 80000 ms"]
    );
}

#[test]
fn a_database_in_memory_is_refused() {
    for url in ["sqlite::memory:", "sqlite:x?mode=memory", "sqlite:", "postgres//x", ""] {
        let told = faults_of("", &[("REFUNDS__DATABASE__URL", url)]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("database.url: "), "{told:?}");
    }
}

#[test]
fn every_key_is_documented() {
    let document = include_str!("../../../docs/configuration.md");
    let wrong = "[server]\nx=1\n[database]\nx=1\n[dispatch]\nx=1\n[telemetry]\nx=1\n[callers]\nx=1
        [accounts.a]\nx=1\ntimeouts={x=1}\nschedule={x=1}\nairalo={x=1}\nworldline={x=1}
        [sandbox]\nx=1\n[testing]\nx=1";
    let mut missing = String::new();
    for fault in Files::new(wrong, CALLERS).faults(&[]) {
        let Some((place, known)) = fault.split_once(": unknown key; known here are ") else {
            continue;
        };
        let place = place.trim_end_matches(".x").replace("accounts.a", "accounts.<name>");
        for key in known.split(", ").map(|key| format!("`{place}.{key}`")) {
            if !document.contains(&key) {
                writeln!(missing, "{key}").unwrap();
            }
        }
    }
    assert_eq!(missing, "", "keys that docs/configuration.md lacks");
}
