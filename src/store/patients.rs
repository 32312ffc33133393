//! Patients with their contact points and consents. The patient's row is the lock of everything of theirs.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::{Result, StoreError, Tx, id_list, touched};
use crate::care::contact::{ConsentDecision, KnownConsent, KnownContact};
use crate::care::ids::{ContactPointId, PatientId};
use crate::care::time::{DAY_MS, HOUR_MS};
use crate::care::{
    Address, ChannelKind, ConsentBasis, ContactHealth, Patient, PatientStatus, Phi, UtcMs,
};
use crate::security::{Keyring, Place, SealingKey, hex};
use rand::RngCore;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

/// How far back a change reaches: 26 h (a zone may move by that much) and the longest validity, 24 h
/// (design.md section 3).
pub const CHANGE_REACHES_BACK_MS: i64 = 26 * HOUR_MS + DAY_MS;

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

#[derive(FromRow)]
struct RawContact {
    id: Uuid,
    patient_id: Uuid,
    channel: String,
    rank: i64,
    address: Vec<u8>,
    health: String,
    in_use: i64,
}

#[derive(FromRow)]
struct RawConsent {
    patient_id: Uuid,
    channel: String,
    decision: String,
    source: String,
    at_ms: i64,
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
    CONTACTS = sql!(("-- patients::contacts\nSELECT id, patient_id, channel, rank, address, health, in_use FROM contact_points \
        WHERE patient_id IN "), (ids "$1"), (" ORDER BY patient_id, rank, id"));
    CONTACT_OWNERS = Sql::both("-- patients::with_address\nSELECT id, patient_id FROM contact_points WHERE address_hash = $1 AND in_use = 1 ORDER BY patient_id, id");
    PUT_CONTACTS = insert_rows!("-- patients::put_contacts" "contact_points" (id id, patient_id id, channel text, rank int, address bytes,
        address_hash bytes, health text, in_use int)
        "ON CONFLICT (patient_id, channel, address_hash) DO UPDATE SET rank = excluded.rank, in_use = 1");
    RETIRE_CONTACTS = sql!(("-- patients::retire_contacts\nUPDATE contact_points SET in_use = 0 WHERE patient_id IN "), (ids "$1"));
    SET_HEALTH = sql!(("-- patients::set_health\nUPDATE contact_points SET health = r.health, health_code = r.code, health_at_ms = r.at_ms FROM "),
        (rows "$1" id id, health text, code text, at_ms int),
        (" AS r WHERE contact_points.id = r.id AND NOT (contact_points.health = 'opted-out' AND r.health IN ('suspect', 'bad'))"));
    CONSENTS = sql!(("-- patients::consents\nSELECT patient_id, channel, decision, source, at_ms FROM consents WHERE patient_id IN "),
        (ids "$1"), (" ORDER BY patient_id, at_ms, id"));
    PUT_CONSENTS = insert_rows!("-- patients::put_consents" "consents" (id id, patient_id id, channel text, decision text, source text,
        basis bytes, basis_hash bytes, at_ms int, recorded_at_ms int)
        "ON CONFLICT (patient_id, channel, decision, source, at_ms, basis_hash) DO NOTHING");
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
    DISTURB_ALL_OLD = Sql::both("-- patients::disturb_all\nDELETE FROM alarms WHERE kind = 'patient'");
    DISTURB_ALL_ROWS = Sql::both("-- patients::disturb_all\nUPDATE patients SET \
        changed_until_ms = CASE WHEN changed_until_ms > expanded_until_ms THEN changed_until_ms ELSE expanded_until_ms END, \
        expanded_until_ms = CASE WHEN expanded_until_ms < $1 THEN expanded_until_ms ELSE $1 END, wake_at_ms = $2");
    DISTURB_ALL_NEW = Sql::both("-- patients::disturb_all\nINSERT INTO alarms (kind, lane, wake_at_ms, id) \
        SELECT 'patient', '', wake_at_ms, id FROM patients");
    FORGET_HEALTH = Sql::both("-- patients::forget_learned\nUPDATE contact_points SET health = 'ok', health_code = NULL, health_at_ms = $1 \
        WHERE health <> 'ok' AND coalesce(health_at_ms, 0) < $2");
    FORGET_CONSENTS = Sql::both("-- patients::forget_learned\nDELETE FROM consents WHERE source IN ('reply', 'provider') AND recorded_at_ms < $1");
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

/// Inserts patients, each under a new key of their own; their slots count from `now`.
pub async fn insert(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    patients: &[PutPatient<'_>],
    now: UtcMs,
) -> Result<()> {
    let rows: Vec<_> = patients
        .iter()
        .map(|put| {
            let row = put.id.0.as_bytes();
            let key = SealingKey::random(rng);
            let place = Place { table: "patients", column: "document", row };
            json!({
                "id": put.id.0.simple().to_string(),
                "programme": put.programme,
                "key_hash": hex(&key_hash(keys, put.patient.key.expose())),
                "wrapped_key": hex(&keys.wrap(row, &key, rng)),
                "document": hex(&key.seal(place, &document(put.patient), rng)),
                "fingerprint": hex(&put.fingerprint),
                "status": put.patient.status.word(),
                "zone": put.patient.zone,
                "zone_hash": "",
                "language": put.patient.language,
                "revision": 1,
                "expanded_until_ms": now.0,
                "changed_until_ms": now.0,
                "created_at_ms": now.0,
                "updated_at_ms": now.0,
            })
        })
        .collect();
    let expected = rows.len() as u64;
    let rows = json!(rows).to_string();
    let actual =
        on!(tx, INSERT, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("patients::insert", actual, expected)
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
    let rows: Vec<_> = patients
        .iter()
        .map(|(put, key)| {
            let place = Place { table: "patients", column: "document", row: put.id.0.as_bytes() };
            json!({
                "id": put.id.0.simple().to_string(),
                "document": hex(&key.seal(place, &document(put.patient), rng)),
                "fingerprint": hex(&put.fingerprint),
                "status": put.patient.status.word(),
                "zone": put.patient.zone,
                "language": put.patient.language,
                "updated_at_ms": now.0,
            })
        })
        .collect();
    let expected = rows.len() as u64;
    let rows = json!(rows).to_string();
    let actual =
        on!(tx, UPDATE, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("patients::update", actual, expected)
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

/// Tells patients that something of theirs changed: their expansion is set back and their alarm rings now.
/// The caller has locked them ([`lock`]).
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

/// What sends and replies had taught about patients, and was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Forgotten {
    /// Contact points that count as good again.
    pub contacts: u64,
    /// Decisions that came by reply or by provider.
    pub consents: u64,
}

/// Going live: forgets contact health, opt-outs and decisions learnt before `heard_since`, for in the sandbox only
/// invented people answer. A STOP that a real provider has brought since then stays.
///
/// The decisions are deleted, not marked: whatever reads consents later cannot take one for a patient's own. The
/// replies they came from stay, as the sandbox's evidence.
pub async fn forget_learned(tx: &mut Tx, heard_since: UtcMs, now: UtcMs) -> Result<Forgotten> {
    let contacts = on!(tx, FORGET_HEALTH, |c, sql| {
        sqlx::query(sql).bind(now.0).bind(heard_since.0).execute(c).await?.rows_affected()
    });
    let consents = on!(tx, FORGET_CONSENTS, |c, sql| {
        sqlx::query(sql).bind(heard_since.0).execute(c).await?.rows_affected()
    });
    Ok(Forgotten { contacts, consents })
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

/// Writes how wakes leave their patients. The alarms themselves are the caller's to move.
pub async fn rearm(tx: &mut Tx, patients: &[Rearm]) -> Result<()> {
    let rows: Vec<_> = patients
        .iter()
        .map(|r| {
            json!({
                "id": r.id.0.simple().to_string(),
                "expanded_until_ms": r.expanded_until.0,
                "changed_until_ms": r.changed_until.0,
                "wake_at_ms": r.wake_at.map(|at| at.0),
                "zone_hash": hex(&r.zone_hash),
            })
        })
        .collect();
    let rows = json!(rows).to_string();
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

/// Contact points of patients, by patient and rank.
pub async fn contacts(tx: &mut Tx, patients: &[PatientRow]) -> Result<Vec<KnownContact>> {
    let list = id_list(patients.iter().map(|p| p.id.0));
    let rows: Vec<RawContact> =
        on!(tx, CONTACTS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    let keys: std::collections::HashMap<Uuid, &SealingKey> =
        patients.iter().map(|p| (p.id.0, &p.key)).collect();
    rows.into_iter()
        .map(|raw| {
            let fault =
                |column, what| StoreError::Inconsistent { table: "contact_points", column, what };
            let key = keys
                .get(&raw.patient_id)
                .ok_or_else(|| fault("patient_id", "a patient that was not asked for"))?;
            let place =
                Place { table: "contact_points", column: "address", row: raw.id.as_bytes() };
            let address = String::from_utf8(key.open(place, &raw.address)?)
                .map_err(|_| fault("address", "not text"))?;
            Ok(KnownContact {
                id: ContactPointId(raw.id),
                patient: PatientId(raw.patient_id),
                channel: ChannelKind::parse(&raw.channel)
                    .ok_or_else(|| fault("channel", "an unknown word"))?,
                rank: raw.rank,
                address: Address::new(address),
                health: ContactHealth::parse(&raw.health)
                    .ok_or_else(|| fault("health", "an unknown word"))?,
                in_use: raw.in_use == 1,
            })
        })
        .collect()
}

/// Contact points in use that have this address, on any channel and of any patient.
pub async fn with_address(
    tx: &mut Tx,
    keys: &Keyring,
    address: &Address,
) -> Result<Vec<(ContactPointId, PatientId)>> {
    let hash = keys.look_up("address", address.expose());
    let found: Vec<(Uuid, Uuid)> =
        on!(tx, CONTACT_OWNERS, |c, sql| sqlx::query_as(sql).bind(hash).fetch_all(c).await?);
    Ok(found.into_iter().map(|(id, patient)| (ContactPointId(id), PatientId(patient))).collect())
}

/// Makes the patient's contact points what the source says: the listed ones are in use, others are not.
/// Health stays with an address that stays.
pub async fn put_contacts(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    patients: &[PatientRow],
    now: UtcMs,
) -> Result<()> {
    let list = id_list(patients.iter().map(|p| p.id.0));
    on!(tx, RETIRE_CONTACTS, |c, sql| {
        sqlx::query(sql).bind(list).execute(c).await?;
    });
    let mut rows = Vec::new();
    for row in patients {
        for contact in &row.patient.contacts {
            let id = ContactPointId::new(now, rng);
            let place = Place { table: "contact_points", column: "address", row: id.0.as_bytes() };
            let address = contact.address.expose();
            rows.push(json!({
                "id": id.0.simple().to_string(),
                "patient_id": row.id.0.simple().to_string(),
                "channel": contact.channel.word(),
                "rank": contact.rank,
                "address": hex(&row.key.seal(place, address.as_bytes(), rng)),
                "address_hash": hex(&keys.look_up("address", address)),
                "health": ContactHealth::Ok.word(),
                "in_use": 1,
            }));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json!(rows).to_string();
    on!(tx, PUT_CONTACTS, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// A move of a contact point's health.
#[derive(Clone, Debug)]
pub struct HealthMove {
    /// Which.
    pub id: ContactPointId,
    /// To what.
    pub health: ContactHealth,
    /// The code or word that asked for it.
    pub code: String,
}

/// Moves the health of contact points; what its owner stopped is never made merely suspect or bad.
pub async fn set_health(tx: &mut Tx, moves: &[HealthMove], now: UtcMs) -> Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = moves
        .iter()
        .map(|m| {
            json!({"id": m.id.0.simple().to_string(), "health": m.health.word(), "code": m.code,
                "at_ms": now.0})
        })
        .collect();
    let rows = json!(rows).to_string();
    on!(tx, SET_HEALTH, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// Consents of patients, by patient and time.
pub async fn consents(tx: &mut Tx, ids: &[PatientId]) -> Result<Vec<KnownConsent>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<RawConsent> =
        on!(tx, CONSENTS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    Ok(rows
        .into_iter()
        .map(|raw| KnownConsent {
            patient: PatientId(raw.patient_id),
            channel: ChannelKind::parse(&raw.channel),
            decision: if raw.decision == "given" {
                ConsentDecision::Given
            } else {
                ConsentDecision::Refused
            },
            source: raw.source,
            at: UtcMs(raw.at_ms),
        })
        .collect())
}

/// Records decisions; one that is there already is not recorded again.
pub async fn put_consents(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    consents: &[(&PatientRow, &'static str, &ConsentBasis)],
    now: UtcMs,
) -> Result<u64> {
    if consents.is_empty() {
        return Ok(0);
    }
    let rows: Vec<_> = consents
        .iter()
        .map(|(owner, source, consent)| {
            let id = crate::care::ids::new_uuid(now, rng);
            let place = Place { table: "consents", column: "basis", row: id.as_bytes() };
            json!({
                "id": id.simple().to_string(),
                "patient_id": owner.id.0.simple().to_string(),
                "channel": consent.channel.map_or("", ChannelKind::word),
                "decision": match consent.decision {
                    ConsentDecision::Given => "given",
                    ConsentDecision::Refused => "refused",
                },
                "source": source,
                "basis": hex(&owner.key.seal(place, consent.basis.expose().as_bytes(), rng)),
                "basis_hash": hex(&keys.look_up("basis", consent.basis.expose())),
                "at_ms": consent.at.0,
                "recorded_at_ms": now.0,
            })
        })
        .collect();
    let rows = json!(rows).to_string();
    Ok(on!(tx, PUT_CONSENTS, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?.rows_affected()
    }))
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
