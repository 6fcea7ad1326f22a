//! Every row of every sandbox table ends in the state that the rules give, with exactly one effect, or none.
//!
//! Each row has an account of its own, so that one that troubles its account troubles no other, and all run
//! side by side.

mod afterpay;
mod airalo;
mod moyasar;
mod worldline;

use std::time::Duration;

use refunds::grpc::proto::refund::{self, State};
use refunds::grpc::proto::{self, CreateRefundRequest, FailureReason, Refund};
use serde_json::Value;
use tokio::time::Instant;

use super::support::app::TestApp;
use super::support::sandbox::{TestSandbox, http};

/// How a row ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The money went back, once.
    Succeeded,
    /// Part of it went back, by one effect.
    Partly,
    /// The provider refused, nothing moved.
    Failed(FailureReason),
    /// The provider refused, and yet the money moved: a lie that no rule can see through.
    FailedAndMoved(FailureReason),
    /// It cannot be decided while the fault lasts: the state that it stays in, and how often the money moved.
    Open(State, usize),
}

impl End {
    fn state(self) -> State {
        match self {
            Self::Succeeded => State::Succeeded,
            Self::Partly => State::PartiallySucceeded,
            Self::Failed(_) | Self::FailedAndMoved(_) => State::Failed,
            Self::Open(state, _) => state,
        }
    }

    fn effects(self) -> usize {
        match self {
            Self::Succeeded | Self::Partly | Self::FailedAndMoved(_) => 1,
            Self::Failed(_) => 0,
            Self::Open(_, effects) => effects,
        }
    }
}

/// A row: code, name, end.
type Row = (&'static str, &'static str, End);

/// The rows of a provider's table.
struct Table {
    provider: &'static str,
    rows: &'static [Row],
    /// Rows that make an account keep quiet for longer than a test waits: the clock is moved for them.
    quiet: &'static [&'static str],
    /// The order, or eSIM, of a row's code.
    order: fn(&str) -> String,
    /// Settings of the account of a row's code.
    settings: fn(&str) -> &'static [(&'static str, &'static str)],
    /// A refund of an order: request id, account, order.
    request: fn(&str, &str, &str) -> CreateRefundRequest,
}

/// A refund of an order, or eSIM, at one of the providers, on the account of `dev`: 10.00 of its money, or
/// the whole eSIM.
pub(super) fn wish(request_id: &str, provider: &str, order: &str) -> CreateRefundRequest {
    let tables = [&afterpay::TABLE, &airalo::TABLE, &moyasar::TABLE, &worldline::TABLE];
    let table = tables.into_iter().find(|table| table.provider == provider).unwrap();
    (table.request)(request_id, provider, order)
}

/// Rows, and so accounts, at the same time.
const AT_ONCE: usize = 25;
/// Round trips of an open refund that a test waits for before it looks at how it stands.
const TRIES: usize = 4;
/// How long an open refund may take for them.
const TRIES_PATIENCE: Duration = Duration::from_mins(1);

impl Table {
    fn account(code: &str) -> String {
        format!("row{code}")
    }

    fn is_quiet(&self, code: &str) -> bool {
        self.quiet.contains(&code)
    }

    /// The rows in parts of as many accounts as a busy machine keeps up with.
    fn parts(&self) -> impl Iterator<Item = &'static [Row]> {
        self.rows.chunks(AT_ONCE)
    }

    /// Starts the service anew, on an empty database and with an account for each of these rows.
    async fn open_accounts(&self, app: &mut TestApp, rows: &[Row]) {
        app.pause().await;
        app.forget_accounts();
        // Nothing is killed here: a lease only ends where a machine is slow.
        app.set(&[("REFUNDS__DISPATCH__LEASE_MS", "15000")]);
        for (code, ..) in rows {
            app.add_account_with(&Self::account(code), self.provider, (self.settings)(code));
        }
        app.lose_the_database().await;
    }

    /// These rows, side by side; then those that need the clock moved.
    async fn check_rows(&self, app: &TestApp, rows: &[Row]) {
        let (quiet, loud): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|(code, ..)| self.is_quiet(code));
        let checks = loud.into_iter().map(|row| self.check(app, row));
        let mut wrong: Vec<Option<String>> = futures::future::join_all(checks).await;
        for row in quiet {
            wrong.push(self.check(app, row).await);
        }
        let wrong: Vec<String> = wrong.into_iter().flatten().collect();
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }

    /// All rows.
    async fn check_all(&self, app: &mut TestApp) {
        for rows in self.parts() {
            self.open_accounts(app, rows).await;
            self.check_rows(app, rows).await;
        }
    }

    /// What is wrong with the end of a row, if anything is.
    async fn check(&self, app: &TestApp, (code, name, end): &Row) -> Option<String> {
        let order = (self.order)(code);
        let request = (self.request)(&format!("row-{code}"), &Self::account(code), &order);
        let refund = match app.create(request).await {
            Ok(created) => created.refund.unwrap(),
            Err(status) => return Some(format!("{code} {name}: {status}")),
        };
        if matches!(end, End::Open(..)) && !tried(app, &order).await {
            return Some(format!("{code} {name}: was not tried again"));
        }
        if self.is_quiet(code) {
            let started = |refund: &Refund| refund.state() != State::Sending && refund.send_count > 0;
            app.wait_until(&refund.refund_id, "sent and answered", started).await;
            app.clock.advance(Duration::from_mins(10));
        }
        let Some(refund) = app.comes_to(&refund.refund_id, end.state()).await else {
            let got = app.full(&refund.refund_id).await;
            return Some(format!("{code} {name}: not {end:?}: {got:#?}"));
        };
        let effects = app.effects(&order).await;
        if effects.len() != end.effects() {
            return Some(format!("{code} {name}: {} effects, not {}", effects.len(), end.effects()));
        }
        let told = match end {
            End::Failed(reason) | End::FailedAndMoved(reason) => {
                let got = refund.failure.as_ref().map(proto::Failure::reason);
                (got != Some(*reason)).then(|| format!("{got:?}, not {reason:?}"))
            }
            End::Succeeded => {
                let asked = match &refund.target {
                    Some(refund::Target::Payment(payment)) => {
                        payment.amount.as_ref().map(|amount| amount.amount_minor)
                    }
                    Some(refund::Target::Esims(_)) | None => None,
                };
                let got = refund.amount_succeeded.as_ref().map(|amount| amount.amount_minor);
                (asked != got).then(|| format!("{got:?} of {asked:?} succeeded"))
            }
            End::Partly | End::Open(..) => None,
        };
        told.map(|told| format!("{code} {name}: {told}"))
    }

    /// The rows are those of the sandbox, no more and no fewer.
    async fn is_whole(&self) {
        let sandbox = TestSandbox::start().await;
        let path = format!("/control/{}/behaviours", self.provider);
        let table = http(sandbox.address(), "GET", &path, "").await;
        let listed = table.as_array().unwrap_or_else(|| table["behaviours"].as_array().unwrap());
        let text = |value: &Value| value.as_str().map(str::to_owned).unwrap();
        let listed: Vec<_> = listed.iter().map(|row| (text(&row["code"]), text(&row["name"]))).collect();
        let own: Vec<_> =
            self.rows.iter().map(|(code, name, _)| ((*code).to_owned(), (*name).to_owned())).collect();
        assert_eq!(own, listed);
        sandbox.stop().await;
    }
}

/// Waits until an order was asked about often enough that nothing new will come of it.
async fn tried(app: &TestApp, order: &str) -> bool {
    let deadline = Instant::now() + TRIES_PATIENCE;
    while app.sandbox.calls(order).await.len() < TRIES {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

/// The first send of an order is lost without effect and the next one refused: whatever a lookup lacks, the
/// refund stays UNKNOWN.
async fn a_refused_resend_leaves_it_unknown(app: &TestApp, table: &Table, account: &str, refusal: &str) {
    let order = (table.order)("00");
    let path = format!("/control/{}/orders/{order}", table.provider);
    let behaviours = serde_json::json!({ "behaviours": ["timeout_before_commit", refusal] });
    http(app.sandbox.address(), "PUT", &path, &behaviours.to_string()).await;
    let created = app.create((table.request)("refused-resend", account, &order)).await.unwrap();
    let id = created.refund.unwrap().refund_id;
    let refused = |refund: &Refund| {
        refund.state() == State::Unknown && refund.failure.is_some() && refund.send_count == 2
    };
    app.wait_until(&id, "refused when sent again", refused).await;
    // Longer than a refusal must be old where an absence proves it.
    app.clock.advance(Duration::from_hours(1));
    let looks = app.sandbox.calls(&order).await.len();
    let deadline = Instant::now() + TRIES_PATIENCE;
    while app.sandbox.calls(&order).await.len() < looks + 3 {
        assert!(Instant::now() < deadline, "not looked up any more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(refused(&app.get(&id).await));
    assert_eq!(posts(app, &order).await, 2);
    assert_eq!(app.effects(&order).await.len(), 0);
}

/// The number of refund calls for an order.
async fn posts(app: &TestApp, order: &str) -> usize {
    app.sandbox.posts(order).await.len()
}
