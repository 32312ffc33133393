//! Parts of an attempt of which the provider tells one by one.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Id, rows};
use super::{Result, StoreError, Tx, id_list};
use crate::care::ReceiptStatus;
use crate::care::ids::AttemptId;
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

/// A part of what an attempt said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRow {
    /// The attempt.
    pub attempt: AttemptId,
    /// 1, 2, ... in the order of the text.
    pub part: i64,
    /// Configured channel.
    pub channel: String,
    /// Provider's id of the part.
    pub provider_id: String,
    /// The most that was said of it.
    pub state: ReceiptStatus,
}

#[derive(FromRow)]
struct Raw {
    attempt_id: Uuid,
    part: i64,
    channel: String,
    provider_id: String,
    state: String,
}

impl TryFrom<Raw> for PartRow {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        Ok(Self {
            attempt: AttemptId(raw.attempt_id),
            part: raw.part,
            channel: raw.channel,
            provider_id: raw.provider_id,
            state: ReceiptStatus::parse(&raw.state).ok_or(StoreError::Inconsistent {
                table: "attempt_parts",
                column: "state",
                what: "an unknown word",
            })?,
        })
    }
}

statements! {
    PUT = insert_rows!("-- parts::put" "attempt_parts" (attempt_id id, part int, channel text, provider_id text, state text)
        "ON CONFLICT (attempt_id, part) DO UPDATE SET state = excluded.state");
    ADD = insert_rows!("-- parts::add" "attempt_parts" (attempt_id id, part int, channel text, provider_id text, state text)
        "ON CONFLICT (attempt_id, part) DO NOTHING");
    NAMED = sql!(("-- parts::named\nSELECT attempt_id, part, channel, provider_id, state FROM attempt_parts WHERE channel IN "),
        (texts "$1"), (" AND provider_id IN "), (texts "$2"), (" ORDER BY attempt_id, part"));
    OF_ATTEMPTS = sql!(("-- parts::of_attempts\nSELECT attempt_id, part, channel, provider_id, state FROM attempt_parts WHERE attempt_id IN "),
        (ids "$1"), (" ORDER BY attempt_id, part"));
    ATTEMPT_OF = Sql::both("-- parts::attempt_of\nSELECT attempt_id FROM attempt_parts WHERE channel = $1 AND provider_id = $2 LIMIT 1");
}

#[derive(Serialize)]
struct PutRow<'a> {
    attempt_id: Id,
    part: i64,
    channel: &'a str,
    provider_id: &'a str,
    state: &'static str,
}

/// Writes parts, or what is said of them from now on. The caller has locked their attempts.
pub async fn put(tx: &mut Tx, parts: &[PartRow]) -> Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let rows = rows_of(parts)?;
    on!(tx, PUT, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// Writes parts that are not there yet; what is known of the others stays. The caller has locked their attempts.
pub async fn add(tx: &mut Tx, parts: &[PartRow]) -> Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let rows = rows_of(parts)?;
    on!(tx, ADD, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

fn rows_of(parts: &[PartRow]) -> Result<String> {
    rows(parts.iter().map(|part| PutRow {
        attempt_id: Id(part.attempt.0),
        part: part.part,
        channel: &part.channel,
        provider_id: &part.provider_id,
        state: part.state.word(),
    }))
}

/// The parts that the providers of these channels know by one of these ids.
pub async fn named(
    tx: &mut Tx,
    channels: &[String],
    provider_ids: &[&str],
) -> Result<Vec<PartRow>> {
    if channels.is_empty() || provider_ids.is_empty() {
        return Ok(Vec::new());
    }
    let (channels, ids) = (json!(channels).to_string(), json!(provider_ids).to_string());
    let rows: Vec<Raw> =
        on!(tx, NAMED, |c, sql| sqlx::query_as(sql).bind(channels).bind(ids).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The parts of these attempts, each attempt's in their order. Most have none: their whole message is one.
pub async fn of_attempts(tx: &mut Tx, ids: &[AttemptId]) -> Result<Vec<PartRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, OF_ATTEMPTS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The attempt of a part, by the provider's id of it.
pub async fn attempt_of(
    tx: &mut Tx,
    channel: &str,
    provider_id: &str,
) -> Result<Option<AttemptId>> {
    let id: Option<Uuid> = on!(tx, ATTEMPT_OF, |c, sql| {
        sqlx::query_scalar(sql).bind(channel).bind(provider_id).fetch_optional(c).await?
    });
    Ok(id.map(AttemptId))
}
