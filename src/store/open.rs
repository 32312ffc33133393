//! Opening a database: options of each engine, and the pools.

use super::{Pools, Result, Store, primary};
use crate::security::Keyring;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Which engine a store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Engine {
    /// The name shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

/// The database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database said no.
    #[error("the database cannot be opened: {0}")]
    Connect(sqlx::Error),
    /// None of the servers named takes writes: a standby that was not promoted, or nothing answers.
    #[error("none of the {servers} database servers takes writes; the last one said: {last}")]
    NoPrimary {
        /// How many are named.
        servers: usize,
        /// What stood in the way.
        last: String,
    },
}

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection that was in use so lately is not tried before its next use.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Prepared statements are kept for the whole life of a connection: there are about a hundred.
const STATEMENTS_KEPT: usize = 256;

/// Opens (and on a first start makes) a SQLite file: WAL, synchronous=FULL, one writer (design.md section 7).
///
/// # Errors
/// When the file cannot be opened or made.
pub async fn connect_sqlite(file: &Path, keys: Keyring) -> std::result::Result<Store, OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .optimize_on_close(true, None)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .pragma("journal_size_limit", "67108864")
        .pragma("cache_size", "-16384");
    // A file does not hang up: connections are not tried before each use.
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(async { Ok(is_at_rest(connection)) }))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.clone())
        .await
        .map_err(OpenError::Connect)?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options.pragma("query_only", "1"));
    // A file that is open stays the file it was.
    Ok(Store::new(Pools::Sqlite { writer, readers }, keys, Arc::default()))
}

/// Whether no transaction is open. After a commit that failed for want of disk space one stays open for sqlx that
/// SQLite has rolled back (sqlite.org/lang_transaction.html, section 3), and this connection begins no other.
fn is_at_rest(connection: &SqliteConnection) -> bool {
    !connection.is_in_transaction()
}

/// Connects to the first of these servers that takes writes. The options are those that the TLS policy let
/// through (`config::connect_options_policy`).
///
/// With several servers, the one that takes writes is looked for again whenever the present one stops doing so.
///
/// # Errors
/// When no server takes writes, or the one that does not let us in.
pub async fn connect_postgres(
    servers: impl IntoIterator<Item = PgConnectOptions>,
    max_connections: u32,
    keys: Keyring,
) -> std::result::Result<Store, OpenError> {
    let servers: Vec<PgConnectOptions> = servers.into_iter().map(with_our_settings).collect();
    let (found, first) = primary::find(&servers, 0).await?;
    let connected = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&connected);
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                // One that was just in use is trusted; a server that became a standby is noticed at the next pause.
                if meta.idle_for < TRUSTED_FOR {
                    return Ok(true);
                }
                primary::takes_writes(connection).await
            })
        })
        .after_connect(move |connection, _| {
            count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                if primary::takes_writes(connection).await? {
                    return Ok(());
                }
                Err(sqlx::Error::Configuration("the server takes no writes".into()))
            })
        })
        .connect_with(first)
        .await
        .map_err(OpenError::Connect)?;
    if servers.len() > 1 {
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the pool, which the shutdown closes"
        )]
        tokio::spawn(primary::follow(pool.clone(), servers, found));
    }
    Ok(Store::new(Pools::Postgres(pool), keys, connected))
}

fn with_our_settings(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("carebell").statement_cache_capacity(STATEMENTS_KEPT).options([
        ("statement_timeout", "30000"),
        ("idle_in_transaction_session_timeout", "30000"),
        ("synchronous_commit", "on"),
    ])
}

impl Store {
    /// Lets the engine tidy its statistics and logs; returns what it did. Run by the job `database-optimize`.
    pub async fn optimize(&self) -> Result<String> {
        let Pools::Sqlite { writer, .. } = &self.pools else {
            return Ok("nothing: autovacuum keeps PostgreSQL's tables and statistics".to_owned());
        };
        sqlx::query("-- open::optimize\nPRAGMA optimize").execute(writer).await?;
        // Busy: a reader still needs the log; the next run cuts it.
        let (busy, pages, _): (i64, i64, i64) =
            sqlx::query_as("-- open::optimize\nPRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(writer)
                .await?;
        let log = if busy == 0 { "cut".to_owned() } else { format!("kept at {pages} pages") };
        Ok(format!("statistics are fresh, the write-ahead log is {log}"))
    }
}
