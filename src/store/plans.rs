//! Care plans: status and sealed record; their activities are a table of their own.

use super::dialect::{insert_rows, on, sql, statements};
use super::rows::{Bytes, Id, rows};
use super::{Result, StoreError, Tx, id_list};
use crate::care::ids::{PatientId, PlanId};
use crate::care::{Plan, UtcMs};
use crate::security::{Keyring, Place, SealingKey};
use rand::RngCore;
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What is clear of a plan.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PlanRow {
    /// Id.
    pub id: Uuid,
    /// Whose.
    pub patient_id: Uuid,
    /// Keyed hash of its identity.
    pub key_hash: Vec<u8>,
    /// Where it stands.
    pub status: String,
    /// Keyed hash of the canonical record.
    pub fingerprint: Vec<u8>,
}

statements! {
    OF_PATIENTS = sql!(("-- plans::of_patients\nSELECT id, patient_id, key_hash, status, fingerprint FROM plans WHERE patient_id IN "),
        (ids "$1"), (" ORDER BY patient_id, id"));
    RECORDS = sql!(("-- plans::records\nSELECT id, patient_id, key_hash, document, fingerprint FROM plans WHERE patient_id IN "),
        (ids "$1"), (" ORDER BY patient_id, id"));
    PUT = insert_rows!("-- plans::put" "plans" (id id, patient_id id, key_hash bytes, status text, document bytes, fingerprint bytes,
        revision int, updated_at_ms int)
        "ON CONFLICT (patient_id, key_hash) DO UPDATE SET status = excluded.status, document = excluded.document, \
         fingerprint = excluded.fingerprint, revision = plans.revision + 1, updated_at_ms = excluded.updated_at_ms");
}

/// Plans of the patients.
pub async fn of_patients(tx: &mut Tx, ids: &[PatientId]) -> Result<Vec<PlanRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    Ok(on!(tx, OF_PATIENTS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?))
}

/// A plan as stored, unsealed.
#[derive(Clone, Debug)]
pub struct PlanRecord {
    /// Id.
    pub id: PlanId,
    /// Whose.
    pub patient: PatientId,
    /// Keyed hash of its identity.
    pub key_hash: Vec<u8>,
    /// The record.
    pub plan: Plan,
    /// Keyed hash of the canonical record.
    pub fingerprint: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct RawRecord {
    id: Uuid,
    patient_id: Uuid,
    key_hash: Vec<u8>,
    document: Vec<u8>,
    fingerprint: Vec<u8>,
}

/// Every plan of the patients, unsealed, by patient.
pub async fn records(
    tx: &mut Tx,
    keys: &BTreeMap<PatientId, SealingKey>,
) -> Result<Vec<PlanRecord>> {
    let fault = |column, what| StoreError::Inconsistent { table: "plans", column, what };
    let list = id_list(keys.keys().map(|id| id.0));
    let rows: Vec<RawRecord> =
        on!(tx, RECORDS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter()
        .map(|raw| {
            let (id, patient) = (raw.id, PatientId(raw.patient_id));
            let key = keys
                .get(&patient)
                .ok_or_else(|| fault("patient_id", "a patient that was not asked for"))?;
            let place = Place { table: "plans", column: "document", row: id.as_bytes() };
            let plan = serde_json::from_slice(&key.open(place, &raw.document)?)
                .map_err(|_| fault("document", "not a plan of this version"))?;
            Ok(PlanRecord {
                id: PlanId(id),
                patient,
                key_hash: raw.key_hash,
                plan,
                fingerprint: raw.fingerprint,
            })
        })
        .collect()
}

/// A plan to write.
#[derive(Debug)]
pub struct PutPlan {
    /// Id: a new one, or that of the stored plan.
    pub id: PlanId,
    /// Whose.
    pub patient: PatientId,
    /// The owner's key.
    pub key: SealingKey,
    /// Keyed hash of its identity.
    pub key_hash: Vec<u8>,
    /// Where it stands.
    pub status: &'static str,
    /// The record as JSON.
    pub document: String,
    /// Keyed hash of the canonical record.
    pub fingerprint: Vec<u8>,
}

#[derive(Serialize)]
struct PutRow<'a> {
    id: Id,
    patient_id: Id,
    key_hash: Bytes<&'a [u8]>,
    status: &'static str,
    document: Bytes<Vec<u8>>,
    fingerprint: Bytes<&'a [u8]>,
    revision: i64,
    updated_at_ms: i64,
}

/// Inserts plans, or writes their new revisions.
pub async fn put(
    tx: &mut Tx,
    rng: &mut (dyn RngCore + Send),
    plans: &[PutPlan],
    now: UtcMs,
) -> Result<()> {
    if plans.is_empty() {
        return Ok(());
    }
    let rows = rows(plans.iter().map(|plan| {
        let place = Place { table: "plans", column: "document", row: plan.id.0.as_bytes() };
        PutRow {
            id: Id(plan.id.0),
            patient_id: Id(plan.patient.0),
            key_hash: Bytes(&plan.key_hash),
            status: plan.status,
            document: Bytes(plan.key.seal(place, plan.document.as_bytes(), rng)),
            fingerprint: Bytes(&plan.fingerprint),
            revision: 1,
            updated_at_ms: now.0,
        }
    }))?;
    on!(tx, PUT, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// The keyed hash under which a plan's identity is found within its patient.
pub fn key_hash(keys: &Keyring, key: &str) -> Vec<u8> {
    keys.look_up("plan", key)
}
