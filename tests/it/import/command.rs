//! `carebell import` as an operator meets it.

use crate::process::flat;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn carebell(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_carebell"))
        .args(arguments)
        .env_clear()
        .env("STATE_DIRECTORY", folder.path().join("state"))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn house() -> TempDir {
    let folder = TempDir::new().unwrap();
    let table = "patient_id,phone,timezone,order_id,type,title,times,start\n\
                 1,+12025550101,America/New_York,a,medication,Canarin,08:00,2026-01-01\n\
                 2,+12025550102,Atlantis/City,b,medication,Canarin,08:00,2026-01-01\n";
    std::fs::write(folder.path().join("plans.csv"), table).unwrap();
    std::fs::write(
        folder.path().join("notes.json"),
        "{\"resourceType\":\"Observation\",\"id\":\"x\"}",
    )
    .unwrap();
    folder
}

#[test]
fn the_report_is_one_json_document_of_every_resource() {
    let folder = house();
    let (code, answer, talk) = carebell(&folder, &["import", "--json", "plans.csv", "notes.json"]);
    assert_eq!((code, talk.as_str()), (Some(0), ""), "rejected resources are told, not failed on");
    let report: Value = serde_json::from_str(&answer).unwrap();
    let counts = json!({"created": 2, "updated": 0, "unchanged": 0, "ignored": 1, "review": 0, "rejected": 2});
    assert_eq!(report["counts"], counts);
    assert_eq!(report.as_object().unwrap().len(), 2);
    let resources = report["resources"].as_array().unwrap();
    let named = |source: &str, kind: &str| {
        let found = resources.iter().find(|r| r["source"] == source && r["type"] == kind);
        found.unwrap_or_else(|| panic!("{source} {kind}: {answer}")).clone()
    };
    let rejected = named("plans.csv:3", "patient");
    assert_eq!((&rejected["outcome"], &rejected["path"]), (&json!("rejected"), &json!("timezone")));
    assert!(rejected["reasons"][0].as_str().unwrap().contains("IANA name"), "{rejected}");
    assert_eq!(named("notes.json", "Observation")["outcome"], "ignored");
    let created = named("plans.csv:2", "order");
    assert_eq!((&created["outcome"], created.get("path")), (&json!("created"), None));
    assert!(!answer.contains("Canarin") && !answer.contains("2025550101"), "{answer}");
    let (_, again, _) = carebell(&folder, &["import", "--json", "plans.csv"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["counts"]["unchanged"], 2);
}

#[test]
fn the_table_fits_a_terminal_and_tells_what_needs_a_person() {
    let folder = house();
    let (code, answer, _) = carebell(&folder, &["import", "--dry-run", "plans.csv", "notes.json"]);
    assert_eq!(code, Some(0));
    assert!(answer.starts_with("dry run: nothing was changed\n"), "{answer}");
    assert!(answer.lines().all(|line| line.chars().count() <= 80), "{answer}");
    assert!(
        answer.contains("rejected  patient\n  plans.csv:3\n    timezone: is not a time zone"),
        "{answer}"
    );
    let (_, after, _) = carebell(&folder, &["import", "--json", "plans.csv"]);
    let after: Value = serde_json::from_str(&after).unwrap();
    assert_eq!(after["counts"]["created"], 2, "the dry run left nothing behind");
}

#[test]
fn what_does_not_exist_is_told_with_its_fix() {
    let folder = house();
    let (code, _, talk) = carebell(&folder, &["import", "--programme", "nowhere", "plans.csv"]);
    assert_eq!(code, Some(3), "{talk}");
    assert!(
        flat(&talk).contains("there is no programme nowhere") && talk.contains("general"),
        "{talk}"
    );
    let future = ["import", "--consent-basis", "x", "--consent-at", "2999-01-01", "plans.csv"];
    assert_eq!(carebell(&folder, &future).0, Some(2));
    assert_eq!(carebell(&folder, &["import", "--consent-basis", "x", "plans.csv"]).0, Some(2));
    let (code, answer, _) = carebell(&folder, &["import", "absent.json"]);
    assert_eq!((code, answer.contains("cannot be read")), (Some(0), true), "{answer}");
}
