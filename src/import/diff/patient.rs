//! Patients: the record follows the source, what the patient decided stays.

use super::{Diff, Located, Resource, Stop, Taken, apart};
use crate::care::contact::ConsentDecision;
use crate::care::ids::PatientId;
use crate::care::patient::Origin;
use crate::care::{ConsentBasis, Patient, PatientStatus, Phi, Routine, Schedule, UtcMs};
use crate::import::change::{Identity, PatientChange, Revision};
use crate::import::date::Date;
use crate::import::held::{Fate, HeldPatient, Mark, fingerprint};
use crate::import::report::{Outcome, Remark, Why};
use crate::policy::contact_choice::ASSERTION;
use crate::store::sources::NameKind;
use std::collections::BTreeMap;

impl Diff<'_> {
    pub(super) fn check_patient(
        &self,
        change: &PatientChange,
        revision: &Revision,
    ) -> Result<(), Stop> {
        match self.locate(NameKind::Patient, &change.identity) {
            Located::Several => Err(Stop::review("identifier", Why::Ambiguous)),
            Located::There { to, by } => self.check_age(&to, by, revision),
            Located::Nowhere | Located::Apart => Ok(()),
        }
    }

    pub(super) fn take_patient(
        &mut self,
        change: &PatientChange,
        resource: Resource<'_>,
    ) -> Result<Taken, Stop> {
        let mut taken = match self.locate(NameKind::Patient, &change.identity) {
            Located::There { to, .. } => self.update_patient(to.patient, change, resource)?,
            Located::Apart => {
                let mut taken = self.create_patient(&apart(&change.identity), change, resource);
                taken.remarks.push(Remark::at("identifier", Why::SharedIdentifier));
                taken
            }
            Located::Nowhere | Located::Several => {
                self.create_patient(&change.identity, change, resource)
            }
        };
        if change.replaced_by.is_some() {
            taken.remarks.push(Remark::at("link", Why::Merged));
        }
        Ok(taken)
    }

    fn create_patient(
        &mut self,
        identity: &Identity,
        change: &PatientChange,
        resource: Resource<'_>,
    ) -> Taken {
        let id = PatientId::new(self.now, self.rng);
        let record = Patient { key: identity.key.0.clone(), ..change.patient.clone() };
        let mut mark = Mark::new();
        mark.take(resource.revision);
        let mut decided: Vec<_> = record.consents.iter().map(|c| ("import", c.clone())).collect();
        decided.extend(change.asserted.iter().map(|asserted| (ASSERTION, asserted.clone())));
        self.name(NameKind::Patient, identity, id, id.0);
        let patient = HeldPatient {
            id,
            programme: self.programme.name.clone(),
            status: record.status,
            fingerprint: fingerprint(&self.held.keys, &record),
            record,
            fate: Fate::New,
            contacts: Fate::New,
            disturbed: true,
            mark,
            consents: Vec::new(),
            decided,
            replaced_consents: BTreeMap::new(),
            consent_marks: BTreeMap::new(),
            plans: Vec::new(),
            activities: Vec::new(),
        };
        self.held.patients.insert(id, patient);
        Taken::of(Outcome::Created)
    }

    fn update_patient(
        &mut self,
        id: PatientId,
        change: &PatientChange,
        resource: Resource<'_>,
    ) -> Result<Taken, Stop> {
        self.name(NameKind::Patient, &change.identity, id, id.0);
        let (zones, keys, programme) = (self.zones, self.held.keys.clone(), self.programme);
        let Some(patient) = self.held.patient(id) else { return Err(Stop::Waits) };
        // Two identifiers must agree before one person's data is put on another's (hazard H01).
        if !birth_dates_agree(&patient.record, &change.patient) {
            self.doubted.insert(id);
            return Err(Stop::review("birthDate", Why::OtherBirthDate));
        }
        let mut taken = Taken::of(Outcome::Unchanged);
        let mut remark = |path: &str, why| taken.remarks.push(Remark::at(path, why));
        if patient.programme != programme.name {
            remark(".", Why::OtherProgramme { programme: patient.programme.clone() });
        }
        let said_no = refused_in_person(patient);
        let mut record = merged(&patient.record, &change.patient, resource.read_at);
        record.consents.retain(|consent| {
            let stands = !(said_no && is_undated_yes(consent, resource.read_at));
            if !stands {
                remark("consent", Why::RefusalStands);
            }
            stands
        });
        if patient.status == PatientStatus::Deceased && record.status != PatientStatus::Deceased {
            remark("deceased", Why::Deceased);
            record.status = PatientStatus::Deceased;
            taken.outcome = Outcome::Review;
        }
        for consent in &record.consents {
            if !patient.record.consents.contains(consent) {
                patient.decided.push(("import", consent.clone()));
            }
        }
        if let Some(asserted) = &change.asserted {
            let known = |c: &crate::care::contact::KnownConsent| {
                c.source == ASSERTION && c.at == asserted.at && c.channel == asserted.channel
            };
            if !patient.consents.iter().any(known) {
                patient.decided.push((ASSERTION, asserted.clone()));
                patient.disturbed = true;
                taken.outcome = taken.outcome.max_by_weight(Outcome::Updated);
            }
        }
        let print = fingerprint(&keys, &record);
        if print != patient.fingerprint {
            // What people and replies made of the standing stays until the source moves it.
            if record.status != patient.record.status {
                patient.status = record.status;
            }
            if record.contacts != patient.record.contacts {
                patient.contacts.change();
            }
            if record.zone != patient.record.zone {
                move_appointments(patient, &record.zone, zones, &keys);
            }
            patient.record = record;
            patient.fingerprint = print;
            patient.fate.change();
            patient.disturbed = true;
            taken.outcome = taken.outcome.max_by_weight(Outcome::Updated);
        }
        patient.mark.take(resource.revision);
        Ok(taken)
    }
}

/// Written birth dates may be parts of one another: `1970` and `1970-01-01`.
fn birth_dates_agree(stored: &Patient, new: &Patient) -> bool {
    let (Some(stored), Some(new)) = (&stored.birth_date, &new.birth_date) else { return true };
    let (stored, new) = (stored.expose().trim(), new.expose().trim());
    stored.starts_with(new) || new.starts_with(stored)
}

/// The record as the source has it now. Where it is silent, what is known stays: a feed without routines,
/// zones or consents takes none away.
fn merged(stored: &Patient, new: &Patient, read_at: UtcMs) -> Patient {
    let mut record = Patient { key: stored.key.clone(), ..new.clone() };
    let longer = |phi: &Option<Phi<String>>| phi.as_ref().map_or(0, |text| text.expose().len());
    if longer(&stored.birth_date) >= longer(&new.birth_date) {
        record.birth_date.clone_from(&stored.birth_date);
    }
    if new.zone_origin == Origin::Defaulted && stored.zone_origin == Origin::Given {
        record.zone.clone_from(&stored.zone);
        record.zone_origin = Origin::Given;
    }
    if new.routine == Routine::default() {
        record.routine.clone_from(&stored.routine);
    }
    if new.name.is_none() {
        record.name.clone_from(&stored.name);
    }
    if new.consents.is_empty() {
        record.consents.clone_from(&stored.consents);
    }
    // A consent without a date got that of its first import.
    for consent in record.consents.iter_mut().filter(|consent| consent.at == read_at) {
        let same = |known: &&ConsentBasis| {
            (known.channel, known.decision, &known.basis)
                == (consent.channel, consent.decision, &consent.basis)
        };
        if let Some(known) = stored.consents.iter().rfind(same) {
            consent.at = known.at;
        }
    }
    record
}

pub(super) fn refused_in_person(patient: &HeldPatient) -> bool {
    patient.consents.iter().any(|consent| {
        consent.decision == ConsentDecision::Refused
            && matches!(consent.source.as_str(), "reply" | "provider" | "person")
    })
}

pub(super) fn is_undated_yes(consent: &ConsentBasis, read_at: UtcMs) -> bool {
    consent.decision == ConsentDecision::Given && consent.at == read_at
}

/// Appointments that were given by the wall clock follow the patient's zone.
fn move_appointments(
    patient: &mut HeldPatient,
    to: &str,
    zones: &dyn crate::care::ZoneRules,
    keys: &crate::security::Keyring,
) {
    let (Some(from), Some(to)) = (zones.zone(&patient.record.zone), zones.zone(to)) else { return };
    for activity in &mut patient.activities {
        let Schedule::Appointment { start } = activity.record.schedule else { continue };
        let Some(Date::Local(local)) = Date::parse(&activity.record.anchor) else { continue };
        if from.resolve(local).instant() == start {
            activity.record.schedule = Schedule::Appointment { start: to.resolve(local).instant() };
            activity.fingerprint = crate::import::held::activity_print(keys, activity);
            activity.fate.change();
        }
    }
}
