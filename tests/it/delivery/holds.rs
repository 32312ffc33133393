//! The operator's hand on the sends: the emergency stop and paused channels (design.md section 3, hazard H16). The
//! oracle is the stand-in's ledger.

use crate::house::{House, On, at, doing, medicine, on_both, person, planned};
use carebell::care::ChannelKind::{Email, Sms, Whatsapp};
use carebell::care::hold::{Hold, Scope};
use carebell::care::{ActivityKind, Class, Schedule};
use carebell::sandbox::{AnswerFault, Channel, Fault, Reply, Rule};
use carebell::store::{attempts, holds, messages};

const PHONE: &str = "+351912345001";

fn hold(scope: Scope) -> Hold {
    let (actor, because) = ("operator".to_owned(), "a test".to_owned());
    Hold { scope, until: None, actor, because, at: at(0, 0) }
}

/// What the command does, as seen by every instance.
async fn set(house: &House, hold: &Hold) {
    let mut tx = house.app.store.write().await.unwrap();
    holds::set(&mut tx, hold).await.unwrap();
    tx.commit().await.unwrap();
}

async fn lift(house: &House, scope: &Scope) {
    let mut tx = house.app.store.write().await.unwrap();
    assert!(holds::lift(&mut tx, scope).await.unwrap());
    tx.commit().await.unwrap();
}

on_both!(
    p5_a_stop_keeps_everything_queued_and_what_expires_meanwhile_expires,
    async |house: House| {
        let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
        let mut brief = medicine("brief", &["08:00"]);
        brief.class = Class::TimeCriticalDose;
        house.activity(id, brief).await;
        house.activity(id, doing(ActivityKind::Measurement, "weight", &["09:00"])).await;
        house.play_until(planned()).await;
        set(&house, &hold(Scope::Sending)).await;
        house.play_until(at(8, 10)).await;
        assert_eq!(house.reminders().await, [("queued".to_owned(), 1)].into());
        house.play_until(at(9, 30)).await;
        assert!(house.sandbox.ledger().is_empty(), "sent although stopped");
        let story = house.story_of(id).await;
        assert_eq!(story[0], ("expired", "past-validity".to_owned()));
        assert_eq!(story[1].0, "queued");
        lift(&house, &Scope::Sending).await;
        house.play_until(at(9, 31)).await;
        assert_eq!(house.accepted(PHONE), [9 * 60 + 30]);
        assert_eq!(house.story_of(id).await[1].0, "sent");
    }
);

// On one thread: a send begins when the test next waits, which is after the stop.
#[tokio::test]
async fn p3_what_was_claimed_when_the_stop_came_ends_not_sent_on_sqlite() {
    stopped_after_the_claim(House::build(On::Sqlite).await.unwrap()).await;
}

#[tokio::test]
async fn p3_p11_what_was_claimed_when_the_stop_came_ends_not_sent_on_postgres() {
    let Some(house) = House::build(On::Postgres).await else { return };
    stopped_after_the_claim(house).await;
}

async fn stopped_after_the_claim(house: House) {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    house.clock.set(at(8, 0));
    let deliverer = house.daemon.deliverer();
    assert_eq!(deliverer.tick().await.unwrap().intents, 1);
    deliverer.stop_sending(hold(Scope::Sending));
    house.settle().await;
    assert!(house.sandbox.ledger().is_empty(), "sent after the stop");
    assert_eq!(house.story_of(id).await[0], ("queued", "sending-stopped".to_owned()));
    let mut tx = house.app.store.read().await.unwrap();
    let message = house.reminders_of(id).await[0].message.unwrap();
    let rows = attempts::of_messages(&mut tx, &[message]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.state.word()).collect::<Vec<_>>(), ["not-sent"]);
    let stored = holds::all(&mut tx).await.unwrap();
    assert!(stored.iter().any(|h| h.scope == Scope::Sending), "the others are not told");
    drop(tx);
    lift(&house, &Scope::Sending).await;
    house.play_until(at(8, 1)).await;
    assert_eq!(house.accepted(PHONE).len(), 1);
}

on_both!(p1_a_stop_on_one_instance_holds_another_by_its_next_step, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    let other = house.daemon();
    other.deliverer().stop_sending(hold(Scope::Sending));
    other.step().await.unwrap();
    house.play_until(at(8, 5)).await;
    assert!(house.sandbox.ledger().is_empty(), "sent although another instance was stopped");
    let mut tx = house.app.store.read().await.unwrap();
    let known = house.daemon.deliverer().look_at_holds().await.unwrap();
    assert_eq!(known, holds::all(&mut tx).await.unwrap());
    assert_eq!(known.len(), 1);
});

on_both!(
    p5_a_paused_channel_starves_nobody_and_only_what_may_goes_elsewhere,
    async |house: House| {
        let both = |phone: &str, mail: &str| {
            person(phone, "Europe/Lisbon", &[(Whatsapp, phone), (Email, mail)])
        };
        let dose = house.patient(both(PHONE, "dose@example.org")).await;
        house.activity(dose, medicine("a", &["08:00"])).await;
        house.activity(dose, doing(ActivityKind::Education, "lesson", &["08:01"])).await;
        let visitor = house.patient(both("+351912345002", "visit@example.org")).await;
        let mut visit = doing(ActivityKind::Appointment, "v", &[]);
        visit.schedule = Schedule::Appointment { start: at(10, 0) };
        house.activity(visitor, visit).await;
        let other = house.patient(person("o", "Europe/Lisbon", &[(Sms, "+351912345003")])).await;
        house.activity(other, medicine("a", &["08:00"])).await;
        house.play_until(planned()).await;
        let until = Some(at(8, 20));
        set(&house, &Hold { until, ..hold(Scope::Channel("whatsapp".to_owned())) }).await;
        house.play_until(at(8, 19)).await;
        assert_eq!(house.accepted("visit@example.org").len(), 1, "an appointment falls back");
        assert_eq!(house.accepted("+351912345003"), [480], "another channel is not held up");
        assert_eq!(
            house.accepted("dose@example.org"),
            [480],
            "so does a dose that surely did not leave"
        );
        assert!(house.accepted(PHONE).is_empty());
        let told: Vec<_> = house.story_of(dose).await.into_iter().map(|(state, _)| state).collect();
        assert_eq!(told, ["sent", "queued"], "a lesson can wait");
        house.play_until(at(8, 21)).await;
        assert_eq!(house.accepted(PHONE), [500], "the pause ends by itself");
        assert!(house.accepted("+351912345002").is_empty());
    }
);

on_both!(p1_a_dose_that_may_have_left_does_not_go_round_a_pause, async |house: House| {
    let contacts = [(Sms, PHONE), (Email, "dose@example.org")];
    let unknown = house.patient(person("p", "Europe/Lisbon", &contacts)).await;
    house.activity(unknown, medicine("a", &["08:00"])).await;
    let code = Some("20429".to_owned());
    let refused = AnswerFault::Refuse { status: 429, code, retry_after: None };
    house.sandbox.faults().add(Rule::once(Fault::Answer(refused)));
    house.play_until(at(8, 0)).await;
    assert_eq!(house.story_of(unknown).await[0], ("queued", "retry".to_owned()));
    // An earlier attempt of it turns out to be unknown, as after a crash.
    house.damage("UPDATE attempts SET state = 'unknown'").await;
    set(&house, &hold(Scope::Channel("twilio".to_owned()))).await;
    house.play_until(at(11, 0)).await;
    assert!(house.sandbox.ledger().is_empty(), "said twice, perhaps");
    assert_eq!(house.story_of(unknown).await[0], ("unknown", "stays-unknown".to_owned()));
});

on_both!(p2_a_dose_goes_round_a_pause_as_soon_as_another_channel_opens, async |house: House| {
    let contacts = [(Sms, PHONE), (Email, "dose@example.org")];
    let id = house.patient(person("p", "Europe/Lisbon", &contacts)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    set(&house, &hold(Scope::Channel("twilio".to_owned()))).await;
    let until = Some(at(8, 7));
    set(&house, &Hold { until, ..hold(Scope::Channel("email".to_owned())) }).await;
    house.play_until(at(8, 6)).await;
    assert!(house.sandbox.ledger().is_empty());
    for minute in 7..30 {
        house.play_until(at(8, minute)).await;
    }
    let sent = house.accepted("dose@example.org");
    assert!(matches!(sent[..], [487..=492]), "looked at again every five minutes: {sent:?}");
    assert!(house.accepted(PHONE).is_empty());
});

on_both!(p2_a_dose_that_could_not_leave_goes_round_a_channel_that_rests, async |house: House| {
    let contacts = [(Sms, PHONE), (Email, "dose@example.org")];
    let id = house.patient(person("p", "Europe/Lisbon", &contacts)).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let later = house.patient(person("q", "Europe/Lisbon", &[(Sms, "+351912345002")])).await;
    house.activity(later, medicine("a", &["08:00"])).await;
    let refused =
        AnswerFault::Refuse { status: 401, code: Some("20003".into()), retry_after: None };
    house.sandbox.faults().add(Rule::always(Fault::Answer(refused)).on(Channel::Twilio));
    house.play_until(at(8, 20)).await;
    assert_eq!(house.accepted("dose@example.org"), [480]);
    assert_eq!(house.story_of(later).await[0].0, "queued", "who has no other channel waits");
});

on_both!(
    p5_on_a_paused_channel_alone_everything_waits_within_its_validity,
    async |house: House| {
        let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
        let mut visit = doing(ActivityKind::Appointment, "v", &[]);
        visit.schedule = Schedule::Appointment { start: at(12, 0) };
        house.activity(id, visit).await;
        house.activity(id, medicine("a", &["10:00"])).await;
        house.play_until(planned()).await;
        let scope = Scope::Channel("twilio".to_owned());
        set(&house, &hold(scope.clone())).await;
        house.play_until(at(11, 0)).await;
        let told: Vec<_> = house.story_of(id).await;
        assert!(told.iter().all(|(state, _)| *state == "queued"), "{told:?}");
        let reminders = house.reminders_of(id).await;
        let visit = reminders.iter().find(|r| r.class == Class::Appointment).unwrap();
        let message = visit.message.unwrap();
        let mut tx = house.app.store.read().await.unwrap();
        assert_eq!(
            messages::by_id(&mut tx, message).await.unwrap().unwrap().reason.word(),
            "channel-paused"
        );
        drop(tx);
        house.play_until(at(12, 30)).await;
        let told: Vec<_> = house.story_of(id).await.into_iter().map(|(state, _)| state).collect();
        assert_eq!(told, ["expired", "expired"]);
        assert!(house.sandbox.ledger().is_empty());
        lift(&house, &scope).await;
        house.play_until(at(12, 40)).await;
        assert!(house.sandbox.ledger().is_empty(), "sent after its validity");
    }
);

on_both!(
    p5_a_house_on_hold_sends_nothing_and_what_expires_meanwhile_expires,
    async |mut house: House| {
        let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
        let mut brief = medicine("brief", &["08:00"]);
        brief.class = Class::TimeCriticalDose;
        house.activity(id, brief).await;
        house.activity(id, medicine("longer", &["08:10"])).await;
        house.play_until(planned()).await;
        house.app.hold = Some("the database is stamped sandbox".to_owned());
        house.restart();
        house.play_until(at(8, 40)).await;
        let story = house.story_of(id).await;
        assert_eq!(story[0], ("expired", "past-validity".to_owned()));
        assert_eq!(story[1].0, "queued");
        assert!(house.sandbox.ledger().is_empty(), "sent although on hold");
        house.app.hold = None;
        house.restart();
        house.play_until(at(8, 41)).await;
        assert_eq!(house.accepted(PHONE).len(), 1);
    }
);

on_both!(p6_a_stop_confirmation_waits_for_the_resume_as_all_else_does, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(7, 0)).await;
    set(&house, &hold(Scope::Sending)).await;
    house.sandbox.reply(Reply::text(Channel::Whatsapp, PHONE, "STOP")).await.unwrap();
    house.play_until(at(7, 1)).await;
    assert!(house.sandbox.ledger().is_empty());
    lift(&house, &Scope::Sending).await;
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [7 * 60 + 1], "the confirmation, and no dose");
});

on_both!(a_hold_uses_up_no_try_of_the_provider, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let refused = AnswerFault::Refuse { status: 500, code: None, retry_after: None };
    house.sandbox.faults().add(Rule::always(Fault::Answer(refused)));
    house.play_until(at(8, 2)).await;
    let mut tx = house.app.store.read().await.unwrap();
    let message = house.reminders_of(id).await[0].message.unwrap();
    let tried = attempts::of_messages(&mut tx, &[message]).await.unwrap().len();
    drop(tx);
    set(&house, &hold(Scope::Sending)).await;
    house.play_until(at(8, 30)).await;
    let mut tx = house.app.store.read().await.unwrap();
    let now = attempts::of_messages(&mut tx, &[message]).await.unwrap().len();
    assert_eq!(now, tried, "nothing is claimed while sending is stopped");
});
