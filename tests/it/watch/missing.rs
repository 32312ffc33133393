//! Expected against sent. Wakes are broken behind the daemon's back: F25 is two countries that were silent for a
//! month because a date was taken in the wrong zone.

use crate::house::{House, On, at, medicine, on_both, person, planned};
use carebell::care::ChannelKind::Sms;
use carebell::care::UtcMs;
use carebell::care::ids::PatientId;
use carebell::store::watch as figures;
use carebell::watch::Sighting;

const LISBON: &str = "Europe/Lisbon";
const NAIROBI: &str = "Africa/Nairobi";

fn phone(zone: &str, number: usize) -> String {
    format!("+{}9123450{number:02}", if zone == LISBON { "351" } else { "254" })
}

/// People in each zone with a dose at 08:00 of their own clock: 08:00 in Lisbon, 05:00 in Nairobi, in UTC.
async fn countries(house: &House, people: usize) -> Vec<PatientId> {
    let mut ids = Vec::new();
    for zone in [LISBON, NAIROBI] {
        for number in 0..people {
            let phone = phone(zone, number);
            let id = house.patient(person(&phone, zone, &[(Sms, &phone)])).await;
            house.activity(id, medicine("a", &["08:00"])).await;
            ids.push(id);
        }
    }
    house.settle().await;
    ids
}

async fn tick(house: &House) -> Sighting {
    house.app.watch().tick().await.unwrap()
}

/// Plays on, with a tick of the watch each minute, as the job has it.
async fn watched_until(house: &House, from: UtcMs, until: UtcMs) -> Sighting {
    let mut now = from;
    loop {
        house.play_until(now).await;
        let seen = tick(house).await;
        if now >= until {
            return seen;
        }
        now = now.plus_ms(60_000);
    }
}

on_both!(f25_all_well_is_silent_and_everyone_is_looked_at, async |house: House| {
    countries(&house, 3).await;
    let seen = watched_until(&house, at(4, 55), at(5, 45)).await;
    assert_eq!(seen.open_alarms, Vec::<String>::new());
    let seen = watched_until(&house, at(7, 55), at(9, 45)).await;
    assert_eq!(seen, Sighting::default());
    assert!(house.tasks().await.is_empty());
    let mut tx = house.app.store.read().await.unwrap();
    let hours = figures::hours(&mut tx, UtcMs(0)).await.unwrap();
    let of = |hour: UtcMs, zone: &str| {
        let found = hours.iter().find(|one| one.hour_ms == hour.0 && one.zone == zone).unwrap();
        (found.looks, found.expected, found.missing)
    };
    assert_eq!(of(at(5, 0), NAIROBI), (6, 3, 0), "three people, the quarters of 05:00 and 05:15");
    assert_eq!(of(at(8, 0), LISBON), (12, 3, 0));
    assert_eq!(of(at(8, 0), NAIROBI), (12, 0, 0));
    let ended = figures::ended(&mut tx, (at(8, 0), at(9, 0))).await.unwrap();
    let ended: Vec<_> =
        ended.iter().map(|e| (e.zone.as_str(), e.state.as_str(), e.reminders)).collect();
    assert_eq!(ended, [(LISBON, "sent", 3)]);
});

on_both!(f25_a_zone_that_falls_silent_is_seen_within_the_hour, async |house: House| {
    countries(&house, 2).await;
    // What a wrong date does: every wake of the zone is put off, and alarms and rows agree on it.
    let far = at(24 * 30, 0).0;
    let frozen = "(SELECT id FROM patients WHERE zone = 'Africa/Nairobi')";
    for statement in [
        format!("UPDATE alarms SET wake_at_ms = {far} WHERE kind = 'patient' AND id IN {frozen}"),
        format!("UPDATE patients SET wake_at_ms = {far} WHERE zone = 'Africa/Nairobi'"),
    ] {
        assert_eq!(house.damage(&statement).await, 2);
    }
    assert_eq!(watched_until(&house, at(4, 50), at(5, 10)).await.open_alarms, [""; 0]);
    let seen = watched_until(&house, at(5, 11), at(5, 59)).await;
    assert_eq!(seen.open_alarms, ["general in Africa/Nairobi"]);
    assert_eq!(house.tasks().await, [("watch".to_owned(), 1)].into(), "raised once, told once");
    let seen = watched_until(&house, at(7, 55), at(8, 45)).await;
    assert_eq!(seen.open_alarms, ["general in Africa/Nairobi"], "Lisbon is well");
    assert_eq!(house.accepted(&phone(LISBON, 0)), [480]);
});

on_both!(patients_that_nothing_wakes_are_seen_within_the_hour, async |house: House| {
    countries(&house, 2).await;
    assert_eq!(house.damage("DELETE FROM alarms WHERE kind = 'patient'").await, 4);
    assert_eq!(house.damage("UPDATE patients SET wake_at_ms = NULL").await, 4);
    let seen = watched_until(&house, at(5, 0), at(5, 59)).await;
    assert_eq!(seen.open_alarms, ["general in Africa/Nairobi"]);
    let seen = watched_until(&house, at(8, 0), at(8, 59)).await;
    assert_eq!(seen.open_alarms.len(), 2);
});

on_both!(a_lost_alarm_is_told_and_put_back_before_its_dose_is_due, async |house: House| {
    let ids = countries(&house, 1).await;
    house.play_until(at(7, 0)).await;
    assert_eq!(house.damage("DELETE FROM alarms WHERE kind = 'patient'").await, 2);
    let seen = tick(&house).await;
    assert_eq!((seen.unwoken_patients, seen.alarms_put_back), (2, 2));
    assert_eq!(seen.open_alarms.len(), 2);
    let again = tick(&house).await;
    assert_eq!((again.unwoken_patients, again.alarms_put_back), (0, 0));
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(&phone(LISBON, 0)), [480]);
    assert_eq!(house.story_of(ids[0]).await.len(), 1);
});

on_both!(a_message_that_nothing_wakes_is_told_and_leaves_while_valid, async |house: House| {
    countries(&house, 1).await;
    house.play_until(planned()).await;
    assert_eq!(house.damage("DELETE FROM alarms WHERE kind = 'message'").await, 1);
    let seen = watched_until(&house, at(8, 0), at(8, 20)).await;
    assert_eq!(seen.open_alarms, ["general in Europe/Lisbon"]);
    house.settle().await;
    assert_eq!(house.accepted(&phone(LISBON, 0)), [500]);
});

on_both!(wakes_that_lie_behind_are_told, async |house: House| {
    countries(&house, 1).await;
    house.clock.set(at(5, 4));
    assert_eq!(tick(&house).await.open_alarms, [""; 0], "a wake may be a few minutes late");
    house.clock.set(at(5, 21));
    let seen = tick(&house).await;
    assert_eq!((seen.unwoken_patients, seen.missing_reminders), (1, 1));
    assert_eq!(seen.open_alarms, ["general in Africa/Nairobi"]);
});

on_both!(p9_f29_a_patient_that_cannot_be_read_hides_no_other, async |house: House| {
    countries(&house, 3).await;
    let id = house.patient(person("x", NAIROBI, &[(Sms, "+254912345099")])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.settle().await;
    let unreadable =
        format!("UPDATE patients SET document = {{bytes}} WHERE id = {}", literal(&house, id));
    assert_eq!(house.damage(&unreadable).await, 1);
    house.damage("DELETE FROM alarms WHERE kind = 'patient'").await;
    house.damage("UPDATE patients SET wake_at_ms = NULL").await;
    house.clock.set(at(5, 20));
    let seen = tick(&house).await;
    assert_eq!((seen.unreadable_patients, seen.missing_reminders), (1, 3));
});

on_both!(a_change_that_was_just_made_is_no_fault, async |house: House| {
    let phone = phone(LISBON, 0);
    let id = house.patient(person(&phone, LISBON, &[(Sms, &phone)])).await;
    let dose = house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(9, 20)).await;
    // Its wake is due this very moment, and writes what lies behind.
    house.edit(dose, id, &medicine("a", &["08:00", "09:05"])).await;
    assert_eq!(tick(&house).await.open_alarms, [""; 0]);
    assert_eq!(watched_until(&house, at(9, 21), at(10, 50)).await.open_alarms, [""; 0]);
    assert_eq!(house.accepted(&phone), [480, 560]);
});

fn literal(house: &House, id: PatientId) -> String {
    let hex = id.0.simple();
    match house.app.store.engine() {
        carebell::store::Engine::Sqlite => format!("x'{hex}'"),
        carebell::store::Engine::Postgres => format!("'{hex}'::uuid"),
    }
}
