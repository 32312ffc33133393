//! Silence as proof (design.md section 6): who was never accepted goes again, once, and only where the line speaks.

use crate::house::{House, On, at, medicine, on_both, person};
use carebell::care::ChannelKind::Whatsapp;
use carebell::care::ReceiptStatus;
use carebell::care::ids::{PatientId, ReceiptId};
use carebell::channel::Callback;
use carebell::sandbox::{AnswerFault, CallbackFault, Fault, Rule};
use carebell::store::receipts::{self, ReceiptRow};
use carebell::store::{Tx, attempts, messages, story};
use futures::FutureExt as _;

const PHONE: &str = "+351912345001";
const OTHER: &str = "+351912345002";

/// Doses of one patient at 08:00 and of another at 08:05.
async fn two_doses(house: &House) -> PatientId {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let other = house.patient(person(OTHER, "Europe/Lisbon", &[(Whatsapp, OTHER)])).await;
    house.activity(other, medicine("a", &["08:05"])).await;
    id
}

/// The provider's front door breaks: nothing is taken, and we cannot know.
fn never_taken(times: u32) -> Rule {
    let answer = AnswerFault::Refuse { status: 500, code: None, retry_after: None };
    Rule { times: Some(times), ..Rule::once(Fault::Answer(answer)).to(PHONE) }
}

/// Leases run on the database's real clock, which a test does not wait for.
async fn leases_end(house: &House) {
    house.damage("UPDATE attempts SET lease_until_ms = 0 WHERE state = 'unknown'").await;
}

const STAYS: (&str, &str) = ("unknown", "stays-unknown");

async fn told(house: &House, id: PatientId) -> (&'static str, String) {
    house.story_of(id).await.remove(0)
}

on_both!(p4_silence_on_a_line_that_speaks_sends_a_dose_again, async |house: House| {
    let id = two_doses(&house).await;
    house.sandbox.faults().add(never_taken(1));
    house.play_until(at(8, 2)).await;
    assert_eq!(told(&house, id).await.0, "unknown");
    leases_end(&house).await;
    // Silent for long enough, but nobody knows that the line speaks until the other's receipt at 08:05.
    house.play_until(at(8, 4)).await;
    assert_eq!(told(&house, id).await.0, "unknown");
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [486]);
    assert_eq!(told(&house, id).await, ("sent", "accepted".to_owned()));
    assert_eq!(house.tasks().await, [].into());
    let mut tx = house.app.store.read().await.unwrap();
    let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
    let tries = attempts::of_messages(&mut tx, &[message]).await.unwrap();
    let ends: Vec<_> = tries.iter().map(|a| (a.state.word(), a.repeat)).collect();
    // What was proven never taken is no repeat.
    let first = attempts::Repeat::First;
    assert_eq!(ends, [("settled-not-accepted", first), ("delivered", first)]);
});

on_both!(p4_silence_proves_nothing_before_the_lease_has_ended, async |house: House| {
    let id = two_doses(&house).await;
    house.sandbox.faults().add(never_taken(1));
    house.play_until(at(9, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(told(&house, id).await, (STAYS.0, STAYS.1.to_owned()));
    assert_eq!(house.tasks().await, [("unknown-dose".to_owned(), 1)].into());
});

on_both!(p4_silence_proves_nothing_when_no_later_receipt_came, async |house: House| {
    let id = two_doses(&house).await;
    house.sandbox.faults().add(never_taken(1));
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.play_until(at(8, 2)).await;
    leases_end(&house).await;
    house.play_until(at(9, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(told(&house, id).await, (STAYS.0, STAYS.1.to_owned()));
});

on_both!(p4_silence_proves_nothing_while_a_receipt_has_no_attempt, async |house: House| {
    let id = two_doses(&house).await;
    house.sandbox.faults().add(never_taken(1));
    house.play_until(at(8, 2)).await;
    leases_end(&house).await;
    let mut tx = house.app.store.write().await.unwrap();
    let row = ReceiptRow {
        id: ReceiptId::new(at(8, 2), &mut house.app.rng.fork()),
        channel: "whatsapp".to_owned(),
        provider_id: "wamid.unknown".to_owned(),
        status: ReceiptStatus::Sent,
        code: String::new(),
        attempt: None,
        at: None,
        received_at: at(8, 2),
    };
    receipts::insert(&mut tx, &[row]).await.unwrap();
    tx.commit().await.unwrap();
    house.play_until(at(9, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(told(&house, id).await, (STAYS.0, STAYS.1.to_owned()));
});

on_both!(p4_silence_proves_nothing_after_a_break_that_lost_receipts, async |mut house: House| {
    let id = two_doses(&house).await;
    house.sandbox.faults().add(never_taken(1));
    house.play_until(at(8, 1)).await;
    leases_end(&house).await;
    // Nobody answers for a minute; the next daemon is another instance.
    house.clock.set(at(8, 2));
    house.restart();
    house.play_until(at(9, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(told(&house, id).await, (STAYS.0, STAYS.1.to_owned()));
});

on_both!(p4_silence_counts_over_instances_that_take_turns, async |mut house: House| {
    let id = two_doses(&house).await;
    house.sandbox.faults().add(never_taken(1));
    house.play_until(at(8, 1)).await;
    leases_end(&house).await;
    let next = house.daemon();
    next.inbound().stays_open().await.unwrap();
    house.clock.set(at(8, 2));
    next.inbound().stays_open().await.unwrap();
    house.daemon = next;
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [486]);
    assert_eq!(told(&house, id).await.0, "sent");
});

on_both!(p4_a_callback_that_was_turned_away_breaks_the_line, async |house: House| {
    let id = two_doses(&house).await;
    house.sandbox.faults().add(never_taken(1));
    house.play_until(at(8, 1)).await;
    leases_end(&house).await;
    // The server gives up while the callback is being kept.
    let callback = Callback {
        method: "POST".to_owned(),
        path_and_query: "/webhooks/whatsapp".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let mut busy = house.app.store.write().await.unwrap();
    if let Tx::Postgres(tx) = &mut busy {
        sqlx::query("LOCK TABLE inbound").execute(&mut **tx).await.unwrap();
    }
    let kept = house.daemon.inbound().keep("whatsapp", &callback, "turned away").now_or_never();
    assert!(kept.is_none());
    drop(busy);
    house.play_until(at(9, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(told(&house, id).await, (STAYS.0, STAYS.1.to_owned()));
});

on_both!(p4_silence_sends_again_once, async |house: House| {
    let id = two_doses(&house).await;
    let third = house.patient(person("c", "Europe/Lisbon", &[(Whatsapp, "+351912345003")])).await;
    house.activity(third, medicine("a", &["08:10"])).await;
    house.sandbox.faults().add(never_taken(9));
    for minutes in [2, 8] {
        house.play_until(at(8, minutes)).await;
        leases_end(&house).await;
    }
    house.play_until(at(10, 0)).await;
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(told(&house, id).await, ("failed", "silence".to_owned()));
    assert_eq!(house.sandbox.faults().rules()[0].times, Some(7), "two tries");
});

on_both!(p8_a_receipt_that_contradicts_silence_is_told_as_doubled, async |house: House| {
    let id = two_doses(&house).await;
    let late = Fault::Callbacks(CallbackFault::DelayedMs(20 * 60_000));
    house.sandbox.faults().add(Rule::once(late).to(PHONE));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)).to(PHONE));
    house.play_until(at(8, 2)).await;
    leases_end(&house).await;
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 486]);
    assert_eq!(told(&house, id).await.0, "sent");
    let mut tx = house.app.store.read().await.unwrap();
    let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
    let turns = story::of(&mut tx, &[message.0]).await.unwrap();
    assert!(turns.iter().any(|turn| turn.state == "doubled"), "{turns:?}");
});
