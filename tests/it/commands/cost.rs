//! What the plans will cost, from real plans and real texts; and a patient's own next message.

use super::home::{Home, TITLE};
use carebell::care::{Class, PatientStatus, TextStyle};

#[tokio::test]
async fn the_forecast_counts_the_plans_messages_at_their_prices() {
    let home = Home::new();
    home.patient_with("one", |_, _| {}).await;
    home.patient_with("two", |p, _| p.language = "hi".to_owned()).await;
    home.patient_with("three", |p, _| p.status = PatientStatus::Admitted).await;
    home.patient_with("four", |p, _| p.consents.clear()).await;
    let json = home.with_sms(&["cost", "--days", "10", "--json"]).json();
    // Two doses a day in ten days; English takes one part of SMS, Hindi two.
    let line = &json["lines"][0];
    assert_eq!(json["lines"].as_array().unwrap().len(), 1);
    assert_eq!((&line["programme"], &line["channel"]), (&"general".into(), &"sms".into()));
    assert_eq!((&line["messages"], &line["units"]), (&40.into(), &60.into()));
    assert_eq!((&line["cost"], &json["total"]), (&"0.69".into(), &"0.69".into()), "60 x 0.0115");
    assert_eq!((&json["unsent_slots"], &json["patients"]), (&40.into(), &4.into()));
    let said = home.with_sms(&["cost", "--days", "10"]);
    assert!(said.answer.lines().all(|line| line.chars().count() <= 80), "{}", said.answer);
    assert!(said.answer.contains("10 days, 4 patients"), "{}", said.answer);
    assert!(said.answer.contains("40 slots end unsent"), "{}", said.answer);
    let other = home.with_sms(&["cost", "--programme", "maple", "--json"]).json();
    assert_eq!((&other["patients"], &other["total"]), (&0.into(), &"0.00".into()));
    assert_eq!(home.with_sms(&["cost", "--programme", "nowhere"]).code, 3);
}

#[tokio::test]
async fn a_budget_that_the_plans_will_overrun_is_said() {
    let home = Home::new();
    home.patient("one").await;
    // Twenty parts at 1 KES in ten days are sixty in thirty.
    home.schedule("prices.toml", "currency = \"KES\"\n[sms]\ndefault = \"1\"\n");
    for (monthly, stands, word) in [
        ("60", "over", "over budget"),
        ("75", "runs-out", "budget runs out"),
        ("76", "within", "within budget"),
    ] {
        let programme = format!("title = \"General\"\nbudget = {{ monthly = \"{monthly}\" }}\n");
        home.schedule("programmes/general/programme.toml", &programme);
        let json = home.with_sms(&["cost", "--days", "10", "--json"]).json();
        let budget =
            json["budgets"].as_array().unwrap().iter().find(|b| b["programme"] == "general");
        let budget = budget.unwrap();
        assert_eq!((&budget["stands"], &budget["thirty_days"]), (&stands.into(), &"60.00".into()));
        assert_eq!(json["currency"], "KES");
        let text = home.with_sms(&["cost", "--days", "10"]).answer;
        assert!(text.contains(&format!("{word}  general: 60.00 of {monthly}.00 KES")), "{text}");
    }
    home.schedule("prices.toml", "currency = \"KES\"\n[sms]\n\"+44\" = \"1\"\n");
    let text = home.with_sms(&["cost", "--days", "10"]).answer;
    assert!(text.contains("general over sms: 20 messages have no price"), "{text}");
}

#[tokio::test]
async fn p10_a_patients_next_message_is_shown_without_its_names_unless_asked_for() {
    let home = Home::new();
    let programme = "title = \"General\"\novert_texts = \"allowed\"\n";
    home.schedule("programmes/general/programme.toml", programme);
    let (one, _) = home
        .patient_with("one", |p, a| {
            p.text_style = TextStyle::Overt;
            a.class = Class::Dose;
        })
        .await;
    let (none, _) = home.patient_with("two", |p, _| p.consents.clear()).await;
    let (one, none) = (one.to_string(), none.to_string());
    let said = home.with_sms(&["messages", "preview", "--patient", &one]);
    assert_eq!(said.code, 0, "{}", said.talk);
    assert!(said.answer.contains("goes over sms"), "{}", said.answer);
    assert!(said.answer.contains("- Sample item 500 mg"), "{}", said.answer);
    assert!(!said.answer.contains(TITLE), "{}", said.answer);
    let named = home.with_sms(&["messages", "preview", "--patient", &one, "--names"]).answer;
    assert!(named.contains(TITLE), "{named}");
    let nothing = home.with_sms(&["messages", "preview", "--patient", &none]);
    assert_eq!(nothing.code, 3, "{}", nothing.answer);
    assert!(nothing.words().contains("nothing will be sent"), "{}", nothing.talk);
}
