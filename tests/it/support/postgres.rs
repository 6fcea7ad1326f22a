//! PostgreSQL for tests: the server that `TEST_POSTGRES_URL` names, else one that is started for this process
//! and ends with it, whatever ends it: its keeper waits at a pipe that only this process holds.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use refunds::store::sql::{Options, SqlStore};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};

/// How long a server may take to start.
const START_TIMEOUT_S: u64 = 60;
const POLL_MS: u64 = 20;
/// Holds what every fresh database of a server of our own starts from.
const TEMPLATE: &str = "refunds_template";
/// Runs the server until standard input ends, then stops it at once and removes its directory.
const KEEPER: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=300 -c fsync=off \
    -c synchronous_commit=off -c full_page_writes=off >"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT "$server"
wait "$server"
rm -rf "$2"
"#;

/// A running server.
pub(crate) struct Server {
    /// Which, and where it comes from.
    pub(crate) description: String,
    /// The address of a database, with `{}` in the name's place.
    address: String,
    /// Whether its databases are copied from [`TEMPLATE`].
    has_template: bool,
    /// Its keeper, which ends with this process.
    _keeper: Option<Child>,
}

/// The server of this run, or why there is none.
pub(crate) fn server() -> &'static Result<Server, String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER.get_or_init(|| {
        // A thread of its own, because a runtime may already be running on this one.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(find_or_start())
        })
        .join()
        .unwrap()
    })
}

/// The address of a new database: migrated, where the server is of our own.
pub(crate) async fn fresh_database() -> String {
    let has_template = server().as_ref().unwrap().has_template;
    database_from(if has_template { TEMPLATE } else { "template1" }).await.unwrap()
}

/// The address of a new database that nobody has migrated.
pub(crate) async fn empty_database() -> String {
    database_from("template1").await.unwrap()
}

/// The address of a copy of a database, made once its last connection is gone.
pub(crate) async fn copy_of(url: &str) -> String {
    let name = name_in(url);
    let deadline = Instant::now() + Duration::from_secs(START_TIMEOUT_S);
    loop {
        match database_from(&name).await {
            Ok(copy) => return copy,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
}

async fn database_from(template: &str) -> Result<String, DbErr> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = server().as_ref().unwrap();
    let name = format!("refunds_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    server.administer(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
    Ok(server.address(&name))
}

fn name_in(url: &str) -> String {
    let start = url.find("refunds_test_").unwrap();
    url[start..].chars().take_while(|c| *c != '?').collect()
}

/// Removes a database of [`fresh_database`].
pub(crate) async fn drop_database(url: &str) {
    let server = server().as_ref().unwrap();
    let name = name_in(url);
    server.administer(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
}

impl Server {
    fn address(&self, database: &str) -> String {
        self.address.replace("{}", database)
    }

    async fn connect(&self) -> Result<DatabaseConnection, DbErr> {
        Database::connect(self.address("postgres")).await
    }

    async fn administer(&self, sql: &str) -> Result<(), DbErr> {
        let connection = self.connect().await?;
        connection.execute_unprepared(sql).await?;
        connection.close().await
    }

    async fn version(&self) -> Result<String, DbErr> {
        let connection = self.connect().await?;
        let statement = Statement::from_string(connection.get_database_backend(), "SHOW server_version");
        let row = connection.query_one_raw(statement).await?.unwrap();
        let version: String = row.try_get("", "server_version")?;
        connection.close().await?;
        Ok(version.split_whitespace().next().unwrap_or_default().to_owned())
    }
}

#[expect(clippy::disallowed_methods, reason = "this is how a run names a server of its own")]
async fn find_or_start() -> Result<Server, String> {
    if let Ok(url) = std::env::var("TEST_POSTGRES_URL") {
        let mut server = Server {
            description: String::new(),
            address: with_name_open(&url),
            has_template: false,
            _keeper: None,
        };
        let version = server.version().await.map_err(|e| format!("TEST_POSTGRES_URL: {e}"))?;
        server.description = format!("{version}, of TEST_POSTGRES_URL");
        return Ok(server);
    }
    let binaries = binaries().ok_or("no PostgreSQL is installed and TEST_POSTGRES_URL is not set")?;
    start(&binaries).await
}

/// The address with `{}` for the database's name.
fn with_name_open(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (path, query) = rest.split_once('?').map_or((rest, String::new()), |(p, q)| (p, format!("?{q}")));
    let host = path.split('/').next().unwrap_or_default();
    format!("{scheme}://{host}/{{}}{query}")
}

#[expect(clippy::disallowed_methods, reason = "the search path is where programs are found")]
pub(crate) fn binaries() -> Option<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").output().ok();
    let said = said.map(|out| PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()));
    let mut installed: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    installed.sort();
    let path = std::env::var("PATH").unwrap_or_default();
    said.into_iter()
        .chain(installed.into_iter().rev())
        .chain(std::env::split_paths(&path))
        .find(|bin| bin.join("postgres").is_file() && bin.join("initdb").is_file())
}

/// A directory with a new cluster in it, and the user that its server runs as.
pub(crate) struct Cluster {
    pub(crate) directory: PathBuf,
    user: Option<(u32, u32)>,
}

impl Cluster {
    /// Makes one with the programs of `binaries`.
    pub(crate) fn made(binaries: &Path) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|e| e.to_string())?.keep();
        // The server refuses to run as root.
        let user = if fs::metadata(&directory).map_err(|e| e.to_string())?.uid() == 0 {
            let (uid, gid) = unprivileged().ok_or("no user postgres or nobody to run the server as")?;
            chown(&directory, Some(uid), Some(gid)).map_err(|e| e.to_string())?;
            Some((uid, gid))
        } else {
            None
        };
        let cluster = Self { directory, user };
        let mut initdb = cluster.command(binaries.join("initdb"));
        initdb
            .args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(cluster.directory.join("data"));
        let made = initdb.output().map_err(|e| format!("initdb: {e}"))?;
        if made.status.success() {
            Ok(cluster)
        } else {
            Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)))
        }
    }

    /// The program of a keeper, run by the shell: it lives as long as its standard input.
    pub(super) fn keeper(&self, script: &str, binaries: &Path) -> Command {
        let mut keeper = self.command(PathBuf::from("/bin/sh"));
        keeper
            .args(["-c", script, "keeper"])
            .arg(binaries)
            .arg(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        keeper
    }

    /// The address of a database of its server, with `{}` in the name's place.
    pub(super) fn address(&self) -> String {
        format!("postgres://postgres@localhost/{{}}?host={}", self.directory.display())
    }

    /// A program that runs as the server does.
    pub(crate) fn command(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.directory).env_remove("PGDATA");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

async fn start(binaries: &Path) -> Result<Server, String> {
    let cluster = Cluster::made(binaries)?;
    let keeper = cluster.keeper(KEEPER, binaries).spawn().map_err(|e| e.to_string())?;
    let mut server = Server {
        description: String::new(),
        address: cluster.address(),
        has_template: true,
        _keeper: Some(keeper),
    };
    let version = wait_for(&server, &cluster.directory).await?;
    server.description = format!("{version}, started for this run");
    server.administer(&format!("CREATE DATABASE {TEMPLATE}")).await.map_err(|e| e.to_string())?;
    let template =
        SqlStore::connect(&server.address(TEMPLATE), Options::default()).await.map_err(|e| e.to_string())?;
    template.migrate().await.map_err(|e| e.to_string())?;
    template.close().await.map_err(|e| e.to_string())?;
    Ok(server)
}

async fn wait_for(server: &Server, directory: &Path) -> Result<String, String> {
    let deadline = Instant::now() + Duration::from_secs(START_TIMEOUT_S);
    loop {
        if UnixStream::connect(directory.join(".s.PGSQL.5432")).is_ok()
            && let Ok(version) = server.version().await
        {
            return Ok(version);
        }
        if Instant::now() > deadline {
            let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
            return Err(format!("the server did not start: {log}"));
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
}

/// The ids of a user that has no rights of root.
fn unprivileged() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
