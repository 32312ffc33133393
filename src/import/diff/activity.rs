//! Activities: a line of a plan, or an order that stands on its own.

use super::{Diff, Located, Stop, Taken, apart};
use crate::care::ids::{ActivityId, PatientId};
use crate::care::milestone::Facts;
use crate::care::{Activity, ActivityStatus, Confidence, Schedule, UtcMs, Zone};
use crate::import::change::{ActivityChange, AnchorFrom, Identity, Revision};
use crate::import::date::Date;
use crate::import::held::{Fate, HeldActivity, HeldPatient, HeldPlan, Mark, activity_print};
use crate::import::report::{Outcome, Remark};
use crate::import::why::Why;
use crate::policy::validity::valid_until;
use crate::store::sources::{Enrolled, NameKind, NameRow};
use crate::timing::{ActivityContext, Decision, activity_confidence};
use uuid::Uuid;

impl Diff<'_> {
    pub(super) fn check_activity(
        &self,
        change: &ActivityChange,
        owner: PatientId,
        revision: &Revision,
    ) -> Result<(), Stop> {
        // What another order carries on ends with it, whatever its own record says.
        let carried = |key| self.held.named(NameKind::ReplacedActivity, key).is_some();
        if change.identity.names().any(carried) {
            return Err(Stop::ignore(".", Why::Replaced));
        }
        self.check_thing(NameKind::Activity, &change.identity, owner, revision)
    }

    pub(super) fn take_activity(
        &mut self,
        change: &ActivityChange,
        revision: &Revision,
    ) -> Result<(ActivityId, Taken), Stop> {
        let owner = self.subject(&change.subject)?;
        let (known, identity, mut remarks) = self.know(change, owner);
        let id = known.map_or_else(|| ActivityId::new(self.now, self.rng), ActivityId);
        self.name(NameKind::Activity, &identity, owner, id.0);
        for replaced in &change.replaces {
            self.carry_on(replaced.candidates.as_slice(), owner, id);
        }
        let made = self.make(change, &identity, owner, id)?;
        remarks.extend(made.remarks);
        let keys = self.held.keys.clone();
        let patient = self.held.patient(owner).ok_or(Stop::Waits)?;
        let asks = made.fresh.confidence == Confidence::Review
            && matches!(made.fresh.record.status, ActivityStatus::Active | ActivityStatus::OnHold);
        let mut fresh = made.fresh;
        fresh.fingerprint = activity_print(&keys, &fresh);
        let outcome = match patient.activity(id.0) {
            None => {
                fresh.mark.take(revision);
                patient.activities.push(fresh);
                Outcome::Created
            }
            Some(stored) => {
                stored.mark.take(revision);
                if (stored.mark.enrolled, stored.mark.anchor_from)
                    != (fresh.mark.enrolled, fresh.mark.anchor_from)
                {
                    stored.mark.enrolled = fresh.mark.enrolled;
                    stored.mark.anchor_from = fresh.mark.anchor_from;
                    stored.mark.fate.change();
                }
                if stored.fingerprint == fresh.fingerprint {
                    Outcome::Unchanged
                } else {
                    let (mark, fate) = (stored.mark.clone(), stored.fate);
                    *stored = HeldActivity { fate, mark, ..fresh };
                    stored.fate.change();
                    Outcome::Updated
                }
            }
        };
        if outcome == Outcome::Unchanged {
            return Ok((id, Taken { outcome, remarks }));
        }
        patient.disturbed = true;
        self.settle_medicines(owner, id);
        let outcome = if asks { Outcome::Review } else { outcome };
        Ok((id, Taken { outcome, remarks }))
    }

    /// The stored activity that a change is about, if any, and the names it is to have.
    fn know(
        &self,
        change: &ActivityChange,
        owner: PatientId,
    ) -> (Option<Uuid>, Identity, Vec<Remark>) {
        match self.locate(NameKind::Activity, &change.identity) {
            Located::There { to, .. } => (Some(to.subject), change.identity.clone(), Vec::new()),
            Located::Apart => {
                let remark = Remark::at("identifier", Why::SharedIdentifier);
                (None, apart(&change.identity), vec![remark])
            }
            Located::Nowhere | Located::Several => {
                let free = |name: &&NameRow| {
                    name.patient == owner
                        && !self.held.names.values().any(|other| {
                            other.kind == NameKind::ReplacedActivity
                                && other.subject == name.subject
                        })
                };
                let carried = change
                    .replaces
                    .iter()
                    .filter_map(|old| self.held.first(NameKind::Activity, old))
                    .find(free);
                (carried.map(|name| name.subject), change.identity.clone(), Vec::new())
            }
        }
    }

    /// An activity takes another's place: what has a row of its own ends, and its names act no more.
    fn carry_on(&mut self, old: &[crate::import::change::Key], owner: PatientId, by: ActivityId) {
        let reference = crate::import::change::Reference { candidates: old.to_vec() };
        let known = self.held.first(NameKind::Activity, &reference).cloned();
        if known.as_ref().is_some_and(|name| name.patient != owner) {
            return;
        }
        self.name_all(NameKind::ReplacedActivity, &reference, owner, by.0);
        let keys = self.held.keys.clone();
        let (Some(name), Some(patient)) = (known, self.held.patients.get_mut(&owner)) else {
            return;
        };
        if name.subject != by.0
            && let Some(old) = patient.activity(name.subject)
        {
            stop(old, &keys);
        }
    }

    /// The activity as it is to be.
    fn make(
        &self,
        change: &ActivityChange,
        identity: &Identity,
        owner: PatientId,
        id: ActivityId,
    ) -> Result<Made, Stop> {
        let patient = self.held.patients.get(&owner).ok_or(Stop::Waits)?;
        let stored = patient.activities.iter().find(|activity| activity.id == id);
        let plan = self.plan_of(change, identity, patient);
        let enrolled = if change.plan.is_some() { Enrolled::Plan } else { Enrolled::Itself };
        let zone = self.zone_of(patient);
        let mut record = change.activity.clone();
        record.key = stored
            .map_or_else(|| identity.key.expose().to_owned(), |stored| stored.record.key.clone());
        record.anchor = anchor(change, plan, stored);
        if let (Some(local), Some(zone)) = (change.local_start, &zone) {
            record.schedule = Schedule::Appointment { start: zone.resolve(local).instant() };
        }
        if let Some(ended) = plan.filter(|_| enrolled == Enrolled::Plan).map(|p| p.record.status)
            && matches!(ended, ActivityStatus::Stopped | ActivityStatus::EnteredInError)
            && record.status != ActivityStatus::EnteredInError
        {
            record.status = ended;
        }
        if let Schedule::Protocol { facts, .. } = &mut record.schedule {
            learn(facts, stored.map(|stored| &stored.record.schedule), self.now);
        }
        let mut remarks = Vec::new();
        if self.has_rival(patient, id, &record) {
            record.review.push(Why::SameMedicine.to_string());
            remarks.push(Remark::at(".", Why::SameMedicine));
        }
        let confidence = match &zone {
            Some(zone) => {
                let (confidence, notes) = self.confidence(patient, &record, zone);
                if confidence == Confidence::Review {
                    remarks.extend(timing_remarks(&notes));
                }
                confidence
            }
            None => Confidence::Review,
        };
        let reminders_from = self.reminders_from(stored, &record, zone.as_deref());
        let mut mark = Mark::new();
        (mark.enrolled, mark.anchor_from) = (enrolled, Some(change.anchor_from));
        let fresh = HeldActivity {
            id,
            record,
            plan: plan.map(|plan| plan.key_hash.clone()),
            confidence,
            fingerprint: Vec::new(),
            reminders_from,
            fate: Fate::New,
            mark,
        };
        Ok(Made { fresh, remarks })
    }

    /// The plan that holds it: the one it is a line of, or the one that lists it.
    fn plan_of<'p>(
        &self,
        change: &ActivityChange,
        identity: &Identity,
        patient: &'p HeldPatient,
    ) -> Option<&'p HeldPlan> {
        let named = match &change.plan {
            Some(plan) => self.held.first(NameKind::Plan, plan),
            None => identity.names().find_map(|key| self.held.named(NameKind::Member, key)),
        };
        patient.plan(named?.subject)
    }

    pub(super) fn confidence(
        &self,
        patient: &HeldPatient,
        record: &Activity,
        zone: &Zone,
    ) -> (Confidence, Vec<crate::care::Note>) {
        let programme = self.programme_of(patient);
        let routine = patient.record.routine.or(&programme.routine);
        let context = ActivityContext { zone, routine: &routine, programme };
        activity_confidence(record, context)
    }

    /// No slot before it is written: a new activity counts from the commit of its import; one that comes back
    /// from that commit less what is still of use then (design.md section 3).
    fn reminders_from(
        &self,
        stored: Option<&HeldActivity>,
        record: &Activity,
        zone: Option<&Zone>,
    ) -> UtcMs {
        let Some(stored) = stored else { return self.now };
        let in_force = |status| matches!(status, ActivityStatus::Active | ActivityStatus::OnHold);
        if in_force(stored.record.status) || !in_force(record.status) {
            return stored.reminders_from;
        }
        let until = zone.map(|zone| valid_until(record.class, self.now, None, zone, None));
        let useful_ms = until.map_or(0, |until| until.since(self.now));
        stored.reminders_from.max(self.now.plus_ms(-useful_ms))
    }
}

struct Made {
    fresh: HeldActivity,
    remarks: Vec<Remark>,
}

/// Fills in when the house learnt of the enrolment and of what is met: now, unless it is known already.
fn learn(facts: &mut Facts, stored: Option<&Schedule>, now: UtcMs) {
    let known = match stored {
        Some(Schedule::Protocol { facts, .. }) => Some(facts),
        _ => None,
    };
    let enrolled = known.and_then(|known| known.enrolled.clone());
    facts.enrolled = enrolled.or_else(|| Some(now.rfc3339()));
    for (milestone, met) in &mut facts.met {
        let same = known.and_then(|known| known.met.get(milestone)).filter(|k| k.at == met.at);
        let recorded = same.and_then(|known| known.recorded.clone());
        met.recorded = recorded.or_else(|| Some(now.rfc3339()));
    }
}

/// Its own date, else its plan's start, else the date it was written, else the first import's.
fn anchor(
    change: &ActivityChange,
    plan: Option<&HeldPlan>,
    stored: Option<&HeldActivity>,
) -> String {
    let own = &change.activity.anchor;
    match (change.anchor_from, plan.and_then(plan_start), stored) {
        (AnchorFrom::Own, ..) => own.clone(),
        (_, Some(start), _) => start.to_owned(),
        (AnchorFrom::Import, None, Some(stored)) => stored.record.anchor.clone(),
        (AnchorFrom::Authored | AnchorFrom::Import, None, _) => own.clone(),
    }
}

pub(super) fn plan_start(plan: &HeldPlan) -> Option<&str> {
    plan.record.period.start.as_deref().map(str::trim).filter(|start| Date::parse(start).is_some())
}

/// Ends an activity that the source no longer has in force; true when it was.
pub(super) fn stop(activity: &mut HeldActivity, keys: &crate::security::Keyring) -> bool {
    let gone =
        matches!(activity.record.status, ActivityStatus::Stopped | ActivityStatus::EnteredInError);
    if !gone {
        activity.record.status = ActivityStatus::Stopped;
        activity.fingerprint = activity_print(keys, activity);
        activity.fate.change();
    }
    !gone
}

/// What a person must confirm, in the words of the table of decisions, which hold nothing of the order.
fn timing_remarks(notes: &[crate::care::Note]) -> Vec<Remark> {
    let decision = |note: &crate::care::Note| {
        let known = Decision::ALL.iter().find(|decision| decision.rule() == note.rule)?;
        let (rule, text) = (note.rule.clone(), known.text().to_owned());
        Some(Remark::at(".", Why::Timing { rule, text }))
    };
    notes.iter().filter_map(decision).collect()
}
