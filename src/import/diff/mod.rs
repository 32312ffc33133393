//! What a resource makes of what the store holds: decisions, pure but for the values they change in memory.
//!
//! A resource is checked whole before anything of it is taken, so that its changes come all or none. Called by
//! `importer`, which reads before and writes after.

mod activity;
mod consent;
mod deletion;
mod medicine;
mod patient;
mod plan;

use crate::care::ids::PatientId;
use crate::care::{Programme, UtcMs, Zone, ZoneRules};
use crate::import::change::{Change, Identity, Key, Reference, Revision};
use crate::import::held::{Held, HeldPatient};
use crate::import::report::{Outcome, Remark, Why};
use crate::message::Programmes;
use crate::store::sources::{NameKind, NameRow, name_hash};
use rand::RngCore;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// What a decision needs besides the records.
pub(super) struct Diff<'a> {
    pub(super) held: &'a mut Held,
    /// The commit's time.
    pub(super) now: UtcMs,
    /// Programme of new patients.
    pub(super) programme: &'a Programme,
    pub(super) programmes: &'a Programmes,
    pub(super) zones: &'a dyn ZoneRules,
    /// Patients whose birth date this import puts in doubt.
    pub(super) doubted: &'a mut BTreeSet<PatientId>,
    pub(super) rng: &'a mut (dyn RngCore + Send),
}

/// A resource as far as the diff is concerned.
#[derive(Clone, Copy)]
pub(super) struct Resource<'a> {
    /// All or none of these.
    pub(super) changes: &'a [Change],
    /// Its version.
    pub(super) revision: &'a Revision,
    /// When it was read: what stands at this moment has no date of its own.
    pub(super) read_at: UtcMs,
}

/// What a change came to.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) outcome: Outcome,
    pub(super) remarks: Vec<Remark>,
}

impl Taken {
    fn of(outcome: Outcome) -> Self {
        Self { outcome, remarks: Vec::new() }
    }

    fn join(&mut self, other: Self) {
        self.outcome = self.outcome.max_by_weight(other.outcome);
        self.remarks.extend(other.remarks);
    }
}

impl Outcome {
    /// Of two outcomes within one resource, the one that tells more.
    fn max_by_weight(self, other: Self) -> Self {
        let weight = |outcome| match outcome {
            Self::Ignored => 0,
            Self::Unchanged => 1,
            Self::Updated => 2,
            Self::Created => 3,
            Self::Review => 4,
            Self::Rejected => 5,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

/// Why nothing of a resource is taken.
#[derive(Debug)]
pub(super) enum Stop {
    /// Its patient is not known yet.
    Waits,
    /// It ends here.
    Ends(Outcome, Remark),
}

impl Stop {
    fn review(path: &str, why: Why) -> Self {
        Self::Ends(Outcome::Review, Remark::at(path, why))
    }

    fn ignore(path: &str, why: Why) -> Self {
        Self::Ends(Outcome::Ignored, Remark::at(path, why))
    }
}

/// Where the names of a thing lead.
enum Located {
    /// Nowhere: it is new.
    Nowhere,
    /// To a stored thing.
    There { to: NameRow, by: By },
    /// Its business identifier is another resource's: it is new, and known by its id alone.
    Apart,
    /// To several things.
    Several,
}

/// By which name a thing was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Source and id.
    Id,
    /// A business identifier.
    Business,
}

impl Diff<'_> {
    /// Takes a resource, or says why not.
    pub(super) fn apply(&mut self, resource: Resource<'_>) -> Result<Taken, Stop> {
        for (index, change) in resource.changes.iter().enumerate() {
            // The first change bears the resource's version; the others are its parts.
            let silent = Revision::default();
            let revision = if index == 0 { resource.revision } else { &silent };
            self.check(change, revision)?;
        }
        let mut taken = Taken::of(Outcome::Unchanged);
        let mut lines = BTreeSet::new();
        for change in resource.changes {
            taken.join(match change {
                Change::Patient(change) => self.take_patient(change, resource)?,
                Change::Plan(change) => self.take_plan(change, resource.revision)?,
                Change::Activity(change) => {
                    let (id, one) = self.take_activity(change, resource.revision)?;
                    lines.insert(id);
                    one
                }
                Change::Consent(change) => self.take_consent(change, resource)?,
                Change::Delete(deletion) => self.take_deletion(deletion, resource.revision)?,
            });
        }
        if let Some(Change::Plan(plan)) = resource.changes.first() {
            taken.join(self.end_lines_left_out(plan, &lines)?);
        }
        Ok(taken)
    }

    fn check(&self, change: &Change, revision: &Revision) -> Result<(), Stop> {
        match change {
            Change::Patient(change) => self.check_patient(change, revision),
            Change::Plan(change) => {
                let owner = self.subject(&change.subject)?;
                self.check_thing(NameKind::Plan, &change.identity, owner, revision)
            }
            Change::Activity(change) => {
                let owner = self.subject(&change.subject)?;
                self.check_activity(change, owner, revision)
            }
            Change::Consent(change) => {
                let owner = self.subject(&change.subject)?;
                self.check_thing(NameKind::Consent, &change.identity, owner, revision)
            }
            Change::Delete(deletion) => self.check_deletion(deletion, revision),
        }
    }

    /// A thing of a patient: its names must not lead elsewhere, and its version not back.
    fn check_thing(
        &self,
        kind: NameKind,
        identity: &Identity,
        owner: PatientId,
        revision: &Revision,
    ) -> Result<(), Stop> {
        match self.locate(kind, identity) {
            Located::Several => Err(Stop::review("identifier", Why::Ambiguous)),
            Located::There { to, .. } if to.patient != owner => {
                Err(Stop::review("subject", Why::OtherPatient))
            }
            Located::There { to, by } => self.check_age(&to, by, revision),
            Located::Nowhere | Located::Apart => Ok(()),
        }
    }

    /// Versions count within one source; the time of the change counts everywhere.
    fn check_age(&self, to: &NameRow, by: By, revision: &Revision) -> Result<(), Stop> {
        let Some(stored) = self.revision(to) else { return Ok(()) };
        let number = |r: &Revision| r.version.as_deref().and_then(|v| v.parse::<u64>().ok());
        let older = match (revision.updated_at, stored.updated_at) {
            (Some(new), Some(old)) => new < old,
            _ if by == By::Id => match (number(revision), number(stored)) {
                (Some(new), Some(old)) => new < old,
                _ => false,
            },
            _ => false,
        };
        if older { Err(Stop::ignore("meta", Why::Stale)) } else { Ok(()) }
    }

    fn revision(&self, to: &NameRow) -> Option<&Revision> {
        let patient = self.held.patients.get(&to.patient)?;
        let mark = match to.kind {
            NameKind::Patient => &patient.mark,
            NameKind::Plan => &patient.plan(to.subject)?.mark,
            NameKind::Activity => {
                &patient.activities.iter().find(|activity| activity.id.0 == to.subject)?.mark
            }
            NameKind::Consent => patient.consent_marks.get(&to.subject)?,
            NameKind::Member | NameKind::ReplacedPlan | NameKind::ReplacedActivity => return None,
        };
        Some(&mark.revision)
    }

    /// The patient that a reference leads to.
    fn subject(&self, subject: &Reference) -> Result<PatientId, Stop> {
        let name = self.held.first(NameKind::Patient, subject).ok_or(Stop::Waits)?;
        if self.doubted.contains(&name.patient) {
            return Err(Stop::review("subject", Why::PatientInDoubt));
        }
        if self.held.patients.contains_key(&name.patient) {
            Ok(name.patient)
        } else {
            Err(Stop::Waits)
        }
    }

    /// Knows a thing again: by source and id, else by its business identifiers. Two things with one business
    /// identifier and different ids in one source are not one thing.
    fn locate(&self, kind: NameKind, identity: &Identity) -> Located {
        let by_id = identity.local.as_ref().and_then(|local| self.held.named(kind, local));
        if let Some(to) = by_id {
            return Located::There { to: to.clone(), by: By::Id };
        }
        let scope = identity.local.as_ref().and_then(|local| self.scope_hash(kind, local));
        let mut found: Vec<&NameRow> = Vec::new();
        let mut apart = false;
        for name in std::iter::once(&identity.key).chain(&identity.others) {
            let Some(to) = self.held.named(kind, name) else { continue };
            let other_id =
                |scope: &Vec<u8>| self.held.scoped.contains(&(to.subject, scope.clone()));
            if scope.as_ref().is_some_and(other_id) {
                apart = true;
            } else if found.iter().all(|known| known.subject != to.subject) {
                found.push(to);
            }
        }
        match found.as_slice() {
            [] if apart => Located::Apart,
            [] => Located::Nowhere,
            [one] => Located::There { to: (*one).clone(), by: By::Business },
            _ => Located::Several,
        }
    }

    /// The keyed hash of source and type of a name of the form `source/Type/id`.
    fn scope_hash(&self, kind: NameKind, local: &Key) -> Option<Vec<u8>> {
        let (scope, _) = local.expose().rsplit_once('/')?;
        Some(self.held.keys.look_up("scope", &format!("{} {scope}", kind.word())))
    }

    /// Gives a thing its names, so that it is known again by any of them.
    fn name(&mut self, kind: NameKind, identity: &Identity, patient: PatientId, subject: Uuid) {
        for key in identity.names() {
            let local = identity.local.as_ref() == Some(key);
            self.held.give(NameRow {
                name_hash: name_hash(&self.held.keys, kind, key.expose()),
                kind,
                patient,
                subject,
                scope_hash: if local { self.scope_hash(kind, key) } else { None },
            });
        }
    }

    /// Gives names of another kind: members of a plan, things replaced.
    fn name_all(
        &mut self,
        kind: NameKind,
        reference: &Reference,
        patient: PatientId,
        subject: Uuid,
    ) {
        for key in &reference.candidates {
            let name_hash = name_hash(&self.held.keys, kind, key.expose());
            self.held.give(NameRow { name_hash, kind, patient, subject, scope_hash: None });
        }
    }

    /// The programme of a patient; of one that is unknown to this binary, the import's.
    fn programme_of(&self, patient: &HeldPatient) -> &Programme {
        self.programmes.get(&patient.programme).unwrap_or(self.programme)
    }

    fn zone_of(&self, patient: &HeldPatient) -> Option<Arc<Zone>> {
        self.zones.zone(&patient.record.zone)
    }
}

/// The names by which a thing is kept apart from another one with the same business identifier.
fn apart(identity: &Identity) -> Identity {
    identity.local.clone().map_or_else(
        || identity.clone(),
        |local| Identity { key: local.clone(), local: Some(local), others: Vec::new() },
    )
}
