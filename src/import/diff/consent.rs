//! Consents that stand on their own in the source: what one says now is what it ever said.

use super::patient::{is_undated_yes, refused_in_person};
use super::{Diff, Located, Resource, Stop, Taken, apart};
use crate::care::ids::new_uuid;
use crate::care::{ConsentBasis, UtcMs};
use crate::import::change::ConsentChange;
use crate::import::held::{Mark, fingerprint};
use crate::import::report::{Outcome, Remark, Why};
use crate::store::sources::NameKind;

impl Diff<'_> {
    pub(super) fn take_consent(
        &mut self,
        change: &ConsentChange,
        resource: Resource<'_>,
    ) -> Result<Taken, Stop> {
        let owner = self.subject(&change.subject)?;
        let (subject, identity) = match self.locate(NameKind::Consent, &change.identity) {
            Located::There { to, .. } => (to.subject, change.identity.clone()),
            Located::Apart => (new_uuid(self.now, self.rng), apart(&change.identity)),
            Located::Nowhere | Located::Several => {
                (new_uuid(self.now, self.rng), change.identity.clone())
            }
        };
        self.name(NameKind::Consent, &identity, owner, subject);
        let print = fingerprint(&self.held.keys, &undated(&change.bases, resource.read_at));
        let Some(patient) = self.held.patient(owner) else { return Err(Stop::Waits) };
        let said_no = refused_in_person(patient);
        let mut taken = Taken::of(match patient.consent_marks.get(&subject) {
            None => Outcome::Created,
            Some(mark) if mark.fingerprint.as_ref() == Some(&print) => Outcome::Unchanged,
            Some(_) => Outcome::Updated,
        });
        let mark = patient.consent_marks.entry(subject).or_insert_with(Mark::new);
        mark.take(resource.revision);
        if taken.outcome == Outcome::Unchanged {
            return Ok(taken);
        }
        mark.fingerprint = Some(print);
        mark.fate.change();
        let mut bases = change.bases.clone();
        bases.retain(|consent| {
            let stands = !(said_no && is_undated_yes(consent, resource.read_at));
            if !stands {
                taken.remarks.push(Remark::at("dateTime", Why::RefusalStands));
            }
            stands
        });
        patient.replaced_consents.insert(subject, bases);
        patient.disturbed = true;
        Ok(taken)
    }
}

/// The decisions with the time of reading, which changes at every import, left out.
fn undated(bases: &[ConsentBasis], read_at: UtcMs) -> Vec<ConsentBasis> {
    let mut bases = bases.to_vec();
    for consent in bases.iter_mut().filter(|consent| consent.at == read_at) {
        consent.at = UtcMs(0);
    }
    bases
}
