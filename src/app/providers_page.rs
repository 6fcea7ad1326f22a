//! `docs/providers.md` held against the code: what accounts can do, and what follows each failure.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::accounts;
use crate::config::{Config, Environment};
use crate::dispatch::outcome;
use crate::domain::account::{Account, KeyProof, MoneyUnit, TargetShape};
use crate::domain::admission::Rate;
use crate::domain::answer::{BlockCause, Face, FailurePhase, Finding};
use crate::domain::content::{Content, Payment, Target};
use crate::domain::event::Actor;
use crate::domain::id::{AttemptId, CallerName, Iccid, OrderId, ProviderKey, RefundId, RequestId};
use crate::domain::money::{Currency, Money};
use crate::domain::plan::{self, Jitter, Step};
use crate::domain::reason::{FailureReason, Reason};
use crate::domain::refund::{Change, Failure, NewRefund, Refund, StateKind};
use crate::domain::timestamp::Timestamp;
use crate::provider::assumption::hold_section;
use crate::service::SystemClock;

/// The accounts of the example configuration, with these variables over it.
fn accounts(variables: &[(&str, &str)]) -> Vec<Account> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let callers = root.join("callers.example.toml").display().to_string();
    let secrets = ["AFTERPAY_AU_SECRET", "AIRALO_CLIENT_SECRET", "MOYASAR_SA_KEY", "WORLDLINE_EU_KEY"];
    let given = secrets.map(|name| (name, "s3cret"));
    let given = given.into_iter().chain([("REFUNDS__CALLERS__FILE", callers.as_str())]);
    let environment = Environment::of(given.chain(variables.iter().copied()));
    let config = Config::load(Some(&root.join("config.example.toml")), &environment).unwrap();
    let clock: Arc<dyn crate::service::Clock> = Arc::new(SystemClock);
    config.accounts.values().map(|account| accounts::account(account, &clock).unwrap()).collect()
}

fn span(span: Duration) -> String {
    let s = span.as_secs();
    match s {
        0 => format!("{} ms", span.as_millis()),
        s if s % 86_400 == 0 && s > 86_400 => format!("{} days", s / 86_400),
        s if s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn yes(is: bool) -> String {
    (if is { "yes" } else { "no" }).to_owned()
}

fn rate(rate: Option<&Rate>) -> String {
    rate.map_or("-".to_owned(), |rate| {
        let window = rate.every.saturating_sub(rate.slot_age_max);
        let shared = if rate.bucket.starts_with("egress") { " per egress address" } else { "" };
        format!("1 in {}{shared}", span(window))
    })
}

const ID: &str = "0191f5a7-44d3-7430-8739-2d80821416bf";

type Fact = (&'static str, fn(&Account) -> String);

const FACTS: &[Fact] = &[
    ("Refunds", |a| match a.capabilities.shape {
        TargetShape::Payment => "payments, by order and amount".to_owned(),
        TargetShape::Esims => "eSIMs, by ICCID".to_owned(),
    }),
    ("Money on the wire", |a| match a.capabilities.unit {
        MoneyUnit::Major => "decimal major units".to_owned(),
        MoneyUnit::Minor => "whole minor units".to_owned(),
        MoneyUnit::None => "none: the provider decides the sum".to_owned(),
    }),
    ("Largest refund, minor units", |a| {
        a.capabilities.amount_minor_max.map_or("-".to_owned(), |most| most.to_string())
    }),
    ("Part of a payment", |a| yes(a.capabilities.partial)),
    ("Several refunds of an order", |a| {
        let one_at_a_time = a.capabilities.one_at_a_time();
        if one_at_a_time { "yes, one at a time".to_owned() } else { yes(a.capabilities.several_per_order) }
    }),
    ("One transaction may be named", |a| yes(a.capabilities.takes_transaction_id)),
    ("Days after the purchase", |a| {
        a.capabilities.refund_window.map_or("-".to_owned(), |window| (window.as_secs() / 86_400).to_string())
    }),
    ("Reasons of its own", |a| {
        a.capabilities.reasons.map_or("-".to_owned(), |own| own.words.len().to_string())
    }),
    ("Its key is proven", |a| match a.capabilities.key {
        KeyProof::ByDocuments => "by its documents".to_owned(),
        KeyProof::OnceEchoed => "once an answer held it".to_owned(),
        KeyProof::WhenConfirmed(_) => "when the configuration says so".to_owned(),
        KeyProof::Never => "never: there is none".to_owned(),
    }),
    ("Then sent again for", |a| a.capabilities.resend_window.map_or("-".to_owned(), span)),
    ("Can be read back", |a| yes(a.capabilities.lookup)),
    ("What is read names our key", |a| yes(a.capabilities.echoes_key)),
    ("It shows that a success was taken back", |a| yes(a.capabilities.shows_reversals)),
    ("People decide each refund", |a| yes(a.capabilities.person_reviews)),
    ("Refunds in one call", |a| match a.capabilities.batch_max {
        1 => "1".to_owned(),
        most => format!("those that agree, up to {most} eSIMs"),
    }),
    ("Refund calls", |a| rate(a.admission.rate.as_ref())),
    ("Lookups", |a| rate(a.lookup_rate.as_ref())),
    ("A doubt is overdue after", |a| span(a.schedule.unknown_overdue_after)),
    ("A review is overdue after", |a| span(a.schedule.review_overdue_after)),
];

fn is_esims(account: &Account) -> bool {
    account.capabilities.shape == TargetShape::Esims
}

fn capabilities_to_markdown() -> String {
    let accounts = accounts(&[]);
    let mut text = String::from("|");
    for account in &accounts {
        write!(text, " | {}", account.identity.provider).unwrap();
    }
    writeln!(text, " |\n|{}", "---|".repeat(accounts.len() + 1)).unwrap();
    for (name, fact) in FACTS {
        let cells: Vec<String> = accounts.iter().map(fact).collect();
        writeln!(text, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    text
}

/// An account in a case that decides differently.
struct Case {
    name: &'static str,
    account: Account,
    key_heeded: Option<bool>,
}

fn cases() -> Vec<Case> {
    let confirmed = "REFUNDS__ACCOUNTS__WORLDLINE-EU__WORLDLINE__REQUEST_ID_CONFIRMED";
    let mut cases = Vec::new();
    for account in accounts(&[]) {
        match account.capabilities.key {
            KeyProof::ByDocuments => cases.push(Case { name: "afterpay", account, key_heeded: None }),
            KeyProof::Never => cases.push(Case { name: "airalo", account, key_heeded: None }),
            KeyProof::OnceEchoed => {
                let unproven = Case { name: "moyasar, key unproven", account, key_heeded: None };
                let account = unproven.account.clone();
                let proven = Case { name: "moyasar, key proven", account, key_heeded: Some(true) };
                let account = unproven.account.clone();
                let ignored = Case { name: "moyasar, key ignored", account, key_heeded: Some(false) };
                cases.extend([unproven, proven, ignored]);
            }
            KeyProof::WhenConfirmed(_) => {
                cases.push(Case { name: "worldline, unconfirmed", account, key_heeded: None });
                let mut with = accounts(&[(confirmed, "true")]);
                with.retain(|a| matches!(a.capabilities.key, KeyProof::WhenConfirmed(true)));
                let account = with.pop().unwrap();
                cases.push(Case { name: "worldline, confirmed", account, key_heeded: None });
            }
        }
    }
    cases
}

fn refund(account: &Account) -> Refund {
    let target = if is_esims(account) {
        Target::Esims(vec![Iccid::parse("894000000000001").unwrap()])
    } else {
        let amount = Money::new(Currency::parse("EUR").unwrap(), 1_000).unwrap();
        Target::Payment(Payment { order_id: OrderId::parse("1").unwrap(), transaction_id: None, amount })
    };
    let content = Content {
        account: account.identity.name.clone(),
        target,
        reason: Reason::Unspecified,
        provider_reason: None,
        notes: None,
        email: None,
        metadata: std::collections::BTreeMap::new(),
        purchase_time: None,
        captured_amount: None,
        expected_remaining: None,
        not_before: None,
        send_before: None,
        retry_of: None,
    };
    let caller = CallerName::parse("shop").unwrap();
    let request_id = RequestId::parse("r1").unwrap();
    let key = ProviderKey::derive(&caller, &request_id, &account.identity.merchant);
    let new = NewRefund {
        id: RefundId::parse(ID).unwrap(),
        caller,
        request_id,
        content,
        identity: account.identity.clone(),
        key,
        trace: None,
    };
    Refund::accept(new, Timestamp::EPOCH).refund
}

fn applied(refund: &Refund, change: Change, now: Timestamp) -> Refund {
    refund.apply(change, Actor::dispatcher(None), now).unwrap().refund
}

fn sent(refund: &Refund, now: Timestamp) -> Refund {
    let attempt = AttemptId::parse(ID).unwrap();
    applied(refund, Change::Send { attempt, baseline: None, lease: Duration::from_secs(15) }, now)
}

impl Case {
    fn answered(&self, refund: &Refund, face: Face, now: Timestamp) -> Refund {
        applied(refund, outcome::of_face(face, refund, &self.account, &[], Jitter(0)), now)
    }

    fn next(&self, refund: &Refund, now: Timestamp) -> Step {
        plan::next_step(refund, &self.account.capabilities, self.key_heeded, now)
    }

    /// What follows, at once and after the window.
    fn follows(&self, refund: &Refund) -> [String; 2] {
        let now = Timestamp::EPOCH;
        let window = self.account.capabilities.resend_window.unwrap_or_default();
        let soon = told(&self.next(refund, now));
        let late = told(&self.next(refund, now.plus(window)));
        let is_open = refund.state.kind() == StateKind::Unknown && !window.is_zero();
        [soon, if is_open { format!("after {}: {late}", span(window)) } else { late }]
    }

    /// The row of a refund that this happened to.
    fn row(&self, what: &str, refund: &Refund) -> String {
        let [next, later] = self.follows(refund);
        let kind = refund.state.kind();
        let (next, later) = match kind {
            StateKind::Pending => (next, "-".to_owned()),
            StateKind::Unknown => (next, format!("{later}; once overdue: a person")),
            _final => ("-".to_owned(), "-".to_owned()),
        };
        format!("| {} | {what} | {} | {next} | {later} |\n", self.name, kind.word().to_uppercase())
    }

    fn rows(&self) -> String {
        let now = Timestamp::EPOCH;
        let first = sent(&refund(&self.account), now);
        let after = |phase: FailurePhase| match phase {
            FailurePhase::Connect | FailurePhase::BeforeSend => {
                self.answered(&first, Face::NotSent { alone: false }, now)
            }
            FailurePhase::Exchange | FailurePhase::Body | FailurePhase::Parse | FailurePhase::NotNow => {
                self.answered(&first, Face::Unknown, now)
            }
            FailurePhase::Crash => {
                assert_eq!(self.next(&first, now), Step::TakeOver);
                applied(&first, outcome::unanswered(&first, &self.account, &[], Jitter(0)), now)
            }
        };
        // Phases after which all is the same share a row.
        let mut groups: Vec<(Vec<FailurePhase>, Refund)> = Vec::new();
        for phase in FailurePhase::ALL {
            let refund = after(*phase);
            match groups.iter_mut().find(|(_, same)| same.state.kind() == refund.state.kind()) {
                Some((phases, _)) => phases.push(*phase),
                None => groups.push((vec![*phase], refund)),
            }
        }
        let mut text = String::new();
        for (phases, refund) in groups {
            let words: Vec<String> = phases.iter().map(|phase| format!("`{phase}`")).collect();
            text += &self.row(&words.join(", "), &refund);
        }
        let blocked = self.answered(&first, Face::Blocked(BlockCause::Credentials), now);
        let policy = &self.account.admission;
        let probes = format!(
            "the account is probed after {}, then ever more rarely, at most {} apart",
            span(policy.probe_base),
            span(policy.probe_max)
        );
        writeln!(
            text,
            "| {} | account refused (401, 403) | {} | {probes} | - |",
            self.name,
            blocked.state.kind().word().to_uppercase()
        )
        .unwrap();
        text += &self.row("refused", &self.answered(&first, declined(false), now));
        text + &self.refused_again(&first)
    }

    /// What a refusal says of a refund that may have been sent before.
    fn refused_again(&self, first: &Refund) -> String {
        let now = Timestamp::EPOCH;
        let unknown = self.answered(first, Face::Unknown, now);
        if !plan::may_resend(&unknown, &self.account.capabilities, self.key_heeded, now) {
            return String::new();
        }
        let again = sent(&unknown, now);
        let refused = self.answered(&again, declined(false), now);
        let age = self.account.schedule.refusal_age_min;
        let absent = outcome::of_finding(Finding::Absent, &refused, &self.account, &[], Jitter(0));
        let later = applied(&refused, absent, now.plus(age)).state.kind();
        let then = match later {
            StateKind::Failed => format!("a lookup after {} that lacks it: FAILED", span(age)),
            _still => "once overdue: a person".to_owned(),
        };
        let next = told(&self.next(&refused, now));
        let kind = refused.state.kind().word().to_uppercase();
        format!("| {} | refused when sent again | {kind} | {next} | {then} |\n", self.name)
    }
}

fn declined(conclusive: bool) -> Face {
    let failure = Failure { reason: FailureReason::Declined, provider_code: None, text: None };
    Face::Declined { failure, conclusive }
}

fn told(step: &Step) -> String {
    let told = match step {
        Step::Send => "sent, after a backoff",
        Step::LookUpThenResend => "looked up; if that lacks it, sent again with the same key",
        Step::Resend => "sent again with the same key",
        Step::LookUp => "looked up",
        Step::AskPerson => "a person",
        Step::Reject(_) | Step::Wait(..) | Step::TakeOver | Step::Nothing => "-",
    };
    told.to_owned()
}

fn decisions_to_markdown() -> String {
    let head = "| Account | What happened | State | Next | Later |\n|---|---|---|---|---|\n";
    cases().iter().fold(head.to_owned(), |text, case| text + &case.rows())
}

#[test]
fn the_page_says_what_the_code_does() {
    hold_section("providers.md", "capabilities", &capabilities_to_markdown());
    hold_section("providers.md", "decisions", &decisions_to_markdown());
}
