//! Megabytes a second of an import: NDJSON as Synthea writes it (a patient, medication requests, and many times
//! as many observations that carry no reminder), first as a dry run, then into SQLite, then once more unchanged.
//!
//! `cargo bench --bench import -- [PATIENTS]`, 1000 unless told. Prints one JSON line a figure.

#![expect(clippy::unwrap_used, reason = "a bench ends at the first fault")]

use carebell::care::UtcMs;
use carebell::clock::SystemClock;
use carebell::import::{Assertion, Importer, Mode, Options, Outcome, documents};
use carebell::message::{Catalogue, Programmes};
use carebell::security::{Keyring, SharedRng};
use carebell::store::connect_sqlite;
use carebell::zones::Zones;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

const ORDERS: u32 = 3;
const OBSERVATIONS: u32 = 20;

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let patients = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("feed.ndjson");
    write_feed(&mut std::fs::File::create(&file).unwrap(), patients);
    let megabytes = file.metadata().unwrap().len() as f64 / 1e6;
    let zones = Arc::new(Zones::built_in());
    let catalogue = Catalogue::load(None).unwrap();
    let programmes = Arc::new(Programmes::load(None, &*zones, &catalogue).unwrap());
    let keys = Keyring::new(&[7; 32]);
    let store = connect_sqlite(&dir.path().join("carebell.db"), keys).await.unwrap();
    store.migrate().await.unwrap();
    let rng = Arc::new(SharedRng::seeded(1));
    let importer = Importer::new(store, Arc::new(SystemClock), zones, Arc::clone(&programmes), rng);
    let wanted = u64::from(patients * (1 + ORDERS));
    for (pass, mode, outcome) in [
        ("dry_run", Mode::DryRun, Outcome::Created),
        ("write", Mode::Write, Outcome::Created),
        ("unchanged", Mode::Write, Outcome::Unchanged),
    ] {
        let options = Options {
            programme: programmes.get("general").unwrap(),
            source_system: "bench".to_owned(),
            assertion: Some(Assertion { basis: "invented people".to_owned(), at: UtcMs(0) }),
            mode,
        };
        let began = Instant::now();
        let feed = documents(std::slice::from_ref(&file));
        let counts = importer.import(feed, &options, &mut |_| {}).await.unwrap();
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(counts.of(outcome), wanted, "{:?}", counts.by_outcome());
        for (figure, value) in [
            ("megabytes_per_second", megabytes / seconds),
            ("resources_per_second", f64::from(patients * (1 + ORDERS + OBSERVATIONS)) / seconds),
        ] {
            println!(
                r#"{{"bench":"import","pass":"{pass}","patients":{patients},"megabytes":{megabytes:.1},"figure":"{figure}","value":{value:.1}}}"#
            );
        }
    }
}

fn write_feed(file: &mut std::fs::File, patients: u32) {
    let mut feed = std::io::BufWriter::new(file);
    for n in 0..patients {
        writeln!(feed, "{}", patient(n)).unwrap();
        for order in 0..ORDERS {
            writeln!(feed, "{}", medication_request(n, order)).unwrap();
        }
        for observation in 0..OBSERVATIONS {
            writeln!(feed, "{}", observed(n, observation)).unwrap();
        }
    }
    feed.flush().unwrap();
}

fn patient(n: u32) -> Value {
    json!({
        "resourceType": "Patient", "id": format!("pat-{n}"),
        "identifier": [{"system": "https://example.org/mrn", "value": format!("MRN-{n}")}],
        "active": true,
        "name": [{"use": "official", "family": format!("Canary{n}"), "given": ["Amina"]}],
        "telecom": [{"system": "phone", "value": format!("+1202{:07}", 5_550_000 + n), "use": "mobile"}],
        "gender": "female", "birthDate": "1961-04-12",
        "address": [{"line": ["892 Kilback Street"], "city": "Washington", "state": "DC", "country": "US"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}}]
    })
}

fn medication_request(n: u32, order: u32) -> Value {
    json!({
        "resourceType": "MedicationRequest", "id": format!("med-{n}-{order}"),
        "status": "active", "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                "code": format!("{}", 860_975 + order), "display": "Metformin 500 MG Oral Tablet"}],
            "text": "Metformin 500 MG Oral Tablet"
        },
        "subject": {"reference": format!("Patient/pat-{n}")},
        "authoredOn": "2026-03-04T09:15:00-05:00",
        "dosageInstruction": [{"sequence": 1, "text": "1 tablet twice a day",
            "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d",
                "timeOfDay": ["08:00:00", "20:00:00"]}},
            "asNeededBoolean": false,
            "doseAndRate": [{"doseQuantity": {"value": 1}}]}]
    })
}

fn observed(n: u32, observation: u32) -> Value {
    json!({
        "resourceType": "Observation", "id": format!("obs-{n}-{observation}"), "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs", "display": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9",
            "display": "Blood pressure panel with all children optional"}]},
        "subject": {"reference": format!("Patient/pat-{n}")},
        "effectiveDateTime": "2026-03-04T09:15:00-05:00", "issued": "2026-03-04T09:15:00.123-05:00",
        "component": [
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]},
                "valueQuantity": {"value": 85, "unit": "mm[Hg]", "code": "mm[Hg]"}},
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                "valueQuantity": {"value": 133, "unit": "mm[Hg]", "code": "mm[Hg]"}}
        ]
    })
}
