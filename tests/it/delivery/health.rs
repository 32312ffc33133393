//! How far addresses are believed: refusals doubt them, arrivals and people settle it.

use crate::house::{House, On, at, medicine, on_both, person};
use carebell::care::ChannelKind::{Sms, Whatsapp};
use carebell::care::ContactHealth::{self, Bad, Ok, Suspect};
use carebell::care::ids::PatientId;
use carebell::sandbox::{AnswerFault, Channel, Condition, Fault, Reply, Rule};
use carebell::store::standing;

const PHONE: &str = "+351912345001";
const DAY: i64 = 24;

async fn dosed(house: &House, contacts: &[(carebell::care::ChannelKind, &str)]) -> PatientId {
    let id = house.patient(person("p", "Europe/Lisbon", contacts)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    id
}

async fn health(house: &House, id: PatientId) -> Vec<ContactHealth> {
    let mut tx = house.app.store.read().await.unwrap();
    let known = standing::load(&mut tx, house.app.store.keys(), &[id]).await.unwrap();
    known[&id].contacts.iter().map(|contact| contact.health).collect()
}

/// Meta refuses everything as sent to nobody.
fn nobody() -> Rule {
    let refuse =
        AnswerFault::Refuse { status: 400, code: Some("131026".into()), retry_after: None };
    Rule::always(Fault::Answer(refuse)).on(Channel::Whatsapp)
}

async fn address_tasks(house: &House) -> i64 {
    house.tasks().await.get("address").copied().unwrap_or(0)
}

on_both!(two_days_condemn_what_may_pass_and_a_month_later_it_is_tried, async |house: House| {
    let id = dosed(&house, &[(Whatsapp, PHONE), (Sms, PHONE)]).await;
    house.sandbox.faults().add(nobody());
    house.play_until(at(9, 0)).await;
    assert_eq!(health(&house, id).await, [Suspect, Ok]);
    house.play_until(at(DAY + 9, 0)).await;
    assert_eq!(health(&house, id).await, [Bad, Ok]);
    house.sandbox.faults().clear();
    house.play_until(at(31 * DAY + 7, 0)).await;
    let over = |house: &House| {
        let entries = house.sandbox.ledger().entries();
        entries.into_iter().map(|entry| entry.message.channel).collect::<Vec<_>>()
    };
    assert!(over(&house).iter().all(|channel| *channel == Channel::Twilio));
    house.play_until(at(31 * DAY + 9, 0)).await;
    assert_eq!(over(&house).last(), Some(&Channel::Whatsapp));
    assert_eq!(health(&house, id).await, [Ok, Ok], "it arrived");
    assert_eq!(address_tasks(&house).await, 0, "the other way was open all the time");
});

on_both!(who_is_reached_no_more_is_told_of, async |house: House| {
    let id = dosed(&house, &[(Whatsapp, PHONE)]).await;
    house.sandbox.faults().add(nobody());
    house.play_until(at(9, 0)).await;
    assert_eq!((health(&house, id).await, address_tasks(&house).await), (vec![Suspect], 0));
    house.play_until(at(DAY + 9, 0)).await;
    assert_eq!((health(&house, id).await, address_tasks(&house).await), (vec![Bad], 1));
    let story = house.story_of(id).await;
    assert_eq!(story.last().unwrap().0, "failed");
    // The patient writes: that is where they are.
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "hello")).await.unwrap();
    house.settle().await;
    assert_eq!(health(&house, id).await, [Ok]);
});

on_both!(one_refusal_is_settled_by_an_arrival, async |house: House| {
    let id = dosed(&house, &[(Whatsapp, PHONE), (Sms, PHONE)]).await;
    house.sandbox.faults().add(nobody());
    house.play_until(at(9, 0)).await;
    house.sandbox.faults().clear();
    house.play_until(at(DAY + 9, 0)).await;
    assert_eq!(health(&house, id).await, [Ok, Ok]);
    house.sandbox.faults().add(nobody());
    house.play_until(at(2 * DAY + 9, 0)).await;
    assert_eq!(health(&house, id).await, [Suspect, Ok], "the count begins anew");
});

on_both!(a_handset_that_is_off_is_tried_once_more_at_half_of_what_is_left, async |house: House| {
    dosed(&house, &[(Sms, PHONE)]).await;
    house.sandbox.set_condition(PHONE, Some(Condition::Unreachable));
    house.play_until(at(12, 0)).await;
    // Two hours are left at eight.
    let tried = house.accepted(PHONE);
    assert_eq!(tried.len(), 2, "{tried:?}");
    assert!((539..=541).contains(&tried[1]), "{tried:?}");
});
