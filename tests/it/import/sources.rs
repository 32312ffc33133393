//! Whole sources: a dry run, rows of the intake table, the corpora, the sample data.

use super::apply::{consent, importer, order, outcomes, person, reasons, run, sent, state, text};
use super::data;
use crate::house::{House, MONDAY, On, on_both};
use carebell::care::UtcMs;
use carebell::care::time::DAY_MS;
use carebell::import::{Body, Document, Mode, Options, Outcome, ResourceReport, documents};
use serde_json::{Value, json};
use std::path::Path;

on_both!(a_dry_run_tells_what_an_import_does_and_does_nothing, async |house: House| {
    let resources: Vec<Value> = (0..300)
        .map(|n| person(&format!("q{n}"), &json!({"identifier": [], "telecom": []})))
        .chain([person("p", &json!({})), order("m", "08:00:00", &json!({})), consent("permit")])
        .chain([order("x", "08:00:00", &json!({"subject": {"reference": "Patient/none"}}))])
        .collect();
    let documents = || {
        let one =
            |r: &Value| Document { source: "a".to_owned(), body: Ok(Body::Fhir(r.to_string())) };
        resources.iter().map(one).collect::<Vec<_>>().into_iter()
    };
    let count =
        "SELECT 'rows ' || (SELECT count(*) FROM patients) || ' ' || (SELECT count(*) FROM intake)";
    let (dry, _) = run(&house, documents(), Mode::DryRun, None).await;
    assert_eq!(text(&house, count).await, "rows 0 0");
    let (wet, _) = run(&house, documents(), Mode::Write, None).await;
    let mut wet = outcomes(&wet);
    assert_eq!(wet.len(), resources.len());
    wet.sort_unstable();
    let mut dry = outcomes(&dry);
    dry.sort_unstable();
    assert_eq!(dry, wet);
});

/// As another program does, on a connection of its own.
async fn insert(house: &House, kind: &str, programme: &str, payload: &str) {
    let payload = payload.replace('\'', "''");
    let row = format!("('{kind}', '{programme}', 'clinic', '{payload}')");
    let sql = format!("INSERT INTO intake (kind, programme, source, payload) VALUES {row}");
    assert_eq!(house.damage(&sql).await, 1);
}

on_both!(p10_rows_that_others_insert_are_imported_and_emptied, async |house: House| {
    insert(&house, "fhir", "general", &order("m", "08:00:00", &json!({})).to_string()).await;
    insert(&house, "fhir", "general", &consent("permit").to_string()).await;
    insert(
        &house,
        "csv",
        "general",
        &json!({"patient_id": "7", "phone": "+12025550107", "timezone": "UTC",
        "consent": "yes", "order_id": 1, "type": "medication", "title": "Canary", "times": "09:00"})
        .to_string(),
    )
    .await;
    insert(&house, "fhir", "nowhere", "{}").await;
    insert(&house, "fhir", "general", "{ broken canary").await;
    insert(&house, "xml", "general", "<a/>").await;
    house.settle().await;
    let states = "SELECT (SELECT count(*) FROM intake WHERE state = 'waiting') || ' ' || (SELECT count(*) FROM intake \
        WHERE state = 'done') || ' ' || (SELECT count(*) FROM intake WHERE state = 'rejected' AND sealed IS NOT NULL) || ' ' || \
        (SELECT sum(length(payload)) FROM intake)";
    assert_eq!(text(&house, states).await, "2 1 3 0");
    insert(&house, "fhir", "general", &person("p", &json!({})).to_string()).await;
    house.settle().await;
    assert_eq!(text(&house, states).await, "0 4 3 0");
    let report = "SELECT report FROM intake WHERE id = (SELECT min(id) FROM intake)";
    let report: Value = serde_json::from_str(&text(&house, report).await).unwrap();
    assert_eq!(
        (&report["counts"]["created"], &report["resources"][0]["outcome"]),
        (&json!(1), &json!("created"))
    );
    assert_eq!(report["resources"][0]["id"], Value::Null);
    house.play_until(MONDAY.plus_ms(DAY_MS)).await;
    assert_eq!(sent(&house), [8.0, 9.0]);
});

on_both!(the_corpus_imported_twice_changes_nothing, async |house: House| {
    let mut created = 0;
    // Files of it contradict one another, so each is imported twice in a row.
    for document in documents(&[data("fhir"), data("csv")]) {
        let again = || {
            let body = document.body.as_ref().map_err(Clone::clone).map(|body| match body {
                Body::Fhir(text) => Body::Fhir(text.clone()),
                Body::Csv(text) => Body::Csv(text.clone()),
            });
            std::iter::once(Document { source: document.source.clone(), body })
        };
        let (first, counts) = run(&house, again(), Mode::Write, None).await;
        created += counts.of(Outcome::Created);
        let before = state(&house).await;
        house.clock.advance_ms(1);
        let (second, _) = run(&house, again(), Mode::Write, None).await;
        assert_eq!(moved(&second), [] as [String; 0]);
        assert_eq!(first.len(), second.len(), "{}", document.source);
        assert_eq!(state(&house).await, before, "{}", document.source);
    }
    assert!(created > 10, "{created}");
});

/// Resources of the shared corpus that two files tell differently, so that each import moves them.
const CONTRADICTED: [&str; 2] = [
    "hl7au/Bundle/Bundle-aups-basicsummary-missing-comp-elements.json",
    "hl7au/Bundle/Bundle-aups-section-emptyreason.json",
];

on_both!(the_shared_corpus_imported_twice_changes_nothing, async |house: House| {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/fhir");
    if !shared.is_dir() {
        return;
    }
    let paths = [shared];
    let (first, counts) = run(&house, documents(&paths), Mode::Write, None).await;
    assert!(counts.of(Outcome::Created) > 100, "{:?}", counts.by_outcome());
    house.clock.advance_ms(1);
    let (second, _) = run(&house, documents(&paths), Mode::Write, None).await;
    assert_eq!(first.len(), second.len());
    let mut moved = moved(&second);
    moved.retain(|source| !CONTRADICTED.iter().any(|known| source.contains(known)));
    assert_eq!(moved, [] as [String; 0]);
});

/// Sources of resources that were created or updated.
fn moved(reports: &[ResourceReport]) -> Vec<String> {
    let moved = |r: &&ResourceReport| matches!(r.outcome, Outcome::Created | Outcome::Updated);
    reports.iter().filter(moved).map(|report| report.resource.source.clone()).collect()
}

/// A sample's text with its dates filled in.
fn dated(text: &str, today: UtcMs) -> String {
    let mut rest = text;
    let mut filled = String::new();
    while let Some((before, after)) = rest.split_once("{{today") {
        let (days, after) = after.split_once("}}").unwrap();
        let days: i64 = if days.is_empty() { 0 } else { days.parse().unwrap() };
        let date = today.plus_ms(days * DAY_MS).to_utc().format("%Y-%m-%d");
        filled.push_str(before);
        filled.push_str(&date.to_string());
        rest = after;
    }
    filled + rest
}

#[test]
fn sample_dates_are_filled_in() {
    assert_eq!(
        dated("a{{today}}b{{today+2}}T1{{today-1}}", MONDAY),
        "a2026-11-23b2026-11-25T12026-11-22"
    );
}

on_both!(the_sample_data_is_imported_whole, async |house: House| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/sample");
    let mut people = 0;
    for folder in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let Some(programme) =
            folder.file_name().and_then(|n| house.app.programmes.get(n.to_str()?))
        else {
            assert!(!folder.is_dir(), "{folder:?} is no programme");
            continue;
        };
        let options = Options {
            programme,
            source_system: programme.name.clone(),
            assertion: None,
            mode: Mode::Write,
        };
        for again in [false, true] {
            let filled = documents(std::slice::from_ref(&folder)).map(|document| Document {
                source: document.source,
                body: document.body.map(|body| match body {
                    Body::Fhir(text) => Body::Fhir(dated(&text, MONDAY)),
                    Body::Csv(text) => Body::Csv(dated(&text, MONDAY)),
                }),
            });
            let filled: Vec<Document> = filled.collect();
            let mut reports = Vec::new();
            let counts = importer(&house)
                .import(filled.into_iter(), &options, &mut |report| reports.push(report))
                .await
                .unwrap();
            assert_eq!(counts.of(Outcome::Rejected), 0, "{}", reasons(&reports));
            assert_eq!(counts.of(Outcome::Created) == 0, again, "{:?}", counts.by_outcome());
            if again {
                people += reports
                    .iter()
                    .filter(|r| r.resource.kind.eq_ignore_ascii_case("patient"))
                    .count();
            }
        }
    }
    assert_eq!(people, 25);
});
