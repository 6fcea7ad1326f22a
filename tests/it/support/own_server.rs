//! A PostgreSQL server of one test's own, to be stopped, crashed and started again.

use std::process::Stdio;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Database, DbErr};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use super::postgres::{Cluster, binaries};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// Runs the server, and sends it the signals that standard input names, until that ends. What was committed
/// outlives a crash of the server, because the machine does not crash with it.
const KEEPER: &str = r#"
run() {
    "$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=60 -c fsync=off \
        -c synchronous_commit=on >>"$2/log" 2>&1 &
    server=$!
}
run "$1" "$2"
while read -r order; do
    case $order in
        run) run "$1" "$2" ;;
        *) kill -"$order" "$server"; wait "$server" ;;
    esac
    echo done
done
kill -QUIT "$server"
wait "$server"
rm -rf "$2"
"#;

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Sessions are ended and what was written is put in order: `pg_ctl stop -m fast`.
    Fast,
    /// Everything is dropped where it stands, and the next start recovers: `pg_ctl stop -m immediate`.
    Immediate,
}

/// A server, running or stopped. Ends with this process, whatever ends that.
pub(crate) struct OwnServer {
    _keeper: Child,
    orders: ChildStdin,
    done: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl OwnServer {
    /// Starts one that holds an empty database; `None` where PostgreSQL is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let binaries = binaries()?;
        let cluster = tokio::task::spawn_blocking(move || {
            let cluster = Cluster::made(&binaries).unwrap();
            let keeper = cluster.keeper(KEEPER, &binaries);
            (cluster, keeper)
        });
        let (cluster, mut keeper) = cluster.await.unwrap();
        keeper.stdout(Stdio::piped());
        let mut keeper = Command::from(keeper).spawn().unwrap();
        let (orders, done) = (keeper.stdin.take().unwrap(), keeper.stdout.take().unwrap());
        let done = BufReader::new(done).lines();
        let server = Self { _keeper: keeper, orders, done, address: cluster.address() };
        server.answers().await;
        server.execute_in("postgres", "CREATE DATABASE refunds").await.unwrap();
        Some(server)
    }

    /// The address of its database.
    pub(crate) fn url(&self) -> String {
        self.address.replace("{}", "refunds")
    }

    /// Stops it.
    pub(crate) async fn stop(&mut self, how: Stop) {
        self.order(match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        })
        .await;
    }

    /// Starts it again. Returns when it answers.
    pub(crate) async fn run(&mut self) {
        self.order("run").await;
        self.answers().await;
    }

    /// Runs SQL in its database.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), DbErr> {
        self.execute_in("refunds", sql).await
    }

    async fn execute_in(&self, database: &str, sql: &str) -> Result<(), DbErr> {
        let connection = Database::connect(self.address.replace("{}", database)).await?;
        connection.execute_unprepared(sql).await?;
        connection.close().await
    }

    async fn order(&mut self, order: &str) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let done = timeout(PATIENCE, self.done.next_line()).await.unwrap().unwrap();
        assert_eq!(done.as_deref(), Some("done"));
    }

    async fn answers(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.execute_in("postgres", "SELECT 1").await {
            assert!(Instant::now() < deadline, "the server does not answer: {error}");
            tokio::time::sleep(POLL).await;
        }
    }
}
