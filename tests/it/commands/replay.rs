//! `carebell channels replay`: what every stored callback says is what its index names.

use super::home::Home;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/webhooks")
}

/// The cases of the index.
fn cases() -> BTreeMap<String, Value> {
    let index = std::fs::read(folder().join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let files = index["files"].as_array().unwrap().iter();
    files.map(|case| (case["file"].as_str().unwrap().to_owned(), case.clone())).collect()
}

fn lines(said: &str) -> Vec<Value> {
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_stored_callback_says_what_its_index_names() {
    let cases = cases();
    assert!(cases.len() >= 39, "only {} callbacks were read", cases.len());
    let index = folder().join("index.json").display().to_string();
    let said = Home::new().run(&["channels", "replay", "--index", &index]);
    assert_eq!(said.code, 0, "{}", said.talk);
    let lines = lines(&said.answer);
    assert_eq!(lines.len(), cases.len());
    for line in lines {
        let case = &cases[line["file"].as_str().unwrap()];
        let signature = match case["signature_valid"].as_bool() {
            Some(true) => "valid",
            Some(false) => "invalid",
            None => "absent",
        };
        assert_eq!(line["signature"], signature, "{line}");
        assert_eq!(line["events"], case["events"], "{}", line["file"]);
    }
}

#[test]
fn one_callback_needs_its_request_and_secret() {
    let index = std::fs::read(folder().join("index.json")).unwrap();
    let secrets: Value = serde_json::from_slice(&index).unwrap();
    let (token, home) = (secrets["secrets"]["twilio_auth_token"].as_str().unwrap(), Home::new());
    let cases = cases();
    let request = &cases["twilio/status_sent.form"]["request"];
    let (url, file) = (request["url"].as_str().unwrap(), folder().join("twilio/status_sent.form"));
    let file = file.display().to_string();
    let signature = request["headers"]["X-Twilio-Signature"].as_str().unwrap();
    let header = format!("X-Twilio-Signature: {signature}");
    let replay = |more: &[&str]| {
        let arguments = [&["channels", "replay", "--channel", "twilio", &file][..], more].concat();
        let said = home.run(&arguments);
        assert_eq!(said.code, 0, "{}", said.talk);
        let line = lines(&said.answer).pop().unwrap();
        (line["signature"].as_str().unwrap().to_owned(), line["events"].as_array().unwrap().len())
    };
    let with = |url, secret| replay(&["--url", url, "--header", &header, "--secret", secret]);
    assert_eq!(with(url, token), ("valid".to_owned(), 1));
    assert_eq!(with(url, "another"), ("invalid".to_owned(), 0));
    assert_eq!(with("https://elsewhere.example.org/", token), ("invalid".to_owned(), 0));
    assert_eq!(replay(&[]), ("absent".to_owned(), 1));
    let said = home.run(&["channels", "replay", "--channel", "pigeon", &file]);
    assert_eq!(said.code, 3, "{}", said.talk);
    assert!(said.talk.contains("there is no channel pigeon"), "{}", said.talk);
}
