//! `Appointment` (<https://hl7.org/fhir/R4/appointment.html>).

use super::activity::{Draft, Made, print, weaker};
use super::bundle::Stop;
use super::datatypes::{Concept, Reference as Written};
use super::json::{List, Remarks, Text, parse};
use super::scope::{Known, Scope};
use crate::care::{ActivityKind, ActivityStatus, Schedule};
use crate::import::change::{AnchorFrom, Change, Reference};
use crate::import::date::Date;
use crate::import::text;
use crate::import::why::Why;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Appointment {
    status: Option<Text>,
    description: Option<String>,
    service_type: List<Concept>,
    appointment_type: Option<Concept>,
    start: Option<String>,
    created: Option<String>,
    patient_instruction: Option<Text>,
    participant: List<Participant>,
    // R5.
    subject: Option<Written>,
    replaces: List<Written>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Participant {
    actor: Option<Written>,
    status: Option<Text>,
}

/// Codes of ValueSet appointmentstatus: a patient who has arrived needs no reminder.
const STATUS: &[(&str, ActivityStatus)] = &[
    ("booked", ActivityStatus::Active),
    ("arrived", ActivityStatus::Stopped),
    ("checked-in", ActivityStatus::Stopped),
    ("fulfilled", ActivityStatus::Stopped),
    ("cancelled", ActivityStatus::Stopped),
    ("noshow", ActivityStatus::Stopped),
    ("entered-in-error", ActivityStatus::EnteredInError),
    ("proposed", ActivityStatus::Inactive),
    ("pending", ActivityStatus::Inactive),
    ("waitlist", ActivityStatus::Inactive),
];

pub(super) fn read(
    scope: &Scope<'_>,
    known: &Known<'_>,
    remarks: &mut Remarks,
) -> Result<Vec<Change>, Stop> {
    let appointment: Appointment = parse(known.json)?;
    let (subject, declined) = patient(scope, known, &appointment)?;
    let mut draft = Draft::new(known, remarks);
    let mut status = draft.status(appointment.status, STATUS, "status");
    if declined {
        draft
            .remarks
            .add("participant", Why::NotAnOrder { intent: "declined appointment".to_owned() });
        status = weaker(status, ActivityStatus::Stopped);
    }
    let start = appointment.start.as_deref();
    let (schedule, local_start) = match start.map(Date::parse) {
        Some(Some(Date::Instant(start))) => (Schedule::Appointment { start }, None),
        Some(Some(Date::Local(local))) => (Schedule::Unscheduled, Some(local)),
        Some(_) => return Err(Stop::reject("start", Why::NotADate)),
        None => {
            draft.remarks.add("start", Why::NoStart);
            (Schedule::Unscheduled, None)
        }
    };
    let anchor = draft.anchor(
        scope,
        [
            (AnchorFrom::Own, start, "start"),
            (AnchorFrom::Authored, appointment.created.as_deref(), "created"),
            (AnchorFrom::Import, None, ""),
        ],
    );
    let replaces = scope.all(known, &appointment.replaces, "replaces", draft.remarks);
    let named = appointment.description.as_deref().and_then(text::line);
    let kind = appointment.service_type.first().or(appointment.appointment_type.as_ref());
    let title = named
        .or_else(|| kind.and_then(Concept::name).and_then(text::line))
        .unwrap_or_else(|| "appointment".to_owned());
    let identity = scope
        .identity(known, || print(&subject, &title, appointment.created.as_deref().or(start)))
        .ok_or_else(|| Stop::reject("identifier", Why::NoIdentity))?;
    Ok(vec![Change::Activity(Box::new(draft.finish(Made {
        identity,
        subject,
        kind: ActivityKind::Appointment,
        status,
        title,
        instruction: appointment.patient_instruction.and_then(|told| text::block(&told.value)),
        drug: None,
        schedule,
        local_start,
        anchor,
        replaces,
        material: None,
    })))])
}

/// The patient among the participants, and whether they declined. An actor of unknown type is taken for the
/// patient only when no other could be.
fn patient(
    scope: &Scope<'_>,
    known: &Known<'_>,
    appointment: &Appointment,
) -> Result<(Reference, bool), Stop> {
    let (mut patients, mut unknown) = (Vec::new(), Vec::new());
    for participant in appointment.participant.iter() {
        let target =
            participant.actor.as_ref().and_then(|actor| scope.resolve(known, actor, "Patient"));
        let Some(target) = target else { continue };
        let declined = participant.status.as_ref().is_some_and(|status| status.value == "declined");
        let kind = target.kind().map(str::to_owned);
        let Some(reference) = target.reference(scope) else { continue };
        match kind.as_deref() {
            Some("Patient") => patients.push((reference, declined)),
            None => unknown.push((reference, declined)),
            Some(_) => {}
        }
    }
    if let (true, Some(subject)) = (patients.is_empty(), appointment.subject.as_ref()) {
        return Ok((scope.subject(known, Some(subject), "subject")?, false));
    }
    let mut candidates = if patients.is_empty() { unknown } else { patients };
    match (candidates.pop(), candidates.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Stop::reject("participant", Why::NoSubject)),
    }
}
