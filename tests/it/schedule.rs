//! From plans to reminders and messages: grouping, never twice (P1), never silent (P2). Lisbon keeps UTC in
//! winter, so hours here are the patients' own.

use crate::house::{House, MONDAY, On, at, doing, medicine, on_both, person, planned};
use carebell::care::ChannelKind::{Sms, Whatsapp};
use carebell::care::contact::ConsentDecision;
use carebell::care::ids::PatientId;
use carebell::care::{
    Activity, ActivityKind, ActivityStatus, Patient, PatientStatus, ReceiptStatus, Schedule, UtcMs,
    ZoneRules as _,
};
use carebell::clock::Clock as _;
use carebell::deliver::evidence::{self, Evidence};
use carebell::sandbox::{AnswerFault, CallbackFault, Condition, Fault, Rule};
use carebell::schedule::forecast;
use carebell::store::activities::{ReviewDecision, decide_review};
use carebell::store::{attempts, messages, patients, reminders, standing, story};
use sqlx::Connection as _;
use tokio_util::task::TaskTracker;

const PHONE: &str = "+351912345001";

fn lisbon(phone: &str) -> Patient {
    person(phone, "Europe/Lisbon", &[(Sms, phone)])
}

fn reasons<const N: usize>(pairs: [(&'static str, &str); N]) -> Vec<(&'static str, String)> {
    pairs.into_iter().map(|(state, reason)| (state, reason.to_owned())).collect()
}

async fn disturb(house: &House, patient: PatientId) {
    let mut tx = house.app.store.write().await.unwrap();
    patients::lock(&mut tx, &[patient]).await.unwrap();
    patients::disturb(&mut tx, &[patient], house.app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(one_minute_is_one_message_and_another_class_another, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.activity(id, medicine("b", &["08:00"])).await;
    house.activity(id, doing(ActivityKind::Measurement, "c", &["08:00"])).await;
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 480]);
    assert_eq!(house.reminders().await, [("sent".to_owned(), 3)].into());
});

// What `carebell cost` counts and `carebell messages preview` shows is what the provider then gets, text by text.
on_both!(the_forecast_is_what_the_provider_then_gets, async |house: House| {
    const OTHER: &str = "+351912345002";
    let people = [lisbon(PHONE), person(OTHER, "Europe/Lisbon", &[(Whatsapp, OTHER)])];
    let mut ids = Vec::new();
    for patient in people {
        let id = house.patient(patient).await;
        house.activity(id, medicine("a", &["08:00", "20:00"])).await;
        house.activity(id, medicine("b", &["08:00"])).await;
        house.activity(id, doing(ActivityKind::Measurement, "c", &["08:00"])).await;
        // It waits for the end of the quiet hours.
        house.activity(id, doing(ActivityKind::Education, "d", &["22:30"])).await;
        let schedule = Schedule::Appointment { start: at(39, 30) };
        let visit = doing(ActivityKind::Appointment, "e", &[]);
        house.activity(id, Activity { schedule, ..visit }).await;
        ids.push(id);
    }
    let (app, until) = (&house.app, at(48, 0));
    let mut foreseen = Vec::new();
    for id in ids {
        let mut tx = app.store.read().await.unwrap();
        let known = standing::load(&mut tx, app.store.keys(), &[id]).await.unwrap();
        let (standing, programme) = (&known[&id], app.programmes.get("general").unwrap());
        let zone = app.zones.zone("Europe/Lisbon").unwrap();
        let window = (app.clock.now(), until);
        let configured = [Sms, Whatsapp];
        let channels = app.foreseen_channels(&configured);
        let forecast = forecast(window, standing, programme, &zone, channels);
        assert_eq!(forecast.unsent, 0);
        // The second night's lesson waits beyond the end.
        for message in forecast.messages.iter().filter(|message| message.at < until) {
            let said =
                app.catalogue.render(programme, &message.saying(standing, programme)).unwrap();
            let parameters = said.template.map(|template| {
                template.parameters.into_iter().map(carebell::care::Phi::into_inner).collect()
            });
            let said = parameters.unwrap_or_else(|| vec![said.text.into_inner()]);
            let minute = message.at.since(MONDAY) / 60_000;
            foreseen.push((message.contact.address.expose().to_owned(), minute, said));
        }
    }
    house.play_until(until).await;
    let entries = house.sandbox.ledger().entries();
    let mut got: Vec<(String, i64, Vec<String>)> = entries
        .into_iter()
        .map(|entry| {
            let said = match entry.message.template {
                Some(template) => template.parameters,
                None => vec![entry.message.body.unwrap()],
            };
            (entry.message.to, entry.at.since(MONDAY) / 60_000, said)
        })
        .collect();
    got.sort();
    foreseen.sort();
    // Each day two doses and a reading, a lesson on the second morning, and the appointment twice.
    assert_eq!(foreseen.len(), 2 * (2 * 3 + 1 + 2));
    assert_eq!(foreseen, got);
});

on_both!(f07_a_reminder_after_the_intent_is_a_further_part, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(8, 0)).await;
    house.activity(id, medicine("b", &["08:00"])).await;
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 480]);
    let mut tx = house.app.store.read().await.unwrap();
    let parts = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap();
    assert_eq!(parts.iter().map(|m| m.part).collect::<Vec<_>>(), [0, 1]);
});

on_both!(p1_looking_again_says_nothing_again, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    for then in [planned(), at(8, 0), at(8, 1), at(9, 0)] {
        house.play_until(then).await;
        disturb(&house, id).await;
        house.settle().await;
    }
    assert_eq!(house.accepted(PHONE), [480]);
});

on_both!(p1_a_dose_renamed_after_it_was_sent_is_not_announced_again, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    let dose = house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(8, 5)).await;
    // Each edit renames the slot before its new time; the last one is the first again.
    for (minutes, time) in [(5, "08:15"), (30, "09:00"), (70, "10:00"), (130, "08:00")] {
        house.play_until(at(8, minutes)).await;
        house.edit(dose, id, &medicine("a", &[time])).await;
    }
    house.play_until(at(24, 0)).await;
    assert_eq!(house.accepted(PHONE), [480]);
    let announced = ("superseded", "already-announced");
    assert_eq!(
        house.story_of(id).await,
        reasons([("sent", "accepted"), announced, announced, announced])
    );
    // The next day's dose is another one.
    house.play_until(at(33, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 24 * 60 + 480]);
});

on_both!(p1_a_slot_that_comes_back_was_announced_by_another_name, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    let dose = house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    house.edit(dose, id, &medicine("a", &["08:15"])).await;
    house.play_until(at(8, 20)).await;
    assert_eq!(house.accepted(PHONE), [495]);
    house.edit(dose, id, &medicine("a", &["08:00"])).await;
    house.play_until(at(12, 0)).await;
    assert_eq!(house.accepted(PHONE), [495]);
    assert_eq!(
        house.story_of(id).await,
        reasons([("superseded", "already-announced"), ("sent", "accepted")])
    );
});

on_both!(
    p2_a_dose_comes_back_when_what_had_announced_it_did_not_leave_after_all,
    async |house: House| {
        // One fails by a receipt after the renamed slot was superseded; one waits for its next try meanwhile, which the
        // edit ends; one was sent.
        let (told, withdrawn, sent) = ("+351912345001", "+351912345002", "+351912345003");
        let unreachable = Some(Condition::Unreachable);
        house.sandbox.set_condition(told, unreachable);
        let later = Fault::Callbacks(CallbackFault::DelayedMs(40 * 60_000));
        house.sandbox.faults().add(Rule::once(later).to(told));
        let busy = |after: &str| AnswerFault::Refuse {
            status: 429,
            code: Some("20429".into()),
            retry_after: Some(after.into()),
        };
        house.sandbox.faults().add(Rule::once(Fault::Answer(busy("2100"))).to(withdrawn));
        let mut doses = Vec::new();
        for phone in [told, withdrawn, sent] {
            // Over SMS a handset that is off is tried once more.
            let kind = if phone == told { Whatsapp } else { Sms };
            let id = house.patient(person(phone, "Europe/Lisbon", &[(kind, phone)])).await;
            doses.push((id, house.activity(id, medicine("a", &["08:00"])).await));
        }
        house.play_until(at(8, 10)).await;
        let before = house.accepted(told);
        house.sandbox.set_condition(told, None);
        for (id, dose) in &doses {
            house.edit(*dose, *id, &medicine("a", &["08:30"])).await;
        }
        house.play_until(at(8, 31)).await;
        let now = [house.accepted(told), house.accepted(withdrawn), house.accepted(sent)];
        assert_eq!(now, [before, vec![510], vec![480]]);
        house.play_until(at(12, 0)).await;
        assert_eq!(house.accepted(told), [480, 520]);
        assert_eq!(house.accepted(withdrawn), [510]);
        assert_eq!(house.accepted(sent), [480]);
        let back = reasons([("failed", "refused"), ("sent", "accepted")]);
        assert_eq!(house.story_of(doses[0].0).await, back);
        let back = reasons([("cancelled", "plan-changed"), ("sent", "accepted")]);
        assert_eq!(house.story_of(doses[1].0).await, back);
        let stays = reasons([("sent", "accepted"), ("superseded", "already-announced")]);
        assert_eq!(house.story_of(doses[2].0).await, stays);
    }
);

/// Whoever gives a dose back takes its patient's row before its message's, as a wake does: else they wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_a_dose_back_and_waking_its_patient_take_rows_in_one_order() {
    let Some(house) = House::build(On::Postgres).await else { return };
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    let id = house.patient(lisbon(PHONE)).await;
    let dose = house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(8, 10)).await;
    house.edit(dose, id, &medicine("a", &["08:30"])).await;
    house.play_until(at(8, 31)).await;
    let announced = house.reminders_of(id).await.remove(0);
    let mut wake = house.app.store.write().await.unwrap();
    patients::lock(&mut wake, &[id]).await.unwrap();
    let message = announced.message.unwrap();
    let attempt = attempts::of_messages(&mut wake, &[message]).await.unwrap().remove(0);
    let deps = house.daemon.deliverer().deps().clone();
    let now = house.clock.now();
    let giving_back = TaskTracker::new().spawn(async move {
        let failed = ReceiptStatus::Failed;
        let told = Evidence::receipt(attempt.id, failed, None, attempt.provider_id.unwrap());
        let mut tx = deps.store.write().await.unwrap();
        evidence::apply(&deps, &mut tx, &[told], now).await.unwrap();
        tx.commit().await.unwrap();
    });
    let mut witness = sqlx::PgConnection::connect(&house.database_url()).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut witness).await.unwrap() == 0 {
        assert!(!giving_back.is_finished(), "it gave nothing back");
    }
    assert_eq!(messages::at_minutes(&mut wake, &[id], at(8, 0)).await.unwrap().len(), 1);
    wake.commit().await.unwrap();
    giving_back.await.unwrap();
    house.play_until(at(9, 0)).await;
    let back = reasons([("failed", "refused"), ("sent", "accepted")]);
    assert_eq!(house.story_of(id).await, back);
}

on_both!(p1_the_nearest_neighbour_counts_on_both_sides, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    let dose = house.activity(id, medicine("a", &["07:00", "08:00", "20:00"])).await;
    house.play_until(at(8, 5)).await;
    // 09:00 is two hours after 07:00; what was sent an hour from it is not it.
    house.edit(dose, id, &medicine("a", &["07:00", "09:00", "20:00"])).await;
    house.play_until(at(12, 0)).await;
    assert_eq!(house.accepted(PHONE), [420, 480, 540]);
});

on_both!(p1_a_change_of_zone_neither_doubles_nor_loses_a_slot, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    house.activity(id, medicine("a", &["08:00", "20:00"])).await;
    let zones = ["Asia/Tokyo", "America/New_York", "Pacific/Auckland", "Europe/Lisbon"];
    for (day, zone) in (0..).zip(zones) {
        house.play_until(at(24 * day + 14, 7)).await;
        house.change(id, |patient| zone.clone_into(&mut patient.zone)).await;
    }
    house.play_until(at(24 * 6, 0)).await;
    let rows = house.reminders_of(id).await;
    let mut slots: Vec<_> = rows.iter().map(|r| r.slot.planned).collect();
    slots.sort();
    let all = slots.len();
    slots.dedup();
    assert_eq!(slots.len(), all, "a slot has two rows");
    assert!(all >= 12, "{all} rows of six days");
    let sent = rows.iter().filter(|r| r.state.word() == "sent").count();
    assert_eq!(house.accepted(PHONE).len(), sent);
    assert!(rows.iter().all(|r| matches!(r.state.word(), "sent" | "superseded" | "expired")));
});

on_both!(p1_a_waiting_message_follows_its_slot_to_another_zone, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    house.activity(id, doing(ActivityKind::Measurement, "m", &["06:00"])).await;
    house.play_until(at(7, 0)).await;
    house.change(id, |patient| "America/New_York".clone_into(&mut patient.zone)).await;
    house.play_until(at(20, 0)).await;
    // 06:00 there is 11:00 here; its quiet hours end at 13:00 here.
    assert_eq!(house.accepted(PHONE), [13 * 60]);
    let mut tx = house.app.store.read().await.unwrap();
    let all = messages::at_minutes(&mut tx, &[id], MONDAY).await.unwrap();
    let ids: Vec<_> = all.iter().map(|m| m.id.0).collect();
    let turns = story::of(&mut tx, &ids).await.unwrap();
    assert!(turns.len() < 10, "a message woke {} times in vain", turns.len());
});

on_both!(p1_slots_that_a_gap_merges_are_announced_once, async |house: House| {
    // Lisbon skips 01:00 to 02:00 on 28 March 2027 (IANA).
    let eve = UtcMs(1_806_148_800_000);
    house.clock.set(eve);
    let id = house.patient(lisbon(PHONE)).await;
    house.activity(id, medicine("a", &["01:30", "02:30"])).await;
    house.play_until(eve.plus_ms(26 * 3_600_000)).await;
    let rows = house.reminders_of(id).await;
    let merged: Vec<_> = rows.iter().filter(|r| r.reason.word() == "merged-into").collect();
    assert_eq!(merged.len(), 1, "{rows:?}");
    let sent: Vec<_> = rows.iter().filter(|r| r.state.word() == "sent").collect();
    assert_eq!(sent.iter().filter(|r| r.due_at == merged[0].due_at).count(), 1);
    assert_eq!(house.sandbox.ledger().len(), sent.len());
});

on_both!(p1_f04_two_daemons_on_one_database_double_nothing, async |house: House| {
    let phones: Vec<String> = (0..40).map(|n| format!("+3519123460{n:02}")).collect();
    for phone in &phones {
        let id = house.patient(lisbon(phone)).await;
        house.activity(id, medicine("a", &["08:00"])).await;
        house.activity(id, doing(ActivityKind::Measurement, "b", &["08:01"])).await;
    }
    let other = house.daemon();
    for then in [planned(), at(8, 0), at(8, 1)] {
        house.clock.set(then);
        loop {
            let (one, two) = tokio::join!(house.daemon.step(), other.step());
            let quiet = house.daemon.is_quiet().await.unwrap() && other.is_quiet().await.unwrap();
            if !one.unwrap() && !two.unwrap() && quiet {
                break;
            }
        }
    }
    house.play_until(at(9, 0)).await;
    for phone in &phones {
        assert_eq!(house.accepted(phone), [480, 481]);
    }
    assert_eq!(house.reminders().await, [("sent".to_owned(), 80)].into());
});

on_both!(p2_f72_every_slot_ends_with_its_reason, async |house: House| {
    use PatientStatus::{Admitted, Deceased, Paused};
    let mut expected = Vec::new();
    let mut number = 0;
    let mut next = || {
        number += 1;
        format!("+3519123470{number:02}")
    };
    let mut soon = Vec::new();
    for (status, end) in [(Paused, "suppressed"), (Admitted, "suppressed"), (Deceased, "cancelled")]
    {
        // Known before the slot came due, and between planning and sending. The dead have no slots to come.
        let id = house.patient(lisbon(&next())).await;
        house.activity(id, medicine("a", &["08:00"])).await;
        soon.push((id, status));
        expected.push((id, end, "patient-status"));
        if status != Deceased {
            let id = house.patient(lisbon(&next())).await;
            house.activity(id, medicine("a", &["08:00"])).await;
            house.status(id, status).await;
            expected.push((id, end, "patient-status"));
        }
    }
    for (key, change, end, reason) in [
        ("no consent", (|p| p.consents.clear()) as fn(&mut Patient), "blocked", "no-consent"),
        (
            "refused",
            |p| p.consents[0].decision = ConsentDecision::Refused,
            "blocked",
            "consent-refused",
        ),
        ("no contact", |p| p.contacts.clear(), "blocked", "no-contact"),
        ("no text", |p| "de".clone_into(&mut p.language), "blocked", "no-text"),
    ] {
        let mut patient = Patient { key: key.into(), ..lisbon("+351912347999") };
        change(&mut patient);
        let id = house.patient(patient).await;
        house.activity(id, medicine("a", &["08:00"])).await;
        expected.push((id, end, reason));
    }
    let mut held = Vec::new();
    for (status, end, reason) in [
        (ActivityStatus::OnHold, "suppressed", "on-hold"),
        (ActivityStatus::Stopped, "cancelled", "plan-changed"),
        (ActivityStatus::EnteredInError, "cancelled", "plan-changed"),
    ] {
        let id = house.patient(lisbon(&next())).await;
        let dose = house.activity(id, medicine("a", &["08:00"])).await;
        held.push((id, dose, status));
        expected.push((id, end, reason));
    }
    let id = house.patient(lisbon(&next())).await;
    let mut doubtful = medicine("a", &["08:00"]);
    doubtful.review.push("no status".to_owned());
    house.activity(id, doubtful).await;
    expected.push((id, "blocked", "needs-review"));

    house.play_until(planned()).await;
    for (id, status) in soon {
        house.status(id, status).await;
    }
    for (id, dose, status) in held {
        let changed = carebell::care::Activity { status, ..medicine("a", &["08:00"]) };
        house.edit(dose, id, &changed).await;
    }
    house.play_until(at(12, 0)).await;
    for (id, end, reason) in expected {
        assert_eq!(house.story_of(id).await, reasons([(end, reason)]));
    }
    assert!(house.sandbox.ledger().is_empty());
});

on_both!(p2_downtime_ends_in_rows_and_not_in_a_flood, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    let dose = house.activity(id, medicine("a", &["08:00"])).await;
    let times = ["06:00", "07:00", "08:10"];
    let measuring = house.activity(id, doing(ActivityKind::Measurement, "m", &times)).await;
    let mut visit = doing(ActivityKind::Appointment, "v", &[]);
    visit.schedule = Schedule::Appointment { start: at(72 + 10, 0) };
    house.activity(id, visit).await;
    house.settle().await;
    house.clock.set(at(72 + 8, 30));
    house.settle().await;
    let mut tx = house.app.store.read().await.unwrap();
    let mut gaps = reminders::gaps_of(&mut tx, &[dose, measuring]).await.unwrap();
    gaps.sort_by_key(|gap| gap.slots);
    assert_eq!(gaps.iter().map(|gap| gap.slots).collect::<Vec<_>>(), [2, 6]);
    drop(tx);
    let rows = house.reminders_of(id).await;
    let sent: Vec<_> = rows.iter().filter(|r| r.state.word() == "sent").map(|r| r.due_at).collect();
    // Dose of 08:00, newest measurement, newest notice of the visit: nothing older that is still valid.
    assert_eq!(sent, [at(80, 0), at(80, 0), at(80, 10)]);
    assert_eq!(house.accepted(PHONE), [80 * 60 + 30; 3]);
    // Looking again finds nothing new, least of all under the gap rows.
    let count = rows.len();
    disturb(&house, id).await;
    house.play_until(at(72 + 12, 0)).await;
    assert_eq!(house.reminders_of(id).await.len(), count);
    assert_eq!(house.accepted(PHONE).len(), 3);
});

on_both!(p2_a_stopped_slot_comes_back_while_it_is_valid, async |house: House| {
    let back = house.patient(lisbon(PHONE)).await;
    house.activity(back, medicine("a", &["08:00"])).await;
    let late = house.patient(lisbon("+351912345002")).await;
    house.activity(late, medicine("a", &["08:00"])).await;
    house.status(back, PatientStatus::Paused).await;
    house.status(late, PatientStatus::Paused).await;
    house.play_until(at(8, 30)).await;
    house.status(back, PatientStatus::Active).await;
    house.play_until(at(10, 0)).await;
    house.status(late, PatientStatus::Active).await;
    house.play_until(at(12, 0)).await;
    assert_eq!(house.accepted(PHONE), [510]);
    assert!(house.accepted("+351912345002").is_empty());
    assert_eq!(house.story_of(late).await, reasons([("suppressed", "patient-status")]));
});

on_both!(p2_what_was_held_comes_back_though_its_neighbour_was_sent, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let held = house.activity(id, medicine("b", &["08:00"])).await;
    house.play_until(planned()).await;
    let hold =
        carebell::care::Activity { status: ActivityStatus::OnHold, ..medicine("b", &["08:00"]) };
    house.edit(held, id, &hold).await;
    house.play_until(at(8, 30)).await;
    assert_eq!(house.accepted(PHONE), [480]);
    house.edit(held, id, &medicine("b", &["08:00"])).await;
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 510]);
});

on_both!(p2_a_confirmed_slot_comes_back_while_it_is_valid, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    let mut doubtful = medicine("a", &["08:00"]);
    doubtful.review.push("no status".to_owned());
    let dose = house.activity(id, doubtful).await;
    house.play_until(at(8, 10)).await;
    let mut tx = house.app.store.write().await.unwrap();
    patients::lock(&mut tx, &[id]).await.unwrap();
    let now = at(8, 10);
    assert!(decide_review(&mut tx, dose, 1, ReviewDecision::Confirm, now).await.unwrap());
    patients::disturb(&mut tx, &[id], now).await.unwrap();
    tx.commit().await.unwrap();
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [490]);
});

on_both!(p5_quiet_hours_move_no_dose, async |house: House| {
    let id = house.patient(lisbon(PHONE)).await;
    house.activity(id, medicine("dose", &["03:00"])).await;
    house.activity(id, doing(ActivityKind::Measurement, "waits", &["05:00"])).await;
    house.activity(id, doing(ActivityKind::Measurement, "too late", &["21:30"])).await;
    house.activity(id, doing(ActivityKind::Education, "tomorrow", &["22:30"])).await;
    house.play_until(at(24, 0)).await;
    assert_eq!(house.accepted(PHONE), [180, 480]);
    let rows = house.reminders_of(id).await;
    let late = rows.iter().find(|r| r.due_at == at(21, 30)).unwrap();
    assert_eq!(
        (late.state.word(), late.reason.word().as_str()),
        ("expired", "quiet-until-too-late")
    );
    house.play_until(at(32, 0)).await;
    assert!(house.accepted(PHONE).contains(&(32 * 60)));
});

on_both!(p6_f60_what_changes_before_the_claim_is_heeded, async |house: House| {
    let id = house.patient(person("w", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    house.change(id, |patient| "fr".clone_into(&mut patient.language)).await;
    house.play_until(at(9, 0)).await;
    let sent = house.sandbox.ledger().entries();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].message.template.as_ref().unwrap().language, "fr");
});
