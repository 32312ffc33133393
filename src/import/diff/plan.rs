//! Care plans: what hangs on one, what one ends, what one replaces.

use super::activity::{plan_start, stop};
use super::{Diff, Located, Stop, Taken, apart};
use crate::care::ids::{ActivityId, PatientId, PlanId};
use crate::care::{ActivityStatus, Plan};
use crate::import::change::{AnchorFrom, PlanChange, Reference, Revision};
use crate::import::date::Date;
use crate::import::held::{Fate, HeldPlan, Mark, activity_print, fingerprint, plan_hash};
use crate::import::report::{Outcome, Remark, Why};
use crate::store::sources::{Enrolled, NameKind, NameRow, name_hash};
use std::collections::BTreeSet;
use uuid::Uuid;

impl Diff<'_> {
    pub(super) fn take_plan(
        &mut self,
        change: &PlanChange,
        revision: &Revision,
    ) -> Result<Taken, Stop> {
        let owner = self.subject(&change.subject)?;
        let (known, identity) = match self.locate(NameKind::Plan, &change.identity) {
            Located::There { to, .. } => (Some(to.subject), change.identity.clone()),
            Located::Apart => (None, apart(&change.identity)),
            Located::Nowhere | Located::Several => (None, change.identity.clone()),
        };
        let replaced =
            identity.names().any(|key| self.held.named(NameKind::ReplacedPlan, key).is_some());
        let id = known.map_or_else(|| PlanId::new(self.now, self.rng), PlanId);
        self.name(NameKind::Plan, &identity, owner, id.0);
        let keys = self.held.keys.clone();
        let patient = self.held.patient(owner).ok_or(Stop::Waits)?;
        let stored = patient.plans.iter_mut().find(|plan| plan.id == id);
        let key = stored
            .as_ref()
            .map_or_else(|| identity.key.expose().to_owned(), |plan| plan.record.key.clone());
        let mut record = Plan { key, ..change.plan.clone() };
        if replaced && !ended(record.status) {
            record.status = ActivityStatus::Stopped;
        }
        let print = fingerprint(&keys, &record);
        let mut taken = match stored {
            None => {
                let mut mark = Mark::new();
                mark.take(revision);
                let key_hash = plan_hash(&keys, &record.key);
                let fate = Fate::New;
                let plan = HeldPlan { id, key_hash, record, fingerprint: print, fate, mark };
                patient.plans.push(plan);
                Taken::of(Outcome::Created)
            }
            Some(plan) => {
                plan.mark.take(revision);
                if plan.fingerprint == print {
                    Taken::of(Outcome::Unchanged)
                } else {
                    (plan.record, plan.fingerprint) = (record, print);
                    plan.fate.change();
                    Taken::of(Outcome::Updated)
                }
            }
        };
        if replaced {
            taken.remarks.push(Remark::at(".", Why::Replaced));
        }
        if taken.outcome != Outcome::Unchanged {
            patient.disturbed = true;
        }
        taken.join(self.take_members(change, owner, id));
        taken.join(self.replace_plans(change, owner, id));
        Ok(taken)
    }

    /// Orders that hang on the plan: it counts from the plan's start, unless they have a date of their own.
    fn take_members(&mut self, change: &PlanChange, owner: PatientId, plan: PlanId) -> Taken {
        let wanted: BTreeSet<Vec<u8>> = change
            .members
            .iter()
            .flat_map(|member| &member.candidates)
            .map(|key| name_hash(&self.held.keys, NameKind::Member, key.expose()))
            .collect();
        let listed = |name: &&NameRow| name.kind == NameKind::Member && name.subject == plan.0;
        let left_out: Vec<Vec<u8>> = self
            .held
            .names
            .values()
            .filter(listed)
            .map(|name| name.name_hash.clone())
            .filter(|hash| !wanted.contains(hash))
            .collect();
        for hash in &left_out {
            self.held.take_away(hash);
        }
        let mut members: BTreeSet<Uuid> = BTreeSet::new();
        for member in &change.members {
            // An order that hung on another plan hangs on the last one that lists it.
            for key in &member.candidates {
                let hash = name_hash(&self.held.keys, NameKind::Member, key.expose());
                if self.held.names.get(&hash).is_some_and(|name| name.subject != plan.0) {
                    self.held.take_away(&hash);
                }
            }
            self.name_all(NameKind::Member, member, owner, plan.0);
            let known = self.held.first(NameKind::Activity, member);
            members.extend(known.filter(|name| name.patient == owner).map(|name| name.subject));
        }
        let keys = self.held.keys.clone();
        let Some(patient) = self.held.patient(owner) else { return Taken::of(Outcome::Unchanged) };
        let Some(held) = patient.plans.iter().find(|held| held.id == plan) else {
            return Taken::of(Outcome::Unchanged);
        };
        let (hash, start) = (held.key_hash.clone(), plan_start(held).map(str::to_owned));
        let mut changed = false;
        for activity in &mut patient.activities {
            if activity.mark.enrolled == Enrolled::Plan {
                continue;
            }
            let before = activity.fingerprint.clone();
            if members.contains(&activity.id.0) {
                activity.plan = Some(hash.clone());
                let own = activity.mark.anchor_from == Some(AnchorFrom::Own);
                if let Some(start) = start.as_ref().filter(|_| !own) {
                    activity.record.anchor.clone_from(start);
                }
            } else if activity.plan.as_ref() == Some(&hash) {
                activity.plan = None;
            } else {
                continue;
            }
            activity.fingerprint = activity_print(&keys, activity);
            if activity.fingerprint != before {
                activity.fate.change();
                changed = true;
            }
        }
        patient.disturbed |= changed;
        Taken::of(if changed { Outcome::Updated } else { Outcome::Unchanged })
    }

    /// Plans whose function it takes end when it starts, with what was in force through them alone.
    fn replace_plans(&mut self, change: &PlanChange, owner: PatientId, by: PlanId) -> Taken {
        let mut taken = Taken::of(Outcome::Unchanged);
        if change.plan.status != ActivityStatus::Active || change.replaces.is_empty() {
            return taken;
        }
        let start = change.plan.period.start.as_deref().and_then(Date::parse);
        if start.is_some_and(|start| start.begins() > self.now) {
            taken.remarks.push(Remark::at("replaces", Why::StartsLater));
            return taken;
        }
        for old in &change.replaces {
            let known = self.held.first(NameKind::Plan, old).cloned();
            if known.as_ref().is_some_and(|name| name.patient != owner || name.subject == by.0) {
                continue;
            }
            self.name_all(NameKind::ReplacedPlan, old, owner, by.0);
            if let Some(name) = known
                && let Ok(ended) = self.end_plan(&name, &Revision::default())
            {
                taken.join(ended);
            }
        }
        taken
    }

    /// Ends a plan and what is in force through it alone.
    pub(super) fn end_plan(&mut self, to: &NameRow, revision: &Revision) -> Result<Taken, Stop> {
        let keys = self.held.keys.clone();
        let not_stored = || Stop::ignore(".", Why::NotStored);
        let patient = self.held.patient(to.patient).ok_or_else(not_stored)?;
        let plan = patient.plans.iter_mut().find(|plan| plan.id.0 == to.subject);
        let plan = plan.ok_or_else(not_stored)?;
        plan.mark.take(revision);
        let hash = plan.key_hash.clone();
        let mut changed = false;
        if !ended(plan.record.status) {
            plan.record.status = ActivityStatus::Stopped;
            plan.fingerprint = fingerprint(&keys, &plan.record);
            plan.fate.change();
            changed = true;
        }
        for activity in &mut patient.activities {
            if activity.mark.enrolled == Enrolled::Plan && activity.plan.as_ref() == Some(&hash) {
                changed |= stop(activity, &keys);
            }
        }
        patient.disturbed |= changed;
        Ok(Taken::of(if changed { Outcome::Updated } else { Outcome::Unchanged }))
    }

    /// Lines that the plan had and has no more end.
    pub(super) fn end_lines_left_out(
        &mut self,
        change: &PlanChange,
        lines: &BTreeSet<ActivityId>,
    ) -> Result<Taken, Stop> {
        let owner = self.subject(&change.subject)?;
        let keys = self.held.keys.clone();
        let found = self.held.first(NameKind::Plan, &Reference::to(&change.identity)).cloned();
        let patient = self.held.patient(owner).ok_or(Stop::Waits)?;
        let plan = found.and_then(|name| patient.plan(name.subject)).map(|p| p.key_hash.clone());
        let mut stopped = Vec::new();
        for activity in &mut patient.activities {
            let line = activity.mark.enrolled == Enrolled::Plan && activity.plan == plan;
            if line && plan.is_some() && !lines.contains(&activity.id) && stop(activity, &keys) {
                stopped.push(activity.id);
            }
        }
        patient.disturbed |= !stopped.is_empty();
        for id in &stopped {
            self.settle_medicines(owner, *id);
        }
        Ok(Taken::of(if stopped.is_empty() { Outcome::Unchanged } else { Outcome::Updated }))
    }
}

fn ended(status: ActivityStatus) -> bool {
    matches!(status, ActivityStatus::Stopped | ActivityStatus::EnteredInError)
}
