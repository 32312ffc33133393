//! The demo's sample data.

use super::*;

/// The demo's sample files with their tokens replaced as the demo does it: folder, file name, text.
fn samples() -> Vec<(String, String, String)> {
    let today = NaiveDate::from_ymd_opt(2026, 3, 4).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/sample");
    let mut samples = Vec::new();
    for folder in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let mut text = std::fs::read_to_string(&file).unwrap();
            for days in -400_i64..=400 {
                let token =
                    if days == 0 { "{{today}}".into() } else { format!("{{{{today{days:+}}}}}") };
                let date = today + chrono::TimeDelta::days(days);
                text = text.replace(&token, &date.to_string());
            }
            let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
            samples.push((name(&folder), name(&file), text));
        }
    }
    samples
}

#[test]
fn the_sample_data_is_whole() {
    let (catalogue, programmes, samples) = (catalogue(), programmes(), samples());
    let mut people = Vec::new();
    for (folder, file, text) in &samples {
        let programme = programmes.get(folder).unwrap_or_else(|| panic!("{folder}"));
        assert!(!text.contains("{{"), "a token of {folder}/{file} is not known");
        if file == "bundle.json" {
            let bundle: serde_json::Value = serde_json::from_str(text).unwrap();
            let resources = bundle["entry"].as_array().unwrap().iter().map(|e| &e["resource"]);
            for patient in resources.filter(|r| r["resourceType"] == "Patient") {
                let phone = patient["telecom"][0]["value"].as_str().unwrap();
                people.push((
                    programme.name.clone(),
                    patient["id"].as_str().unwrap().to_owned(),
                    phone.to_owned(),
                    patient["communication"][0]["language"]["coding"][0]["code"]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                    patient["extension"][0]["valueCode"].as_str().unwrap().to_owned(),
                ));
            }
        } else {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let headers = reader.headers().unwrap().clone();
            for row in reader.records().map(Result::unwrap) {
                let cell = |name| {
                    let column = headers.iter().position(|header| header == name)?;
                    row.get(column).map(str::to_owned)
                };
                let Some(phone) = cell("phone") else { continue };
                people.push((
                    programme.name.clone(),
                    cell("patient_id").unwrap(),
                    phone,
                    cell("language").unwrap(),
                    cell("timezone").unwrap(),
                ));
            }
        }
    }
    people.sort();
    people.dedup();
    assert_eq!(people.len(), 25);
    let mut phones: Vec<&String> = people.iter().map(|(_, _, phone, _, _)| phone).collect();
    phones.sort();
    phones.dedup();
    assert_eq!(phones.len(), 25, "two people share an address");
    for (programme, id, phone, language, zone) in &people {
        let programme = programmes.get(programme).unwrap();
        let said = saying(MessageName::Dose, language, Form::Text);
        assert!(catalogue.render(programme, &said).is_ok(), "{id}");
        assert!(zone.parse::<chrono_tz::Tz>().is_ok(), "{id}");
        if !phone.contains('@') {
            let number = phonenumber::parse(None, phone).unwrap();
            assert!(number.is_valid(), "{id}: {phone}");
        }
    }
}
