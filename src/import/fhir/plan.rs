//! `CarePlan` (<https://hl7.org/fhir/R4/careplan.html>): the plan, the activities it details, and those it
//! refers to.

use super::activity::{Draft, Made, REQUEST_STATUS, title, weaker};
use super::bundle::Stop;
use super::datatypes::{Concept, Reference as Written};
use super::dosage::Timing;
use super::json::{Flag, List, Present, Remarks, Text, parse};
use super::order::{Occurrence, medication_activity, service_activity};
use super::scope::{Known, Scope, Target};
use crate::care::timing::Period;
use crate::care::{ActivityKind, ActivityStatus, Dosage, Phi, Plan, Schedule};
use crate::import::change::{
    ActivityChange, AnchorFrom, Change, Identity, Key, PlanChange, Reference, fingerprint,
};
use crate::import::why::Why;
use crate::import::{material, text};
use serde::Deserialize;
use std::collections::HashSet;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CarePlan {
    status: Option<Text>,
    intent: Option<Text>,
    title: Option<String>,
    category: List<Concept>,
    subject: Option<Written>,
    period: Option<Period>,
    created: Option<String>,
    replaces: List<Written>,
    activity: List<PlanActivity>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PlanActivity {
    id: Option<Text>,
    reference: Option<Written>,
    // R5.
    planned_activity_reference: Option<Written>,
    detail: Option<Detail>,
    modifier_extension: Present,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    kind: Option<String>,
    code: Option<Concept>,
    status: Option<Text>,
    do_not_perform: Option<Flag>,
    scheduled_timing: Option<Timing>,
    scheduled_period: Option<Period>,
    scheduled_string: Option<Text>,
    product_codeable_concept: Option<Concept>,
    description: Option<Text>,
    instantiates_uri: List<Text>,
    modifier_extension: Present,
}

/// Codes of ValueSet care-plan-activity-status.
const DETAIL_STATUS: &[(&str, ActivityStatus)] = &[
    ("not-started", ActivityStatus::Active),
    ("scheduled", ActivityStatus::Active),
    ("in-progress", ActivityStatus::Active),
    ("on-hold", ActivityStatus::OnHold),
    ("completed", ActivityStatus::Stopped),
    ("cancelled", ActivityStatus::Stopped),
    ("stopped", ActivityStatus::Stopped),
    ("unknown", ActivityStatus::Inactive),
    ("entered-in-error", ActivityStatus::EnteredInError),
];

pub(super) fn read(
    scope: &Scope<'_>,
    known: &Known<'_>,
    remarks: &mut Remarks,
) -> Result<Vec<Change>, Stop> {
    let plan: CarePlan = parse(known.json)?;
    let subject = scope.subject(known, plan.subject.as_ref(), "subject")?;
    let name = plan.title.as_deref().and_then(text::line);
    let name = name.or_else(|| plan.category.first().and_then(Concept::name).and_then(text::line));
    let period = plan.period.unwrap_or_default();
    let identity = scope
        .identity(known, || {
            let begin = period.start.as_deref().or(plan.created.as_deref());
            super::activity::print(&subject, name.as_deref().unwrap_or_default(), begin)
        })
        .ok_or_else(|| Stop::reject("identifier", Why::NoIdentity))?;
    let mut draft = Draft::new(known, remarks);
    let status = draft.status(plan.status, REQUEST_STATUS, "status");
    let status = draft.intent(plan.intent, &["plan", "order"], status);
    let doubts = draft.doubts;
    for (path, why) in &doubts {
        remarks.add(path, why.clone());
    }
    let mut within = Within {
        scope,
        subject: &subject,
        plan: &identity,
        status,
        start: period.start.clone(),
        doubts,
        keys: HashSet::new(),
    };
    let (mut activities, mut members) = (Vec::new(), Vec::new());
    for (i, mut activity) in plan.activity.0.into_iter().enumerate() {
        let path = format!("activity[{i}]");
        if let Some(detail) = activity.detail.take() {
            activities.push(within.detail(&path, &activity, detail, remarks));
        } else if let Some(written) = activity.planned_activity_reference.or(activity.reference) {
            match scope.resolve(known, &written, "MedicationRequest") {
                Some(Target::Contained { head, json }) => {
                    let inner = Known::inside(known, *head, json);
                    activities.extend(within.contained(&path, inner, remarks));
                }
                target => match target.and_then(|target| target.reference(scope)) {
                    Some(member) => members.push(member),
                    None => remarks.add(format!("{path}.reference"), Why::Dangling),
                },
            }
        }
    }
    let replaces = scope.all(known, &plan.replaces, "replaces", remarks);
    let plan =
        Plan { key: identity.key.expose().to_owned(), status, title: name.map(Phi::new), period };
    let mut changes =
        vec![Change::Plan(Box::new(PlanChange { identity, subject, plan, members, replaces }))];
    changes.extend(activities.into_iter().map(|activity| Change::Activity(Box::new(activity))));
    Ok(changes)
}

/// What the activities of one plan share.
struct Within<'s, 'a> {
    scope: &'s Scope<'a>,
    subject: &'s Reference,
    plan: &'s Identity,
    status: ActivityStatus,
    start: Option<String>,
    /// Why a person must look at the plan, and so at everything in it.
    doubts: Vec<(String, Why)>,
    keys: HashSet<String>,
}

impl Within<'_, '_> {
    fn detail(
        &mut self,
        path: &str,
        activity: &PlanActivity,
        detail: Detail,
        remarks: &mut Remarks,
    ) -> ActivityChange {
        let path = format!("{path}.detail");
        let mut draft = Draft { remarks, doubts: Vec::new() };
        if activity.modifier_extension.0 || detail.modifier_extension.0 {
            draft.review(&format!("{path}.modifierExtension"), Why::Modifier);
        }
        let status = draft.status(detail.status, DETAIL_STATUS, &format!("{path}.status"));
        let status =
            draft.prohibition(detail.do_not_perform, &format!("{path}.doNotPerform"), status);
        let kind = match detail.kind.as_deref() {
            Some("MedicationRequest") => ActivityKind::Medication,
            Some("NutritionOrder") => ActivityKind::Lifestyle,
            Some("CommunicationRequest") => ActivityKind::Notice,
            _ => ActivityKind::CheckIn,
        };
        let what = match kind {
            ActivityKind::Medication => detail.product_codeable_concept.or(detail.code),
            _ => detail.code,
        };
        let description = detail.description.and_then(|text| text::block(&text.value));
        let (schedule, start) = if let Some(written) = detail.scheduled_string {
            draft.review(&format!("{path}.scheduledString"), Why::TextSchedule);
            let dosage = Dosage { text: Some(written.value), ..Dosage::default() };
            (Schedule::Dosages(vec![dosage]), None)
        } else {
            let written = Occurrence {
                date_time: None,
                period: detail.scheduled_period,
                timing: detail.scheduled_timing,
                path: format!("{path}.scheduled"),
            };
            let when = written.schedule(kind, &mut draft);
            (when.schedule, when.start)
        };
        let anchor = draft.anchor(
            self.scope,
            [
                (AnchorFrom::Own, start.as_deref(), "scheduled"),
                (AnchorFrom::Own, self.start.as_deref(), "period.start"),
                (AnchorFrom::Import, None, ""),
            ],
        );
        let fallback =
            description.as_deref().and_then(text::line).unwrap_or_else(|| kind.word().to_owned());
        let title = title(what.as_ref(), &fallback);
        let code = what.as_ref().and_then(Concept::token);
        let name = activity.id.as_ref().map(|id| id.value.clone()).or_else(|| code.clone());
        let content = serde_json::to_vec(&schedule).unwrap_or_default();
        let content = fingerprint(&[title.as_bytes(), &content]);
        let identity = self.name(name.as_deref().unwrap_or(&title), &content);
        let urls = detail.instantiates_uri.iter().map(|url| url.value.as_str());
        let programme = self.scope.settings.programme;
        let material = material::instantiated(urls, kind, programme);
        let drug = (kind == ActivityKind::Medication)
            .then(|| code.unwrap_or_else(|| title.to_lowercase()));
        let change = draft.finish(Made {
            identity,
            subject: self.subject.clone(),
            kind,
            status: weaker(status, self.status),
            title,
            instruction: description,
            drug,
            schedule,
            local_start: None,
            anchor,
            replaces: Vec::new(),
            material,
        });
        self.belongs(change)
    }

    /// An order that lives inside the plan.
    fn contained(
        &mut self,
        path: &str,
        mut inner: Known<'_>,
        remarks: &mut Remarks,
    ) -> Option<ActivityChange> {
        let id = inner.id.clone().unwrap_or_default();
        inner.identity = Some(self.name(id.trim_start_matches('#'), ""));
        let mut inside = Remarks::default();
        let read = match inner.kind.as_str() {
            "MedicationRequest" => {
                medication_activity(self.scope, &inner, Some(self.subject), &mut inside)
            }
            "ServiceRequest" => {
                service_activity(self.scope, &inner, Some(self.subject), &mut inside)
            }
            _ => Err(Stop::ignore("resourceType", Why::OtherType)),
        };
        for remark in inside.0 {
            remarks.add(format!("{path}.reference/{}", remark.path), remark.why);
        }
        match read {
            Ok(mut change) => {
                change.activity.status = weaker(change.activity.status, self.status);
                Some(self.belongs(change))
            }
            Err(Stop::Ignored(remark) | Stop::Rejected(remark)) => {
                remarks.add(format!("{path}.reference/{}", remark.path), remark.why);
                None
            }
        }
    }

    fn belongs(&self, mut change: ActivityChange) -> ActivityChange {
        let doubts = self.doubts.iter().map(|(path, why)| format!("plan {path}: {why}"));
        change.activity.review.extend(doubts);
        change.plan = Some(Reference::to(self.plan));
        change
    }

    /// The name of an activity within its plan: never its place in the array, which an edit shifts.
    fn name(&mut self, name: &str, content: &str) -> Identity {
        let key = format!("{}#{name}", self.plan.key.expose());
        let key = if self.keys.insert(key.clone()) { key } else { format!("{key}#{content}") };
        self.keys.insert(key.clone());
        Identity::of(Key::new(key))
    }
}
