//! Raw callbacks, stored sealed before they are understood.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Id, rows};
use super::{Result, Tx, id_list};
use crate::care::UtcMs;
use crate::care::ids::InboundId;
use crate::security::{Keyring, Place, hex};
use rand::RngCore;
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

/// A stored callback, opened.
#[derive(Clone, Debug)]
pub struct InboundRow {
    /// Id.
    pub id: InboundId,
    /// Configured channel.
    pub channel: String,
    /// The callback as JSON.
    pub payload: Vec<u8>,
    /// How often it was read before.
    pub tries: i64,
    /// When it came.
    pub received_at: UtcMs,
}

#[derive(FromRow)]
struct Raw {
    id: Uuid,
    channel: String,
    payload: Vec<u8>,
    tries: i64,
    received_at_ms: i64,
}

/// Where a stored callback stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundState {
    /// Not applied yet.
    New,
    /// Applied.
    Done,
    /// Not readable; kept for a later reading.
    Failed,
}

impl InboundState {
    const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

statements! {
    KEEP = insert_rows!("-- inbound::keep" "inbound" (id id, channel text, dedupe_key text, payload bytes, state text, tries int, note text,
        received_at_ms int) "ON CONFLICT (channel, dedupe_key) DO NOTHING");
    FRESH = Sql::both("-- inbound::fresh\nSELECT id, channel, payload, tries, received_at_ms FROM inbound WHERE state = 'new' \
        ORDER BY received_at_ms, id LIMIT $1");
    MARK = Sql::both("-- inbound::mark\nUPDATE inbound SET state = $2, tries = tries + 1, note = $3 WHERE id = $1");
    DONE = sql!(("-- inbound::done\nUPDATE inbound SET state = 'done', tries = tries + 1, note = '' WHERE id IN "), (ids "$1"));
    NEWEST = Sql::both("-- inbound::newest\nSELECT id, channel, state, tries, note, received_at_ms FROM inbound WHERE $1 = '' OR state = $1 \
        ORDER BY received_at_ms DESC, id LIMIT $2");
    REOPEN = sql!(("-- inbound::reopen\nUPDATE inbound SET state = 'new', tries = 0, note = '' WHERE note <> 'sandbox' AND id IN "), (ids "$1"), (" RETURNING id"));
    REOPEN_FAILED = Sql::both("-- inbound::reopen_failed\nUPDATE inbound SET state = 'new', tries = 0, note = '' WHERE state = 'failed' RETURNING id");
    LAST_HEARD = Sql::both("-- inbound::last_heard\nSELECT channel, max(received_at_ms) AS received_at_ms FROM inbound GROUP BY channel");
    COUNT_NEW = Sql::both("-- inbound::count_new\nSELECT count(*) FROM inbound WHERE state = 'new'");
    GO_LIVE = Sql::both("-- inbound::go_live\nUPDATE inbound SET state = 'done', note = 'sandbox' WHERE state = 'new' AND received_at_ms < $1");
}

/// A verified callback to store.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'a> {
    /// Configured channel.
    pub channel: &'a str,
    /// The same callback twice has the same key.
    pub dedupe_key: &'a str,
    /// The callback as JSON, not sealed yet.
    pub payload: &'a [u8],
}

#[derive(Serialize)]
struct KeepRow<'a> {
    id: Id,
    channel: &'a str,
    dedupe_key: &'a str,
    payload: String,
    state: &'static str,
    tries: i64,
    note: &'static str,
    received_at_ms: i64,
}

/// Stores verified callbacks in one insert; those that are there already stay as they are.
pub async fn keep(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    callbacks: &[Keep<'_>],
    now: UtcMs,
) -> Result<()> {
    let rows = rows(callbacks.iter().map(|callback| {
        let id = InboundId::new(now, rng);
        let place = Place { table: "inbound", column: "payload", row: id.0.as_bytes() };
        KeepRow {
            id: Id(id.0),
            channel: callback.channel,
            dedupe_key: callback.dedupe_key,
            payload: hex(&keys.inbox().seal(place, callback.payload, rng)),
            state: InboundState::New.word(),
            tries: 0,
            note: "",
            received_at_ms: now.0,
        }
    }))?;
    on!(tx, KEEP, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// Callbacks that wait to be applied, oldest first; one that does not open is named by its id alone.
pub async fn fresh(
    tx: &mut Tx,
    keys: &Keyring,
    limit: i64,
) -> Result<Vec<std::result::Result<InboundRow, InboundId>>> {
    let rows: Vec<Raw> =
        on!(tx, FRESH, |c, sql| sqlx::query_as(sql).bind(limit).fetch_all(c).await?);
    let open = |raw: Raw| {
        let place = Place { table: "inbound", column: "payload", row: raw.id.as_bytes() };
        let payload = keys.inbox().open(place, &raw.payload).map_err(|_| InboundId(raw.id))?;
        Ok(InboundRow {
            id: InboundId(raw.id),
            channel: raw.channel,
            payload,
            tries: raw.tries,
            received_at: UtcMs(raw.received_at_ms),
        })
    };
    Ok(rows.into_iter().map(open).collect())
}

/// Marks a callback as applied or not readable.
pub async fn mark(tx: &mut Tx, id: InboundId, state: InboundState, note: &str) -> Result<()> {
    on!(tx, MARK, |c, sql| {
        sqlx::query(sql).bind(id.0).bind(state.word()).bind(note).execute(c).await?;
    });
    Ok(())
}

/// Marks callbacks as applied.
pub async fn done(tx: &mut Tx, ids: &[InboundId]) -> Result<()> {
    let list = id_list(ids.iter().map(|id| id.0));
    on!(tx, DONE, |c, sql| {
        sqlx::query(sql).bind(list).execute(c).await?;
    });
    Ok(())
}

/// Where a kept callback stands, without what it says.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Standing {
    /// Id.
    pub id: Uuid,
    /// Configured channel.
    pub channel: String,
    /// [`InboundState`]'s word.
    pub state: String,
    /// How often it was read.
    pub tries: i64,
    /// Why it stands so.
    pub note: String,
    /// When it came.
    pub received_at_ms: i64,
}

/// The newest callbacks, of one state or of all.
pub async fn newest(tx: &mut Tx, state: Option<InboundState>, limit: i64) -> Result<Vec<Standing>> {
    let state = state.map_or("", InboundState::word);
    let rows: Vec<Standing> = on!(tx, NEWEST, |c, sql| {
        sqlx::query_as(sql).bind(state).bind(limit).fetch_all(c).await?
    });
    Ok(rows)
}

/// Has callbacks read again; returns those that there are. What came from the sandbox before going live stays.
pub async fn reopen(tx: &mut Tx, ids: &[InboundId]) -> Result<Vec<InboundId>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let ids: Vec<Uuid> =
        on!(tx, REOPEN, |c, sql| sqlx::query_scalar(sql).bind(list).fetch_all(c).await?);
    Ok(ids.into_iter().map(InboundId).collect())
}

/// Has every callback that failed read again.
pub async fn reopen_failed(tx: &mut Tx) -> Result<Vec<InboundId>> {
    let ids: Vec<Uuid> =
        on!(tx, REOPEN_FAILED, |c, sql| sqlx::query_scalar(sql).fetch_all(c).await?);
    Ok(ids.into_iter().map(InboundId).collect())
}

/// When each channel last called back with a right signature.
pub async fn last_heard(tx: &mut Tx) -> Result<Vec<(String, UtcMs)>> {
    let rows: Vec<(String, i64)> =
        on!(tx, LAST_HEARD, |c, sql| sqlx::query_as(sql).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(channel, at)| (channel, UtcMs(at))).collect())
}

/// Callbacks that wait to be applied.
pub async fn count_new(tx: &mut Tx) -> Result<i64> {
    Ok(on!(tx, COUNT_NEW, |c, sql| sqlx::query_scalar(sql).fetch_one(c).await?))
}

/// Going live: callbacks of the sandbox, which came before `heard_since`, are never applied.
pub async fn go_live(tx: &mut Tx, heard_since: UtcMs) -> Result<u64> {
    Ok(on!(tx, GO_LIVE, |c, sql| {
        sqlx::query(sql).bind(heard_since.0).execute(c).await?.rows_affected()
    }))
}
