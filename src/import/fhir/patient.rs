//! `Patient` (<https://hl7.org/fhir/R4/patient.html>).

use super::bundle::Stop;
use super::datatypes::{Concept, ContactPoint, Extension, HumanName, Reference as Written};
use super::json::{Flag, List, Remarks, Text, parse};
use super::scope::{Known, Scope};
use crate::care::{ChannelKind, Patient as CarePatient, PatientStatus, Phi, Routine, TextStyle};
use crate::import::change::{Change, PatientChange, fingerprint};
use crate::import::date::Date;
use crate::import::person::{Contacts, language, zone};
use crate::import::why::Why;
use crate::import::{Settings, text};
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Patient {
    active: Option<Flag>,
    deceased_boolean: Option<Flag>,
    deceased_date_time: Option<Text>,
    name: List<HumanName>,
    telecom: List<ContactPoint>,
    birth_date: Option<String>,
    gender: Option<String>,
    communication: List<Communication>,
    address: List<Located>,
    link: List<Link>,
    extension: List<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Communication {
    language: Option<Concept>,
    preferred: Option<Flag>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Located {
    extension: List<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Link {
    other: Option<Written>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

const PHONE: [ChannelKind; 2] = [ChannelKind::Whatsapp, ChannelKind::Sms];

pub(super) fn read(
    scope: &Scope<'_>,
    known: &Known<'_>,
    remarks: &mut Remarks,
) -> Result<Vec<Change>, Stop> {
    if known.modified {
        return Err(Stop::reject("modifierExtension", Why::Modifier));
    }
    let mut patient: Patient = parse(known.json)?;
    let settings = scope.settings;
    let name = best_name(&patient.name);
    let identity = scope
        .identity(known, || print(&patient, name.as_deref()))
        .ok_or_else(|| Stop::reject("identifier", Why::NoIdentity))?;
    let (zone, zone_origin) = zone(written_zone(&patient), "extension", settings, remarks)?;
    let language =
        language(preferred_language(&patient).as_deref(), "communication", settings, remarks);
    let link = patient.link.iter().position(|link| link.kind.as_deref() == Some("replaced-by"));
    let replaced_by = link.map(|i| (i, patient.link.0.swap_remove(i)));
    let active = remarks.take(patient.active.take(), "active").unwrap_or(true);
    let dead = remarks.take(patient.deceased_boolean.take(), "deceasedBoolean").unwrap_or(false)
        || patient.deceased_date_time.take().is_some();
    let status = match (dead, active && replaced_by.is_none()) {
        (true, _) => PatientStatus::Deceased,
        (false, true) => PatientStatus::Active,
        (false, false) => PatientStatus::Left,
    };
    let replaced_by = replaced_by.and_then(|(i, link)| {
        let target =
            link.other.and_then(|other| scope.resolve(known, &other, "Patient")?.reference(scope));
        if target.is_none() {
            remarks.add(format!("link[{i}].other"), Why::Dangling);
        }
        target
    });
    if known.shares_identifier {
        remarks.add("identifier", Why::SharedIdentifier);
    }
    let contacts = contacts(patient.telecom.0, settings, remarks);
    let patient = CarePatient {
        key: identity.key.0.clone(),
        name: name.map(Phi::new),
        birth_date: patient.birth_date.map(Phi::new),
        language,
        zone,
        zone_origin,
        routine: Routine::default(),
        status,
        text_style: TextStyle::default(),
        contacts,
        consents: Vec::new(),
    };
    let asserted = settings.asserted_consent();
    Ok(vec![Change::Patient(Box::new(PatientChange { identity, patient, asserted, replaced_by }))])
}

/// The name in use: official, then usual, then any that is not an old one.
fn best_name(names: &[HumanName]) -> Option<String> {
    let rank = |name: &HumanName| match name.usage.as_deref() {
        Some("official") => 0_u8,
        Some("usual") => 1,
        Some("old" | "maiden") => 9,
        _ => 2,
    };
    let best = names.iter().filter(|name| rank(name) < 9).min_by_key(|name| rank(name))?;
    if let Some(written) = best.text.as_deref().and_then(text::line) {
        return Some(written);
    }
    let parts: Vec<&str> =
        best.given.iter().chain(best.family.iter()).map(|part| part.value.as_str()).collect();
    text::line(&parts.join(" "))
}

/// Stands for a patient without identifier and id; name and birth date are the least it takes.
fn print(patient: &Patient, name: Option<&str>) -> Option<String> {
    let birth = patient.birth_date.as_deref()?;
    let mut telecoms: Vec<&str> =
        patient.telecom.iter().filter_map(|t| t.value.as_ref().map(|v| v.value.as_str())).collect();
    telecoms.sort_unstable();
    let gender = patient.gender.as_deref().unwrap_or_default();
    let mut parts = vec![name?.as_bytes(), birth.as_bytes(), gender.as_bytes()];
    parts.extend(telecoms.iter().map(|telecom| telecom.as_bytes()));
    Some(fingerprint(&parts))
}

/// FHIR has no element for the zone: the extensions `timezone` and `tz-code`, on the patient or an address.
fn written_zone(patient: &Patient) -> Option<&str> {
    let all =
        patient.extension.iter().chain(patient.address.iter().flat_map(|a| a.extension.iter()));
    all.filter(|extension| {
        let url = extension.url.as_deref().unwrap_or_default();
        url.starts_with("http://hl7.org/fhir/StructureDefinition/")
            && matches!(extension.name(), "timezone" | "tz-code")
    })
    .find_map(|extension| extension.value_code.as_deref().or(extension.value_string.as_deref()))
}

fn preferred_language(patient: &Patient) -> Option<String> {
    let is_preferred = |c: &&Communication| c.preferred.as_ref().is_some_and(|flag| flag.value);
    let preferred = patient.communication.iter().find(is_preferred);
    let language = preferred.or(patient.communication.first())?.language.as_ref()?;
    let tag = language.coding.iter().find_map(|coding| coding.code.as_ref());
    Some(tag?.value.clone())
}

/// Usable addresses: by rank, then those that surely take messages first, then work phones last.
fn contacts(
    telecoms: Vec<ContactPoint>,
    settings: &Settings<'_>,
    remarks: &mut Remarks,
) -> Vec<crate::care::ContactPoint> {
    let mut in_use: Vec<(i64, u8, usize, ContactPoint)> = Vec::new();
    for (i, mut telecom) in telecoms.into_iter().enumerate() {
        let ended = telecom.period.as_ref().and_then(|p| p.end.as_deref()).and_then(Date::parse);
        let over = ended.is_some_and(|end| end.ends() <= settings.now);
        if telecom.usage.as_deref() == Some("old") || over {
            continue;
        }
        let weight = match (telecom.system.as_deref(), telecom.usage.as_deref()) {
            (Some("sms"), _) => 0,
            (_, Some("mobile")) => 1,
            (_, Some("home")) => 3,
            (_, Some("work")) => 4,
            _ => 2,
        };
        let rank = remarks
            .take(telecom.rank.take(), format_args!("telecom[{i}].rank"))
            .unwrap_or(i64::MAX);
        in_use.push((rank, weight, i, telecom));
    }
    in_use.sort_by_key(|(rank, weight, i, _)| (*rank, *weight, *i));
    let mut contacts = Contacts::default();
    for (_, _, i, telecom) in in_use {
        let path = format!("telecom[{i}].value");
        let Some(value) = remarks.take(telecom.value, &path) else { continue };
        match telecom.system.as_deref() {
            Some("email") => contacts.email(&value, &path, remarks),
            Some("other" | "url") => {
                let links = ["whatsapp:", "https://wa.me/"];
                if let Some(number) = links.iter().find_map(|link| value.strip_prefix(link)) {
                    let number = format!("+{}", number.trim_start_matches('+'));
                    contacts.phone(&number, &[ChannelKind::Whatsapp], &path, settings, remarks);
                }
            }
            None if value.contains('@') => contacts.email(&value, &path, remarks),
            Some("phone" | "sms") | None => {
                contacts.phone(&value, &PHONE, &path, settings, remarks);
            }
            Some(_) => {}
        }
    }
    contacts.finish("telecom", remarks)
}
