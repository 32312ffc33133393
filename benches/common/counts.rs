//! What is counted at the database, beside the daemon and without its doing.

use super::process::Installation;
use carebell::cli::app::SQLITE_FILE;
use carebell::store;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use std::time::Duration;

/// After so long without work a PostgreSQL backend has told the last of its statistics (`IDLE_STATS_UPDATE_TIMEOUT` in
/// its pgstat.h: 10 s).
const STATISTICS_ARE_TOLD: Duration = Duration::from_secs(11);

/// A connection of the bench's own.
pub enum Beside {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Beside {
    pub async fn connect(installation: &Installation) -> Self {
        if installation.store.engine() == store::Engine::Sqlite {
            let file = installation.state_dir().join(SQLITE_FILE);
            let connected = SqliteConnection::connect(file.to_str().unwrap()).await;
            return Self::Sqlite(connected.unwrap());
        }
        Self::Postgres(PgConnection::connect(&installation.database_url()).await.unwrap())
    }

    /// A statement's one column of whole numbers.
    pub async fn numbers(&mut self, sql: &str) -> Vec<i64> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_all(c).await.unwrap(),
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_all(c).await.unwrap(),
        }
    }

    pub async fn number(&mut self, sql: &str) -> i64 {
        self.numbers(sql).await[0]
    }

    /// How large the database is, in bytes.
    pub async fn bytes(&mut self) -> i64 {
        let size = match self {
            Self::Sqlite(_) => {
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            }
            Self::Postgres(_) => "SELECT pg_database_size(current_database())",
        };
        self.number(size).await
    }

    /// Opens a snapshot and holds it for as long as this connection: no row that dies from now on is cleaned away.
    pub async fn hold_snapshot(&mut self) {
        let Self::Postgres(c) = self else { return };
        let held = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM patients";
        sqlx::raw_sql(held).execute(c).await.unwrap();
    }
}

/// Commits and flushes since the database was made.
#[derive(Clone, Copy)]
pub struct Commits {
    /// Transactions that were committed: those that wrote (SQLite), all (PostgreSQL).
    pub commits: i64,
    /// SQLite: how often the write-ahead log began anew. PostgreSQL: flushes of the log.
    turns: i64,
    engine: Engine,
}

#[derive(Clone, Copy)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Commits {
    pub async fn read(installation: &Installation) -> Self {
        if installation.store.engine() == store::Engine::Sqlite {
            return Self::of_sqlite(installation);
        }
        tokio::time::sleep(STATISTICS_ARE_TOLD).await;
        let Beside::Postgres(mut c) = Beside::connect(installation).await else { unreachable!() };
        let counted = "SELECT xact_commit, wal_sync FROM pg_stat_database, pg_stat_wal \
                       WHERE datname = current_database()";
        let (commits, turns) = sqlx::query_as(counted).fetch_one(&mut c).await.unwrap();
        Self { commits, turns, engine: Engine::Postgres }
    }

    /// From the files themselves (sqlite.org/walformat.html): the index of the log counts committed transactions at byte
    /// 8, the log's header its beginnings at byte 12.
    fn of_sqlite(installation: &Installation) -> Self {
        let word = |tail: &str, at: usize| -> [u8; 4] {
            let file = installation.state_dir().join(format!("{SQLITE_FILE}{tail}"));
            std::fs::read(file).unwrap()[at..at + 4].try_into().unwrap()
        };
        Self {
            commits: i64::from(u32::from_ne_bytes(word("-shm", 8))),
            turns: i64::from(u32::from_be_bytes(word("-wal", 12))),
            engine: Engine::Sqlite,
        }
    }

    /// Flushes of files since `earlier`. SQLite (synchronous=FULL) flushes the log at each commit; each time the log begins
    /// anew it has flushed the log, the database, and the log's new header (sqlite.org/wal.html): the very number that
    /// strace counts. PostgreSQL tells. The state file's own flush, every five seconds, is not in it.
    pub fn flushes_since(self, earlier: Self) -> i64 {
        let turns = self.turns - earlier.turns;
        match self.engine {
            Engine::Sqlite => self.commits - earlier.commits + 3 * turns,
            Engine::Postgres => turns,
        }
    }
}
