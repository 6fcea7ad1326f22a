//! The address of a fresh database that no store has opened yet.

use tempfile::TempDir;

use super::database::{Kind, databases};
use super::postgres;

/// A database by its address.
pub(crate) struct TestUrl {
    pub(crate) url: String,
    directory: Option<TempDir>,
}

impl TestUrl {
    /// A fresh one; `None` when this run does not cover the kind.
    pub(crate) async fn fresh(kind: Kind) -> Option<Self> {
        let covered = tokio::task::spawn_blocking(databases).await.unwrap();
        if !covered.contains(&kind) {
            return None;
        }
        match kind {
            Kind::Memory => None,
            Kind::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}?mode=rwc", directory.path().join("refunds.sqlite").display());
                Some(Self { url, directory: Some(directory) })
            }
            Kind::Postgres => Some(Self { url: postgres::fresh_database().await, directory: None }),
        }
    }

    /// Removes it.
    pub(crate) async fn remove(self) {
        if self.directory.is_none() {
            postgres::drop_database(&self.url).await;
        }
    }
}
