//! What piled up: messages that are over, and outages with what became of their reminders.

use super::alarms::AlarmKind;
use super::dialect::{Sql, on, sql, statements};
use super::{Result, Tx, alarms, id_list, touched};
use crate::care::{ReminderState, UtcMs};
use crate::policy::outage::{Outage, Toll};
use uuid::Uuid;

statements! {
    OVER = sql!(("-- backlog::over\nSELECT id FROM messages WHERE valid_until_ms <= $2 AND id IN "), (ids "$1"));
    OPEN = Sql::both("-- backlog::open_outages\nSELECT channel, since_ms, until_ms, looked_ms FROM outages WHERE reported_ms IS NULL ORDER BY since_ms, channel");
    BEGIN = Sql::both("-- backlog::begin_outage\nINSERT INTO outages (channel, since_ms, until_ms, looked_ms, reported_ms) VALUES ($1, $2, $3, 0, NULL) \
        ON CONFLICT (channel, since_ms) DO NOTHING");
    PROLONG = Sql::both("-- backlog::prolong_outage\nUPDATE outages SET until_ms = $2 WHERE channel = $1 AND until_ms < $2 AND reported_ms IS NULL");
    LOOKED = Sql::both("-- backlog::looked_at\nUPDATE outages SET looked_ms = $3 WHERE channel = $1 AND since_ms = $2 AND reported_ms IS NULL AND looked_ms < $3");
    REPORTED = Sql::both("-- backlog::reported\nUPDATE outages SET reported_ms = $3 WHERE channel = $1 AND since_ms = $2 AND reported_ms IS NULL");
    FORGET = Sql::both("-- backlog::forget_outage\nDELETE FROM outages WHERE channel = $1 AND since_ms = $2");
    TOLL = Sql::both("-- backlog::toll\nSELECT patients.programme, reminders.state, count(*) AS reminders FROM reminders \
        JOIN patients ON patients.id = reminders.patient_id LEFT JOIN messages ON messages.id = reminders.message_id \
        WHERE reminders.due_at_ms >= $1 AND reminders.due_at_ms < $2 AND reminders.updated_at_ms >= $1 \
        AND ($3 = '' OR messages.lane LIKE '%-' || $3) AND (reminders.state <> 'sent' OR EXISTS \
        (SELECT 1 FROM attempts WHERE attempts.message_id = reminders.message_id AND attempts.intent_at_ms >= $2)) \
        GROUP BY patients.programme, reminders.state ORDER BY patients.programme, reminders.state");
    IN_GAPS = Sql::both("-- backlog::toll\nSELECT patients.programme, CAST(sum(gaps.slots) AS bigint) AS slots FROM gaps \
        JOIN activities ON activities.id = gaps.activity_id JOIN patients ON patients.id = activities.patient_id \
        WHERE gaps.to_ms > $1 AND gaps.from_ms < $2 GROUP BY patients.programme ORDER BY patients.programme");
}

/// Which of these messages have come to the end of their validity.
pub async fn over(tx: &mut Tx, messages: &[Uuid], now: UtcMs) -> Result<Vec<Uuid>> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let list = id_list(messages.iter().copied());
    Ok(on!(tx, OVER, |c, sql| sqlx::query_scalar(sql).bind(list).bind(now.0).fetch_all(c).await?))
}

/// Outages that nobody has been told of yet, the oldest first.
pub async fn open_outages(tx: &mut Tx) -> Result<Vec<Outage>> {
    let rows: Vec<(String, i64, i64, i64)> =
        on!(tx, OPEN, |c, sql| sqlx::query_as(sql).fetch_all(c).await?);
    let outage = |(channel, since, until, looked)| Outage {
        channel,
        since: UtcMs(since),
        until: UtcMs(until),
        looked: UtcMs(looked),
    };
    Ok(rows.into_iter().map(outage).collect())
}

/// Records that an outage began, and until when it lasts as far as is known.
pub async fn begin_outage(tx: &mut Tx, channel: &str, since: UtcMs, until: UtcMs) -> Result<()> {
    on!(tx, BEGIN, |c, sql| {
        sqlx::query(sql).bind(channel).bind(since.0).bind(until.0).execute(c).await?;
    });
    Ok(())
}

/// Records that the open outage of a channel lasts longer; false when there is none that ends earlier.
pub async fn prolong_outage(tx: &mut Tx, channel: &str, until: UtcMs) -> Result<bool> {
    Ok(on!(tx, PROLONG, |c, sql| {
        sqlx::query(sql).bind(channel).bind(until.0).execute(c).await?.rows_affected()
    }) > 0)
}

/// Takes an open outage in hand at `now`; false when another instance has.
pub async fn look_at(tx: &mut Tx, outage: &Outage, now: UtcMs) -> Result<bool> {
    Ok(mark(tx, LOOKED, outage, now).await? == 1)
}

/// Records that an outage was reported.
pub async fn reported(tx: &mut Tx, outage: &Outage, now: UtcMs) -> Result<()> {
    let actual = mark(tx, REPORTED, outage, now).await?;
    touched("backlog::reported", actual, 1)
}

async fn mark(tx: &mut Tx, statement: Sql, outage: &Outage, now: UtcMs) -> Result<u64> {
    Ok(on!(tx, statement, |c, sql| {
        sqlx::query(sql)
            .bind(&outage.channel)
            .bind(outage.since.0)
            .bind(now.0)
            .execute(c)
            .await?
            .rows_affected()
    }))
}

/// Forgets an outage that was too short to tell of.
pub async fn forget_outage(tx: &mut Tx, outage: &Outage) -> Result<()> {
    on!(tx, FORGET, |c, sql| {
        sqlx::query(sql).bind(&outage.channel).bind(outage.since.0).execute(c).await?;
    });
    Ok(())
}

/// How the reminders ended, or stand, that were due during an outage and did not leave before its end; and which slots
/// are only counted. A gap row belongs to no channel: nobody was at work.
pub async fn toll(tx: &mut Tx, outage: &Outage) -> Result<Toll> {
    let rows: Vec<(String, String, i64)> = on!(tx, TOLL, |c, sql| {
        sqlx::query_as(sql)
            .bind(outage.since.0)
            .bind(outage.until.0)
            .bind(&outage.channel)
            .fetch_all(c)
            .await?
    });
    let known = |(programme, state, count): (String, String, i64)| {
        Some((programme, ReminderState::parse(&state)?, count))
    };
    let reminders = rows.into_iter().filter_map(known).collect();
    if !outage.channel.is_empty() {
        return Ok(Toll { reminders, ..Toll::default() });
    }
    let in_gaps = on!(tx, IN_GAPS, |c, sql| {
        sqlx::query_as(sql).bind(outage.since.0).bind(outage.until.0).fetch_all(c).await?
    });
    let woken_until = alarms::next(tx, AlarmKind::Patient).await?;
    Ok(Toll { reminders, in_gaps, woken_until })
}
