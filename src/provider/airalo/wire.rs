//! The JSON that comes over the wire. What the client sends is a form: see `form` and `token`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::json::{decode, text, whole};

/// `data` of an answer.
#[derive(Deserialize)]
pub(super) struct Enveloped<T> {
    pub(super) data: T,
}

/// What a token call gives. \[doc]
#[derive(Deserialize)]
pub(super) struct Grant {
    pub(super) access_token: String,
    pub(super) token_type: Option<Value>,
    pub(super) expires_in: Option<Value>,
}

/// The number of the case, one for all eSIMs of the call. \[contract]
pub(super) fn refund_id(body: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Taken {
        refund_id: Value,
    }
    let taken: Enveloped<Taken> = decode(body)?;
    text(&taken.data.refund_id).ok_or_else(|| "the answer has no refund_id".to_owned())
}

/// A page of orders. \[doc]
#[derive(Deserialize)]
pub(super) struct OrderPage {
    pub(super) data: Vec<Order>,
    pub(super) meta: Option<PageMeta>,
}

impl OrderPage {
    /// Whether there is more than this page shows, or may be.
    pub(super) fn is_part(&self, limit: usize) -> bool {
        let meta = |field: fn(&PageMeta) -> &Option<Value>| {
            self.meta.as_ref().and_then(|meta| field(meta).as_ref()).and_then(whole)
        };
        let shown = u64::try_from(self.data.len()).unwrap_or(u64::MAX);
        match (meta(|meta| &meta.total), meta(|meta| &meta.last_page)) {
            (Some(total), last) => total > shown || last.is_some_and(|last| last > 1),
            (None, Some(last)) => last > 1,
            (None, None) => self.data.len() >= limit,
        }
    }
}

/// Where a page stands in the list. \[doc]
#[derive(Deserialize)]
pub(super) struct PageMeta {
    total: Option<Value>,
    last_page: Option<Value>,
}

/// An order. \[doc]
#[derive(Deserialize)]
pub(super) struct Order {
    pub(super) id: Value,
    pub(super) quantity: Option<Value>,
    pub(super) sims: Option<Vec<Sim>>,
    pub(super) status: Status,
}

/// An eSIM of an order. \[doc]
#[derive(Deserialize)]
pub(super) struct Sim {
    pub(super) iccid: String,
}

/// The status of an order. \[doc]
#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) slug: String,
}

/// An error of the provider's own, as opposed to a page of something before it. \[doc]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// `{"data": [] or {field: text}, "meta": {"message": …}}`
    Meta { message: String, fields: Vec<(String, String)> },
    /// `{"code": …, "reason": …}`
    Coded { code: u64, reason: String },
    /// `{"message": …}`
    Bare { message: String },
}

impl Said {
    /// The error that a body is, unless it is none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let object: Map<String, Value> = decode(body).ok()?;
        if let Some(code) = object.get("code").and_then(whole) {
            let reason = object.get("reason").and_then(text).unwrap_or_default();
            return Some(Self::Coded { code, reason });
        }
        if let Some(message) = object.get("meta").and_then(|meta| meta.get("message")).and_then(text) {
            let fields = object.get("data").and_then(Value::as_object);
            let fields =
                fields.into_iter().flatten().map(|(field, fault)| (field.clone(), fault_text(fault)));
            return Some(Self::Meta { message, fields: fields.collect() });
        }
        object.get("message").and_then(text).map(|message| Self::Bare { message })
    }

    /// The provider's code.
    pub(super) fn code(&self) -> Option<u64> {
        match self {
            Self::Coded { code, .. } => Some(*code),
            Self::Meta { .. } | Self::Bare { .. } => None,
        }
    }

    /// What it says, in a line.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Meta { message, fields } => {
                let faults = fields.iter().map(|(field, fault)| format!("; {field}: {fault}"));
                faults.fold(message.clone(), |line, fault| line + &fault)
            }
            Self::Coded { reason, .. } => reason.clone(),
            Self::Bare { message } => message.clone(),
        }
    }
}

fn fault_text(fault: &Value) -> String {
    match fault {
        Value::Array(faults) => faults.iter().filter_map(text).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            text(fault).unwrap_or_default()
        }
    }
}
