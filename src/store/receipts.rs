//! Receipts: what providers say of attempts, each once; parked while we do not know the attempt.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Id, rows};
use super::{Result, StoreError, Tx, id_list};
use crate::care::ids::{AttemptId, ReceiptId};
use crate::care::{ReceiptStatus, UtcMs};
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRow {
    /// Id.
    pub id: ReceiptId,
    /// Configured channel.
    pub channel: String,
    /// Provider's message id.
    pub provider_id: String,
    /// What it says.
    pub status: ReceiptStatus,
    /// Provider's error code; empty: none.
    pub code: String,
    /// The attempt; none while parked.
    pub attempt: Option<AttemptId>,
    /// Provider's time.
    pub at: Option<UtcMs>,
    /// Ours.
    pub received_at: UtcMs,
}

#[derive(FromRow)]
struct Raw {
    id: Uuid,
    channel: String,
    provider_id: String,
    status: String,
    code: String,
    attempt_id: Option<Uuid>,
    at_ms: Option<i64>,
    received_at_ms: i64,
}

impl TryFrom<Raw> for ReceiptRow {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        Ok(Self {
            id: ReceiptId(raw.id),
            channel: raw.channel,
            provider_id: raw.provider_id,
            status: ReceiptStatus::parse(&raw.status).ok_or(StoreError::Inconsistent {
                table: "receipts",
                column: "status",
                what: "an unknown word",
            })?,
            code: raw.code,
            attempt: raw.attempt_id.map(AttemptId),
            at: raw.at_ms.map(UtcMs),
            received_at: UtcMs(raw.received_at_ms),
        })
    }
}

statements! {
    INSERT = insert_rows!("-- receipts::insert" "receipts" (id id, channel text, provider_id text, status text, code text, attempt_id id,
        at_ms int, received_at_ms int) "ON CONFLICT (channel, provider_id, status, code) DO NOTHING RETURNING id");
    PARKED = sql!(("-- receipts::parked\nSELECT id, channel, provider_id, status, code, attempt_id, at_ms, received_at_ms FROM receipts \
        WHERE attempt_id IS NULL AND provider_id IN "), (texts "$1"), (" ORDER BY received_at_ms, id"));
    MATCH = Sql::both("-- receipts::match_parked\nUPDATE receipts SET attempt_id = $3 WHERE channel = $1 AND provider_id = $2 AND attempt_id IS NULL");
    OF_ATTEMPTS = sql!(("-- receipts::of_attempts\nSELECT id, channel, provider_id, status, code, attempt_id, at_ms, received_at_ms FROM receipts \
        WHERE attempt_id IN "), (ids "$1"), (" ORDER BY received_at_ms, id"));
    COUNT_PARKED = Sql::both("-- receipts::count_parked\nSELECT count(*) FROM receipts WHERE attempt_id IS NULL");
    COUNT_DELIVERED = Sql::both("-- receipts::count\nSELECT status, count(*) AS receipts FROM receipts GROUP BY status ORDER BY status");
    GO_LIVE = Sql::both("-- receipts::go_live\nDELETE FROM receipts WHERE attempt_id IS NULL");
}

#[derive(Serialize)]
struct InsertRow<'a> {
    id: Id,
    channel: &'a str,
    provider_id: &'a str,
    status: &'static str,
    code: &'a str,
    attempt_id: Option<Id>,
    at_ms: Option<i64>,
    received_at_ms: i64,
}

/// Records receipts; returns those that were not there already.
pub async fn insert(tx: &mut Tx, receipts: &[ReceiptRow]) -> Result<Vec<ReceiptId>> {
    if receipts.is_empty() {
        return Ok(Vec::new());
    }
    let rows = rows(receipts.iter().map(|r| InsertRow {
        id: Id(r.id.0),
        channel: &r.channel,
        provider_id: &r.provider_id,
        status: r.status.word(),
        code: &r.code,
        attempt_id: r.attempt.map(|id| Id(id.0)),
        at_ms: r.at.map(|at| at.0),
        received_at_ms: r.received_at.0,
    }))?;
    let ids: Vec<Uuid> =
        on!(tx, INSERT, |c, sql| sqlx::query_scalar(sql).bind(rows).fetch_all(c).await?);
    Ok(ids.into_iter().map(ReceiptId).collect())
}

/// Receipts of any channel that came before we knew these provider ids.
pub async fn parked(tx: &mut Tx, provider_ids: &[&str]) -> Result<Vec<ReceiptRow>> {
    if provider_ids.is_empty() {
        return Ok(Vec::new());
    }
    let list = json!(provider_ids).to_string();
    let rows: Vec<Raw> =
        on!(tx, PARKED, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Gives parked receipts their attempt.
pub async fn match_parked(
    tx: &mut Tx,
    channel: &str,
    provider_id: &str,
    attempt: AttemptId,
) -> Result<()> {
    on!(tx, MATCH, |c, sql| {
        sqlx::query(sql).bind(channel).bind(provider_id).bind(attempt.0).execute(c).await?;
    });
    Ok(())
}

/// Receipts of attempts, in order of arrival.
pub async fn of_attempts(tx: &mut Tx, ids: &[AttemptId]) -> Result<Vec<ReceiptRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, OF_ATTEMPTS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Receipts that nothing matches yet.
pub async fn count_parked(tx: &mut Tx) -> Result<i64> {
    Ok(on!(tx, COUNT_PARKED, |c, sql| sqlx::query_scalar(sql).fetch_one(c).await?))
}

/// How many receipts there are of each status.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, COUNT_DELIVERED, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// Going live: drops what the sandbox said of attempts nobody knows; those that match stay with their attempt.
pub async fn go_live(tx: &mut Tx) -> Result<u64> {
    Ok(on!(tx, GO_LIVE, |c, sql| sqlx::query(sql).execute(c).await?.rows_affected()))
}
