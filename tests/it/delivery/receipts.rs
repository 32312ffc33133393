//! Receipts in any order, doubled, late, before our own commit (P8).

use crate::house::{House, On, at, medicine, on_both, person};
use carebell::care::ChannelKind::{Email, Sms, Whatsapp};
use carebell::care::Class;
use carebell::care::ReceiptStatus::{self, Accepted, Delivered, Failed, Read};
use carebell::care::ids::ReceiptId;
use carebell::channel::Action;
use carebell::deliver::evidence::{Evidence, apply};
use carebell::sandbox::{AnswerFault, CallbackFault, Fault, Rule};
use carebell::store::receipts::ReceiptRow;
use carebell::store::{attempts, messages, receipts, story};
use std::collections::BTreeMap;
use std::slice::from_ref;

on_both!(p8_bent_receipts_end_in_one_state, async |house: House| {
    let bends = [
        CallbackFault::Reversed,
        CallbackFault::Doubled,
        CallbackFault::DelayedMs(7 * 24 * 3_600_000),
        CallbackFault::BeforeResponse,
    ];
    let mut phones = Vec::new();
    for channel in [Whatsapp, Sms] {
        for bend in bends {
            let phone = format!("+3519123450{:02}", phones.len());
            let id = house.patient(person(&phone, "Europe/Lisbon", &[(channel, &phone)])).await;
            house.activity(id, medicine("a", &["08:00"])).await;
            house.sandbox.faults().add(Rule::once(Fault::Callbacks(bend)).to(&phone));
            phones.push((id, phone));
        }
    }
    house.play_until(at(24 * 7 + 9, 0)).await;
    let sent = house.sandbox.ledger().entries();
    for (id, phone) in phones {
        assert_eq!(house.accepted(&phone).len(), 8, "a dose a day");
        assert!(house.story_of(id).await.iter().all(|(state, _)| *state == "sent"));
        let mut tx = house.app.store.read().await.unwrap();
        for entry in sent.iter().filter(|e| e.message.to == phone) {
            let attempt = entry.message.correlation.as_ref().unwrap().parse().unwrap();
            let row = attempts::read(&mut tx, &[attempt]).await.unwrap().remove(0);
            assert_eq!(row.state.word(), "delivered", "{phone} of {:?}", entry.at);
            assert_eq!(row.provider_id.as_deref(), Some(entry.message.provider_id.as_str()));
        }
    }
});

// Every order of every set of receipts, each with its first one said twice: the end depends on the set alone.
on_both!(p8_f80_every_order_of_every_set_of_receipts_ends_alike, async |house: House| {
    let mut cases = Vec::new();
    for set in 1_u8..16 {
        let all = [Accepted, Failed, Delivered, Read];
        let members: Vec<_> = all
            .into_iter()
            .enumerate()
            .filter(|(i, _)| set & (1 << i) != 0)
            .map(|(_, s)| s)
            .collect();
        cases.extend(orders(&members).into_iter().map(|order| (set, order)));
    }
    assert_eq!(cases.len(), 64);
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    let mut ids = Vec::new();
    for number in 0..cases.len() {
        let phone = format!("+3519123450{number:02}");
        let id = house.patient(person(&phone, "Europe/Lisbon", &[(Sms, &phone)])).await;
        house.activity(id, medicine("a", &["08:00"])).await;
        ids.push(id);
    }
    house.play_until(at(8, 0)).await;
    let mut ends: BTreeMap<u8, Vec<_>> = BTreeMap::new();
    for (id, (set, order)) in ids.into_iter().zip(cases) {
        let mut tx = house.app.store.write().await.unwrap();
        let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
        let attempt = attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0);
        for status in order.iter().chain(order.first()) {
            let error = (*status == Failed).then(|| ("30007".to_owned(), Action::NextChannel));
            let fact = Evidence::receipt(attempt.id, *status, error, "SM1".to_owned());
            apply(house.daemon.deliverer().deps(), &mut tx, &[fact], at(8, 1)).await.unwrap();
        }
        let attempt = attempts::read(&mut tx, &[attempt.id]).await.unwrap().remove(0);
        let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap().remove(0);
        tx.commit().await.unwrap();
        let reminder = house.reminders_of(id).await.remove(0);
        let end = (attempt.state.word(), message.state.word(), reminder.state.word());
        ends.entry(set).or_default().push((end, order));
    }
    for (set, ends) in ends {
        assert!(ends.iter().all(|(end, _)| *end == ends[0].0), "{set:04b}: {ends:#?}");
        let failed = ends[0].1.iter().max() == Some(&Failed);
        assert_eq!(ends[0].0.2, if failed { "failed" } else { "sent" }, "{ends:#?}");
    }
});

on_both!(p5_what_arrives_after_its_validity_is_told_of_whatever_the_order, async |house: House| {
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    // A time-critical dose of 08:00 is of use until 08:30.
    let cases = [
        (vec![(Delivered, Some(29))], "accepted"),
        (vec![(Delivered, None), (Read, Some(40))], "accepted"),
        (vec![(Accepted, Some(40)), (Delivered, Some(40))], "delivered-late"),
        (vec![(Read, Some(41)), (Delivered, Some(40)), (Delivered, Some(40))], "delivered-late"),
        (vec![(Delivered, Some(40)), (Read, Some(41)), (Delivered, Some(40))], "delivered-late"),
    ];
    let mut ids = Vec::new();
    for number in 0..cases.len() {
        let phone = format!("+3519123450{number:02}");
        let id = house.patient(person(&phone, "Europe/Lisbon", &[(Sms, &phone)])).await;
        let mut critical = medicine("a", &["08:00"]);
        critical.class = Class::TimeCriticalDose;
        house.activity(id, critical).await;
        ids.push(id);
    }
    house.play_until(at(8, 1)).await;
    for (id, (receipts, reason)) in ids.into_iter().zip(cases) {
        let mut tx = house.app.store.write().await.unwrap();
        let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
        let attempt = attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0).id;
        for (status, minute) in &receipts {
            let fact = Evidence::receipt(attempt, *status, None, "SM1".to_owned());
            let fact = fact.at(minute.map(|minute| at(8, minute)));
            apply(house.daemon.deliverer().deps(), &mut tx, &[fact], at(9, 0)).await.unwrap();
        }
        let told = story::of(&mut tx, &[attempt.0]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(house.story_of(id).await, [("sent", reason.to_owned())], "{receipts:?}");
        let late = told.iter().filter(|turn| turn.state == "delivered-late").count();
        assert_eq!(late, usize::from(reason == "delivered-late"), "{receipts:?}");
    }
});

// Without our correlation id, before we know the provider's: as a provider tells that forgets what we gave it.
on_both!(p8_f81_a_receipt_for_an_id_not_known_yet_waits_for_it, async |house: House| {
    let phones = ["+351912345001", "+351912345002"];
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Hold)));
    let mut ids = Vec::new();
    for phone in phones {
        let id = house.patient(person(phone, "Europe/Lisbon", &[(Whatsapp, phone)])).await;
        house.activity(id, medicine("a", &["08:00"])).await;
        ids.push(id);
    }
    house.clock.set(at(8, 0));
    while house.sandbox.held() < phones.len() {
        house.daemon.step().await.unwrap();
        tokio::task::yield_now().await;
    }
    for entry in house.sandbox.ledger().entries() {
        for status in [Delivered, Accepted] {
            let receipt = ReceiptRow {
                id: ReceiptId::new(at(8, 0), &mut house.app.rng.fork()),
                channel: "whatsapp".to_owned(),
                provider_id: entry.message.provider_id.clone(),
                status,
                code: String::new(),
                attempt: None,
                at: None,
                received_at: at(8, 0),
            };
            let mut tx = house.app.store.write().await.unwrap();
            assert_eq!(receipts::insert(&mut tx, from_ref(&receipt)).await.unwrap(), [receipt.id]);
            assert_eq!(receipts::insert(&mut tx, from_ref(&receipt)).await.unwrap(), [], "twice");
            tx.commit().await.unwrap();
        }
    }
    // One of the two is held for dead before its answer comes: what it knows is evidence only.
    let mut tx = house.app.store.write().await.unwrap();
    let message = messages::at_minutes(&mut tx, &ids[..1], at(8, 0)).await.unwrap()[0].id;
    let lost = attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0);
    let moved = attempts::AttemptMove {
        id: lost.id,
        token: lost.token,
        state: carebell::care::AttemptState::Unknown,
        reason: carebell::care::Reason::LostInstance,
        code: None,
        provider_id: None,
        wake_at: None,
    };
    assert_eq!(attempts::end(&mut tx, &[moved], at(8, 0)).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    house.sandbox.release();
    house.play_until(at(9, 0)).await;
    let mut tx = house.app.store.read().await.unwrap();
    assert_eq!(receipts::count_parked(&mut tx).await.unwrap(), 0);
    for message in messages::at_minutes(&mut tx, &ids, at(8, 0)).await.unwrap() {
        let attempt = attempts::of_messages(&mut tx, &[message.id]).await.unwrap().remove(0);
        assert_eq!((message.state.word(), attempt.state.word()), ("sent", "delivered"));
    }
});

fn orders(of: &[ReceiptStatus]) -> Vec<Vec<ReceiptStatus>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in of {
        let rest: Vec<_> = of.iter().filter(|s| *s != first).copied().collect();
        all.extend(orders(&rest).into_iter().map(|order| [vec![*first], order].concat()));
    }
    all
}

on_both!(p8_what_the_provider_gave_up_goes_over_the_next_channel, async |house: House| {
    let contacts = [(Sms, "+351912345001"), (Email, "p@example.org")];
    let id = house.patient(person("p", "Europe/Lisbon", &contacts)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let gone = Some(carebell::sandbox::Condition::Unreachable);
    house.sandbox.set_condition("+351912345001", gone);
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted("+351912345001"), [480]);
    assert_eq!(house.accepted("p@example.org"), [480]);
    assert_eq!(house.story_of(id).await[0].0, "sent");
});
