//! Buttons under reminders, and whose answer a reply is.

use crate::house::{House, On, at, doing, medicine, on_both, person};
use carebell::care::ActivityKind::{Appointment, Measurement};
use carebell::care::ChannelKind::{Sms, Whatsapp};
use carebell::care::ids::{MessageId, PatientId};
use carebell::care::press::Payload;
use carebell::care::{Activity, Press, Schedule, UtcMs};
use carebell::clock::Clock as _;
use carebell::jobs::Job;
use carebell::sandbox::{AnswerFault, CallbackFault, Channel, Entry, Fault, Reply, Rule};
use carebell::store::replies::{self, ReplyRow};
use carebell::store::{attempts, messages};

const PHONE: &str = "+351912345001";
const OTHER: &str = "+351912345002";

/// The last message to an address.
fn last(house: &House, to: &str) -> Entry {
    let entries = house.sandbox.ledger().entries();
    entries.into_iter().rev().find(|entry| entry.message.to == to).unwrap()
}

fn press(entry: &Entry, button: usize, title: &str) -> Reply {
    Reply::press(entry, button, title).unwrap()
}

/// Messages of a patient, by minute.
async fn messages_of(house: &House, id: PatientId) -> Vec<messages::MessageRow> {
    let mut tx = house.app.store.write().await.unwrap();
    let found = messages::at_minutes(&mut tx, &[id], UtcMs(0)).await.unwrap();
    found.into_iter().filter(|message| message.name == "reminder").collect()
}

async fn replies_to(house: &House, message: MessageId) -> Vec<ReplyRow> {
    let mut tx = house.app.store.read().await.unwrap();
    replies::of_messages(&mut tx, &[message]).await.unwrap()
}

/// What was said under a patient's messages: the word of the press, and how it is known.
async fn said(house: &House, id: PatientId) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for message in messages_of(house, id).await {
        for reply in replies_to(house, message.id).await {
            assert_eq!(reply.patient, id);
            found.push((reply.press.map_or("", Press::word), reply.known_by.unwrap().word()));
        }
    }
    found
}

/// States of the attempts of a patient's messages.
async fn attempts_of(house: &House, id: PatientId) -> Vec<&'static str> {
    let ids: Vec<_> = messages_of(house, id).await.iter().map(|message| message.id).collect();
    let mut tx = house.app.store.read().await.unwrap();
    let rows = attempts::of_messages(&mut tx, &ids).await.unwrap();
    rows.iter().map(|row| row.state.word()).collect()
}

/// A patient who has had the dose of 08:00 over WhatsApp.
async fn told(house: &House, key: &str, phone: &str) -> PatientId {
    let id = house.patient(person(key, "Europe/Lisbon", &[(Whatsapp, phone)])).await;
    house.activity(id, medicine(key, &["08:00"])).await;
    id
}

on_both!(what_is_pressed_is_recorded_with_its_message, async |house: House| {
    let id = told(&house, "a", PHONE).await;
    house.play_until(at(8, 4)).await;
    let sent = last(&house, PHONE);
    let payloads = sent.message.template.as_ref().unwrap().buttons.clone();
    let ours: Vec<Press> = payloads.iter().map(|p| Payload::read(p).unwrap().press).collect();
    assert_eq!(ours, [Press::Done, Press::Help]);
    house.sandbox.reply(press(&sent, 0, "Taken")).await.unwrap();
    house.settle().await;
    assert_eq!(said(&house, id).await, [("done", "payload")]);
    assert!(house.tasks().await.is_empty(), "nobody is asked to look at it");
    // As good as a receipt: who answers has read it.
    assert_eq!(attempts_of(&house, id).await, ["read"]);
    // The same callback again, as Meta does, and another press.
    house.sandbox.reply(press(&sent, 1, "Help")).await.unwrap();
    house.sandbox.reply(press(&sent, 1, "Help")).await.unwrap();
    house.settle().await;
    assert_eq!(said(&house, id).await[1..], [("help", "payload"), ("help", "payload")]);
    assert_eq!(house.tasks().await, [("reply".to_owned(), 1)].into(), "one task a message");
    // Its title is no keyword: nothing is answered.
    assert_eq!(house.accepted(PHONE), [480]);
});

on_both!(who_cannot_come_is_called_and_who_comes_is_not, async |house: House| {
    let visit = |key: &str, start| Activity {
        schedule: Schedule::Appointment { start },
        ..doing(Appointment, key, &[])
    };
    let comes = house.patient(person("a", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    let cannot = house.patient(person("b", "Europe/Lisbon", &[(Whatsapp, OTHER)])).await;
    for id in [comes, cannot] {
        house.activity(id, visit("v", at(14, 0))).await;
    }
    house.play_until(at(12, 30)).await;
    house.sandbox.reply(press(&last(&house, PHONE), 0, "I come")).await.unwrap();
    house.settle().await;
    assert!(house.tasks().await.is_empty());
    house.sandbox.reply(press(&last(&house, OTHER), 1, "I cannot come")).await.unwrap();
    house.settle().await;
    assert_eq!(said(&house, comes).await, [("coming", "payload")]);
    assert_eq!(said(&house, cannot).await, [("cannot", "payload")]);
    assert_eq!(house.tasks().await, [("reply".to_owned(), 1)].into());
});

on_both!(p6_another_patients_button_is_never_believed, async |house: House| {
    let first = told(&house, "a", PHONE).await;
    let second = told(&house, "b", OTHER).await;
    house.play_until(at(8, 4)).await;
    let theirs = last(&house, PHONE);
    // The payload and the quote of the first patient's message, from the second one's phone.
    let payload = &theirs.message.template.as_ref().unwrap().buttons[0];
    let forged = Reply::button(OTHER, "Taken", payload, &theirs.message.provider_id);
    house.sandbox.reply(forged).await.unwrap();
    let quoting = Reply {
        context: Some(theirs.message.provider_id.clone()),
        ..Reply::text(Channel::Whatsapp, OTHER, "taken")
    };
    house.sandbox.reply(quoting).await.unwrap();
    house.settle().await;
    assert_eq!(said(&house, first).await, []);
    assert_eq!(said(&house, second).await, [], "nor is it an answer to what is open");
    assert_eq!(attempts_of(&house, first).await, ["delivered"]);
    assert_eq!(house.tasks().await, [("reply".to_owned(), 2)].into(), "a person looks at both");
    let strangers = "SELECT 1 FROM replies WHERE known_by = 'stranger' AND press = ''";
    assert_eq!(count(&house, strangers).await, 2);
});

/// How many rows a query finds.
async fn count(house: &House, query: &str) -> u64 {
    // What is counted is set to itself: both engines tell how many rows that were.
    let rest = query.strip_prefix("SELECT 1 FROM replies").unwrap();
    house.damage(&format!("UPDATE replies SET keyword = keyword{rest}")).await
}

on_both!(of_two_behind_one_number_the_one_who_is_meant_answers, async |house: House| {
    let mother = told(&house, "m", PHONE).await;
    let child = house.patient(person("c", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(child, medicine("c", &["09:00"])).await;
    house.play_until(at(9, 4)).await;
    house.sandbox.reply(press(&last(&house, PHONE), 1, "Help")).await.unwrap();
    house.settle().await;
    assert_eq!(said(&house, child).await, [("help", "payload")]);
    assert_eq!(said(&house, mother).await, []);
    assert_eq!(house.tasks().await, [("reply".to_owned(), 1)].into());
    assert_eq!(count(&house, "SELECT 1 FROM replies WHERE known_by = 'other-sender'").await, 1);
    assert_eq!(house.accepted(PHONE), [480, 540], "the button's title is nobody's HELP");
    // Words alone may be of either: both are open.
    let words = Reply::text(Channel::Whatsapp, PHONE, "taken");
    house.sandbox.reply(words).await.unwrap();
    house.settle().await;
    assert_eq!(count(&house, "SELECT 1 FROM replies WHERE known_by = 'several'").await, 2);
});

on_both!(p8_presses_end_alike_in_whatever_order_they_come, async |house: House| {
    let mut ends = Vec::new();
    for (n, order) in [[0, 1, 1], [1, 0, 1], [1, 1, 0]].iter().enumerate() {
        let phone = format!("+35191234510{n}");
        let id = told(&house, &phone, &phone).await;
        let day = 24 * i64::try_from(n).unwrap();
        house.play_until(at(day + 8, 4)).await;
        let sent = last(&house, &phone);
        // The plan is over, the dose past its validity, and Meta posts again what nobody took.
        house.play_until(at(day + 19, 0)).await;
        for button in order {
            house.sandbox.reply(press(&sent, *button, "button")).await.unwrap();
            house.settle().await;
        }
        let message = messages_of(&house, id).await.remove(0);
        let mut said = said(&house, id).await;
        said.sort_unstable();
        ends.push((message.state, attempts_of(&house, id).await[0], said));
    }
    assert_eq!(ends[0].2, [("done", "payload"), ("help", "payload"), ("help", "payload")]);
    assert_eq!((&ends[1], &ends[2]), (&ends[0], &ends[0]));
    assert_eq!(house.tasks().await, [("reply".to_owned(), 3)].into());
});

on_both!(p8_a_press_before_our_own_commit_counts, async |house: House| {
    let id = told(&house, "a", PHONE).await;
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Hold)));
    house.clock.set(at(8, 0));
    while house.sandbox.held() == 0 {
        house.daemon.step().await.unwrap();
        tokio::task::yield_now().await;
    }
    let sent = last(&house, PHONE);
    house.sandbox.reply(press(&sent, 0, "Taken")).await.unwrap();
    // Words that quote it: what they quote is not known before the answer is.
    let quoting = Reply {
        context: Some(sent.message.provider_id.clone()),
        ..Reply::text(Channel::Whatsapp, PHONE, "with water")
    };
    house.sandbox.reply(quoting).await.unwrap();
    let waits = "SELECT 1 FROM replies WHERE known_by = 'unknown'";
    while count(&house, waits).await == 0 {
        house.daemon.step().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(said(&house, id).await, [("done", "payload")]);
    house.sandbox.release();
    house.settle().await;
    assert_eq!(count(&house, waits).await, 0);
    let mut said = said(&house, id).await;
    said.sort_unstable();
    assert_eq!(said, [("", "quote"), ("done", "payload")]);
    assert_eq!(attempts_of(&house, id).await, ["read"]);
});

on_both!(p4_who_presses_has_got_it_whatever_became_of_the_answer, async |house: House| {
    let id = house.patient(person("a", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, doing(Measurement, "m", &["08:00"])).await;
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.sandbox.faults().add(Rule::once(Fault::Callbacks(CallbackFault::Off)));
    house.play_until(at(8, 1)).await;
    assert_eq!(attempts_of(&house, id).await, ["unknown"]);
    house.sandbox.reply(press(&last(&house, PHONE), 0, "Done")).await.unwrap();
    house.play_until(at(12, 0)).await;
    assert_eq!(attempts_of(&house, id).await, ["read"]);
    assert_eq!(house.story_of(id).await, [("sent", "answered".to_owned())]);
    assert_eq!(house.accepted(PHONE), [480], "and it is not said again");
    assert!(house.tasks().await.is_empty());
});

on_both!(p6_stop_is_heard_whatever_was_pressed, async |house: House| {
    let id = house.patient(person("a", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00", "20:00"])).await;
    house.play_until(at(8, 4)).await;
    house.sandbox.reply(press(&last(&house, PHONE), 0, "Stop")).await.unwrap();
    house.play_until(at(21, 0)).await;
    assert_eq!(house.story_of(id).await[1], ("blocked", "opted-out".to_owned()));
});

on_both!(p9_a_damaged_attempt_keeps_no_stop_from_being_heard, async |house: House| {
    let id = told(&house, "a", PHONE).await;
    house.play_until(at(8, 4)).await;
    house.damage("UPDATE attempts SET reason = 'damaged'").await;
    let sent = last(&house, PHONE);
    let stop = Reply {
        context: Some(sent.message.provider_id.clone()),
        ..Reply::text(Channel::Whatsapp, PHONE, "STOP")
    };
    house.sandbox.reply(stop).await.unwrap();
    house.sandbox.reply(press(&sent, 0, "Stop")).await.unwrap();
    house.settle().await;
    let mut said = said(&house, id).await;
    said.sort_unstable();
    assert_eq!(said, [("", "quote"), ("done", "payload")]);
    house.play_until(at(33, 0)).await;
    assert_eq!(house.story_of(id).await[1], ("blocked", "opted-out".to_owned()));
});

on_both!(words_belong_to_what_they_quote_else_to_the_only_open_message, async |house: House| {
    let id = told(&house, "a", PHONE).await;
    house.activity(id, doing(Measurement, "m", &["09:00"])).await;
    house.play_until(at(8, 30)).await;
    let dose = last(&house, PHONE);
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "taken")).await.unwrap();
    house.settle().await;
    assert_eq!(said(&house, id).await, [("", "only-open")]);
    house.play_until(at(9, 30)).await;
    // The dose is of use until ten, the reading all day.
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "and now?")).await.unwrap();
    house.settle().await;
    assert_eq!(count(&house, "SELECT 1 FROM replies WHERE known_by = 'several'").await, 1);
    let quoting = Reply {
        context: Some(dose.message.provider_id.clone()),
        ..Reply::text(Channel::Whatsapp, PHONE, "after the meal")
    };
    house.sandbox.reply(quoting).await.unwrap();
    house.settle().await;
    let of_dose: Vec<_> = said(&house, id).await;
    assert_eq!(of_dose, [("", "only-open"), ("", "quote")]);
    // What quotes something that nobody here has sent is no answer to what is open.
    let foreign = Reply {
        context: Some("wamid.of-another-system".to_owned()),
        ..Reply::text(Channel::Whatsapp, PHONE, "thank you")
    };
    house.sandbox.reply(foreign).await.unwrap();
    house.settle().await;
    assert_eq!(count(&house, "SELECT 1 FROM replies WHERE known_by = 'unknown'").await, 1);
    assert_eq!(house.tasks().await, [("reply".to_owned(), 4)].into(), "free text wants a person");
    // At night nothing is open.
    house.clock.set(at(30, 0));
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "hello")).await.unwrap();
    house.settle().await;
    assert_eq!(count(&house, "SELECT 1 FROM replies WHERE known_by = 'nothing'").await, 1);
    assert_eq!(house.clock.now(), at(30, 0));
});

on_both!(a_button_of_twilios_is_known_by_its_word_and_what_it_quotes, async |house: House| {
    let id = house.patient(person("a", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(8, 4)).await;
    let sent = last(&house, PHONE);
    let pressed = Reply {
        channel: Channel::Twilio,
        ..Reply::button(PHONE, "Tomado", "done", &sent.message.provider_id)
    };
    house.sandbox.reply(pressed).await.unwrap();
    house.settle().await;
    assert_eq!(said(&house, id).await, [("done", "quote")]);
    assert!(house.tasks().await.is_empty());
});

on_both!(a_template_with_other_buttons_is_held, async |house: House| {
    let id = told(&house, "a", PHONE).await;
    house.sandbox.change_template("carebell_dose", |t| t.buttons.clear());
    house.sandbox.change_template("carebell_dose_short", |t| t.buttons.push("More".to_owned()));
    house.daemon.jobs().run_once(Job::TemplatesSync).await.unwrap();
    house.play_until(at(9, 0)).await;
    assert_eq!(house.story_of(id).await, [("blocked", "template-held".to_owned())]);
    let told = house.reminders_of(id).await[0].reason.to_string();
    assert!(told.contains("quick replies") && told.contains("`buttons`"), "{told}");
});
