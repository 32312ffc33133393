//! Migrations: the folders `migrations/sqlite` and `migrations/postgres`, same numbers, same names, in the binary.

use super::{Pools, Result, Store, StoreError};
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use std::borrow::Cow;

/// Number, name, SQLite text, PostgreSQL text of every migration, in order.
pub const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "first_tables",
        include_str!("../../migrations/sqlite/0001_first_tables.sql"),
        include_str!("../../migrations/postgres/0001_first_tables.sql"),
    ),
    (
        2,
        "source_names",
        include_str!("../../migrations/sqlite/0002_source_names.sql"),
        include_str!("../../migrations/postgres/0002_source_names.sql"),
    ),
    (
        3,
        "control",
        include_str!("../../migrations/sqlite/0003_control.sql"),
        include_str!("../../migrations/postgres/0003_control.sql"),
    ),
    (
        4,
        "receipt_lines",
        include_str!("../../migrations/sqlite/0004_receipt_lines.sql"),
        include_str!("../../migrations/postgres/0004_receipt_lines.sql"),
    ),
    (
        5,
        "watch",
        include_str!("../../migrations/sqlite/0005_watch.sql"),
        include_str!("../../migrations/postgres/0005_watch.sql"),
    ),
    (
        6,
        "settlement",
        include_str!("../../migrations/sqlite/0006_settlement.sql"),
        include_str!("../../migrations/postgres/0006_settlement.sql"),
    ),
    (
        7,
        "restored",
        include_str!("../../migrations/sqlite/0007_restored.sql"),
        include_str!("../../migrations/postgres/0007_restored.sql"),
    ),
    (
        9,
        "rests",
        include_str!("../../migrations/sqlite/0009_rests.sql"),
        include_str!("../../migrations/postgres/0009_rests.sql"),
    ),
    (
        10,
        "zones",
        include_str!("../../migrations/sqlite/0010_zones.sql"),
        include_str!("../../migrations/postgres/0010_zones.sql"),
    ),
    (
        11,
        "whatsapp",
        include_str!("../../migrations/sqlite/0011_whatsapp.sql"),
        include_str!("../../migrations/postgres/0011_whatsapp.sql"),
    ),
    (
        12,
        "parts",
        include_str!("../../migrations/sqlite/0012_parts.sql"),
        include_str!("../../migrations/postgres/0012_parts.sql"),
    ),
    (
        13,
        "own_parts",
        include_str!("../../migrations/sqlite/0013_own_parts.sql"),
        include_str!("../../migrations/postgres/0013_own_parts.sql"),
    ),
    (
        14,
        "spending",
        include_str!("../../migrations/sqlite/0014_spending.sql"),
        include_str!("../../migrations/postgres/0014_spending.sql"),
    ),
    (
        15,
        "media",
        include_str!("../../migrations/sqlite/0015_media.sql"),
        include_str!("../../migrations/postgres/0015_media.sql"),
    ),
    (
        16,
        "replies",
        include_str!("../../migrations/sqlite/0016_replies.sql"),
        include_str!("../../migrations/postgres/0016_replies.sql"),
    ),
    (
        17,
        "invites",
        include_str!("../../migrations/sqlite/0017_invites.sql"),
        include_str!("../../migrations/postgres/0017_invites.sql"),
    ),
    (
        18,
        "counted_parts",
        include_str!("../../migrations/sqlite/0018_counted_parts.sql"),
        include_str!("../../migrations/postgres/0018_counted_parts.sql"),
    ),
];

/// How far a database's schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MigrationStatus {
    /// Newest migration the database has; 0: none.
    pub applied: i64,
    /// Newest migration this binary has.
    pub known: i64,
}

impl Store {
    /// Brings the schema to this binary's version, each migration in a transaction; on PostgreSQL under an
    /// advisory lock, so that several daemons may start at once.
    pub async fn migrate(&self) -> Result<()> {
        let migrator = migrator(self);
        let done = match &self.pools {
            Pools::Sqlite { writer, .. } => migrator.run(writer).await,
            Pools::Postgres(pool) => migrator.run(pool).await,
        };
        done.map_err(|fault| StoreError::Driver(sqlx::Error::Migrate(Box::new(fault))))
    }

    /// How far the schema is, without touching it.
    pub async fn migration_status(&self) -> Result<MigrationStatus> {
        const TABLE_SQLITE: &str = "-- migrate::status\nSELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
        const TABLE_POSTGRES: &str = "-- migrate::status\nSELECT count(*) FROM pg_class WHERE relname = '_sqlx_migrations' AND pg_table_is_visible(oid)";
        const NEWEST: &str = "-- migrate::status\nSELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
        let known = MIGRATIONS.last().map_or(0, |m| m.0);
        let applied: i64 = match &self.pools {
            Pools::Sqlite { readers, .. } => {
                let tables: i64 = sqlx::query_scalar(TABLE_SQLITE).fetch_one(readers).await?;
                if tables == 0 { 0 } else { sqlx::query_scalar(NEWEST).fetch_one(readers).await? }
            }
            Pools::Postgres(pool) => {
                let tables: i64 = sqlx::query_scalar(TABLE_POSTGRES).fetch_one(pool).await?;
                if tables == 0 { 0 } else { sqlx::query_scalar(NEWEST).fetch_one(pool).await? }
            }
        };
        Ok(MigrationStatus { applied, known })
    }
}

fn migrator(store: &Store) -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|&(number, name, sqlite, postgres)| {
            let text = match store.pools {
                Pools::Sqlite { .. } => sqlite,
                Pools::Postgres(_) => postgres,
            };
            Migration::new(
                number,
                Cow::Borrowed(name),
                MigrationType::Simple,
                text.into_sql_str(),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(migrations)
}
