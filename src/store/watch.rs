//! The watch's memory and its reads: whom it looked at, what it found, and where the alarms are not what their
//! owners name. Every read is bounded by a slice of patients or of due times.

use super::dialect::{Sql, insert_rows, on, statements};
use super::rows::rows;
use super::{Result, StoreError, Tx, touched};
use crate::care::UtcMs;
use crate::care::ids::PatientId;
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

/// Patients of one programme in one zone, and how far the look at them has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stratum {
    /// Programme.
    pub programme: String,
    /// IANA zone.
    pub zone: String,
    /// Start of the quarter of an hour looked at last.
    pub quarter: UtcMs,
    /// The look at that quarter began after this patient.
    pub began_after: Uuid,
    /// The last patient looked at.
    pub looked_until: Uuid,
    /// Where in the round the look is.
    pub phase: Phase,
}

/// Where a look is in its round through a stratum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Between where it began and the last patient.
    Looking,
    /// Between the first patient and where it began.
    Again,
    /// All have been looked at.
    Done,
}

impl Phase {
    const fn word(self) -> &'static str {
        match self {
            Self::Looking => "looking",
            Self::Again => "again",
            Self::Done => "done",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        let all = [Self::Looking, Self::Again, Self::Done];
        all.into_iter().find(|phase| phase.word() == word).ok_or(StoreError::Inconsistent {
            table: "watch_strata",
            column: "phase",
            what: "an unknown word",
        })
    }
}

#[derive(FromRow)]
struct RawStratum {
    programme: String,
    zone: String,
    quarter_ms: i64,
    began_after: Uuid,
    looked_until: Uuid,
    phase: String,
}

/// What looks found of an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow, Serialize)]
pub struct Hour {
    /// Its start, ms since 1970 UTC.
    pub hour_ms: i64,
    /// Programme.
    pub programme: String,
    /// IANA zone.
    pub zone: String,
    /// Looks at a patient for a quarter of it.
    pub looks: i64,
    /// Slots that these patients' plans have in it.
    pub expected: i64,
    /// Those of them without a reminder.
    pub missing: i64,
    /// Looks at patients whose plan could not be expanded.
    pub unreadable: i64,
}

/// A count of one programme in one zone.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Tally {
    /// Programme.
    pub programme: String,
    /// IANA zone.
    pub zone: String,
    /// How many.
    pub count: i64,
}

/// Reminders of an hour in one state.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub struct Ended {
    /// Programme.
    pub programme: String,
    /// IANA zone.
    pub zone: String,
    /// State.
    pub state: String,
    /// How many.
    pub reminders: i64,
}

statements! {
    // One step of the recursion is one seek in patients_by_stratum: a distinct scan would read every patient.
    ENTER = Sql::both("-- watch::enter_strata\nINSERT INTO watch_strata (programme, zone, quarter_ms, began_after, looked_until, phase, looked_at_ms) \
        WITH RECURSIVE programmes (programme) AS (SELECT min(programme) FROM patients \
            UNION ALL SELECT (SELECT min(p.programme) FROM patients p WHERE p.programme > o.programme) \
            FROM programmes o WHERE o.programme IS NOT NULL), \
        strata (programme, zone) AS (SELECT o.programme, (SELECT min(p.zone) FROM patients p WHERE p.programme = o.programme) \
            FROM programmes o WHERE o.programme IS NOT NULL \
            UNION ALL SELECT s.programme, (SELECT min(p.zone) FROM patients p WHERE p.programme = s.programme AND p.zone > s.zone) \
            FROM strata s WHERE s.zone IS NOT NULL) \
        SELECT programme, zone, 0, $1, $1, 'done', 0 FROM strata WHERE zone IS NOT NULL ON CONFLICT (programme, zone) DO NOTHING");
    DUE = Sql::both("-- watch::due_strata\nSELECT programme, zone, quarter_ms, began_after, looked_until, phase FROM watch_strata \
        WHERE quarter_ms < $1 OR phase <> 'done' ORDER BY looked_at_ms, programme, zone LIMIT $2");
    MEMBERS = Sql::both("-- watch::members\nSELECT id FROM patients WHERE programme = $1 AND zone = $2 AND id > $3 AND id <= $4 ORDER BY id LIMIT $5");
    PUT_STRATUM = Sql::both("-- watch::put_stratum\nUPDATE watch_strata SET quarter_ms = $3, began_after = $4, looked_until = $5, phase = $6, \
        looked_at_ms = $7 WHERE programme = $1 AND zone = $2");
    ADD_HOURS = insert_rows!("-- watch::add_hours" "watch_hours" (hour_ms int, programme text, zone text, looks int, expected int, missing int,
        unreadable int)
        "ON CONFLICT (hour_ms, programme, zone) DO UPDATE SET looks = watch_hours.looks + excluded.looks, \
         expected = watch_hours.expected + excluded.expected, missing = watch_hours.missing + excluded.missing, \
         unreadable = watch_hours.unreadable + excluded.unreadable");
    HOURS = Sql::both("-- watch::hours\nSELECT hour_ms, programme, zone, looks, expected, missing, unreadable FROM watch_hours \
        WHERE hour_ms >= $1 ORDER BY hour_ms, programme, zone");
    FORGET_HOURS = Sql::both("-- watch::forget_hours\nDELETE FROM watch_hours WHERE hour_ms < $1");
    ENDED = Sql::both("-- watch::ended\nSELECT p.programme, p.zone, r.state, count(*) AS reminders FROM reminders r \
        JOIN patients p ON p.id = r.patient_id WHERE r.due_at_ms >= $1 AND r.due_at_ms < $2 \
        GROUP BY p.programme, p.zone, r.state ORDER BY p.programme, p.zone, r.state");
    UNSENT = Sql::both("-- watch::unsent\nSELECT p.programme, p.zone, count(*) AS count FROM reminders r \
        JOIN patients p ON p.id = r.patient_id LEFT JOIN messages m ON m.id = r.message_id \
        WHERE r.due_at_ms >= $1 AND r.due_at_ms < $2 AND (r.state IN ('queued', 'sending') AND r.valid_until_ms < $3 \
        OR r.state = 'queued' AND (m.id IS NULL OR m.state = 'queued' AND NOT EXISTS (SELECT 1 FROM alarms a \
            WHERE a.kind = 'message' AND a.lane = m.lane AND a.wake_at_ms = m.wake_at_ms AND a.id = m.id))) \
        GROUP BY p.programme, p.zone ORDER BY p.programme, p.zone");
    PUT_BACK_MESSAGES = Sql::both("-- watch::put_back_messages\nINSERT INTO alarms (kind, lane, wake_at_ms, id) \
        SELECT 'message', lane, wake_at_ms, id FROM messages WHERE wake_at_ms IS NOT NULL AND id IN \
        (SELECT message_id FROM reminders WHERE due_at_ms >= $1 AND due_at_ms < $2 AND state = 'queued') \
        ON CONFLICT (kind, lane, wake_at_ms, id) DO NOTHING");
    SLICE_END = Sql::both("-- watch::slice_end\nSELECT id FROM patients WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2");
    UNWOKEN = Sql::both("-- watch::unwoken\nSELECT programme, zone, count(*) AS count FROM patients WHERE id > $1 AND id <= $2 \
        AND wake_at_ms IS NOT NULL AND (wake_at_ms < $3 OR NOT EXISTS (SELECT 1 FROM alarms a \
            WHERE a.kind = 'patient' AND a.lane = '' AND a.wake_at_ms = patients.wake_at_ms AND a.id = patients.id)) \
        GROUP BY programme, zone ORDER BY programme, zone");
    PUT_BACK_PATIENTS = Sql::both("-- watch::put_back_patients\nINSERT INTO alarms (kind, lane, wake_at_ms, id) \
        SELECT 'patient', '', wake_at_ms, id FROM patients WHERE id > $1 AND id <= $2 AND wake_at_ms IS NOT NULL \
        ON CONFLICT (kind, lane, wake_at_ms, id) DO NOTHING");
}

/// Enters every programme and zone that patients have.
pub async fn enter_strata(tx: &mut Tx) -> Result<()> {
    on!(tx, ENTER, |c, sql| {
        sqlx::query(sql).bind(Uuid::nil()).execute(c).await?;
    });
    Ok(())
}

/// Strata that have not been looked at to their end for `quarter`, the longest unseen first.
pub async fn due_strata(tx: &mut Tx, quarter: UtcMs, limit: i64) -> Result<Vec<Stratum>> {
    let rows: Vec<RawStratum> = on!(tx, DUE, |c, sql| {
        sqlx::query_as(sql).bind(quarter.0).bind(limit).fetch_all(c).await?
    });
    rows.into_iter()
        .map(|raw| {
            Ok(Stratum {
                phase: Phase::parse(&raw.phase)?,
                programme: raw.programme,
                zone: raw.zone,
                quarter: UtcMs(raw.quarter_ms),
                began_after: raw.began_after,
                looked_until: raw.looked_until,
            })
        })
        .collect()
}

/// Patients of a stratum with `after < id <= until`, by id.
pub async fn members(
    tx: &mut Tx,
    stratum: &Stratum,
    (after, until): (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<PatientId>> {
    let ids: Vec<Uuid> = on!(tx, MEMBERS, |c, sql| {
        sqlx::query_scalar(sql)
            .bind(&stratum.programme)
            .bind(&stratum.zone)
            .bind(after)
            .bind(until)
            .bind(limit)
            .fetch_all(c)
            .await?
    });
    Ok(ids.into_iter().map(PatientId).collect())
}

/// Writes how far the look at a stratum has come.
pub async fn put_stratum(tx: &mut Tx, stratum: &Stratum, now: UtcMs) -> Result<()> {
    let actual = on!(tx, PUT_STRATUM, |c, sql| {
        sqlx::query(sql)
            .bind(&stratum.programme)
            .bind(&stratum.zone)
            .bind(stratum.quarter.0)
            .bind(stratum.began_after)
            .bind(stratum.looked_until)
            .bind(stratum.phase.word())
            .bind(now.0)
            .execute(c)
            .await?
            .rows_affected()
    });
    touched("watch::put_stratum", actual, 1)
}

/// Adds what looks found to their hours.
pub async fn add_hours(tx: &mut Tx, hours: &[Hour]) -> Result<()> {
    if hours.is_empty() {
        return Ok(());
    }
    let rows = rows(hours)?;
    on!(tx, ADD_HOURS, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// What looks found of the hours from `since` on.
pub async fn hours(tx: &mut Tx, since: UtcMs) -> Result<Vec<Hour>> {
    Ok(on!(tx, HOURS, |c, sql| sqlx::query_as(sql).bind(since.0).fetch_all(c).await?))
}

/// Forgets the hours before `before`.
pub async fn forget_hours(tx: &mut Tx, before: UtcMs) -> Result<u64> {
    Ok(on!(tx, FORGET_HOURS, |c, sql| {
        sqlx::query(sql).bind(before.0).execute(c).await?.rows_affected()
    }))
}

/// Where the reminders due with `from <= due < to` have ended: all of them, not a sample.
pub async fn ended(tx: &mut Tx, (from, to): (UtcMs, UtcMs)) -> Result<Vec<Ended>> {
    Ok(on!(tx, ENDED, |c, sql| sqlx::query_as(sql).bind(from.0).bind(to.0).fetch_all(c).await?))
}

/// Reminders due with `from <= due < to` that will not leave by themselves: still open though their validity ended
/// before `overdue`, without a message, or with a message that no alarm wakes.
pub async fn unsent(tx: &mut Tx, (from, to): (UtcMs, UtcMs), overdue: UtcMs) -> Result<Vec<Tally>> {
    Ok(on!(tx, UNSENT, |c, sql| {
        sqlx::query_as(sql).bind(from.0).bind(to.0).bind(overdue.0).fetch_all(c).await?
    }))
}

/// Puts back the alarms of messages whose reminders are due with `from <= due < to`; returns how many were gone.
pub async fn put_back_messages(tx: &mut Tx, (from, to): (UtcMs, UtcMs)) -> Result<u64> {
    Ok(on!(tx, PUT_BACK_MESSAGES, |c, sql| {
        sqlx::query(sql).bind(from.0).bind(to.0).execute(c).await?.rows_affected()
    }))
}

/// The last id of a slice of `patients` patients after `after`; none when fewer are left.
pub async fn slice_end(tx: &mut Tx, after: Uuid, patients: i64) -> Result<Option<Uuid>> {
    Ok(on!(tx, SLICE_END, |c, sql| {
        sqlx::query_scalar(sql).bind(after).bind(patients - 1).fetch_optional(c).await?
    }))
}

/// Patients with `after < id <= until` whose alarm was due before `before`, or is not there although they name it.
pub async fn unwoken(
    tx: &mut Tx,
    (after, until): (Uuid, Uuid),
    before: UtcMs,
) -> Result<Vec<Tally>> {
    Ok(on!(tx, UNWOKEN, |c, sql| {
        sqlx::query_as(sql).bind(after).bind(until).bind(before.0).fetch_all(c).await?
    }))
}

/// Puts back the alarms that patients with `after < id <= until` name; returns how many were gone.
pub async fn put_back_patients(tx: &mut Tx, (after, until): (Uuid, Uuid)) -> Result<u64> {
    Ok(on!(tx, PUT_BACK_PATIENTS, |c, sql| {
        sqlx::query(sql).bind(after).bind(until).execute(c).await?.rows_affected()
    }))
}
