//! Six hours without sends, and what follows: nothing late, nothing doubled, one message for each patient, one report
//! for each programme (F20, F22, F30). The oracle is the stand-in's ledger.

use crate::house::{House, On, at, doing, medicine, on_both, person};
use carebell::care::ChannelKind::Sms;
use carebell::care::hold::{Hold, Scope};
use carebell::care::ids::PatientId;
use carebell::care::{ActivityKind, Class, Reason, ReminderState};
use carebell::sandbox::{AnswerFault, Channel, Fault, Rule};
use carebell::store::{holds, tasks};
use std::collections::BTreeMap;

const PATIENTS: usize = 12;

fn phone(number: usize) -> String {
    format!("+3519123450{number:02}")
}

/// Patients with doses in the morning, readings all day, and lessons; none is due before 08:00.
async fn people(house: &House) -> Vec<PatientId> {
    let mut all = Vec::new();
    for number in 0..PATIENTS {
        let id =
            house.patient(person(&phone(number), "Europe/Lisbon", &[(Sms, &phone(number))])).await;
        house.activity(id, medicine("a", &["08:00", "12:30"])).await;
        house.activity(id, medicine("b", &["12:45"])).await;
        let mut critical = medicine("c", &["09:00"]);
        critical.class = Class::TimeCriticalDose;
        house.activity(id, critical).await;
        let times = ["08:15", "10:00", "13:30"];
        house.activity(id, doing(ActivityKind::Measurement, "m", &times)).await;
        house.activity(id, doing(ActivityKind::Measurement, "n", &["11:00"])).await;
        house.activity(id, doing(ActivityKind::Education, "e", &["09:30"])).await;
        house.activity(id, doing(ActivityKind::Education, "f", &["10:30"])).await;
        all.push(id);
    }
    all
}

/// What each reminder came to: state and reason by due time, alike for every patient.
async fn ends(house: &House, all: &[PatientId]) -> Vec<(i64, &'static str, String)> {
    let mut stories = Vec::new();
    for id in all {
        let rows = house.reminders_of(*id).await;
        let mut told: Vec<_> = rows
            .iter()
            .map(|r| (r.due_at.since(at(0, 0)) / 60_000, r.state.word(), r.reason.word()))
            .collect();
        told.sort();
        stories.push(told);
    }
    assert!(stories.iter().all(|story| *story == stories[0]), "{stories:#?}");
    stories.remove(0)
}

/// Nothing was sent at or after its validity, and no reminder twice.
async fn none_late_none_doubled(house: &House, all: &[PatientId]) {
    let entries = house.sandbox.ledger().entries();
    let mut tx = house.app.store.read().await.unwrap();
    let mut taken: BTreeMap<_, usize> = BTreeMap::new();
    for id in all {
        for row in carebell::store::reminders::of_patients(&mut tx, &[*id], at(0, 0)).await.unwrap()
        {
            let Some(message) = row.message.filter(|_| row.state == ReminderState::Sent) else {
                continue;
            };
            let tried = carebell::store::attempts::of_messages(&mut tx, &[message]).await.unwrap();
            for attempt in tried {
                let id = attempt.id.to_string();
                let entry = entries.iter().find(|e| e.message.correlation.as_ref() == Some(&id));
                if let Some(entry) = entry {
                    assert!(entry.at < row.valid_until, "late: {row:?}");
                    *taken.entry(row.id).or_default() += 1;
                }
            }
            assert_eq!(taken.get(&row.id), Some(&1), "{row:?}");
        }
    }
}

/// The reports there are: programme and counts of sent, expired, superseded, other.
async fn reports(house: &House) -> Vec<(String, [i64; 4])> {
    let mut tx = house.app.store.read().await.unwrap();
    let open = tasks::list(&mut tx).await.unwrap();
    open.into_iter()
        .filter(|task| task.kind == "outage")
        .map(|task| {
            let Reason::Outage { sent, expired, superseded, other, .. } =
                serde_json::from_str(&task.reason).unwrap()
            else {
                panic!("{task:?}")
            };
            let programme = task.subject.split_whitespace().next().unwrap().to_owned();
            (programme, [sent, expired, superseded, other])
        })
        .collect()
}

fn expired(minute: i64) -> (i64, &'static str, String) {
    (minute, "expired", "past-validity".to_owned())
}

fn sent(minute: i64) -> (i64, &'static str, String) {
    (minute, "sent", "accepted".to_owned())
}

fn gave_way(minute: i64) -> (i64, &'static str, String) {
    (minute, "superseded", "merged-into".to_owned())
}

async fn pause(house: &House, scope: &Scope) {
    let (actor, because) = ("operator".to_owned(), "a test".to_owned());
    let pause = Hold { scope: scope.clone(), until: None, actor, because, at: at(0, 0) };
    let mut tx = house.app.store.write().await.unwrap();
    holds::set(&mut tx, &pause).await.unwrap();
    tx.commit().await.unwrap();
}

async fn resume(house: &House, scope: &Scope) {
    let mut tx = house.app.store.write().await.unwrap();
    assert!(holds::lift(&mut tx, scope).await.unwrap());
    tx.commit().await.unwrap();
}

const N: i64 = PATIENTS as i64;

/// Two doses of the last two hours in one message, two readings in one, two lessons in one.
async fn as_it_should_be(house: &House, all: &[PatientId]) {
    assert_eq!(
        ends(house, all).await,
        [
            expired(480),
            gave_way(495),
            expired(540),
            sent(570),
            gave_way(600),
            sent(630),
            sent(660),
            sent(750),
            sent(765),
            sent(810),
        ]
    );
    for number in 0..PATIENTS {
        let sent = house.accepted(&phone(number));
        assert_eq!(sent.len(), 3, "one message for each class group: {sent:?}");
        assert!(sent.iter().all(|minute| (840..=860).contains(minute)), "drained: {sent:?}");
    }
    let bodies: Vec<_> =
        house.sandbox.ledger().entries().iter().filter_map(|e| e.message.body.clone()).collect();
    let both = bodies.iter().filter(|body| body.contains("12:30, 12:45")).count();
    assert_eq!(both, PATIENTS, "each time is named: {bodies:?}");
    none_late_none_doubled(house, all).await;
}

on_both!(
    f30_six_hours_without_a_daemon_end_in_one_message_and_one_report,
    async |mut house: House| {
        let all = people(&house).await;
        house.play_until(at(7, 55)).await;
        house.clock.set(at(14, 0));
        house.restart();
        house.play_until(at(14, 30)).await;
        as_it_should_be(&house, &all).await;
        assert_eq!(reports(&house).await, [("general".to_owned(), [6 * N, 2 * N, 2 * N, 0])]);
        house.play_until(at(20, 0)).await;
        assert_eq!(reports(&house).await.len(), 1, "told once");
    }
);

on_both!(f30_days_without_a_daemon_are_told_of_slot_by_slot, async |mut house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, &phone(0))])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(9, 0)).await;
    house.clock.set(at(4 * 24 + 9, 0));
    house.restart();
    house.play_until(at(4 * 24 + 10, 0)).await;
    let mut tx = house.app.store.read().await.unwrap();
    let open = tasks::list(&mut tx).await.unwrap();
    let told = open.iter().find(|task| task.kind == "outage").unwrap();
    let reason: Reason = serde_json::from_str(&told.reason).unwrap();
    // Tuesday's and Wednesday's, Thursday's, today's.
    let counts = matches!(reason, Reason::Outage { in_gaps: 2, expired: 1, sent: 1, other: 0, .. });
    assert!(counts, "{reason:?}");
});

on_both!(f22_six_hours_on_a_paused_channel_end_in_one_message, async |house: House| {
    let all = people(&house).await;
    house.play_until(at(7, 55)).await;
    let scope = Scope::Channel("twilio".to_owned());
    pause(&house, &scope).await;
    house.play_until(at(14, 0)).await;
    resume(&house, &scope).await;
    house.play_until(at(14, 30)).await;
    as_it_should_be(&house, &all).await;
    assert_eq!(reports(&house).await, [], "who pauses a channel knows");
});

on_both!(f22_six_hours_without_a_provider_end_in_one_report, async |house: House| {
    let all = people(&house).await;
    let refuse = AnswerFault::Refuse { status: 401, code: Some("20003".into()), retry_after: None };
    house.sandbox.faults().add(Rule::always(Fault::Answer(refuse)).on(Channel::Twilio));
    house.play_until(at(7, 55)).await;
    for minute in (480..840).step_by(5) {
        house.clock.set(at(0, minute));
        house.settle().await;
    }
    assert!(house.sandbox.ledger().is_empty());
    house.sandbox.faults().clear();
    for minute in (840..900).step_by(5) {
        house.clock.set(at(0, minute));
        house.settle().await;
    }
    none_late_none_doubled(&house, &all).await;
    for number in 0..PATIENTS {
        let sent = house.accepted(&phone(number));
        // What was tried before the channel rested keeps its message.
        assert!((3..=6).contains(&sent.len()), "{sent:?}");
        assert!(sent.iter().all(|minute| *minute <= 870), "drained: {sent:?}");
    }
    let told = reports(&house).await;
    let [(programme, counts)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(programme, "general");
    assert_eq!(counts.iter().sum::<i64>(), 10 * N, "{counts:?}");
});

on_both!(
    f20_what_piled_up_until_the_evening_waits_for_the_morning_or_expires,
    async |mut house: House| {
        let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, &phone(0))])).await;
        house.activity(id, doing(ActivityKind::Measurement, "m", &["16:00"])).await;
        house.activity(id, doing(ActivityKind::Education, "e", &["16:30"])).await;
        house.activity(id, doing(ActivityKind::Education, "f", &["17:00"])).await;
        house.play_until(at(15, 0)).await;
        house.clock.set(at(22, 30));
        house.restart();
        house.play_until(at(33, 0)).await;
        assert_eq!(house.accepted(&phone(0)), [32 * 60], "nothing inside quiet hours");
        let told: Vec<_> = house.story_of(id).await.into_iter().map(|(state, _)| state).collect();
        assert_eq!(told, ["expired", "sent", "sent"]);
    }
);

on_both!(f22_what_is_due_now_passes_a_backlog, async |mut house: House| {
    // More patients than a claim takes, all due while nobody was at work; and one who is due right after it.
    let late = 3 * 32;
    for number in 0..late {
        let to = format!("+35191240{number:04}");
        let id = house.patient(person(&to, "Europe/Lisbon", &[(Sms, &to)])).await;
        house.activity(id, medicine("a", &["13:00"])).await;
    }
    let id = house.patient(person("now", "Europe/Lisbon", &[(Sms, &phone(0))])).await;
    house.activity(id, medicine("a", &["14:00"])).await;
    house.play_until(at(12, 55)).await;
    house.clock.set(at(14, 0));
    house.restart();
    house.play_until(at(14, 1)).await;
    let order = house.sandbox.ledger().entries();
    let place = order.iter().position(|e| e.message.to == phone(0)).unwrap();
    assert!(place < 32, "it waited for {place} others");
    assert_eq!(order.len(), late + 1);
});

on_both!(p2_what_had_given_way_to_a_slot_that_is_withdrawn_unsent_is_said, async |house: House| {
    // A reading and a dose give way to newer ones, of which the plan then loses the reading's and the dose's.
    let (one, other) = (phone(0), phone(1));
    let reader = house.patient(person("p", "Europe/Lisbon", &[(Sms, &one)])).await;
    let taker = house.patient(person("q", "Europe/Lisbon", &[(Sms, &other)])).await;
    let times = ["09:00", "11:00"];
    let reading = house.activity(reader, doing(ActivityKind::Measurement, "m", &times)).await;
    let dose = house.activity(taker, medicine("d", &["11:00"])).await;
    let scope = Scope::Channel("twilio".to_owned());
    pause(&house, &scope).await;
    house.play_until(at(11, 30)).await;
    house.edit(dose, taker, &medicine("d", &["11:00", "11:30"])).await;
    house.settle().await;
    let (status, code) = (429, Some("20429".to_owned()));
    let busy = AnswerFault::Refuse { status, code, retry_after: Some("2100".into()) };
    for phone in [&one, &other] {
        house.sandbox.faults().add(Rule::once(Fault::Answer(busy.clone())).to(phone));
    }
    resume(&house, &scope).await;
    house.play_until(at(11, 40)).await;
    for id in [reader, taker] {
        let told = house.story_of(id).await;
        assert_eq!(told[0], ("superseded", "merged-into".to_owned()), "{told:?}");
        assert_eq!(told[1].0, "queued", "{told:?}");
    }
    house.edit(reading, reader, &doing(ActivityKind::Measurement, "m", &times[..1])).await;
    house.edit(dose, taker, &medicine("d", &["11:00"])).await;
    house.play_until(at(13, 0)).await;
    assert_eq!(house.accepted(&one), [700], "the reading is still due");
    assert_eq!(house.accepted(&other), [0; 0], "an older dose is never said as if it were due now");
});

on_both!(p2_a_newer_slot_that_is_gone_outdates_nothing, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, &phone(0))])).await;
    let times = ["09:00", "11:00"];
    let m = house.activity(id, doing(ActivityKind::Measurement, "m", &times)).await;
    let scope = Scope::Channel("twilio".to_owned());
    pause(&house, &scope).await;
    house.play_until(at(11, 30)).await;
    house.edit(m, id, &doing(ActivityKind::Measurement, "m", &times[..1])).await;
    resume(&house, &scope).await;
    house.play_until(at(12, 0)).await;
    let sent = house.accepted(&phone(0));
    assert!(matches!(sent[..], [690..=691]), "{sent:?}");
    let told = house.story_of(id).await;
    assert_eq!(told, [("sent", "accepted".to_owned()), ("cancelled", "plan-changed".to_owned())]);
});
