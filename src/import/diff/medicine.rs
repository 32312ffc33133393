//! One drug in two active orders: the later one waits until a person confirms it (design.md P1).

use super::Diff;
use crate::care::ids::{ActivityId, PatientId};
use crate::care::time::DAY_MS;
use crate::care::{Activity, ActivityStatus, UtcMs};
use crate::import::held::{HeldActivity, HeldPatient, activity_print};
use crate::import::why::Why;
use crate::timing::{ActivityContext, next_activity_slot};

/// How far ahead two orders are looked at, in milliseconds: as far as a wake looks.
const HORIZON_MS: i64 = 400 * DAY_MS;

impl Diff<'_> {
    /// Whether another order of the same drug, itself not waiting, is due at times that overlap.
    pub(super) fn has_rival(
        &self,
        patient: &HeldPatient,
        id: ActivityId,
        record: &Activity,
    ) -> bool {
        let Some(drug) = record.drug.as_ref().filter(|_| in_force(record)) else { return false };
        patient
            .activities
            .iter()
            .filter(|other| other.id != id && in_force(&other.record) && !waits(other))
            .filter(|other| other.record.drug.as_ref() == Some(drug))
            .any(|other| self.overlap(patient, record, &other.record))
    }

    /// Two orders overlap when each still has a slot once the later of them has begun.
    fn overlap(&self, patient: &HeldPatient, one: &Activity, other: &Activity) -> bool {
        let Some(zone) = self.zone_of(patient) else { return true };
        let programme = self.programme_of(patient);
        let routine = patient.record.routine.or(&programme.routine);
        let context = ActivityContext { zone: &zone, routine: &routine, programme };
        let horizon = self.now.plus_ms(HORIZON_MS);
        let next = |record, after: UtcMs| next_activity_slot(record, context, after, horizon);
        let (Some(a), Some(b)) = (next(one, self.now), next(other, self.now)) else { return false };
        let both = a.max(b).plus_ms(-1);
        next(one, both).is_some() && next(other, both).is_some()
    }

    /// After an order changed: others that waited for it to end go on, if nothing else is in their way.
    pub(super) fn settle_medicines(&mut self, owner: PatientId, changed: ActivityId) {
        let Some(patient) = self.held.patients.get(&owner) else { return };
        let released: Vec<(ActivityId, Activity)> = patient
            .activities
            .iter()
            .filter(|other| other.id != changed && waits(other))
            .map(|other| (other.id, without_wait(&other.record)))
            .filter(|(id, record)| !self.has_rival(patient, *id, record))
            .collect();
        for (id, record) in released {
            let Some(patient) = self.held.patients.get(&owner) else { return };
            // One that was released just now is in the next one's way.
            if self.has_rival(patient, id, &record) {
                continue;
            }
            let confidence =
                self.zone_of(patient).map(|zone| self.confidence(patient, &record, &zone).0);
            let keys = self.held.keys.clone();
            let Some(patient) = self.held.patients.get_mut(&owner) else { return };
            if let Some(activity) = patient.activity(id.0) {
                activity.record = record;
                activity.confidence = confidence.unwrap_or(activity.confidence);
                activity.fingerprint = activity_print(&keys, activity);
                activity.fate.change();
            }
        }
    }
}

fn in_force(record: &Activity) -> bool {
    matches!(record.status, ActivityStatus::Active | ActivityStatus::OnHold)
}

fn waits(activity: &HeldActivity) -> bool {
    let why = Why::SameMedicine.to_string();
    activity.record.review.contains(&why)
}

fn without_wait(record: &Activity) -> Activity {
    let why = Why::SameMedicine.to_string();
    let mut record = record.clone();
    record.review.retain(|reason| *reason != why);
    record
}
