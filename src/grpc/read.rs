//! Wire in: a request becomes a wish, or the list of all its faults.

mod list;

use std::collections::BTreeMap;

use prost_types::Timestamp as WireTime;

use crate::domain::content::{Content, ICCIDS_MAX, Payment, Target};
use crate::domain::free_text;
use crate::domain::id::{AccountName, CallerName, Iccid, OrderId, RefundId, RequestId, TransactionId};
use crate::domain::money::{Currency, Money};
use crate::domain::reason::Reason;
use crate::domain::timestamp::Timestamp;
use crate::domain::{Rule, free_text::NOTES_CHARS_MAX};
use crate::service::{FieldFault, Start, Watch, WatchFilter, WatchTarget};

use super::proto;

pub(super) mod operator;
use list::given;
pub(super) use list::{account_name, list, overdue};

/// Collects faults while reading goes on.
#[derive(Default)]
struct Faults(Vec<FieldFault>);

impl Faults {
    fn add(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        self.0.push(FieldFault::new(field, rule));
    }

    fn take<T>(&mut self, field: &str, read: Result<T, Rule>) -> Option<T> {
        read.map_err(|rule| self.add(field, rule.0)).ok()
    }
}

/// Reads a wish: the key and the content.
///
/// # Errors
/// Every fault of every field.
pub(super) fn create(request: proto::CreateRefundRequest) -> Result<(RequestId, Content), Vec<FieldFault>> {
    use proto::create_refund_request::Target as Wire;
    let mut faults = Faults::default();
    let request_id = faults.take("request_id", RequestId::parse(&request.request_id));
    let account = faults.take("account", AccountName::parse(&request.account));
    let target = match request.target {
        None => {
            faults.add("target", "give payment or esims");
            None
        }
        Some(Wire::Payment(wire)) => payment(&mut faults, wire).map(Target::Payment),
        Some(Wire::Esims(wire)) => esims(&mut faults, &wire).map(Target::Esims),
    };
    let reason = match proto::Reason::try_from(request.reason) {
        Ok(wire) => Some(reason(wire)),
        Err(_) => faults.take("reason", Err(Rule::new("must be one of Reason"))),
    };
    let provider_reason =
        text(&mut faults, "provider_reason", request.provider_reason, free_text::PROVIDER_REASON_CHARS_MAX);
    let notes = text(&mut faults, "notes", request.notes, NOTES_CHARS_MAX);
    if reason == Some(Reason::Other) && notes.is_none() {
        faults.add("notes", "must say why when reason is REASON_OTHER");
    }
    let email = (!request.email.is_empty()).then_some(request.email);
    if let Some(email) = &email {
        faults.take("email", free_text::check_email(email));
    }
    let metadata: BTreeMap<String, String> = request.metadata.into_iter().collect();
    for (key, rule) in free_text::check_metadata(&metadata) {
        let field = key.map_or_else(|| "metadata".to_owned(), |key| format!("metadata[\"{key}\"]"));
        faults.add(field, rule.0);
    }
    let captured_amount = optional_money(&mut faults, "captured_amount", request.captured_amount);
    let expected_remaining = optional_money(&mut faults, "expected_remaining", request.expected_remaining);
    let purchase_time = time(&mut faults, "purchase_time", request.purchase_time);
    let not_before = time(&mut faults, "not_before", request.not_before);
    let send_before = time(&mut faults, "send_before", request.send_before);
    let retry_of = given(&mut faults, "retry_of", &request.retry_of, RefundId::parse);
    match (request_id, account, target, reason) {
        (Some(request_id), Some(account), Some(target), Some(reason)) if faults.0.is_empty() => Ok((
            request_id,
            Content {
                account,
                target,
                reason,
                provider_reason,
                notes,
                email,
                metadata,
                purchase_time,
                captured_amount,
                expected_remaining,
                not_before,
                send_before,
                retry_of,
            },
        )),
        (_, _, _, _) => Err(faults.0),
    }
}

fn payment(faults: &mut Faults, wire: proto::Payment) -> Option<Payment> {
    let order_id = faults.take("payment.order_id", OrderId::parse(&wire.order_id));
    let transaction_id = if wire.transaction_id.is_empty() {
        Some(None)
    } else {
        faults.take("payment.transaction_id", TransactionId::parse(&wire.transaction_id)).map(Some)
    };
    let amount = match wire.amount {
        None => {
            faults.add("payment.amount", "must be given");
            None
        }
        Some(wire) if wire.amount_minor < 1 => {
            faults.add("payment.amount.amount_minor", "must be at least 1 minor unit");
            money(faults, "payment.amount", &proto::Money { amount_minor: 1, ..wire }).and(None)
        }
        Some(wire) => money(faults, "payment.amount", &wire),
    };
    Some(Payment { order_id: order_id?, transaction_id: transaction_id?, amount: amount? })
}

fn esims(faults: &mut Faults, wire: &proto::Esims) -> Option<Vec<Iccid>> {
    if wire.iccids.is_empty() || wire.iccids.len() > ICCIDS_MAX {
        faults.add("esims.iccids", format!("must be 1 to {ICCIDS_MAX}"));
    }
    let mut iccids = Vec::new();
    for (i, text) in wire.iccids.iter().enumerate() {
        let field = format!("esims.iccids[{i}]");
        let Some(iccid) = faults.take(&field, Iccid::parse(text)) else { continue };
        if iccids.contains(&iccid) {
            faults.add(field, "must not stand there twice");
        } else {
            iccids.push(iccid);
        }
    }
    (iccids.len() == wire.iccids.len()).then_some(iccids)
}

fn money(faults: &mut Faults, field: &str, wire: &proto::Money) -> Option<Money> {
    let currency = faults.take(&format!("{field}.currency_code"), Currency::parse(&wire.currency_code))?;
    faults.take(&format!("{field}.amount_minor"), Money::new(currency, wire.amount_minor))
}

fn optional_money(faults: &mut Faults, field: &str, wire: Option<proto::Money>) -> Option<Money> {
    wire.and_then(|wire| money(faults, field, &wire))
}

fn text(faults: &mut Faults, field: &str, text: String, chars_max: usize) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    faults.take(field, free_text::check(&text, chars_max)).map(|()| text)
}

fn time(faults: &mut Faults, field: &str, wire: Option<WireTime>) -> Option<Timestamp> {
    let wire = wire?;
    let micros =
        wire.seconds.checked_mul(1_000_000).and_then(|s| s.checked_add(i64::from(wire.nanos / 1_000)));
    let valid = (0..1_000_000_000).contains(&wire.nanos) && (0..=TIME_SECONDS_MAX).contains(&wire.seconds);
    match micros {
        Some(micros) if valid => Some(Timestamp::from_micros(micros)),
        Some(_) | None => {
            faults.add(field, "must be a time from 1970 to 9999");
            None
        }
    }
}

/// 9999-12-31T23:59:59Z, the end of protobuf's time.
const TIME_SECONDS_MAX: i64 = 253_402_300_799;

/// Reads the id of a refund.
pub(super) fn refund_id(text: &str) -> Result<RefundId, Vec<FieldFault>> {
    RefundId::parse(text).map_err(|rule| vec![FieldFault::new("refund_id", rule.0)])
}

/// Reads what to watch.
pub(super) fn watch(request: proto::StreamRefundStatusRequest) -> Result<Watch, Vec<FieldFault>> {
    use proto::stream_refund_status_request::Target as Wire;
    let mut faults = Faults::default();
    let target = match request.target {
        None => {
            faults.add("target", "give refund_id or filter");
            None
        }
        Some(Wire::RefundId(id)) => faults.take("refund_id", RefundId::parse(&id)).map(WatchTarget::Refund),
        Some(Wire::Filter(wire)) => Some(WatchTarget::Filter(filter(&mut faults, &wire))),
    };
    let start = match (proto::StreamStart::try_from(request.start), request.resume_token) {
        (Err(_), _) => {
            faults.add("start", "must be one of StreamStart");
            Start::Now
        }
        (Ok(proto::StreamStart::Unspecified), token) if !token.is_empty() => Start::Resume(token),
        (Ok(_), token) if !token.is_empty() => {
            faults.add("start", "must not be given with resume_token");
            Start::Now
        }
        (Ok(proto::StreamStart::Now), _) => Start::Now,
        (Ok(proto::StreamStart::Unspecified | proto::StreamStart::Snapshot), _) => Start::Snapshot,
    };
    match target {
        Some(target) if faults.0.is_empty() => {
            Ok(Watch { target, start, follow_reversals: request.follow_reversals })
        }
        Some(_) | None => Err(faults.0),
    }
}

fn filter(faults: &mut Faults, wire: &proto::StreamFilter) -> WatchFilter {
    let account = given(faults, "filter.account", &wire.account, AccountName::parse);
    let caller = given(faults, "filter.caller", &wire.caller, CallerName::parse);
    let order_id = given(faults, "filter.order_id", &wire.order_id, OrderId::parse);
    if wire.account.is_empty() && !wire.order_id.is_empty() {
        faults.add("filter.order_id", "needs the account whose order it is");
    }
    WatchFilter { caller, account, order_id }
}

fn reason(wire: proto::Reason) -> Reason {
    match wire {
        proto::Reason::Unspecified => Reason::Unspecified,
        proto::Reason::RequestedByCustomer => Reason::RequestedByCustomer,
        proto::Reason::NotDelivered => Reason::NotDelivered,
        proto::Reason::Defective => Reason::Defective,
        proto::Reason::WrongPurchase => Reason::WrongPurchase,
        proto::Reason::Canceled => Reason::Canceled,
        proto::Reason::Duplicate => Reason::Duplicate,
        proto::Reason::Overcharged => Reason::Overcharged,
        proto::Reason::Fraudulent => Reason::Fraudulent,
        proto::Reason::InstallationFailure => Reason::InstallationFailure,
        proto::Reason::NoCoverage => Reason::NoCoverage,
        proto::Reason::PoorService => Reason::PoorService,
        proto::Reason::IncompatibleDevice => Reason::IncompatibleDevice,
        proto::Reason::Other => Reason::Other,
    }
}
