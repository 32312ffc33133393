//! What the plans will cost, from real plans and real texts; and a patient's own next message.

use super::home::{Home, SMS, Said, TITLE, seeded_at, wake_until};
use carebell::care::time::DAY_MS;
use carebell::care::{ActivityKind, Class, PatientStatus, TextStyle, UtcMs};
use carebell::store::messages;
use std::collections::BTreeSet;

fn with_sms(home: &Home, arguments: &[&str]) -> Said {
    let sms = SMS.map(|(key, value)| (format!("CAREBELL_{key}"), value));
    let variables: Vec<(&str, &str)> = sms.iter().map(|(key, v)| (key.as_str(), *v)).collect();
    home.run_with(&variables, arguments)
}

fn schedule(home: &Home, path: &str, text: &str) {
    let path = home.folder().join("absent").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn the_forecast_counts_the_plans_messages_at_their_prices() {
    let home = Home::new();
    home.patient_with("one", |_, _| {}).await;
    home.patient_with("two", |p, _| p.language = "hi".to_owned()).await;
    home.patient_with("three", |p, _| p.status = PatientStatus::Admitted).await;
    home.patient_with("four", |p, _| p.consents.clear()).await;
    let json = with_sms(&home, &["cost", "--days", "10", "--json"]).json();
    // Two doses a day in ten days; English takes one part of SMS, Hindi two.
    let line = &json["lines"][0];
    assert_eq!(json["lines"].as_array().unwrap().len(), 1);
    assert_eq!((&line["programme"], &line["channel"]), (&"general".into(), &"sms".into()));
    assert_eq!((&line["messages"], &line["units"]), (&40.into(), &60.into()));
    assert_eq!((&line["cost"], &json["total"]), (&"0.69".into(), &"0.69".into()), "60 x 0.0115");
    assert_eq!((&json["unsent_slots"], &json["patients"]), (&40.into(), &4.into()));
    let said = with_sms(&home, &["cost", "--days", "10"]);
    assert!(said.answer.lines().all(|line| line.chars().count() <= 80), "{}", said.answer);
    assert!(said.answer.contains("10 days, 4 patients"), "{}", said.answer);
    assert!(said.answer.contains("40 slots end unsent"), "{}", said.answer);
    let other = with_sms(&home, &["cost", "--programme", "maple", "--json"]).json();
    assert_eq!((&other["patients"], &other["total"]), (&0.into(), &"0.00".into()));
    assert_eq!(with_sms(&home, &["cost", "--programme", "nowhere"]).code, 3);
}

/// What the forecast counts is what the scheduler then queues.
#[tokio::test]
async fn the_forecasts_messages_are_those_that_the_scheduler_writes() {
    let home = Home::new();
    let (one, _) = home.patient_with("one", |_, _| {}).await;
    let (two, _) = home.patient_with("two", |_, a| a.kind = ActivityKind::Refill).await;
    let (app, clock) = home.open(seeded_at()).await;
    let until = seeded_at().plus_ms(5 * DAY_MS);
    let mut tx = app.store.read().await.unwrap();
    let known =
        carebell::store::standing::load(&mut tx, app.store.keys(), &[one, two]).await.unwrap();
    drop(tx);
    let programme = app.programmes.get("general").unwrap();
    let zone = carebell::care::ZoneRules::zone(&*app.zones, "Africa/Nairobi").unwrap();
    let mut foreseen = BTreeSet::new();
    for (id, standing) in &known {
        let sms = [carebell::care::ChannelKind::Sms];
        let window = (seeded_at(), until);
        let forecast = carebell::schedule::forecast(window, standing, programme, &zone, &sms);
        assert_eq!(forecast.unsent, 0);
        foreseen.extend(forecast.messages.iter().map(|m| (*id, m.at.minute())));
    }
    wake_until(&app, &clock, &[one, two], until).await;
    let mut tx = app.store.read().await.unwrap();
    let written = messages::at_minutes(&mut tx, &[one, two], UtcMs(0)).await.unwrap();
    let written: BTreeSet<_> =
        written.iter().filter(|m| m.minute < until).map(|m| (m.patient, m.minute)).collect();
    assert_eq!(foreseen.len(), 20);
    assert_eq!(foreseen, written);
}

#[tokio::test]
async fn a_budget_that_the_plans_will_overrun_is_said() {
    let home = Home::new();
    home.patient("one").await;
    // Twenty parts at 1 KES in ten days are sixty in thirty.
    schedule(&home, "prices.toml", "currency = \"KES\"\n[sms]\ndefault = \"1\"\n");
    for (monthly, stands, word) in [
        ("60", "over", "over budget"),
        ("75", "runs-out", "budget runs out"),
        ("76", "within", "within budget"),
    ] {
        let programme = format!("title = \"General\"\nbudget = {{ monthly = \"{monthly}\" }}\n");
        schedule(&home, "programmes/general/programme.toml", &programme);
        let json = with_sms(&home, &["cost", "--days", "10", "--json"]).json();
        let budget =
            json["budgets"].as_array().unwrap().iter().find(|b| b["programme"] == "general");
        let budget = budget.unwrap();
        assert_eq!((&budget["stands"], &budget["thirty_days"]), (&stands.into(), &"60.00".into()));
        assert_eq!(json["currency"], "KES");
        let text = with_sms(&home, &["cost", "--days", "10"]).answer;
        assert!(text.contains(&format!("{word}  general: 60.00 of {monthly}.00 KES")), "{text}");
    }
    schedule(&home, "prices.toml", "currency = \"KES\"\n[sms]\n\"+44\" = \"1\"\n");
    let text = with_sms(&home, &["cost", "--days", "10"]).answer;
    assert!(text.contains("general over sms: 20 messages have no price"), "{text}");
}

#[tokio::test]
async fn p10_a_patients_next_message_is_shown_without_its_names_unless_asked_for() {
    let home = Home::new();
    let programme = "title = \"General\"\novert_texts = \"allowed\"\n";
    schedule(&home, "programmes/general/programme.toml", programme);
    let (one, _) = home
        .patient_with("one", |p, a| {
            p.text_style = TextStyle::Overt;
            a.class = Class::Dose;
        })
        .await;
    let (none, _) = home.patient_with("two", |p, _| p.consents.clear()).await;
    let (one, none) = (one.to_string(), none.to_string());
    let said = with_sms(&home, &["messages", "preview", "--patient", &one]);
    assert_eq!(said.code, 0, "{}", said.talk);
    assert!(said.answer.contains("goes over sms"), "{}", said.answer);
    assert!(said.answer.contains("- Sample item 500 mg"), "{}", said.answer);
    assert!(!said.answer.contains(TITLE), "{}", said.answer);
    let named = with_sms(&home, &["messages", "preview", "--patient", &one, "--names"]).answer;
    assert!(named.contains(TITLE), "{named}");
    let nothing = with_sms(&home, &["messages", "preview", "--patient", &none]);
    assert_eq!(nothing.code, 3, "{}", nothing.answer);
    assert!(nothing.words().contains("nothing will be sent"), "{}", nothing.talk);
}
