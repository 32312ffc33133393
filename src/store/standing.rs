//! Everything known of patients at the moment of a decision, read in one go.

use super::activities::{self, ActivityRow};
use super::invites::InviteRow;
use super::patients::{self, PatientRow};
use super::{Result, Tx};
use crate::care::contact::{KnownConsent, KnownContact};
use crate::care::ids::PatientId;
use crate::care::{Programme, Schedule, UtcMs, Zone};
use crate::policy::calendar::Announced;
use crate::security::Keyring;
use crate::timing::{ActivityContext, next_activity_slot};
use std::collections::BTreeMap;

/// A patient with contact points, consents and activities.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The patient.
    pub row: PatientRow,
    /// Contact points, by rank.
    pub contacts: Vec<KnownContact>,
    /// Consents, by time.
    pub consents: Vec<KnownConsent>,
    /// Activities, stopped ones included.
    pub activities: Vec<ActivityRow>,
}

impl Standing {
    /// An appointment as it stands now, beside a calendar entry that announced it; and when its change was learnt.
    pub fn announced(
        &self,
        entry: &InviteRow,
        programme: &Programme,
        zone: &Zone,
        (now, learnt): (UtcMs, UtcMs),
    ) -> Option<(Announced, &ActivityRow)> {
        let row = self.activities.iter().find(|row| row.id == entry.activity)?;
        let rejected = row.rejected_revision == Some(row.revision);
        let start = match row.activity.schedule {
            Schedule::Appointment { start } if !rejected && !row.needs_review() => Some(start),
            _ => None,
        };
        let routine = self.row.patient.routine.or(&programme.routine);
        let context = ActivityContext { zone, routine: &routine, programme };
        let next = |start| next_activity_slot(&row.activity, context, now, start);
        let next_reminder = start.and_then(next);
        let status = row.activity.status;
        Some((Announced { now, learnt, told: entry.start, status, start, next_reminder }, row))
    }
}

/// Reads the standing of patients.
pub async fn load(
    tx: &mut Tx,
    keys: &Keyring,
    ids: &[PatientId],
) -> Result<BTreeMap<PatientId, Standing>> {
    let rows = patients::load(tx, keys, ids).await?;
    let known: Vec<PatientId> = rows.iter().map(|row| row.id).collect();
    let patient_keys = rows.iter().map(|row| (row.id, row.key.clone())).collect();
    let contacts = patients::contacts(tx, &rows).await?;
    let consents = patients::consents(tx, &known).await?;
    let activities = activities::of_patients(tx, &patient_keys).await?;
    let mut standings: BTreeMap<PatientId, Standing> = rows
        .into_iter()
        .map(|row| {
            let empty = (Vec::new(), Vec::new(), Vec::new());
            let (contacts, consents, activities) = empty;
            (row.id, Standing { row, contacts, consents, activities })
        })
        .collect();
    for contact in contacts {
        if let Some(standing) = standings.get_mut(&contact.patient) {
            standing.contacts.push(contact);
        }
    }
    for consent in consents {
        if let Some(standing) = standings.get_mut(&consent.patient) {
            standing.consents.push(consent);
        }
    }
    for activity in activities {
        if let Some(standing) = standings.get_mut(&activity.patient) {
            standing.activities.push(activity);
        }
    }
    Ok(standings)
}
