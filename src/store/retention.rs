//! What is dropped when it is old: rows that only tell, and no promise needs. Ids are in order of time, so that each
//! statement begins at the oldest row; each touches a bounded number of rows.
//!
//! Never dropped: reminders and gap rows (a slot without its row would be written again), messages and attempts
//! (receipts must find them), consents, replies, audit rows, open tasks.

use super::dialect::{Sql, on, sql, statements};
use super::{Result, Tx, id_list, meta};
use crate::care::UtcMs;
use uuid::Uuid;

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stale {
    /// Raw callbacks that were applied, or could not be.
    Callbacks,
    /// Receipts: what they proved is in their attempts.
    Receipts,
    /// Turns of the story.
    Turns,
    /// What was sent where, in attempts that are over; the attempts stay.
    Contents,
    /// Tasks that are done.
    Tasks,
    /// What the watch found hour by hour.
    WatchHours,
    /// Outages that were reported.
    Outages,
}

impl Stale {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Callbacks,
        Self::Receipts,
        Self::Turns,
        Self::Contents,
        Self::Tasks,
        Self::WatchHours,
        Self::Outages,
    ];

    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Callbacks => "callbacks",
            Self::Receipts => "receipts",
            Self::Turns => "turns",
            Self::Contents => "contents",
            Self::Tasks => "tasks",
            Self::WatchHours => "watch-hours",
            Self::Outages => "outages",
        }
    }
}

/// The last attempt whose content was looked at.
const CONTENTS_AFTER: &str = "retention_contents_after";

statements! {
    CALLBACKS = Sql::both("-- retention::drop_some\nDELETE FROM inbound WHERE id IN \
        (SELECT id FROM inbound WHERE id < $1 AND state IN ('done', 'failed') ORDER BY id LIMIT $2)");
    RECEIPTS = Sql::both("-- retention::drop_some\nDELETE FROM receipts WHERE id IN (SELECT id FROM receipts WHERE id < $1 ORDER BY id LIMIT $2)");
    TURNS = Sql::both("-- retention::drop_some\nDELETE FROM transitions WHERE id IN (SELECT id FROM transitions WHERE id < $1 ORDER BY id LIMIT $2)");
    TASKS = Sql::both("-- retention::drop_some\nDELETE FROM tasks WHERE id IN \
        (SELECT id FROM tasks WHERE id < $1 AND state = 'done' ORDER BY id LIMIT $2)");
    WATCH_HOURS = Sql::both("-- retention::drop_some\nDELETE FROM watch_hours WHERE (hour_ms, programme, zone) IN \
        (SELECT hour_ms, programme, zone FROM watch_hours WHERE hour_ms < $1 ORDER BY hour_ms LIMIT $2)");
    OUTAGES = Sql::both("-- retention::drop_some\nDELETE FROM outages WHERE (channel, since_ms) IN \
        (SELECT channel, since_ms FROM outages WHERE reported_ms < $1 LIMIT $2)");
    NEXT_CONTENTS = Sql::both("-- retention::drop_contents\nSELECT id FROM attempts WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3");
    EMPTY_CONTENTS = sql!(("-- retention::drop_contents\nUPDATE attempts SET content = $2 WHERE state <> 'intent' AND wake_at_ms IS NULL AND id IN "), (ids "$1"));
}

/// Drops up to `limit` rows of a kind from before `before`; returns how many it looked at: fewer than `limit` when
/// none are left.
pub async fn drop_some(tx: &mut Tx, kind: Stale, before: UtcMs, limit: i64) -> Result<u64> {
    let statement = match kind {
        Stale::Callbacks => CALLBACKS,
        Stale::Receipts => RECEIPTS,
        Stale::Turns => TURNS,
        Stale::Tasks => TASKS,
        Stale::WatchHours | Stale::Outages => return drop_by_time(tx, kind, before, limit).await,
        Stale::Contents => return drop_contents(tx, before, limit).await,
    };
    let first_kept = first_id_at(before);
    Ok(on!(tx, statement, |c, sql| {
        sqlx::query(sql).bind(first_kept).bind(limit).execute(c).await?.rows_affected()
    }))
}

async fn drop_by_time(tx: &mut Tx, kind: Stale, before: UtcMs, limit: i64) -> Result<u64> {
    let statement = if kind == Stale::WatchHours { WATCH_HOURS } else { OUTAGES };
    Ok(on!(tx, statement, |c, sql| {
        sqlx::query(sql).bind(before.0).bind(limit).execute(c).await?.rows_affected()
    }))
}

/// The attempts stay, so how far they are emptied is remembered.
async fn drop_contents(tx: &mut Tx, before: UtcMs, limit: i64) -> Result<u64> {
    let after = meta::get(tx, CONTENTS_AFTER).await?;
    let after = after.and_then(|id| Uuid::try_parse(&id).ok()).unwrap_or_default();
    let ids: Vec<Uuid> = on!(tx, NEXT_CONTENTS, |c, sql| {
        sqlx::query_scalar(sql)
            .bind(after)
            .bind(first_id_at(before))
            .bind(limit)
            .fetch_all(c)
            .await?
    });
    let Some(last) = ids.last() else { return Ok(0) };
    meta::set(tx, CONTENTS_AFTER, &last.simple().to_string()).await?;
    let looked_at = ids.len() as u64;
    let list = id_list(ids);
    on!(tx, EMPTY_CONTENTS, |c, sql| {
        sqlx::query(sql).bind(list).bind(Vec::<u8>::new()).execute(c).await?;
    });
    Ok(looked_at)
}

/// The least id that a row of `at` can have: ids begin with their millisecond (UUID version 7).
pub fn first_id_at(at: UtcMs) -> Uuid {
    Uuid::from_u128(u128::from(u64::try_from(at.0).unwrap_or(0)) << 80)
}
