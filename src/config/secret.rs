//! Secrets come from a file or a variable of their own, never from the configuration itself.

use std::path::Path;

use secrecy::SecretString;

use super::fault::Faults;
use super::{Environment, Fault};

/// Longest secret that is read, bytes.
pub const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// Reads a secret file again, for instance after it was rotated. White space around the secret is dropped.
///
/// # Errors
///
/// The file cannot be read, is empty, is not UTF-8 or is longer than [`SECRET_BYTES_MAX`].
pub fn read_file(path: &Path) -> Result<SecretString, Fault> {
    let fault = |rule: String| Fault {
        key: path.display().to_string(),
        rule,
    };
    let size = std::fs::metadata(path)
        .map_err(|error| fault(format!("cannot be read: {error}")))?
        .len();
    if size > SECRET_BYTES_MAX {
        return Err(fault(format!("is longer than {SECRET_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
    checked(&text).ok_or_else(|| fault("is empty".to_owned()))
}

/// The two keys beside each other, of which exactly one is set.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) file: Option<&'a Path>,
    pub(super) variable: Option<&'a str>,
}

/// Reads the secret of the section at `key`, from its `secret_file` or its `secret_env`.
pub(super) fn read(
    key: &str,
    choice: &Choice<'_>,
    environment: &Environment,
    faults: &mut Faults,
) -> SecretString {
    let (file_key, variable_key) = (format!("{key}.secret_file"), format!("{key}.secret_env"));
    let secret = match (choice.file, choice.variable) {
        (Some(path), None) => read_file(path)
            .map_err(|fault| faults.add(file_key, fault.to_string()))
            .ok(),
        (None, Some(name)) => {
            let secret = environment.get(name).and_then(checked);
            if secret.is_none() {
                faults.add(variable_key, format!("the variable {name} is not set or empty"));
            }
            secret
        }
        (None, None) | (Some(_), Some(_)) => {
            faults.add(key, "needs exactly one of secret_file and secret_env");
            None
        }
    };
    secret.unwrap_or_default()
}

fn checked(text: &str) -> Option<SecretString> {
    let text = text.trim();
    (!text.is_empty()).then(|| SecretString::from(text))
}
