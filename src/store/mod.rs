//! The database: one SQL text for SQLite and PostgreSQL, one file per table family.
//!
//! What lives here: rows, statements, sealing of columns, transactions. What may not: decisions. Other rooms
//! open a transaction ([`Store::write`], [`Store::read`]), call the functions of a family on it, and commit.

pub mod activities;
pub mod alarms;
pub mod attempts;
pub mod backlog;
pub mod backup;
pub(crate) mod dialect;
pub mod doctor;
pub mod holds;
pub mod homes;
pub mod inbound;
pub mod intake;
pub mod invites;
pub mod jobs;
pub mod listening;
pub mod media;
pub mod messages;
pub mod meta;
mod migrate;
mod open;
pub mod parked;
pub mod parts;
pub mod patients;
pub mod plans;
mod primary;
pub mod reach;
pub mod receipts;
pub mod reminders;
pub mod replies;
pub mod retention;
mod rows;
pub mod sources;
pub mod spending;
pub mod standing;
pub mod story;
pub mod sweep;
pub mod tasks;
pub mod templates;
pub mod watch;

pub use migrate::{MIGRATIONS, MigrationStatus};
pub use open::{Engine, OpenError, connect_postgres, connect_sqlite};

use crate::care::UtcMs;
use crate::security::{DoesNotOpen, Keyring};
use dialect::{on, sql, statements};
use sqlx::{Postgres, Sqlite};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something failed in the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The driver or the database said no, whatever the rows: it may work again later. The text of a database
    /// error names tables and constraints; values are bound, so they are not in it.
    #[error("database: {0}")]
    Driver(#[source] sqlx::Error),
    /// The database refuses a row's values, or they are not of their column's type: it would do so again (P9).
    #[error("database: {0}")]
    Refused(#[source] sqlx::Error),
    /// A row cannot be what it says.
    #[error("{table}.{column} holds what it cannot: {what}")]
    Inconsistent {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// What is wrong, without the value.
        what: &'static str,
    },
    /// A sealed value does not open.
    #[error(transparent)]
    DoesNotOpen(#[from] DoesNotOpen),
    /// A write touched another number of rows than it must.
    #[error("{statement} touched {actual} rows instead of {expected}")]
    RowsTouched {
        /// Which.
        statement: &'static str,
        /// Wanted.
        expected: u64,
        /// Touched.
        actual: u64,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(fault: sqlx::Error) -> Self {
        if lies_in_values(&fault) { Self::Refused(fault) } else { Self::Driver(fault) }
    }
}

/// Whether a fault lies in the values at hand: PostgreSQL's classes 22 (data exception) and 23 (integrity
/// constraint violation; PostgreSQL 15 manual, appendix A), SQLite's TOOBIG, CONSTRAINT and MISMATCH
/// (sqlite.org/rescode.html), and what does not decode.
fn lies_in_values(fault: &sqlx::Error) -> bool {
    match fault {
        sqlx::Error::Database(fault) => {
            let Some(code) = fault.code() else { return false };
            match code.parse::<u32>() {
                Ok(primary) if code.len() < 5 => matches!(primary & 0xff, 18..=20),
                _ => code.starts_with("22") || code.starts_with("23"),
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => true,
        _ => false,
    }
}

/// What store functions return.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A database, whichever engine.
#[derive(Clone)]
pub struct Store {
    pub(crate) pools: Pools,
    keys: Keyring,
    /// How many connections to the server were made.
    connected: Arc<AtomicU64>,
}

/// The pools of an engine.
#[derive(Clone)]
pub(crate) enum Pools {
    /// SQLite: one writer, several readers.
    Sqlite {
        /// One connection: SQLite has one writer anyway.
        writer: sqlx::Pool<Sqlite>,
        /// Read-only connections.
        readers: sqlx::Pool<Sqlite>,
    },
    /// PostgreSQL.
    Postgres(sqlx::Pool<Postgres>),
}

/// A transaction on either engine. Dropped without [`Tx::commit`], it rolls back.
pub enum Tx {
    /// SQLite.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// PostgreSQL.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Tx {
    /// Makes everything of this transaction durable at once.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

statements! {
    DATABASE_CLOCK = sql!(("-- store::database_clock_ms\n"), (database_clock));
}

impl Store {
    pub(crate) const fn new(pools: Pools, keys: Keyring, connected: Arc<AtomicU64>) -> Self {
        Self { pools, keys, connected }
    }

    /// How many connections to a server were made so far: behind a new one may be another state of the database.
    pub fn connected(&self) -> u64 {
        self.connected.load(Ordering::SeqCst)
    }

    /// The keys that seal this database's columns.
    pub const fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// Which engine it is.
    pub const fn engine(&self) -> Engine {
        match self.pools {
            Pools::Sqlite { .. } => Engine::Sqlite,
            Pools::Postgres(_) => Engine::Postgres,
        }
    }

    /// A transaction that writes. On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a read that
    /// turns into a write would fail in spite of the busy time-out.
    pub async fn write(&self) -> Result<Tx> {
        Ok(match &self.pools {
            Pools::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// A transaction that only reads, beside the writer.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match &self.pools {
            Pools::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
            Pools::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Closes the pools after their work; SQLite then folds its log into the file.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// The database's own real clock, which leases live on. SQLite's is this machine's.
pub async fn database_clock_ms(tx: &mut Tx) -> Result<UtcMs> {
    let ms: i64 = on!(tx, DATABASE_CLOCK, |c, sql| sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(UtcMs(ms))
}

/// Ids as the JSON list that the `ids` fragment reads.
pub(crate) fn id_list(ids: impl IntoIterator<Item = uuid::Uuid>) -> String {
    let hex: Vec<String> = ids.into_iter().map(|id| id.simple().to_string()).collect();
    serde_json::Value::from(hex).to_string()
}

/// Checks that a write touched as many rows as it must.
pub(crate) const fn touched(statement: &'static str, actual: u64, expected: u64) -> Result<()> {
    if actual == expected {
        Ok(())
    } else {
        Err(StoreError::RowsTouched { statement, expected, actual })
    }
}

/// Every statement of the room, for the test that prepares them on both engines.
pub fn all_statements() -> Vec<(&'static str, dialect::Sql)> {
    [
        STATEMENTS,
        activities::STATEMENTS,
        alarms::STATEMENTS,
        attempts::STATEMENTS,
        backlog::STATEMENTS,
        doctor::STATEMENTS,
        holds::STATEMENTS,
        homes::STATEMENTS,
        inbound::STATEMENTS,
        intake::STATEMENTS,
        invites::STATEMENTS,
        jobs::STATEMENTS,
        listening::STATEMENTS,
        messages::STATEMENTS,
        meta::STATEMENTS,
        parked::STATEMENTS,
        parts::STATEMENTS,
        patients::STATEMENTS,
        patients::contacts::STATEMENTS,
        patients::lists::STATEMENTS,
        patients::wakes::STATEMENTS,
        plans::STATEMENTS,
        reach::STATEMENTS,
        receipts::STATEMENTS,
        reminders::STATEMENTS,
        replies::STATEMENTS,
        retention::STATEMENTS,
        sources::STATEMENTS,
        spending::STATEMENTS,
        story::STATEMENTS,
        sweep::STATEMENTS,
        tasks::STATEMENTS,
        media::STATEMENTS,
        templates::STATEMENTS,
        watch::STATEMENTS,
    ]
    .concat()
}

impl Store {
    /// Prepares every statement of the room, and returns those the engine refuses: name and the engine's words.
    /// A wrong column, type or arity shows here before any patient waits for it.
    pub async fn refused_statements(&self) -> Result<Vec<(&'static str, String)>> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        let mut refused = Vec::new();
        let mut tx = self.read().await?;
        for (name, statement) in all_statements() {
            let verdict = match &mut tx {
                Tx::Sqlite(tx) => tx.prepare(statement.sqlite.into_sql_str()).await.map(|_| ()),
                Tx::Postgres(tx) => tx.prepare(statement.postgres.into_sql_str()).await.map(|_| ()),
            };
            if let Err(fault) = verdict {
                refused.push((name, fault.to_string()));
                // PostgreSQL refuses everything after an error in the same transaction.
                drop(tx);
                tx = self.read().await?;
            }
        }
        Ok(refused)
    }
}
