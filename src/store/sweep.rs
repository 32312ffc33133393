//! What evidence and alarms lack that their own rows name: found by bounded reads of the newest rows, whose ids are
//! in order of time. Patients' alarms are the watch's to put back.

use super::attempts::{self, AttemptRow};
use super::dialect::{Sql, on, statements};
use super::retention::first_id_at;
use super::{Result, Tx};
use crate::care::UtcMs;
use crate::care::ids::AttemptId;
use uuid::Uuid;

statements! {
    // What was decided, by the class table, a person or going live, says so in its message.
    UNSETTLED = Sql::both("-- sweep::unsettled\nSELECT a.id FROM attempts a JOIN messages m ON m.id = a.message_id WHERE a.id >= $1 \
        AND a.state = 'unknown' AND a.wake_at_ms IS NULL AND a.number = m.tries AND m.state = 'unknown' \
        AND (m.reason LIKE '%\"unknown-outcome\"%' OR m.reason LIKE '%\"lost-instance\"%') \
        AND (a.reason LIKE '%\"unknown-outcome\"%' OR a.reason LIKE '%\"lost-instance\"%') ORDER BY a.id LIMIT $2");
    STUCK = Sql::both("-- sweep::stuck\nSELECT id FROM attempts WHERE id > $1 AND id < $2 AND state IN ('accepted', 'sent') \
        AND provider_id IS NOT NULL ORDER BY id LIMIT $3");
    MATCHING = Sql::both("-- sweep::matching\nSELECT r.channel, r.provider_id, a.id FROM receipts r \
        JOIN attempts a ON a.provider_id = r.provider_id AND a.channel = r.channel \
        WHERE r.attempt_id IS NULL AND r.id >= $1 ORDER BY r.id LIMIT $2");
    MESSAGES = Sql::both("-- sweep::put_back\nINSERT INTO alarms (kind, lane, wake_at_ms, id) \
        SELECT 'message', m.lane, m.wake_at_ms, m.id FROM messages m WHERE m.id >= $1 AND m.wake_at_ms IS NOT NULL AND NOT EXISTS \
        (SELECT 1 FROM alarms a WHERE a.kind = 'message' AND a.lane = m.lane AND a.wake_at_ms = m.wake_at_ms AND a.id = m.id) LIMIT $2 \
        ON CONFLICT (kind, lane, wake_at_ms, id) DO NOTHING");
    ATTEMPTS = Sql::both("-- sweep::put_back\nINSERT INTO alarms (kind, lane, wake_at_ms, id) \
        SELECT 'settle', '', t.wake_at_ms, t.id FROM attempts t WHERE t.id >= $1 AND t.wake_at_ms IS NOT NULL AND NOT EXISTS \
        (SELECT 1 FROM alarms a WHERE a.kind = 'settle' AND a.lane = '' AND a.wake_at_ms = t.wake_at_ms AND a.id = t.id) LIMIT $2 \
        ON CONFLICT (kind, lane, wake_at_ms, id) DO NOTHING");
}

/// Unknown attempts since `since` that nothing settles any more: no alarm named, nothing decided.
pub async fn unsettled(tx: &mut Tx, since: UtcMs, limit: i64) -> Result<Vec<AttemptId>> {
    let ids: Vec<Uuid> = on!(tx, UNSETTLED, |c, sql| {
        sqlx::query_scalar(sql).bind(first_id_at(since)).bind(limit).fetch_all(c).await?
    });
    Ok(ids.into_iter().map(AttemptId).collect())
}

/// A parked receipt's channel and provider id, and the attempt they name.
pub type Match = (String, String, AttemptId);

/// Parked receipts since `since` whose attempt is known by now.
pub async fn matching(tx: &mut Tx, since: UtcMs, limit: i64) -> Result<Vec<Match>> {
    let rows: Vec<(String, String, Uuid)> = on!(tx, MATCHING, |c, sql| {
        sqlx::query_as(sql).bind(first_id_at(since)).bind(limit).fetch_all(c).await?
    });
    Ok(rows.into_iter().map(|(channel, id, attempt)| (channel, id, AttemptId(attempt))).collect())
}

/// Attempts of a time that a provider took and of which no final receipt came, the oldest first, behind `after`.
pub async fn stuck(
    tx: &mut Tx,
    (since, until): (UtcMs, UtcMs),
    after: Option<AttemptId>,
    limit: i64,
) -> Result<Vec<AttemptRow>> {
    let from = after.map_or_else(|| first_id_at(since), |id| id.0);
    let ids: Vec<Uuid> = on!(tx, STUCK, |c, sql| {
        let query = sqlx::query_scalar(sql).bind(from).bind(first_id_at(until)).bind(limit);
        query.fetch_all(c).await?
    });
    let ids: Vec<AttemptId> = ids.into_iter().map(AttemptId).collect();
    attempts::read(tx, &ids).await
}

/// Puts back alarms that messages and attempts since `since` name; returns how many were gone.
pub async fn put_back(tx: &mut Tx, since: UtcMs, limit: i64) -> Result<u64> {
    let mut put_back = 0;
    for statement in [MESSAGES, ATTEMPTS] {
        put_back += on!(tx, statement, |c, sql| {
            sqlx::query(sql).bind(first_id_at(since)).bind(limit).execute(c).await?.rows_affected()
        });
    }
    Ok(put_back)
}
