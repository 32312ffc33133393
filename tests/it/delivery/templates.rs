//! Templates as the provider lists them: what does not agree with a programme is held before a patient waits for it.

use crate::house::{House, On, at, doing, medicine, on_both, person, planned};
use carebell::care::ActivityKind::Measurement;
use carebell::care::ChannelKind::{Email, Whatsapp};
use carebell::channel::Channels;
use carebell::config::{KindConfig, Mode};
use carebell::jobs::{Job, Run};
use carebell::sandbox::{AnswerFault, Channel, Fault, Rule, Template};
use serde_json::json;
use std::sync::Arc;

const PHONE: &str = "+351912345001";
const MAIL: &str = "p@example.org";

async fn sync(house: &House) -> serde_json::Value {
    match house.daemon.jobs().run_once(Job::TemplatesSync).await.unwrap() {
        Run::Done(said) => serde_json::from_str(&said).unwrap(),
        other => unreachable!("{other:?}"),
    }
}

fn news(template: &str, event: &str) -> serde_json::Value {
    json!({
        "message_template_id": 1, "message_template_name": template,
        "message_template_language": "en", "event": event, "reason": "NONE",
    })
}

on_both!(what_the_provider_lists_as_we_mean_it_holds_nothing, async |house: House| {
    let synced = sync(&house).await;
    assert_eq!((&synced["held"], &synced["failed"]), (&json!(0), &json!([])), "{synced}");
    // More than one page.
    assert!(synced["templates"].as_u64().unwrap() > 50, "{synced}");
    assert!(house.tasks().await.is_empty());
});

on_both!(
    p2_a_held_template_gives_way_to_the_next_channel_or_blocks_with_its_reason,
    async |house: House| {
        let both =
            house.patient(person("b", "Europe/Lisbon", &[(Whatsapp, PHONE), (Email, MAIL)])).await;
        let only =
            house.patient(person("o", "Europe/Lisbon", &[(Whatsapp, "+351912345002")])).await;
        for id in [both, only] {
            house.activity(id, medicine("a", &["08:00"])).await;
        }
        for name in ["carebell_dose", "carebell_dose_short"] {
            house.sandbox.change_template(name, |t| "PAUSED".clone_into(&mut t.status));
        }
        let synced = sync(&house).await;
        // Two templates, seven languages, six programmes that have no others.
        assert_eq!(synced["held"], 2 * 7 * house.app.programmes.iter().count(), "{synced}");
        assert_eq!(house.tasks().await, [("channel".to_owned(), 14)].into());
        house.play_until(at(9, 0)).await;
        assert_eq!(house.accepted(MAIL), [480]);
        assert!(
            house.sandbox.ledger().entries().iter().all(|e| e.message.channel == Channel::Email)
        );
        assert_eq!(house.story_of(only).await, [("blocked", "template-held".to_owned())]);
        let told = house.reminders_of(only).await[0].reason.to_string();
        assert!(told.contains("carebell_dose") && told.contains("PAUSED"), "{told}");
        // Approved again, what is still of use comes back, and the tasks are done.
        for name in ["carebell_dose", "carebell_dose_short"] {
            house.sandbox.change_template(name, |t| t.status.clear());
        }
        assert_eq!(sync(&house).await["held"], 0);
        house.play_until(at(9, 5)).await;
        assert_eq!(house.accepted("+351912345002"), [540]);
        assert!(house.tasks().await.is_empty());
    }
);

on_both!(p5_a_template_without_its_ttl_or_of_another_category_is_held, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    // Meta sorts it anew, and takes its time to live away.
    house.sandbox.change_template("carebell_dose", |t: &mut Template| t.ttl_seconds = None);
    house.sandbox.change_template("carebell_dose_short", |t| {
        "MARKETING".clone_into(&mut t.category);
    });
    sync(&house).await;
    house.play_until(at(9, 0)).await;
    assert!(house.sandbox.ledger().is_empty());
    assert_eq!(house.story_of(id).await, [("blocked", "template-held".to_owned())]);
});

on_both!(a_template_that_is_held_leaves_the_shorter_one, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.change_template("carebell_dose", |t| t.parameters = 3);
    sync(&house).await;
    house.play_until(at(9, 0)).await;
    let sent = house.sandbox.ledger().entries();
    assert_eq!(sent[0].message.template.as_ref().unwrap().name, "carebell_dose_short");
});

on_both!(news_of_a_template_hold_at_once_and_let_go_at_once, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, doing(Measurement, "m", &["08:00"])).await;
    for listed in [false, true] {
        if listed {
            sync(&house).await;
        }
        let field = "message_template_status_update";
        let day = i64::from(listed) * 24;
        house.play_until(planned().plus_ms(day * 3_600_000)).await;
        house.sandbox.post_news(field, &news("carebell_measurement", "PAUSED")).await;
        house.play_until(at(day + 8, 30)).await;
        assert!(house.story_of(id).await.iter().any(|(state, _)| *state == "blocked"), "{listed}");
        assert_eq!(house.tasks().await, [("channel".to_owned(), 1)].into());
        house.sandbox.post_news(field, &news("carebell_measurement", "APPROVED")).await;
        house.play_until(at(day + 8, 40)).await;
        assert!(house.story_of(id).await.iter().all(|(state, _)| *state == "sent"), "{listed}");
        assert!(house.tasks().await.is_empty());
        house.play_until(at(day + 9, 0)).await;
    }
    assert_eq!(house.accepted(PHONE), [510, 24 * 60 + 510]);
    // Sorted anew: held as well, and a quality that falls is told to an operator.
    let category = json!({
        "message_template_id": 1, "message_template_name": "carebell_measurement",
        "message_template_language": "en", "previous_category": "UTILITY", "new_category": "MARKETING",
    });
    house.sandbox.post_news("template_category_update", &category).await;
    house.play_until(at(57, 0)).await;
    assert_eq!(house.story_of(id).await[2].1, "template-held");
});

on_both!(a_refusal_because_of_the_template_holds_it_for_everybody, async |house: House| {
    let first =
        house.patient(person("a", "Europe/Lisbon", &[(Whatsapp, PHONE), (Email, MAIL)])).await;
    let second = house
        .patient(person(
            "b",
            "Europe/Madrid",
            &[(Whatsapp, "+34912345002"), (Email, "q@example.org")],
        ))
        .await;
    house.activity(first, medicine("a", &["08:00"])).await;
    house.activity(second, medicine("a", &["10:00"])).await;
    let paused = Fault::Answer(AnswerFault::Refuse {
        status: 400,
        code: Some("132015".to_owned()),
        retry_after: None,
    });
    house.sandbox.faults().add(Rule::once(paused).to(PHONE));
    house.play_until(at(10, 0)).await;
    assert_eq!(house.accepted(MAIL), [480]);
    let sent = house.sandbox.ledger().entries();
    let to_second: Vec<_> = sent.iter().filter(|e| e.message.to == "+34912345002").collect();
    // The template that was refused rests for three hours; the shorter one carries meanwhile.
    assert_eq!(to_second[0].message.template.as_ref().unwrap().name, "carebell_dose_short");
    house.play_until(at(34, 0)).await;
    let sent = house.sandbox.ledger().entries();
    let names: Vec<_> =
        sent.iter().filter_map(|e| e.message.template.as_ref()).map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["carebell_dose_short", "carebell_dose", "carebell_dose"]);
});

on_both!(a_provider_that_does_not_answer_holds_nothing, async |mut house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let right = house.app.channels.clone();
    let mut config = house.app.config.channels.clone();
    let Some(KindConfig::Whatsapp(whatsapp)) = config.get("whatsapp").cloned() else {
        unreachable!()
    };
    let wrong = carebell::config::WhatsappConfig {
        access_token: carebell::config::Secret::new("expired"),
        ..whatsapp
    };
    config = config.with("whatsapp", KindConfig::Whatsapp(wrong));
    let tokens = house.app.store.keys().tokens();
    let url = "http://127.0.0.1:1";
    let channels = Channels::build(&config, Mode::Sandbox, url, 5_000, tokens).unwrap();
    house.app.channels = Arc::new(channels);
    house.restart();
    let synced = sync(&house).await;
    assert!(synced["failed"][0].as_str().unwrap().contains("190"), "{synced}");
    assert_eq!(synced["held"], 0);
    house.app.channels = right;
    house.restart();
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [480]);
});
