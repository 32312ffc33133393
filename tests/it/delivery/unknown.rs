//! Outcomes that nobody knows (design.md section 6). The oracle is the stand-in's ledger.

use crate::house::{House, On, at, doing, medicine, on_both, person};
use crate::process::until;
use carebell::care::ChannelKind::{self, Sms, Whatsapp};
use carebell::care::ids::PatientId;
use carebell::care::{ActivityKind, Schedule};
use carebell::sandbox::{AnswerFault, CallbackFault, Fault, Rule};
use carebell::store::attempts;

const PHONE: &str = "+351912345001";

fn lisbon(channel: ChannelKind) -> carebell::care::Patient {
    person("p", "Europe/Lisbon", &[(channel, PHONE)])
}

fn visit(house_hours: i64) -> carebell::care::Activity {
    let mut visit = doing(ActivityKind::Appointment, "v", &[]);
    visit.schedule = Schedule::Appointment { start: at(house_hours, 0) };
    visit
}

/// The request was taken and the answer lost, in every way there is.
const LOST_ANSWERS: [AnswerFault; 3] =
    [AnswerFault::Drop, AnswerFault::Fail { status: 500 }, AnswerFault::Garbage];

on_both!(p4_a_receipt_settles_a_lost_answer, async |house: House| {
    let mut day = 0;
    for channel in [Whatsapp, Sms] {
        for answer in LOST_ANSWERS {
            let phone = format!("+35191234501{day}");
            let patient = person(&phone, "Europe/Lisbon", &[(channel, &phone)]);
            let id = house.patient(patient).await;
            let dose = house.activity(id, medicine("a", &["08:00"])).await;
            house.sandbox.faults().add(Rule::once(Fault::Answer(answer.clone())).to(&phone));
            house.play_until(at(24 * day + 12, 0)).await;
            assert_eq!(house.accepted(&phone).len(), 1, "{answer:?} on {channel:?}");
            assert_eq!(house.story_of(id).await, [("sent", "receipt".to_owned())], "{answer:?}");
            let mut ended = medicine("a", &["08:00"]);
            ended.status = carebell::care::ActivityStatus::Stopped;
            house.edit(dose, id, &ended).await;
            day += 1;
        }
    }
});

on_both!(p4_f05_a_dose_stays_unknown_with_a_task_and_is_never_resent, async |house: House| {
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(20, 0)).await;
    assert_eq!(house.accepted(PHONE), [480]);
    assert_eq!(house.story_of(id).await, [("unknown", "stays-unknown".to_owned())]);
    assert_eq!(house.tasks().await, [("unknown-dose".to_owned(), 1)].into());
});

on_both!(p4_a_connection_that_died_unread_is_unknown_too, async |house: House| {
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::once(Fault::DropBeforeReading));
    house.play_until(at(20, 0)).await;
    let told = house.story_of(id).await;
    // The client either knows that nothing was written and tries again, or it knows nothing and never does.
    let sent = house.accepted(PHONE).len();
    assert!(
        (told[0].0, sent) == ("unknown", 0) || (told[0].0, sent) == ("sent", 1),
        "{told:?}, {sent} accepted"
    );
});

on_both!(p4_a_late_receipt_closes_the_task, async |house: House| {
    let week = 7 * 24 * 3_600_000;
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let late = Fault::Callbacks(CallbackFault::DelayedMs(week));
    house.sandbox.faults().add(Rule::once(late));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(9, 0)).await;
    assert_eq!(house.story_of(id).await[0].0, "unknown");
    house.play_until(at(24 * 8, 0)).await;
    assert_eq!(house.story_of(id).await[0], ("sent", "receipt".to_owned()));
    assert_eq!(house.tasks().await, [].into());
    assert_eq!(house.accepted(PHONE).first(), Some(&480));
});

on_both!(p4_the_providers_list_settles_where_it_has_one, async |house: House| {
    let id = house.patient(lisbon(Sms)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(9, 0)).await;
    assert_eq!(house.story_of(id).await, [("sent", "looked-up".to_owned())]);
    assert_eq!(house.accepted(PHONE), [480]);
});

/// A dose of 08:00 whose request died unread: nobody knows, and nothing left.
async fn unread(house: &House) -> PatientId {
    let id = house.patient(lisbon(Sms)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::once(Fault::DropBeforeReading));
    house.play_until(at(8, 1)).await;
    assert_eq!(house.story_of(id).await[0].0, "unknown");
    id
}

/// The lease runs on the database's clock, which the test does not drive.
async fn end_leases(house: &House) {
    house.damage("UPDATE attempts SET lease_until_ms = 0").await;
}

on_both!(
    p2_p7_who_moves_while_an_outcome_is_open_is_reminded_by_the_new_clock,
    async |house: House| {
        let id = unread(&house).await;
        house.change(id, |patient| "America/New_York".clone_into(&mut patient.zone)).await;
        house.play_until(at(8, 1).plus_ms(30_000)).await;
        end_leases(&house).await;
        house.play_until(at(12, 0)).await;
        assert!(house.accepted(PHONE).is_empty(), "said by the old clock");
        house.play_until(at(20, 0)).await;
        assert_eq!(house.accepted(PHONE), [13 * 60], "eight in New York");
    }
);

on_both!(
    p2_p7_what_a_move_puts_into_the_past_ends_and_does_not_ring_for_ever,
    async |house: House| {
        let id = unread(&house).await;
        house.change(id, |patient| "Asia/Kolkata".clone_into(&mut patient.zone)).await;
        house.play_until(at(8, 1).plus_ms(30_000)).await;
        end_leases(&house).await;
        house.play_until(at(8, 20)).await;
        assert_eq!(house.story_of(id).await, [("expired", "past-validity".to_owned())]);
        assert!(house.accepted(PHONE).is_empty());
    }
);

on_both!(
    p4_what_the_providers_list_lacks_goes_again_once_it_must_be_there,
    async |house: House| {
        let id = unread(&house).await;
        end_leases(&house).await;
        house.play_until(at(8, 1).plus_ms(59_000)).await;
        assert!(house.accepted(PHONE).is_empty(), "missed too early");
        house.play_until(at(8, 10)).await;
        assert_eq!(house.accepted(PHONE).len(), 1);
        assert_eq!(house.story_of(id).await[0].0, "sent");
        assert_eq!(house.tasks().await, [].into());
    }
);

on_both!(p4_an_appointment_is_repeated_once_and_says_so, async |house: House| {
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, visit(14)).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(20, 0)).await;
    let sent = house.sandbox.ledger().entries();
    let names: Vec<_> =
        sent.iter().map(|e| e.message.template.as_ref().unwrap().name.as_str()).collect();
    assert_eq!(names, ["carebell_appointment", "carebell_appointment_repeat"]);
    assert_eq!(house.story_of(id).await[0], ("unknown", "stays-unknown".to_owned()));
    // Both were taken after all; the second receipt is told as a double.
    assert!(sent.iter().all(|e| e.at < at(14, 0)));
});

on_both!(p4_education_is_not_worth_a_repeat, async |house: House| {
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, doing(ActivityKind::Education, "e", &["10:00"])).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(24 + 9, 0)).await;
    assert_eq!(house.accepted(PHONE), [600]);
    assert_eq!(house.story_of(id).await, [("unknown", "dropped".to_owned())]);
});

on_both!(p4_an_answer_that_never_ends_is_unknown, async |house: House| {
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::once(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::HoldBody)));
    house.clock.set(at(8, 0));
    while house.daemon.step().await.unwrap() || !house.daemon.is_quiet().await.unwrap() {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.story_of(id).await[0].0, "unknown");
    house.sandbox.release();
    house.play_until(at(20, 0)).await;
    assert_eq!(house.accepted(PHONE), [480]);
    assert_eq!(house.story_of(id).await[0].0, "unknown");
});

on_both!(p3_f06_a_late_writer_is_evidence_and_no_more, async |house: House| {
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Hold)));
    house.clock.set(at(8, 0));
    while house.sandbox.held() == 0 {
        house.daemon.step().await.unwrap();
        tokio::task::yield_now().await;
    }
    // Another daemon holds this one for dead.
    let mut tx = house.app.store.read().await.unwrap();
    let dead = attempts::open_instances(&mut tx).await.unwrap();
    drop(tx);
    assert_eq!(house.daemon().deliverer().find_lost(&dead).await.unwrap(), 1);
    assert_eq!(house.story_of(id).await, [("unknown", "lost-instance".to_owned())]);
    house.sandbox.release();
    house.play_until(at(12, 0)).await;
    assert_eq!(house.story_of(id).await, [("sent", "accepted".to_owned())]);
    assert_eq!(house.accepted(PHONE), [480]);
    assert_eq!(house.tasks().await, [].into());
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_f06_a_late_writer_that_knows_less_changes_nothing_on_sqlite() {
    knows_less(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_f06_p11_a_late_writer_that_knows_less_changes_nothing_on_postgres() {
    knows_less(On::Postgres).await;
}

/// A daemon that is held for dead ends its request without an answer when the receipts have told all.
async fn knows_less(on: On) {
    let Some(house) = House::with_timeout(on, 1_000).await else { return };
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Hold)));
    house.clock.set(at(8, 0));
    while house.sandbox.held() == 0 {
        house.daemon.step().await.unwrap();
        tokio::task::yield_now().await;
    }
    let other = house.daemon();
    let mut tx = house.app.store.read().await.unwrap();
    let dead = attempts::open_instances(&mut tx).await.unwrap();
    drop(tx);
    assert_eq!(other.deliverer().find_lost(&dead).await.unwrap(), 1);
    house.clock.set(at(8, 5));
    until("the receipts have told all", async || {
        house.sandbox.tick().await;
        other.step().await.unwrap();
        house.story_of(id).await == [("sent", "receipt".to_owned())]
    })
    .await;
    until("its request has run out of time", async || house.daemon.deliverer().in_flight() == 0)
        .await;
    house.sandbox.release();
    house.play_until(at(12, 0)).await;
    assert_eq!(house.story_of(id).await, [("sent", "receipt".to_owned())]);
    assert_eq!(house.accepted(PHONE), [480]);
    assert_eq!(house.tasks().await, [].into());
}

// The first answer is lost and its receipt comes while the repeat is under way; the repeat's own end is unknown.
on_both!(p8_a_receipt_of_the_first_counts_while_the_repeat_is_under_way, async |house: House| {
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, visit(14)).await;
    let late = Fault::Callbacks(CallbackFault::DelayedMs(11 * 60_000));
    house.sandbox.faults().add(Rule::once(late));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(12, 9)).await;
    house.sandbox.faults().add(Rule::once(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Hold)));
    house.clock.set(at(12, 10));
    while house.sandbox.held() == 0 {
        house.daemon.step().await.unwrap();
        tokio::task::yield_now().await;
    }
    house.clock.set(at(12, 12));
    house.sandbox.tick().await;
    while house.daemon.step().await.unwrap() || !house.daemon.is_quiet().await.unwrap() {
        tokio::task::yield_now().await;
    }
    house.sandbox.release();
    house.play_until(at(14, 0)).await;
    assert_eq!(house.accepted(PHONE), [720, 730]);
    assert_eq!(house.story_of(id).await[0], ("sent", "receipt".to_owned()));
});

on_both!(p8_what_was_stopped_after_its_intent_stays_stopped_or_was_sent, async |house: House| {
    use carebell::care::PatientStatus::{Active, Paused};
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, visit(14)).await;
    let late = Fault::Callbacks(CallbackFault::DelayedMs(5 * 3_600_000));
    house.sandbox.faults().add(Rule::once(late));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(12, 5)).await;
    house.status(id, Paused).await;
    house.play_until(at(12, 20)).await;
    assert_eq!(house.story_of(id).await[0].0, "suppressed");
    // Forward-only begins with the first intent: it does not come back as if nothing had been said.
    house.status(id, Active).await;
    house.play_until(at(14, 0)).await;
    assert_eq!(house.accepted(PHONE), [720]);
    assert_eq!(house.story_of(id).await[0].0, "suppressed");
    house.play_until(at(20, 0)).await;
    assert_eq!(house.story_of(id).await[0], ("sent", "receipt".to_owned()));
});

/// The first answer is lost with every receipt; then the repeat meets `fault`.
async fn repeat_that_meets(house: &House, fault: Fault) -> PatientId {
    let id = house.patient(lisbon(Whatsapp)).await;
    house.activity(id, visit(14)).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(12, 5)).await;
    assert_eq!(house.story_of(id).await[0].0, "unknown");
    house.sandbox.faults().add(Rule::always(fault));
    id
}

fn refusal(status: u16, code: &str) -> Fault {
    let code = Some(code.to_owned());
    Fault::Answer(AnswerFault::Refuse { status, code, retry_after: None })
}

on_both!(p4_a_refused_repeat_says_nothing_of_the_first, async |house: House| {
    let id = repeat_that_meets(&house, refusal(400, "131026")).await;
    house.play_until(at(20, 0)).await;
    assert_eq!(house.accepted(PHONE), [720]);
    assert_eq!(house.story_of(id).await, [("unknown", "stays-unknown".to_owned())]);
});

on_both!(p4_a_repeat_that_runs_out_of_time_says_nothing_of_the_first, async |house: House| {
    let id = repeat_that_meets(&house, refusal(401, "190")).await;
    house.play_until(at(12, 15)).await;
    let scope = carebell::care::hold::Scope::Sending;
    let (actor, because) = ("operator".to_owned(), "a test".to_owned());
    let stop = carebell::care::hold::Hold { scope, until: None, actor, because, at: at(12, 15) };
    let mut tx = house.app.store.write().await.unwrap();
    carebell::store::holds::set(&mut tx, &stop).await.unwrap();
    tx.commit().await.unwrap();
    house.play_until(at(14, 30)).await;
    assert_eq!(house.accepted(PHONE), [720]);
    assert_eq!(house.story_of(id).await, [("unknown", "stays-unknown".to_owned())]);
});
