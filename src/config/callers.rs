//! `callers`: who may call, by the hash of a token, and what for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::accounts::Account;
use super::fault::Faults;
use super::server::Server;
use super::source::{self, Source};
use super::{Error, value};

/// Longest name of a caller, characters.
pub const CALLER_NAME_MAX: usize = 64;

/// What stands for every account in a caller's list.
const ALL_ACCOUNTS: &str = "*";

/// The SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// Who may call. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Callers {
    by_hash: HashMap<TokenHash, Arc<Caller>>,
    default: Option<Arc<Caller>>,
    file: Option<PathBuf>,
}

/// A service or person behind calls: the name stays when its tokens change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// 1 to [`CALLER_NAME_MAX`] of `a-z 0-9 . _ -`.
    pub name: String,
    /// What it may do.
    pub rights: BTreeSet<Right>,
    /// Whose credentials it may spend.
    pub accounts: Accounts,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Create refunds, and see and cancel its own.
    Refund,
    /// See the refunds of all callers.
    ReadAll,
    /// Decide what the machine may not, for the refunds of all callers.
    Operate,
}

/// Accounts that a caller may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// Each, those of tomorrow included.
    All,
    /// These alone.
    Named(BTreeSet<String>),
}

impl Caller {
    /// Whether it has the right.
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    /// Whether it may use the account.
    pub fn may_use(&self, account: &str) -> bool {
        match &self.accounts {
            Accounts::All => true,
            Accounts::Named(named) => named.contains(account),
        }
    }
}

impl Callers {
    /// The caller with this token's hash.
    ///
    /// A hash map leaks by its timing at most how a *hash* compares, and a token made at random cannot be
    /// told from parts of its hash. That is why hashes are looked up, not tokens, and why tokens must be
    /// random.
    pub fn find(&self, token_hash: &TokenHash) -> Option<&Caller> {
        self.by_hash.get(token_hash).map(Arc::as_ref)
    }

    /// The caller of a call without a token; there is one only where the server listens on loopback.
    pub fn default_caller(&self) -> Option<&Caller> {
        self.default.as_deref()
    }

    /// Reads the callers' file again. The same callers where there is none.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds faults; the callers in use then stay as they are.
    pub fn reload(&self, accounts: &BTreeMap<String, Account>) -> Result<Self, Error> {
        let Some(file) = &self.file else {
            return Ok(self.clone());
        };
        let mut faults = Faults::default();
        let default = self.default.as_ref().map(|caller| caller.name.as_str());
        let callers = read_file(file, default, accounts, &mut faults)?;
        faults.into_result(callers)
    }

    fn insert(&mut self, hash: TokenHash, caller: &Arc<Caller>) -> Result<(), Arc<Caller>> {
        match self.by_hash.insert(hash, Arc::clone(caller)) {
            Some(other) => Err(other),
            None => Ok(()),
        }
    }

    /// Callers that need no file: the fixed ones of the `dev` command.
    #[cfg(feature = "sandbox")]
    pub(super) fn fixed(callers: Vec<(TokenHash, Caller)>) -> Self {
        let by_hash = callers
            .into_iter()
            .map(|(hash, caller)| (hash, Arc::new(caller)))
            .collect();
        Self {
            by_hash,
            ..Self::default()
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    file: Option<PathBuf>,
    default_caller: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    token_sha256: Vec<String>,
    rights: Option<BTreeSet<Right>>,
    accounts: Option<BTreeSet<String>>,
}

/// Reads the section and the file that it names.
pub(super) fn read(
    source: &mut Source,
    built_in: Option<&Callers>,
    server: &Server,
    accounts: &BTreeMap<String, Account>,
    faults: &mut Faults,
) -> Callers {
    let section: Section = source.section("callers", faults);
    let default = section.default_caller.as_deref().filter(|name| !name.is_empty());
    if default.is_some() && !server.listen.ip().is_loopback() {
        faults.add(
            "callers.default_caller",
            "only where server.listen is a loopback address",
        );
    }
    let mut callers = match (&section.file, built_in) {
        (Some(file), _) => read_file(file, default, accounts, faults).unwrap_or_else(|error| {
            faults.add("callers.file", told(&error));
            Callers::default()
        }),
        (None, Some(built_in)) => built_in.clone(),
        (None, None) => {
            faults.missing("callers.file");
            Callers::default()
        }
    };
    if let Some(name) = default.filter(|_| callers.default.is_none()) {
        callers.default = callers
            .by_hash
            .values()
            .find(|caller| caller.name == name)
            .cloned();
        if callers.default.is_none() {
            faults.add("callers.default_caller", "no such caller");
        }
    }
    callers
}

fn read_file(
    file: &Path,
    default: Option<&str>,
    accounts: &BTreeMap<String, Account>,
    faults: &mut Faults,
) -> Result<Callers, Error> {
    let mut callers = Callers {
        file: Some(file.to_owned()),
        ..Callers::default()
    };
    let place = file.display();
    let mut named = BTreeMap::new();
    for (key, value) in source::table(file)? {
        match (key.as_str(), value.kind) {
            ("callers", config::ValueKind::Table(table)) => named.extend(table),
            ("callers", _) => faults.add(format!("{place}: callers"), "must be a table"),
            (other, _) => faults.add(format!("{place}: {other}"), "unknown section"),
        }
    }
    for (name, section) in named {
        let key = format!("{place}: callers.{name}");
        let entry: Entry = value::read(&key, section, faults);
        let is_default = default == Some(name.as_str());
        let (hashes, caller) = entry.check(&key, name, is_default, accounts, faults);
        let caller = Arc::new(caller);
        for hash in hashes {
            if let Err(other) = callers.insert(hash, &caller) {
                let rule = format!("a hash that {} has too", other.name);
                faults.add(format!("{key}.token_sha256"), rule);
            }
        }
        if is_default {
            callers.default = Some(caller);
        }
    }
    Ok(callers)
}

impl Entry {
    fn check(
        self,
        key: &str,
        name: String,
        is_default: bool,
        accounts: &BTreeMap<String, Account>,
        faults: &mut Faults,
    ) -> (Vec<TokenHash>, Caller) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > CALLER_NAME_MAX || !name.bytes().all(plain) {
            faults.add(
                key,
                format!("the name must be 1 to {CALLER_NAME_MAX} of a-z 0-9 . _ -"),
            );
        }
        let hashes: Vec<_> = self
            .token_sha256
            .iter()
            .filter_map(|hash| decoded(hash))
            .collect();
        if hashes.len() < self.token_sha256.len() {
            faults.add(
                format!("{key}.token_sha256"),
                "each must be 64 hexadecimal digits",
            );
        } else if hashes.is_empty() && !is_default {
            faults.missing(&format!("{key}.token_sha256"));
        }
        if self.rights.is_none() {
            faults.missing(&format!("{key}.rights"));
        }
        let named = self.accounts.unwrap_or_else(|| {
            faults.missing(&format!("{key}.accounts"));
            BTreeSet::new()
        });
        let all = named.contains(ALL_ACCOUNTS);
        for unknown in named
            .iter()
            .filter(|name| *name != ALL_ACCOUNTS && !accounts.contains_key(*name))
        {
            faults.add(
                format!("{key}.accounts"),
                format!("no account has the name {unknown:?}"),
            );
        }
        let accounts = if all {
            Accounts::All
        } else {
            Accounts::Named(named)
        };
        (
            hashes,
            Caller {
                name,
                rights: self.rights.unwrap_or_default(),
                accounts,
            },
        )
    }
}

/// An error with its cause, as one rule.
fn told(error: &Error) -> String {
    match error {
        Error::Unreadable { path, source } => format!("{} cannot be read: {source}", path.display()),
        Error::Malformed { .. } | Error::Unmerged(_) | Error::Invalid(_) => error.to_string(),
    }
}

/// Reads 64 hexadecimal digits.
pub(super) fn decoded(hex: &str) -> Option<TokenHash> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = TokenHash::default();
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}
