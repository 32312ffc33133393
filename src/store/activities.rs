//! Activities: lines of care plans, with the revision a person confirmed.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Bytes, Id, rows};
use super::{Result, StoreError, Tx, id_list, touched};
use crate::care::ids::{ActivityId, PatientId};
use crate::care::{Activity, Class, Confidence, UtcMs};
use crate::security::{Keyring, Place, SealingKey};
use rand::RngCore;
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use std::collections::BTreeMap;
use uuid::Uuid;

/// An activity as stored, unsealed.
#[derive(Clone, Debug)]
pub struct ActivityRow {
    /// Id.
    pub id: ActivityId,
    /// Whose.
    pub patient: PatientId,
    /// The record.
    pub activity: Activity,
    /// Keyed hash of its identity.
    pub key_hash: Vec<u8>,
    /// The plan it hangs on, by the keyed hash of the plan's identity.
    pub plan_key_hash: Option<Vec<u8>>,
    /// How sure its expansion is.
    pub confidence: Confidence,
    /// Keyed hash of the canonical record.
    pub fingerprint: Vec<u8>,
    /// Counts changes.
    pub revision: i64,
    /// The revision a person confirmed.
    pub confirmed_revision: Option<i64>,
    /// The revision a person rejected.
    pub rejected_revision: Option<i64>,
    /// No slot before it is written.
    pub reminders_from: UtcMs,
}

impl ActivityRow {
    /// Whether a person must confirm it before anything is sent.
    pub fn needs_review(&self) -> bool {
        self.confidence == Confidence::Review && self.confirmed_revision != Some(self.revision)
    }
}

#[derive(FromRow)]
struct Raw {
    id: Uuid,
    patient_id: Uuid,
    key_hash: Vec<u8>,
    plan_key_hash: Option<Vec<u8>>,
    confidence: String,
    document: Vec<u8>,
    fingerprint: Vec<u8>,
    revision: i64,
    confirmed_revision: Option<i64>,
    rejected_revision: Option<i64>,
    reminders_from_ms: i64,
}

statements! {
    OF_PATIENTS = sql!(("-- activities::of_patients\nSELECT id, patient_id, key_hash, plan_key_hash, confidence, document, fingerprint, revision, \
        confirmed_revision, rejected_revision, reminders_from_ms FROM activities WHERE patient_id IN "), (ids "$1"), (" ORDER BY patient_id, id"));
    INSERT = insert_rows!("-- activities::insert" "activities" (id id, patient_id id, key_hash bytes, plan_key_hash bytes, kind text,
        class text, status text, confidence text, document bytes, fingerprint bytes, revision int, reminders_from_ms int,
        created_at_ms int, updated_at_ms int) "");
    UPDATE = sql!(("-- activities::update\nUPDATE activities SET plan_key_hash = r.plan_key_hash, kind = r.kind, class = r.class, \
        status = r.status, confidence = r.confidence, document = r.document, fingerprint = r.fingerprint, revision = activities.revision + 1, \
        reminders_from_ms = r.reminders_from_ms, updated_at_ms = r.updated_at_ms FROM "),
        (rows "$1" id id, plan_key_hash bytes, kind text, class text, status text, confidence text, document bytes, fingerprint bytes,
            reminders_from_ms int, updated_at_ms int),
        (" AS r WHERE activities.id = r.id"));
    IN_REVIEW = Sql::both("-- activities::in_review\nSELECT patient_id, id FROM activities WHERE confidence = 'review' AND status = 'active' \
        AND (confirmed_revision IS NULL OR confirmed_revision <> revision) \
        AND (rejected_revision IS NULL OR rejected_revision <> revision) ORDER BY patient_id, id");
    OWNER = Sql::both("-- activities::owner\nSELECT patient_id FROM activities WHERE id = $1");
    CONFIRM = Sql::both("-- activities::confirm\nUPDATE activities SET confirmed_revision = $2, rejected_revision = NULL, updated_at_ms = $3 \
        WHERE id = $1 AND revision = $2");
    REJECT = Sql::both("-- activities::reject\nUPDATE activities SET rejected_revision = $2, confirmed_revision = NULL, updated_at_ms = $3 \
        WHERE id = $1 AND revision = $2");
    REMINDERS_FROM = Sql::both("-- activities::reminders_from\nUPDATE activities SET reminders_from_ms = $1 WHERE reminders_from_ms < $1");
    COUNT = Sql::both("-- activities::count\nSELECT status, count(*) AS activities FROM activities GROUP BY status ORDER BY status");
}

fn open(raw: Raw, key: &SealingKey) -> Result<ActivityRow> {
    let fault = |column, what| StoreError::Inconsistent { table: "activities", column, what };
    let place = Place { table: "activities", column: "document", row: raw.id.as_bytes() };
    let clear = key.open(place, &raw.document)?;
    let activity: Activity = serde_json::from_slice(&clear)
        .map_err(|_| fault("document", "not an activity of this version"))?;
    let confidence =
        [Confidence::Exact, Confidence::Defaulted, Confidence::Review, Confidence::None]
            .into_iter()
            .find(|c| c.word() == raw.confidence)
            .ok_or_else(|| fault("confidence", "an unknown word"))?;
    Ok(ActivityRow {
        id: ActivityId(raw.id),
        patient: PatientId(raw.patient_id),
        activity,
        key_hash: raw.key_hash,
        plan_key_hash: raw.plan_key_hash,
        confidence,
        fingerprint: raw.fingerprint,
        revision: raw.revision,
        confirmed_revision: raw.confirmed_revision,
        rejected_revision: raw.rejected_revision,
        reminders_from: UtcMs(raw.reminders_from_ms),
    })
}

/// Every activity of the patients, stopped ones included, by patient.
pub async fn of_patients(
    tx: &mut Tx,
    keys: &BTreeMap<PatientId, SealingKey>,
) -> Result<Vec<ActivityRow>> {
    let list = id_list(keys.keys().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, OF_PATIENTS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter()
        .map(|raw| {
            let key = keys.get(&PatientId(raw.patient_id)).ok_or(StoreError::Inconsistent {
                table: "activities",
                column: "patient_id",
                what: "a patient that was not asked for",
            })?;
            open(raw, key)
        })
        .collect()
}

/// A new activity, or a new revision of one.
#[derive(Debug)]
pub struct PutActivity<'a> {
    /// Id: a new one, or that of the stored activity.
    pub id: ActivityId,
    /// Whose.
    pub patient: PatientId,
    /// The owner's key.
    pub key: SealingKey,
    /// The record.
    pub activity: &'a Activity,
    /// The plan it hangs on, by the keyed hash of the plan's identity.
    pub plan_key_hash: Option<Vec<u8>>,
    /// How sure its expansion is.
    pub confidence: Confidence,
    /// Keyed hash of the canonical record.
    pub fingerprint: Vec<u8>,
    /// No slot before it is written.
    pub reminders_from: UtcMs,
}

#[derive(Serialize)]
struct PutRow<'a> {
    id: Id,
    patient_id: Id,
    key_hash: Bytes<Vec<u8>>,
    plan_key_hash: Option<Bytes<&'a [u8]>>,
    kind: &'static str,
    class: &'static str,
    status: &'static str,
    confidence: &'static str,
    document: Bytes<Vec<u8>>,
    fingerprint: Bytes<&'a [u8]>,
    revision: i64,
    reminders_from_ms: i64,
    created_at_ms: i64,
    updated_at_ms: i64,
}

fn columns<'a>(
    keys: &Keyring,
    put: &'a PutActivity<'_>,
    rng: &mut (dyn RngCore + Send),
    now: UtcMs,
) -> PutRow<'a> {
    let place = Place { table: "activities", column: "document", row: put.id.0.as_bytes() };
    let document = json!(put.activity).to_string();
    PutRow {
        id: Id(put.id.0),
        patient_id: Id(put.patient.0),
        key_hash: Bytes(key_hash(keys, &put.activity.key)),
        plan_key_hash: put.plan_key_hash.as_deref().map(Bytes),
        kind: put.activity.kind.word(),
        class: put.activity.class.word(),
        status: put.activity.status.word(),
        confidence: put.confidence.word(),
        document: Bytes(put.key.seal(place, document.as_bytes(), rng)),
        fingerprint: Bytes(&put.fingerprint),
        revision: 1,
        reminders_from_ms: put.reminders_from.0,
        created_at_ms: now.0,
        updated_at_ms: now.0,
    }
}

/// Inserts activities.
pub async fn insert(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    activities: &[PutActivity<'_>],
    now: UtcMs,
) -> Result<()> {
    let rows = rows(activities.iter().map(|put| columns(keys, put, rng, now)))?;
    write(tx, ("activities::insert", INSERT), rows, activities.len()).await
}

/// Writes new revisions of activities that exist.
pub async fn update(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    activities: &[PutActivity<'_>],
    now: UtcMs,
) -> Result<()> {
    let rows = rows(activities.iter().map(|put| columns(keys, put, rng, now)))?;
    write(tx, ("activities::update", UPDATE), rows, activities.len()).await
}

/// Writes rows by a statement that must touch each of them.
async fn write(
    tx: &mut Tx,
    (name, statement): (&'static str, Sql),
    rows: String,
    expected: usize,
) -> Result<()> {
    if expected == 0 {
        return Ok(());
    }
    let actual =
        on!(tx, statement, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched(name, actual, expected as u64)
}

/// Active activities that wait for a person, with their patients.
pub async fn in_review(tx: &mut Tx) -> Result<Vec<(PatientId, ActivityId)>> {
    let rows: Vec<(Uuid, Uuid)> =
        on!(tx, IN_REVIEW, |c, sql| sqlx::query_as(sql).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(p, a)| (PatientId(p), ActivityId(a))).collect())
}

/// Whose activity it is.
pub async fn owner(tx: &mut Tx, id: ActivityId) -> Result<Option<PatientId>> {
    let owner: Option<Uuid> =
        on!(tx, OWNER, |c, sql| sqlx::query_scalar(sql).bind(id.0).fetch_optional(c).await?);
    Ok(owner.map(PatientId))
}

/// What a person decides about an activity in review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewDecision {
    /// Send it.
    Confirm,
    /// Do not send it.
    Reject,
}

/// Records the decision on one revision; false when the activity has another revision by now.
pub async fn decide_review(
    tx: &mut Tx,
    id: ActivityId,
    revision: i64,
    decision: ReviewDecision,
    now: UtcMs,
) -> Result<bool> {
    let statement = match decision {
        ReviewDecision::Confirm => CONFIRM,
        ReviewDecision::Reject => REJECT,
    };
    let actual = on!(tx, statement, |c, sql| {
        sqlx::query(sql).bind(id.0).bind(revision).bind(now.0).execute(c).await?.rows_affected()
    });
    Ok(actual == 1)
}

/// Going live: no slot before `from` is ever written.
pub async fn set_reminders_from(tx: &mut Tx, from: UtcMs) -> Result<()> {
    on!(tx, REMINDERS_FROM, |c, sql| {
        sqlx::query(sql).bind(from.0).execute(c).await?;
    });
    Ok(())
}

/// How many activities there are in each status.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, COUNT, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// The keyed hash under which an activity's identity is found within its patient.
pub fn key_hash(keys: &Keyring, key: &str) -> Vec<u8> {
    keys.look_up("activity", key)
}

/// Reads the class column.
pub(crate) fn class(word: &str) -> Result<Class> {
    Class::parse(word).ok_or(StoreError::Inconsistent {
        table: "activities",
        column: "class",
        what: "an unknown word",
    })
}
