//! Patients. The patient's row is the lock of everything of theirs.
//!
//! What lives here: the sealed record and its key, finding and locking a row. Beside it: how patients are reached
//! (`contacts`), when they are woken (`wakes`), and what of them is clear (`lists`).

pub(super) mod contacts;
pub(super) mod lists;
pub(super) mod wakes;

pub use contacts::{
    Forgotten, HealthMove, arrived, consents, contacts, doubt, forget_learned, health, heard,
    put_consents, put_contacts, set_health, with_address,
};
pub use lists::{
    ListedPatient, ZoneCount, count, in_zone_by_other_rules, list, page, zone_counts, zones,
};
pub use wakes::{CHANGE_REACHES_BACK_MS, Rearm, disturb, disturb_all, rearm, step_failed, unarm};

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Bytes, Id, rows};
use super::{Result, StoreError, Tx, id_list, touched};
use crate::care::ids::PatientId;
use crate::care::{Patient, PatientStatus, Phi, UtcMs};
use crate::security::{Keyring, Place, SealingKey, hex};
use rand::RngCore;
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

/// A patient as stored, unsealed.
#[derive(Clone, Debug)]
pub struct PatientRow {
    /// Id.
    pub id: PatientId,
    /// Programme.
    pub programme: String,
    /// The record.
    pub patient: Patient,
    /// Standing; the clear column, which people and replies move.
    pub status: PatientStatus,
    /// Hash of the zone rules in force when last expanded.
    pub zone_hash: Vec<u8>,
    /// Counts changes.
    pub revision: i64,
    /// Slots before it have their row.
    pub expanded_until: UtcMs,
    /// Slots before it without a row were made by a change.
    pub changed_until: UtcMs,
    /// The alarm that the row names.
    pub wake_at: Option<UtcMs>,
    /// Keyed hash of the canonical record.
    pub fingerprint: Vec<u8>,
    /// The patient's key.
    pub key: SealingKey,
}

#[derive(FromRow)]
struct RawPatient {
    id: Uuid,
    programme: String,
    wrapped_key: Vec<u8>,
    document: Vec<u8>,
    fingerprint: Vec<u8>,
    status: String,
    zone_hash: Vec<u8>,
    revision: i64,
    expanded_until_ms: i64,
    changed_until_ms: i64,
    wake_at_ms: Option<i64>,
}

statements! {
    LOAD = sql!(("-- patients::load\nSELECT id, programme, wrapped_key, document, fingerprint, status, zone_hash, revision, \
        expanded_until_ms, changed_until_ms, wake_at_ms FROM patients WHERE id IN "), (ids "$1"), (" ORDER BY id"));
    LOCK = sql!(("-- patients::lock\nSELECT id FROM patients WHERE id IN "), (ids "$1"), (" ORDER BY id"), (lock));
    CLAIM = sql!(("-- patients::claim\nSELECT id, wake_at_ms FROM patients WHERE id IN "), (ids "$1"), (" ORDER BY id"), (skip));
    FIND = sql!(("-- patients::find\nSELECT key_hash, id FROM patients WHERE key_hash IN "), (hashes "$1"));
    INSERT = insert_rows!("-- patients::insert" "patients" (id id, programme text, key_hash bytes, wrapped_key bytes,
        document bytes, fingerprint bytes, status text, zone text, zone_hash bytes, language text, revision int,
        expanded_until_ms int, changed_until_ms int, created_at_ms int, updated_at_ms int) "");
    UPDATE = sql!(("-- patients::update\nUPDATE patients SET document = r.document, fingerprint = r.fingerprint, status = r.status, \
        zone = r.zone, language = r.language, revision = patients.revision + 1, updated_at_ms = r.updated_at_ms FROM "),
        (rows "$1" id id, document bytes, fingerprint bytes, status text, zone text, language text, updated_at_ms int),
        (" AS r WHERE patients.id = r.id"));
    SET_STATUS = Sql::both("-- patients::set_status\nUPDATE patients SET status = $2, revision = revision + 1, updated_at_ms = $3 WHERE id = $1");
    ANY_SEALED = Sql::both("-- patients::first\nSELECT id, wrapped_key FROM patients ORDER BY id LIMIT 1");
}

fn inconsistent(column: &'static str, what: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "patients", column, what }
}

fn open_patient(keys: &Keyring, raw: RawPatient) -> Result<PatientRow> {
    let row = raw.id.as_bytes();
    let key = keys.unwrap(row, &raw.wrapped_key)?;
    let clear = key.open(Place { table: "patients", column: "document", row }, &raw.document)?;
    let patient: Patient = serde_json::from_slice(&clear)
        .map_err(|_| inconsistent("document", "not a patient of this version"))?;
    Ok(PatientRow {
        id: PatientId(raw.id),
        programme: raw.programme,
        status: PatientStatus::parse(&raw.status)
            .ok_or_else(|| inconsistent("status", "an unknown word"))?,
        patient,
        zone_hash: raw.zone_hash,
        revision: raw.revision,
        expanded_until: UtcMs(raw.expanded_until_ms),
        changed_until: UtcMs(raw.changed_until_ms),
        wake_at: raw.wake_at_ms.map(UtcMs),
        fingerprint: raw.fingerprint,
        key,
    })
}

/// Patients by id, unsealed, in order of id.
pub async fn load(tx: &mut Tx, keys: &Keyring, ids: &[PatientId]) -> Result<Vec<PatientRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<RawPatient> =
        on!(tx, LOAD, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(|raw| open_patient(keys, raw)).collect()
}

/// Locks patients in order of id until the transaction ends; waits for others. Returns those that exist.
pub async fn lock(tx: &mut Tx, ids: &[PatientId]) -> Result<Vec<PatientId>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let found: Vec<Uuid> =
        on!(tx, LOCK, |c, sql| sqlx::query_scalar(sql).bind(list).fetch_all(c).await?);
    Ok(found.into_iter().map(PatientId).collect())
}

/// Locks patients that nobody else holds, with the alarm each one names.
pub async fn claim(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<(PatientId, Option<UtcMs>)>> {
    let list = id_list(ids.iter().copied());
    let found: Vec<(Uuid, Option<i64>)> =
        on!(tx, CLAIM, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    Ok(found.into_iter().map(|(id, at)| (PatientId(id), at.map(UtcMs))).collect())
}

/// The ids of patients by the keyed hash of their identity in the source.
pub async fn find(tx: &mut Tx, key_hashes: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, PatientId)>> {
    let list = json!(key_hashes.iter().map(|h| hex(h)).collect::<Vec<_>>()).to_string();
    let found: Vec<(Vec<u8>, Uuid)> =
        on!(tx, FIND, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    Ok(found.into_iter().map(|(hash, id)| (hash, PatientId(id))).collect())
}

/// A new patient, or a new revision of one.
#[derive(Debug)]
pub struct PutPatient<'a> {
    /// Id: a new one, or that of the stored patient.
    pub id: PatientId,
    /// Programme.
    pub programme: &'a str,
    /// The record.
    pub patient: &'a Patient,
    /// Keyed hash of the canonical record.
    pub fingerprint: Vec<u8>,
}

#[derive(Serialize)]
struct InsertRow<'a> {
    id: Id,
    programme: &'a str,
    key_hash: Bytes<Vec<u8>>,
    wrapped_key: Bytes<Vec<u8>>,
    document: Bytes<Vec<u8>>,
    fingerprint: Bytes<&'a [u8]>,
    status: &'static str,
    zone: &'a str,
    zone_hash: &'static str,
    language: &'a str,
    revision: i64,
    expanded_until_ms: i64,
    changed_until_ms: i64,
    created_at_ms: i64,
    updated_at_ms: i64,
}

/// Inserts patients, each under a new key of their own; their slots count from `now`.
pub async fn insert(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    patients: &[PutPatient<'_>],
    now: UtcMs,
) -> Result<()> {
    let rows = rows(patients.iter().map(|put| {
        let row = put.id.0.as_bytes();
        let key = SealingKey::random(rng);
        let place = Place { table: "patients", column: "document", row };
        InsertRow {
            id: Id(put.id.0),
            programme: put.programme,
            key_hash: Bytes(key_hash(keys, put.patient.key.expose())),
            wrapped_key: Bytes(keys.wrap(row, &key, rng)),
            document: Bytes(key.seal(place, &document(put.patient), rng)),
            fingerprint: Bytes(&put.fingerprint),
            status: put.patient.status.word(),
            zone: &put.patient.zone,
            zone_hash: "",
            language: &put.patient.language,
            revision: 1,
            expanded_until_ms: now.0,
            changed_until_ms: now.0,
            created_at_ms: now.0,
            updated_at_ms: now.0,
        }
    }))?;
    let actual =
        on!(tx, INSERT, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("patients::insert", actual, patients.len() as u64)
}

#[derive(Serialize)]
struct UpdateRow<'a> {
    id: Id,
    document: Bytes<Vec<u8>>,
    fingerprint: Bytes<&'a [u8]>,
    status: &'static str,
    zone: &'a str,
    language: &'a str,
    updated_at_ms: i64,
}

/// Writes new revisions of patients that exist, under the keys they have.
pub async fn update(
    tx: &mut Tx,
    rng: &mut (dyn RngCore + Send),
    patients: &[(PutPatient<'_>, SealingKey)],
    now: UtcMs,
) -> Result<()> {
    if patients.is_empty() {
        return Ok(());
    }
    let rows = rows(patients.iter().map(|(put, key)| {
        let place = Place { table: "patients", column: "document", row: put.id.0.as_bytes() };
        UpdateRow {
            id: Id(put.id.0),
            document: Bytes(key.seal(place, &document(put.patient), rng)),
            fingerprint: Bytes(&put.fingerprint),
            status: put.patient.status.word(),
            zone: &put.patient.zone,
            language: &put.patient.language,
            updated_at_ms: now.0,
        }
    }))?;
    let actual =
        on!(tx, UPDATE, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("patients::update", actual, patients.len() as u64)
}

/// Moves a patient's standing.
pub async fn set_status(
    tx: &mut Tx,
    id: PatientId,
    status: PatientStatus,
    now: UtcMs,
) -> Result<()> {
    let actual = on!(tx, SET_STATUS, |c, sql| {
        sqlx::query(sql)
            .bind(id.0)
            .bind(status.word())
            .bind(now.0)
            .execute(c)
            .await?
            .rows_affected()
    });
    touched("patients::set_status", actual, 1)
}

/// Whether the keyring opens what this database has sealed; true when it has sealed nothing yet.
pub async fn opens_with(tx: &mut Tx, keys: &Keyring) -> Result<bool> {
    let first: Option<(Uuid, Vec<u8>)> =
        on!(tx, ANY_SEALED, |c, sql| sqlx::query_as(sql).fetch_optional(c).await?);
    Ok(first.is_none_or(|(id, wrapped)| keys.unwrap(id.as_bytes(), &wrapped).is_ok()))
}

/// The keyed hash under which a patient's identity in the source is found.
pub fn key_hash(keys: &Keyring, key: &str) -> Vec<u8> {
    keys.look_up("patient", key)
}

fn document(patient: &Patient) -> Vec<u8> {
    serde_json::json!(patient).to_string().into_bytes()
}

/// A patient's free text sealed to a place of theirs.
pub fn seal_text(
    owner: &PatientRow,
    place: Place<'_>,
    text: &Phi<String>,
    rng: &mut (dyn RngCore + Send),
) -> Vec<u8> {
    owner.key.seal(place, text.expose().as_bytes(), rng)
}
