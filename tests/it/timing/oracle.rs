//! Random timings against an oracle that shares nothing with the engine (`tests/oracle/timings.py`: python-dateutil
//! on naive local times, zoneinfo for the instants).

use super::Case;
use crate::zones::{data, utc};
use carebell::care::{Dosage, Expansion, Routine, ZoneRules};
use carebell::zones::Zones;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// A line of the oracle's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    dosages: Vec<Dosage>,
    zone: String,
    anchor: String,
    from: String,
    to: String,
    #[serde(default)]
    routine: Routine,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    occurrences: Vec<Due>,
    /// `a|b` where the rules leave the choice.
    confidence: String,
}

/// An occurrence by its names, as the batch writes it; `local` is left out where the slot's name says it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Due {
    slot: String,
    local: Option<String>,
    utc: String,
    #[serde(default)]
    merged: Vec<String>,
}

/// The occurrences in the oracle's words.
fn told(expansion: &Expansion) -> Vec<Due> {
    let name = |slot: &carebell::care::Slot| match slot.dosage {
        1 => slot.planned.to_string(),
        n => format!("{}#{n}", slot.planned),
    };
    let due = |o: &carebell::care::Occurrence| {
        let local = o.local.format("%Y-%m-%dT%H:%M:%S").to_string();
        Due {
            slot: name(&o.slot),
            local: (local != o.slot.planned.to_string()).then_some(local),
            utc: o.at.rfc3339(),
            merged: o.merged.iter().map(name).collect(),
        }
    };
    expansion.occurrences.iter().map(due).collect()
}

/// What differs, if anything does.
fn difference(line: Line) -> Option<String> {
    let Some(zone) = Zones::built_in().zone(&line.zone) else {
        return Some(format!("zone {} is not known", line.zone));
    };
    let case = Case { dosages: line.dosages, zone, routine: line.routine, anchor: line.anchor };
    let expansion = case.expand(utc(&line.from), utc(&line.to));
    let got = told(&expansion);
    let mut difference = String::new();
    if !line.expected.confidence.split('|').any(|word| word == expansion.confidence.word()) {
        let _ = writeln!(
            difference,
            "  confidence: expected {}, got {} ({:?})",
            line.expected.confidence,
            expansion.confidence.word(),
            expansion.notes
        );
    }
    if got != line.expected.occurrences {
        let only = |these: &[Due], those: &[Due]| {
            let lacking = these.iter().filter(|due| !those.contains(due)).take(4);
            lacking.map(|due| format!("{due:?}")).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(
            difference,
            "  expected {}, got {}; only expected: {}; only got: {}",
            line.expected.occurrences.len(),
            got.len(),
            only(&line.expected.occurrences, &got),
            only(&got, &line.expected.occurrences),
        );
    }
    (!difference.is_empty()).then_some(difference)
}

/// Reads a file of the oracle's lines; says how many agreed, row by row, and shows the first that did not.
fn compare(file: &Path) -> usize {
    let lines = std::io::BufReader::new(std::fs::File::open(file).unwrap()).lines();
    let mut rows: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut read, mut different, mut shown) = (0, 0, String::new());
    for text in lines {
        let text = text.unwrap();
        let line: Line = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
        let id = line.id.clone();
        let row = rows.entry(id.rsplit_once('-').unwrap().0.to_owned()).or_default();
        read += 1;
        row.0 += 1;
        if let Some(difference) = difference(line) {
            different += 1;
            row.1 += 1;
            if row.1 <= 5 {
                let _ = writeln!(shown, "{id}\n{difference}  {text}");
            }
        }
    }
    for (row, (all, wrong)) in rows {
        println!("{row:24} {all:8} {wrong:6} different");
    }
    println!("{read} read, {different} different");
    assert_eq!(different, 0, "of {read} cases {different} differ:\n{shown}");
    read
}

#[test]
fn p7_random_timings_agree_with_python() {
    assert!(compare(&data("timing/oracle.ndjson")) >= 3_000);
}

/// A bigger file, made by the generator, where one is named.
#[test]
fn p7_a_big_file_of_random_timings_agrees_with_python() {
    if let Some(file) = std::env::var_os("CAREBELL_ORACLE_FILE") {
        assert!(compare(&PathBuf::from(file)) > 0);
    }
}
