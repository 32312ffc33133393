//! What a dry run remembers of patients that it would have created, so that their orders find them: the hash of
//! each name, nothing else.

use crate::care::ids::PatientId;
use crate::care::patient::Origin;
use crate::care::{Patient, PatientStatus, Phi, Programme, Routine, TextStyle};
use crate::import::held::{Fate, Held, HeldPatient, Mark};
use crate::store::sources::{NameKind, NameRow};
use std::collections::{BTreeMap, HashMap};

/// Patients that only a dry run knows.
#[derive(Default)]
pub(super) struct Ghosts(HashMap<Vec<u8>, NameRow>);

impl Ghosts {
    /// Remembers the names that the step would have given to patients.
    pub(super) fn remember(&mut self, held: &Held) {
        for hash in &held.new_names {
            if let Some(name) = held.names.get(hash).filter(|name| name.kind == NameKind::Patient) {
                self.0.insert(hash.clone(), name.clone());
            }
        }
    }

    /// Adds them to what is held, with the programme's defaults for all that is not remembered.
    pub(super) fn haunt(&self, held: &mut Held, programme: &Programme) {
        let mentioned = held.mentioned.iter().filter_map(|hash| self.0.get(hash));
        for name in mentioned.cloned().collect::<Vec<_>>() {
            held.names.entry(name.name_hash.clone()).or_insert_with(|| name.clone());
            held.patients.entry(name.patient).or_insert_with(|| ghost(name.patient, programme));
        }
    }
}

fn ghost(id: PatientId, programme: &Programme) -> HeldPatient {
    HeldPatient {
        id,
        programme: programme.name.clone(),
        record: Patient {
            key: Phi::default(),
            name: None,
            birth_date: None,
            language: programme.language.clone(),
            zone: programme.zone.clone(),
            zone_origin: Origin::Defaulted,
            routine: Routine::default(),
            status: PatientStatus::Active,
            text_style: TextStyle::default(),
            contacts: Vec::new(),
            consents: Vec::new(),
        },
        status: PatientStatus::Active,
        fingerprint: Vec::new(),
        fate: Fate::Kept,
        contacts: Fate::Kept,
        disturbed: false,
        mark: Mark::new(),
        consents: Vec::new(),
        decided: Vec::new(),
        replaced_consents: BTreeMap::new(),
        consent_marks: BTreeMap::new(),
        plans: Vec::new(),
        activities: Vec::new(),
    }
}
