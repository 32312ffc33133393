//! What is clear of patients: listed page by page, and counted by standing and by zone.

use crate::care::PatientStatus;
use crate::care::ids::PatientId;
use crate::store::dialect::{Sql, on, statements};
use crate::store::{Result, Tx};
use sqlx::FromRow;
use uuid::Uuid;

statements! {
    PAGE = Sql::both("-- patients::page\nSELECT id FROM patients WHERE id > $1 ORDER BY id LIMIT $2");
    COUNT = Sql::both("-- patients::count\nSELECT status, count(*) AS patients FROM patients GROUP BY status ORDER BY status");
    // From one to the next by the index.
    ZONES = Sql::both("-- patients::zones\nWITH RECURSIVE zones (zone) AS (SELECT min(zone) FROM patients \
        UNION ALL SELECT (SELECT min(p.zone) FROM patients p WHERE p.zone > zones.zone) FROM zones WHERE zones.zone IS NOT NULL), \
        rules (zone, zone_hash) AS (SELECT zone, (SELECT p.zone_hash FROM patients p WHERE p.zone = zones.zone ORDER BY p.zone_hash LIMIT 1) \
        FROM zones WHERE zone IS NOT NULL UNION ALL SELECT rules.zone, (SELECT p.zone_hash FROM patients p WHERE p.zone = rules.zone \
        AND p.zone_hash > rules.zone_hash ORDER BY p.zone_hash LIMIT 1) FROM rules WHERE rules.zone_hash IS NOT NULL) \
        SELECT zone, zone_hash FROM rules WHERE zone_hash IS NOT NULL ORDER BY zone, zone_hash");
    ZONE_COUNTS = Sql::both("-- patients::zone_counts\nSELECT zone, zone_hash, count(*) AS patients FROM patients \
        WHERE status NOT IN ('deceased', 'left') GROUP BY zone, zone_hash ORDER BY zone, zone_hash");
    IN_ZONE = Sql::both("-- patients::in_zone\nSELECT id FROM patients WHERE zone = $1 AND zone_hash <> $2 ORDER BY id LIMIT $3");
    LIST = Sql::both("-- patients::list\nSELECT id, programme, status, zone, language, wake_at_ms, \
        (SELECT count(*) FROM activities WHERE activities.patient_id = patients.id AND activities.status = 'active') AS activities \
        FROM patients WHERE ($1 = '' OR programme = $1) AND ($2 = '' OR status = $2) AND id > $3 ORDER BY id LIMIT $4");
}

/// A page of patient ids in order, after `after`.
pub async fn page(tx: &mut Tx, after: Option<PatientId>, limit: i64) -> Result<Vec<PatientId>> {
    let after = after.map_or(Uuid::nil(), |id| id.0);
    let ids: Vec<Uuid> = on!(tx, PAGE, |c, sql| {
        sqlx::query_scalar(sql).bind(after).bind(limit).fetch_all(c).await?
    });
    Ok(ids.into_iter().map(PatientId).collect())
}

/// What is clear of a patient, as listed.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ListedPatient {
    /// Id.
    pub id: Uuid,
    /// Programme.
    pub programme: String,
    /// Standing.
    pub status: String,
    /// IANA zone.
    pub zone: String,
    /// BCP 47 language.
    pub language: String,
    /// The next alarm, ms since 1970 UTC.
    pub wake_at_ms: Option<i64>,
    /// Activities in force.
    pub activities: i64,
}

/// A page of patients in order of id after `after`; of one programme or standing where given.
pub async fn list(
    tx: &mut Tx,
    programme: Option<&str>,
    status: Option<PatientStatus>,
    after: Option<PatientId>,
    limit: i64,
) -> Result<Vec<ListedPatient>> {
    let after = after.map_or(Uuid::nil(), |id| id.0);
    Ok(on!(tx, LIST, |c, sql| {
        sqlx::query_as(sql)
            .bind(programme.unwrap_or_default())
            .bind(status.map_or("", PatientStatus::word))
            .bind(after)
            .bind(limit)
            .fetch_all(c)
            .await?
    }))
}

/// How many patients there are in each standing.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, COUNT, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// Zones in use, each with the rules that its patients were expanded by.
pub async fn zones(tx: &mut Tx) -> Result<Vec<(String, Vec<u8>)>> {
    Ok(on!(tx, ZONES, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// How many patients a zone has, by the rules they were expanded by.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ZoneCount {
    /// IANA zone.
    pub zone: String,
    /// Hash of the rules; empty: not expanded yet.
    pub zone_hash: Vec<u8>,
    /// Patients, those who left or died not counted.
    pub patients: i64,
}

/// Zones in use with their patients.
pub async fn zone_counts(tx: &mut Tx) -> Result<Vec<ZoneCount>> {
    Ok(on!(tx, ZONE_COUNTS, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// Patients of a zone that were expanded by other rules than `hash`.
pub async fn in_zone_by_other_rules(
    tx: &mut Tx,
    zone: &str,
    hash: &[u8],
    limit: i64,
) -> Result<Vec<PatientId>> {
    let ids: Vec<Uuid> = on!(tx, IN_ZONE, |c, sql| {
        sqlx::query_scalar(sql).bind(zone).bind(hash).bind(limit).fetch_all(c).await?
    });
    Ok(ids.into_iter().map(PatientId).collect())
}
