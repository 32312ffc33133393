//! F11: peers ship scripts that remove duplicates and reset states. Each class of damage is made behind the daemon's
//! back, named by the doctor, and mended where it is derived.

use crate::house::{House, On, at, medicine, on_both, person, planned};
use carebell::care::ChannelKind::Sms;
use carebell::store::database_clock_ms;
use carebell::store::doctor::{Damage, damages, repair};

const PHONE: &str = "+351912345001";

async fn one(house: &House) {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    assert_eq!(found(house).await, [], "nothing is wrong yet");
}

async fn found(house: &House) -> Vec<(Damage, i64)> {
    let mut tx = house.app.store.read().await.unwrap();
    let database_now = database_clock_ms(&mut tx).await.unwrap();
    damages(&mut tx, house.app.clock.now(), database_now).await.unwrap()
}

async fn mend(house: &House) -> Vec<(Damage, u64)> {
    let mut tx = house.app.store.write().await.unwrap();
    let mended = repair(&mut tx, house.app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    mended
}

async fn mended_and_sent_once(house: &House) {
    house.settle().await;
    assert_eq!(found(house).await, []);
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [480]);
}

on_both!(f11_alarms_that_are_lost_are_named_and_mended, async |house: House| {
    one(&house).await;
    house.damage("DELETE FROM alarms").await;
    assert_eq!(found(&house).await, [(Damage::AlarmsMissing, 2)]);
    assert_eq!(mend(&house).await, [(Damage::AlarmsMissing, 2)]);
    mended_and_sent_once(&house).await;
});

on_both!(f11_alarms_that_are_doubled_or_orphaned_are_named_and_mended, async |house: House| {
    one(&house).await;
    // A second one of each owner, and one of an owner that never was.
    house.damage("INSERT INTO alarms SELECT kind, lane, wake_at_ms - 1, id FROM alarms").await;
    house.damage("INSERT INTO alarms SELECT 'settle', '', 5, id FROM activities").await;
    assert_eq!(found(&house).await, [(Damage::AlarmsLeftOver, 3)]);
    assert_eq!(mend(&house).await, [(Damage::AlarmsLeftOver, 3)]);
    mended_and_sent_once(&house).await;
});

on_both!(f11_a_message_without_alarm_is_named_and_mended, async |house: House| {
    one(&house).await;
    house.damage("UPDATE messages SET wake_at_ms = NULL").await;
    house.damage("DELETE FROM alarms WHERE kind = 'message'").await;
    assert_eq!(found(&house).await, [(Damage::MessagesUnarmed, 1)]);
    assert_eq!(mend(&house).await, [(Damage::MessagesUnarmed, 1)]);
    assert_eq!(found(&house).await, []);
    // It was armed for now, half a minute before its dose; the claim decides as ever.
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE).len(), 1);
});

on_both!(f11_a_reminder_without_message_is_named_and_mended, async |house: House| {
    one(&house).await;
    house.damage("DELETE FROM alarms WHERE kind = 'message'").await;
    house.damage("DELETE FROM messages").await;
    assert_eq!(found(&house).await, [(Damage::RemindersUnspoken, 1)]);
    assert_eq!(mend(&house).await, [(Damage::RemindersUnspoken, 1)]);
    mended_and_sent_once(&house).await;
});

on_both!(f11_what_only_a_person_or_a_daemon_can_end_is_named_and_left, async |house: House| {
    one(&house).await;
    house.clock.set(at(11, 0));
    assert_eq!(found(&house).await, [(Damage::RemindersOverdue, 1)], "its next wake is tomorrow");
    house.clock.set(at(33, 0));
    let classes = [(Damage::RemindersOverdue, 1), (Damage::PatientsBehind, 1)];
    assert_eq!(found(&house).await, classes);
    assert_eq!(mend(&house).await, []);
    assert_eq!(found(&house).await, classes);
    house.play_until(at(33, 5)).await;
    assert_eq!(found(&house).await, []);
    house.damage("UPDATE attempts SET state = 'intent', lease_until_ms = 5").await;
    house.damage("UPDATE messages SET state = 'parked'").await;
    house.damage("UPDATE receipts SET attempt_id = NULL, received_at_ms = 5").await;
    let named: Vec<Damage> = found(&house).await.into_iter().map(|(class, _)| class).collect();
    assert_eq!(named, [Damage::IntentsAbandoned, Damage::Parked, Damage::ReceiptsUnmatched]);
    assert_eq!(mend(&house).await, []);
});

on_both!(overdue_reminders_are_counted_once_a_quarter, async |house: House| {
    let phone = "+351912345077";
    let id = house.patient(person(phone, "Europe/Lisbon", &[(Sms, phone)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(11, 1)).await;
    let watch = house.app.watch();
    assert_eq!(watch.tick().await.unwrap().overdue_reminders, 0);
    assert_eq!(house.damage("UPDATE reminders SET state = 'sending'").await, 1);
    house.clock.set(at(11, 14));
    assert_eq!(watch.tick().await.unwrap().overdue_reminders, 0, "not counted again yet");
    house.clock.set(at(11, 15));
    assert_eq!(watch.tick().await.unwrap().overdue_reminders, 1);
});
