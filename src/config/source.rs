//! Defaults, file and environment laid over each other, and handed out section by section.

use std::collections::BTreeMap;
use std::path::Path;

use config::{File, FileFormat, Map, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::callers::Callers;
use super::fault::Faults;
use super::value::{self, ENVIRONMENT};
use super::{Environment, Error, PREFIX, SEPARATOR};

/// What a command says before file and environment do.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub(super) values: Vec<(String, ValueKind)>,
    pub(super) callers: Option<Callers>,
}

/// The sections that have not been read yet.
#[derive(Debug)]
pub(super) struct Source {
    sections: BTreeMap<String, Value>,
}

impl Source {
    pub(super) fn read(
        defaults: &Defaults,
        file: Option<&Path>,
        environment: &Environment,
        faults: &mut Faults,
    ) -> Result<Self, Error> {
        let merged = |error| Error::Unmerged(Box::new(error));
        let mut layers = config::Config::builder();
        for (key, kind) in &defaults.values {
            layers = layers.set_default(key, Value::new(None, kind.clone())).map_err(merged)?;
        }
        if let Some(path) = file {
            layers = layers.add_source(File::from_str(&text(path)?, FileFormat::Toml));
        }
        let variables = config::Environment::with_prefix(PREFIX)
            .prefix_separator(SEPARATOR)
            .separator(SEPARATOR)
            .source(Some(keys(environment, faults)));
        let layers = layers.add_source(variables).build().map_err(merged)?;
        let sections = layers.cache.into_table().map_err(merged)?.into_iter().collect();
        Ok(Self { sections })
    }

    /// Takes a section. What is wrong in it is told and takes its default.
    pub(super) fn section<T: DeserializeOwned + Default>(&mut self, key: &str, faults: &mut Faults) -> T {
        self.sections.remove(key).map_or_else(T::default, |section| value::read(key, section, faults))
    }

    /// Takes a section that is a table of tables with names of their own.
    pub(super) fn named(&mut self, key: &str, faults: &mut Faults) -> BTreeMap<String, Value> {
        match self.sections.remove(key).map(|section| section.kind) {
            None => BTreeMap::new(),
            Some(ValueKind::Table(named)) => named.into_iter().collect(),
            Some(_) => {
                faults.add(key, "must be a table");
                BTreeMap::new()
            }
        }
    }

    /// What nobody has taken is a mistake in writing.
    pub(super) fn rest_is_unknown(self, faults: &mut Faults) {
        for key in self.sections.into_keys() {
            faults.add(key, "unknown section");
        }
    }
}

/// Reads a TOML file as one table.
pub(super) fn table(path: &Path) -> Result<Map<String, Value>, Error> {
    let merged = |error| Error::Unmerged(Box::new(error));
    let file = File::from_str(&text(path)?, FileFormat::Toml);
    let table = config::Config::builder().add_source(file).build().map_err(merged)?;
    table.cache.into_table().map_err(merged)
}

/// Reads a file and looks whether it is TOML, so that a mistake is told by its line and not by its text.
fn text(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    let Err(error) = toml::from_str::<toml::Table>(&text) else {
        return Ok(text);
    };
    let start = error.span().map_or(0, |span| span.start);
    let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
    Err(Error::Malformed { path: path.to_owned(), line, reason: error.message().to_owned() })
}

/// The variables that are ours and well formed; a key that is not is told and left out.
fn keys(environment: &Environment, faults: &mut Faults) -> Map<String, String> {
    let begin = format!("{PREFIX}{SEPARATOR}");
    let ours = environment.variables().filter_map(|(name, value)| {
        let path = name.strip_prefix(&begin)?;
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if path.split(SEPARATOR).all(part) {
            return Some((name.to_owned(), value.to_owned()));
        }
        faults.add(name, format!("from the {ENVIRONMENT}: each part may hold letters, digits, - and _"));
        None
    });
    ours.collect()
}
