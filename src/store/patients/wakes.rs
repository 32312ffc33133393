//! When patients are woken: how a change sets their expansion back, and how a wake leaves them.

use crate::care::UtcMs;
use crate::care::ids::PatientId;
use crate::care::time::{DAY_MS, HOUR_MS};
use crate::store::dialect::{Sql, on, sql, statements};
use crate::store::rows::{Bytes, Id, rows};
use crate::store::{Result, Tx, id_list, touched};
use serde::Serialize;

/// How far back a change reaches: 26 h (a zone may move by that much) and the longest validity, 24 h
/// (design.md section 3).
pub const CHANGE_REACHES_BACK_MS: i64 = 26 * HOUR_MS + DAY_MS;

statements! {
    DISTURB_OLD = sql!(("-- patients::disturb\nDELETE FROM alarms WHERE kind = 'patient' AND lane = '' AND (wake_at_ms, id) IN \
        (SELECT wake_at_ms, id FROM patients WHERE id IN "), (ids "$1"), (")"));
    DISTURB_ROWS = sql!(("-- patients::disturb\nUPDATE patients SET \
        changed_until_ms = CASE WHEN changed_until_ms > expanded_until_ms THEN changed_until_ms ELSE expanded_until_ms END, \
        expanded_until_ms = CASE WHEN expanded_until_ms < $2 THEN expanded_until_ms ELSE $2 END, \
        wake_at_ms = $3 WHERE id IN "), (ids "$1"));
    DISTURB_NEW = sql!(("-- patients::disturb\nINSERT INTO alarms (kind, lane, wake_at_ms, id) SELECT 'patient', '', wake_at_ms, id \
        FROM patients WHERE wake_at_ms IS NOT NULL AND id IN "), (ids "$1"), (" ON CONFLICT (kind, lane, wake_at_ms, id) DO NOTHING"));
    REARM = sql!(("-- patients::rearm\nUPDATE patients SET expanded_until_ms = r.expanded_until_ms, changed_until_ms = r.changed_until_ms, \
        wake_at_ms = r.wake_at_ms, zone_hash = r.zone_hash, failures = 0 FROM "),
        (rows "$1" id id, expanded_until_ms int, changed_until_ms int, wake_at_ms int, zone_hash bytes),
        (" AS r WHERE patients.id = r.id"));
    FAILED = Sql::both("-- patients::step_failed\nUPDATE patients SET failures = failures + 1 WHERE id = $1 RETURNING failures");
    UNARM = Sql::both("-- patients::unarm\nUPDATE patients SET wake_at_ms = NULL, \
        failures = CASE WHEN failures < $2 THEN $2 ELSE failures END WHERE id = $1");
    DISTURB_ALL_OLD = Sql::both("-- patients::disturb_all\nDELETE FROM alarms WHERE kind = 'patient'");
    DISTURB_ALL_ROWS = Sql::both("-- patients::disturb_all\nUPDATE patients SET \
        changed_until_ms = CASE WHEN changed_until_ms > expanded_until_ms THEN changed_until_ms ELSE expanded_until_ms END, \
        expanded_until_ms = CASE WHEN expanded_until_ms < $1 THEN expanded_until_ms ELSE $1 END, wake_at_ms = $2");
    DISTURB_ALL_NEW = Sql::both("-- patients::disturb_all\nINSERT INTO alarms (kind, lane, wake_at_ms, id) \
        SELECT 'patient', '', wake_at_ms, id FROM patients");
}

/// Tells patients that something of theirs changed: their expansion is set back and their alarm rings now.
/// The caller has locked them ([`super::lock`]).
pub async fn disturb(tx: &mut Tx, ids: &[PatientId], now: UtcMs) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let list = id_list(ids.iter().map(|id| id.0));
    on!(tx, DISTURB_OLD, |c, sql| {
        sqlx::query(sql).bind(&list).execute(c).await?;
    });
    on!(tx, DISTURB_ROWS, |c, sql| {
        sqlx::query(sql)
            .bind(&list)
            .bind(now.plus_ms(-CHANGE_REACHES_BACK_MS).0)
            .bind(now.0)
            .execute(c)
            .await?;
    });
    on!(tx, DISTURB_NEW, |c, sql| {
        sqlx::query(sql).bind(&list).execute(c).await?;
    });
    Ok(())
}

/// [`disturb`] for every patient there is; returns how many. Nobody else may be at work on the database.
pub async fn disturb_all(tx: &mut Tx, now: UtcMs) -> Result<u64> {
    on!(tx, DISTURB_ALL_OLD, |c, sql| {
        sqlx::query(sql).execute(c).await?;
    });
    let disturbed = on!(tx, DISTURB_ALL_ROWS, |c, sql| {
        let back = now.plus_ms(-CHANGE_REACHES_BACK_MS);
        sqlx::query(sql).bind(back.0).bind(now.0).execute(c).await?.rows_affected()
    });
    on!(tx, DISTURB_ALL_NEW, |c, sql| {
        sqlx::query(sql).execute(c).await?;
    });
    Ok(disturbed)
}

/// How a wake leaves a patient.
#[derive(Clone, Debug)]
pub struct Rearm {
    /// Who.
    pub id: PatientId,
    /// Slots before it have their row now.
    pub expanded_until: UtcMs,
    /// The former mark, once nothing lies before it any more equal to `expanded_until`.
    pub changed_until: UtcMs,
    /// The next alarm.
    pub wake_at: Option<UtcMs>,
    /// Hash of the zone rules used.
    pub zone_hash: Vec<u8>,
}

#[derive(Serialize)]
struct RearmRow<'a> {
    id: Id,
    expanded_until_ms: i64,
    changed_until_ms: i64,
    wake_at_ms: Option<i64>,
    zone_hash: Bytes<&'a [u8]>,
}

/// Writes how wakes leave their patients. The alarms themselves are the caller's to move.
pub async fn rearm(tx: &mut Tx, patients: &[Rearm]) -> Result<()> {
    let rows = rows(patients.iter().map(|r| RearmRow {
        id: Id(r.id.0),
        expanded_until_ms: r.expanded_until.0,
        changed_until_ms: r.changed_until.0,
        wake_at_ms: r.wake_at.map(|at| at.0),
        zone_hash: Bytes(&r.zone_hash),
    }))?;
    let actual =
        on!(tx, REARM, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("patients::rearm", actual, patients.len() as u64)
}

/// Counts a step that broke on a patient; returns how many did in a row.
pub async fn step_failed(tx: &mut Tx, id: PatientId) -> Result<i64> {
    Ok(on!(tx, FAILED, |c, sql| sqlx::query_scalar(sql).bind(id.0).fetch_one(c).await?))
}

/// Takes a patient's alarm away: parked, after as many broken steps at least, until a person acts.
pub async fn unarm(tx: &mut Tx, id: PatientId, failures: i64) -> Result<()> {
    on!(tx, UNARM, |c, sql| {
        sqlx::query(sql).bind(id.0).bind(failures).execute(c).await?;
    });
    Ok(())
}
