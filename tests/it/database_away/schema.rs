//! A schema that is older than the program, under a service that runs.

use super::{Pulse, execute};
use crate::support::app::TestApp;
use crate::support::on_every_app;

on_every_app! {
    async fn an_older_schema_is_not_ready_until_it_is_current_again(app: &mut TestApp) {
        let mut pulse = Pulse::of(&app.address);
        pulse.until(true).await;
        execute(app, &["UPDATE seaql_migrations SET version = 'x' || version"]).await;
        pulse.until(false).await;
        execute(app, &["UPDATE seaql_migrations SET version = substr(version, 2)"]).await;
        pulse.until(true).await;
        pulse.end().await;
    }
}
