//! The address of a fresh database that no store has opened yet.

use tempfile::TempDir;

use super::database::{Kind, databases};
use super::postgres;

/// A database by its address.
pub(crate) struct TestUrl {
    pub(crate) url: String,
    directory: Option<TempDir>,
    /// Whether it goes with its server.
    elsewhere: bool,
}

impl TestUrl {
    /// A fresh one; `None` when this run does not cover the kind.
    pub(crate) async fn fresh(kind: Kind) -> Option<Self> {
        Self::made(kind, false).await
    }

    /// One that goes with its server.
    pub(crate) fn elsewhere(url: String) -> Self {
        Self { url, directory: None, elsewhere: true }
    }

    /// A fresh one that nobody has migrated.
    pub(crate) async fn empty(kind: Kind) -> Option<Self> {
        Self::made(kind, true).await
    }

    async fn made(kind: Kind, empty: bool) -> Option<Self> {
        let covered = tokio::task::spawn_blocking(databases).await.unwrap();
        if !covered.contains(&kind) {
            return None;
        }
        match kind {
            Kind::Memory => None,
            Kind::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}?mode=rwc", directory.path().join("refunds.sqlite").display());
                Some(Self { url, directory: Some(directory), elsewhere: false })
            }
            Kind::Postgres if empty => {
                Some(Self { url: postgres::empty_database().await, directory: None, elsewhere: false })
            }
            Kind::Postgres => {
                Some(Self { url: postgres::fresh_database().await, directory: None, elsewhere: false })
            }
        }
    }

    /// A copy, as a backup is one, of a database that no process has open.
    pub(crate) async fn copy_of(url: &str) -> Self {
        let Some(file) = url.strip_prefix("sqlite://") else {
            return Self { url: postgres::copy_of(url).await, directory: None, elsewhere: false };
        };
        let file = file.split('?').next().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("refunds.sqlite").display().to_string();
        for ending in ["", "-wal"] {
            let from = format!("{file}{ending}");
            if std::fs::exists(&from).unwrap() {
                std::fs::copy(from, format!("{copy}{ending}")).unwrap();
            }
        }
        Self { url: format!("sqlite://{copy}?mode=rwc"), directory: Some(directory), elsewhere: false }
    }

    /// Removes it.
    pub(crate) async fn remove(self) {
        if self.directory.is_none() && !self.elsewhere {
            postgres::drop_database(&self.url).await;
        }
    }
}
