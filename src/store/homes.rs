//! State folders and what they remember: counters of sends, and the times when the database knew less than a folder.

use super::dialect::{Sql, on, sql, statements};
use super::{Result, Tx};
use crate::care::UtcMs;
use serde::Serialize;
use uuid::Uuid;

statements! {
    RISE = Sql::both("-- homes::rise\nINSERT INTO send_counters (home_id, sends, at_ms) VALUES ($1, $2, $3) \
        ON CONFLICT (home_id) DO UPDATE SET sends = send_counters.sends + excluded.sends, at_ms = excluded.at_ms RETURNING sends");
    OWN = Sql::both("-- homes::counter\nSELECT sends, at_ms FROM send_counters WHERE home_id = $1");
    // A sum of whole numbers is a numeric on PostgreSQL.
    ALL_SENDS = Sql::both("-- homes::all_sends\nSELECT CAST(coalesce(sum(sends), 0) AS BIGINT) FROM send_counters");
    TIMELINE = sql!(("-- homes::timeline\n"), (timeline));
    FOUND = Sql::both("-- homes::found\nINSERT INTO regressions (home_id, knew, kind, host, file_sends, database_sends, from_ms, until_ms, found_at_ms) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (home_id, knew) DO NOTHING");
    OPEN = Sql::both("-- homes::open\nSELECT home_id, knew, kind, host, file_sends, database_sends, from_ms, until_ms, found_at_ms FROM regressions \
        WHERE settled_at_ms IS NULL ORDER BY found_at_ms, home_id");
    IS_SETTLED = Sql::both("-- homes::is_settled\nSELECT count(*) FROM regressions WHERE home_id = $1 AND knew = $2 AND settled_at_ms IS NOT NULL");
    GAP = Sql::both("-- homes::gap_until\nSELECT max(until_ms) FROM regressions");
    RAISE = Sql::both("-- homes::settle\nINSERT INTO send_counters (home_id, sends, at_ms) \
        SELECT home_id, max(file_sends), $1 FROM regressions WHERE settled_at_ms IS NULL GROUP BY home_id ON CONFLICT (home_id) \
        DO UPDATE SET sends = CASE WHEN excluded.sends > send_counters.sends THEN excluded.sends ELSE send_counters.sends END");
    SETTLE = Sql::both("-- homes::settle\nUPDATE regressions SET settled_at_ms = $1 WHERE settled_at_ms IS NULL");
    WAITING = Sql::both("-- homes::waiting\nSELECT id, class, minute_ms, valid_until_ms FROM messages WHERE state = 'queued' AND minute_ms <= $1 \
        AND valid_until_ms > $2 AND class <> 'answer' ORDER BY minute_ms, id");
    UNSURE = Sql::both("-- homes::unsure\nSELECT a.id, a.channel, a.state, a.intent_at_ms FROM attempts a JOIN messages m ON m.id = a.message_id \
        WHERE a.state IN ('intent', 'unknown') AND m.state IN ('sending', 'unknown') AND m.valid_until_ms > $1 ORDER BY a.intent_at_ms, a.id");
}

/// Counts sends of a home, in the transaction of their intents; returns the count after them.
pub async fn rise(tx: &mut Tx, home: Uuid, more: i64, now: UtcMs) -> Result<i64> {
    Ok(on!(tx, RISE, |c, sql| {
        sqlx::query_scalar(sql).bind(home).bind(more).bind(now.0).fetch_one(c).await?
    }))
}

/// Sends of a home that the database knows of, and when the last was.
pub async fn counter(tx: &mut Tx, home: Uuid) -> Result<Option<(i64, UtcMs)>> {
    let row: Option<(i64, i64)> =
        on!(tx, OWN, |c, sql| sqlx::query_as(sql).bind(home).fetch_optional(c).await?);
    Ok(row.map(|(sends, at)| (sends, UtcMs(at))))
}

/// Sends of all homes.
pub async fn all_sends(tx: &mut Tx) -> Result<i64> {
    Ok(on!(tx, ALL_SENDS, |c, sql| sqlx::query_scalar(sql).fetch_one(c).await?))
}

/// The server's identifier and timeline, and whether a commit waits for a standby; none on SQLite.
pub async fn timeline(tx: &mut Tx) -> Result<(Option<String>, bool)> {
    let (timeline, synchronous): (Option<String>, i64) =
        on!(tx, TIMELINE, |c, sql| sqlx::query_as(sql).fetch_one(c).await?);
    Ok((timeline, synchronous == 1))
}

/// That the database knows less than a home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct RegressionRow {
    /// The home.
    #[serde(rename = "home")]
    pub home_id: Uuid,
    /// What it remembered, as [`crate::home::Memory::fingerprint`] writes it.
    #[serde(skip)]
    pub knew: String,
    /// `forgot`, `other-database` or `new-timeline`.
    pub kind: String,
    /// Host of the daemon that found it.
    pub host: String,
    /// Sends of the home, by its own file.
    pub file_sends: i64,
    /// Sends of the home, by the database.
    pub database_sends: i64,
    /// The last send of the home that the database knows of, ms since 1970 UTC.
    pub from_ms: Option<i64>,
    /// After it nothing that the database does not know of can have gone, ms since 1970 UTC.
    pub until_ms: i64,
    /// When it was found, ms since 1970 UTC.
    pub found_at_ms: i64,
}

/// Records that the database knows less than a home; once for each memory of it.
pub async fn found(tx: &mut Tx, row: &RegressionRow) -> Result<()> {
    on!(tx, FOUND, |c, sql| {
        sqlx::query(sql)
            .bind(row.home_id)
            .bind(&row.knew)
            .bind(&row.kind)
            .bind(&row.host)
            .bind(row.file_sends)
            .bind(row.database_sends)
            .bind(row.from_ms)
            .bind(row.until_ms)
            .bind(row.found_at_ms)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// What nobody has settled yet.
pub async fn open(tx: &mut Tx) -> Result<Vec<RegressionRow>> {
    Ok(on!(tx, OPEN, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// Whether somebody settled what a home with this memory found.
pub async fn is_settled(tx: &mut Tx, home: Uuid, knew: &str) -> Result<bool> {
    let rows: i64 = on!(tx, IS_SETTLED, |c, sql| {
        sqlx::query_scalar(sql).bind(home).bind(knew).fetch_one(c).await?
    });
    Ok(rows > 0)
}

/// When the last gap ended in which messages went out that this database has no record of.
pub async fn gap_until(tx: &mut Tx) -> Result<Option<UtcMs>> {
    let until: Option<i64> = on!(tx, GAP, |c, sql| sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(until.map(UtcMs))
}

/// Settles what is open: the counters take what the homes remember. Returns how many it settled.
pub async fn settle(tx: &mut Tx, now: UtcMs) -> Result<u64> {
    on!(tx, RAISE, |c, sql| {
        sqlx::query(sql).bind(now.0).execute(c).await?;
    });
    Ok(on!(tx, SETTLE, |c, sql| sqlx::query(sql).bind(now.0).execute(c).await?.rows_affected()))
}

/// A queued message that may have gone already.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct WaitingRow {
    /// Id.
    pub id: Uuid,
    /// Class.
    pub class: String,
    /// The minute it was due, ms since 1970 UTC.
    pub minute_ms: i64,
    /// Never sent at or after it, ms since 1970 UTC.
    pub valid_until_ms: i64,
}

/// Messages that were due by `until`, are queued and still valid: in the gap they may have gone.
pub async fn waiting(tx: &mut Tx, until: UtcMs, now: UtcMs) -> Result<Vec<WaitingRow>> {
    Ok(on!(tx, WAITING, |c, sql| sqlx::query_as(sql)
        .bind(until.0)
        .bind(now.0)
        .fetch_all(c)
        .await?))
}

/// An attempt of a message still valid, whose outcome nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct UnsureRow {
    /// Id.
    pub id: Uuid,
    /// Over which channel.
    pub channel: String,
    /// `intent` or `unknown`.
    pub state: String,
    /// When its intent was committed, ms since 1970 UTC.
    pub intent_at_ms: i64,
}

/// Attempts of messages still valid, whose outcome nobody knows.
pub async fn unsure(tx: &mut Tx, now: UtcMs) -> Result<Vec<UnsureRow>> {
    Ok(on!(tx, UNSURE, |c, sql| sqlx::query_as(sql).bind(now.0).fetch_all(c).await?))
}
