//! What the engine makes of other people's orders: one golden text per folder of FHIR files.
//!
//! Every set of dosages or timings in a file, wherever it stands, is read by the importer as one order and expanded
//! from one anchor in one zone. A change of the text is a change of what patients are told: read it line by line,
//! then write it anew with `CAREBELL_BLESS=1`.

use super::Case;
use crate::zones::{data, utc};
use carebell::care::{Dosage, Occurrence, Programme, Routine, Schedule, UtcMs, ZoneRules};
use carebell::import::{Body, Change, Document, Settings, read};
use carebell::zones::Zones;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const ZONE: &str = "Europe/Berlin";
const ANCHOR: &str = "2025-03-01";
/// Occurrences shown of each dosage.
const SHOWN: usize = 5;

/// Dosages that stand together in a file.
struct Order {
    path: String,
    dosages: Vec<Value>,
}

/// Every order in a file. A file without a resource is dosages and nothing else.
fn orders(json: &Value) -> Vec<Order> {
    let mut found = Vec::new();
    let is_fragment =
        |json: &Value| json.get("resourceType").is_none() && json.get("items").is_none();
    match json {
        Value::Array(dosages) => {
            found.push(Order { path: "dosages".to_owned(), dosages: dosages.clone() });
        }
        fragment if is_fragment(fragment) => {
            found.push(Order { path: "dosage".to_owned(), dosages: vec![fragment.clone()] });
        }
        resource => gather(resource, "", &mut found),
    }
    found
}

fn gather(json: &Value, path: &str, found: &mut Vec<Order>) {
    let timing = |timing: &Value| json!({"timing": timing});
    let inside = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    match json {
        // The wrapper of the NHS examples.
        Value::Object(members) if members.get("element") == Some(&json!("timing")) => {
            found.push(Order { path: inside("json"), dosages: vec![timing(&members["json"])] });
        }
        Value::Object(members) => {
            for (name, member) in members {
                let dosages = match (name.as_str(), member) {
                    ("dosageInstruction" | "dosage", Value::Array(dosages)) => dosages.clone(),
                    ("schedule", Value::Array(timings)) => timings.iter().map(timing).collect(),
                    (name, Value::Object(_)) if name.to_lowercase().ends_with("timing") => {
                        vec![timing(member)]
                    }
                    _ => {
                        gather(member, &inside(name), found);
                        continue;
                    }
                };
                if !dosages.is_empty() {
                    found.push(Order { path: inside(name), dosages });
                }
            }
        }
        Value::Array(members) => {
            for (index, member) in members.iter().enumerate() {
                gather(member, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// The dosages as the importer reads them, with what it has to say of them.
fn imported(order: &Order) -> (Vec<Dosage>, Vec<String>) {
    let request = json!({
        "resourceType": "MedicationRequest", "id": "order", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/nobody"}, "authoredOn": ANCHOR,
        "medicationCodeableConcept": {"text": "medicine"}, "dosageInstruction": order.dosages,
    });
    let programme: Programme =
        toml::from_str("title = 'Test'\nzone = 'Europe/Berlin'\nphone_region = 'DE'").unwrap();
    let settings = Settings {
        programme: &programme,
        zones: &Zones::built_in(),
        now: UtcMs(1_760_000_000_000),
        assertion: None,
        source_system: "test".to_owned(),
    };
    let document =
        Document { source: "order.json".to_owned(), body: Ok(Body::Fhir(request.to_string())) };
    let items = read(&document, &settings);
    let remarks = items.iter().flat_map(|item| item.remarks.iter().map(ToString::to_string));
    let dosages =
        items.iter().flat_map(carebell::import::Item::changes).find_map(|change| match change {
            Change::Activity(change) => match &change.activity.schedule {
                Schedule::Dosages(dosages) => Some(dosages.clone()),
                _ => None,
            },
            _ => None,
        });
    (dosages.unwrap_or_default(), remarks.collect())
}

/// The first occurrences of one dosage, by slot; `+` before one that is announced with another.
fn first(occurrences: &[Occurrence], dosage: u16) -> String {
    let own = |o: &Occurrence| (o.slot.dosage == dosage).then(|| o.slot.planned.to_string());
    let merged = |o: &Occurrence| {
        let slot = o.merged.iter().find(|slot| slot.dosage == dosage)?;
        Some(format!("+{}", slot.planned))
    };
    let names = occurrences.iter().filter_map(|o| own(o).or_else(|| merged(o)));
    names.take(SHOWN).collect::<Vec<_>>().join(" ")
}

/// The order as a case, with the importer's remarks.
fn case(order: &Order) -> (Case, Vec<String>) {
    let (dosages, remarks) = imported(order);
    let zone = Zones::built_in().zone(ZONE).unwrap();
    (Case { dosages, zone, routine: Routine::default(), anchor: ANCHOR.to_owned() }, remarks)
}

fn tell(order: &Order, into: &mut String) {
    let (case, remarks) = case(order);
    let expansion = case.expand(utc("1990-01-01T00:00:00Z"), utc("2027-01-01T00:00:00Z"));
    let compiled = case.compiled();
    let (sure, notes) = (compiled.confidence(), compiled.notes());
    assert_eq!(sure, expansion.confidence);
    let _ = writeln!(into, "{}: {}", order.path, sure.word());
    for dosage in 1..=case.dosages.len() as u16 {
        let _ = writeln!(into, "  #{dosage} {}", first(&expansion.occurrences, dosage));
    }
    for note in notes {
        let _ = writeln!(into, "  {}: {}", note.rule, note.text);
    }
    for remark in remarks {
        let _ = writeln!(into, "  import {remark}");
    }
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Every order of a folder, told.
fn snapshot(folder: &Path) -> String {
    let mut told = String::new();
    for file in json_files(folder) {
        let json = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let orders = orders(&json);
        if !orders.is_empty() {
            let name = file.strip_prefix(folder).unwrap().display();
            let _ = writeln!(told, "\n== {name}");
        }
        for order in orders {
            tell(&order, &mut told);
        }
    }
    told
}

fn check(folder: &Path, golden: &str) {
    let got = snapshot(folder);
    let golden = data(golden);
    if std::env::var_os("CAREBELL_BLESS").is_some() {
        std::fs::write(&golden, &got).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    let mut file = "";
    for (got, expected) in got.lines().zip(expected.lines()) {
        file = expected.strip_prefix("== ").unwrap_or(file);
        assert_eq!(got, expected, "in {file}; CAREBELL_BLESS=1 writes {} anew", golden.display());
    }
    assert_eq!(got.lines().count(), expected.lines().count(), "{}", golden.display());
    assert!(got.lines().count() > 100, "{} was read", folder.display());
}

#[test]
fn orders_of_others_mean_what_they_meant() {
    check(&data("timing/fhir"), "timing/corpus.txt");
}

/// reference/fhir-careplans.md section 4, by the class that its rules give; the trap stands beside the name.
#[test]
fn the_traps_of_real_files_are_classed_as_stated() {
    let rows: &[(&str, &[&str])] = &[
        // Says four days, is four a day; both steps are without an end.
        ("cut-MedicationRequest-medrx0302.json", &["review"]),
        // The course's length in `duration`.
        ("cut-MedicationRequest-medrx0317.json", &["defaulted"]),
        // The sequence runs backwards, all without an end.
        ("cut-MedicationRequest-medrx0321.json", &["review"]),
        // One event beside a rule.
        ("MedicationRequest-medrx0323.json", &["defaulted"]),
        ("r5-medrx0323.json", &["defaulted"]),
        // A count and nothing else.
        ("cut-MedicationRequest-medrx0332.json", &["defaulted"]),
        // Four a day on a weekday.
        ("cut-MedicationRequest-medrx0334.json", &["defaulted"]),
        // Clock times and nothing else.
        ("MedicationRequest-medrx0335.json", &["exact"]),
        ("r5-medrx0335.json", &["exact"]),
        // Days of a cycle, in words.
        ("cut-r5-medrx003.json", &["review"]),
        // Bounds and nothing else.
        ("cut-CarePlan-preg.json", &["defaulted", "defaulted", "defaulted"]),
        // Tablets as a frequency; empty arrays and nulls.
        ("cut-nhs-eps-eight-tablets.json", &["review"]),
        ("cut-nhs-eps-xml-tag.json", &["review"]),
        ("cut-fds-period-max-only.json", &["review"]),
        ("offsetWhen__offset_minutes.json", &["review"]),
        // A start without offset.
        ("boundsPeriod__start_only.json", &["defaulted"]),
        ("countCountMax__countMax_only.json", &["review"]),
        ("text__common.json", &["review"]),
        ("asNeeded__asNeededBoolean.json", &["none"]),
    ];
    for (name, expected) in rows {
        let file = data("timing/fhir").join(name);
        let json = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let orders = orders(&json);
        let got: Vec<&str> = orders.iter().map(|order| case(order).0.confidence().word()).collect();
        assert_eq!(got, *expected, "{name}");
    }
}

#[test]
fn the_whole_corpus_means_what_it_meant() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/fhir");
    if corpus.is_dir() {
        check(&corpus, "timing/corpus-whole.txt");
    }
}
