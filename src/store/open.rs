//! Opening a database: options of each engine, and the pools.

use super::{Pools, Result, Store};
use crate::security::Keyring;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
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
}

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
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
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.clone())
        .await
        .map_err(OpenError::Connect)?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options.pragma("query_only", "1"));
    // A file that is open stays the file it was.
    Ok(Store::new(Pools::Sqlite { writer, readers }, keys, Arc::default()))
}

/// Connects to PostgreSQL. The options are those that the TLS policy let through
/// (`config::connect_options_policy`).
///
/// # Errors
/// When the server does not answer or does not let us in.
pub async fn connect_postgres(
    options: PgConnectOptions,
    max_connections: u32,
    keys: Keyring,
) -> std::result::Result<Store, OpenError> {
    let connect =
        options.application_name("carebell").statement_cache_capacity(STATEMENTS_KEPT).options([
            ("statement_timeout", "30000"),
            ("idle_in_transaction_session_timeout", "30000"),
            ("synchronous_commit", "on"),
        ]);
    let connected = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&connected);
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::ready(Ok(())))
        })
        .connect_with(connect)
        .await
        .map_err(OpenError::Connect)?;
    Ok(Store::new(Pools::Postgres(pool), keys, connected))
}

impl Store {
    /// Lets the engine tidy its statistics and logs; run by the job `database-optimize`.
    pub async fn optimize(&self) -> Result<()> {
        match &self.pools {
            Pools::Sqlite { writer, .. } => {
                sqlx::query("-- open::optimize\nPRAGMA optimize").execute(writer).await?;
                sqlx::query("-- open::optimize\nPRAGMA wal_checkpoint(TRUNCATE)")
                    .execute(writer)
                    .await?;
            }
            Pools::Postgres(pool) => {
                sqlx::query("-- open::optimize\nVACUUM (ANALYZE) alarms").execute(pool).await?;
                sqlx::query("-- open::optimize\nANALYZE").execute(pool).await?;
            }
        }
        Ok(())
    }
}
