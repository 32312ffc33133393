//! Addresses that reach several people: noticed when a patient comes or changes.

use crate::care::PatientStatus;
use crate::care::ids::PatientId;
use crate::import::change::Change;
use crate::import::held::{Fate, Held};
use crate::import::importer::{Done, Piece};
use crate::import::report::{Remark, Why};
use crate::store::sources::{self, NameKind};
use crate::store::{Result, Tx};
use std::collections::{BTreeMap, BTreeSet};

/// Remarks on patients whose address other active patients use as well.
pub(super) async fn remark_addresses(
    tx: &mut Tx,
    held: &Held,
    chunk: &[&Piece],
    done: &mut [Done],
) -> Result<()> {
    let mut users: BTreeMap<Vec<u8>, BTreeSet<PatientId>> = BTreeMap::new();
    let mut used: BTreeMap<PatientId, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let moved = |p: &&crate::import::held::HeldPatient| {
        p.contacts != Fate::Kept && p.status == PatientStatus::Active
    };
    for patient in held.patients.values().filter(moved) {
        for contact in &patient.record.contacts {
            let hash = held.keys.look_up("address", contact.address.expose());
            users.entry(hash.clone()).or_default().insert(patient.id);
            used.entry(patient.id).or_default().insert(hash);
        }
    }
    let addresses: Vec<Vec<u8>> = users.keys().cloned().collect();
    for (hash, owner) in sources::active_owners(tx, &addresses).await? {
        users.entry(hash).or_default().insert(owner);
    }
    for (piece, done) in chunk.iter().zip(done) {
        let (Some(Change::Patient(change)), Done::Ended(_, remarks)) =
            (piece.item.changes().first(), done)
        else {
            continue;
        };
        let name = change.identity.names().find_map(|key| held.named(NameKind::Patient, key));
        let Some(owner) = name.map(|name| name.patient) else { continue };
        let people: BTreeSet<&PatientId> = used
            .get(&owner)
            .into_iter()
            .flatten()
            .flat_map(|hash| &users[hash])
            .filter(|other| **other != owner)
            .collect();
        if !people.is_empty() {
            remarks.push(Remark::at("telecom", Why::SharedAddress { people: people.len() }));
        }
    }
    Ok(())
}
