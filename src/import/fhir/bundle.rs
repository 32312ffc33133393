//! From a document to its resources: Bundles of every type, nested ones, deletions, single resources.

use super::datatypes::{Head, Meta};
use super::json::{Remarks, parse};
use super::scope::{Known, Scope, conditional};
use super::{appointment, consent, order, patient, plan, versions};
use crate::import::Settings;
use crate::import::change::{Change, Deletion, Item, Key, Reading, Reference, Revision};
use crate::import::date::Date;
use crate::import::report::{Remark, ResourceRef};
use crate::import::why::Why;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(borrow, default)]
    entry: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry<'a> {
    full_url: Option<String>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    search: Option<Search>,
    request: Option<Request>,
    response: Option<Response>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Search {
    mode: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    method: Option<String>,
    url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Response {
    last_modified: Option<String>,
}

/// Why a resource goes no further.
pub(super) enum Stop {
    /// It carries nothing to act on.
    Ignored(Remark),
    /// It is not fit to act on.
    Rejected(Remark),
}

impl From<Remark> for Stop {
    fn from(remark: Remark) -> Self {
        Self::Rejected(remark)
    }
}

impl Stop {
    pub(super) fn reject(path: &str, why: Why) -> Self {
        Self::Rejected(Remark::at(path, why))
    }

    pub(super) fn ignore(path: &str, why: Why) -> Self {
        Self::Ignored(Remark::at(path, why))
    }
}

/// Reads a document: every resource in it ends in exactly one item.
pub(crate) fn read(source: &str, json: &str, settings: &Settings<'_>) -> Vec<Item> {
    let of_file = ResourceRef { source: source.to_owned(), kind: "file".to_owned(), id: None };
    let rejected = |remark| vec![Item::ended(of_file.clone(), Reading::Rejected, remark)];
    if json.trim_start().starts_with('[') {
        return rejected(Remark::at(".", Why::Array));
    }
    match parse::<Head>(json) {
        Err(remark) => rejected(remark),
        Ok(Head { kind: None, .. }) => rejected(Remark::at("resourceType", Why::NoResourceType)),
        Ok(Head { kind: Some(kind), .. }) if kind == "Bundle" => bundle(source, json, settings),
        Ok(head) => {
            let known = Known::new(head, None, json, source.to_owned());
            versions::settle(convert(&mut Scope::new(settings, vec![known])), versions::Order::Any)
        }
    }
}

fn bundle(source: &str, json: &str, settings: &Settings<'_>) -> Vec<Item> {
    let within = if source.contains("#/") { "/resource" } else { "#" };
    let at = |i: usize| format!("{source}{within}/entry/{i}");
    let of_bundle =
        || ResourceRef { source: source.to_owned(), kind: "Bundle".to_owned(), id: None };
    let Bundle { kind, entry } = match parse(json) {
        Ok(bundle) => bundle,
        Err(remark) => return vec![Item::ended(of_bundle(), Reading::Rejected, remark)],
    };
    let order = match kind.as_deref() {
        Some("history") => versions::Order::History,
        _ => versions::Order::Any,
    };
    let (mut items, mut known, mut nested) = (Vec::new(), Vec::new(), Vec::new());
    for (i, entry) in entry.into_iter().flatten().enumerate() {
        let rejected = |remark| {
            let resource = ResourceRef { source: at(i), kind: "entry".to_owned(), id: None };
            Item::ended(resource, Reading::Rejected, remark)
        };
        let entry = match parse::<Option<Entry<'_>>>(entry.get()) {
            Ok(entry) => entry.unwrap_or_default(),
            Err(remark) => {
                items.push(rejected(remark));
                continue;
            }
        };
        let Some(raw) = entry.resource else {
            items.push(without_resource(at(i), &entry, settings));
            continue;
        };
        match parse::<Head>(raw.get()) {
            Ok(head) if head.kind.as_deref() == Some("Bundle") => {
                nested.extend(bundle(&at(i), raw.get(), settings));
            }
            Ok(head) => {
                let mut one = Known::new(head, entry.full_url, raw.get(), at(i));
                one.company = entry.search.and_then(|s| s.mode).filter(|mode| mode != "match");
                known.push(one);
            }
            Err(remark) => items.push(rejected(remark)),
        }
    }
    items.extend(convert(&mut Scope::new(settings, known)));
    let mut items = versions::settle(items, order);
    items.extend(nested);
    if items.is_empty() {
        items.push(Item::ended(of_bundle(), Reading::Ignored, Remark::at("entry", Why::Empty)));
    }
    items
}

/// An entry that is nothing but a request or a response.
fn without_resource(source: String, entry: &Entry<'_>, settings: &Settings<'_>) -> Item {
    let request = entry.request.as_ref();
    let method = request.and_then(|r| r.method.as_deref()).unwrap_or("no request");
    let url = request.and_then(|r| r.url.as_deref()).unwrap_or_default();
    let kind = url.split(['/', '?']).next().unwrap_or_default().to_owned();
    let mut resource = ResourceRef { source, kind, id: None };
    if method != "DELETE" {
        let why = Why::NoResource { method: method.to_owned() };
        return Item::ended(resource, Reading::Ignored, Remark::at("resource", why));
    }
    resource.id =
        url.split_once('/').map(|(_, id)| id.split('/').next().unwrap_or_default().to_owned());
    let key = match (url.split_once("?identifier="), &resource.id) {
        (Some((_, identifier)), _) => {
            Some(Key::new(conditional(identifier, &settings.source_system)))
        }
        (None, Some(_)) => {
            let base = entry.full_url.as_deref().filter(|full| full.starts_with("http"));
            Some(Key::new(
                base.map_or_else(|| format!("{}/{url}", settings.source_system), str::to_owned),
            ))
        }
        (None, None) => None,
    };
    let Some(key) = key else {
        return Item::ended(
            resource,
            Reading::Rejected,
            Remark::at("request.url", Why::DeletesWhat),
        );
    };
    let deletion = Deletion { kind: resource.kind.clone(), target: Reference::by(key) };
    let updated_at =
        entry.response.as_ref().and_then(|r| r.last_modified.as_deref()).and_then(Date::parse);
    Item {
        resource,
        revision: Revision { version: None, updated_at: updated_at.map(Date::begins) },
        remarks: Vec::new(),
        reading: Reading::Parsed(vec![Change::Delete(deletion)]),
    }
}

/// Reads the resources of a scope: patients first, plans last, since each may be named by the next by nothing
/// but its place in the document.
fn convert(scope: &mut Scope<'_>) -> Vec<Item> {
    let mut items: Vec<Option<Item>> = scope.known.iter().map(|_| None).collect();
    for turn in [Turn::Patients, Turn::Others, Turn::Plans] {
        for (i, item) in items.iter_mut().enumerate() {
            if turn == Turn::of(&scope.known[i].kind) {
                let done = one(scope, i);
                if let Some(identity) = done.changes().first().and_then(Change::identity) {
                    scope.known[i].identity = Some(identity.clone());
                }
                *item = Some(done);
            }
        }
    }
    items.into_iter().flatten().collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Patients,
    Others,
    Plans,
}

impl Turn {
    fn of(kind: &str) -> Self {
        match kind {
            "Patient" => Self::Patients,
            "CarePlan" => Self::Plans,
            _ => Self::Others,
        }
    }
}

fn one(scope: &Scope<'_>, index: usize) -> Item {
    let known = &scope.known[index];
    let mut remarks = Remarks::default();
    let result = match (&known.company, known.kind.as_str()) {
        (Some(mode), _) => Err(Stop::ignore(".", Why::SearchCompany { mode: mode.clone() })),
        (None, "") => Err(Stop::reject("resourceType", Why::NoResourceType)),
        (None, "Patient") => patient::read(scope, known, &mut remarks),
        (None, "MedicationRequest") => order::medication_request(scope, known, &mut remarks),
        (None, "ServiceRequest") => order::service_request(scope, known, &mut remarks),
        (None, "CommunicationRequest") => order::communication_request(scope, known, &mut remarks),
        (None, "Appointment") => appointment::read(scope, known, &mut remarks),
        (None, "Consent") => consent::read(scope, known, &mut remarks),
        (None, "CarePlan") => plan::read(scope, known, &mut remarks),
        (None, _) => Err(Stop::ignore("resourceType", Why::OtherType)),
    };
    let reading = match result {
        Ok(changes) => Reading::Parsed(changes),
        Err(stop) => {
            let (remark, reading) = match stop {
                Stop::Ignored(remark) => (remark, Reading::Ignored),
                Stop::Rejected(remark) => (remark, Reading::Rejected),
            };
            remarks.0.insert(0, remark);
            reading
        }
    };
    Item {
        resource: ResourceRef {
            source: known.source.clone(),
            kind: known.kind.clone(),
            id: known.id.clone(),
        },
        revision: revision(known.meta.as_ref()),
        remarks: remarks.0,
        reading,
    }
}

fn revision(meta: Option<&Meta>) -> Revision {
    let updated = meta.and_then(|m| m.last_updated.as_deref()).and_then(Date::parse);
    Revision {
        version: meta.and_then(|m| m.version_id.as_ref()).map(|v| v.value.clone()),
        updated_at: updated.map(Date::begins),
    }
}
