//! Bearer tokens become callers.

use sha2::{Digest, Sha256};

use crate::config::callers::{self as configured, Accounts, Callers, Right};
use crate::domain::id::{AccountName, CallerName};
use crate::grpc::Authenticate;
use crate::service::Caller;

/// The callers of the configuration, by their tokens.
pub(super) struct Tokens(Callers);

impl Tokens {
    pub(super) fn new(callers: Callers) -> Self {
        Self(callers)
    }
}

impl Authenticate for Tokens {
    fn caller(&self, token: Option<&str>) -> Option<Caller> {
        let found = match token {
            None => self.0.default_caller(),
            Some(token) => self.0.find(&Sha256::digest(token.as_bytes()).into()),
        };
        found.and_then(caller)
    }
}

fn caller(configured: &configured::Caller) -> Option<Caller> {
    let accounts = match &configured.accounts {
        Accounts::All => None,
        Accounts::Named(names) => {
            Some(names.iter().filter_map(|name| AccountName::parse(name).ok()).collect())
        }
    };
    Some(Caller {
        name: CallerName::parse(&configured.name).ok()?,
        refund: configured.may(Right::Refund),
        read_all: configured.may(Right::ReadAll),
        operate: configured.may(Right::Operate),
        accounts,
    })
}
