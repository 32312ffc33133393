//! What sources call things and what they said last; and what an import writes beside patients, plans and
//! activities: the consents of a source, and the quarantine.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::patients::{PatientRow, contacts};
use super::rows::{Bytes, Id, rows};
use super::{Result, StoreError, Tx, id_list, touched};
use crate::care::ids::PatientId;
use crate::care::{ConsentBasis, UtcMs};
use crate::security::{Keyring, hex};
use rand::RngCore;
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// The word stored.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What a name stands for.
    NameKind {
        /// A patient.
        Patient = "patient",
        /// A plan.
        Plan = "plan",
        /// An activity.
        Activity = "activity",
        /// A consent.
        Consent = "consent",
        /// An activity that hangs on the plan which is the subject.
        Member = "member",
        /// A plan whose place the subject took.
        ReplacedPlan = "replaced-plan",
        /// An activity that the subject carries on.
        ReplacedActivity = "replaced-activity",
    }
}

words! {
    /// What puts an activity in force.
    Enrolled {
        /// It stands on its own.
        Itself = "itself",
        /// It is a line of its plan and ends with it.
        Plan = "plan",
    }
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRow {
    /// Keyed hash of kind and name.
    pub name_hash: Vec<u8>,
    /// What it stands for.
    pub kind: NameKind,
    /// Whose.
    pub patient: PatientId,
    /// What it names.
    pub subject: Uuid,
    /// Names of source and id: keyed hash of source and type.
    pub scope_hash: Option<Vec<u8>>,
}

/// Which version of a thing was taken last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkRow {
    /// Patient, plan, activity or consent.
    pub subject: Uuid,
    /// Whose.
    pub patient: PatientId,
    /// The source's version.
    pub version: Option<String>,
    /// When the source changed it.
    pub updated_at: Option<UtcMs>,
    /// Activities: what puts it in force.
    pub enrolled: Enrolled,
    /// Activities: where the anchor comes from.
    pub anchor_from: Option<String>,
    /// Consents: keyed hash of what it says.
    pub fingerprint: Option<Vec<u8>>,
}

#[derive(FromRow)]
struct RawName {
    name_hash: Vec<u8>,
    kind: String,
    patient_id: Uuid,
    subject_id: Uuid,
    scope_hash: Option<Vec<u8>>,
}

#[derive(FromRow)]
struct RawMark {
    subject_id: Uuid,
    patient_id: Uuid,
    version: Option<String>,
    updated_at_ms: Option<i64>,
    enrolled: String,
    anchor_from: Option<String>,
    fingerprint: Option<Vec<u8>>,
}

statements! {
    FIND = sql!(("-- sources::find\nSELECT name_hash, kind, patient_id, subject_id, scope_hash FROM source_names WHERE name_hash IN "),
        (hashes "$1"));
    NAMES = sql!(("-- sources::names\nSELECT name_hash, kind, patient_id, subject_id, scope_hash FROM source_names WHERE patient_id IN "),
        (ids "$1"));
    DROP_NAMES = sql!(("-- sources::drop_names\nDELETE FROM source_names WHERE name_hash IN "), (hashes "$1"));
    PUT_NAMES = insert_rows!("-- sources::put_names" "source_names" (name_hash bytes, kind text, patient_id id, subject_id id,
        scope_hash bytes) "");
    MARKS = sql!(("-- sources::marks\nSELECT subject_id, patient_id, version, updated_at_ms, enrolled, anchor_from, fingerprint \
        FROM source_marks WHERE patient_id IN "), (ids "$1"));
    PUT_MARKS = insert_rows!("-- sources::put_marks" "source_marks" (subject_id id, patient_id id, version text, updated_at_ms int,
        enrolled text, anchor_from text, fingerprint bytes)
        "ON CONFLICT (subject_id) DO UPDATE SET version = excluded.version, updated_at_ms = excluded.updated_at_ms, \
         enrolled = excluded.enrolled, anchor_from = excluded.anchor_from, fingerprint = excluded.fingerprint");
    DROP_CONSENTS = sql!(("-- sources::replace_consents\nDELETE FROM consents WHERE imported_as IN "), (ids "$1"));
    ADDRESSES = sql!(("-- sources::active_owners\nSELECT c.address_hash, c.patient_id FROM contact_points c \
        JOIN patients p ON p.id = c.patient_id WHERE c.in_use = 1 AND p.status = 'active' AND c.address_hash IN "), (hashes "$1"));
    QUARANTINED = sql!(("-- sources::quarantined\nSELECT content_hash, id FROM intake WHERE content_hash IN "), (hashes "$1"));
    QUARANTINE = Sql::both("-- sources::quarantine\nUPDATE intake SET content_hash = $2 WHERE id = $1");
    TRIED = Sql::both("-- sources::tried\nUPDATE intake SET tries = tries + 1 WHERE id = $1 RETURNING tries");
}

fn hash_list<'a>(hashes: impl IntoIterator<Item = &'a Vec<u8>>) -> String {
    json!(hashes.into_iter().map(|hash| hex(hash)).collect::<Vec<_>>()).to_string()
}

const fn inconsistent(table: &'static str, column: &'static str) -> StoreError {
    StoreError::Inconsistent { table, column, what: "an unknown word" }
}

/// The keyed hash of a name of this kind.
pub fn name_hash(keys: &Keyring, kind: NameKind, name: &str) -> Vec<u8> {
    keys.look_up(kind.word(), name)
}

/// Who is called so.
pub async fn find<'a>(
    tx: &mut Tx,
    hashes: impl IntoIterator<Item = &'a Vec<u8>>,
) -> Result<Vec<NameRow>> {
    let list = hash_list(hashes);
    let rows: Vec<RawName> =
        on!(tx, FIND, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(name).collect()
}

/// Every name of these patients and of what is theirs.
pub async fn names(tx: &mut Tx, ids: &[PatientId]) -> Result<Vec<NameRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<RawName> =
        on!(tx, NAMES, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(name).collect()
}

fn name(raw: RawName) -> Result<NameRow> {
    Ok(NameRow {
        name_hash: raw.name_hash,
        kind: NameKind::parse(&raw.kind).ok_or(inconsistent("source_names", "kind"))?,
        patient: PatientId(raw.patient_id),
        subject: raw.subject_id,
        scope_hash: raw.scope_hash,
    })
}

/// Takes names away.
pub async fn drop_names(tx: &mut Tx, hashes: &[Vec<u8>]) -> Result<()> {
    if hashes.is_empty() {
        return Ok(());
    }
    let list = hash_list(hashes);
    on!(tx, DROP_NAMES, |c, sql| {
        sqlx::query(sql).bind(list).execute(c).await?;
    });
    Ok(())
}

#[derive(Serialize)]
struct PutNameRow<'a> {
    name_hash: Bytes<&'a [u8]>,
    kind: &'static str,
    patient_id: Id,
    subject_id: Id,
    scope_hash: Option<Bytes<&'a [u8]>>,
}

/// Adds names. One that another import has given away meanwhile is a unique violation: the caller tries again.
pub async fn put_names(tx: &mut Tx, names: &[NameRow]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let rows = rows(names.iter().map(|name| PutNameRow {
        name_hash: Bytes(&name.name_hash),
        kind: name.kind.word(),
        patient_id: Id(name.patient.0),
        subject_id: Id(name.subject),
        scope_hash: name.scope_hash.as_deref().map(Bytes),
    }))?;
    let actual =
        on!(tx, PUT_NAMES, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("sources::put_names", actual, names.len() as u64)
}

/// The marks of everything that is these patients'.
pub async fn marks(tx: &mut Tx, ids: &[PatientId]) -> Result<Vec<MarkRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<RawMark> =
        on!(tx, MARKS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter()
        .map(|raw| {
            Ok(MarkRow {
                subject: raw.subject_id,
                patient: PatientId(raw.patient_id),
                version: raw.version,
                updated_at: raw.updated_at_ms.map(UtcMs),
                enrolled: Enrolled::parse(&raw.enrolled)
                    .ok_or(inconsistent("source_marks", "enrolled"))?,
                anchor_from: raw.anchor_from,
                fingerprint: raw.fingerprint,
            })
        })
        .collect()
}

#[derive(Serialize)]
struct PutMarkRow<'a> {
    subject_id: Id,
    patient_id: Id,
    version: Option<&'a str>,
    updated_at_ms: Option<i64>,
    enrolled: &'static str,
    anchor_from: Option<&'a str>,
    fingerprint: Option<Bytes<&'a [u8]>>,
}

/// Writes marks.
pub async fn put_marks(tx: &mut Tx, marks: &[MarkRow]) -> Result<()> {
    if marks.is_empty() {
        return Ok(());
    }
    let rows = rows(marks.iter().map(|mark| PutMarkRow {
        subject_id: Id(mark.subject),
        patient_id: Id(mark.patient.0),
        version: mark.version.as_deref(),
        updated_at_ms: mark.updated_at.map(|at| at.0),
        enrolled: mark.enrolled.word(),
        anchor_from: mark.anchor_from.as_deref(),
        fingerprint: mark.fingerprint.as_deref().map(Bytes),
    }))?;
    let actual =
        on!(tx, PUT_MARKS, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("sources::put_marks", actual, marks.len() as u64)
}

/// Makes the decisions of one consent of a source what it says now: those it no longer says are taken back.
pub async fn replace_consents(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    owner: &PatientRow,
    (origin, bases): (Uuid, &[ConsentBasis]),
    now: UtcMs,
) -> Result<()> {
    let list = id_list([origin]);
    on!(tx, DROP_CONSENTS, |c, sql| {
        sqlx::query(sql).bind(list).execute(c).await?;
    });
    let consents: Vec<_> = bases.iter().map(|basis| (owner, "import", basis)).collect();
    contacts::put_consents_of(tx, keys, rng, &consents, Some(origin), now).await?;
    Ok(())
}

/// Active patients who use these addresses, given by the keyed hash of each.
pub async fn active_owners(
    tx: &mut Tx,
    addresses: &[Vec<u8>],
) -> Result<Vec<(Vec<u8>, PatientId)>> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let list = hash_list(addresses);
    let rows: Vec<(Vec<u8>, Uuid)> =
        on!(tx, ADDRESSES, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(hash, id)| (hash, PatientId(id))).collect())
}

/// Rows of the quarantine by what they hold.
pub async fn quarantined(tx: &mut Tx, contents: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, i64)>> {
    if contents.is_empty() {
        return Ok(Vec::new());
    }
    let list = hash_list(contents);
    Ok(on!(tx, QUARANTINED, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?))
}

/// Notes what a row of the quarantine holds.
pub async fn quarantine(tx: &mut Tx, row: i64, content: &[u8]) -> Result<()> {
    let actual = on!(tx, QUARANTINE, |c, sql| {
        sqlx::query(sql).bind(row).bind(content).execute(c).await?.rows_affected()
    });
    touched("sources::quarantine", actual, 1)
}

/// Counts a step that broke on an intake row; returns how many did.
pub async fn tried(tx: &mut Tx, row: i64) -> Result<i64> {
    Ok(on!(tx, TRIED, |c, sql| sqlx::query_scalar(sql).bind(row).fetch_one(c).await?))
}
