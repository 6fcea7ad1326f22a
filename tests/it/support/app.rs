//! The whole service in this process: a fresh database, the sandbox on real HTTP, gRPC on a free port.

use std::sync::{Arc, Once};
use std::time::Duration;

use refunds::app::{App, Error, Seams};
use refunds::config::{Config, Environment};
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::refund_service_client::RefundServiceClient;
use refunds::grpc::proto::{
    CreateRefundRequest, CreateRefundResponse, Esims, GetRefundRequest, GetRefundResponse, Money, Payment,
    Reason, Refund, RefundView, create_refund_request::Target,
};
use refunds::service::{Clock, Interrupt};
use refunds::telemetry;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::clock::SkewedClock;
use super::database::Kind;
use super::sandbox::TestSandbox;
use super::url::TestUrl;

/// How long a refund may take to come to where a test wants it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// The rest between two looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Everything short, so that a test of a day's schedule takes seconds. The law's own numbers (window, age of
/// a refusal) stay in proportion: tests that need them real move the clock.
const SETTINGS: &[(&str, &str)] = &[
    ("REFUNDS__SERVER__LISTEN", "127.0.0.1:0"),
    ("REFUNDS__SERVER__SHUTDOWN_GRACE_MS", "20000"),
    ("REFUNDS__DATABASE__CONNECTIONS_MAX", "6"),
    // A machine that is slow is not a database that is away.
    ("REFUNDS__DATABASE__ACQUIRE_TIMEOUT_MS", "30000"),
    ("REFUNDS__DISPATCH__LEASE_MS", "3000"),
    ("REFUNDS__DISPATCH__POLL_MS", "50"),
];
/// The same for every account.
const ACCOUNT_SETTINGS: &[(&str, &str)] = &[
    ("ALLOW_SHORT_TIMEOUTS", "true"),
    ("TIMEOUTS__CONNECT_MS", "500"),
    ("TIMEOUTS__READ_MS", "500"),
    ("TIMEOUTS__LOOKUP_READ_MS", "500"),
    ("SCHEDULE__FIRST_CHECK_MS", "20"),
    ("SCHEDULE__BACKOFF_BASE_MS", "20"),
    ("SCHEDULE__BACKOFF_MAX_MS", "200"),
    ("SCHEDULE__BREAKER_FAILURES", "1000"),
    ("SCHEDULE__BREAKER_OPEN_MS", "200"),
    ("SCHEDULE__PROBE_MIN_MS", "100"),
    ("SCHEDULE__PROBE_MAX_MS", "300"),
    ("SCHEDULE__REFUSAL_LOOKUP_DELAY_MS", "2500"),
    ("SCHEDULE__CHECK_SCHEDULE_MS", "100,200"),
];
/// The accounts of `dev`.
const ACCOUNTS: &[&str] = &["AFTERPAY", "AIRALO", "MOYASAR", "WORLDLINE"];

/// The service, running.
pub(crate) struct TestApp {
    pub(crate) sandbox: TestSandbox,
    kind: Kind,
    pub(crate) url: TestUrl,
    pub(crate) clock: SkewedClock,
    pub(crate) address: String,
    settings: Vec<(String, String)>,
    /// Accounts besides those of `dev`, in capital letters.
    accounts: Vec<String>,
    /// The clock and the points of the next start, where they are not the real ones.
    pub(crate) seams: Option<(Arc<dyn Clock>, Arc<dyn Interrupt>)>,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl TestApp {
    /// Starts on a fresh database; `None` when this run does not cover the kind.
    pub(crate) async fn start(kind: Kind) -> Option<Self> {
        Self::start_with(kind, &[]).await
    }

    /// The same with other settings, as environment variables.
    pub(crate) async fn start_with(kind: Kind, settings: &[(&str, &str)]) -> Option<Self> {
        Some(Self::start_at(kind, TestUrl::fresh(kind).await?, settings).await)
    }

    /// The same on a database that there is.
    pub(crate) async fn start_at(kind: Kind, url: TestUrl, settings: &[(&str, &str)]) -> Self {
        let mut app = Self {
            sandbox: TestSandbox::start().await,
            kind,
            url,
            clock: SkewedClock::new(),
            address: String::new(),
            settings: Vec::new(),
            accounts: Vec::new(),
            seams: None,
            running: None,
        };
        app.sandbox.settings(&serde_json::json!({ "hold_ms": 2_000, "slow_ms": 900 })).await;
        app.set(settings);
        app.resume().await;
        app
    }

    /// Settings from the next [`Self::resume`] on.
    pub(crate) fn set(&mut self, settings: &[(&str, &str)]) {
        self.settings.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    }

    /// One more account at a provider, in a company or address of its own where that matters, from the next
    /// [`Self::resume`] on.
    pub(crate) fn add_account(&mut self, name: &str, provider: &str) {
        self.add_account_with(name, provider, &[]);
    }

    /// The same with settings of its own; one of them may be where its secret is.
    pub(crate) fn add_account_with(&mut self, name: &str, provider: &str, settings: &[(&str, &str)]) {
        let (account, secret) = (name.to_ascii_uppercase(), provider.to_ascii_uppercase());
        let base_url = format!("{}/{provider}", self.sandbox.url());
        let secret_env = format!("REFUNDS_DEV_{secret}_SECRET");
        let merchant = match provider {
            "afterpay" => refunds::sandbox::AFTERPAY_MERCHANT_ID,
            "worldline" => "1570616552",
            _any => name,
        };
        let own: &[(&str, &str)] = match provider {
            "afterpay" => &[("SITE_URL", "https://shop.example")],
            "airalo" => &[
                ("KEY_ID", "sandbox-client"),
                ("AIRALO__EGRESS", name),
                ("AIRALO__LOOKUP_RATE__REQUESTS", "20"),
                ("AIRALO__LOOKUP_RATE__PER_MS", "1000"),
                ("RATE__REQUESTS", "1"),
                ("RATE__PER_MS", "1000"),
            ],
            "worldline" => &[("WORLDLINE__REQUEST_ID_CONFIRMED", "true")],
            _any => &[],
        };
        let common = [
            ("PROVIDER", provider),
            ("BASE_URL", &base_url),
            ("MERCHANT", merchant),
            ("SECRET_ENV", &secret_env),
        ];
        let elsewhere = settings.iter().any(|(key, _)| *key == "SECRET_FILE");
        let all =
            common.iter().filter(|(key, _)| !elsewhere || *key != "SECRET_ENV").chain(own).chain(settings);
        let all =
            all.map(|(key, value)| (format!("REFUNDS__ACCOUNTS__{account}__{key}"), (*value).to_owned()));
        self.settings.extend(all);
        self.accounts.push(account);
    }

    /// Takes the added accounts out again, from the next [`Self::resume`] on.
    pub(crate) fn forget_accounts(&mut self) {
        for account in self.accounts.drain(..) {
            let of_this = format!("REFUNDS__ACCOUNTS__{account}__");
            self.settings.retain(|(key, _)| !key.starts_with(&of_this));
        }
    }

    /// The configuration that the service runs with.
    pub(crate) fn config(&self) -> Result<Config, refunds::config::Error> {
        let database = ("REFUNDS__DATABASE__URL".to_owned(), self.url.url.clone());
        let own = SETTINGS.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let accounts = ACCOUNTS.iter().copied().chain(self.accounts.iter().map(String::as_str));
        let of_accounts = accounts.flat_map(|account| {
            let key = move |key: &str| format!("REFUNDS__ACCOUNTS__{account}__{key}");
            ACCOUNT_SETTINGS.iter().map(move |(k, v)| (key(k), (*v).to_owned()))
        });
        // The later one of two wins.
        let variables: std::collections::BTreeMap<_, _> =
            own.chain(of_accounts).chain([database]).chain(self.settings.iter().cloned()).collect();
        let nowhere = std::env::temp_dir();
        Config::dev(&nowhere, &self.sandbox.url(), &Environment::of(variables))
    }

    /// Starts the service again, on the same database and sandbox.
    pub(crate) async fn resume(&mut self) {
        self.try_resume().await.unwrap();
    }

    /// The same, where it may be refused.
    pub(crate) async fn try_resume(&mut self) -> Result<(), Error> {
        trace();
        let config = self.config()?;
        let mut seams = Seams::of(&config)?;
        seams.store_time = self.clock.time_source();
        if let Some((clock, interrupt)) = &self.seams {
            seams.clock = Arc::clone(clock);
            seams.interrupt = Arc::clone(interrupt);
        }
        let app = App::build(&config, seams).await?;
        self.address = format!("http://{}", app.local_addr());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(app.run(async {
            let _ = stopped.await;
        }));
        self.running = Some(Running { stop, task });
        Ok(())
    }

    /// Drains the service and waits for its end. The sandbox and the database stay.
    pub(crate) async fn pause(&mut self) {
        if let Some(Running { stop, task }) = self.running.take() {
            let _ = stop.send(());
            task.await.unwrap().unwrap();
        }
    }

    /// Starts again on an empty database, beside a sandbox that remembers.
    pub(crate) async fn lose_the_database(&mut self) {
        self.pause().await;
        let fresh = TestUrl::fresh(self.kind).await.unwrap();
        std::mem::replace(&mut self.url, fresh).remove().await;
        self.resume().await;
    }

    /// Ends everything.
    pub(crate) async fn finish(mut self) {
        self.pause().await;
        self.sandbox.stop().await;
        self.url.remove().await;
    }

    /// A connection.
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(self.address.clone()).unwrap().connect().await.unwrap()
    }

    /// A client that calls without a token, as `dev`.
    pub(crate) async fn client(&self) -> RefundServiceClient<Channel> {
        RefundServiceClient::new(self.channel().await)
    }

    pub(crate) async fn create(&self, request: CreateRefundRequest) -> Result<CreateRefundResponse, Status> {
        self.client().await.create_refund(request).await.map(tonic::Response::into_inner)
    }

    /// Creates a refund of AUD 10.00 on an order, and gives it back as accepted.
    pub(crate) async fn refund(&self, request_id: &str, order_id: &str) -> Refund {
        self.refund_of(request_id, order_id, 1_000).await
    }

    /// The same, of so many cents.
    pub(crate) async fn refund_of(&self, request_id: &str, order_id: &str, amount_minor: i64) -> Refund {
        self.create(request(request_id, order_id, amount_minor)).await.unwrap().refund.unwrap()
    }

    pub(crate) async fn get(&self, refund_id: &str) -> Refund {
        self.read(refund_id, RefundView::Basic).await.refund.unwrap()
    }

    /// A refund with its history.
    pub(crate) async fn full(&self, refund_id: &str) -> GetRefundResponse {
        self.read(refund_id, RefundView::Full).await
    }

    async fn read(&self, refund_id: &str, view: RefundView) -> GetRefundResponse {
        let request = GetRefundRequest { refund_id: refund_id.to_owned(), view: view.into() };
        self.client().await.get_refund(request).await.unwrap().into_inner()
    }

    /// Waits until a refund is as `wanted` says.
    pub(crate) async fn wait_until(
        &self,
        refund_id: &str,
        what: &str,
        wanted: impl Fn(&Refund) -> bool,
    ) -> Refund {
        match self.becomes(refund_id, wanted).await {
            Some(refund) => refund,
            None => panic!("not {what} in time: {:#?}", self.full(refund_id).await),
        }
    }

    /// Waits until a refund is as `wanted` says; `None` if it takes too long.
    async fn becomes(&self, refund_id: &str, wanted: impl Fn(&Refund) -> bool) -> Option<Refund> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let refund = self.get(refund_id).await;
            if wanted(&refund) {
                return Some(refund);
            }
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a refund is in a state; `None` if it takes too long.
    pub(crate) async fn comes_to(&self, refund_id: &str, state: State) -> Option<Refund> {
        self.becomes(refund_id, |refund| refund.state() == state).await
    }

    /// Waits until a refund is in a state.
    pub(crate) async fn wait_for(&self, refund_id: &str, state: State) -> Refund {
        self.wait_until(refund_id, state.as_str_name(), |refund| refund.state() == state).await
    }

    /// The effects that the provider had on an order.
    pub(crate) async fn effects(&self, order_id: &str) -> Vec<Value> {
        self.sandbox.effects(order_id).await
    }
}

/// Spans and their ids exist in every test; what would be logged goes nowhere.
fn trace() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let settings = telemetry::Settings::default();
        let (subscriber, kept) = telemetry::subscriber(&settings, std::io::sink).unwrap();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        std::mem::forget(kept);
    });
}

/// A request for a refund of so many Australian cents.
pub(crate) fn request(request_id: &str, order_id: &str, amount_minor: i64) -> CreateRefundRequest {
    payment(request_id, "afterpay", order_id, ("AUD", amount_minor))
}

/// A request for a refund of so many minor units of a currency.
pub(crate) fn payment(
    request_id: &str,
    account: &str,
    order_id: &str,
    (currency_code, amount_minor): (&str, i64),
) -> CreateRefundRequest {
    CreateRefundRequest {
        request_id: request_id.to_owned(),
        account: account.to_owned(),
        target: Some(Target::Payment(Payment {
            order_id: order_id.to_owned(),
            transaction_id: String::new(),
            amount: Some(Money { currency_code: currency_code.to_owned(), amount_minor }),
        })),
        ..CreateRefundRequest::default()
    }
}

/// A request for a refund of an eSIM.
pub(crate) fn esim(request_id: &str, account: &str, iccid: &str) -> CreateRefundRequest {
    esims_request(request_id, account, &[iccid])
}

/// A request for a refund of eSIMs.
pub(crate) fn esims_request(request_id: &str, account: &str, iccids: &[&str]) -> CreateRefundRequest {
    let iccids = iccids.iter().map(|iccid| (*iccid).to_owned()).collect();
    CreateRefundRequest {
        request_id: request_id.to_owned(),
        account: account.to_owned(),
        target: Some(Target::Esims(Esims { iccids })),
        reason: Reason::NoCoverage.into(),
        ..CreateRefundRequest::default()
    }
}

/// A message sent with a bearer token.
pub(crate) fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}
