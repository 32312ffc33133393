//! `MedicationRequest`, `ServiceRequest` and `CommunicationRequest`: orders that become one activity each.

use super::activity::{Draft, Made, ORDERS, REQUEST_STATUS, print, title};
use super::bundle::Stop;
use super::datatypes::{Concept, ConceptOrReference, Reference as Written};
use super::dosage::{Dosage, Timing};
use super::json::{Flag, List, Remarks, Text, parse};
use super::payload::{self, Payload};
use super::scope::{Known, Scope};
use crate::care::timing::{Period, Repeat, Timing as CareTiming};
use crate::care::{ActivityKind, Dosage as CareDosage, Schedule};
use crate::import::change::{ActivityChange, AnchorFrom, Change, Reference};
use crate::import::date::Date;
use crate::import::why::Why;
use crate::import::{material, text};
use chrono::NaiveDateTime;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MedicationRequest {
    status: Option<Text>,
    intent: Option<Text>,
    do_not_perform: Option<Flag>,
    medication_codeable_concept: Option<Concept>,
    medication_reference: Option<Written>,
    // R5.
    medication: Option<ConceptOrReference>,
    subject: Option<Written>,
    authored_on: Option<String>,
    // R5.
    effective_dose_period: Option<Period>,
    dispense_request: Option<DispenseRequest>,
    dosage_instruction: List<Dosage>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DispenseRequest {
    validity_period: Option<Period>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Medication {
    code: Option<Concept>,
}

/// Reads a `MedicationRequest` (<https://hl7.org/fhir/R4/medicationrequest.html>).
pub(super) fn medication_request(
    scope: &Scope<'_>,
    known: &Known<'_>,
    remarks: &mut Remarks,
) -> Result<Vec<Change>, Stop> {
    let change = medication_activity(scope, known, None, remarks)?;
    Ok(vec![Change::Activity(Box::new(change))])
}

pub(super) fn medication_activity(
    scope: &Scope<'_>,
    known: &Known<'_>,
    subject: Option<&Reference>,
    remarks: &mut Remarks,
) -> Result<ActivityChange, Stop> {
    let order: MedicationRequest = parse(known.json)?;
    let subject = match subject {
        Some(subject) => subject.clone(),
        None => scope.subject(known, order.subject.as_ref(), "subject")?,
    };
    let mut draft = Draft::new(known, remarks);
    let status = draft.status(order.status, REQUEST_STATUS, "status");
    let status = draft.intent(order.intent, ORDERS, status);
    let status = draft.prohibition(order.do_not_perform, "doNotPerform", status);
    let medicine = medicine(
        scope,
        known,
        order.medication_codeable_concept,
        order.medication_reference,
        order.medication,
    );
    if medicine.as_ref().and_then(Concept::name).is_none() {
        draft.review("medication", Why::NoDrug);
    }
    let start_of = |period: &Option<Period>| period.as_ref().and_then(|p| p.start.clone());
    let effective = start_of(&order.effective_dose_period);
    let valid = order.dispense_request.as_ref().and_then(|d| start_of(&d.validity_period));
    let anchor = draft.anchor(
        scope,
        [
            (AnchorFrom::Own, effective.as_deref(), "effectiveDosePeriod.start"),
            (AnchorFrom::Own, valid.as_deref(), "dispenseRequest.validityPeriod.start"),
            (AnchorFrom::Authored, order.authored_on.as_deref(), "authoredOn"),
        ],
    );
    let (mut dosages, mut told) = (Vec::new(), Vec::new());
    for (i, dosage) in order.dosage_instruction.0.into_iter().enumerate() {
        let path = format!("dosageInstruction[{i}]");
        let (dosage, says) = dosage.into_care(&path, draft.remarks);
        told.extend(says.filter(|says| !told.contains(says)));
        dosages.push(bounded(dosage, order.effective_dose_period.as_ref()));
    }
    let drug =
        medicine.as_ref().and_then(|m| m.token().or_else(|| m.name().map(str::to_lowercase)));
    let code = drug.clone().unwrap_or_default();
    let identity = scope
        .identity(known, || print(&subject, &code, order.authored_on.as_deref()))
        .ok_or_else(|| Stop::reject("identifier", Why::NoIdentity))?;
    let schedule = if dosages.is_empty() {
        draft.remarks.add("dosageInstruction", Why::NoTiming);
        Schedule::Unscheduled
    } else {
        Schedule::Dosages(dosages)
    };
    Ok(draft.finish(Made {
        identity,
        subject,
        kind: ActivityKind::Medication,
        status,
        title: title(medicine.as_ref(), "medicine"),
        instruction: (!told.is_empty()).then(|| told.join("\n")),
        drug,
        schedule,
        local_start: None,
        anchor,
        replaces: Vec::new(),
        material: None,
    }))
}

/// The medicine: a concept, or a `Medication` in the document, or what the reference displays.
fn medicine(
    scope: &Scope<'_>,
    known: &Known<'_>,
    concept: Option<Concept>,
    reference: Option<Written>,
    r5: Option<ConceptOrReference>,
) -> Option<Concept> {
    let (r5_reference, r5_concept) =
        r5.map_or((None, None), |r5| (r5.reference.clone(), r5.into_concept()));
    if let Some(concept) = concept.or(r5_concept) {
        return Some(concept);
    }
    let reference = reference.or(r5_reference)?;
    let inside = scope.resolve(known, &reference, "Medication").and_then(|target| target.json());
    let code = inside
        .and_then(|json| parse::<Medication>(json).ok())
        .and_then(|medication| medication.code);
    code.or(reference.display.map(|text| Concept { text: Some(text), ..Concept::default() }))
}

/// R5's `effectiveDosePeriod` bounds every timing that has no bounds of its own.
fn bounded(mut dosage: CareDosage, period: Option<&Period>) -> CareDosage {
    if let (Some(period), Some(timing)) = (period, dosage.timing.as_mut()) {
        let repeat = timing.repeat.get_or_insert_default();
        if repeat.bounds_period.is_none()
            && repeat.bounds_duration.is_none()
            && repeat.bounds_range.is_none()
        {
            repeat.bounds_period = Some(period.clone());
        }
    }
    dosage
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceRequest {
    status: Option<Text>,
    intent: Option<Text>,
    do_not_perform: Option<Flag>,
    category: List<Concept>,
    code: Option<ConceptOrReference>,
    subject: Option<Written>,
    occurrence_date_time: Option<String>,
    occurrence_period: Option<Period>,
    occurrence_timing: Option<Timing>,
    as_needed_boolean: Option<Flag>,
    as_needed_codeable_concept: Option<Concept>,
    instantiates_uri: List<Text>,
    authored_on: Option<String>,
    replaces: List<Written>,
}

const SNOMED: &str = "http://snomed.info/sct";

/// Codes of ValueSet servicerequest-category (<https://hl7.org/fhir/R4/valueset-servicerequest-category.html>):
/// what it takes a visit for, and what is taught.
fn service_kind(categories: &[Concept]) -> ActivityKind {
    let is =
        |codes: &[&str]| categories.iter().any(|c| codes.iter().any(|code| c.has(SNOMED, code)));
    if is(&["409073007"]) {
        ActivityKind::Education
    } else if is(&["108252007", "363679005", "409063005", "387713003"]) {
        ActivityKind::Appointment
    } else {
        ActivityKind::CheckIn
    }
}

/// Reads a `ServiceRequest` (<https://hl7.org/fhir/R4/servicerequest.html>).
pub(super) fn service_request(
    scope: &Scope<'_>,
    known: &Known<'_>,
    remarks: &mut Remarks,
) -> Result<Vec<Change>, Stop> {
    let change = service_activity(scope, known, None, remarks)?;
    Ok(vec![Change::Activity(Box::new(change))])
}

pub(super) fn service_activity(
    scope: &Scope<'_>,
    known: &Known<'_>,
    subject: Option<&Reference>,
    remarks: &mut Remarks,
) -> Result<ActivityChange, Stop> {
    let order: ServiceRequest = parse(known.json)?;
    let subject = match subject {
        Some(subject) => subject.clone(),
        None => scope.subject(known, order.subject.as_ref(), "subject")?,
    };
    let mut draft = Draft::new(known, remarks);
    let status = draft.status(order.status, REQUEST_STATUS, "status");
    let status = draft.intent(order.intent, ORDERS, status);
    let status = draft.prohibition(order.do_not_perform, "doNotPerform", status);
    let code = order.code.and_then(ConceptOrReference::into_concept);
    let written = Occurrence {
        date_time: order.occurrence_date_time,
        period: order.occurrence_period,
        timing: order.occurrence_timing,
        path: "occurrence".to_owned(),
    };
    let when = written.schedule(service_kind(&order.category), &mut draft);
    let schedule = match when.schedule {
        Schedule::Dosages(mut dosages) => {
            for dosage in &mut dosages {
                dosage.as_needed_boolean = order.as_needed_boolean.as_ref().map(|flag| flag.value);
                dosage.as_needed_codeable_concept =
                    order.as_needed_codeable_concept.clone().map(Concept::into_care);
            }
            Schedule::Dosages(dosages)
        }
        other => other,
    };
    let anchor = draft.anchor(
        scope,
        [
            (AnchorFrom::Own, when.start.as_deref(), "occurrence"),
            (AnchorFrom::Authored, order.authored_on.as_deref(), "authoredOn"),
            (AnchorFrom::Import, None, ""),
        ],
    );
    let replaces = scope.all(known, &order.replaces, "replaces", draft.remarks);
    let urls = order.instantiates_uri.iter().map(|url| url.value.as_str());
    let material = material::instantiated(urls, when.kind, scope.settings.programme);
    let name = title(code.as_ref(), "check-up");
    let token = code.as_ref().and_then(Concept::token).unwrap_or_else(|| name.clone());
    let identity = scope
        .identity(known, || print(&subject, &token, order.authored_on.as_deref()))
        .ok_or_else(|| Stop::reject("identifier", Why::NoIdentity))?;
    Ok(draft.finish(Made {
        identity,
        subject,
        kind: when.kind,
        status,
        title: name,
        instruction: None,
        drug: None,
        schedule,
        local_start: when.local_start,
        anchor,
        replaces,
        material,
    }))
}

/// `occurrence[x]` or `scheduled[x]` of an order.
pub(super) struct Occurrence {
    pub(super) date_time: Option<String>,
    pub(super) period: Option<Period>,
    pub(super) timing: Option<Timing>,
    /// Path of the element, without what tells its type.
    pub(super) path: String,
}

/// When an order is due.
pub(super) struct When {
    pub(super) kind: ActivityKind,
    pub(super) schedule: Schedule,
    pub(super) local_start: Option<NaiveDateTime>,
    pub(super) start: Option<String>,
}

impl Occurrence {
    /// The schedule. An order for a visit is an appointment only when its time is fixed; else it is a check-in.
    pub(super) fn schedule(self, kind: ActivityKind, draft: &mut Draft<'_>) -> When {
        let visit = kind == ActivityKind::Appointment;
        let loose = if visit { ActivityKind::CheckIn } else { kind };
        let of = |schedule, start| When { kind: loose, schedule, local_start: None, start };
        let path = self.path;
        if let Some(timing) = self.timing {
            let timing = timing.into_care(&format!("{path}Timing"), draft.remarks);
            let start =
                timing.repeat.as_ref().and_then(|r| r.bounds_period.as_ref()?.start.clone());
            return of(timing.into(), start);
        }
        if let Some(written) = self.date_time {
            let event = |written: &str| CareTiming {
                event: vec![written.to_owned()],
                ..CareTiming::default()
            };
            return match Date::parse(&written) {
                Some(Date::Instant(start)) if visit => {
                    When { kind, ..of(Schedule::Appointment { start }, Some(written)) }
                }
                Some(Date::Local(start)) if visit => When {
                    kind,
                    local_start: Some(start),
                    ..of(Schedule::Unscheduled, Some(written))
                },
                Some(_) => of(event(&written).into(), Some(written)),
                None => {
                    draft.review(&format!("{path}DateTime"), Why::NotADate);
                    of(Schedule::Unscheduled, None)
                }
            };
        }
        if let Some(period) = self.period {
            let start = period.start.clone();
            let repeat = Repeat { bounds_period: Some(period), ..Repeat::default() };
            return of(CareTiming { repeat: Some(repeat), ..CareTiming::default() }.into(), start);
        }
        draft.remarks.add(path, Why::NoTiming);
        of(Schedule::Unscheduled, None)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CommunicationRequest {
    status: Option<Text>,
    do_not_perform: Option<Flag>,
    category: List<Concept>,
    subject: Option<Written>,
    recipient: List<Written>,
    occurrence_date_time: Option<String>,
    occurrence_period: Option<Period>,
    authored_on: Option<String>,
    payload: List<Payload>,
    replaces: List<Written>,
}

/// Reads a `CommunicationRequest` (<https://hl7.org/fhir/R4/communicationrequest.html>).
pub(super) fn communication_request(
    scope: &Scope<'_>,
    known: &Known<'_>,
    remarks: &mut Remarks,
) -> Result<Vec<Change>, Stop> {
    let order: CommunicationRequest = parse(known.json)?;
    let patients: Vec<Reference> = order
        .recipient
        .iter()
        .filter_map(|recipient| {
            let target = scope.resolve(known, recipient, "Patient")?;
            matches!(target.kind(), Some("Patient") | None)
                .then(|| target.reference(scope))
                .flatten()
        })
        .collect();
    let subject = match order.subject.as_ref() {
        Some(written) => scope.subject(known, Some(written), "subject")?,
        None => patients.first().cloned().ok_or_else(|| Stop::reject("subject", Why::NoSubject))?,
    };
    let meant =
        |patient: &Reference| patient.candidates.iter().any(|key| subject.candidates.contains(key));
    if !order.recipient.is_empty() && !patients.iter().any(meant) {
        return Err(Stop::ignore("recipient", Why::NotForPatient));
    }
    let mut draft = Draft::new(known, remarks);
    let status = draft.status(order.status, REQUEST_STATUS, "status");
    let status = draft.prohibition(order.do_not_perform, "doNotPerform", status);
    let written = Occurrence {
        date_time: order.occurrence_date_time,
        period: order.occurrence_period,
        timing: None,
        path: "occurrence".to_owned(),
    };
    let when = written.schedule(ActivityKind::Notice, &mut draft);
    let anchor = draft.anchor(
        scope,
        [
            (AnchorFrom::Own, when.start.as_deref(), "occurrence"),
            (AnchorFrom::Authored, order.authored_on.as_deref(), "authoredOn"),
            (AnchorFrom::Import, None, ""),
        ],
    );
    let replaces = scope.all(known, &order.replaces, "replaces", draft.remarks);
    let material = payload::material(&order.payload, when.kind, scope, draft.remarks);
    let said: Vec<String> = order
        .payload
        .0
        .into_iter()
        .filter_map(|payload| text::block(&payload.content_string?.value))
        .collect();
    let said = said.join("\n");
    let identity = scope
        .identity(known, || print(&subject, &said, order.authored_on.as_deref()))
        .ok_or_else(|| Stop::reject("identifier", Why::NoIdentity))?;
    Ok(vec![Change::Activity(Box::new(draft.finish(Made {
        identity,
        subject,
        kind: when.kind,
        status,
        title: title(order.category.first(), "message"),
        instruction: (!said.is_empty()).then_some(said),
        drug: None,
        schedule: when.schedule,
        local_start: when.local_start,
        anchor,
        replaces,
        material,
    })))])
}
