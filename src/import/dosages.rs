//! Dosages and timings by themselves, read exactly as the importer reads those of an order: R4, with the shapes
//! of R5 and STU3; forgiving about the form of a leaf, with a remark; strict about everything that could make
//! another schedule of it. Called by `cli timing`.

use super::fhir::json::{self, List, Remarks, object};
use super::fhir::{Dosage as FhirDosage, Timing as FhirTiming};
use super::report::Remark;
use super::{keys, text};
use crate::care::Dosage;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Dosages as Carebell has them, and what was noticed while reading them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The dosages.
    pub dosages: Vec<Dosage>,
    /// Values that came in another form than the standard's, taken as meant.
    pub remarks: Vec<Remark>,
}

/// A FHIR `Timing` as it is written.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct WrittenTiming(#[serde(deserialize_with = "object")] Option<FhirTiming>);

/// A FHIR `Dosage` as it is written.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct WrittenDosage(#[serde(deserialize_with = "object")] Option<FhirDosage>);

/// A list of FHIR `Dosage` as it is written.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct WrittenDosages(List<FhirDosage>);

impl WrittenTiming {
    /// The timing as a dosage that is nothing else; `path` is its place, for remarks.
    pub fn read(self, path: &str) -> Read {
        let mut remarks = Remarks::default();
        let timing = self.0.unwrap_or_default().into_care(path, &mut remarks);
        Read { dosages: vec![Dosage::of(timing)], remarks: remarks.0 }
    }
}

impl WrittenDosage {
    /// The dosage; `path` is its place, for remarks.
    pub fn read(self, path: &str) -> Read {
        let mut remarks = Remarks::default();
        let (dosage, _) = self.0.unwrap_or_default().into_care(path, &mut remarks);
        Read { dosages: vec![dosage], remarks: remarks.0 }
    }
}

impl WrittenDosages {
    /// The dosages; `path` is the list's place, for remarks.
    pub fn read(self, path: &str) -> Read {
        let mut remarks = Remarks::default();
        let one = |(index, dosage): (usize, FhirDosage)| {
            dosage.into_care(format_args!("{path}[{index}]"), &mut remarks).0
        };
        let dosages = self.0.0.into_iter().enumerate().map(one).collect();
        Read { dosages, remarks: remarks.0 }
    }
}

/// Reads JSON in which no key stands twice in an object, wherever it is, known or not.
///
/// # Errors
/// With the path and the kind of the fault; never with a value.
pub fn strict<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Remark> {
    keys::check(json)?;
    // The path of a fault costs time, so it is looked for only when there is one.
    serde_json::from_str(json).or_else(|_| json::parse(json))
}

/// Dosages found in a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Where: a JSON path, `.` for the whole document.
    pub path: String,
    /// What was read there; dosages of one element belong together.
    pub read: Result<Read, Remark>,
}

/// Everything in a document that says when: the document itself, if it is a `Timing`, a `Dosage` or a list of
/// them; else each `dosageInstruction`, `dosage`, `timing`, `schedule` and `...Timing` in it, at any depth.
///
/// # Errors
/// When the document is no JSON, nests too deep or has a key twice.
pub fn all_of_resource(json: &str) -> Result<Vec<Found>, Remark> {
    let document: &RawValue = strict(json)?;
    if let Some(kind) = kind_of(document) {
        return Ok(vec![element(".", document, kind)]);
    }
    let elements = elements(document);
    let kinds: Option<Vec<Kind>> = elements.iter().map(|one| kind_of(one)).collect();
    if let Some(kinds) = kinds.filter(|kinds| !kinds.is_empty()) {
        return Ok(vec![mixed(&elements, &kinds)]);
    }
    let mut found = Vec::new();
    walk("", document, &mut found);
    Ok(found)
}

/// The elements of a list; none of anything else.
fn elements(raw: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// What an element is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Timing,
    Dosage,
}

/// The members of an object, in order; empty for anything else.
#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<&RawValue>()? {
                    let key = serde_json::from_str::<String>(key.get()).map_err(Error::custom)?;
                    members.push((Cow::Owned(key), map.next_value()?));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object).map(Self)
    }
}

fn members(raw: &RawValue) -> Members<'_> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// What an object without a `resourceType` is by its members.
fn kind_of(raw: &RawValue) -> Option<Kind> {
    const TIMING: &[&str] = &["repeat", "event", "code"];
    const DOSAGE: &[&str] = &[
        "timing",
        "text",
        "patientInstruction",
        "additionalInstruction",
        "sequence",
        "asNeeded",
        "asNeededBoolean",
        "asNeededCodeableConcept",
        "asNeededFor",
        "doseAndRate",
        "doseQuantity",
        "route",
    ];
    let members = members(raw).0;
    let has = |names: &[&str]| members.iter().any(|(key, _)| names.contains(&key.as_ref()));
    if has(&["resourceType", "entry", "dosageInstruction", "dosage"]) {
        None
    } else if has(TIMING) {
        Some(Kind::Timing)
    } else {
        has(DOSAGE).then_some(Kind::Dosage)
    }
}

/// Looks for elements that say when, and into everything else.
fn walk(path: &str, raw: &RawValue, found: &mut Vec<Found>) {
    if raw.get().starts_with('[') {
        for (index, one) in elements(raw).into_iter().enumerate() {
            walk(&format!("{path}[{index}]"), one, found);
        }
        return;
    }
    for (key, value) in members(raw).0 {
        let key = text::line(&key).unwrap_or_default();
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match key.as_str() {
            "dosageInstruction" | "dosage" if is_compound(value) => {
                found.push(element(&path, value, Kind::Dosage));
            }
            name if says_when(name, value) => found.push(element(&path, value, Kind::Timing)),
            _ => walk(&path, value, found),
        }
    }
}

fn is_compound(raw: &RawValue) -> bool {
    raw.get().starts_with(['{', '['])
}

/// Whether an element is a `Timing` or a list of them: by its name, or by name and members, for there are other
/// elements called `timing` and `schedule`.
fn says_when(name: &str, value: &RawValue) -> bool {
    if !is_compound(value) {
        return false;
    }
    let timings = if value.get().starts_with('[') { elements(value) } else { vec![value] };
    let all_are =
        || !timings.is_empty() && timings.iter().all(|one| kind_of(one) == Some(Kind::Timing));
    name.ends_with("Timing") || (matches!(name, "timing" | "schedule") && all_are())
}

fn element(path: &str, raw: &RawValue, kind: Kind) -> Found {
    let place = match (path, kind) {
        (".", Kind::Dosage) => "dosage",
        (".", Kind::Timing) => "timing",
        (path, _) => path,
    };
    let read = match kind {
        Kind::Dosage => json::parse::<WrittenDosages>(raw.get()).map(|written| written.read(place)),
        Kind::Timing => json::parse::<List<FhirTiming>>(raw.get()).map(|List(timings)| {
            let mut remarks = Remarks::default();
            let one = |timing: FhirTiming| Dosage::of(timing.into_care(place, &mut remarks));
            Read { dosages: timings.into_iter().map(one).collect(), remarks: remarks.0 }
        }),
    };
    Found { path: path.to_owned(), read }
}

/// A list of timings and dosages, which belong together.
fn mixed(elements: &[&RawValue], kinds: &[Kind]) -> Found {
    let mut whole = Read::default();
    for (index, (raw, kind)) in elements.iter().zip(kinds).enumerate() {
        match element(&format!("[{index}]"), raw, *kind).read {
            Ok(read) => {
                whole.dosages.extend(read.dosages);
                whole.remarks.extend(read.remarks);
            }
            Err(fault) => return Found { path: format!("[{index}]"), read: Err(fault) },
        }
    }
    Found { path: ".".to_owned(), read: Ok(whole) }
}
