//! Facts about the database: its identity, mode, host and key; holds; the instances that share it.

use super::dialect::{Sql, on, statements};
use super::{Result, Tx};
use crate::care::UtcMs;
use crate::care::ids::InstanceId;

/// Names of facts.
pub mod fact {
    /// Random identity of this database.
    pub const DATABASE_ID: &str = "database_id";
    /// `sandbox`, `live` or `demo`.
    pub const MODE: &str = "mode";
    /// Host that stamped it (SQLite).
    pub const HOST: &str = "host";
    /// Fingerprint of the master key.
    pub const KEY_FINGERPRINT: &str = "key_fingerprint";
    /// When it went live, ms since 1970 UTC.
    pub const LIVE_SINCE_MS: &str = "live_since_ms";
    /// When a webhook was last verified, ms since 1970 UTC, per channel: `webhook_verified_ms.<channel>`.
    pub const WEBHOOK_VERIFIED_MS: &str = "webhook_verified_ms.";
    /// When a daemon was last at work, ms since 1970 UTC by the business clock.
    pub const AT_WORK_MS: &str = "at_work_ms";
    /// When a real provider first called back, ms since 1970 UTC: what patients say from then on is their own.
    pub const HEARD_LIVE_SINCE_MS: &str = "heard_live_since_ms";
    /// The newest time at which a daemon believed its clock, ms since 1970 UTC.
    pub const CLOCK_KNOWN_MS: &str = "clock_known_ms";
    /// What the wall clock showed when a person last said that it is right, ms since 1970 UTC.
    pub const CLOCK_CONFIRMED_MS: &str = "clock_confirmed_ms";
    /// Why a host's clock is not believed, as JSON, per host: `clock_trouble.<host>`.
    pub const CLOCK_TROUBLE: &str = "clock_trouble.";
}

statements! {
    GET = Sql::both("-- meta::get\nSELECT value FROM meta WHERE key = $1");
    SET = Sql::both("-- meta::set\nINSERT INTO meta (key, value) VALUES ($1, $2) \
        ON CONFLICT (key) DO UPDATE SET value = excluded.value");
    SET_ONCE = Sql::both("-- meta::set_once\nINSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING");
    FORGET = Sql::both("-- meta::forget\nDELETE FROM meta WHERE key = $1");
    BEGINNING = Sql::both("-- meta::beginning\nSELECT key, value FROM meta WHERE substr(key, 1, length($1)) = $1 ORDER BY key");
    BEAT = Sql::both("-- meta::beat\nINSERT INTO instances (id, host, pid, version, started_at_ms, heartbeat_ms) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET heartbeat_ms = excluded.heartbeat_ms");
    LIVE = Sql::both("-- meta::live_instances\nSELECT count(*) FROM instances WHERE heartbeat_ms >= $1");
    LEAVE = Sql::both("-- meta::leave\nDELETE FROM instances WHERE id = $1 OR heartbeat_ms < $2");
    FORGET_RESTS = Sql::both("-- meta::leave\nDELETE FROM channel_rests WHERE instance_id NOT IN (SELECT id FROM instances)");
    INSTANCES = Sql::both("-- meta::instances\nSELECT id, host, pid, version, started_at_ms, heartbeat_ms FROM instances ORDER BY started_at_ms");
}

/// The value of a fact.
pub async fn get(tx: &mut Tx, key: &str) -> Result<Option<String>> {
    Ok(on!(tx, GET, |c, sql| sqlx::query_scalar(sql).bind(key).fetch_optional(c).await?))
}

/// Sets a fact.
pub async fn set(tx: &mut Tx, key: &str, value: &str) -> Result<()> {
    on!(tx, SET, |c, sql| {
        sqlx::query(sql).bind(key).bind(value).execute(c).await?;
    });
    Ok(())
}

/// Sets a fact unless it is there already, and returns what then holds.
pub async fn set_once(tx: &mut Tx, key: &str, value: &str) -> Result<String> {
    on!(tx, SET_ONCE, |c, sql| {
        sqlx::query(sql).bind(key).bind(value).execute(c).await?;
    });
    Ok(get(tx, key).await?.unwrap_or_default())
}

/// Drops a fact.
pub async fn forget(tx: &mut Tx, key: &str) -> Result<()> {
    on!(tx, FORGET, |c, sql| {
        sqlx::query(sql).bind(key).execute(c).await?;
    });
    Ok(())
}

/// Facts whose names begin with `prefix`: the rest of each name, and its value.
pub async fn beginning(tx: &mut Tx, prefix: &str) -> Result<Vec<(String, String)>> {
    let rows: Vec<(String, String)> =
        on!(tx, BEGINNING, |c, sql| sqlx::query_as(sql).bind(prefix).fetch_all(c).await?);
    let rest = |key: String| key.strip_prefix(prefix).map(str::to_owned).unwrap_or(key);
    Ok(rows.into_iter().map(|(key, value)| (rest(key), value)).collect())
}

/// A running daemon.
#[derive(Clone, Debug, sqlx::FromRow, serde::Serialize)]
pub struct InstanceRow {
    /// Its id.
    pub id: uuid::Uuid,
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: i64,
    /// Program version.
    pub version: String,
    /// When it started, ms since 1970 UTC.
    pub started_at_ms: i64,
    /// When it last said it lives, on the database's clock.
    pub heartbeat_ms: i64,
}

/// Says that an instance lives.
pub async fn beat(tx: &mut Tx, instance: &InstanceRow) -> Result<()> {
    on!(tx, BEAT, |c, sql| {
        sqlx::query(sql)
            .bind(instance.id)
            .bind(&instance.host)
            .bind(instance.pid)
            .bind(&instance.version)
            .bind(instance.started_at_ms)
            .bind(instance.heartbeat_ms)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// How many instances have been heard of since `since` (database clock).
pub async fn live_instances(tx: &mut Tx, since: UtcMs) -> Result<u32> {
    let live: i64 =
        on!(tx, LIVE, |c, sql| sqlx::query_scalar(sql).bind(since.0).fetch_one(c).await?);
    Ok(u32::try_from(live).unwrap_or(u32::MAX))
}

/// Takes an instance off the list, and those that have not been heard of since `before` (database clock), with the
/// senders they rested.
pub async fn leave(tx: &mut Tx, instance: InstanceId, before: UtcMs) -> Result<()> {
    on!(tx, LEAVE, |c, sql| {
        sqlx::query(sql).bind(instance.0).bind(before.0).execute(c).await?;
    });
    on!(tx, FORGET_RESTS, |c, sql| {
        sqlx::query(sql).execute(c).await?;
    });
    Ok(())
}

/// The instances that share this database.
pub async fn instances(tx: &mut Tx) -> Result<Vec<InstanceRow>> {
    Ok(on!(tx, INSTANCES, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}
