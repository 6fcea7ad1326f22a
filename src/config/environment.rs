//! What the process is given by the system, as a value that a test can make up.

use std::collections::BTreeMap;

/// Where Linux tells the name of the host, for the process that has no `HOSTNAME`.
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// The environment's variables, the host's name and the process id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    host_name: Option<String>,
    process_id: u32,
}

impl Environment {
    /// The environment of this process. A variable that is not UTF-8 is left out.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let host_name = std::fs::read_to_string(HOST_NAME_FILE).ok();
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            host_name: host_name
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty()),
            process_id: std::process::id(),
        }
    }

    /// An environment of these variables alone.
    pub fn of<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            variables,
            ..Self::default()
        }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// All variables, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds a variable unless it is there.
    #[cfg(feature = "sandbox")]
    pub(super) fn or_insert(&mut self, name: &str, value: &str) {
        self.variables
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    }

    /// A name for this process among its siblings: `HOSTNAME`, else the host's name, then the process id.
    pub fn process_name(&self) -> String {
        let host = self
            .get("HOSTNAME")
            .or(self.host_name.as_deref())
            .unwrap_or("localhost");
        format!("{host}-{}", self.process_id)
    }
}
