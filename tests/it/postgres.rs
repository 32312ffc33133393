//! A real PostgreSQL for tests: one throw-away cluster per run of the tests, one database per test.
//!
//! The cluster is started by whichever test needs it first and found by the others through a lock file: they
//! are other threads under `cargo test`, other processes under nextest. `postgres.sh` watches the run and
//! removes everything once it is over, however it ended. The server listens on a socket in its folder only.

use sqlx::{Connection, PgConnection};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The server's settings. Tests need no durability; a bench sets its own before the first database.
pub static SETTINGS: OnceLock<&str> = OnceLock::new();
const FOR_TESTS: &str =
    "-c shared_buffers=32MB -c fsync=off -c full_page_writes=off -c autovacuum=off";

/// An empty database; dropped with this value.
#[derive(Debug)]
pub struct Database {
    folder: PathBuf,
    name: String,
}

impl Database {
    /// `postgres://...` over the cluster's socket.
    pub fn url(&self) -> String {
        url(&self.folder, &self.name)
    }

    /// Keeps the database as it is now. Nobody may be connected to it.
    pub async fn back_up(&self) {
        let copy = format!("CREATE DATABASE {0}_copy TEMPLATE {0}", self.name);
        execute(&self.folder, copy).await.unwrap();
    }

    /// Puts back what was kept.
    pub async fn restore(&self) {
        for statement in [
            format!("DROP DATABASE {}", self.name),
            format!("ALTER DATABASE {0}_copy RENAME TO {0}", self.name),
        ] {
            execute(&self.folder, statement).await.unwrap();
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // On a thread of its own: the test's runtime may be busy dropping us. A cluster that is gone is as good.
        let (folder, statement) =
            (self.folder.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let dropped = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(execute(&folder, statement))
        });
        drop(dropped.join());
    }
}

/// An empty database of this test's own; `None`, and said so, where no server is installed. With CI=true that
/// is a failure: a promise on both databases (P11) is not shown by one.
pub async fn database() -> Option<Database> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Some(bin) = binaries() else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{NO_SERVER}");
        eprintln!("skipped: {NO_SERVER}");
        return None;
    };
    let folder = tokio::task::spawn_blocking(move || cluster(&bin)).await.unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let database = Database { folder, name: format!("test_{}_{count}", std::process::id()) };
    execute(&database.folder, format!("CREATE DATABASE {}", database.name)).await.unwrap();
    Some(database)
}

const NO_SERVER: &str = "no PostgreSQL server binaries (initdb, pg_ctl) in /usr/lib/postgresql/*/bin or PATH: \
                         apt-get install postgresql";

/// The newest server under Debian's folder, else the one in PATH.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let newest_first = found.into_iter().rev().map(|(_, bin)| bin);
    newest_first
        .chain(std::env::split_paths(&path))
        .find(|bin| bin.join("initdb").exists() && bin.join("pg_ctl").exists())
}

/// The folder of this run's cluster, started if it is not up yet.
fn cluster(bin: &Path) -> PathBuf {
    let (key, watched) = run();
    // Short: a socket's path has 107 bytes at most (unix(7)).
    let folder = PathBuf::from(format!("/tmp/carebell-pg-{key}"));
    make(&folder);
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if !folder.join("ready").exists() {
        // Nobody waits for it here: it outlives this process, and removes the folder after the run.
        drop(start(bin, &folder, watched));
    }
    folder
}

/// The name of this run of the tests, and the process that lives as long as it.
fn run() -> (String, u32) {
    match std::env::var_os("NEXTEST_RUN_ID") {
        Some(id) => {
            let id = id.to_string_lossy().replace('-', "");
            (id[..id.len().min(16)].to_owned(), std::os::unix::process::parent_id())
        }
        None => (std::process::id().to_string(), std::process::id()),
    }
}

fn make(folder: &Path) {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).unwrap();
}

/// Starts `postgres.sh` and waits until the server takes connections.
fn start(bin: &Path, folder: &Path, watched: u32) -> Child {
    let mut script = Command::new("setsid")
        .args(["sh", "-c", include_str!("postgres.sh"), "postgres.sh"])
        .args([folder.as_os_str(), watched.to_string().as_ref(), bin.as_os_str()])
        .arg(SETTINGS.get().unwrap_or(&FOR_TESTS))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(script.stdout.take().unwrap());
    let mut words = String::new();
    said.read_line(&mut words).unwrap();
    if words != "ready\n" {
        said.read_to_string(&mut words).unwrap();
        panic!("PostgreSQL did not start: {words}");
    }
    script
}

fn url(folder: &Path, database: &str) -> String {
    format!("postgres://postgres@{}/{database}", folder.to_string_lossy().replace('/', "%2F"))
}

async fn execute(folder: &Path, statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(&url(folder, "postgres")).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

#[tokio::test]
async fn p11_every_test_has_an_empty_database_of_its_own() {
    let (Some(one), Some(two)) = (database().await, database().await) else { return };
    let mut first = PgConnection::connect(&one.url()).await.unwrap();
    let mut second = PgConnection::connect(&two.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE mine (id BIGINT)").execute(&mut first).await.unwrap();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let mine: i64 = sqlx::query_scalar(tables).fetch_one(&mut first).await.unwrap();
    let other: i64 = sqlx::query_scalar(tables).fetch_one(&mut second).await.unwrap();
    assert_eq!((mine, other), (1, 0));
}

#[tokio::test]
async fn the_cluster_is_reached_by_its_socket_only() {
    let Some(database) = database().await else { return };
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let addresses: String =
        sqlx::query_scalar("SHOW listen_addresses").fetch_one(&mut connection).await.unwrap();
    assert_eq!(addresses, "");
}

/// The watcher ends with the run it watches, also when that is killed: here the run is a `sleep`.
#[test]
fn nothing_is_left_of_a_killed_run() {
    let Some(bin) = binaries() else { return };
    let folder = PathBuf::from(format!("/tmp/carebell-pg-k{}", std::process::id()));
    make(&folder);
    let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
    let mut script = start(&bin, &folder, sleeper.id());
    let postmaster = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let process = PathBuf::from("/proc").join(postmaster.lines().next().unwrap());
    assert!(process.exists());
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    script.wait().unwrap();
    assert!(!folder.exists());
    assert!(!process.join("exe").exists(), "the server outlived its run");
}
