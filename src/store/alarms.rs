//! Alarms: one narrow table in due order. An alarm holds no lease; its owner's row is the lock and names it.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::rows;
use super::{Result, Tx};
use crate::care::{Class, UtcMs};
use crate::policy::held_back::LOOK_AGAIN_MS;
use serde::Serialize;
use uuid::Uuid;

/// Whose alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// A patient's: its next slot is due soon.
    Patient,
    /// A message's: it may leave.
    Message,
    /// An attempt's: its unknown outcome is to be settled.
    Settle,
}

impl AlarmKind {
    /// The word stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Message => "message",
            Self::Settle => "settle",
        }
    }
}

/// One alarm, by its full key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// Whose.
    pub kind: &'static str,
    /// Messages: priority and sender; else empty.
    pub lane: String,
    /// When.
    pub wake_at_ms: i64,
    /// The owner, as hexadecimal digits.
    id: String,
}

impl Alarm {
    /// An alarm.
    pub fn new(kind: AlarmKind, lane: &str, wake_at: UtcMs, id: Uuid) -> Self {
        Self {
            kind: kind.word(),
            lane: lane.to_owned(),
            wake_at_ms: wake_at.0,
            id: id.simple().to_string(),
        }
    }
}

/// What a claim takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Due {
    /// When it was due, ms since 1970 UTC.
    pub wake_at_ms: i64,
    /// The owner.
    pub id: Uuid,
}

/// A lane with its earliest alarm.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Lane {
    /// Its name.
    pub lane: String,
    /// Its earliest alarm, ms since 1970 UTC.
    pub wake_at_ms: i64,
}

statements! {
    DUE = sql!(("-- alarms::due\nSELECT wake_at_ms, id FROM alarms WHERE kind = $1 AND lane = $2 \
        AND wake_at_ms <= $3 ORDER BY wake_at_ms, id LIMIT $4"), (skip));
    NEWEST = sql!(("-- alarms::newest\nSELECT wake_at_ms, id FROM alarms WHERE kind = $1 AND lane = $2 \
        AND wake_at_ms <= $3 ORDER BY wake_at_ms DESC, id DESC LIMIT $4"), (skip));
    DUE_UNLOCKED = Sql::both("-- alarms::due_unlocked\nSELECT wake_at_ms, id FROM alarms WHERE kind = $1 AND lane = $2 \
        AND wake_at_ms <= $3 ORDER BY wake_at_ms, id LIMIT $4");
    HELD_DUE = sql!(("-- alarms::held_due\nSELECT alarms.wake_at_ms, alarms.id FROM alarms JOIN messages ON messages.id = alarms.id \
        WHERE alarms.kind = $1 AND alarms.lane = $2 AND alarms.wake_at_ms <= $3 AND (messages.valid_until_ms <= $3 OR \
        ((messages.updated_at_ms <= messages.wake_at_ms OR messages.updated_at_ms <= $6) AND messages.class IN "),
        (texts "$5"), (")) ORDER BY alarms.wake_at_ms, alarms.id LIMIT $4"));
    NEXT = Sql::both("-- alarms::next\nSELECT min(wake_at_ms) FROM alarms WHERE kind = $1 AND lane = $2");
    // From one lane to the next by the key: a herd's alarms are not walked.
    LANES = Sql::both("-- alarms::lanes\nWITH RECURSIVE lanes (lane) AS (SELECT min(lane) FROM alarms WHERE kind = $1 \
        UNION ALL SELECT (SELECT min(a.lane) FROM alarms a WHERE a.kind = $1 AND a.lane > lanes.lane) FROM lanes WHERE lanes.lane IS NOT NULL) \
        SELECT lane, (SELECT min(b.wake_at_ms) FROM alarms b WHERE b.kind = $1 AND b.lane = lanes.lane) AS wake_at_ms \
        FROM lanes WHERE lane IS NOT NULL ORDER BY lane");
    QUEUED = Sql::both("-- alarms::queued\nSELECT lane, count(*) AS messages FROM alarms WHERE kind = $1 GROUP BY lane ORDER BY lane");
    PUT = insert_rows!("-- alarms::put" "alarms" (kind text, lane text, wake_at_ms int, id id)
        "ON CONFLICT (kind, lane, wake_at_ms, id) DO NOTHING");
    DROP = sql!(("-- alarms::drop_all\nDELETE FROM alarms WHERE (kind, lane, wake_at_ms, id) IN "),
        (rows "$1" kind text, lane text, wake_at_ms int, id id));
    OF = Sql::both("-- alarms::of\nSELECT lane, wake_at_ms FROM alarms WHERE kind = $1 AND id = $2 ORDER BY wake_at_ms, lane");
    DROP_OF = Sql::both("-- alarms::drop_of\nDELETE FROM alarms WHERE kind = $1 AND id = $2");
    REBUILD_PATIENTS = Sql::both("-- alarms::rebuild\nINSERT INTO alarms (kind, lane, wake_at_ms, id) \
        SELECT 'patient', '', wake_at_ms, id FROM patients WHERE wake_at_ms IS NOT NULL \
        ON CONFLICT (kind, lane, wake_at_ms, id) DO NOTHING");
    REBUILD_MESSAGES = Sql::both("-- alarms::rebuild\nINSERT INTO alarms (kind, lane, wake_at_ms, id) \
        SELECT 'message', lane, wake_at_ms, id FROM messages WHERE wake_at_ms IS NOT NULL \
        ON CONFLICT (kind, lane, wake_at_ms, id) DO NOTHING");
    REBUILD_SETTLE = Sql::both("-- alarms::rebuild\nINSERT INTO alarms (kind, lane, wake_at_ms, id) \
        SELECT 'settle', '', wake_at_ms, id FROM attempts WHERE wake_at_ms IS NOT NULL \
        ON CONFLICT (kind, lane, wake_at_ms, id) DO NOTHING");
}

/// Alarms of one lane that are due, in due order; on PostgreSQL locked, busy ones left out.
pub async fn due(
    tx: &mut Tx,
    kind: AlarmKind,
    lane: &str,
    now: UtcMs,
    limit: usize,
) -> Result<Vec<Due>> {
    pick(tx, DUE, kind, lane, now, limit).await
}

/// The same from the newest down.
pub async fn newest(
    tx: &mut Tx,
    kind: AlarmKind,
    lane: &str,
    now: UtcMs,
    limit: usize,
) -> Result<Vec<Due>> {
    pick(tx, NEWEST, kind, lane, now, limit).await
}

/// In due order without locks: to step alarms one by one.
pub async fn due_unlocked(
    tx: &mut Tx,
    kind: AlarmKind,
    lane: &str,
    now: UtcMs,
    limit: usize,
) -> Result<Vec<Due>> {
    pick(tx, DUE_UNLOCKED, kind, lane, now, limit).await
}

/// Of a lane that is held back: alarms that are due of messages whose validity has ended, or whose class is one of
/// `classes` and that were not looked at since they came due, or not for [`LOOK_AGAIN_MS`]. Not locked: their owners are.
pub async fn held_due(
    tx: &mut Tx,
    lane: &str,
    classes: &[Class],
    now: UtcMs,
    limit: usize,
) -> Result<Vec<Due>> {
    let words: Vec<&str> = classes.iter().map(|class| class.word()).collect();
    let words = serde_json::json!(words).to_string();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(on!(tx, HELD_DUE, |c, sql| sqlx::query_as(sql)
        .bind(AlarmKind::Message.word())
        .bind(lane)
        .bind(now.0)
        .bind(limit)
        .bind(words)
        .bind(now.plus_ms(-LOOK_AGAIN_MS).0)
        .fetch_all(c)
        .await?))
}

async fn pick(
    tx: &mut Tx,
    statement: Sql,
    kind: AlarmKind,
    lane: &str,
    now: UtcMs,
    limit: usize,
) -> Result<Vec<Due>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(on!(tx, statement, |c, sql| sqlx::query_as(sql)
        .bind(kind.word())
        .bind(lane)
        .bind(now.0)
        .bind(limit)
        .fetch_all(c)
        .await?))
}

/// The earliest alarm of a kind that has no lanes.
pub async fn next(tx: &mut Tx, kind: AlarmKind) -> Result<Option<UtcMs>> {
    let at: Option<i64> = on!(tx, NEXT, |c, sql| {
        sqlx::query_scalar(sql).bind(kind.word()).bind("").fetch_one(c).await?
    });
    Ok(at.map(UtcMs))
}

/// Every lane of messages with its earliest alarm, most urgent first.
pub async fn lanes(tx: &mut Tx) -> Result<Vec<Lane>> {
    Ok(on!(tx, LANES, |c, sql| {
        sqlx::query_as(sql).bind(AlarmKind::Message.word()).fetch_all(c).await?
    }))
}

/// How many messages wait on each lane.
pub async fn queued(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, QUEUED, |c, sql| {
        sqlx::query_as(sql).bind(AlarmKind::Message.word()).fetch_all(c).await?
    }))
}

/// The alarms of one owner. No index leads there: for rows that brought a process down.
pub async fn of(tx: &mut Tx, kind: AlarmKind, id: Uuid) -> Result<Vec<Lane>> {
    Ok(on!(tx, OF, |c, sql| sqlx::query_as(sql).bind(kind.word()).bind(id).fetch_all(c).await?))
}

/// Takes the alarms of one owner away, without reading it.
pub async fn drop_of(tx: &mut Tx, kind: AlarmKind, id: Uuid) -> Result<()> {
    on!(tx, DROP_OF, |c, sql| {
        sqlx::query(sql).bind(kind.word()).bind(id).execute(c).await?;
    });
    Ok(())
}

/// Sets alarms.
pub async fn put(tx: &mut Tx, alarms: &[Alarm]) -> Result<()> {
    if alarms.is_empty() {
        return Ok(());
    }
    let rows = rows(alarms)?;
    on!(tx, PUT, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// Takes alarms away, by their full keys.
pub async fn drop_all(tx: &mut Tx, alarms: &[Alarm]) -> Result<()> {
    if alarms.is_empty() {
        return Ok(());
    }
    let rows = rows(alarms)?;
    on!(tx, DROP, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// Puts back what is missing: alarms are derived from the owners that name them.
pub async fn rebuild(tx: &mut Tx) -> Result<u64> {
    let mut put_back = 0;
    for statement in [REBUILD_PATIENTS, REBUILD_MESSAGES, REBUILD_SETTLE] {
        put_back += on!(tx, statement, |c, sql| sqlx::query(sql).execute(c).await?.rows_affected());
    }
    Ok(put_back)
}
