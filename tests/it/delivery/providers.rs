//! What providers refuse, and what becomes of it: retries within validity (P5), other channels, STOP (P6).

use crate::house::{House, On, at, medicine, on_both, person, planned};
use carebell::care::ChannelKind::{Email, Sms, Whatsapp};
use carebell::care::{Class, PatientStatus};
use carebell::sandbox::{AnswerFault, Channel, Condition, Fault, Reply, Rule};
use carebell::store::{messages, patients};

const PHONE: &str = "+351912345001";
const MAIL: &str = "p@example.org";

fn refuse(status: u16, code: &str, retry_after: Option<&str>) -> Fault {
    let (code, retry_after) = (Some(code.to_owned()), retry_after.map(str::to_owned));
    Fault::Answer(AnswerFault::Refuse { status, code, retry_after })
}

on_both!(p5_the_provider_is_told_how_long_it_may_try, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let mut critical = medicine("b", &["10:00"]);
    critical.class = Class::TimeCriticalDose;
    house.activity(id, critical).await;
    house.play_until(at(12, 0)).await;
    let sent = house.sandbox.ledger().entries();
    let told: Vec<_> = sent.iter().map(|e| e.message.valid_seconds).collect();
    assert_eq!(told, [Some(7_200), Some(1_800)]);
});

on_both!(p5_retries_follow_the_schedule_and_end_with_the_validity, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    let mut critical = medicine("a", &["08:00"]);
    critical.class = Class::TimeCriticalDose;
    house.activity(id, critical).await;
    // Asked to wait past the validity, nothing is tried again.
    house.sandbox.faults().add(Rule::once(refuse(429, "20429", None)));
    house.sandbox.faults().add(Rule::once(refuse(429, "20429", Some("120"))));
    house.play_until(at(9, 0)).await;
    assert_eq!(
        house.accepted(PHONE),
        [486],
        "a minute later, then five: longer than the asked two"
    );
    house.sandbox.faults().add(Rule::always(refuse(429, "20429", Some("1800"))));
    house.play_until(at(34, 0)).await;
    assert_eq!(house.accepted(PHONE), [486]);
    assert_eq!(house.story_of(id).await[1], ("failed", "refused".to_owned()));
});

on_both!(retry_after_is_heeded, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::once(refuse(429, "20429", Some("600"))));
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [490]);
});

on_both!(p6_a_bad_address_is_left_for_the_next_channel, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE), (Email, MAIL)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.set_condition(PHONE, Some(Condition::Unknown));
    house.play_until(at(9, 0)).await;
    house.sandbox.set_condition(PHONE, None);
    // The number stays marked until a person or an import corrects it.
    house.play_until(at(33, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(house.accepted(MAIL), [480, 24 * 60 + 480]);
});

on_both!(p6_f70_opted_out_at_the_provider_is_opted_out, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::once(refuse(400, "21610", None)));
    house.play_until(at(33, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    let told = house.story_of(id).await;
    assert_eq!(told, [("failed", "opted-out".to_owned()), ("blocked", "opted-out".to_owned())]);
});

on_both!(p6_f71_stop_beats_what_is_queued_and_start_brings_it_back, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "STOP")).await.unwrap();
    house.play_until(at(8, 30)).await;
    // The confirmation, as free text in the open window; nothing else.
    let sent = house.sandbox.ledger().entries();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].message.template.is_none() && sent[0].message.body.is_some());
    assert_eq!(house.story_of(id).await[0].0, "blocked");
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "START")).await.unwrap();
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [479, 510, 510], "confirmation, confirmation, dose");
    assert_eq!(house.story_of(id).await[0].0, "sent");
});

on_both!(p6_the_provider_that_answered_stop_is_not_repeated, async |house: House| {
    let contacts = [(Sms, PHONE), (Email, MAIL)];
    let id = house.patient(person("p", "Europe/Lisbon", &contacts)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    house.sandbox.reply(Reply::text(Channel::Twilio, PHONE, "STOP")).await.unwrap();
    house.play_until(at(33, 0)).await;
    assert!(house.sandbox.ledger().is_empty());
    assert!(house.story_of(id).await.iter().all(|(state, _)| *state == "blocked"));
});

on_both!(a_channel_that_refuses_us_rests_and_the_next_one_carries, async |house: House| {
    let both = house.patient(person("b", "Europe/Lisbon", &[(Sms, PHONE), (Email, MAIL)])).await;
    let only = house.patient(person("o", "Europe/Lisbon", &[(Sms, "+351912345002")])).await;
    house.activity(both, medicine("a", &["08:00"])).await;
    house.activity(only, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::once(refuse(401, "20003", None)).to(PHONE));
    house.sandbox.faults().add(Rule::once(refuse(401, "20003", None)).to("+351912345002"));
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(MAIL), [480]);
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(house.accepted("+351912345002"), [481]);
    assert_eq!(house.tasks().await, [("channel".to_owned(), 1)].into());
});

on_both!(no_text_in_a_language_asks_a_person, async |house: House| {
    let mut patient = person("p", "Europe/Lisbon", &[(Whatsapp, PHONE), (Email, MAIL)]);
    "de".clone_into(&mut patient.language);
    let id = house.patient(patient).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(9, 0)).await;
    assert_eq!(house.story_of(id).await, [("blocked", "no-text".to_owned())]);
    assert_eq!(house.tasks().await, [("no-text".to_owned(), 1)].into());
    // Reused after the cause is gone, the message has nothing against its contact points.
    house.change(id, |patient| "pt".clone_into(&mut patient.language)).await;
    house.play_until(at(9, 30)).await;
    assert_eq!(house.accepted(PHONE), [540]);
    let mut tx = house.app.store.read().await.unwrap();
    assert_eq!(messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap().len(), 1);
});

on_both!(p5_a_template_that_would_outlive_the_dose_gives_way, async |house: House| {
    let contacts = [(Whatsapp, PHONE), (Email, MAIL)];
    let id = house.patient(person("p", "Europe/Lisbon", &contacts)).await;
    let mut critical = medicine("a", &["08:00"]);
    critical.class = Class::TimeCriticalDose;
    house.activity(id, critical).await;
    // Eleven minutes on, nineteen are left, and the shortest template may wait for twenty.
    house
        .sandbox
        .faults()
        .add(Rule::once(refuse(429, "130429", Some("660"))).on(Channel::Whatsapp));
    house.play_until(at(9, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(house.accepted(MAIL), [491]);
});

/// SQLite's one writer makes this so without asking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_patient_who_is_being_changed_is_not_claimed() {
    let Some(house) = House::build(On::Postgres).await else { return };
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let other = house.patient(person("o", "Europe/Lisbon", &[(Sms, "+351912345002")])).await;
    house.activity(other, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    let now = at(8, 0);
    house.clock.set(now);
    let mut tx = house.app.store.write().await.unwrap();
    patients::lock(&mut tx, &[id]).await.unwrap();
    house.settle().await;
    assert_eq!(house.accepted("+351912345002"), [480]);
    assert!(house.accepted(PHONE).is_empty());
    patients::set_status(&mut tx, id, PatientStatus::Paused, now).await.unwrap();
    patients::disturb(&mut tx, &[id], now).await.unwrap();
    tx.commit().await.unwrap();
    house.play_until(at(9, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(house.story_of(id).await, [("suppressed", "patient-status".to_owned())]);
}
