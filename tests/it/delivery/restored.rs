//! A database that was put back to an earlier state (hazard H25): what it has forgotten is never said again blindly.
//! The oracle is the stand-in's ledger, which forgets nothing.

use crate::house::{House, On, at, doing, medicine, on_both, person, planned};
use carebell::care::ChannelKind::{Email, Sms, Whatsapp};
use carebell::care::hold::{Hold, Scope};
use carebell::care::{ActivityKind, Schedule};
use carebell::http::Readiness as _;
use carebell::policy::went_back::WentBack;
use carebell::sandbox::{CallbackFault, Fault, Rule};
use carebell::store::{attempts, holds, homes};

const SMS: &str = "+351912345001";
const WHATSAPP: &str = "+351912345002";
const MAIL: &str = "visit@example.org";

async fn is_held(house: &House) -> bool {
    let mut tx = house.app.store.read().await.unwrap();
    holds::all(&mut tx).await.unwrap().iter().any(|hold| hold.scope == Scope::Restored)
}

/// What `carebell reconcile --settle` does.
async fn settle(house: &House) {
    let now = carebell::clock::Clock::now(&*house.clock);
    let mut tx = house.app.store.write().await.unwrap();
    assert!(homes::settle(&mut tx, now).await.unwrap() > 0);
    assert!(holds::lift(&mut tx, &Scope::Restored).await.unwrap());
    tx.commit().await.unwrap();
}

/// Doses over SMS, which can be looked up, and over WhatsApp, which cannot; a visit announced by mail. Backed up just
/// before all three go out, and put back ten minutes after.
async fn restored(house: &mut House) -> [carebell::care::ids::PatientId; 3] {
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    let sms = house.patient(person("s", "Europe/Lisbon", &[(Sms, SMS)])).await;
    house.activity(sms, medicine("a", &["08:00", "20:00"])).await;
    let whatsapp = house.patient(person("w", "Europe/Lisbon", &[(Whatsapp, WHATSAPP)])).await;
    house.activity(whatsapp, medicine("b", &["08:00", "20:00"])).await;
    let mail = house.patient(person("m", "Europe/Lisbon", &[(Email, MAIL)])).await;
    let mut visit = doing(ActivityKind::Appointment, "v", &[]);
    visit.schedule = Schedule::Appointment { start: at(10, 0) };
    house.activity(mail, visit).await;
    // Something that left before the backup.
    house.activity(mail, medicine("early", &["07:30"])).await;
    house.play_until(planned()).await;
    house.back_up().await;
    house.play_until(at(8, 5)).await;
    assert_eq!((house.accepted(SMS), house.accepted(WHATSAPP)), (vec![480], vec![480]));
    assert_eq!(house.accepted(MAIL).len(), 2);
    house.clock.set(at(8, 10));
    house.restore().await;
    [sms, whatsapp, mail]
}

on_both!(h25_p1_a_restored_database_says_nothing_before_it_is_settled, async |mut house: House| {
    restored(&mut house).await;
    assert!(is_held(&house).await, "before the first step");
    house.play_until(at(8, 30)).await;
    assert_eq!(house.sandbox.ledger().len(), 4, "said although on hold");
    let mut tx = house.app.store.read().await.unwrap();
    let open = homes::open(&mut tx).await.unwrap();
    assert_eq!(open.len(), 1);
    let forgotten = open[0].file_sends - open[0].database_sends;
    assert_eq!((open[0].kind.as_str(), forgotten), ("forgot", 3), "{open:?}");
    let now = carebell::clock::Clock::now(&*house.clock);
    let waiting = homes::waiting(&mut tx, carebell::care::UtcMs(open[0].until_ms), now).await;
    assert_eq!(waiting.unwrap().len(), 3);
    drop(tx);
    let components = house.daemon.components().await;
    let hold = components.iter().find(|component| component.name == "hold").unwrap();
    assert!(hold.fault.as_ref().unwrap().contains("forgotten 3 sends"), "{hold:?}");
    assert!(house.daemon.summary().await.unwrap().contains("back in time"));
});

on_both!(
    h25_p1_p4_what_may_have_gone_is_settled_by_the_provider_or_its_class,
    async |mut house: House| {
        let [sms, whatsapp, mail] = restored(&mut house).await;
        house.play_until(at(8, 11)).await;
        settle(&house).await;
        house.play_until(at(12, 0)).await;
        assert_eq!((house.accepted(SMS), house.accepted(WHATSAPP)), (vec![480], vec![480]));
        assert_eq!(house.story_of(sms).await[0], ("sent", "looked-up".to_owned()));
        let story = house.story_of(whatsapp).await;
        assert_eq!(story[0], ("unknown", "stays-unknown".to_owned()));
        assert_eq!(house.tasks().await, [("unknown-dose".to_owned(), 1)].into());
        // The visit may be told of again, and says that it is a repeat.
        assert_eq!(house.accepted(MAIL).len(), 3);
        let mut tx = house.app.store.read().await.unwrap();
        let reminders = house.reminders_of(mail).await;
        let visit = reminders.iter().find_map(|r| r.message.filter(|_| r.due_at == at(8, 0)));
        let rows = attempts::of_messages(&mut tx, &[visit.unwrap()]).await.unwrap();
        let repeats: Vec<_> = rows.iter().map(|row| row.repeat).collect();
        assert_eq!(repeats, [attempts::Repeat::First, attempts::Repeat::Again]);
        drop(tx);
        // What comes due later goes out as ever, and the next start finds nothing.
        house.play_until(at(21, 0)).await;
        assert_eq!((house.accepted(SMS).len(), house.accepted(WHATSAPP).len()), (2, 2));
        house.restart();
        assert_eq!(house.daemon.deliverer().look_back().await.unwrap(), None);
        assert!(!is_held(&house).await);
    }
);

on_both!(h25_p1_an_edit_lost_with_the_gap_is_not_said_again_either, async |mut house: House| {
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    let id = house.patient(person("w", "Europe/Lisbon", &[(Whatsapp, WHATSAPP)])).await;
    let dose = house.activity(id, medicine("a", &["12:00"])).await;
    house.play_until(at(7, 0)).await;
    house.back_up().await;
    house.edit(dose, id, &medicine("a", &["08:00"])).await;
    house.play_until(at(8, 5)).await;
    assert_eq!(house.accepted(WHATSAPP), [480]);
    house.clock.set(at(8, 10));
    house.restore().await;
    settle(&house).await;
    house.edit(dose, id, &medicine("a", &["08:00"])).await;
    house.play_until(at(20, 0)).await;
    assert_eq!(house.accepted(WHATSAPP), [480]);
});

on_both!(h25_p1_what_left_late_in_the_gap_is_not_taken_for_absent, async |mut house: House| {
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    let id = house.patient(person("s", "Europe/Lisbon", &[(Sms, SMS)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    house.back_up().await;
    // The dose of 08:00 waits for its channel, and leaves long after the minute that the backup knows of.
    let (actor, because) = ("operator".to_owned(), "a test".to_owned());
    let scope = Scope::Channel("twilio".to_owned());
    let mut tx = house.app.store.write().await.unwrap();
    let until = Some(at(8, 20));
    holds::set(&mut tx, &Hold { scope, until, actor, because, at: at(7, 50) }).await.unwrap();
    tx.commit().await.unwrap();
    house.play_until(at(8, 25)).await;
    assert_eq!(house.accepted(SMS), [500]);
    house.clock.set(at(8, 26));
    house.restore().await;
    settle(&house).await;
    house.play_until(at(8, 27)).await;
    // Leases run on the database's own clock, which nobody turns here.
    house.damage("UPDATE attempts SET lease_until_ms = 0").await;
    house.play_until(at(14, 0)).await;
    assert_eq!(house.accepted(SMS), [500], "said again");
    assert_eq!(house.tasks().await, [("unknown-dose".to_owned(), 1)].into());
});

on_both!(h25_another_database_in_its_place_is_held_and_taken_once_settled, async |house: House| {
    let id = house.patient(person("s", "Europe/Lisbon", &[(Sms, SMS)])).await;
    house.activity(id, medicine("a", &["08:00", "20:00"])).await;
    house.play_until(at(9, 0)).await;
    house.damage("UPDATE meta SET value = 'second' WHERE key = 'database_id'").await;
    let deliverer = house.daemon.deliverer();
    assert_eq!(deliverer.look_back().await.unwrap(), Some(WentBack::OtherDatabase));
    house.play_until(at(20, 30)).await;
    assert_eq!(house.accepted(SMS).len(), 1);
    settle(&house).await;
    // The dose of 20:00 came due after the gap's end.
    house.play_until(at(21, 0)).await;
    assert_eq!(house.accepted(SMS).len(), 2);
    assert_eq!(house.home.memory().database, "second");
});

on_both!(h25_p3_a_claim_on_a_database_that_went_back_is_no_claim, async |house: House| {
    let id = house.patient(person("s", "Europe/Lisbon", &[(Sms, SMS)])).await;
    house.activity(id, medicine("a", &["08:00", "09:00"])).await;
    house.play_until(at(8, 30)).await;
    assert_eq!(house.accepted(SMS).len(), 1);
    // Behind the very connections that were compared: nothing but the claim itself can see it.
    assert_eq!(house.damage("DELETE FROM send_counters").await, 1);
    house.play_until(at(9, 30)).await;
    assert_eq!(house.accepted(SMS).len(), 1, "sent on a database that went back");
    assert!(is_held(&house).await);
});

#[tokio::test]
async fn h25_a_new_timeline_without_a_synchronous_standby_is_held_on_postgres() {
    let Some(house) = House::build(On::Postgres).await else { return };
    let id = house.patient(person("s", "Europe/Lisbon", &[(Sms, SMS)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(9, 0)).await;
    let memory = house.home.memory();
    let timeline = memory.timeline.clone().unwrap();
    assert!(timeline.ends_with("/00000001"), "{timeline}");
    let deliverer = house.daemon.deliverer();
    assert_eq!(deliverer.look_back().await.unwrap(), None);
    // As if what is remembered were of the server before a promotion, with and without a standby to wait for.
    let before = |synchronous| {
        let timeline = Some(timeline.replace("/00000001", "/00000000"));
        carebell::home::Memory { timeline, synchronous, ..memory.clone() }
    };
    house.home.adopt(before(true)).unwrap();
    assert_eq!(deliverer.look_back().await.unwrap(), None);
    assert_eq!(house.home.memory(), memory, "the new timeline is taken");
    house.home.adopt(before(false)).unwrap();
    assert_eq!(deliverer.look_back().await.unwrap(), Some(WentBack::NewTimeline));
    assert!(is_held(&house).await);
    settle(&house).await;
    assert_eq!(deliverer.look_back().await.unwrap(), None);
    assert_eq!(house.home.memory(), memory);
}

#[tokio::test]
async fn h25_the_timeline_is_read_without_privileges() {
    use sqlx::Connection as _;
    let Some(house) = House::build(On::Postgres).await else { return };
    let mut c = sqlx::PgConnection::connect(&house.database_url()).await.unwrap();
    sqlx::raw_sql("SET ROLE pg_signal_backend").execute(&mut c).await.unwrap();
    let all = carebell::store::all_statements();
    let (_, statement) = all.iter().find(|(name, _)| name.ends_with("homes::TIMELINE")).unwrap();
    let (timeline, _): (Option<String>, i64) =
        sqlx::query_as(statement.postgres).fetch_one(&mut c).await.unwrap();
    assert!(timeline.is_some());
}
