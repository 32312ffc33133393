//! `Consent` (<https://hl7.org/fhir/R4/consent.html>).
//!
//! Most consents in the field speak of sharing records or of treatment. One counts for reminders only when it
//! says so: its provision names the class `Communication` or `CommunicationRequest`, or its category is one
//! that the programme lists in `consent_categories`.

use super::bundle::Stop;
use super::datatypes::{Coding, Concept, Reference as Written};
use super::json::{List, Remarks, Text, parse};
use super::scope::{Known, Scope};
use crate::care::contact::ConsentDecision;
use crate::care::timing::Period;
use crate::care::{ConsentBasis, Phi, UtcMs};
use crate::import::change::{Change, ConsentChange, fingerprint};
use crate::import::date::Date;
use crate::import::text;
use crate::import::why::Why;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Consent {
    status: Option<Text>,
    scope: Option<Concept>,
    category: List<Concept>,
    patient: Option<Written>,
    // R5.
    subject: Option<Written>,
    date_time: Option<String>,
    // R5.
    date: Option<String>,
    // R5.
    decision: Option<String>,
    policy_rule: Option<Concept>,
    provision: List<Provision>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Provision {
    #[serde(rename = "type")]
    kind: Option<String>,
    period: Option<Period>,
    class: List<Coding>,
    // R5.
    #[serde(rename = "resourceType")]
    resource_type: List<Coding>,
}

pub(super) fn read(
    scope: &Scope<'_>,
    known: &Known<'_>,
    remarks: &mut Remarks,
) -> Result<Vec<Change>, Stop> {
    if known.modified {
        return Err(Stop::reject("modifierExtension", Why::Modifier));
    }
    let consent: Consent = parse(known.json)?;
    if !speaks_of_reminders(&consent, &scope.settings.programme.consent_categories) {
        return Err(Stop::ignore("category", Why::OtherConsent));
    }
    let (written, path) = match consent.patient.as_ref() {
        Some(patient) => (Some(patient), "patient"),
        None => (consent.subject.as_ref(), "subject"),
    };
    let subject = scope.subject(known, written, path)?;
    let written = consent.date_time.as_deref().or(consent.date.as_deref());
    let identity = scope
        .identity(known, || {
            let owner = subject.candidates.first()?;
            Some(fingerprint(&[owner.expose().as_bytes(), written.unwrap_or_default().as_bytes()]))
        })
        .ok_or_else(|| Stop::reject("identifier", Why::NoIdentity))?;
    let updated = known.meta.as_ref().and_then(|meta| meta.last_updated.as_deref());
    let at = [written, updated].into_iter().flatten().find_map(Date::parse).map(Date::begins);
    if at.is_none() {
        remarks.add("dateTime", Why::ConsentUndated);
    }
    let now = scope.settings.now;
    let name = consent.category.first().and_then(Concept::name).and_then(text::line);
    let basis = |decision, at| ConsentBasis {
        channel: None,
        decision,
        basis: Phi::new(format!("Consent: {}", name.as_deref().unwrap_or("reminders"))),
        at,
    };
    let status = consent.status.as_ref().map(|status| status.value.trim().to_ascii_lowercase());
    let bases = match status.as_deref() {
        Some("entered-in-error") => Vec::new(),
        Some("rejected" | "inactive") => {
            vec![basis(ConsentDecision::Refused, updated_or(updated, now))]
        }
        Some("active") => {
            let Some(decision) = decision(&consent) else {
                return Err(Stop::ignore(
                    "provision.type",
                    Why::Undecided { state: "neither permit nor deny".to_owned() },
                ));
            };
            let given = basis(decision, at.unwrap_or(now));
            let period = consent.provision.first().and_then(|p| p.period.as_ref());
            let end = period.and_then(|p| p.end.as_deref()).and_then(Date::parse).map(Date::ends);
            // What a limited consent permits ends with it: from then on it is as if it were refused.
            let lapse = end.filter(|_| decision == ConsentDecision::Given);
            std::iter::once(given)
                .chain(lapse.map(|end| basis(ConsentDecision::Refused, end)))
                .collect()
        }
        Some(_) => {
            return Err(Stop::ignore(
                "status",
                Why::Undecided { state: "it is not in force".to_owned() },
            ));
        }
        None => {
            return Err(Stop::reject(
                "status",
                Why::Undecided { state: "it has no status".to_owned() },
            ));
        }
    };
    Ok(vec![Change::Consent(ConsentChange { identity, subject, bases })])
}

fn updated_or(updated: Option<&str>, now: UtcMs) -> UtcMs {
    updated.and_then(Date::parse).map_or(now, Date::begins)
}

fn speaks_of_reminders(consent: &Consent, categories: &[String]) -> bool {
    let mut concepts = consent.category.iter().chain(consent.scope.iter());
    let listed = |(system, code): (&str, &str)| {
        categories.iter().any(|listed| *listed == format!("{system}|{code}") || *listed == code)
    };
    let mut classes =
        consent.provision.iter().flat_map(|p| p.class.iter().chain(p.resource_type.iter()));
    let communication = |coding: &Coding| {
        let code = coding.code.as_ref().map(|code| code.value.as_str());
        matches!(code, Some("Communication" | "CommunicationRequest"))
    };
    concepts.any(|concept| concept.codes().any(listed)) || classes.any(communication)
}

/// `provision.type`, else R5's `decision`, else the rule that the consent names.
fn decision(consent: &Consent) -> Option<ConsentDecision> {
    let provision = consent.provision.first().and_then(|p| p.kind.as_deref());
    match provision.or(consent.decision.as_deref()) {
        Some("permit") => return Some(ConsentDecision::Given),
        Some("deny") => return Some(ConsentDecision::Refused),
        _ => {}
    }
    let rule = consent.policy_rule.as_ref()?;
    let mut codes = rule.codes().map(|(_, code)| code);
    codes.find_map(|code| match code {
        "OPTIN" => Some(ConsentDecision::Given),
        "OPTOUT" => Some(ConsentDecision::Refused),
        _ => None,
    })
}
