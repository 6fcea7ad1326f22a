//! Maps and files in, checked values or faults out. The process environment is never touched.

use std::fs;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::accounts::Provider;
use super::callers::Right;
use super::database::Engine;
use super::*;

mod faults;

const CALLERS: &str = r#"
    [callers.checkout]
    token_sha256 = ["1111111111111111111111111111111111111111111111111111111111111111"]
    rights = ["refund"]
    accounts = ["afterpay-au"]
"#;

const ACCOUNT: &str = r#"
    [accounts.afterpay-au]
    provider = "afterpay"
    base_url = "https://provider.example/"
    merchant = "600032000"
    secret_env = "SECRET"
    site_url = "https://shop.example"
"#;

/// A directory with a configuration and a callers' file.
struct Files(TempDir);

impl Files {
    fn new(config: &str, callers: &str) -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("callers.toml"), callers).unwrap();
        fs::write(directory.path().join("config.toml"), config).unwrap();
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Config, Error> {
        let callers = self.path("callers.toml").display().to_string();
        let basic = [("SECRET", "s3cret"), ("REFUNDS__CALLERS__FILE", callers.as_str())];
        let environment = Environment::of(basic.into_iter().chain(variables.iter().copied()));
        Config::load(Some(&self.path("config.toml")), &environment)
    }

    /// The faults, the directory's name taken out, so that they can be compared.
    fn faults(&self, variables: &[(&str, &str)]) -> Vec<String> {
        match self.load(variables) {
            Err(Error::Invalid(faults)) => {
                let directory = format!("{}/", self.0.path().display());
                faults.iter().map(|fault| fault.to_string().replace(&directory, "")).collect()
            }
            other => panic!("faults were expected: {other:?}"),
        }
    }
}

fn faults_of(config: &str, variables: &[(&str, &str)]) -> Vec<String> {
    Files::new(&format!("{ACCOUNT}{config}"), CALLERS).faults(variables)
}

#[test]
fn the_least_configuration_has_the_documented_defaults() {
    let config = Files::new(ACCOUNT, CALLERS).load(&[]).unwrap();
    assert_eq!(config.server, server::Server::default());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.database.engine, Engine::Sqlite);
    assert_eq!(config.database.connections_max, 1);
    assert!(!config.database.migrate_on_start);
    assert_eq!(config.dispatch.lease_ms, 15_000);
    let account = &config.accounts["afterpay-au"];
    assert_eq!(account.provider, Provider::Afterpay);
    assert_eq!(account.base_url, "https://provider.example");
    assert_eq!(account.secret.expose_secret(), "s3cret");
    assert_eq!((account.timeouts.connect_ms, account.timeouts.read_ms), (10_000, 70_000));
    assert_eq!((account.resend_window_s, account.refund_window_days), (82_800, Some(120)));
    assert_eq!(account.schedule.refusal_lookup_delay_ms, 900_000);
    let currencies: Vec<_> = account.currencies.iter().map(String::as_str).collect();
    assert_eq!(currencies, ["AUD", "CAD", "EUR", "GBP", "NZD", "USD"]);
}

#[test]
fn the_environment_overrides_the_file_and_is_read_as_what_is_wanted() {
    let config = format!("{ACCOUNT}\n[server]\nstreams_max = 5\n[telemetry]\nservice_name = \"a\"");
    let config = Files::new(&config, CALLERS)
        .load(&[
            ("REFUNDS__SERVER__STREAMS_MAX", "7"),
            ("REFUNDS__SERVER__LISTEN", "0.0.0.0:1"),
            ("REFUNDS__SERVER__ALLOW_NON_LOOPBACK_PLAINTEXT", "true"),
            ("REFUNDS__ACCOUNTS__AFTERPAY-AU__MERCHANT", "7001"),
            ("REFUNDS__ACCOUNTS__AFTERPAY-AU__CURRENCIES", "AUD, NZD"),
            ("REFUNDS__ACCOUNTS__AFTERPAY-AU__SCHEDULE__CHECK_SCHEDULE_MS", "10,20"),
            ("REFUNDS__TELEMETRY__SAMPLE_RATIO", "0.25"),
            ("REFUNDS__TELEMETRY__LOG_FORMAT", "text"),
            ("REFUNDS__DATABASE__URL", "postgres://refunds:p4ss@db.example/refunds"),
        ])
        .unwrap();
    assert_eq!(config.server.streams_max, 7);
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:1");
    assert_eq!(config.accounts["afterpay-au"].merchant, "7001");
    assert_eq!(config.accounts["afterpay-au"].currencies.len(), 2);
    assert_eq!(config.accounts["afterpay-au"].schedule.check_schedule_ms, [10, 20]);
    assert!((config.telemetry.sample_ratio - 0.25).abs() < f64::EPSILON);
    assert_eq!(config.telemetry.log_format, telemetry::LogFormat::Text);
    assert_eq!(config.telemetry.service_name, "a");
    assert_eq!((config.database.engine, config.database.connections_max), (Engine::Postgres, 16));
}

#[test]
fn a_default_caller_is_for_loopback_alone() {
    let config = "[callers]\ndefault_caller = \"checkout\"";
    let files = Files::new(&format!("{ACCOUNT}{config}"), CALLERS);
    let caller = files.load(&[]).unwrap().callers.default_caller().cloned().unwrap();
    assert_eq!(caller.name, "checkout");
    let open = [
        ("REFUNDS__SERVER__LISTEN", "[::]:50051"),
        ("REFUNDS__SERVER__ALLOW_NON_LOOPBACK_PLAINTEXT", "true"),
    ];
    assert_eq!(
        files.faults(&open),
        ["callers.default_caller: only where server.listen is a loopback address"]
    );
    assert_eq!(
        files.faults(&[("REFUNDS__CALLERS__DEFAULT_CALLER", "nobody")]),
        ["callers.default_caller: no such caller"]
    );
}

#[test]
fn callers_are_found_by_hash_and_read_again() {
    let files = Files::new(ACCOUNT, CALLERS);
    let config = files.load(&[]).unwrap();
    let checkout = config.callers.find(&[0x11; 32]).unwrap();
    assert!(checkout.may(Right::Refund) && !checkout.may(Right::Operate));
    assert!(checkout.may_use("afterpay-au") && !checkout.may_use("afterpay-nz"));
    assert_eq!(config.callers.find(&[0x22; 32]), None);
    assert_eq!(config.callers.default_caller(), None);

    fs::write(files.path("callers.toml"), CALLERS.replace('1', "2")).unwrap();
    let rotated = config.callers.reload(&config.accounts).unwrap();
    assert_eq!(rotated.find(&[0x11; 32]), None);
    assert_eq!(rotated.find(&[0x22; 32]).unwrap().name, "checkout");
    fs::write(files.path("callers.toml"), "callers = 1").unwrap();
    assert!(matches!(config.callers.reload(&config.accounts), Err(Error::Invalid(_))));
    fs::remove_file(files.path("callers.toml")).unwrap();
    assert!(matches!(config.callers.reload(&config.accounts), Err(Error::Unreadable { .. })));
}

#[test]
fn a_secret_is_read_from_its_file_and_trimmed() {
    let config = ACCOUNT.replace("secret_env = \"SECRET\"", "");
    let files = Files::new(&config, CALLERS);
    let secret = files.path("secret").display().to_string();
    let variable = [("REFUNDS__ACCOUNTS__AFTERPAY-AU__SECRET_FILE", secret.as_str())];
    fs::write(&secret, "  from a file\n").unwrap();
    let config = files.load(&variable).unwrap();
    assert_eq!(config.accounts["afterpay-au"].secret.expose_secret(), "from a file");
    assert!(!format!("{config:?}").contains("from a file"));
    fs::write(&secret, "\n").unwrap();
    assert_eq!(files.faults(&variable), ["accounts.afterpay-au.secret_file: secret: is empty"]);
    assert_eq!(files.faults(&[]), ["accounts.afterpay-au: needs exactly one of secret_file and secret_env"]);
}

#[test]
fn the_worker_is_named_after_host_and_process() {
    let config = Files::new(ACCOUNT, CALLERS).load(&[("HOSTNAME", "pod-7")]).unwrap();
    assert_eq!(config.dispatch.worker_name, "pod-7-0");
    let own = Environment::of_process().process_name();
    assert!(own.ends_with(&format!("-{}", std::process::id())), "{own}");
}

#[test]
fn the_examples_in_the_repository_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let callers = root.join("callers.example.toml").display().to_string();
    let secrets = ["AFTERPAY_AU_SECRET", "AIRALO_CLIENT_SECRET", "MOYASAR_SA_KEY", "WORLDLINE_EU_KEY"];
    let given =
        secrets.map(|name| (name, "x")).into_iter().chain([("REFUNDS__CALLERS__FILE", callers.as_str())]);
    let environment = Environment::of(given);
    let config = Config::load(Some(&root.join("config.example.toml")), &environment).unwrap();
    assert_eq!(config.accounts["afterpay-au"].currencies.len(), 2);
}
