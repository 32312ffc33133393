//! The sample programmes in the binary, dated so that the day of the demo is one of theirs, and a few synthetic
//! patients of Synthea where they lie beside the repository.

use crate::import::{Body, Document};
use chrono::{Days, NaiveDate};
use std::path::{Path, PathBuf};

/// A programme and the documents that are imported into it.
pub(super) struct Sample {
    pub(super) programme: &'static str,
    pub(super) documents: Vec<Document>,
}

macro_rules! samples {
    ($($programme:literal: $($file:literal)+;)+) => {
        &[$(($programme, &[$(($file, include_str!(concat!("sample/", $programme, "/", $file)))),+])),+]
    };
}

/// Programme, then its files with their texts; patients before their orders.
const FILES: &[(&str, &[(&str, &str)])] = samples! {
    "cedar": "bundle.json";
    "linden": "patients.csv";
    "maple": "patients.csv" "orders.csv";
    "rowan": "bundle.json";
    "willow": "bundle.json";
};

/// Where Synthea's patients are looked for.
const SYNTHEA: &str = "../shared/data/fhir/synthea-r4";
/// Their programme.
const SYNTHEA_PROGRAMME: &str = "general";
/// Who is taken of them, by how their file begins: a daily tablet, one every sixty days, and a deceased patient.
const SYNTHEA_PATIENTS: [&str; 3] = ["Eduardo_", "David_", "Donnell_"];

/// Every sample as it reads on `today`.
pub(super) fn samples(today: NaiveDate) -> Vec<Sample> {
    let built_in = FILES.iter().map(|(programme, files)| Sample {
        programme,
        documents: files
            .iter()
            .map(|(file, text)| {
                let text = dated(text, today);
                let csv = Path::new(file).extension().is_some_and(|it| it == "csv");
                Document {
                    source: format!("{programme}/{file}"),
                    body: Ok(if csv { Body::Csv(text) } else { Body::Fhir(text) }),
                }
            })
            .collect(),
    });
    let synthea = synthea(Path::new(SYNTHEA));
    let found = (!synthea.is_empty()).then(|| Sample {
        programme: SYNTHEA_PROGRAMME,
        documents: crate::import::documents(&synthea).collect(),
    });
    built_in.chain(found).collect()
}

fn synthea(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let taken = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        SYNTHEA_PATIENTS.iter().any(|begin| name.starts_with(begin))
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(taken).collect();
    files.sort();
    files
}

/// A text with its tokens replaced: `{{today}}`, `{{today+N}}`, `{{today-N}}` (README.md beside the files).
fn dated(text: &str, today: NaiveDate) -> String {
    let mut parts = text.split("{{today");
    let mut dated = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (shift, rest) = part.split_once("}}").unwrap_or(("", part));
        let days = Days::new(shift.trim_start_matches(['+', '-']).parse().unwrap_or(0));
        let date = if shift.starts_with('-') {
            today.checked_sub_days(days)
        } else {
            today.checked_add_days(days)
        };
        dated.push_str(&date.unwrap_or(today).to_string());
        dated.push_str(rest);
    }
    dated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_dates_across_months_and_leap_days() {
        let today = NaiveDate::from_ymd_opt(2028, 2, 28).unwrap();
        let text = "a,{{today}},{{today+1}}T10:30,{{today-28}}\nb,{{today+2}},";
        let expected = "a,2028-02-28,2028-02-29T10:30,2028-01-31\nb,2028-03-01,";
        assert_eq!(dated(text, today), expected);
        for sample in samples(today) {
            for document in sample.documents {
                let (Ok(Body::Csv(text) | Body::Fhir(text)), source) =
                    (document.body, document.source)
                else {
                    panic!("a sample that does not read");
                };
                assert!(!text.contains("{{"), "{source}");
            }
        }
    }
}
