//! What tests stand on.

pub(crate) mod app;
pub(crate) mod callers;
pub(crate) mod chance;
pub(crate) mod clock;
pub(crate) mod collector;
pub(crate) mod database;
pub(crate) mod own_server;
pub(crate) mod people;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod samples;
pub(crate) mod sandbox;
pub(crate) mod url;

/// Makes of one async test of a fresh, migrated database a test on SQLite and one on PostgreSQL.
///
/// ```ignore
/// on_every_database! { async fn what_it_says(db: &TestDatabase) { ... } }
/// ```
macro_rules! on_every_database {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: &TestDatabase) $body:block)+) => {
        $crate::support::on_databases! { @each [(sqlite Sqlite) (postgres Postgres)]
            $($(#[$meta])* async fn $name($db) $body)+ }
    };
}

/// The same, and a test of the store in memory.
macro_rules! on_every_store {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: &TestDatabase) $body:block)+) => {
        $crate::support::on_databases! { @each [(memory Memory) (sqlite Sqlite) (postgres Postgres)]
            $($(#[$meta])* async fn $name($db) $body)+ }
    };
}

/// Makes of one async test of replicas a test on PostgreSQL, which is what they share.
macro_rules! on_postgres {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: &TestDatabase) $body:block)+) => {
        $crate::support::on_databases! { @each [(postgres Postgres)]
            $($(#[$meta])* async fn $name($db) $body)+ }
    };
}

macro_rules! on_databases {
    (@each $kinds:tt $($(#[$meta:meta])* async fn $name:ident($db:ident) $body:block)+) => {
        $($crate::support::on_databases! { @one $kinds $(#[$meta])* $name $db $body })+
    };
    (@one [$(($test:ident $kind:ident))+] $(#[$meta:meta])* $name:ident $db:ident $body:block) => {
        mod $name {
            use super::*;

            $(#[$meta])*
            async fn run($db: &TestDatabase) $body

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                use $crate::support::database::Kind;
                let Some(database) = TestDatabase::fresh(Kind::$kind).await else {
                    return;
                };
                run(&database).await;
                database.finish().await;
            })+
        }
    };
}

/// Makes of one async test of the whole service a test on SQLite and one on PostgreSQL.
macro_rules! on_every_app {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: &mut TestApp) $body:block)+) => {
        $($crate::support::on_every_app! {
            @one [(sqlite Sqlite) (postgres Postgres)] $(#[$meta])* $name $app $body
        })+
    };
    (@one [$(($test:ident $kind:ident))+] $(#[$meta:meta])* $name:ident $app:ident $body:block) => {
        mod $name {
            use super::*;

            $(#[$meta])*
            async fn run($app: &mut TestApp) $body

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                use $crate::support::database::Kind;
                let Some(mut app) = TestApp::start(Kind::$kind).await else {
                    return;
                };
                run(&mut app).await;
                app.finish().await;
            })+
        }
    };
}

/// Makes of one async test of real processes a test on SQLite and one on PostgreSQL.
macro_rules! on_every_url {
    ($($(#[$meta:meta])* async fn $name:ident($url:ident: &str) $body:block)+) => {
        $($crate::support::on_every_url! {
            @one [(sqlite Sqlite) (postgres Postgres)] $(#[$meta])* $name $url $body
        })+
    };
    (@one [$(($test:ident $kind:ident))+] $(#[$meta:meta])* $name:ident $url:ident $body:block) => {
        mod $name {
            use super::*;

            $(#[$meta])*
            async fn run($url: &str) $body

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                use $crate::support::database::Kind;
                let Some(database) = $crate::support::url::TestUrl::fresh(Kind::$kind).await else {
                    return;
                };
                run(&database.url).await;
                database.remove().await;
            })+
        }
    };
}

/// Makes of one async test that makes its own databases of a kind a test on SQLite and one on PostgreSQL.
macro_rules! on_every_kind {
    ($($(#[$meta:meta])* async fn $name:ident($kind:ident: Kind) $body:block)+) => {
        $($crate::support::on_every_kind! {
            @one [(sqlite Sqlite) (postgres Postgres)] $(#[$meta])* $name $kind $body
        })+
    };
    (@one [$(($test:ident $of:ident))+] $(#[$meta:meta])* $name:ident $kind:ident $body:block) => {
        mod $name {
            use super::*;

            $(#[$meta])*
            async fn run($kind: Kind) $body

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                run(Kind::$of).await;
            })+
        }
    };
}

pub(crate) use {
    on_databases, on_every_app, on_every_database, on_every_kind, on_every_store, on_every_url, on_postgres,
};
