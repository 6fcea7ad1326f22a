//! What an operator does to an account: hold it up, and let it go on.

use super::super::timestamp::Timestamp;
use super::AccountState;

/// An operator's pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why.
    pub note: String,
    /// Until when; `None` until resumed.
    pub until: Option<Timestamp>,
}

/// What an operator does to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amendment {
    /// Holds it up.
    Pause(Pause),
    /// Lets it go on.
    Resume {
        /// The provider was asked and heeds our key, whatever was seen.
        key_heeded: bool,
    },
}

impl AccountState {
    /// The state after an operator did something to it.
    #[must_use]
    pub fn amended(&self, amendment: &Amendment) -> Self {
        match amendment {
            Amendment::Pause(pause) => Self { paused: Some(pause.clone()), ..self.clone() },
            Amendment::Resume { key_heeded } => Self {
                paused: None,
                // As if nothing had been seen: the next answers tell.
                key_heeded: if *key_heeded { None } else { self.key_heeded },
                ..self.clone()
            },
        }
    }

    /// The state after a restore of the database, where the provider does not show our key: what was sent in
    /// the time that was lost must be asked of the provider before anything new is sent. `None` if it is
    /// paused already.
    #[must_use]
    pub fn paused_by_restore(&self, restored_to: Timestamp) -> Option<Self> {
        let note = format!("restored to {restored_to}: ask the provider what was sent since, then resume");
        let pause = Pause { by: "recover".to_owned(), note, until: None };
        self.paused.is_none().then(|| Self { paused: Some(pause), ..self.clone() })
    }
}
