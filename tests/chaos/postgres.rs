//! A PostgreSQL of this run's own: stopped, crashed, copied while it works, and restored.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::postgres::{Cluster, binaries};

const START_PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Runs the server until it ends, and ends it when standard input does: with this process, whatever ends it.
/// The system keeps what is written when a process dies, so that nothing has to be flushed to the disk.
const KEEPER: &str = r#"
exec 3<&0
"$1/postgres" -D "$2" -p "$3" -k "$4" -c listen_addresses=127.0.0.1 -c max_connections=200 \
    -c fsync=off -c full_page_writes=off >>"$4/log" 2>&1 3<&- &
server=$!
(cat <&3 >/dev/null; kill -QUIT "$server" 2>/dev/null) &
watcher=$!
wait "$server"
kill "$watcher" 2>/dev/null
"#;

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// In order; calls are cut.
    Fast,
    /// As by a crash.
    Immediate,
}

/// The server.
pub(crate) struct Postgres {
    binaries: PathBuf,
    cluster: Cluster,
    port: u16,
    data: PathBuf,
    keeper: Option<Child>,
}

impl Postgres {
    /// Makes and starts one, or says why there is none.
    pub(crate) async fn start() -> Result<Self, String> {
        let binaries = binaries().ok_or("no PostgreSQL is installed")?;
        let cluster = Cluster::made(&binaries)?;
        let data = cluster.directory.join("data");
        let mut server = Self { binaries, cluster, port: free_port(), data, keeper: None };
        server.resume().await;
        let port = server.port.to_string();
        let connect = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        server.tool("createdb", &[&connect[..], &["refunds"]].concat())?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Starts it again.
    pub(crate) async fn resume(&mut self) {
        let arguments = [&self.binaries, &self.data].map(|path| path.display().to_string());
        let keeper = self
            .cluster
            .command(PathBuf::from("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .args(arguments)
            .arg(self.port.to_string())
            .arg(&self.cluster.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        self.keeper = Some(keeper);
        let port = self.port.to_string();
        let deadline = Instant::now() + START_PATIENCE;
        let is_ready = ["-q", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", "postgres"];
        while TcpStream::connect(self.address()).await.is_err() || self.tool("pg_isready", &is_ready).is_err()
        {
            assert!(Instant::now() < deadline, "PostgreSQL did not start:\n{}", self.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends it.
    pub(crate) async fn stop(&mut self, how: Stop) {
        let Some(mut keeper) = self.keeper.take() else { return };
        let file = std::fs::read_to_string(self.data.join("postmaster.pid")).unwrap();
        let server: i32 = file.lines().next().unwrap().trim().parse().unwrap();
        let signal = match how {
            Stop::Fast => rustix::process::Signal::INT,
            Stop::Immediate => rustix::process::Signal::QUIT,
        };
        rustix::process::kill_process(rustix::process::Pid::from_raw(server).unwrap(), signal).unwrap();
        let deadline = Instant::now() + START_PATIENCE;
        while keeper.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "PostgreSQL did not stop:\n{}", self.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Copies it while it works; the copy.
    pub(crate) async fn snapshot(&self) -> PathBuf {
        let copy = self.cluster.directory.join("snapshot");
        let arguments = [
            format!("--pgdata={}", copy.display()),
            format!("--port={}", self.port),
            "--host=127.0.0.1".to_owned(),
            "--username=postgres".to_owned(),
            "--checkpoint=fast".to_owned(),
            "--no-sync".to_owned(),
        ];
        let mut command = self.cluster.command(self.binaries.join("pg_basebackup"));
        command.args(arguments);
        tokio::task::spawn_blocking(move || ran(&mut command, "pg_basebackup").unwrap()).await.unwrap();
        copy
    }

    /// Goes on from a copy. Only while it is stopped.
    pub(crate) fn restore(&mut self, copy: &Path) {
        assert!(self.keeper.is_none());
        copy.clone_into(&mut self.data);
    }

    fn tool(&self, name: &str, arguments: &[&str]) -> Result<(), String> {
        ran(self.cluster.command(self.binaries.join(name)).args(arguments), name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.cluster.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ended = keeper.wait();
        }
        let _removed = std::fs::remove_dir_all(&self.cluster.directory);
    }
}

fn ran(command: &mut Command, name: &str) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
