//! When webhooks were answered, and what came of them: what silence is measured by (design.md section 6).

use super::dialect::{Sql, insert_rows, on, statements};
use super::rows::{Id, rows};
use super::{Result, Tx};
use crate::care::UtcMs;
use crate::care::ids::InstanceId;
use crate::policy::silence::Span;
use serde::Serialize;

statements! {
    PUT = insert_rows!("-- listening::put" "listening" (channel text, instance_id id, since_ms int, until_ms int, turned_away_ms int)
        "ON CONFLICT (channel, instance_id, since_ms) DO UPDATE SET until_ms = excluded.until_ms, \
        turned_away_ms = coalesce(excluded.turned_away_ms, listening.turned_away_ms)");
    FORGET = Sql::both("-- listening::forget\nDELETE FROM listening WHERE until_ms < $1");
    SPANS = Sql::both("-- listening::spans\nSELECT since_ms, until_ms, turned_away_ms FROM listening WHERE channel = $1 AND until_ms >= $2 ORDER BY since_ms, until_ms");
    LATER = Sql::both("-- listening::later_heard\nSELECT count(DISTINCT r.attempt_id) FROM receipts r JOIN attempts a ON a.id = r.attempt_id \
        WHERE r.channel = $1 AND r.received_at_ms >= $2 AND a.channel = $1 AND a.intent_at_ms > $2");
    UNMATCHED = Sql::both("-- listening::unmatched\nSELECT (SELECT count(*) FROM receipts WHERE attempt_id IS NULL AND channel = $1 AND received_at_ms >= $2) \
        + (SELECT count(*) FROM inbound WHERE state <> 'done' AND channel = $1 AND received_at_ms >= $2)");
    USUAL_DELAY = Sql::both("-- listening::usual_delay\nSELECT min(delay_ms) FROM (\
        SELECT delay_ms, cume_dist() OVER (ORDER BY delay_ms) AS share FROM (\
        SELECT min(r.received_at_ms) - min(a.intent_at_ms) AS delay_ms FROM receipts r JOIN attempts a ON a.id = r.attempt_id \
        WHERE r.channel = $1 AND r.received_at_ms >= $2 AND NOT EXISTS (SELECT 1 FROM receipts e WHERE e.attempt_id = r.attempt_id AND e.received_at_ms < $2) \
        GROUP BY r.attempt_id) AS delays) AS ranked WHERE share >= 0.99");
}

#[derive(Serialize)]
struct PutRow<'a> {
    channel: &'a str,
    instance_id: Id,
    since_ms: i64,
    until_ms: i64,
    turned_away_ms: Option<i64>,
}

/// Records that an instance answered the webhooks of `channels` over a span, and when it last turned a callback
/// away; a span that began before is prolonged.
pub async fn put(
    tx: &mut Tx,
    instance: InstanceId,
    channels: &[String],
    span: Span,
    turned_away: Option<UtcMs>,
) -> Result<()> {
    let rows = rows(channels.iter().map(|channel| PutRow {
        channel,
        instance_id: Id(instance.0),
        since_ms: span.since.0,
        until_ms: span.until.0,
        turned_away_ms: turned_away.map(|at| at.0),
    }))?;
    on!(tx, PUT, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// Forgets spans that ended before an instant.
pub async fn forget(tx: &mut Tx, before: UtcMs) -> Result<()> {
    on!(tx, FORGET, |c, sql| {
        sqlx::query(sql).bind(before.0).execute(c).await?;
    });
    Ok(())
}

/// The spans of all instances that reach past an instant, in order; and when a callback was last turned away.
pub async fn spans(tx: &mut Tx, channel: &str, since: UtcMs) -> Result<(Vec<Span>, Option<UtcMs>)> {
    let rows: Vec<(i64, i64, Option<i64>)> = on!(tx, SPANS, |c, sql| {
        sqlx::query_as(sql).bind(channel).bind(since.0).fetch_all(c).await?
    });
    let turned_away = rows.iter().filter_map(|(_, _, at)| *at).max().map(UtcMs);
    let span = |(since, until, _)| Span { since: UtcMs(since), until: UtcMs(until) };
    Ok((rows.into_iter().map(span).collect(), turned_away))
}

/// How many attempts of a channel with an intent after an instant have a receipt.
pub async fn later_heard(tx: &mut Tx, channel: &str, intent_at: UtcMs) -> Result<u64> {
    count(tx, LATER, channel, intent_at).await
}

/// How many receipts and callbacks of a channel that came since an instant have no attempt, or are not read.
pub async fn unmatched(tx: &mut Tx, channel: &str, since: UtcMs) -> Result<u64> {
    count(tx, UNMATCHED, channel, since).await
}

async fn count(tx: &mut Tx, statement: Sql, channel: &str, since: UtcMs) -> Result<u64> {
    let count: i64 = on!(tx, statement, |c, sql| {
        sqlx::query_scalar(sql).bind(channel).bind(since.0).fetch_one(c).await?
    });
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The 99th percentile of the delay from intent to first receipt, in milliseconds, over the attempts of a channel
/// whose first receipt came since an instant; none without receipts.
pub async fn usual_delay_ms(tx: &mut Tx, channel: &str, since: UtcMs) -> Result<Option<i64>> {
    Ok(on!(tx, USUAL_DELAY, |c, sql| {
        sqlx::query_scalar(sql).bind(channel).bind(since.0).fetch_one(c).await?
    }))
}
