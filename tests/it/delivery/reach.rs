//! How far WhatsApp lets us reach a person: the window for free text, who somebody is there, who wants no education,
//! how much at once.

use crate::house::{House, On, at, doing, medicine, on_both, person, planned};
use carebell::care::ActivityKind::{Education, Measurement};
use carebell::care::ChannelKind::{Email, Whatsapp};
use carebell::care::UtcMs;
use carebell::clock::Clock as _;
use carebell::jobs::Job;
use carebell::sandbox::{AnswerFault, CallbackFault, Channel, Fault, Reply, Rule};
use carebell::store::{messages, templates};
use serde_json::{Value, json};

const PHONE: &str = "+351912345001";
const MAIL: &str = "p@example.org";
const USER_ID: &str = "PT.13491208655302741918";

fn refuse(code: &str) -> Fault {
    let code = Some(code.to_owned());
    Fault::Answer(AnswerFault::Refuse { status: 400, code, retry_after: None })
}

fn seconds(at: UtcMs) -> String {
    (at.0 / 1_000).to_string()
}

/// What a person writes, as Meta posts it: known by these keys.
fn writes(words: &str, said_at: UtcMs, known_by: &Value) -> Value {
    let mut message = json!({
        "id": format!("wamid.in.{}", said_at.0), "timestamp": seconds(said_at),
        "type": "text", "text": { "body": words },
    });
    for (key, value) in known_by.as_object().unwrap() {
        message[key] = value.clone();
    }
    let metadata = json!({ "phone_number_id": "106540352242922" });
    json!({ "messaging_product": "whatsapp", "metadata": metadata, "messages": [message] })
}

/// A receipt that calls its person by these keys.
fn tells(house: &House, known_by: &Value) -> Value {
    let entry = house.sandbox.ledger().entries().last().cloned().unwrap();
    let mut status = json!({
        "id": entry.message.provider_id, "status": "sent", "timestamp": seconds(entry.at),
    });
    for (key, value) in known_by.as_object().unwrap() {
        status[key] = value.clone();
    }
    let metadata = json!({ "phone_number_id": "106540352242922" });
    json!({ "messaging_product": "whatsapp", "metadata": metadata, "statuses": [status] })
}

async fn how_answers_ended(house: &House, id: carebell::care::ids::PatientId) -> Vec<String> {
    let mut tx = house.app.store.read().await.unwrap();
    let minute = house.clock.now().minute();
    let rows = messages::at_minutes(&mut tx, &[id], minute).await.unwrap();
    rows.iter().map(|row| format!("{} {}", row.state.word(), row.reason.word())).collect()
}

on_both!(what_was_written_a_day_ago_opens_no_window, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.clock.set(at(8, 0));
    // Meta posts again for seven days what nobody took.
    let from = json!({ "from": "351912345001" });
    let late = writes("HELP", at(8, 0).plus_ms(-25 * 3_600_000), &from);
    house.sandbox.post_news("messages", &late).await;
    house.settle().await;
    assert!(house.sandbox.ledger().is_empty());
    assert_eq!(how_answers_ended(&house, id).await, ["blocked window-closed"]);
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "HELP")).await.unwrap();
    house.settle().await;
    assert_eq!(house.accepted(PHONE), [480]);
    assert!(house.sandbox.ledger().entries()[0].message.body.is_some());
});

on_both!(a_window_that_the_provider_calls_closed_is_closed, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.clock.set(at(8, 0));
    house.sandbox.faults().add(Rule::once(refuse("131047")));
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "HELP")).await.unwrap();
    house.settle().await;
    // One try; nothing else would be taken either.
    assert_eq!(house.sandbox.faults().rules().len(), 0);
    assert!(house.sandbox.ledger().is_empty());
    assert_eq!(how_answers_ended(&house, id).await, ["blocked window-closed"]);
});

on_both!(where_a_template_says_it_the_template_goes_at_once, async |mut house: House| {
    let text = "title = \"General\"\n[whatsapp_templates.help]\nname = \"carebell_dose_short\"\n\
                languages = { en = \"en\" }\nparameters = [\"sender\", \"time\"]\nttl_seconds = 1200\n";
    house.schedules(&[("programmes/general/programme.toml", text)]);
    house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.clock.set(at(8, 0));
    house.sandbox.faults().add(Rule::once(refuse("131047")));
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "HELP")).await.unwrap();
    house.settle().await;
    let sent = house.sandbox.ledger().entries();
    let template = sent[0].message.template.as_ref().unwrap();
    assert_eq!((template.name.as_str(), sent[0].at), ("carebell_dose_short", at(8, 0)));
});

on_both!(p6_who_hides_the_number_is_found_by_the_id_that_receipts_told, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(9, 0)).await;
    let by_id = json!({ "from_user_id": USER_ID });
    // Nobody knows the id yet: the words of a stranger change nothing.
    house.sandbox.post_news("messages", &writes("STOP", at(8, 50), &by_id)).await;
    house.play_until(at(33, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 24 * 60 + 480]);
    let told = tells(&house, &json!({ "recipient_user_id": USER_ID }));
    house.sandbox.post_news("messages", &told).await;
    house.settle().await;
    house.sandbox.post_news("messages", &writes("STOP", at(33, 0), &by_id)).await;
    house.play_until(at(57, 0)).await;
    assert_eq!(house.story_of(id).await[2], ("blocked", "opted-out".to_owned()));
    let text = String::from_utf8_lossy(&house.bytes_on_disk()).into_owned();
    assert!(!text.contains(USER_ID), "an alias is sealed");
});

on_both!(a_number_in_another_form_and_an_id_beside_a_number_are_learnt, async |house: House| {
    // Brazil: WhatsApp knows the number without its ninth digit.
    let brazil = "+5511999990000";
    house.sandbox.know_as(brazil, "551199990000");
    // The answer to the send alone tells it.
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    let id = house.patient(person("b", "America/Sao_Paulo", &[(Whatsapp, brazil)])).await;
    house.activity(id, medicine("a", &["05:00"])).await;
    house.play_until(at(8, 30)).await;
    let both = json!({ "from": "551199990000", "from_user_id": "BR.1" });
    house.sandbox.post_news("messages", &writes("thanks", at(8, 30), &both)).await;
    house.settle().await;
    assert_eq!(house.tasks().await, [("reply".to_owned(), 1)].into());
    let by_id = json!({ "from_user_id": "BR.1" });
    house.sandbox.post_news("messages", &writes("STOP", at(8, 31), &by_id)).await;
    house.play_until(at(33, 0)).await;
    assert_eq!(house.story_of(id).await[1], ("blocked", "opted-out".to_owned()));
});

on_both!(p6_a_number_that_changed_hands_is_left_alone_with_a_task, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE), (Email, MAIL)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(9, 0)).await;
    let told = tells(&house, &json!({ "recipient_user_id": USER_ID }));
    house.sandbox.post_news("messages", &told).await;
    let mut changed = writes("", at(9, 0), &json!({ "from": "351912345001" }));
    changed["messages"][0]["type"] = json!("system");
    changed["messages"][0]["system"] =
        json!({ "type": "user_changed_number", "wa_id": "351912345999", "body": "moved" });
    house.sandbox.post_news("messages", &changed).await;
    house.play_until(at(33, 0)).await;
    assert_eq!(house.tasks().await, [("address".to_owned(), 1)].into());
    assert_eq!((house.accepted(PHONE), house.accepted(MAIL)), (vec![480], vec![24 * 60 + 480]));
    assert!(house.accepted("+351912345999").is_empty(), "a new number is never taken over unasked");
    // The id went with the number: whoever writes by it now is a stranger.
    let by_id = json!({ "from_user_id": USER_ID });
    house.sandbox.post_news("messages", &writes("STOP", at(33, 0), &by_id)).await;
    house.play_until(at(57, 0)).await;
    assert_eq!(house.accepted(MAIL).len(), 2);
});

on_both!(who_stops_marketing_gets_no_education_there_and_everything_else, async |house: House| {
    let phones = ["+351912345001", "+351912345002", "+351912345003"];
    let mut ids = Vec::new();
    for (phone, contacts) in [
        (phones[0], vec![(Whatsapp, phones[0])]),
        (phones[1], vec![(Whatsapp, phones[1]), (Email, MAIL)]),
        (phones[2], vec![(Whatsapp, phones[2])]),
    ] {
        let id = house.patient(person(phone, "Europe/Lisbon", &contacts)).await;
        house.activity(id, medicine("a", &["09:00"])).await;
        house.activity(id, doing(Education, "e", &["10:00"])).await;
        ids.push(id);
    }
    house.play_until(planned()).await;
    let choice = |phone: &str, value: &str| {
        json!({
            "messaging_product": "whatsapp", "metadata": { "phone_number_id": "106540352242922" },
            "user_preferences": [{
                "wa_id": phone.trim_start_matches('+'), "detail": "User requested", "value": value,
                "category": "marketing_messages", "timestamp": seconds(house.clock.now()),
            }],
        })
    };
    for phone in &phones[..2] {
        house.sandbox.post_news("user_preferences", &choice(phone, "stop")).await;
    }
    // The third is told of only by a refusal.
    let stopped = Rule::once(refuse("131050")).to(phones[2]);
    house.play_until(at(9, 30)).await;
    house.sandbox.faults().add(stopped);
    house.play_until(at(11, 0)).await;
    assert_eq!(house.accepted(phones[0]), [540]);
    assert_eq!((house.accepted(phones[1]), house.accepted(MAIL)), (vec![540], vec![600]));
    assert_eq!(house.accepted(phones[2]), [540]);
    assert_eq!(house.story_of(ids[0]).await[1], ("blocked", "marketing-stopped".to_owned()));
    house.sandbox.post_news("user_preferences", &choice(phones[0], "resume")).await;
    house.play_until(at(35, 0)).await;
    assert_eq!(house.accepted(phones[0]), [540, 24 * 60 + 540, 24 * 60 + 600]);
    assert_eq!(house.accepted(phones[2]), [540, 24 * 60 + 540]);
    assert_eq!(house.story_of(ids[2]).await[3], ("blocked", "marketing-stopped".to_owned()));
});

on_both!(two_messages_go_at_once_and_too_many_slow_one_patient_alone, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.activity(id, doing(Measurement, "m", &["08:00"])).await;
    let other = house.patient(person("o", "Europe/Lisbon", &[(Whatsapp, "+351912345002")])).await;
    house.activity(other, medicine("a", &["08:00"])).await;
    for _ in 0..3 {
        house.sandbox.faults().add(Rule::once(refuse("131056")).to(PHONE));
    }
    house.play_until(at(9, 0)).await;
    let sent = house.sandbox.ledger().entries();
    let mut seconds: Vec<(bool, i64)> =
        sent.iter().map(|e| (e.message.to == PHONE, e.at.since(at(8, 0)) / 1_000)).collect();
    seconds.sort_unstable();
    // Of three refusals one message had one and the other two: 1 s, and 1 + 4 s.
    assert_eq!(seconds[0], (false, 0));
    let theirs: Vec<i64> = seconds[1..].iter().map(|(_, s)| *s).collect();
    assert_eq!(theirs, [1, 5]);
    assert!(house.tasks().await.is_empty());
});

on_both!(more_patients_than_the_provider_lets_be_written_to_is_told, async |house: House| {
    for n in 1..=3 {
        let phone = format!("+35191234500{n}");
        house.patient(person(&phone, "Europe/Lisbon", &[(Whatsapp, &phone)])).await;
    }
    for (limit, warnings) in [("TIER_3", 0), ("TIER_2", 1), ("TIER_UNLIMITED", 0)] {
        house.sandbox.set_messaging_limit(limit);
        house.daemon.jobs().run_once(Job::TemplatesSync).await.unwrap();
        let mut tx = house.app.store.read().await.unwrap();
        let standings = templates::standings(&mut tx).await.unwrap();
        let whatsapp = standings.iter().find(|one| one.channel == "whatsapp").unwrap();
        assert_eq!(whatsapp.warnings.len(), warnings, "{limit}: {whatsapp:?}");
        assert!(whatsapp.facts.contains(&("quality".to_owned(), "GREEN".to_owned())));
    }
});
