//! Import: real files end in exactly one item per resource, traps are classed as the rules state, and no input
//! breaks the reader.

use carebell::care::contact::ConsentDecision;
use carebell::care::patient::Origin;
use carebell::care::{
    ActivityKind, ActivityStatus, ChannelKind, PatientStatus, Programme, Schedule, UtcMs, Zone,
    ZoneRules,
};
use carebell::import::change::{ActivityChange, PatientChange};
use carebell::import::{
    Assertion, Body, Change, Document, Item, Reading, Settings, Why, documents, read,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod apply;
mod command;
mod csv;
mod fhir;
mod material;
mod people;
mod protocol;
mod sources;

/// Zones by name only: reading checks names and resolves nothing.
struct Names;

impl ZoneRules for Names {
    fn zone(&self, name: &str) -> Option<Arc<Zone>> {
        name.parse::<chrono_tz::Tz>().ok().map(|_| Arc::new(Zone::new(name, Vec::new())))
    }

    fn version(&self) -> String {
        "names".to_owned()
    }
}

fn programme() -> Programme {
    toml::from_str(
        "title = 'Test'\nzone = 'Africa/Nairobi'\nphone_region = 'KE'\nconsent_categories = ['urn:carebell|sms']",
    )
    .unwrap()
}

fn with<T>(act: impl FnOnce(&Settings<'_>) -> T) -> T {
    let programme = programme();
    let now = UtcMs(1_760_000_000_000);
    act(&Settings {
        programme: &programme,
        zones: &Names,
        now,
        assertion: None,
        source_system: "test".to_owned(),
    })
}

fn document(source: &str, body: Body) -> Document {
    Document { source: source.to_owned(), body: Ok(body) }
}

fn fhir_items(resource: &Value) -> Vec<Item> {
    text(&resource.to_string())
}

fn text(json: &str) -> Vec<Item> {
    with(|settings| read(&document("a.json", Body::Fhir(json.to_owned())), settings))
}

fn csv_items(table: &str) -> Vec<Item> {
    with(|settings| read(&document("a.csv", Body::Csv(table.to_owned())), settings))
}

fn file(name: &str) -> Vec<Item> {
    let path = data("fhir").join(name);
    let items: Vec<Item> =
        with(|settings| documents(&[path]).flat_map(|d| read(&d, settings)).collect());
    assert!(!items.is_empty(), "{name}");
    items
}

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

fn changes(items: &[Item]) -> Vec<&Change> {
    items.iter().flat_map(Item::changes).collect()
}

fn activity(items: &[Item]) -> &ActivityChange {
    let found = changes(items).into_iter().find_map(|change| match change {
        Change::Activity(activity) => Some(&**activity),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no activity: {:?}", why(items)))
}

fn patient(items: &[Item]) -> &PatientChange {
    let found = changes(items).into_iter().find_map(|change| match change {
        Change::Patient(patient) => Some(&**patient),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no patient: {:?}", why(items)))
}

/// `path: reason` of every remark.
fn why(items: &[Item]) -> Vec<String> {
    items.iter().flat_map(|item| item.remarks.iter().map(ToString::to_string)).collect()
}

fn rejected(items: &[Item]) -> Vec<(&str, &Why)> {
    let rejected = items.iter().filter(|item| item.reading == Reading::Rejected);
    rejected.map(|item| (item.remarks[0].path.as_str(), &item.remarks[0].why)).collect()
}

/// The corpus when it is there, and the copies in this repository always.
fn corpus() -> Vec<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/fhir");
    [Some(data("fhir")), Some(shared).filter(|path| path.is_dir())].into_iter().flatten().collect()
}

/// How many resources a document has, counted by other means.
fn count(document: &Value) -> usize {
    match document["entry"].as_array() {
        Some(entries) if document["resourceType"] == "Bundle" => {
            let inside = |entry: &Value| match &entry["resource"] {
                resource if resource["resourceType"] == "Bundle" => count(resource),
                _ => 1,
            };
            entries.iter().map(inside).sum::<usize>().max(1)
        }
        _ => 1,
    }
}

#[test]
fn p9_every_resource_of_the_corpus_ends_in_exactly_one_item_and_every_reject_has_a_place() {
    let mut seen = 0;
    for found in documents(&corpus()) {
        let items = with(|settings| read(&found, settings));
        if let Ok(Body::Fhir(json)) = &found.body {
            let expected = count(&serde_json::from_str(json).unwrap());
            let sources: BTreeSet<&str> =
                items.iter().map(|item| item.resource.source.as_str()).collect();
            assert_eq!((items.len(), sources.len()), (expected, expected), "{}", found.source);
            seen += expected;
        }
        for item in &items {
            let settled = item.reading != Reading::Parsed(Vec::new());
            let reasoned = matches!(item.reading, Reading::Parsed(_))
                || (!item.remarks.is_empty() && !item.remarks[0].path.is_empty());
            assert!(settled && reasoned, "{} {:?}", item.resource.source, item.remarks);
            assert!(
                item.remarks.iter().all(|remark| remark.why != Why::Broke),
                "{}",
                item.resource.source
            );
        }
    }
    assert!(seen > 60, "only {seen} resources read");
}

#[test]
fn reading_the_corpus_again_changes_no_fingerprint() {
    let prints = |now| {
        let programme = programme();
        let settings = Settings {
            programme: &programme,
            zones: &Names,
            now: UtcMs(now),
            assertion: None,
            source_system: "t".into(),
        };
        let items: Vec<Item> = documents(&corpus()).flat_map(|d| read(&d, &settings)).collect();
        changes(&items).into_iter().map(Change::fingerprint).collect::<Vec<_>>()
    };
    let (first, second) = (prints(1_760_000_000_000), prints(1_770_000_000_000));
    assert!(first.len() > 20);
    assert_eq!(first, second);
}

#[test]
fn ndjson_is_read_line_by_line_and_a_broken_line_hurts_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let line = |id: &str| fhir::person(&json!({"id": id})).to_string();
    let lines = format!(
        "\u{FEFF}{}\r\n\r\n{}\n{{\"resourceType\":\n{}",
        line("1"),
        line("2"),
        &line("3")[..20]
    );
    for name in ["a.ndjson", "b.json"] {
        let path = folder.path().join(name);
        std::fs::write(&path, &lines).unwrap();
        let items: Vec<Item> =
            with(|s| documents(std::slice::from_ref(&path)).flat_map(|d| read(&d, s)).collect());
        let got: Vec<(String, bool)> = items
            .iter()
            .map(|i| {
                (i.resource.source.rsplit('/').next().unwrap().to_owned(), i.changes().is_empty())
            })
            .collect();
        let expected = [(1, false), (3, false), (4, true), (5, true)]
            .map(|(n, bad)| (format!("{name}:{n}"), bad));
        assert_eq!(got, expected);
    }
}

#[test]
fn files_of_another_form_are_refused_with_the_hint_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, Vec<u8>, Why); 8] = [
        ("a.json", [b"\xFF\xFE".to_vec(), utf16.clone()].concat(), Why::Utf16),
        ("b.json", utf16, Why::Utf16),
        ("c.csv", b"patient_id,name\n1,Jos\xE9\n".to_vec(), Why::NotUtf8),
        ("d.ndjson", b"{\"resourceType\":\"Jos\xE9\"}\n".to_vec(), Why::NotUtf8),
        ("e.json", b"\x1F\x8B\x08".to_vec(), Why::Compressed { form: "gzip".into() }),
        ("f.csv", b"PK\x03\x04".to_vec(), Why::Compressed { form: "zip or xlsx".into() }),
        ("g.json", b"<Patient xmlns='http://hl7.org/fhir'/>".to_vec(), Why::Xml),
        ("h.csv", b"colour,size\nred,1\n".to_vec(), Why::NotData),
    ];
    for (name, bytes, expected) in &cases {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let path = [folder.path().join(name)];
        let items: Vec<Item> = with(|s| documents(&path).flat_map(|d| read(&d, s)).collect());
        assert_eq!((items.len(), &items[0].remarks[0].why), (1, expected), "{name}");
        assert_eq!(items[0].reading, Reading::Rejected, "{name}");
    }
    std::fs::create_dir(folder.path().join("0")).unwrap();
    std::fs::write(folder.path().join("0/z.json"), "{}").unwrap();
    std::fs::write(folder.path().join(".hidden.json"), "{}").unwrap();
    let order: Vec<String> = documents(&[folder.path().to_owned()])
        .map(|d| d.source.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        order[..3],
        ["z.json", "a.json", "b.json"],
        "sorted, folders in their place, nothing hidden"
    );
    assert_eq!(order.len(), cases.len() + 1);
    let missing: Vec<Document> = documents(&[folder.path().join("none")]).collect();
    assert!(matches!(missing[0].body, Err(Why::Unreadable { .. })));
}

/// A bundle with patients, orders, a plan and consents that name each other in every way.
fn mixed_bundle() -> Vec<Value> {
    use fhir::{consent, order, person};
    let full = |n: u8| format!("urn:uuid:00000000-0000-0000-0000-0000000000{n:02}");
    let subject = |n: u8| json!({"subject": {"reference": full(n)}, "id": null});
    vec![
        json!({"fullUrl": full(1), "resource": person(&json!({"id": null, "birthDate": "1970-01-01"}))}),
        json!({"fullUrl": full(2), "resource": person(&json!({"id": "2", "identifier": [{"system": "urn:n", "value": "2"}, {"system": "urn:a", "value": "3"}]}))}),
        json!({"fullUrl": full(3), "resource": order(&subject(1))}),
        json!({"fullUrl": full(4), "resource": order(&subject(2))}),
        json!({"fullUrl": full(5), "resource": order(&json!({"id": "x", "subject": {"reference": "Patient/2"}}))}),
        json!({"fullUrl": full(6), "resource": {"resourceType": "CarePlan", "id": "p", "status": "active", "intent": "plan",
            "subject": {"identifier": {"system": "urn:n", "value": "2"}}, "activity": [{"reference": {"reference": full(4)}}]}}),
        json!({"fullUrl": full(7), "resource": consent(&json!({"patient": {"reference": full(2)}}))}),
        json!({"request": {"method": "DELETE", "url": "MedicationRequest/old"}}),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shuffled_entries_give_the_same_changes(entries in Just(mixed_bundle()).prop_shuffle()) {
        let prints = |entries: Vec<Value>| {
            let items = fhir_items(&json!({"resourceType": "Bundle", "type": "collection", "entry": entries}));
            let prints: BTreeSet<String> = changes(&items).into_iter().map(Change::fingerprint).collect();
            prints
        };
        let expected = prints(mixed_bundle());
        prop_assert_eq!(expected.len(), 8);
        prop_assert_eq!(prints(entries), expected);
    }

    #[test]
    fn p9_random_text_never_breaks_the_reader(noise in ".{0,200}", cut in 0_usize..400) {
        let bundle = json!({"resourceType": "Bundle", "entry": mixed_bundle()}).to_string();
        let broken: String = bundle.chars().take(cut * 8).chain(noise.chars()).collect();
        for items in [text(&noise), text(&broken), csv_items(&noise), csv_items(&format!("patient_id,times,start,phone\n{noise}"))] {
            prop_assert!(items.iter().all(|item| item.remarks.iter().all(|r| r.why != Why::Broke)));
        }
    }

    #[test]
    fn p9_a_leaf_of_another_type_never_breaks_the_reader(entry in 0_usize..8, leaf in 0_usize..60, other in 0_usize..8) {
        let others = [json!(null), json!([]), json!({}), json!(""), json!(-1), json!(1e300), json!(true), json!([null, {"a": []}])];
        let mut entries = mixed_bundle();
        let mut leaves = 0;
        replace(&mut entries[entry], &mut leaves, leaf, &others[other]);
        let items = fhir_items(&json!({"resourceType": "Bundle", "type": "collection", "entry": entries}));
        prop_assert!(items.iter().all(|item| item.remarks.iter().all(|r| r.why != Why::Broke)));
        prop_assert_eq!(items.len(), 8, "one item each, whatever is broken in one of them");
    }
}

/// Puts `other` in the place of the n-th value below `value`.
fn replace(value: &mut Value, seen: &mut usize, n: usize, other: &Value) {
    let children: Vec<&mut Value> = match value {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => return,
    };
    for child in children {
        if *seen == n {
            *child = other.clone();
            *seen += 1;
            return;
        }
        *seen += 1;
        replace(child, seen, n, other);
    }
}
