//! Failures that other systems had, each under its number in the reports; most numbers stand beside the promise they
//! belong to, in the files next to this one. The oracle is the stand-in's ledger.

use crate::house::{House, On, at, doing, medicine, on_both, person, planned};
use carebell::care::ChannelKind::Sms;
use carebell::care::{ActivityKind, PatientStatus, Schedule};
use carebell::deliver::sweep::sweep_once;
use carebell::sandbox::{AnswerFault, Channel, Fault, Reply, Rule};

const PHONE: &str = "+351912345001";
const DAY: i64 = 24 * 60;

on_both!(f01_a_sibling_that_never_leaves_does_not_send_the_other_again, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.activity(id, doing(ActivityKind::Measurement, "b", &["08:00"])).await;
    for day in 0..7 {
        house.play_until(planned().plus_ms(day * DAY * 60_000)).await;
        let sibling = "UPDATE reminders SET local_time = 'x', reason = '?' \
            WHERE class = 'measurement' AND state = 'queued'";
        assert_eq!(house.damage(sibling).await, 1);
        house.play_until(at(24 * day + 9, 0)).await;
        // Nobody reads it any more: it would stop its patient's next wake.
        house.damage("DELETE FROM reminders WHERE reason = '?'").await;
    }
    let daily: Vec<i64> = (0..7).map(|day| day * DAY + 480).collect();
    assert_eq!(house.accepted(PHONE), daily);
});

on_both!(f02_one_reply_has_one_answer_and_equal_texts_both_go, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00", "20:00"])).await;
    house.play_until(at(7, 0)).await;
    house.sandbox.reply(Reply::text(Channel::Twilio, PHONE, "what is this")).await.unwrap();
    house.play_until(at(7, 30)).await;
    assert!(house.sandbox.ledger().is_empty(), "a person answers what is no keyword");
    // Twilio has answered this one itself, and says so.
    house.sandbox.reply(Reply::text(Channel::Twilio, PHONE, "HELP")).await.unwrap();
    house.play_until(at(7, 40)).await;
    assert!(house.sandbox.ledger().is_empty(), "one answer is enough");
    house.sandbox.reply(Reply::text(Channel::Twilio, PHONE, "msaada")).await.unwrap();
    house.play_until(at(21, 0)).await;
    assert_eq!(house.accepted(PHONE), [460, 480, 20 * 60]);
});

on_both!(f12_a_sweep_while_a_herd_is_under_way_sends_nothing_again, async |house: House| {
    let phones: Vec<String> = (0..80).map(|n| format!("+3519123461{n:02}")).collect();
    for phone in &phones {
        let id = house.patient(person(phone, "Europe/Lisbon", &[(Sms, phone)])).await;
        house.activity(id, medicine("a", &["08:00"])).await;
    }
    house.play_until(planned()).await;
    house.clock.set(at(8, 0));
    let deps = house.daemon.deliverer().deps();
    house.sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Hold)));
    while house.sandbox.held() < 32 {
        house.daemon.step().await.unwrap();
        sweep_once(deps).await.unwrap();
    }
    house.sandbox.faults().clear();
    house.sandbox.release();
    while house.accepted(&phones[79]).is_empty() || !house.daemon.is_quiet().await.unwrap() {
        house.daemon.step().await.unwrap();
        sweep_once(deps).await.unwrap();
    }
    house.play_until(at(9, 0)).await;
    for phone in &phones {
        assert_eq!(house.accepted(phone), [480]);
    }
});

on_both!(f21_no_retry_outlives_the_appointment, async |house: House| {
    // What is tried a few times, and what is tried for as long as it is of use.
    for (day, (status, code)) in (0..).zip([(429, "20429"), (401, "20003")]) {
        let phone = format!("+35191234500{day}");
        let id = house.patient(person(&phone, "Europe/Lisbon", &[(Sms, &phone)])).await;
        let mut visit = doing(ActivityKind::Appointment, "v", &[]);
        visit.schedule = Schedule::Appointment { start: at(24 * day + 14, 0) };
        house.activity(id, visit).await;
        let code = Some(code.to_owned());
        let refused = AnswerFault::Refuse { status, code, retry_after: None };
        house.sandbox.faults().add(Rule::always(Fault::Answer(refused)));
        house.play_until(at(24 * day + 14, 0)).await;
        house.sandbox.faults().clear();
        house.play_until(at(24 * day + 22, 0)).await;
        assert!(house.sandbox.ledger().is_empty(), "{status}");
        let told = house.story_of(id).await;
        assert!(told.iter().all(|(state, _)| matches!(*state, "expired" | "failed")), "{told:?}");
        assert!(!told.is_empty());
    }
});

on_both!(f23_who_comes_back_after_ninety_days_hears_of_today_alone, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.status(id, PatientStatus::Paused).await;
    house.play_until(at(90 * 24 + 7, 0)).await;
    house.status(id, PatientStatus::Active).await;
    house.play_until(at(90 * 24 + 9, 0)).await;
    assert_eq!(house.accepted(PHONE), [90 * DAY + 480]);
    let suppressed = house.reminders().await.get("suppressed").copied();
    assert_eq!(suppressed, Some(90), "what was not said is accounted for");
});

on_both!(f24_a_date_alone_is_the_patients_date, async |house: House| {
    let id = house.patient(person("p", "Asia/Dhaka", &[(Sms, PHONE)])).await;
    let mut early = medicine("a", &["05:45"]);
    // Tuesday begins in Dhaka at 18:00 on Monday by UTC.
    early.anchor = "2026-11-24".to_owned();
    house.activity(id, early).await;
    house.play_until(at(47, 0)).await;
    assert_eq!(house.accepted(PHONE), [23 * 60 + 45]);
});

on_both!(f27_what_is_due_on_the_tick_leaves_on_it_and_once, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00", "08:30"])).await;
    house.play_until(planned()).await;
    for (from_due_ms, sent) in [(-1, 0), (0, 1), (1, 1), (1_000, 1)] {
        house.clock.set(at(8, 0).plus_ms(from_due_ms));
        house.settle().await;
        assert_eq!(house.sandbox.ledger().len(), sent, "{from_due_ms} ms from due");
    }
    // The next wake falls on its instant, and a second earlier and later.
    for from_wake_ms in [-61_000, -60_001, -60_000, -59_999] {
        house.clock.set(at(8, 30).plus_ms(from_wake_ms));
        house.settle().await;
    }
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 510]);
});

on_both!(f28_what_is_due_together_leaves_together, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    for key in ["a", "b", "c", "d", "e"] {
        house.activity(id, medicine(key, &["08:00"])).await;
    }
    house.play_until(planned()).await;
    house.clock.set(at(8, 0));
    house.settle().await;
    assert_eq!(house.accepted(PHONE), [480], "one message for all five");
    assert_eq!(house.reminders().await, [("sent".to_owned(), 5)].into());
});

on_both!(
    f73_a_visit_that_moved_after_it_was_queued_is_told_of_at_its_new_time,
    async |house: House| {
        let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
        let mut visit = doing(ActivityKind::Appointment, "v", &[]);
        visit.schedule = Schedule::Appointment { start: at(14, 0) };
        let key = house.activity(id, visit.clone()).await;
        // It is heard of two hours before.
        house.play_until(at(12, 0).plus_ms(-30_000)).await;
        assert_eq!(house.story_of(id).await.last().unwrap().0, "queued");
        visit.schedule = Schedule::Appointment { start: at(18, 0) };
        house.edit(key, id, &visit).await;
        house.play_until(at(20, 0)).await;
        assert_eq!(house.accepted(PHONE), [16 * 60]);
    }
);
