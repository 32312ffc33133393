//! `doctor`: zone rules that disagree, as an operator learns of them.

use super::home::Home;
use crate::process::flat;
use carebell::store::alarms::{Alarm, AlarmKind};
use serde_json::Value;
use std::path::Path;

fn old_rules() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tzif/2025b");
    folder.to_str().unwrap().to_owned()
}

fn findings<'a>(answer: &'a Value, zone: &str) -> Vec<&'a Value> {
    let of_zone = |finding: &&Value| finding["where"].as_str().unwrap().starts_with(zone);
    answer["findings"].as_array().unwrap().iter().filter(of_zone).collect()
}

#[test]
fn an_installation_that_was_never_started_is_examined_and_not_made() {
    let home = Home::new();
    let said = home.run(&["doctor", "--json"]);
    assert!(said.json()["zone_rules"].is_string(), "{}", said.talk);
    assert!(!home.state().exists());
}

#[tokio::test]
async fn p7_zones_in_use_on_which_sources_disagree_are_named() {
    let home = Home::new();
    // Alberta left daylight saving time after release 2025b.
    home.patient_with("one", |patient, _| patient.zone = "America/Edmonton".to_owned()).await;
    home.patient_with("two", |patient, _| patient.zone = "Africa/Nairobi".to_owned()).await;
    let old = old_rules();
    let variables = [("CAREBELL_ZONES__FOLDER", old.as_str())];
    let said = home.run_with(&variables, &["doctor", "--json"]);
    assert_eq!(said.code, 1, "{}", said.talk);
    let answer = said.json();
    let told = findings(&answer, "America/Edmonton (1 patient)");
    let configured =
        told.iter().find(|one| one["what"].as_str().unwrap().contains("configured folder 2025b"));
    let configured = configured.unwrap();
    assert_eq!(configured["weight"], "attention");
    assert!(configured["fix"].is_string());
    assert_eq!(findings(&answer, "Africa/Nairobi"), Vec::<&Value>::new());
    let text = home.run_with(&variables, &["doctor"]).answer;
    assert!(text.contains("attention  America/Edmonton (1 patient)"), "{text}");
    assert!(text.contains("configured folder 2025b"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[tokio::test]
async fn zones_that_nobody_knows_need_attention() {
    let home = Home::new();
    home.patient_with("one", |patient, _| patient.zone = "Mars/Olympus".to_owned()).await;
    let said = home.run(&["doctor", "--json"]);
    assert_eq!(said.code, 1, "{}", said.talk);
    let answer = said.json();
    assert!(findings(&answer, "Mars/Olympus")[0]["what"].as_str().unwrap().contains("no source"));
}

#[test]
fn a_zone_folder_must_be_one_and_tell_its_release() {
    let home = Home::new();
    let silent = home.folder().join("silent");
    std::fs::create_dir(&silent).unwrap();
    for (folder, code, says) in [
        ("relative", 78, "zones.folder: is not an absolute path to a folder"),
        ("/nowhere/at/all", 78, "zones.folder: is not an absolute path to a folder"),
        (silent.to_str().unwrap(), 1, "name no release"),
    ] {
        let said = home.run_with(&[("CAREBELL_ZONES__FOLDER", folder)], &["check"]);
        assert_eq!(said.code, code, "{folder}: {}", said.answer);
        let words: Vec<&str> = said.answer.split_whitespace().collect();
        assert!(words.join(" ").contains(says), "{folder}: {}", said.answer);
    }
    let old = old_rules();
    let said = home.run_with(&[("CAREBELL_ZONES__FOLDER", old.as_str())], &["check"]);
    assert_eq!(said.code, 0, "{}", said.answer);
}

#[tokio::test]
async fn f11_damage_is_named_with_its_fix_and_repair_says_what_it_did() {
    let home = Home::new();
    let patient = home.patient("one").await;
    // Two days of doses were expired; what is left is a whole ledger.
    home.wake(&[patient]).await;
    let named = |said: &super::home::Said, place: &str| {
        let answer = said.json();
        let mut all = answer["findings"].as_array().unwrap().iter();
        all.find(|one| one["where"] == place).cloned()
    };
    let (app, _) = home.open(super::home::seeded_at()).await;
    let mut tx = app.store.write().await.unwrap();
    let next = carebell::store::alarms::next(&mut tx, AlarmKind::Patient).await.unwrap().unwrap();
    let alarm = Alarm::new(AlarmKind::Patient, "", next, patient.0);
    carebell::store::alarms::drop_all(&mut tx, &[alarm]).await.unwrap();
    tx.commit().await.unwrap();
    app.store.close().await;
    let said = home.run(&["doctor", "--json"]);
    assert_eq!(said.code, 1, "{}", said.talk);
    let finding = named(&said, "alarms missing").unwrap();
    assert_eq!(finding["weight"], "attention");
    assert!(finding["fix"].as_str().unwrap().contains("--repair"), "{finding}");
    let said = home.run(&["doctor", "--repair", "--json"]);
    let finding = named(&said, "alarms missing").unwrap();
    assert_eq!(finding["weight"], "note");
    assert!(finding["what"].as_str().unwrap().contains("mended"), "{finding}");
    assert_eq!(named(&home.run(&["doctor", "--json"]), "alarms missing"), None);
}

#[tokio::test]
async fn a_held_template_is_explained_wherever_one_looks() {
    use carebell::care::HeldTemplate;
    use carebell::store::templates::{self, ChannelStanding};
    let home = Home::new();
    home.patient_with("one", |_, _| {}).await;
    assert_eq!(home.run(&["check"]).code, 0);
    let (app, _) = home.open(super::home::seeded_at()).await;
    let mut tx = app.store.write().await.unwrap();
    let held = |language: &str| HeldTemplate {
        channel: "twilio".to_owned(),
        programme: "general".to_owned(),
        name: "carebell_dose".to_owned(),
        language: language.to_owned(),
        why: "the provider says it is PAUSED: see WhatsApp Manager".to_owned(),
    };
    let now = app.clock.now();
    templates::hold(&mut tx, &[held("en"), held("pt_BR")], None, now).await.unwrap();
    let standing = ChannelStanding {
        channel: "twilio".to_owned(),
        asked_at: now,
        listed_at: None,
        facts: vec![("quality".to_owned(), "YELLOW".to_owned())],
        warnings: vec!["the number's quality is YELLOW".to_owned()],
    };
    templates::put_standing(&mut tx, &standing).await.unwrap();
    tx.commit().await.unwrap();
    app.store.close().await;
    let place = "template carebell_dose of twilio in en, pt_BR";
    let names = super::home::SMS.map(|(key, _)| format!("CAREBELL_{key}"));
    let values = super::home::SMS.map(|(_, value)| value);
    let sms: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values).collect();
    let told = home.run_with(&sms, &["doctor", "--json"]).json();
    let finding = findings(&told, place)[0];
    assert!(finding["fix"].as_str().unwrap().contains("PAUSED"), "{finding}");
    assert_eq!(findings(&told, "channel twilio")[0]["what"], "the number's quality is YELLOW");
    let checked = home.run(&["check"]);
    assert!(checked.code == 1 && flat(&checked.answer).contains(place), "{}", checked.answer);
    let listed = home.run(&["channels", "templates", "--json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(listed[0]["listed"].is_null() && listed[0]["held"]["general"].is_string());
    assert!(home.run(&["channels", "templates"]).answer.contains("not listed; held"));
    let shown = home.run_with(&sms, &["channels", "list"]).answer;
    assert!(shown.contains("quality") && shown.contains("YELLOW"), "{shown}");
}

#[tokio::test]
async fn f10_a_clock_in_doubt_is_named_and_confirmed() {
    use carebell::policy::clock::Trouble;
    use carebell::store::meta::{self, fact};
    let home = Home::new();
    home.patient_with("one", |_, _| {}).await;
    let (app, _) = home.open(super::home::seeded_at()).await;
    let mut tx = app.store.write().await.unwrap();
    let key = format!("{}{}", fact::CLOCK_TROUBLE, carebell::cli::app::host_name());
    let json = serde_json::json!(Trouble::Stepped { by_ms: 3_600_000 }).to_string();
    meta::set(&mut tx, &key, &json).await.unwrap();
    tx.commit().await.unwrap();
    app.store.close().await;
    let said = home.run(&["doctor", "--json"]);
    assert_eq!(said.code, 1, "{}", said.talk);
    let told = said.json();
    assert!(findings(&told, "clock of")[0]["what"].as_str().unwrap().contains("forward by 1 h"));
    let status = home.run(&["status", "--json"]).json();
    assert!(status["clocks"][0].as_str().unwrap().contains("--confirm-clock"), "{status}");
    // What would be dated wrongly is refused; what must be done all the same is done, and says so.
    let sms: Vec<_> =
        super::home::SMS.map(|(key, value)| (format!("CAREBELL_{key}"), value)).into();
    let sms: Vec<(&str, &str)> = sms.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let run = |arguments: &[&str]| home.run_with(&sms, arguments);
    let nothing = home.folder().join("nothing.csv");
    std::fs::write(&nothing, "").unwrap();
    let import = ["import", nothing.to_str().unwrap()];
    let nobody = "act_00000000000000000000000000000000";
    let review = ["review", "confirm", nobody, "--revision", "1", "--by", "A. Ngozi"];
    let dated = [
        &["jobs", "run", "watch-tick"][..],
        &import,
        &["channels", "pause", "twilio", "--for", "1h"],
        &["reconcile", "--settle", "--yes"],
        &review,
    ];
    for arguments in dated {
        let said = run(arguments);
        assert_eq!(said.code, 1, "{arguments:?}: {}", said.talk);
        assert!(said.talk.contains("--confirm-clock"), "{arguments:?}: {}", said.talk);
    }
    for arguments in [
        &["stop-sending"][..],
        &["stop-sending", "--resume"],
        &["channels", "pause", "twilio"],
        &["channels", "resume", "twilio"],
    ] {
        let said = run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.talk);
        assert!(flat(&said.talk).contains("may be wrong"), "{arguments:?}: {}", said.talk);
    }
    assert_eq!(run(&[&import[..], &["--dry-run"]].concat()).code, 0);
    let said = home.run(&["doctor", "--confirm-clock", "--json"]);
    let told = said.json();
    assert!(findings(&told, "clock of")[0]["what"].as_str().unwrap().ends_with("is confirmed"));
    assert_eq!(home.run(&["status", "--json"]).json()["clocks"], serde_json::json!([]));
    for arguments in &dated[..4] {
        assert_eq!(run(arguments).code, 0, "{arguments:?}");
    }
    assert_eq!(run(&["stop-sending"]).talk, "");
}

#[tokio::test]
async fn p9_what_is_parked_has_another_try_once_somebody_says_so() {
    use carebell::care::ids::TaskId;
    use carebell::care::{Reason, UtcMs};
    use carebell::store::tasks::{self, NewTask, TaskKind};
    use carebell::store::{alarms, messages, reminders};
    let home = Home::new();
    let patient = home.patient("one").await;
    home.wake(&[patient]).await;
    let now = super::home::seeded_at();
    let (app, _) = home.open(now).await;
    let mut tx = app.store.write().await.unwrap();
    let row = reminders::of_patients(&mut tx, &[patient], UtcMs(0)).await.unwrap().remove(0);
    let message = row.message.unwrap();
    alarms::drop_of(&mut tx, AlarmKind::Message, message.0).await.unwrap();
    reminders::park(&mut tx, &[message], now).await.unwrap();
    messages::park(&mut tx, &[message], now).await.unwrap();
    let task = NewTask {
        id: TaskId::new(now, &mut app.rng.fork()),
        patient: Some(patient),
        kind: TaskKind::Parked,
        subject: message.to_string(),
        reason: Reason::Poisoned,
        due_at: now,
    };
    tasks::open(&mut tx, &task, now).await.unwrap();
    tx.commit().await.unwrap();
    app.store.close().await;
    let parked = |said: &super::home::Said| {
        let answer = said.json();
        let all = answer["findings"].as_array().unwrap().iter();
        all.filter(|one| one["where"] == "parked").cloned().collect::<Vec<_>>()
    };
    let found = parked(&home.run(&["doctor", "--json"]));
    assert!(found[0]["fix"].as_str().unwrap().contains("--unpark"), "{found:?}");
    let found = parked(&home.run(&["doctor", "--unpark", "--by", "A. Ngozi", "--json"]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0]["what"].as_str().unwrap().contains(&message.to_string()), "{found:?}");
    assert_eq!(home.audited("parked.%").await, ["A. Ngozi parked.unpark"]);
    let status = home.run(&["status", "--json"]).json();
    assert!(status["tasks"]["parked"].is_null(), "{status}");
    assert_eq!(parked(&home.run(&["doctor", "--unpark", "--json"])), Vec::<Value>::new());
    let (app, _) = home.open(now).await;
    let mut tx = app.store.read().await.unwrap();
    assert_eq!(alarms::of(&mut tx, AlarmKind::Message, message.0).await.unwrap().len(), 1);
}
