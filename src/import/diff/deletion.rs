//! What the source has deleted: nothing is erased, but nothing more is sent.

use super::{By, Diff, Stop, Taken};
use crate::care::{ActivityStatus, PatientStatus};
use crate::import::change::{Deletion, Revision};
use crate::import::held::{activity_print, fingerprint, kind_of};
use crate::import::report::{Outcome, Why};
use crate::store::sources::NameKind;

impl Diff<'_> {
    pub(super) fn check_deletion(
        &self,
        deletion: &Deletion,
        revision: &Revision,
    ) -> Result<(), Stop> {
        match self.held.first(kind_of(&deletion.kind), &deletion.target) {
            Some(to) => self.check_age(to, By::Id, revision),
            None => Err(Stop::ignore(".", Why::NotStored)),
        }
    }

    pub(super) fn take_deletion(
        &mut self,
        deletion: &Deletion,
        revision: &Revision,
    ) -> Result<Taken, Stop> {
        let not_stored = || Stop::ignore(".", Why::NotStored);
        let found = self.held.first(kind_of(&deletion.kind), &deletion.target);
        let to = found.cloned().ok_or_else(not_stored)?;
        let keys = self.held.keys.clone();
        let patient = self.held.patient(to.patient).ok_or_else(not_stored)?;
        let changed = match to.kind {
            NameKind::Patient => {
                patient.mark.take(revision);
                let gone =
                    matches!(patient.record.status, PatientStatus::Left | PatientStatus::Deceased);
                if !gone {
                    patient.record.status = PatientStatus::Left;
                    patient.status = PatientStatus::Left;
                    patient.fingerprint = fingerprint(&keys, &patient.record);
                    patient.fate.change();
                }
                !gone
            }
            NameKind::Plan => return self.end_plan(&to, revision),
            NameKind::Consent => {
                let mark = patient.consent_marks.get_mut(&to.subject).ok_or_else(not_stored)?;
                mark.take(revision);
                let there = mark.fingerprint.take().is_some();
                if there {
                    mark.fate.change();
                    patient.replaced_consents.insert(to.subject, Vec::new());
                }
                there
            }
            _ => {
                let activity = patient.activity(to.subject).ok_or_else(not_stored)?;
                activity.mark.take(revision);
                let gone = matches!(
                    activity.record.status,
                    ActivityStatus::Stopped | ActivityStatus::EnteredInError
                );
                if !gone {
                    activity.record.status = ActivityStatus::Stopped;
                    activity.fingerprint = activity_print(&keys, activity);
                    activity.fate.change();
                }
                !gone
            }
        };
        if changed {
            let patient = self.held.patient(to.patient).ok_or_else(not_stored)?;
            patient.disturbed = true;
        }
        Ok(Taken::of(if changed { Outcome::Updated } else { Outcome::Unchanged }))
    }
}
