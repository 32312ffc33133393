//! What the store holds of the patients that a step of an import touches: read after they are locked, changed
//! in memory by `diff`, written back by `write`.

use crate::care::contact::KnownConsent;
use crate::care::ids::{ActivityId, PatientId, PlanId};
use crate::care::{Activity, Confidence, ConsentBasis, Patient, PatientStatus, Plan, UtcMs};
use crate::import::change::{AnchorFrom, Change, Key, Reference, Revision};
use crate::security::Keyring;
use crate::store::activities::ActivityRow;
use crate::store::plans::{self, PlanRecord};
use crate::store::sources::{self, Enrolled, MarkRow, NameKind, NameRow, name_hash};
use crate::store::standing;
use crate::store::{Result, Tx, patients};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// Whether a thing must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// As stored.
    Kept,
    /// To be inserted.
    New,
    /// To be updated.
    Changed,
}

impl Fate {
    /// After a change.
    pub(super) fn change(&mut self) {
        if *self == Self::Kept {
            *self = Self::Changed;
        }
    }
}

/// A patient and everything of theirs.
pub(super) struct HeldPatient {
    pub(super) id: PatientId,
    pub(super) programme: String,
    pub(super) record: Patient,
    /// Standing: the clear column, which people and replies move.
    pub(super) status: PatientStatus,
    pub(super) fingerprint: Vec<u8>,
    pub(super) fate: Fate,
    /// Contact points must be written.
    pub(super) contacts: Fate,
    /// Something that decides what is sent has changed.
    pub(super) disturbed: bool,
    pub(super) mark: Mark,
    pub(super) consents: Vec<KnownConsent>,
    /// Decisions to record, with their source.
    pub(super) decided: Vec<(&'static str, ConsentBasis)>,
    /// Consents of the source that say something else now.
    pub(super) replaced_consents: BTreeMap<Uuid, Vec<ConsentBasis>>,
    pub(super) consent_marks: BTreeMap<Uuid, Mark>,
    pub(super) plans: Vec<HeldPlan>,
    pub(super) activities: Vec<HeldActivity>,
}

/// A plan.
pub(super) struct HeldPlan {
    pub(super) id: PlanId,
    pub(super) key_hash: Vec<u8>,
    pub(super) record: Plan,
    pub(super) fingerprint: Vec<u8>,
    pub(super) fate: Fate,
    pub(super) mark: Mark,
}

/// An activity.
pub(super) struct HeldActivity {
    pub(super) id: ActivityId,
    pub(super) record: Activity,
    pub(super) plan: Option<Vec<u8>>,
    pub(super) confidence: Confidence,
    pub(super) fingerprint: Vec<u8>,
    pub(super) reminders_from: UtcMs,
    pub(super) fate: Fate,
    pub(super) mark: Mark,
}

/// What was taken last.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) revision: Revision,
    pub(super) enrolled: Enrolled,
    pub(super) anchor_from: Option<AnchorFrom>,
    pub(super) fingerprint: Option<Vec<u8>>,
    pub(super) fate: Fate,
}

impl Mark {
    pub(super) fn new() -> Self {
        Self {
            revision: Revision::default(),
            enrolled: Enrolled::Itself,
            anchor_from: None,
            fingerprint: None,
            fate: Fate::New,
        }
    }

    fn of(row: MarkRow) -> Self {
        Self {
            revision: Revision { version: row.version, updated_at: row.updated_at },
            enrolled: row.enrolled,
            anchor_from: row.anchor_from.as_deref().and_then(AnchorFrom::parse),
            fingerprint: row.fingerprint,
            fate: Fate::Kept,
        }
    }

    pub(super) fn row(&self, subject: Uuid, patient: PatientId) -> MarkRow {
        MarkRow {
            subject,
            patient,
            version: self.revision.version.clone(),
            updated_at: self.revision.updated_at,
            enrolled: self.enrolled,
            anchor_from: self.anchor_from.map(|from| from.word().to_owned()),
            fingerprint: self.fingerprint.clone(),
        }
    }

    /// Takes a revision that is not older; a silent one changes nothing.
    pub(super) fn take(&mut self, revision: &Revision) {
        if *revision != Revision::default() && *revision != self.revision {
            self.revision = revision.clone();
            self.fate.change();
        }
    }
}

impl HeldPatient {
    pub(super) fn activity(&mut self, id: Uuid) -> Option<&mut HeldActivity> {
        self.activities.iter_mut().find(|activity| activity.id.0 == id)
    }

    pub(super) fn plan(&self, id: Uuid) -> Option<&HeldPlan> {
        self.plans.iter().find(|plan| plan.id.0 == id)
    }
}

/// Everything held.
pub(super) struct Held {
    /// The hash of every name that the changes mention.
    pub(super) mentioned: BTreeSet<Vec<u8>>,
    pub(super) patients: BTreeMap<PatientId, HeldPatient>,
    pub(super) names: HashMap<Vec<u8>, NameRow>,
    /// Things that have an id in a source, by the scope of that id.
    pub(super) scoped: HashSet<(Uuid, Vec<u8>)>,
    pub(super) new_names: Vec<Vec<u8>>,
    pub(super) dropped_names: Vec<Vec<u8>>,
    pub(super) keys: Keyring,
}

impl Held {
    /// Locks every patient that the changes name, and then reads everything of theirs in new statements.
    pub(super) async fn load<'c>(
        tx: &mut Tx,
        keys: &Keyring,
        changes: impl Iterator<Item = &'c Change>,
    ) -> Result<Self> {
        let hashes: BTreeSet<Vec<u8>> = changes.flat_map(|change| hashes(change, keys)).collect();
        let found = sources::find(tx, &hashes).await?;
        let owners: BTreeSet<PatientId> = found.iter().map(|name| name.patient).collect();
        let owners: Vec<PatientId> = owners.into_iter().collect();
        let mut held = Self {
            patients: BTreeMap::new(),
            names: HashMap::new(),
            scoped: HashSet::new(),
            new_names: Vec::new(),
            dropped_names: Vec::new(),
            keys: keys.clone(),
            mentioned: hashes,
        };
        if owners.is_empty() {
            return Ok(held);
        }
        let owners = patients::lock(tx, &owners).await?;
        let standings = standing::load(tx, keys, &owners).await?;
        let patient_keys = standings.values().map(|s| (s.row.id, s.row.key.clone())).collect();
        let mut marks: HashMap<Uuid, MarkRow> =
            sources::marks(tx, &owners).await?.into_iter().map(|m| (m.subject, m)).collect();
        for (id, standing) in standings {
            let mark = take_mark(&mut marks, id.0);
            let activities =
                standing.activities.into_iter().map(|row| held_activity(row, &mut marks)).collect();
            held.patients.insert(
                id,
                HeldPatient {
                    id,
                    programme: standing.row.programme,
                    record: standing.row.patient,
                    status: standing.row.status,
                    fingerprint: standing.row.fingerprint,
                    fate: Fate::Kept,
                    contacts: Fate::Kept,
                    disturbed: false,
                    mark,
                    consents: standing.consents,
                    decided: Vec::new(),
                    replaced_consents: BTreeMap::new(),
                    consent_marks: BTreeMap::new(),
                    plans: Vec::new(),
                    activities,
                },
            );
        }
        for record in plans::records(tx, &patient_keys).await? {
            if let Some(patient) = held.patients.get_mut(&record.patient) {
                patient.plans.push(held_plan(record, &mut marks));
            }
        }
        for (subject, mark) in marks {
            if let Some(patient) = held.patients.get_mut(&mark.patient) {
                patient.consent_marks.insert(subject, Mark::of(mark));
            }
        }
        for name in sources::names(tx, &owners).await? {
            held.learn(name);
        }
        Ok(held)
    }

    fn learn(&mut self, name: NameRow) {
        if let Some(scope) = &name.scope_hash {
            self.scoped.insert((name.subject, scope.clone()));
        }
        self.names.insert(name.name_hash.clone(), name);
    }

    /// Gives a name that is free; a name that leads elsewhere already stays.
    pub(super) fn give(&mut self, name: NameRow) {
        if !self.names.contains_key(&name.name_hash) {
            self.new_names.push(name.name_hash.clone());
            self.learn(name);
        }
    }

    /// Takes a name away.
    pub(super) fn take_away(&mut self, hash: &[u8]) {
        if self.names.remove(hash).is_none() {
            return;
        }
        match self.new_names.iter().position(|new| new == hash) {
            Some(index) => drop(self.new_names.swap_remove(index)),
            None => self.dropped_names.push(hash.to_vec()),
        }
    }

    /// What a name of this kind leads to.
    pub(super) fn named(&self, kind: NameKind, key: &Key) -> Option<&NameRow> {
        self.names.get(&name_hash(&self.keys, kind, key.expose()))
    }

    /// What the first known candidate leads to.
    pub(super) fn first(&self, kind: NameKind, reference: &Reference) -> Option<&NameRow> {
        reference.candidates.iter().find_map(|key| self.named(kind, key))
    }

    /// A patient that is held.
    pub(super) fn patient(&mut self, id: PatientId) -> Option<&mut HeldPatient> {
        self.patients.get_mut(&id)
    }
}

fn take_mark(marks: &mut HashMap<Uuid, MarkRow>, subject: Uuid) -> Mark {
    let unmarked = || Mark { fate: Fate::Kept, ..Mark::new() };
    marks.remove(&subject).map_or_else(unmarked, Mark::of)
}

fn held_activity(row: ActivityRow, marks: &mut HashMap<Uuid, MarkRow>) -> HeldActivity {
    HeldActivity {
        mark: take_mark(marks, row.id.0),
        id: row.id,
        record: row.activity,
        plan: row.plan_key_hash,
        confidence: row.confidence,
        fingerprint: row.fingerprint,
        reminders_from: row.reminders_from,
        fate: Fate::Kept,
    }
}

fn held_plan(record: PlanRecord, marks: &mut HashMap<Uuid, MarkRow>) -> HeldPlan {
    HeldPlan {
        mark: take_mark(marks, record.id.0),
        id: record.id,
        key_hash: record.key_hash,
        record: record.plan,
        fingerprint: record.fingerprint,
        fate: Fate::Kept,
    }
}

/// Kinds of things that a FHIR type may name.
pub(super) fn kind_of(fhir_type: &str) -> NameKind {
    match fhir_type {
        "Patient" => NameKind::Patient,
        "CarePlan" => NameKind::Plan,
        "Consent" => NameKind::Consent,
        _ => NameKind::Activity,
    }
}

/// The hash of every name that a change mentions.
fn hashes(change: &Change, keys: &Keyring) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut add = |kinds: &[NameKind], names: &mut dyn Iterator<Item = &Key>| {
        for name in names {
            all.extend(kinds.iter().map(|kind| name_hash(keys, *kind, name.expose())));
        }
    };
    match change {
        Change::Patient(change) => add(&[NameKind::Patient], &mut change.identity.names()),
        Change::Plan(change) => {
            add(&[NameKind::Plan], &mut change.identity.names());
            add(&[NameKind::Patient], &mut change.subject.candidates.iter());
        }
        Change::Activity(change) => {
            add(&[NameKind::Activity], &mut change.identity.names());
            add(&[NameKind::Patient], &mut change.subject.candidates.iter());
        }
        Change::Consent(change) => {
            add(&[NameKind::Consent], &mut change.identity.names());
            add(&[NameKind::Patient], &mut change.subject.candidates.iter());
        }
        Change::Delete(deletion) => {
            add(&[kind_of(&deletion.kind)], &mut deletion.target.candidates.iter());
        }
    }
    all
}

/// The keyed hash of a record, by which unchanged is told from updated.
pub(super) fn fingerprint(keys: &Keyring, record: &impl serde::Serialize) -> Vec<u8> {
    let text = serde_json::to_string(record).unwrap_or_default();
    keys.look_up("record", &text)
}

/// The keyed hash under which activities name their plan.
pub(super) fn plan_hash(keys: &Keyring, key: &str) -> Vec<u8> {
    plans::key_hash(keys, key)
}

/// The keyed hash that the fingerprint of an activity is.
pub(super) fn activity_print(keys: &Keyring, activity: &HeldActivity) -> Vec<u8> {
    let plan = activity.plan.as_deref().map(crate::security::hex);
    fingerprint(keys, &(&activity.record, plan, activity.confidence.word()))
}
